"""
The firewall beside its ancestors, in network namespaces: loading, what leaks meanwhile, dropping, lists of bans, and who still
gets through under a flood. Ours and the peers in turns, in the same run; ratios of each round, median (min-max).

    BENCH_ONLY=firewall make bench            BENCH_FIREWALL="load leak drop bans flood quiet" for some of it
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import figures
import fw_peers
from figures import QUICK, ROOT, quote, ratio, rounds, spread, table

FLOOD = ROOT / "build/bench/flood"
FWCTL = ROOT / "build/fwctl"
PARTS = ["load", "leak", "drop", "bans", "flood", "quiet"]
ONLY = os.environ.get("BENCH_FIREWALL", "").split() or PARTS
SYN, ACK, XMAS = 0x02, 0x10, 0x29
SRV, CLI = {4: "198.51.100.1", 6: "2001:db8:b::1"}, {4: "198.51.100.2", 6: "2001:db8:b::2"}
SECONDS = 1 if QUICK else 4
OPEN_PORT, SHUT_PORT, CLOSED_PORT = 25, 3306, 9  # shut: somebody listens behind the rules; closed: nobody
LEAK_RATE = 50_000
PATIENCE = 2.5  # of a client: two SYNs that were lost


class Failed(Exception):
    """It could not be measured."""


class Net:
    """srv, behind the rules, and cli, on one veth pair; srv's route to everybody is cli, as a server's is its router."""

    def __init__(self):
        self.srv, self.cli = f"zbs{os.getpid()}", f"zbc{os.getpid()}"

    def __enter__(self):
        for name in (self.srv, self.cli):
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.run(name, "ip link set lo up")
        self.run(self.srv, f"ip link add eth0 type veth peer name eth0 netns {self.cli}")
        for name, a in ((self.srv, SRV), (self.cli, CLI)):
            self.run(name, f"ip addr add {a[4]}/24 dev eth0; ip addr add {a[6]}/64 dev eth0 nodad; ip link set eth0 up")
        self.run(self.srv, f"ip route add default via {CLI[4]}; ip -6 route add default via {CLI[6]}")
        self.mac = json.loads(self.run(self.srv, "ip -j link show eth0"))[0]["address"]
        return self

    def __exit__(self, *_):
        for name in (self.srv, self.cli):
            subprocess.run(["ip", "netns", "del", name], check=False)

    def argv(self, name, *words):
        # Not `ip netns exec`: its mounts take longer than loading the rules.
        return ["nsenter", f"--net=/run/netns/{name}", *map(str, words)]

    def run(self, name, script, **kw):
        done = subprocess.run(self.argv(name, "sh", "-ec", script), capture_output=True, text=True, check=False, **kw)
        if done.returncode:
            raise Failed(f"{script[:200]}: {done.stderr[:400].strip()}")
        return done.stdout

    def flood(self, version, port, flags, seconds=SECONDS, *source, rate=None):
        pace = ["-r", rate] if rate else []
        return subprocess.Popen(self.argv(self.cli, FLOOD, *pace, "eth0", self.mac, SRV[version], port, flags, seconds, *source),
                                stdout=subprocess.PIPE, text=True)

    def rate(self, *args):
        """Packets, in thousands, for each second of CPU: the receiver's work is done inside of the sender's call."""
        return flooded(self.flood(*args))[0]

    def clear(self):
        self.run(self.srv, "nft flush ruleset; ipset destroy 2>/dev/null || true; conntrack -F 2>/dev/null || true")

    def conntrack(self, what="count"):
        return int(self.run(self.srv, f"cat /proc/sys/net/netfilter/nf_conntrack_{what}"))


def backlog_dropped():
    """Packets that no CPU's queue had room for, of the whole machine: sent, but never seen by any rule."""
    return sum(int(line.split()[1], 16) for line in pathlib.Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines())


def flooded(process):
    """(thousands of packets in a second of CPU, in a second)."""
    before = backlog_dropped()
    out = process.communicate()[0].split()
    if process.returncode or len(out) != 3:
        raise Failed("flood: see above")
    handled = max(0, int(out[0]) - (backlog_dropped() - before)) / 1000
    return handled / max(0.001, float(out[2])), handled / float(out[1])


