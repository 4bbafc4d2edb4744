"""Namespaces, frames and captures. Everything is sent and heard inside of namespaces that a test made."""

import contextlib
import ctypes
import errno
import os
import re
import socket
import struct
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_SOL_PACKET = 263
_PACKET_IGNORE_OUTGOING = 23
_SO_RCVBUFFORCE = 33
_ETH_P_ALL = 3

SYN, RST, ACK, FIN, PSH, URG = 0x02, 0x04, 0x10, 0x01, 0x08, 0x20


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self.sysctl("net/ipv6/conf/all/accept_dad", 0)
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        self.ip("link set lo up")

    def close(self):
        os.close(self.fd)
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    @contextlib.contextmanager
    def inside(self):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _setns(self.fd)
        try:
            yield
        finally:
            _setns(home)
            os.close(home)

    def start(self, *argv, **kw):
        """A process in here: a child begins in the namespace of the thread that makes it."""
        with self.inside():
            return subprocess.Popen(argv, text=True, **kw)

    def run(self, *argv, **kw):
        with self.inside():
            done = subprocess.run(argv, capture_output=True, text=True, check=False, **kw)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
        return done.stdout

    def ip(self, *lines):
        self.run("ip", "-batch", "-", input="\n".join(lines))

    def sysctl(self, path, value):
        with self.inside(), open(f"/proc/sys/{path}", "w") as f:
            f.write(str(value))

    def conntrack(self):
        """Connections that conntrack knows in here."""
        with self.inside(), open("/proc/sys/net/netfilter/nf_conntrack_count") as f:
            return int(f.read())

    def mac(self, dev):
        with self.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((dev, 0))
            return s.getsockname()[4]

    def socket(self, *args):
        with self.inside():
            return socket.socket(*args)

    def listen(self, port, host="::"):
        """A listener for both families; the kernel completes handshakes, nobody needs to accept."""
        s = self.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind((host, port))
        s.listen(64)
        return s

    def connect(self, host, port, timeout=2.0, source=None):
        s = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(timeout)
        try:
            if source:
                s.bind((source, 0))
            s.connect((host, port))
        except OSError:
            s.close()
            raise
        return s


def _sum16(data):
    if len(data) % 2:
        data += b"\0"
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def _fold(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Link:
    """srv (what is protected) and cli on one wire; both have .1/.2, and cli .3 too."""

    SRV = {4: "198.51.100.1", 6: "2001:db8:f::1"}
    CLI = {4: "198.51.100.2", 6: "2001:db8:f::2"}
    CLI2 = {4: "198.51.100.3", 6: "2001:db8:f::3"}

    def __init__(self, srv, cli):
        self.srv, self.cli = srv, cli
        srv.ip(f"link add eth0 type veth peer name eth0 netns {cli.name}")
        srv.ip("link set eth0 up", "addr add 198.51.100.1/24 dev eth0", "addr add 2001:db8:f::1/64 dev eth0 nodad")
        cli.ip(
            "link set eth0 up",
            "addr add 198.51.100.2/24 dev eth0",
            "addr add 198.51.100.3/24 dev eth0",
            "addr add 2001:db8:f::2/64 dev eth0 nodad",
            "addr add 2001:db8:f::3/64 dev eth0 nodad",
        )
        self.srv_mac, self.cli_mac = srv.mac("eth0"), cli.mac("eth0")
        with cli.inside():
            self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.out.bind(("eth0", 0))

    def close(self):
        self.out.close()

    def eth(self, version):
        return self.srv_mac + self.cli_mac + (b"\x08\x00" if version == 4 else b"\x86\xdd")

    def ip_header(self, version, proto, length, src=None, hops=64):
        src = src or self.CLI[version]
        dst = self.SRV[version]
        if version == 4:
            ends = socket.inet_pton(socket.AF_INET, src) + socket.inet_pton(socket.AF_INET, dst)
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, hops, proto, 0) + ends
            return head[:10] + struct.pack("!H", _fold(_sum16(head))) + head[12:], ends
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        return struct.pack("!IHBB", 0x60000000, length, proto, hops) + ends, ends

    def tcp_frames(self, version, ports, flags=SYN, src=None, sport=40000):
        """One frame per port, made fast: of 65,535 only port and checksum differ."""
        head, ends = self.ip_header(version, socket.IPPROTO_TCP, 20, src)
        ack = 1 if flags & ACK else 0
        fixed = struct.pack("!IIBBH", 1000, ack, 0x50, flags, 64240)
        base = _sum16(ends) + socket.IPPROTO_TCP + 20 + sport + _sum16(fixed)
        head = self.eth(version) + head + struct.pack("!H", sport)
        pack = struct.Struct("!H").pack
        for port in ports:
            total = base + port
            total = (total & 0xFFFF) + (total >> 16)
            total = (total & 0xFFFF) + (total >> 16)
            yield head + pack(port) + fixed + pack(~total & 0xFFFF) + b"\0\0"

    def udp_frame(self, version, port, payload=b"?", src=None, sport=40000):
        head, ends = self.ip_header(version, socket.IPPROTO_UDP, 8 + len(payload), src)
        udp = struct.pack("!HHHH", sport, port, 8 + len(payload), 0)
        total = _fold(_sum16(ends) + socket.IPPROTO_UDP + 8 + len(payload) + _sum16(udp + payload))
        return self.eth(version) + head + udp[:6] + struct.pack("!H", total or 0xFFFF) + payload

    def icmp_frame(self, version, kind, code=0, body=b"\0\0\0\0", src=None, hops=64):
        proto = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
        icmp = struct.pack("!BBH", kind, code, 0) + body
        head, ends = self.ip_header(version, proto, len(icmp), src, hops)
        pseudo = _sum16(ends) + proto + len(icmp) if version == 6 else 0
        return self.eth(version) + head + icmp[:2] + struct.pack("!H", _fold(pseudo + _sum16(icmp))) + body

    def send(self, frames):
        for frame in frames:
            while True:
                try:
                    self.out.send(frame)
                    break
                except OSError as e:
                    if e.errno != errno.ENOBUFS:
                        raise


