"""Bans: what is banned is silent, for as long as was said, also when many overlap, expire and are taken back."""

import ipaddress
import random
import time

import pytest
from conftest import some

# The sets of our table, and what looks at them, so that packets can tell.
TABLE = """
table inet zimbra {
    set ban4 {
        type ipv4_addr; flags timeout; size 524288;
    }
    set ban6 {
        type ipv6_addr; flags timeout; size 524288;
    }
    set bannet4 {
        type ipv4_addr; flags interval,timeout;
    }
    set bannet6 {
        type ipv6_addr; flags interval,timeout;
    }
    chain raw {
        type filter hook prerouting priority -300; policy accept;
        ip saddr @ban4 drop
        ip saddr @bannet4 drop
        ip6 saddr @ban6 drop
        ip6 saddr @bannet6 drop
    }
}
"""
HOUR = 3600
# With a session that is kept and kernels that can change a timeout, or cannot; and without.
WAYS = {"session": (["session"], ["updates", 1]), "older": (["session"], ["updates", 0]), "alone": ()}


@pytest.fixture
def ns(namespaces):
    made = namespaces("bans")
    made.run("nft", "-f", "-", input=TABLE)
    return made


@pytest.fixture(params=some("bans", *WAYS))
def fw(request, sessions, ns):
    s = sessions(ns)
    for words in WAYS[request.param]:
        s.ok(*words)
    return s


