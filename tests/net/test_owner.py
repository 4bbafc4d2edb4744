"""Our table belongs to the process that filters (Linux 6.9): nobody else can change it, and it outlives its owner."""

import subprocess

import pytest
from conftest import SOAK

OWN = 2 | 4  # owner, persist


@pytest.fixture
def ns(namespaces):
    return namespaces("own")


@pytest.fixture
def owner(sessions, ns):
    s = sessions(ns)
    if s.ok("session")["flags"] != OWN:
        pytest.skip("this kernel has no tables with flags owner and persist")
    s.ok("own")
    return s


def nft(ns, line):
    with ns.inside():
        return subprocess.run(["nft", line], capture_output=True, text=True, check=False)


def owner_of(ns):
    text = ns.run("nft", "list", "table", "inet", "zimbra")
    return "flags owner" in text


def test_others_can_read_and_not_change_it(ns, owner, sessions):
    for line in (
        "delete table inet zimbra",
        "add chain inet zimbra x",
        "add set inet zimbra x { type ipv4_addr; }",
        "add table inet zimbra { flags dormant; }",
    ):
        done = nft(ns, line)
        assert done.returncode != 0 and "Operation not permitted" in done.stderr, line
    ns.run("nft", "flush ruleset")
    assert owner_of(ns)
    # And what it says of it, also to one of us.
    other = sessions(ns)
    other.ok("session")
    port = owner.ok("read")["owner"]
    assert port != 0
    for words in (("own",), ("own", "too"), ("close",), ("remove",)):
        said = other.call(*words)
        assert said["r"] == -1 and f"belongs to another process (netlink port {port})" in said["detail"], words
    assert other.ok("read")["owner"] == port


def test_it_outlives_its_owner_and_is_adopted(ns, owner, sessions):
    ns.run("nft", "list", "table", "inet", "zimbra")
    owner.kill()
    assert not owner_of(ns)
    heir = sessions(ns)
    heir.ok("session")
    heir.ok("own", "as it is")
    assert owner_of(ns) and heir.ok("read")["owner"] != 0
    assert "not permitted" in nft(ns, "delete table inet zimbra").stderr


def test_what_is_in_it_survives(ns, owner, sessions):
    """An orphan can be changed by anybody; what is in it then is kept by whoever adopts it."""
    owner.kill()
    ns.run("nft", "add set inet zimbra ban4 { type ipv4_addr; flags timeout; elements = { 192.0.2.1 timeout 1h }; };"
           "add set inet zimbra bannet4 { type ipv4_addr; flags interval,timeout; };"
           "add set inet zimbra ban6 { type ipv6_addr; flags timeout; };"
           "add set inet zimbra bannet6 { type ipv6_addr; flags interval,timeout; }")
    heir = sessions(ns)
    heir.ok("session")
    heir.ok("own", "as it is")
    assert set(heir.bans()) == {"192.0.2.1"}
    heir.ok("ban", "10.0.0.0/8", 60)
    assert "not permitted" in nft(ns, "add element inet zimbra ban4 { 192.0.2.2 timeout 1h }").stderr
    assert set(heir.bans()) == {"192.0.2.1", "10.0.0.0/8"}
    # Two heirs: the second is told.
    late = sessions(ns)
    late.ok("session")
    assert late.call("own", "as it is")["r"] == -1
    assert late.call("ban", "192.0.2.3", 60)["r"] == -1
    heir.kill()
    late.ok("own", "as it is")
    late.ok("ban", "192.0.2.3", 60)


def test_an_orphan_can_be_made_anew(ns, owner, sessions):
    owner.kill()
    heir = sessions(ns)
    heir.ok("session")
    heir.ok("own")
    assert owner_of(ns)
    heir.kill()
    assert not owner_of(ns)
    ns.run("nft", "flush ruleset")
    assert ns.run("nft", "list", "ruleset") == ""


def test_a_table_that_was_never_to_be_inherited(ns, sessions):
    ns.run("nft", "add table inet zimbra")
    s = sessions(ns)
    s.ok("session")
    assert s.call("own", "as it is")["r"] == -95
    s.ok("own")
    assert owner_of(ns)


def test_without_a_session_nobody_owns_it(ns, sessions):
    s = sessions(ns)
    s.ok("own")
    assert not owner_of(ns) and s.ok("read")["owner"] == 0
    ns.run("nft", "delete table inet zimbra")


def test_a_refused_adoption_is_none(ns, owner, sessions):
    """In one batch with something that is refused it is undone; the next one can have it."""
    owner.kill()
    heir = sessions(ns)
    heir.ok("session")
    assert heir.call("ban", "192.0.2.1", 5)["r"] == -2
    assert not owner_of(ns)
    heir.ok("own", "as it is")


def test_the_socket_stays_usable(ns, owner):
    """One socket for everything: many transactions, refused ones between them, and its answers never mix."""
    for i in range(200 if SOAK else 20):
        assert owner.call("ban", "192.0.2.1", 5)["r"] == -2
        assert owner.call("list")["r"] == -2
        owner.ok("own" if i % 2 else "read")
    assert owner_of(ns)