def setns(name):
    """This thread's namespace (Debian 12's Python has no os.setns)."""
    with open(f"/run/netns/{name}", "rb") as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Server(threading.Thread):
    """Greets first, as mail servers do. A thread in srv's namespace."""

    def __init__(self, net, port):
        super().__init__(daemon=True)
        self.net, self.port = net, port
        self.ready = threading.Event()
        self.start()
        if not self.ready.wait(5):
            raise Failed(f"nobody listens on port {port}")

    def run(self):
        setns(self.net.srv)
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", self.port))
        s.listen(1024)
        self.ready.set()
        while True:
            c = s.accept()[0]
            with contextlib.suppress(OSError):
                c.sendall(b"220 ready\r\n")
            c.close()


def connects(net, version, count, seconds=None):
    """(how many tried, the milliseconds from SYN to greeting of those that were greeted); for so many seconds at most."""
    tried, good = [], []

    def work():
        setns(net.cli)
        end = time.perf_counter() + (seconds or 1e9)
        while len(tried) < count and time.perf_counter() < end:
            begin = time.perf_counter()
            tried.append(begin)
            with contextlib.suppress(OSError), socket.create_connection((SRV[version], OPEN_PORT), timeout=PATIENCE) as s:
                if s.recv(64):
                    good.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.002)

    t = threading.Thread(target=work)
    t.start()
    t.join()
    return len(tried), sorted(good)


def percentile(values, p):
    return round(values[min(len(values) - 1, int(len(values) * p))], 2) if values else "-"


# --- rule sets -----------------------------------------------------------------------------------------------------


def ours(net, settings=""):
    return net.run(net.srv, f"{settings} {FWCTL} load")


def files():
    """The ancestor's rules for the two restores, and ours for nft, as files."""
    folder = ROOT / "build/bench"
    for name, text in zip(("v4", "v6"), fw_peers.ancestor_restore()):
        (folder / f"ancestor.{name}").write_text(text, encoding="ascii")
    (folder / "ours.nft").write_text(subprocess.run([FWCTL, "print"], capture_output=True, text=True, check=True).stdout, encoding="ascii")
    return f"iptables-restore <{folder}/ancestor.v4; ip6tables-restore <{folder}/ancestor.v6", f"nft -f {folder}/ours.nft"


def ancestor(net):
    net.run(net.srv, files()[0])


def nft(net, text):
    net.run(net.srv, "nft -f -", input=text)


def attempt(setup, missing, name):
    """False: this peer does not work here, and is left out of the table."""
    if name in missing:
        return False
    try:
        setup()
    except Failed as e:
        missing[name] = str(e)
        print(f"firewall: {name} cannot be measured here: {e}", file=sys.stderr)
        return False
    return True


# --- the parts -----------------------------------------------------------------------------------------------------


def part_load(net):
    """Milliseconds until everything is in force, the start of the programs included."""
    restore, nft_file = files()
    ways = {
        "ours, first": (True, f"{FWCTL} load"),
        "ours, again": (False, f"{FWCTL} load"),
        "iptables calls": (True, fw_peers.ancestor_calls()),
        "iptables-restore, both": (True, restore),
        "nft -f, our rules": (True, nft_file),
        "nft -f, our rules again": (False, nft_file),
        "a shell that does nothing": (True, ":"),
    }
    took, inside, missing = {name: [] for name in ways}, {"ours, first": [], "ours, again": []}, {}
    for _ in range(rounds(15, 3)):
        for name, (fresh, script) in ways.items():
            if fresh:
                net.clear()
            said = []
            begin = time.perf_counter()
            if not attempt(lambda s=script: said.append(net.run(net.srv, s)), missing, name):
                continue
            took[name].append((time.perf_counter() - begin) * 1000)
            if name in inside:
                inside[name].append(float(re.search(r"in ([\d.]+) ms", said[0]).group(1)))
    rows = [[name, quote(spread(v, 1), " ms"), quote(spread(inside[name], 2), " ms") if name in inside else "",
             quote(ratio(took["ours, first"], v))] for name, v in took.items()]
    table("Loading the rules (goals, the call: first <= 5 ms, again <= 10 ms)",
          ["", "with the programs' start", "fw_open()", "ours, first / this"], rows)
    return {name: spread(v) for name, v in took.items()} | {f"{name}, call": spread(v) for name, v in inside.items()}


COUNTER = ("table inet leak {\n counter leaked { }\n chain pre {\n  type filter hook prerouting priority -300\n"
           f"  tcp sport {SHUT_PORT} tcp flags & (syn | ack) == syn | ack counter name leaked drop\n }}\n}}\n")


