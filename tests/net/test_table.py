"""The table itself: read back, neighbours untouched, all or nothing, and what happens when netlink fails."""

import ipaddress
import random
import subprocess
import time

import pytest

FOREIGN = """
table ip docker-dns {
    chain dns-dnat {
        type nat hook output priority -100; policy accept;
        ip daddr 127.0.0.11 udp dport 53 counter dnat to 127.0.0.11:41234
    }
    chain dns-snat {
        type nat hook postrouting priority 100; policy accept;
        ip saddr 127.0.0.11 udp sport 41234 snat to :53
    }
}
table inet other {
    counter seen {
    }
    set banned {
        type ipv4_addr; flags interval,timeout; elements = { 192.0.2.0/24 timeout 1h }
    }
    chain input {
        type filter hook input priority 0; policy accept;
        ip saddr @banned counter name seen drop
    }
}
table ip zimbra {
    chain input {
        type filter hook input priority 0; policy accept;
        tcp dport 25 accept
    }
}
"""
NO_NET_ADMIN = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")


def ruleset(ns, skip_ours=True):
    """All rules with their handles: a table that was made again differs even if it says the same."""
    text = ns.run("nft", "-s", "-a", "list", "ruleset")
    return [t for t in text.split("\n}\n") if not (skip_ours and t.lstrip().startswith("table inet zimbra "))]


def fault(shim_path, name):
    return {"LD_PRELOAD": shim_path, "FAULT": name, "ASAN_OPTIONS": "verify_asan_link_order=0"}


def canonical(prefixes):
    out = []
    for cls in (ipaddress.IPv4Network, ipaddress.IPv6Network):
        nets = [n for n in map(ipaddress.ip_network, prefixes) if isinstance(n, cls)]
        for n in ipaddress.collapse_addresses(nets):
            out.append(str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n))
    return out


def test_read_back(link, fw):
    assert fw.ok("read")["mode"] == "absent"
    fw.ok("close")
    state = fw.ok("read")
    assert state["mode"] == "closed" and state["owner"] == 0
    assert list(state["counters"]) == ["loopback", "icmp_error", "icmp_redirect", "icmpv6_error", "neighbour", "multicast",
                                       "established", "dropped"]
    fw.ok("open", "--tcp", "80,25,26,7000-7100,65535,1", "--udp", "53", "--admin-from", "10.1.0.0/16,10.0.0.0/8,fd00::/8")
    state = fw.ok("read")
    assert state["mode"] == "open" and not state["admin_public"] and not state["truncated"]
    assert state["public_tcp"] == [[1, 1], [25, 26], [80, 80], [7000, 7070], [7072, 7100], [65535, 65535]]
    assert state["public_udp"] == [[53, 53]]
    assert state["admin_from"] == ["10.0.0.0/8", "fd00::/8"]
    fw.ok("open", "--admin-public")
    assert fw.ok("read")["admin_public"]
    fw.ok("remove")
    assert fw.ok("read")["mode"] == "absent"


def test_read_back_of_random_policies(link, fw):
    rng = random.Random(7071)
    for _ in range(10):
        prefixes = []
        for _ in range(rng.randrange(60)):
            if rng.random() < 0.5:
                n = rng.randrange(33)
                prefixes.append(str(ipaddress.IPv4Network((rng.getrandbits(32) >> (32 - n) << (32 - n) if n else 0, n))))
            else:
                n = rng.randrange(129)
                prefixes.append(str(ipaddress.IPv6Network((rng.getrandbits(128) >> (128 - n) << (128 - n), n))))
        # Neighbours in one small network, so that there is something to melt.
        prefixes += [f"192.0.2.{rng.randrange(256)}" for _ in range(40)]
        # IPv4 in IPv6 is refused by the parser.
        prefixes = [p for p in prefixes if not p.startswith("::ffff:")]
        ports = {rng.randrange(1, 200) for _ in range(60)}
        fw.ok("open", "--udp", ",".join(map(str, ports)), "--admin-from", ",".join(prefixes))
        state = fw.ok("read")
        assert state["admin_from"] == canonical(prefixes)
        assert {p for first, last in state["public_udp"] for p in range(first, last + 1)} == ports


