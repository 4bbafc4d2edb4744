"""
The measurements. Ours and the peer do the same work in the same run, in turns; what is quoted is the ratio of each round,
median (min-max), because the machine is shared and seconds of one run say little about another.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import box
from box import ROOT, Box, Failed, Volume, docker, say
from figures import QUICK, alone, command, load, now, pressure, quote, ratio, rounds, spread, table

ORPHANS = int(os.environ.get("BENCH_ORPHANS") or 20000)
PARTS = ["memory", "orphans", "health", "start", "volume"]
ONLY = os.environ.get("BENCH_ONLY", "").split() or PARTS


# --- memory and wake-ups -------------------------------------------------------------------------------------------


def window(boxes, seconds):
    """Wake-ups of every process 1 in the same seconds."""
    before = {b.init: b.switches() for b in boxes}
    begin = time.monotonic()
    time.sleep(seconds)
    return {b.init: {"wakeups": b.switches() - before[b.init], "seconds": round(time.monotonic() - begin, 1)} for b in boxes}


def memory(run):
    ours, boxes = run.server, [run.server, *run.peers]
    pause, seconds = (10, 10) if QUICK else (30, 30)
    time.sleep(pause)
    result = {"settle_seconds": pause, "condition": {}, "peers": {}, "binary_bytes": run.sizes()}
    settled = ours.memory()
    idle = window(boxes, seconds)
    result["condition"]["settled, nobody asked"] = settled
    ours.exec("zctl", "status")
    ours.exec("zctl", "firewall")
    result["condition"]["after zctl status, zctl firewall"] = ours.memory()
    # What died in the window is what may have woken it.
    result["deaths_in_window"] = [d for d in ours.json("status").get("deaths", []) if d["ago"] <= seconds + 2]
    before = ours.switches()
    for _ in range(20):
        ours.exec("zctl", "health")
    result["wakeups_of_20_health_checks"] = ours.switches() - before
    result["condition"]["after 20 health checks"] = ours.memory()
    time.sleep(pause)
    result["condition"][f"{pause} s later"] = ours.memory()
    result["idle"] = idle
    for b in run.peers:
        result["peers"][b.init] = b.memory()
    rows = [(f"zimbra-init, {name}", m) for name, m in result["condition"].items()]
    rows += list(result["peers"].items())
    names = ["Pss", "Private_Dirty", "Pss_Anon", "Pss_File", "Rss"]
    wake = [idle["zimbra-init"]["wakeups"], *[""] * (len(result["condition"]) - 1), *[idle[p.init]["wakeups"] for p in run.peers]]
    size = [result["binary_bytes"]["zimbra-init"], *[""] * (len(result["condition"]) - 1),
            *[result["binary_bytes"][p.init] for p in run.peers]]
    table(f"PID 1: memory (KiB), wake-ups in {seconds} s, size of the program (goals: Pss <= 2048, 0 wake-ups)",
          ["", *names, "wake-ups", "bytes"], [[n, *(m[k] for k in names), w, s] for (n, m), w, s in zip(rows, wake, size)])
    print(f"  20 health checks wake PID 1 {result['wakeups_of_20_health_checks']} times")
    return result


# --- a storm of orphans --------------------------------------------------------------------------------------------


def storm(b):
    cpu, ticks, woken = b.cpu_ms(), b.ticks(), b.switches()
    took = float(b.exec("/bench/orphans", ORPHANS).stdout)
    zombies = b.zombies()
    after = b.ticks()
    return {"cpu_ms": b.cpu_ms() - cpu, "user_ms": (after[0] - ticks[0]) * 1000, "system_ms": (after[1] - ticks[1]) * 1000,
            "wakeups": b.switches() - woken, "took_ms": took, "zombies": zombies}


def orphans(run):
    boxes = [run.server, *run.peers]
    seen = {b.init: [] for b in boxes}
    n = rounds(5, 2)
    for i in range(n):
        say(f"bench: {ORPHANS} orphans, round {i + 1} of {n}")
        for b in boxes[i % len(boxes):] + boxes[:i % len(boxes)]:
            seen[b.init].append(storm(b))
    keys = ["cpu_ms", "user_ms", "system_ms", "wakeups", "took_ms"]
    result = {name: {k: spread([s[k] for s in storms], 1) for k in keys} | {"zombies": max(s["zombies"] for s in storms)}
              for name, storms in seen.items()}
    for name in box.PEERS:
        result[name]["ours_to_it"] = ratio([s["cpu_ms"] for s in seen["zimbra-init"]], [s["cpu_ms"] for s in seen[name]])
    table(f"PID 1: {ORPHANS} orphans, {n} rounds, median (min-max) (goal: CPU <= tini's, 0 zombies)",
          ["", "CPU ms", "wake-ups", "the storm took ms", "zombies", "zimbra-init's CPU / its"],
          [[name, quote(r["cpu_ms"]), quote(r["wakeups"]), quote(r["took_ms"]), r["zombies"], quote(r.get("ours_to_it"))]
           for name, r in result.items()])
    return result


# --- short questions -----------------------------------------------------------------------------------------------

LOOP = 'a=$(date +%s%N); i=0; while [ $i -lt {n} ]; do {command} >/dev/null; i=$((i+1)); done; echo $(($(date +%s%N)-a))'


def health(run):
    n, b = 100, run.server
    commands = {"/bin/true": "/bin/true", "zctl help": "/usr/bin/zctl help", "zctl health": "/usr/bin/zctl health",
                "zctl health --ready": "/usr/bin/zctl health --ready", "zctl status": "/usr/bin/zctl status"}
    ms = {name: [] for name in commands}
    cpu = {name: [] for name in commands}
    for i in range(rounds(7, 3)):
        names = list(commands)
        for name in names[i % len(names):] + names[:i % len(names)]:
            before = b.cpu_ms()
            ms[name].append(int(b.exec("/bin/sh", "-c", LOOP.format(n=n, command=commands[name])).stdout) / 1e6 / n)
            cpu[name].append((b.cpu_ms() - before) * 1000 / n)
    result = {name: {"ms": spread(ms[name], 3), "to_true": ratio(ms[name], ms["/bin/true"]), "pid1_us": spread(cpu[name], 1)}
              for name in commands}
    table(f"Short questions, {n} in one docker exec, each started by the shell, median (min-max)",
          ["", "ms each", "/bin/true = 1", "CPU of PID 1, us each"],
          [[name, quote(r["ms"]), quote(r["to_true"]), quote(r["pid1_us"])] for name, r in result.items()])
    return result


# --- from exec to default drop -------------------------------------------------------------------------------------


def start(_run):
    """Starts on a volume that holds something else: closed first, then refused, and nothing runs."""
    times = []
    volume = Volume("foreign")
    try:
        docker("run", "--rm", "--network", "none", "--volume", f"{volume.name}:/data", "--entrypoint", "/bin/sh", box.IMAGE,
               "-c", "echo >/data/somebody-elses")
        n = rounds(20, 20)
        for i in range(n):
            if i % 10 == 0:
                say(f"bench: start {i + 1} of {n}")
            b = Box("zimbra-init", *box.flags(), volume=volume.name)
            try:
                times.append(int(b.wait_log(r"the network is closed (\d+) ms after", 60).group(1)))
            finally:
                b.remove()
    finally:
        volume.remove()
    result = {"ms": spread(times, 0)}
    print(f"\nFrom the beginning of main() to default drop, {len(times)} starts: {quote(result['ms'], ' ms')}")
    return result


# --- the base system beside mmdebstrap -----------------------------------------------------------------------------


def stage_volume():
    """Ours: stage `volume` of a fresh volume, as zctl tells it; its argv of mmdebstrap as the kernel does."""
    volume, argv = Volume("fresh"), None
    b = Box("zimbra-init", *box.flags(), volume=volume.name)
    try:
        b.wait_log(r" volume: installing ", 120)
        end = time.monotonic() + 20
        while argv is None and time.monotonic() < end:
            time.sleep(0.2)
            argv = find_argv(b)
        b.wait_log(r" volume: done in ", 1800)
        ticks = b.ticks()
        stage = next(s for s in b.json("stages")["stages"] if s["name"] == "volume")
        sources = b.exec("cat", "/data/etc/apt/sources.list").stdout
        installed = packages_in(b, "/data")
        # What mmdebstrap says of itself, in this very run: the rest is ours, whatever else the machine does.
        inner = re.search(r" volume: I: success in ([\d.]+) seconds", b.log())
        return {"seconds": stage["seconds"], "cpu_s": ticks[2] + ticks[3], "argv": argv, "sources": sources,
                "installed": installed, "own": stage["seconds"] / float(inner.group(1)) if inner else None}
    finally:
        b.remove()
        volume.remove()


def find_argv(b):
    """Of the mmdebstrap below the stage's child."""
    todo = [pid for pid, _ in b.children()]
    while todo:
        pid = todo.pop()
        try:
            args = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
            todo += pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            continue
        if any(a.endswith("/mmdebstrap") for a in args[:2]):
            return args[next(i for i, a in enumerate(args) if a.endswith("/mmdebstrap")):]
    return None