def seconds(bans):
    return {who: -(-ms // 1000) for who, ms in bans.items()}


def as_networks(bans):
    """{network: ms} melted as the library does it: what overlaps becomes one, for the longest time; 0 is for good."""
    spans = []
    for who, ms in bans:
        net = ipaddress.ip_network(who)
        spans.append([net.version, int(net[0]), int(net[-1]), ms or float("inf")])
    spans.sort()
    out = []
    for s in spans:
        if out and out[-1][0] == s[0] and s[1] <= out[-1][2]:
            out[-1][2], out[-1][3] = max(out[-1][2], s[2]), max(out[-1][3], s[3])
        else:
            out.append(s)
    return {(v, first, last): t for v, first, last, t in out}


def as_spans(bans):
    """The same of what was listed: an interval is listed as prefixes that touch and have the same time."""
    spans = []
    for who, ms in bans.items():
        net = ipaddress.ip_network(who)
        spans.append([net.version, int(net[0]), int(net[-1]), -(-ms // 1000) or float("inf")])
    return sorted(spans)


def test_both_families_and_both_kinds(fw):
    said = fw.ok("ban", "192.0.2.1", HOUR, "198.51.100.0/24", "-", "2001:db8::1", "-", "2001:db8:1::/48", 60)
    assert (said["done"], said["refused"]) == (4, 0)
    assert seconds(fw.bans()) == {"192.0.2.1": HOUR, "198.51.100.0/24": 0, "2001:db8::1": 0, "2001:db8:1::/48": 60}
    for who in list(fw.bans()):
        fw.ok("unban", who)
    assert fw.bans() == {}


def test_a_ban_is_renewed(fw):
    for who in ("192.0.2.1", "2001:db8::1"):
        for time_, left in ((10, 10), (HOUR, HOUR), (60, 60), ("-", 0), (5, 5), (5, 5)):
            fw.ok("ban", who, time_)
            assert seconds(fw.bans()) == {who: left}
        fw.ok("unban", who)


def test_the_same_address_twice_in_one_call(fw):
    fw.ok("ban", "192.0.2.1", 10, "192.0.2.2", 5, "192.0.2.1", HOUR, "192.0.2.1", 20)
    assert seconds(fw.bans()) == {"192.0.2.1": HOUR, "192.0.2.2": 5}
    fw.ok("ban", "192.0.2.1", "-", "192.0.2.1", 20)
    assert fw.bans()["192.0.2.1"] == 0


def test_networks_melt_for_the_longest_time(fw):
    fw.ok("ban", "10.1.0.0/16", 100, "10.1.2.0/24", 300, "10.2.0.0/16", 200)
    assert seconds(fw.bans()) == {"10.1.0.0/16": 300, "10.2.0.0/16": 200}
    fw.ok("ban", "10.2.0.0/24", 100)
    assert seconds(fw.bans()) == {"10.1.0.0/16": 300, "10.2.0.0/16": 200}
    fw.ok("ban", "10.0.0.0/8", "10")
    assert seconds(fw.bans()) == {"10.0.0.0/8": 300}
    fw.ok("ban", "10.9.0.0/16", "-")
    assert fw.bans() == {"10.0.0.0/8": 0}


def test_the_same_network_again(fw):
    """With a shorter time nothing changes, with a longer one that is it, also in the middle of new ones."""
    fw.ok("ban", "10.1.0.0/16", 200)
    fw.ok("ban", "10.1.0.0/16", 100, "10.3.0.0/16", 100)
    assert seconds(fw.bans()) == {"10.1.0.0/16": 200, "10.3.0.0/16": 100}
    fw.ok("ban", "10.2.0.0/16", 50, "10.1.0.0/16", 300)
    assert seconds(fw.bans()) == {"10.1.0.0/16": 300, "10.2.0.0/16": 50, "10.3.0.0/16": 100}


def test_what_is_taken_out_of_a_network(fw):
    fw.ok("ban", "10.0.0.0/24", HOUR, "10.0.0.77", HOUR, "10.0.1.77", HOUR, "2001:db8::/64", "-")
    fw.ok("unban", "10.0.0.128/25")
    assert seconds(fw.bans()) == {"10.0.0.0/25": HOUR, "10.0.0.77": HOUR, "10.0.1.77": HOUR, "2001:db8::/64": 0}
    fw.ok("unban", "10.0.0.64/26")
    assert seconds(fw.bans()) == {"10.0.0.0/26": HOUR, "10.0.1.77": HOUR, "2001:db8::/64": 0}
    fw.ok("unban", "10.0.0.0/16")
    assert list(fw.bans()) == ["2001:db8::/64"]
    fw.ok("unban", "2001:db8::8")
    left = [ipaddress.ip_network(n) for n in fw.bans()]
    assert sum(n.num_addresses for n in left) == 2**64 - 1
    assert not any(ipaddress.ip_address("2001:db8::8") in n for n in left)


@pytest.mark.parametrize("version", (4, 6))
def test_random_networks(fw, version):
    rng = random.Random(f"bans {version}")
    base, bits = (0x0A000000, 32) if version == 4 else (0x20010DB8 << 96, 128)
    given = []
    for _ in range(12):
        new = []
        for _ in range(rng.randrange(1, 25)):
            n = rng.randrange(bits - 16, bits)
            address = (base | rng.getrandbits(16)) >> (bits - n) << (bits - n)
            new.append((f"{ipaddress.ip_address(address)}/{n}", rng.choice((0, 600, HOUR, 2 * HOUR))))
        given += new
        fw.ok("ban", *[w for who, s in new for w in (who, s or "-")])
        # Those that only touch stay apart, so a listed prefix is a part of exactly one.
        want = as_networks(given)
        got = as_spans(fw.bans())
        assert sum(last - first + 1 for _, first, last, _ in got) == sum(last - first + 1 for _, first, last in want)
        for v, first, last, left in got:
            (match,) = [t for (wv, wf, wl), t in want.items() if wv == v and wf <= first and last <= wl]
            assert left == match or match - 20 <= left <= match


def test_the_ends_of_the_address_space(fw):
    fw.ok("ban", "223.255.255.0/24", HOUR, "1.0.0.0/8", HOUR, "fe00::/16", HOUR, "240.0.0.0/8", HOUR, "::1:0:0/96", HOUR)
    assert set(fw.bans()) == {"223.255.255.0/24", "1.0.0.0/8", "fe00::/16", "240.0.0.0/8", "::1:0:0/96"}


REFUSED = {
    "127.0.0.1": -22, "127.0.0.0/8": -22, "0.0.0.0": -22, "0.0.0.0/0": -22, "224.0.0.1": -22, "255.255.255.255": -22,
    "10.0.0.0/7": -22, "::1": -22, "::": -22, "::/0": -22, "ff02::1": -22, "2000::/3": -22, "192.0.2.9": -13, "192.0.2.0/24": -13,
    "192.0.0.0/8": -13, "2001:db8::53": -13, "nonsense": -22,
}  # fmt: skip


@pytest.mark.parametrize("who", REFUSED)
def test_who_is_never_banned(fw, who):
    fw.ok("never", "192.0.2.8/29,2001:db8::53")
    said = fw.call("ban", who, HOUR)
    assert said["r"] == REFUSED[who] and said["refused"] == 1 and said["why"] and said["detail"] == said["why"]
    # The rest of a list is done.
    said = fw.ok("ban", "192.0.2.1", HOUR, who, HOUR)
    assert (said["done"], said["refused"]) == (1, 1)
    assert list(fw.bans()) == ["192.0.2.1"]


def test_a_ban_ends_and_is_not_there_to_be_lifted(fw):
    fw.ok("ban", "192.0.2.1", 1, "10.0.0.0/24", 1, "10.0.1.0/24", HOUR)
    time.sleep(1.3)
    assert list(fw.bans()) == ["10.0.1.0/24"]
    fw.ok("unban", "192.0.2.1")
    fw.ok("unban", "10.0.0.0/24")
    fw.ok("unban", "203.0.113.7")
    # What is over does not stand in the way.
    fw.ok("ban", "192.0.2.1", HOUR, "10.0.0.0/23", 10)
    assert set(fw.bans()) == {"192.0.2.1", "10.0.0.0/23"}


def test_expiring_while_it_is_changed(fw):
    """Elements that end between reading and writing, over and over: never an error."""
    end = time.monotonic() + 1.5
    i = 0
    while time.monotonic() < end:
        i += 1
        fw.ok("ban", f"10.0.{i % 250}.0/24", 1, f"192.0.2.{i % 250}", 1)
        fw.ok("ban", f"10.0.{(i - 40) % 250}.0/24", 1, f"192.0.2.{(i - 40) % 250}", 1)
        fw.ok("unban", f"192.0.2.{(i - 60) % 250}")
        fw.ok("unban", f"10.0.{(i - 60) % 250}.128/25")


def test_a_set_that_is_full(fw, ns):
    ns.run("nft", "-f", "-", input="table inet zimbra { set small { type ipv4_addr; flags timeout; size 4; }; }")
    ns.run("nft", "flush chain inet zimbra raw; delete set inet zimbra ban4;"
           "add set inet zimbra ban4 { type ipv4_addr; flags timeout; size 3000; }")
    said = fw.call("load", "10.0.0.0", 5000, HOUR)
    assert said["r"] == -23 and "full" in said["detail"] and said["what"] == "ban4"
    # In pieces: the first is there, of the one that did not fit nothing is.
    assert said["done"] == 2048 == fw.ok("count")["count"]


def test_without_the_table(sessions, namespaces):
    s = sessions(namespaces("none"))
    for setup in (None, "session"):
        if setup:
            s.ok(setup)
        for words in (("ban", "192.0.2.1", 5), ("ban", "10.0.0.0/8", 5), ("unban", "192.0.2.1"), ("flush",), ("list",)):
            assert s.call(*words)["r"] == -2


def test_many(fw):
    """As many as one set takes; memory is bounded by the batch, not by the list (the driver's own is 24 bytes each)."""
    before = fw.ok("load", "11.0.0.0", 1000, HOUR)["max_kib"]
    said = fw.ok("load", "11.0.0.0", 60000, HOUR)
    assert said["done"] == 60000
    fw.ok("load", "2001:db8::", 20000, "0")
    fw.ok("networks", "12.0.0.0", 5000, HOUR)
    after = fw.ok("networks", "2001:db8::", 5000, HOUR)["max_kib"]
    assert fw.ok("count")["count"] == 90000
    assert after - before < 60 * 1024
    fw.ok("ban", "12.0.0.0/12", HOUR)
    assert fw.ok("count")["count"] == 80000 + 5000 - 2048 + 5000 + 1
    fw.ok("flush")
    assert fw.ok("count")["count"] == 0


def test_they_survive_in_a_file(fw, ns, tmp_path):
    fw.ok("ban", "192.0.2.1", HOUR, "198.51.100.0/24", "-", "2001:db8::1", "-", "2001:db8:1::/48", 2, "203.0.113.0/25", 50)
    before = fw.bans()
    fw.ok("save", tmp_path / "bans")
    time.sleep(2.2)
    fw.ok("flush")
    fw.ok("restore", tmp_path / "bans")
    after = fw.bans()
    assert set(after) == set(before) - {"2001:db8:1::/48"}
    assert 40000 <= after["203.0.113.0/25"] <= 49000 and after["2001:db8::1"] == 0
    text = (tmp_path / "bans").read_text()
    (tmp_path / "bans").write_text(text.replace("192.0.2.1 ", "192.0.2.2 "))
    fw.ok("flush")
    assert fw.call("restore", tmp_path / "bans")["r"] == -74
    assert fw.bans() == {}


def test_other_hands_change_things_meanwhile(fw, ns):
    """The rules change all the time, and others ban too: nothing is lost, nothing is refused."""
    script = "import subprocess, sys\nwhile True:\n subprocess.run(['nft', 'add table ip busy; delete table ip busy'])"
    busy = ns.start("/usr/bin/python3", "-c", script)
    try:
        for i in range(60):
            fw.ok("ban", f"10.{i}.0.0/16", HOUR, f"10.{i}.{i}.0/24", 2 * HOUR, f"192.0.2.{i}", HOUR)
            if i % 10 == 0:
                ns.run("nft", f"add element inet zimbra bannet4 {{ 10.{100 + i}.0.0/16 }}")
                fw.ok("ban", f"10.{100 + i}.0.0/15", HOUR)
    finally:
        busy.kill()
        busy.wait()
    bans = fw.bans()
    assert {f"10.{i}.0.0/16" for i in range(60)} | {f"10.{100 + i}.0.0/15" for i in range(0, 60, 10)} <= set(bans)
    assert bans["10.110.0.0/15"] == 0


@pytest.mark.parametrize("version", (4, 6))
def test_who_is_banned_hears_nothing(link, sessions, version):
    link.srv.run("nft", "-f", "-", input=TABLE)
    fw = sessions(link.srv)
    server = link.srv.listen(25)
    me = ipaddress.ip_network(link.CLI[version])
    around = me.supernet(new_prefix=24 if version == 4 else 64)

    def connects():
        try:
            link.cli.connect(link.SRV[version], 25, timeout=0.4, source=link.CLI[version]).close()
        except TimeoutError:
            return False
        return True

    try:
        assert connects()
        for who in (str(me.network_address), str(around)):
            fw.ok("ban", who, HOUR)
            assert not connects()
            fw.ok("unban", str(me.network_address))
            assert connects()
    finally:
        server.close()