def test_largest_policy(link, fw):
    # 128 ranges, of which two are split by the admin ports.
    ranges = [f"{p}-{p + 2}" for p in range(100, 100 + 126 * 4, 4)] + ["7000-7100", "9000-9100"]
    v6 = [f"2001:db8:{i:x}::/48" for i in range(0, 512, 2)]
    fw.ok("open", "--tcp", ",".join(ranges), "--udp", ",".join(ranges), "--admin-from", ",".join(v6))
    state = fw.ok("read")
    assert not state["truncated"]
    assert len(state["public_tcp"]) == 130 and len(state["public_udp"]) == 128
    assert state["admin_from"] == canonical(v6)


def test_nft_prints_it_for_people(link, fw):
    fw.ok("open", "--tcp", "25,5000-5010", "--udp", "53", "--admin-from", "192.0.2.0/24,10.0.0.1,2001:db8::/32")
    text = link.srv.run("nft", "list", "table", "inet", "zimbra")
    for line in (
        "elements = { 25, 5000-5010 }",
        "elements = { 10.0.0.1, 192.0.2.0/24 }",
        "elements = { 2001:db8::/32 }",
        "type filter hook input priority filter - 5; policy drop;",
        'iif "lo" counter name "loopback" accept',
        'ct state established,related counter name "established" accept',
        'ip saddr @admin4 counter name "admin" accept',
        "ip6 saddr & ffff:ffff:ffff:ffff:: == @slow6",
        "fib saddr oif missing",
    ):
        assert line in text
    # It is a program too: nft takes back what it printed.
    link.srv.run("nft", "-c", "-f", "-", input="delete table inet zimbra\n" + text)


TEXTS = (
    ("close",),
    ("open", "--tcp", "25,80"),
    ("open", "--tcp", "25", "--monitor", "--admin-public", "--reverse", "off"),
    ("open", "--tcp", "25", "--without", "socket", "--without", "fib", "--limit", "echo=0"),
    ("open", "--tcp", "25,7000-7100", "--udp", "53,5000-5010", "--admin-from", "192.0.2.0/24,2001:db8::/32", "--local-from",
     "10.0.0.0/8,fd00::/8", "--peers", "192.0.2.1,2001:db8::1", "--trusted", "198.51.100.0/25,198.51.100.128/25",
     "--never-ban", "0.0.0.0/0", "--log", "10:5", "--no-metadata", "--no-smtp", "89,90", "--reverse", "strict"),
)


@pytest.mark.parametrize("args", TEXTS, ids=range(len(TEXTS)))
def test_our_text_is_nft(link, namespaces, fw, args):
    """What we print, nft makes the same table of, as far as nft can see."""
    fw.ok(*args)
    text = fw.text()
    other = namespaces("other")
    other.run("nft", "-c", "-f", "-", input=text)
    other.run("nft", "-f", "-", input=text)
    ours = link.srv.run("nft", "-s", "list", "table", "inet", "zimbra")
    assert other.run("nft", "-s", "list", "table", "inet", "zimbra") == ours
    assert len(ours) > 1000


def test_foreign_tables_stay_as_they_are(link, fw):
    link.srv.run("nft", "-f", "-", input=FOREIGN)
    before = ruleset(link.srv)
    assert len([t for t in before if "table" in t]) == 3
    for args in (["close"], ["open", "--tcp", "25"], ["open"], ["close"], ["read"], ["remove"], ["remove"], ["close"]):
        fw.ok(*args)
        assert ruleset(link.srv) == before
    for kind in ("element", "expression", "overlap"):
        assert fw.call("bad", kind)[0] < 0
        assert ruleset(link.srv) == before


BAD = {
    "element": (-2, "elements of set nonesuch", ""),
    "expression": (-2, "rule bad", 'the kernel does not take the expression "notpresent"'),
    "overlap": (-17, "elements of set overlap", ""),
    "many": (-2, "elements of set nonesuch", ""),
}