def part_leak(net):
    """SYN-ACKs of a shut port that somebody listens on, while the rules are loaded. Ours begins closed, as PID 1 does."""
    restore, nft_file = files()
    nothing, closed = ":", f"{FWCTL} close"
    ways = {
        "ours: closed, then loaded": (closed, f"{FWCTL} load"),
        "ours: loaded again": (f"{FWCTL} load", f"{FWCTL} load"),
        "iptables calls": (nothing, fw_peers.ancestor_calls()),
        "iptables-restore, both": (nothing, restore),
        "iptables-restore again": (restore, restore),
        "nft -f, our rules": (nothing, nft_file),
        "nft -f, our rules again": (nft_file, nft_file),
    }
    got, missing = {name: [] for name in ways}, {}
    net.run(net.cli, "nft -f -", input=COUNTER)
    # Cookies for all: a SYN-ACK that is sent again later is no leak.
    net.run(net.srv, "sysctl -qw net.ipv4.tcp_syncookies=2")
    try:
        for _ in range(rounds(5, 2)):
            for name, (before, script) in ways.items():
                net.clear()
                if not attempt(lambda s=before: net.run(net.srv, s), missing, name):
                    continue
                flood = net.flood(4, SHUT_PORT, SYN, 1.5, rate=LEAK_RATE)
                time.sleep(0.3)
                net.run(net.cli, "nft reset counter inet leak leaked")
                loaded = attempt(lambda s=script: net.run(net.srv, s), missing, name)
                said = json.loads(net.run(net.cli, "nft -j list counter inet leak leaked"))["nftables"]
                flooded(flood)
                if loaded:
                    got[name].append(next(x["counter"]["packets"] for x in said if "counter" in x))
    finally:
        net.run(net.srv, "sysctl -qw net.ipv4.tcp_syncookies=1")
        net.run(net.cli, "nft delete table inet leak")
    table(f"Leaked while loading, at {LEAK_RATE // 1000} kpps to a shut port (goal: 0)", ["", "SYN-ACKs"],
          [[name, quote(spread(v, 0))] for name, v in got.items()])
    return {name: spread(v, 0) for name, v in got.items()}


def part_drop(net):
    """What a drop path handles, against a single rule that drops everything."""
    kinds = {"SYN, closed port": (CLOSED_PORT, SYN), "Xmas, open port": (OPEN_PORT, XMAS), "ACK, open port": (OPEN_PORT, ACK),
             "ACK, closed port": (CLOSED_PORT, ACK)}
    setups = {"floor": lambda: nft(net, fw_peers.floor()), "ours": lambda: ours(net), "ancestor": lambda: ancestor(net)}
    found, missing = {}, {}
    for version in (4, 6):
        for kind, (port, flags) in kinds.items():
            got = {name: [] for name in setups}
            for _ in range(rounds(5, 3)):
                for name, setup in setups.items():
                    net.clear()
                    if attempt(setup, missing, name):
                        got[name].append(net.rate(version, port, flags))
            found[f"IPv{version} {kind}"] = got
    rows = [[kind, quote(spread(g["floor"], 0)), quote(spread(g["ours"], 0)), quote(ratio(g["ours"], g["floor"])),
             quote(spread(g["ancestor"], 0)), quote(ratio(g["ancestor"], g["floor"]))] for kind, g in found.items()]
    table("Dropping, thousands in a second of CPU (goals, of the floor: SYN and Xmas >= 0.95, ACK >= 0.8)",
          ["", "floor", "ours", "ours / floor", "ancestor", "ancestor / floor"], rows)
    return {kind: {name: spread(v, 0) for name, v in g.items()} for kind, g in found.items()}


def lists(count):
    """So many addresses from 10.0.0.0 on; the same as networks of two, which stay that many intervals."""
    single = [".".join(str((10 << 24) + i >> s & 255) for s in (24, 16, 8, 0)) for i in range(count)]
    wide = [f"{a}/31" for a in single[::2]]
    paths = {}
    for name, entries in (("single", single), ("wide", wide)):
        paths[name] = ROOT / f"build/bench/bans-{name}"
        paths[name].write_text("\n".join(entries) + "\n", encoding="ascii")
    return single, wide, paths


