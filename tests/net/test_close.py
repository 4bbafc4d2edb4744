"""Stage 1: nothing gets in, everything that was started here goes on."""

import socket
import struct

import pytest
import wire
from wire import ACK, FIN, PSH, RST, SYN, URG

ALL_PORTS = range(1, 65536)
# What listens in every test here: the firewall, not a closed port, has to keep these silent.
LISTEN = (22, 25, 443, 7071, 9071, 65535)
ODD_FLAGS = {"null": 0, "fin": FIN, "xmas": FIN | PSH | URG, "syn+fin": SYN | FIN, "ack": ACK, "syn+ack": SYN | ACK}


@pytest.fixture
def servers(link):
    made = [link.srv.listen(port) for port in LISTEN]
    yield made
    for s in made:
        s.close()


def both(link, version):
    return link.SRV[version], link.CLI[version]


def transfer(a, b, count=20):
    for _ in range(count):
        a.sendall(b"x" * 1000)
        got = 0
        while got < 1000:
            got += len(b.recv(4096))
        a, b = b, a


@pytest.mark.unfiltered
@pytest.mark.parametrize("version", (4, 6))
def test_scan_hears_every_answer_without_a_filter(link, servers, version):
    tcp, _ = wire.scan(link, version, ALL_PORTS)
    assert len(tcp) == 65535
    assert sorted(port for port, flags in tcp.items() if flags & SYN) == sorted(LISTEN)


@pytest.mark.parametrize("version", (4, 6))
def test_no_port_answers_a_syn(link, servers, fw, version):
    fw.ok("close")
    tcp, other = wire.scan(link, version, ALL_PORTS)
    assert (tcp, other) == ({}, [])
    # All of them arrived, and were counted where they should be.
    assert fw.counter("dropped") >= 65535


@pytest.mark.parametrize("version", (4, 6))
def test_no_port_answers_odd_flags(link, servers, fw, version):
    fw.ok("close")
    ports = [*LISTEN, *range(1, 200)]
    answers = {name: wire.scan(link, version, ports, flags) for name, flags in ODD_FLAGS.items()}
    assert answers == {name: ({}, []) for name in ODD_FLAGS}
    assert fw.counter("dropped") >= len(ports) * len(ODD_FLAGS)


@pytest.mark.parametrize("version", (4, 6))
def test_udp_and_ping_are_not_answered(link, fw, version):
    def probe():
        with wire.Capture(link) as cap:
            link.send(link.udp_frame(version, port) for port in (53, 123, 546, 11211, 40000))
            link.send([link.icmp_frame(version, 8 if version == 4 else 128)])
            return cap.wait(0.1)

    # Without a filter both draw an answer: an error for the ports, and a reply.
    assert {a.kind for a in probe()} == ({3, 0} if version == 4 else {1, 129})
    fw.ok("close")
    assert probe() == []


@pytest.mark.parametrize("host", ("127.0.0.1", "::1", "198.51.100.1", "2001:db8:f::1"))
def test_loopback_is_open(link, servers, fw, host):
    fw.ok("close")
    link.srv.connect(host, 25).close()
    assert fw.counter("loopback") > 0


@pytest.mark.parametrize("version", (4, 6))
def test_flows_from_inside_go_on(link, fw, version):
    srv_host, cli_host = both(link, version)
    with link.cli.listen(8080) as listener:
        fw.ok("close")
        before = link.srv.connect(cli_host, 8080)
        peer_before = listener.accept()[0]
        fw.ok("close")
        after = link.srv.connect(cli_host, 8080)
        peer_after = listener.accept()[0]
        for s in (before, after, peer_before, peer_after):
            s.settimeout(3)
        # The client speaks first: its packets have to be recognised, not only answers to ours.
        transfer(peer_before, before)
        transfer(peer_after, after)
        for s in (before, after, peer_before, peer_after):
            s.close()


@pytest.mark.parametrize("version", (4, 6))
def test_udp_answers_come_in(link, fw, version):
    fw.ok("close")
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with link.cli.socket(family, socket.SOCK_DGRAM) as resolver, link.srv.socket(family, socket.SOCK_DGRAM) as client:
        resolver.bind((link.CLI[version], 53))
        resolver.settimeout(2)
        client.settimeout(2)
        client.sendto(b"question", (link.CLI[version], 53))
        _, sender = resolver.recvfrom(100)
        resolver.sendto(b"answer", sender[:2])
        assert client.recv(100) == b"answer"


@pytest.mark.parametrize("version", (4, 6))
def test_ping_from_inside(link, fw, version):
    """For IPv6 that needs neighbour discovery in both directions, from empty tables."""
    fw.ok("close")
    link.srv.ip("neigh flush all")
    link.cli.ip("neigh flush all")
    proto = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with link.srv.socket(family, socket.SOCK_RAW, proto) as s:
        s.settimeout(3)
        icmp = struct.pack("!BBHHH", 8 if version == 4 else 128, 0, 0, 77, 1)
        if version == 4:
            icmp = icmp[:2] + struct.pack("!H", wire._fold(wire._sum16(icmp))) + icmp[4:]
        s.sendto(icmp, (link.CLI[version], 0))
        while True:
            data = s.recv(200)
            data = data[20:] if version == 4 else data
            if data[0] == (0 if version == 4 else 129):
                break
    if version == 6:
        assert fw.counter("neighbour") > 0


