"""Stage 7: the public lists and nobody else; the admin ports for their sources."""

import errno
import socket
import time

import pytest
import wire
from wire import ACK, FIN, PSH, RST, SYN, URG

PUBLIC_TCP = "25,80,443,7000-9100"
PUBLIC = {25, 80, 443, *range(7000, 9101)} - {7071, 9071}
LISTEN = (22, 25, 443, 7071, 8443, 9071)


@pytest.fixture
def servers(link):
    made = [link.srv.listen(port) for port in LISTEN]
    yield made
    for s in made:
        s.close()


@pytest.mark.parametrize("version", (4, 6))
def test_only_public_ports_answer(link, servers, fw, version):
    """The list spans 7071 and 9071, where something listens: both stay silent."""
    fw.ok("open", "--tcp", PUBLIC_TCP)
    tcp, other = wire.scan(link, version, range(1, 65536))
    assert other == []
    # A public port without a listener refuses, but not a flood of SYNs.
    refused = {port for port in tcp if tcp[port] == RST | ACK}
    assert {port: tcp[port] for port in tcp if port not in refused} == {25: SYN | ACK, 443: SYN | ACK, 8443: SYN | ACK}
    assert refused < set(PUBLIC) and len(refused) >= 100
    counters = fw.ok("read")["counters"]
    assert counters["closed"][0] >= 65535 - len(PUBLIC) - 2 and counters["gated"][0] >= 2
    assert counters["refused"][0] == len(refused) and counters["reset_quiet"][0] == len(PUBLIC) - 3 - len(refused)


@pytest.mark.parametrize("version", (4, 6))
def test_empty_lists_open_nothing(link, servers, fw, version):
    fw.ok("open")
    assert wire.scan(link, version, [*range(1, 1024), *LISTEN]) == ({}, [])


def test_admin_ports_are_never_public(link, servers, fw):
    for ports in ("7071", "9071,7071", "7070-7072,9071", "1-65535"):
        fw.ok("open", "--tcp", ports)
        for version in (4, 6):
            assert wire.scan(link, version, [7071, 9071], quiet=0.05) == ({}, []), ports


@pytest.mark.parametrize("version", (4, 6))
def test_admin_ports_for_their_sources(link, servers, fw, version):
    allowed, other = link.CLI2[version], link.CLI[version]
    fw.ok("open", "--tcp", "25,7071", "--admin-from", f"192.0.2.0/24,{allowed},fd00::/8")
    tcp, _ = wire.scan(link, version, [7071, 9071, 22], src=allowed)
    assert tcp == {7071: SYN | ACK, 9071: SYN | ACK}
    assert wire.scan(link, version, [7071, 9071], src=other) == ({}, [])
    # A real connection, both ways.
    link.cli.connect(link.SRV[version], 7071, source=allowed).close()
    with pytest.raises(TimeoutError):
        link.cli.connect(link.SRV[version], 7071, timeout=0.2, source=other)


EDGES = {
    4: {"198.51.100.2/31": True, "198.51.100.0/31": False, "198.51.100.4/30": False, "0.0.0.0/0": True,
        "198.51.100.3": False, "2001:db8:f::/64": False},
    6: {"2001:db8:f::2/127": True, "2001:db8:f::/127": False, "2001:db8:f::3": False, "::/0": True,
        "198.51.100.0/24": False},
}


@pytest.mark.parametrize("version", (4, 6))
def test_edges_of_prefixes(link, servers, fw, version):
    for prefix, inside in EDGES[version].items():
        fw.ok("open", "--admin-from", prefix)
        tcp, _ = wire.scan(link, version, [7071], src=link.CLI[version], quiet=0.05)
        assert tcp == ({7071: SYN | ACK} if inside else {}), prefix


@pytest.mark.parametrize("version", (4, 6))
def test_admin_public(link, servers, fw, version):
    fw.ok("open", "--admin-public")
    tcp, _ = wire.scan(link, version, [7071, 9071, 22])
    assert tcp == {7071: SYN | ACK, 9071: SYN | ACK}
    assert fw.counter("admin_public") >= 2


def test_open_session_outlives_its_permission(link, servers, fw):
    fw.ok("open", "--admin-from", "198.51.100.2")
    listener = servers[LISTEN.index(7071)]
    with link.cli.connect(link.SRV[4], 7071) as s:
        peer = listener.accept()[0]
        fw.ok("open")
        peer.settimeout(2)
        s.sendall(b"still here")
        assert peer.recv(100) == b"still here"
        peer.close()
    with pytest.raises(TimeoutError):
        link.cli.connect(link.SRV[4], 7071, timeout=0.2)


@pytest.mark.parametrize("version", (4, 6))
def test_udp(link, fw, version):
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    fw.ok("open", "--udp", "53,5000-5001")
    with link.srv.socket(family, socket.SOCK_DGRAM) as s, link.srv.socket(family, socket.SOCK_DGRAM) as shut:
        s.bind((link.SRV[version], 53))
        s.settimeout(2)
        shut.bind((link.SRV[version], 54))
        shut.settimeout(0.1)
        with wire.Capture(link) as cap:
            link.send(link.udp_frame(version, port) for port in (53, 54, 5002, 25))
            assert s.recv(10) == b"?"
            with pytest.raises(TimeoutError):
                shut.recv(10)
            assert cap.wait(0.1) == []
            # 5000 is public and nobody listens: the stack may say so.
            link.send([link.udp_frame(version, 5000)])
            assert [a.kind for a in cap.wait(0.3, len)] == [3 if version == 4 else 1]