def part_bans(net):
    """Banned sources hitting a list of so many. Ours with times to live, theirs without."""
    found, rows, missing = {}, [], {}
    for count in (10_000, 100_000) if QUICK else (10_000, 100_000, 500_000):
        single, wide, paths = lists(count)
        ipset_text, ipset_rule = fw_peers.ipset_bans(single)
        # What is there before, and the loading of the list, which is timed.
        setups = {
            "floor": (lambda: nft(net, fw_peers.floor()), None),
            "ours, addresses": (lambda: ours(net), lambda: net.run(net.srv, f"{FWCTL} ban -f {paths['single']} 3600")),
            "ours, CIDR": (lambda: ours(net), lambda: net.run(net.srv, f"{FWCTL} ban -f {paths['wide']} 3600")),
            "nft hash": (None, lambda: nft(net, fw_peers.nft_bans("peer", single))),
            "nft interval": (None, lambda: nft(net, fw_peers.nft_bans("peer", wide, True))),
            "ipset": (None, lambda: net.run(net.srv, f"ipset restore && {ipset_rule}", input=ipset_text)),
        }
        handled, load_ms = {name: [] for name in setups}, {name: [] for name in setups}
        for _ in range(rounds(3, 2)):
            for name, (before, fill) in setups.items():
                net.clear()
                if before:
                    before()
                begin = time.perf_counter()
                if fill and not attempt(fill, missing, name):
                    continue
                if fill:
                    load_ms[name].append((time.perf_counter() - begin) * 1000)
                handled[name].append(net.rate(4, OPEN_PORT, SYN, SECONDS, "10.0.0.0", count))
        net.clear()
        found[count] = {"k_per_cpu_second": {n: spread(v, 0) for n, v in handled.items()}, "load_ms": {n: spread(v, 0) for n, v in load_ms.items()}}
        rows += [[f"{count:,} {name}", quote(spread(v, 0)), quote(ratio(v, handled["floor"])), quote(ratio(v, handled["ipset"])),
                  quote(spread(load_ms[name], 0), " ms")] for name, v in handled.items()]
    table("Banned sources (goals: addresses, of the floor, 10,000 >= 0.8, 100,000 >= 0.55, ahead of ipset; 100,000 loaded < 300 ms)",
          ["", "k per CPU second", "of the floor", "of ipset", "loading the list"], rows)
    return found


def fullest(net):
    """Percent of the fullest of our sets that packets fill."""
    said = net.run(net.srv, f"{FWCTL} status")
    return max([100 * int(used) / int(size) for used, size in re.findall(r"^set +\S+ +(\d+) of (\d+)$", said, re.M)], default=0)


def under_flood(net, version, seen):
    flood = net.flood(version, OPEN_PORT, SYN, SECONDS + 2)
    time.sleep(0.5)
    tried, ms = connects(net, version, 50, SECONDS + 1)
    entries = net.conntrack()
    full = fullest(net) if "sets" in seen else 0
    per_cpu, kpps = flooded(flood)
    seen["per_cpu"].append(per_cpu)
    seen["kpps"].append(kpps)
    seen["greeted"].append(100 * len(ms) / tried)
    seen["ms"] += ms
    seen["conntrack"].append(100 * entries / net.conntrack("max"))
    if "sets" in seen:
        seen["sets"].append(full)


def part_flood(net):
    """Who is greeted under a flood of SYNs from random sources, and what fills up."""
    setups = {"no rules": lambda: None, "ours": lambda: ours(net), "ancestor": lambda: ancestor(net)}
    found, rows, missing = {}, [], {}
    for version, offload in ((4, "on"), (4, "off"), (6, "on"), (6, "off")):
        net.run(net.cli, f"ethtool -K eth0 tx {offload} >/dev/null")
        got = {name: {"per_cpu": [], "kpps": [], "greeted": [], "ms": [], "conntrack": []} for name in setups}
        got["ours"]["sets"] = []
        for _ in range(rounds(3, 1)):
            for name, setup in setups.items():
                net.clear()
                if attempt(setup, missing, name):
                    under_flood(net, version, got[name])
        for name, g in got.items():
            key, ms = f"IPv{version}, client's checksums {'offloaded' if offload == 'on' else 'made'}: {name}", sorted(g["ms"])
            found[key] = {k: spread(g.get(k)) for k in ("per_cpu", "kpps", "greeted", "conntrack", "sets")}
            found[key] |= {"p50_ms": percentile(ms, .5), "p99_ms": percentile(ms, .99)}
            rows.append([key, quote(spread(g["kpps"], 0)), quote(spread(g["per_cpu"], 0)), quote(ratio(g["per_cpu"], got["no rules"]["per_cpu"])),
                         quote(spread(g["greeted"], 0), " %"),
                         percentile(ms, .5), percentile(ms, .99), quote(spread(g["conntrack"]), " %"), quote(spread(g.get("sets")), " %")])
    net.run(net.cli, "ethtool -K eth0 tx on >/dev/null")
    table("SYNs from random sources to an open port (goals: all greeted, >= 0.9 of no rules, conntrack < 1 %)",
          ["", "kpps", "k per CPU second", "of no rules", "greeted", "p50 ms", "p99 ms", "conntrack full", "fullest set"], rows)
    return found