def packages_in(b, root):
    text = b.exec("chroot", root, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n").stdout
    return sorted(text.split("\n"))


def mmdebstrap(argv, sources, sync):
    """The peer: mmdebstrap in a container of the same image with the same rights, onto the same kind of volume."""
    volume = Volume("peer")
    b = Box("mmdebstrap", *box.flags(), "--entrypoint", "/bin/sleep", volume=volume.name, command=("infinity",))
    try:
        script = 'TIMEFORMAT="%R %U %S"; time { "$@" >/tmp/out 2>&1 || { cat /tmp/out; exit 1; }; ' + sync + '; }'
        done = docker("exec", "--interactive", b.name, "/bin/bash", "-c", script, "bash", *argv, timeout=1800, input=sources)
        real, user, system = map(float, done.stderr.split()[-3:])
        return {"seconds": real, "cpu_s": user + system, "installed": packages_in(b, "/data/peer")}
    finally:
        b.remove()
        volume.remove()


def volume(run):
    n = rounds(3, 1)
    include = subprocess.run([ROOT / "build/bench/packages", "bookworm"], stdout=subprocess.PIPE, text=True, check=True).stdout
    plain = ["mmdebstrap", "--variant=apt", f"--include={include.strip()}", "bookworm", "/data/peer", "-"]
    seen = {"zimbra-init": [], "mmdebstrap --variant=apt": [], "mmdebstrap, our argv + sync": []}
    ours, sources, arms = None, run.sources, list(seen)
    for i in range(n):
        for arm in arms if i % 2 == 0 else arms[1:] + arms[:1]:
            say(f"bench: base system, round {i + 1} of {n}: {arm} (load {load():.1f})")
            if arm == "zimbra-init":
                ours = stage_volume()
                seen[arm].append(ours)
            elif arm == "mmdebstrap --variant=apt":
                seen[arm].append(mmdebstrap(plain, sources, ":"))
            elif ours and ours["argv"]:
                argv = [re.sub(r"^/.*\.bootstrap\.partial$", "/data/peer", a) for a in ours["argv"]]
                seen[arm].append(mmdebstrap(argv, sources, "sync --file-system /data"))
            if seen[arm]:
                say(f"bench:   {seen[arm][-1]['seconds']:.1f} s, {seen[arm][-1]['cpu_s']:.1f} s of CPU")
    same = len({tuple(r["installed"]) for rs in seen.values() for r in rs}) == 1
    result = {"same_packages": same, "packages": len(ours["installed"]), "argv": ours["argv"], "sources": sources}
    mine = seen["zimbra-init"]
    result["stage_to_its_own_mmdebstrap"] = spread([r["own"] for r in mine if r["own"]], 3)
    for name, rs in seen.items():
        if rs:
            result[name] = {k: spread([r[k] for r in rs], 1) for k in ("seconds", "cpu_s")}
            if rs is not mine:
                result[name]["ours_to_it"] = ratio([r["seconds"] for r in mine], [r["seconds"] for r in rs])
                result[name]["ours_to_it_cpu"] = ratio([r["cpu_s"] for r in mine], [r["cpu_s"] for r in rs])
    table(f"Stage `volume` beside mmdebstrap, bookworm, {n} round(s), {result['packages']} packages"
          f"{', the same in all' if same else ', NOT THE SAME in all'} (goal: ratio <= 1.05)",
          ["", "seconds", "CPU seconds", "zimbra-init's seconds / its", "CPU / its"],
          [[name, quote(result[name]["seconds"]), quote(result[name]["cpu_s"]), quote(result[name].get("ours_to_it")),
            quote(result[name].get("ours_to_it_cpu"))] for name in seen if name in result])
    print(f"  the stage beside the mmdebstrap inside of it, by its own clock: {quote(result['stage_to_its_own_mmdebstrap'])}")
    return result


# --- all of it -----------------------------------------------------------------------------------------------------


class Run:
    """What the parts share, made when first asked for."""

    def __init__(self):
        self._server = self._peers = None

    @property
    def server(self):
        self._server = self._server or box.server()
        return self._server

    @property
    def peers(self):
        if self._peers is None:
            self._peers = [box.peer(name) for name in box.PEERS]
        return self._peers

    @property
    def sources(self):
        """What an installed volume has, with the image's own name of the keyring."""
        text = self.server.exec("cat", "/data/etc/apt/sources.list").stdout
        return re.sub(r"signed-by=\S+\]", "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", text)

    def sizes(self):
        found = {"zimbra-init": int(self.server.exec("stat", "--dereference", "--format=%s", "/usr/sbin/zimbra-init").stdout)}
        for name in box.PEERS:
            found[name] = os.stat(shutil.which(name)).st_size
        return found


def versions():
    names = ["tini", "dumb-init", "catatonit"]
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False).stdout
    inside = docker("run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", box.IMAGE, "-W", "-f",
                    "${Package} ${Version}\n", "mmdebstrap").stdout
    return dict(line.split() for line in (said + inside).splitlines())