@pytest.mark.parametrize("version", (4, 6))
def test_echo_is_limited(link, fw, version):
    """Burst 10, then 5 per second; also for one long series, which conntrack calls established."""
    fw.ok("open")
    with wire.Capture(link) as cap:
        began = time.monotonic()
        for _ in range(100):
            link.send([link.icmp_frame(version, 8 if version == 4 else 128, body=b"\0\x4d\0\1")])
        cap.wait(0.2)
        took = time.monotonic() - began
    assert 10 <= len(cap.frames) <= 10 + 5 * took + 1
    counters = fw.ok("read")["counters"]
    assert counters["echo"][0] == len(cap.frames)
    assert counters["echo_over"][0] == 100 - len(cap.frames)


NONSENSE = (0, FIN, FIN | PSH | URG, SYN | FIN, SYN | RST, SYN | PSH, 0x3F, PSH, URG, RST | FIN | ACK)
NOT_ASKED_FOR = {"maimon": FIN | ACK, "ack": ACK, "rst": RST, "rst+ack": RST | ACK, "syn+ack": SYN | ACK, "push": PSH | ACK}


@pytest.mark.parametrize("version", (4, 6))
def test_nonsense(link, servers, fw, version):
    """Also to a public port: no answer, and counted apart from what is merely not open."""
    fw.ok("open", "--tcp", "25")
    for i, flags in enumerate(NONSENSE):
        assert wire.scan(link, version, [25, 22, 7071, 9999], flags, quiet=0.05) == ({}, []), hex(flags)
        assert fw.counter("bogus_flags") == 4 * (i + 1), hex(flags)


@pytest.mark.parametrize("version", (4, 6))
def test_open_and_closed_look_alike(link, servers, fw, version):
    """Scans that ask without a handshake learn nothing: open, closed, gated, and public without a listener."""
    fw.ok("open", "--tcp", "25,26")
    for name, flags in NOT_ASKED_FOR.items():
        ports = [25, 26, 22, 7071, 9999]
        if name == "push":  # a client of before a restart gets its reset: only a listener's port has such
            ports.remove(25)
        assert wire.scan(link, version, ports, flags, quiet=0.1) == ({}, []), name
    counters = fw.ok("read")["counters"]
    assert counters["no_socket"][0] > 0 and counters["reset_quiet"][0] == 1, counters


@pytest.mark.parametrize("version", (4, 6))
def test_errors_about_unknown_flows_are_not_invalid(link, fw, version):
    """What an untracked public port will depend on: needed ICMP stands before conntrack's opinion."""
    fw.ok("open")
    quoted = link.ip_header(version, socket.IPPROTO_TCP, 20)[0] + b"\x12\x34\x56\x78" + bytes(16)
    link.send([link.icmp_frame(version, 3 if version == 4 else 2, 4 if version == 4 else 0, bytes(4) + quoted)])
    counters = fw.ok("read")["counters"]
    assert counters["icmp_error" if version == 4 else "icmpv6_error"][0] == 1
    assert counters["invalid"][0] == 0


@pytest.mark.parametrize("command, calls", (("open", 200), ("alternate", 100)))
def test_replacing_under_a_stream_of_syns(link, servers, fw, command, calls):
    """200 times, changed or made anew, with never an answer from a port that is not open, and a transfer that goes on."""
    args = ("--tcp", "25,80", "--admin-from", "192.0.2.0/24,2001:db8:1::/48")
    fw.ok("open", *args)
    listener = servers[LISTEN.index(25)]
    s = link.cli.connect(link.SRV[4], 25)
    peer = listener.accept()[0]
    s.setblocking(False)
    peer.setblocking(False)
    frames = [f for v in (4, 6) for f in link.tcp_frames(v, [22, 1000, 7071, 9071, 65535])]
    received, sent, syns = bytearray(), 0, 0
    pattern = bytes(range(256)) * 16

    def pump():
        nonlocal sent
        try:
            at = sent % len(pattern)
            sent += s.send(pattern[at:])
        except BlockingIOError:
            pass
        try:
            received.extend(peer.recv(65536))
        except BlockingIOError:
            pass

    with wire.Capture(link) as cap:
        process = fw.start("--repeat", str(calls), command, *args)
        while process.poll() is None:
            link.send(frames)
            syns += len(frames)
            pump()
        r, said = fw.finish(process)
        assert r == 0 and said["calls"] == calls
        while len(received) < sent:
            pump()
        answers = [a for a in cap.wait(0.1) if a.proto != socket.IPPROTO_TCP or a.sport != 25]
    assert answers == []
    assert bytes(received) == (pattern * (sent // len(pattern) + 1))[:sent]
    assert sent > 1 << 20 and syns > 2000, "too little traffic to prove anything"
    s.close()
    peer.close()


def test_closing_and_opening(link, servers, fw):
    for _ in range(3):
        fw.ok("open", "--tcp", "25")
        link.cli.connect(link.SRV[4], 25).close()
        fw.ok("close")
        with pytest.raises(TimeoutError):
            link.cli.connect(link.SRV[4], 25, timeout=0.1)


def test_remove_opens_everything(link, servers, fw):
    fw.ok("close")
    fw.ok("remove")
    tcp, _ = wire.scan(link, 4, [22, 7071, 1000])
    assert set(tcp) == {22, 7071, 1000}
    # Nothing to remove is no error.
    fw.ok("remove")
    with pytest.raises(ConnectionRefusedError) as e:
        link.cli.connect(link.SRV[4], 1000)
    assert e.value.errno == errno.ECONNREFUSED