def part_quiet(net):
    """SYN to greeting when nothing else happens."""
    # One source connects faster here than an office does.
    setups = {"no rules": lambda: None, "ours": lambda: ours(net, "FIREWALL_NEW_PER_SOURCE=0"), "ancestor": lambda: ancestor(net)}
    found, rows, missing = {}, [], {}
    for version in (4, 6):
        got = {name: {"tried": 0, "ms": []} for name in setups}
        for _ in range(rounds(5, 2)):
            for name, setup in setups.items():
                net.clear()
                if attempt(setup, missing, name):
                    tried, ms = connects(net, version, 100 if QUICK else 400)
                    got[name]["tried"] += tried
                    got[name]["ms"] += ms
        for name, g in got.items():
            key, ms = f"IPv{version} {name}", sorted(g["ms"])
            found[key] = {"tried": g["tried"], "greeted": len(ms), "p50_ms": percentile(ms, .5), "p99_ms": percentile(ms, .99)}
            rows.append([key, f"{len(ms)} of {g['tried']}", percentile(ms, .5), percentile(ms, .99)])
    table("From SYN to greeting, when quiet (goal: p99 within 1 ms of no rules)", ["", "greeted", "p50 ms", "p99 ms"], rows)
    return found


# --- all of it -----------------------------------------------------------------------------------------------------


def host_conntrack():
    """What the container cannot help: behind a published port, the host tracks every SYN whatever we do."""
    try:
        return {k: int(pathlib.Path(f"/proc/sys/net/netfilter/nf_conntrack_{k}").read_text(encoding="ascii")) for k in ("count", "max")}
    except OSError:
        return None


def measure(net, found):
    problems = 0
    for port in (OPEN_PORT, SHUT_PORT):
        Server(net, port)
    for name in [p for p in PARTS if p in ONLY]:
        before, waited, begin = figures.load(), figures.pressure(), time.monotonic()
        try:
            found[name] = globals()[f"part_{name}"](net)
        except (Failed, OSError, subprocess.SubprocessError, ValueError, LookupError, AttributeError) as e:
            problems += 1
            found[name] = {"error": str(e)}
            print(f"\nfirewall, {name}: NOT MEASURED: {e!r}", flush=True)
        net.clear()
        took = time.monotonic() - begin
        short = None if waited is None else round(100 * (figures.pressure() - waited) / took)
        found[name] |= {"took_seconds": round(took, 1), "load": [before, figures.load()], "cpu_pressure_percent": short}
        print(f"  [{name}: {took:.0f} s, load {before:.1f} -> {figures.load():.1f}, somebody waited for a core {short} % of the time]",
              flush=True)
    return problems


def main():
    unknown = [p for p in ONLY if p not in PARTS]
    if unknown:
        sys.exit(f"bench: no such part of the firewall's: {unknown[0]} ({' '.join(PARTS)})")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = {"command": figures.command("BENCH_QUICK", "BENCH_ONLY", "BENCH_FIREWALL", "BENCH_ROUNDS"), "quick": QUICK,
             "when": figures.now(), "machine": {"cores": os.cpu_count(), "kernel": os.uname().release}, "host_conntrack": host_conntrack()}
    print(f"{found['command']}   (firewall, {found['when']}, {os.cpu_count()} cores, load {figures.load():.1f}, kernel {os.uname().release})")
    with figures.alone(), Net() as net:
        problems = measure(net, found)
    host = found["host_conntrack"]
    if host:
        print(f"\nthe host's own conntrack holds {host['count']} of {host['max']}: behind a published port it tracks every SYN, whatever we do")
    (ROOT / "build/bench-firewall.json").write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    print("build/bench-firewall.json has every value")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
