"""Who changed the rules: noticed at once, with the name of the process."""

import time

import pytest
from conftest import SOAK, chance

TABLE = """
table inet zimbra {
    set ban4 {
        type ipv4_addr; flags timeout; elements = { 192.0.2.1 timeout 1h, 192.0.2.9 timeout 1s }
    }
    set ban6 {
        type ipv6_addr; flags timeout;
    }
    set bannet4 {
        type ipv4_addr; flags interval,timeout;
    }
    set bannet6 {
        type ipv6_addr; flags interval,timeout;
    }
    chain input {
        type filter hook input priority -5; policy drop;
        tcp dport 25 accept
        drop
    }
}
table inet other {
}
"""


@pytest.fixture
def ns(namespaces):
    made = namespaces("watch")
    made.run("nft", "-f", "-", input=TABLE)
    return made


@pytest.fixture(params=("session", "unkept"))
def fw(request, sessions, ns):
    s = sessions(ns)
    s.ok(request.param)
    s.ok("watch")
    return s


def rule_handle(ns):
    text = ns.run("nft", "-a", "list", "chain", "inet", "zimbra", "input")
    return next(line.split()[-1] for line in text.splitlines() if "dport 25" in line)


CHANGES = {
    "flush ruleset": True,
    "delete table inet zimbra": True,
    "delete rule inet zimbra input handle {handle}": True,
    "delete element inet zimbra ban4 {{ 192.0.2.1 }}": True,
    "add element inet zimbra ban4 {{ 192.0.2.3 timeout 1h }}": True,
    "insert rule inet zimbra input accept": True,
    "chain inet zimbra input {{ policy accept; }}": True,
    "add counter inet zimbra x": True,
    "add table inet zimbra {{ flags dormant; }}": True,
    "add table inet other2; delete rule inet zimbra input handle {handle}; add table inet other3": True,
    "table inet open {{ chain input {{ type filter hook input priority -500; accept; }}; }}": False,
    "add table ip zimbra": False,
    "delete table inet other": False,
}


# What is watched is the same socket either way: without a kept session usually one of them.
UNKEPT = list(CHANGES) if SOAK else [chance("changes").choice(list(CHANGES))]


@pytest.mark.parametrize("fw, change", [("session", c) for c in CHANGES] + [("unkept", c) for c in UNKEPT], indirect=["fw"])
def test_a_change_is_noticed(fw, ns, change):
    before = fw.ok("events")["events"]
    assert before == []
    ns.run("nft", change.format(handle=rule_handle(ns)))
    (event,) = fw.ok("events")["events"]
    assert event["process"] == "nft" and event["pid"] > 0
    assert not event["ours"] and not event["lost"]
    assert bool(event["table"]) == CHANGES[change]
    assert event["generation"] == fw.ok("read")["generation"]


def test_our_own_changes_are_known(fw, ns):
    fw.ok("ban", "192.0.2.7", 60, "10.0.0.0/8", 60)
    fw.ok("unban", "192.0.2.7")
    events = fw.ok("events")["events"]
    assert len(events) >= 3 and all(e["ours"] and e["table"] and not e["lost"] for e in events)
    ns.run("nft", "delete element inet zimbra ban4 { 192.0.2.1 }")
    fw.ok("ban", "192.0.2.8", 60)
    assert [e["ours"] for e in fw.ok("events")["events"]] == [0, 1]


def test_time_that_is_up_is_no_change(fw, ns):
    time.sleep(1.5)
    assert fw.ok("events")["events"] == []
    assert "192.0.2.9" not in fw.bans()


def test_of_our_own_bulk_only_the_end_is_told(sessions, ns):
    s = sessions(ns)
    s.ok("session")
    s.ok("watch")
    s.ok("load", "10.0.0.0", 30000, 60)
    events = s.ok("events")["events"]
    assert len(events) == -(-30000 // 2048) and all(e["ours"] and not e["lost"] for e in events)


def test_more_than_can_be_kept(fw, ns):
    elements = ", ".join(f"10.{i >> 8 & 255}.{i & 255}.1" for i in range(40000))
    ns.run("nft", "-f", "-", input=f"add element inet zimbra ban4 {{ {elements} }}")
    assert any(e["lost"] for e in fw.ok("events")["events"])
    ns.run("nft", "add table inet other3")
    (event,) = fw.ok("events")["events"]
    assert event["process"] == "nft" and not event["lost"]


def test_a_process_cannot_lie_about_its_name_with_odd_characters(fw, ns):
    script = "import ctypes, os; ctypes.CDLL(None).prctl(15, b'a\\x1b[2J\\n\"b\\xff', 0, 0, 0); " \
             "n = ctypes.CDLL('libnftables.so.1'); n.nft_ctx_new.restype = ctypes.c_void_p; " \
             "c = ctypes.c_void_p(n.nft_ctx_new(0)); n.nft_run_cmd_from_buffer(c, b'add table inet x')"
    ns.run("/usr/bin/python3", "-c", script)
    (event,) = fw.ok("events")["events"]
    assert event["process"] == 'a?[2J?"b?'


def test_the_probe_is_not_seen(fw, ns):
    before = ns.run("nft", "-s", "-a", "list", "ruleset")
    said = fw.ok("probe")
    missing = {name: text for name, text in said["has"].items() if text}
    assert missing == {} or all(missing.values())
    # What has to be done to be known is done in a table of its own, and is gone again.
    assert len(fw.ok("events")["events"]) == 2
    assert ns.run("nft", "-s", "-a", "list", "ruleset") == before


def test_the_probe_says_what_is_missing(session_driver_path, sessions, ns, shim_path):
    env = {"LD_PRELOAD": shim_path, "ASAN_OPTIONS": "verify_asan_link_order=0"}
    s = sessions(ns, env)
    for setup in ("alone", "unkept", "session"):
        s.ok(setup)
        s.ok("fault", "without", "fib")
        has = s.ok("probe")["has"]
        assert {name for name, text in has.items() if text} == {"fib"}
        assert has["fib"] == 'rule fib: No such file or directory: the kernel does not take the expression "fib"'
        s.ok("fault", "without", "dynset")
        assert {name for name, text in s.ok("probe")["has"].items() if text} == {"source_rate", "source_count"}
        s.ok("fault", "none")


def test_what_is_around(sessions, ns):
    s = sessions(ns)
    said = s.ok("probe")
    assert said["kernel"] and said["tcp_loose"] in (0, 1) and said["nat"] == "" and said["host"] == ""
    ns.run("nft", "table ip nat { chain out { type nat hook output priority -100; tcp dport 53 redirect to :5353; }; "
           "chain PREROUTING { type nat hook prerouting priority -100; }; }")
    assert s.ok("probe")["nat"] == ""
    ns.run("nft", "add rule ip nat PREROUTING tcp dport 80 redirect to :15006")
    assert s.ok("probe")["nat"] == "table ip nat, chain PREROUTING"
    ns.sysctl("net/netfilter/nf_conntrack_tcp_loose", 0)
    assert s.ok("probe")["tcp_loose"] == 0
    ns.ip("link add docker0 type veth peer name eth0")
    assert s.ok("probe")["host"] == "it has the network interface docker0"


def test_without_net_admin(session_driver_path, ns):
    run = ns.start("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", session_driver_path, stdin=-1, stdout=-1)
    out, _ = run.communicate("session\nwatch\nprobe\nlist\nban 192.0.2.1 5\nunban 192.0.2.1\nflush\n", timeout=60)
    lines = out.splitlines()
    assert len(lines) == 7
    for line in lines:
        assert '"r": -1,' in line and "CAP_NET_ADMIN" in line