@pytest.mark.parametrize("before", (None, ("close",), ("open", "--tcp", "25")), ids=("absent", "closed", "open"))
def test_a_bad_batch_changes_nothing(link, fw, before):
    if before:
        fw.ok(*before)
    rules, state = ruleset(link.srv, skip_ours=False), fw.ok("read")
    for kind, (error, what, detail) in BAD.items():
        r, said = fw.call("bad", kind)
        assert (r, said["err"], said["what"], said["detail"]) == (error, error, what, detail)
        assert ruleset(link.srv, skip_ours=False) == rules, kind
        after = fw.ok("read")
        assert after["mode"] == state["mode"] and after["generation"] == state["generation"]


def test_without_net_admin(link, fw):
    fw.ok("close")
    for command in ("close", "open", "read", "remove"):
        r, said = fw.call(command, before=NO_NET_ADMIN)
        assert r == -1 and "CAP_NET_ADMIN" in said["detail"], command
    assert fw.ok("read")["mode"] == "closed"


def test_table_owned_by_another_process(link, fw):
    """nft owns what it makes with this flag while it runs; then it is gone, and the place is ours."""
    owner = link.srv.start("nft", "-i", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        owner.stdin.write("add table inet zimbra { flags owner; }\n")
        owner.stdin.flush()
        end = time.monotonic() + 3
        while fw.ok("read")["mode"] == "absent" and time.monotonic() < end:
            time.sleep(0.02)
        state = fw.ok("read")
        assert state["mode"] == "altered" and state["owner"] != 0
        for command in ("close", "open", "remove"):
            r, said = fw.call(command)
            assert r == -1 and "another process" in said["detail"]
    finally:
        owner.stdin.close()
        owner.wait(5)
    fw.ok("close")
    assert fw.ok("read")["mode"] == "closed"


@pytest.mark.parametrize("change", (
    "insert rule inet zimbra input tcp dport 22 accept",
    "flush chain inet zimbra input",
    "chain inet zimbra input { policy accept; }",
    "add table inet zimbra { flags dormant; }",
    "delete chain inet zimbra input",
    "delete table inet zimbra\nadd table inet zimbra",
    "delete table inet zimbra\ntable inet zimbra { chain input { type filter hook input priority -5; policy drop; }\n}",
))
def test_tampering_is_seen_and_repaired(link, fw, change):
    fw.ok("close")
    link.srv.run("nft", "-f", "-", input=change)
    assert fw.ok("read")["mode"] == "altered"
    fw.ok("close")
    assert fw.ok("read")["mode"] == "closed"
    assert "dormant" not in link.srv.run("nft", "list", "table", "inet", "zimbra")


def test_elements_by_other_hands_are_seen(link, fw):
    fw.ok("open", "--tcp", "25")
    link.srv.run("nft", "add element inet zimbra public_tcp { 26, 100-200, 60000-65535 }")
    link.srv.run("nft", "add element inet zimbra admin6 { ::-ffff:: }")
    state = fw.ok("read")
    assert state["public_tcp"] == [[25, 25], [26, 26], [100, 200], [60000, 65535]]
    assert state["admin_from"][0] == "::/1" and state["admin_from"][-1] == "ffff::"
    assert state["mode"] == "altered" and "other elements" in state["reason"]
    fw.ok("open", "--tcp", "25")
    assert fw.ok("read")["mode"] == "open"


OPEN_TAMPERED = {
    "insert rule inet zimbra raw accept": "chain raw: rule 1",
    "add rule inet zimbra in_tcp tcp dport 22 accept": "chain in_tcp: one rule more: tcp dport 22 accept",
    "flush chain inet zimbra spoof": "chain spoof: rule 1 is missing",
    "add chain inet zimbra own": "chain own is not ours",
    "chain inet zimbra input { policy accept; }": "chain input has another hook, priority or policy",
    "add set inet zimbra own { type ipv4_addr; }": "set own is not ours",
    "add element inet zimbra never4 { 192.0.2.1 }": "other elements",
    "add table inet zimbra { flags dormant; }": "dormant",
    "delete set inet zimbra transaction": "no mark",
}


@pytest.mark.parametrize("change", OPEN_TAMPERED)
def test_tampering_with_the_full_set(link, fw, change):
    args = ("--tcp", "25", "--admin-from", "192.0.2.0/24")
    fw.ok("open", *args)
    assert fw.ok("read")["reason"] == ""
    link.srv.run("nft", "-f", "-", input=change)
    state = fw.ok("read")
    assert state["mode"] == "altered" and OPEN_TAMPERED[change] in state["reason"], state["reason"]
    fw.ok("open", *args)
    assert fw.ok("read")["mode"] == "open"


def test_an_update_keeps_the_state(link, fw):
    """Bans, doors, meters and counters survive; what the policy is does not."""
    fw.ok("open", "--tcp", "25", "--admin-from", "192.0.2.0/24", "--local-from", "10.0.0.0/8", "--log", "5:1")
    link.srv.run("nft", "-f", "-", input="""
        add element inet zimbra ban4 { 203.0.113.1 timeout 1h }
        add element inet zimbra bannet6 { 2001:db8:bad::/48 timeout 1h }
        add element inet zimbra open4 { 198.51.100.2 . 7071 timeout 1h }
        add element inet zimbra rate4 { 198.51.100.9 limit rate over 100/second burst 500 packets }
    """)
    link.send([link.udp_frame(4, 53)])
    before = fw.ok("read")
    assert before["counters"]["dropped"][0] > 0
    for args in (("--tcp", "25,80"), ("--tcp", "25", "--monitor"), ("--peers", "192.0.2.1"), ("--log", "1:2"), ("--no-metadata",)):
        fw.ok("open", *args)
        after = fw.ok("read")
        assert after["mode"] == ("monitor" if "--monitor" in args else "open")
        assert after["counters"]["dropped"][0] >= before["counters"]["dropped"][0]
        for name in ("ban4", "bannet6", "open4", "rate4"):
            assert after["fill"][name][0] == before["fill"][name][0] > 0, (args, name)
    # Another set of rules begins anew.
    fw.ok("close")
    fw.ok("open")
    assert fw.ok("read")["fill"]["ban4"][0] == 0


def test_policy_is_read_back(link, fw):
    fw.ok("open", "--tcp", "25", "--local-from", "10.0.0.0/8", "--peers", "192.0.2.1,2001:db8::/64", "--trusted", "192.0.2.128/25",
          "--never-ban", "203.0.113.0/24", "--exempt", "172.17.0.1")
    state = fw.ok("read")
    assert (state["local_from"], state["peers"]) == (["10.0.0.0/8"], ["192.0.2.1", "2001:db8::/64"])
    assert state["never_ban"] == ["172.17.0.1", "192.0.2.128/25", "203.0.113.0/24"]
    assert state["fill"]["ban4"] == [0, 524288]


@pytest.mark.parametrize("name", ("lost", "tiny", "noack", "stale", "forged", "changed"))
def test_faults_do_not_hide_a_success(link, fw, shim_path, name):
    env = fault(shim_path, name)
    for command, mode in (("close", "closed"), ("open", "open"), ("open", "open"), ("remove", "absent"), ("close", "closed")):
        fw.ok(command, env=env)
        assert fw.ok("read")["mode"] == mode
        state = fw.ok("read", env=env)
        assert state["mode"] == mode and list(state["counters"]) == list(fw.ok("read")["counters"])


@pytest.mark.parametrize("name, error", (("lost", -105), ("tiny", -2), ("stale", -2), ("forged", -2)))
def test_faults_do_not_hide_a_failure(link, fw, shim_path, name, error):
    """Sixty refused messages; with the smallest buffer the kernel itself runs out of room for its errors."""
    fw.ok("open", "--tcp", "25")
    before = ruleset(link.srv, skip_ours=False)
    r, said = fw.call("bad", "many", env=fault(shim_path, name))
    assert r == error
    assert said["what"] == ("verdict" if name == "lost" else "elements of set nonesuch")
    assert ruleset(link.srv, skip_ours=False) == before


@pytest.mark.parametrize("command", ("close", "read"))
def test_a_silent_kernel_costs_a_second(link, fw, shim_path, command):
    began = time.monotonic()
    r, said = fw.call(command, env=fault(shim_path, "silent"))
    took = time.monotonic() - began
    assert r == -110, said
    assert 0.9 < took < 1.5
