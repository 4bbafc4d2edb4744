"""From an empty volume to a running server, as the network around it sees that."""

import socket
import ssl

import pytest
from box import wait_for
from watch import RST, SYN_ACK

PUBLIC = {25, 80, 110, 143, 443, 465, 587, 993, 995}
NOBODY_LISTENS = {5222, 5223}


def test_nothing_is_answered_before_it_opens(first_boot):
    seen = first_boot.watch
    closed, opens = first_boot.time_of(r"the network is closed \d+ ms"), first_boot.time_of(r" open: Opening")
    print(f"\nexec to default drop: {first_boot.line('the network is closed').partition('close: ')[2]}")
    during = [s for s in seen.sweeps if s[0] > closed and s[1] < opens]
    kernel = [a for a in seen.answers if a[0] <= closed]
    print(f"{len(during)} sweeps of 65535 ports in the {opens - closed:.0f} s between; "
          f"before PID 1 began the kernel reset {len(kernel)} SYNs")
    for version in first_boot.network.versions:
        assert {who for _, _, who, v in during if v == version} == {"admin", "stranger"}
    # Before PID 1 runs there is nobody but the kernel: no port is open, whatever it says.
    assert not [a for a in seen.answers if a[0] < opens and a[3] & SYN_ACK == SYN_ACK]
    assert not [a for a in seen.answers if closed < a[0] < opens]
    assert not [o for o in seen.others if closed < o[0] < opens]


def test_the_network_is_closed_first(first_boot):
    """Before the volume is looked at."""
    order = [first_boot.log.index(first_boot.line(p)) for p in (r"close: done", r"stage 2 of 7", r"stage 7 of 7", r"open: done")]
    assert order == sorted(order)


def test_only_public_ports_from_the_moment_it_opens(first_boot):
    opens = first_boot.time_of(r" open: Opening")
    answered = {a[2] for a in first_boot.watch.answers if a[0] >= opens and a[4] == "stranger"}
    assert answered <= PUBLIC | NOBODY_LISTENS


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("who", ["stranger", "admin"])
def test_ports_of_a_running_server(first_boot, who, version):
    if version not in first_boot.network.versions:
        pytest.skip("the engine makes no IPv6 network: " + first_boot.network.why_no_v6)
    public = PUBLIC | ({7071, 9071} if who == "admin" else set())
    answers = first_boot.watch.scan(who, version, public | NOBODY_LISTENS)
    open_ports = {p for p, flags in answers.items() if flags & SYN_ACK == SYN_ACK}
    shut = {p for p, flags in answers.items() if flags & RST}
    if version == 4:
        assert open_ports == public, answers
        assert shut == NOBODY_LISTENS, answers
    else:  # the lab's servers do not all listen on IPv6
        assert open_ports | shut == public | NOBODY_LISTENS and NOBODY_LISTENS <= shut, answers


def test_the_admin_console_for_those_who_may(first_boot):
    context = ssl._create_unverified_context()
    with context.wrap_socket(first_boot.network.connect(7071, first_boot.network.admin)) as s:
        s.sendall(b"GET /zimbraAdmin/ HTTP/1.0\r\nHost: x\r\n\r\n")
        answer = s.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.") and b"Zimbra Administration" in answer
    with pytest.raises(TimeoutError):
        first_boot.network.connect(7071, first_boot.network.stranger, timeout=2)


def test_names_resolve_in_a_network_with_its_own_server(first_boot):
    """Docker's name server works by rules in a table of the engine's, which nothing of ours touches."""
    c = first_boot.container
    assert "127.0.0.11" in c.exec("cat", "/etc/resolv.conf").stdout
    assert c.exec("cat", "/data/etc/resolv.conf").stdout == c.exec("cat", "/etc/resolv.conf").stdout
    assert socket.inet_aton(c.jail("getent", "ahostsv4", c.name).stdout.split()[0]) == socket.inet_aton(c.address)


def test_docker_thinks_it_is_healthy(first_boot):
    wait_for("the engine's own word", lambda: first_boot.container.state["Health"]["Status"] == "healthy", 120)


def test_how_long_it_took(first_boot):
    stages = [line.partition("Z ")[2] for line in first_boot.log if ": done in " in line]
    print(f"\nfirst boot: {first_boot.seconds:.0f} s; " + "; ".join(stages))
    assert len(stages) == 7