def routed(srv, rtr, cli):
    """Two ends with a router between them, whose far side takes 1,280 bytes."""
    srv.ip(f"link add eth0 type veth peer name left netns {rtr.name}", "link set eth0 up",
           "addr add 198.51.100.1/24 dev eth0", "addr add 2001:db8:a::1/64 dev eth0 nodad",
           "route add default via 198.51.100.254", "route add ::/0 via 2001:db8:a::254")
    cli.ip(f"link add eth0 type veth peer name right netns {rtr.name}", "link set eth0 up",
           "addr add 203.0.113.1/24 dev eth0", "addr add 2001:db8:b::1/64 dev eth0 nodad",
           "route add default via 203.0.113.254", "route add ::/0 via 2001:db8:b::254")
    rtr.ip("link set left up", "addr add 198.51.100.254/24 dev left", "addr add 2001:db8:a::254/64 dev left nodad",
           "link set right mtu 1280 up", "addr add 203.0.113.254/24 dev right", "addr add 2001:db8:b::254/64 dev right nodad")
    rtr.sysctl("net/ipv4/ip_forward", 1)
    rtr.sysctl("net/ipv6/conf/all/forwarding", 1)
    return srv, cli


ROUTED_SRV = {4: "198.51.100.1", 6: "2001:db8:a::1"}


class Capture:
    """What srv sends to cli, except for the link's own talk (ARP, neighbour discovery, multicast reports)."""

    def __init__(self, link):
        with link.cli.inside():
            # Bound in one step: a socket of all protocols would hear other devices until it is bound.
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.s.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self.s.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 128 << 20)
            self.s.bind(("eth0", _ETH_P_ALL))
        self.srv_mac = link.srv_mac
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def take(self):
        while True:
            try:
                frame = self.s.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.frames
            answer = _parse(frame) if frame[6:12] == self.srv_mac else None
            if answer:
                self.frames.append(answer)

    def wait(self, seconds, enough=None):
        """Answers until it has been quiet for so long, or until enough() of them says so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (enough and enough(self.frames)):
            before = len(self.frames)
            self.take()
            if len(self.frames) > before:
                end = time.monotonic() + seconds
            else:
                time.sleep(0.005)
        return self.frames


class Answer:
    def __init__(self, version, proto, data, ip):
        self.version, self.proto, self.data, self.ip = version, proto, data, ip
        if proto == socket.IPPROTO_TCP:
            self.sport, self.dport = struct.unpack("!HH", data[:4])
            self.flags = data[13] & 0x3F
        else:
            self.kind = data[0]

    def __repr__(self):
        detail = f"port {self.sport} flags {self.flags:#x}" if self.proto == 6 else f"proto {self.proto} type {self.kind}"
        return f"<IPv{self.version} {detail}>"


def _parse(frame):
    kind = frame[12:14]
    if kind == b"\x08\x00":
        head = (frame[14] & 15) * 4
        return Answer(4, frame[23], frame[14 + head :], frame[14:])
    if kind == b"\x86\xdd":
        proto, data = frame[20], frame[54:]
        if proto == 0:  # hop-by-hop: router alert of a multicast report
            proto, data = data[0], data[(data[1] + 1) * 8 :]
        if proto == socket.IPPROTO_ICMPV6 and data[0] in (130, 131, 132, 133, 134, 135, 136, 143):
            return None
        return Answer(6, proto, data, frame[14:])
    return None


def scan(link, version, ports, flags=SYN, src=None, quiet=0.1):
    """Sends one segment to each port; returns {port: flags of the answer} and whatever else came back."""
    with Capture(link) as cap:
        for i, frame in enumerate(link.tcp_frames(version, ports, flags, src)):
            link.send((frame,))
            if i % 512 == 0:
                cap.take()
        frames = cap.wait(quiet)
    tcp = {a.sport: a.flags for a in frames if a.proto == socket.IPPROTO_TCP and a.version == version}
    return tcp, [a for a in frames if a.proto != socket.IPPROTO_TCP or a.version != version]


def remove_leftovers(prefix):
    """Namespaces of test runs that were killed: the name has the process id."""
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for name in re.findall(rf"^{prefix}(?:\d+)[a-z]+", names, re.M):
        pid = int(re.search(r"\d+", name).group())
        if not os.path.exists(f"/proc/{pid}"):
            subprocess.run(["ip", "netns", "del", name], check=False)