def test_neighbours_find_us(link, fw):
    """The client's solicitation is answered although every port is shut."""
    fw.ok("close")
    link.cli.ip("neigh flush all")
    with pytest.raises(TimeoutError):
        link.cli.connect(link.SRV[6], 25, timeout=0.2)
    neighbours = link.cli.run("ip", "-6", "neigh", "show", link.SRV[6])
    assert link.srv_mac.hex(":") in neighbours, neighbours


def nd_frames(link, hops):
    target = socket.inet_pton(socket.AF_INET6, link.SRV[6])
    return [link.icmp_frame(6, 135, body=bytes(4) + target, hops=hops)]


def test_forged_neighbour_discovery(link, fw):
    """RFC 4861 7.1: a hop limit below 255 has crossed a router."""
    fw.ok("close")
    before = fw.ok("read")["counters"]
    link.send(nd_frames(link, 64))
    after = fw.ok("read")["counters"]
    assert after["neighbour"][0] == before["neighbour"][0]
    assert after["dropped"][0] == before["dropped"][0] + 1
    link.send(nd_frames(link, 255))
    assert fw.counter("neighbour") > after["neighbour"][0]


def test_multicast_listeners(link, fw):
    fw.ok("close")
    before = fw.ok("read")["counters"]
    for src, kind, name in (
        ("fe80::2", 130, "multicast"),
        ("fe80::2", 143, "multicast"),
        ("::", 143, "multicast"),
        ("::", 130, "dropped"),
        ("2001:db8:f::2", 130, "dropped"),
    ):
        link.send([link.icmp_frame(6, kind, body=bytes(20), src=src, hops=1)])
        after = fw.ok("read")["counters"]
        assert after[name][0] == before[name][0] + 1, (src, kind)
        before = after


ICMP_CLASSES = {
    4: {3: "icmp_error", 11: "icmp_error", 12: "icmp_error", 5: "icmp_redirect", 13: "dropped", 17: "dropped"},
    6: {1: "icmpv6_error", 2: "icmpv6_error", 3: "icmpv6_error", 4: "icmpv6_error", 137: "icmp_redirect"},
}


@pytest.mark.parametrize("version", (4, 6))
@pytest.mark.parametrize("known", (False, True), ids=("unknown", "known"))
def test_icmp_classes(link, fw, version, known):
    """Needed errors pass also for flows that conntrack does not know; a redirect does not, even for one that it knows."""
    fw.ok("close")
    ours, theirs = link.SRV[version], link.CLI[version]
    with link.cli.listen(8080):
        flow = link.srv.connect(theirs, 8080) if known else None
        sport = flow.getsockname()[1] if known else 50000
        # The quoted packet is one of ours to the client.
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        ends = socket.inet_pton(family, ours) + socket.inet_pton(family, theirs)
        tcp = struct.pack("!HHIIBBHHH", sport, 8080, 1, 1, 0x50, ACK, 1000, 0, 0)
        if version == 4:
            quoted = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0)
            quoted = quoted[:10] + struct.pack("!H", wire._fold(wire._sum16(quoted + ends))) + ends
        else:
            quoted = struct.pack("!IHBB", 0x60000000, 20, socket.IPPROTO_TCP, 64) + ends
        before = fw.ok("read")["counters"]
        for kind, name in ICMP_CLASSES[version].items():
            link.send([link.icmp_frame(version, kind, body=struct.pack("!I", 1400) + quoted + tcp)])
            after = fw.ok("read")["counters"]
            moved = {k for k in after if after[k][0] != before[k][0]}
            # The link's own discovery may tick at any moment.
            assert moved - {"neighbour", "multicast"} == {name}, kind
            before = after
        if flow:
            flow.close()


@pytest.mark.parametrize("version", (4, 6))
def test_path_mtu(namespaces, driver_path, version):
    """1 MiB from inside over a router whose far side takes 1,280 bytes: without its ICMP errors nothing arrives."""
    from conftest import Driver

    srv, cli = wire.routed(*(namespaces(n) for n in ("srv", "rtr", "cli")))
    fw = Driver(driver_path, srv)
    fw.ok("close")
    with cli.listen(8080) as listener:
        s = srv.connect("203.0.113.1" if version == 4 else "2001:db8:b::1", 8080)
        peer = listener.accept()[0]
        peer.settimeout(3)
        s.setblocking(False)
        sent = got = 0
        while got < 1 << 20:
            if sent < 1 << 20:
                try:
                    sent += s.send(b"x" * min(65536, (1 << 20) - sent))
                except BlockingIOError:
                    pass
            got += len(peer.recv(65536))
        s.close()
        peer.close()
    assert fw.counter("icmp_error" if version == 4 else "icmpv6_error") > 0