def main():
    unknown = [p for p in ONLY if p not in PARTS]
    if unknown:
        sys.exit(f"bench: no such part: {unknown[0]} ({' '.join(PARTS)} firewall)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with alone():
        measure()


def measure():
    run = Run()
    result = {"command": "make bench", "quick": QUICK, "orphans": ORPHANS, "parts": ONLY, "when": now(),
              "machine": {"cores": os.cpu_count(), "kernel": os.uname().release},
              "image": docker("image", "inspect", "--format", "{{.Id}}", box.IMAGE).stdout.strip(), "versions": versions()}
    problems = []
    box.remove_leftovers()
    result["command"] = command("BENCH_QUICK", "BENCH_ONLY", "BENCH_ORPHANS", "BENCH_ROUNDS")
    print(f"{result['command']}   ({result['when']}, {os.cpu_count()} cores, load {load():.1f}, kernel {os.uname().release}, "
          + ", ".join(f"{k} {v}" for k, v in result["versions"].items()) + ")")
    try:
        for name in [p for p in PARTS if p in ONLY]:
            before, waited, begin = load(), pressure(), time.monotonic()
            try:
                result[name] = globals()[name](run)
            except (Failed, OSError, subprocess.SubprocessError, KeyError, ValueError) as e:
                problems.append(f"{name}: {e}")
                result[name] = {"error": str(e)}
                print(f"\n{name}: NOT MEASURED: {e}", flush=True)
            took = time.monotonic() - begin
            short = None if waited is None else round(100 * (pressure() - waited) / took)
            result[name] |= {"took_seconds": round(took, 1), "load": [before, load()], "cpu_pressure_percent": short}
            print(f"  [{name}: {took:.0f} s, load {before:.1f} -> {load():.1f}, somebody waited for a core {short} % of the time]",
                  flush=True)
            (ROOT / "build/bench.json").write_text(json.dumps(result, indent=1) + "\n", encoding="ascii")
        if run._server:
            docker("stop", run._server.name, timeout=700, check=False)  # cleanly: its volume is kept
    finally:
        box.remove_all(os.getpid())
    print("\nbuild/bench.json has every value")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
