"""
Who looks at a container from outside: a network of its own, and SYNs to all of its ports put straight on the wire, IPv4 and
IPv6, from an address that FIREWALL_ADMIN_FROM names and from one that it does not. Frames go to the container's end of the
cable and not through the bridge, so that no filter and no connection table of this machine takes part.
"""

import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

from box import Lan, wait_for

sys.path.append(str(pathlib.Path(__file__).parents[1] / "net"))
import wire  # noqa: E402

ALL_PORTS = range(1, 65536)
SYN_ACK, RST = wire.SYN | wire.ACK, wire.RST
_SO_TIMESTAMPNS = 35
_PERIOD = 15.0  # seconds from the beginning of one sweep of all ports to the next: each costs a second of a processor


class Network(Lan):
    """A bridge with one container, whose addresses are therefore known before it starts."""

    def __init__(self):
        super().__init__("watch")
        base = self.gateway.removesuffix("1")
        self.container = {4: base + "2", 6: self.prefix + "2"}
        self.admin = {4: base + "250", 6: self.prefix + "fa"}
        self.stranger = {4: base + "251", 6: self.prefix + "fb"}
        for who in (self.admin, self.stranger):
            subprocess.run(["ip", "addr", "add", who[4] + "/24", "dev", self.bridge], check=True)
            if 6 in self.versions:
                subprocess.run(["ip", "addr", "add", who[6] + "/64", "dev", self.bridge, "nodad"], check=True)

    def connect(self, port, who, version=4, timeout=5.0):
        """A connection from one of our addresses to a port of the container; raises what connect(2) does."""
        return socket.create_connection((self.container[version], port), timeout, source_address=(who[version], 0))


class _Aim(wire.Link):
    """wire's way to make frames, for addresses that are not wire's."""

    def __init__(self, network, who):  # pylint: disable=super-init-not-called
        self.SRV, self.CLI = network.container, who
        self.srv_mac = bytes(6)  # put in when the container is there
        mac = pathlib.Path(f"/sys/class/net/{network.bridge}/address").read_text()
        self.cli_mac = bytes.fromhex(mac.strip().replace(":", ""))


class Watch:
    """Sweeps all ports from start() to stop(); keeps who answered what and when (seconds since the epoch)."""

    def __init__(self, network):
        self.network = network
        self.sweeps, self.answers, self.others = [], [], []
        self.error = None
        self._end = threading.Event()
        self._out = self._in = None
        self._frames = {(name, v): list(_Aim(network, who).tcp_frames(v, ALL_PORTS))
                        for name, who in (("stranger", network.stranger), ("admin", network.admin)) for v in network.versions}
        self._mac = bytes(6)
        self._threads = []

    def _open(self):
        ports = pathlib.Path(f"/sys/class/net/{self.network.bridge}/brif")
        veth = wait_for("a container on the network", lambda: os.listdir(ports), 120, pause=0.002)[0]
        self._mac = wait_for("an answer to ARP", self._resolve, 20, pause=0.002)
        self._frames = {k: [self._mac + frame[6:] for frame in frames] for k, frames in self._frames.items()}
        self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._out.bind((veth, 0))
        self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._in.setsockopt(wire._SOL_PACKET, wire._PACKET_IGNORE_OUTGOING, 1)
        self._in.setsockopt(socket.SOL_SOCKET, wire._SO_RCVBUFFORCE, 256 << 20)
        self._in.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._in.settimeout(0.2)
        self._in.bind((veth, wire._ETH_P_ALL))

    def _resolve(self):
        """The container's hardware address, from this machine's table of neighbours; asks by a datagram to the discard port."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", (self.network.container[4], 9))
        for line in pathlib.Path("/proc/net/arp").read_text().splitlines()[1:]:
            address, _, flags, mac, _, dev = line.split()
            if address == self.network.container[4] and dev == self.network.bridge and int(flags, 16) & 2:
                return bytes.fromhex(mac.replace(":", ""))
        return None

    def _listen(self):
        while True:
            try:
                frame, more, _, _ = self._in.recvmsg(2048, 64)
            except TimeoutError:
                if self._end.is_set():
                    return
                continue
            except OSError:
                return  # the cable is gone: the container has stopped
            answer = wire._parse(frame) if frame[6:12] == self._mac else None
            if not answer:
                continue
            seconds, nanos = struct.unpack("qq", more[0][2])
            when = seconds + nanos / 1e9
            ours = answer.proto == socket.IPPROTO_TCP and answer.dport == 40000
            if ours:
                self.answers.append((when, answer.version, answer.sport, answer.flags, self._who(answer)))
            elif self._who(answer):  # ICMP to one of our two addresses, or any TCP that is not of a sweep
                self.others.append((when, repr(answer)))

    def _who(self, answer):
        address = socket.inet_ntop(socket.AF_INET, answer.ip[16:20]) if answer.version == 4 else \
            socket.inet_ntop(socket.AF_INET6, answer.ip[24:40])
        return {self.network.admin[answer.version]: "admin", self.network.stranger[answer.version]: "stranger"}.get(address)

    def sweep(self, who, version):
        begin = time.time()
        for frame in self._frames[who, version]:
            try:
                self._out.send(frame)
            except OSError as e:
                if e.errno != 105:  # ENOBUFS: one SYN less
                    raise
        self.sweeps.append((begin, time.time(), who, version))

    def _run(self):
        try:
            self._open()
            self._threads.append(threading.Thread(target=self._listen, daemon=True))
            self._threads[-1].start()
            n = 0
            while not self._end.is_set():
                begin = time.monotonic()
                for version in self.network.versions:
                    self.sweep(("stranger", "admin")[n % 2], version)
                n += 1
                if n > 4:  # the first ones without a pause: the beginning is what counts
                    self._end.wait(max(0.0, _PERIOD - (time.monotonic() - begin)))
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def start(self):
        """Returns at once; the first SYNs leave when the engine has put up the cable."""
        self._sender = threading.Thread(target=self._run, daemon=True)
        self._sender.start()

    def stop(self):
        self._end.set()
        self._sender.join()
        for t in self._threads:
            t.join()
        if self.error:
            raise self.error

    def scan(self, who, version, expected):
        """
        Of a container that runs: {port: flags} of everything that answers a sweep. A SYN may be lost on a busy machine: sent
        again until the ports have answered of which it is expected, a few times.
        """
        self._end.clear()
        self._open()
        listener = threading.Thread(target=self._listen, daemon=True)
        listener.start()
        begin, found = time.time(), {}
        for _ in range(5):
            self.sweep(who, version)
            time.sleep(1.0)
            found = {port: flags for when, v, port, flags, whom in self.answers if when >= begin and v == version and whom == who}
            if expected <= found.keys():
                break
        self._end.set()
        listener.join()
        return found
