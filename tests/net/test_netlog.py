"""FIREWALL_LOG: zimbra-netlog under its real filter, as PID 1 starts it; the rules are made with nft."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import pytest
import wire
from wire import ACK, SYN

ROOT = pathlib.Path(__file__).parent.parent.parent
GROUP = 65
UID = 65200
RULES = """
table inet t {
	chain in {
		type filter hook input priority 0;
		iif lo accept
		tcp dport 3306 log group %d prefix "closed" drop
		udp dport 1-65535 log group %d prefix "udp" drop
		icmp type echo-request log group %d prefix "ping" drop
		icmpv6 type echo-request log group %d prefix "ping" drop
		tcp flags & (syn|ack) == syn|ack log group %d prefix "invalid" drop
	}
}
""" % ((GROUP,) * 5)
INGRESS = f"""
table netdev n {{
	chain in {{
		type filter hook ingress device "eth0" priority 0
		ip saddr 192.0.2.77 ip protocol 99 log group {GROUP} prefix "end" drop
		log group {GROUP} prefix "raw" drop
	}}
}}
"""


class Log:
    """The driver in a namespace, and what it said so far."""

    def __init__(self, ns, path):
        self.process = ns.start(path, stderr=subprocess.PIPE)
        self.text = ""
        os.set_blocking(self.process.stderr.fileno(), False)

    def read(self):
        try:
            self.text += os.read(self.process.stderr.fileno(), 1 << 20).decode()
        except BlockingIOError:
            pass
        return self.text

    def wait(self, pattern, seconds=10, count=1):
        end = time.monotonic() + seconds
        while len(re.findall(pattern, self.read())) < count:
            assert time.monotonic() < end, f"no {pattern!r} in:\n{self.text}"
            assert self.process.poll() is None, self.text
            time.sleep(0.02)
        return re.findall(pattern, self.text)[-1]

    def lines(self):
        return [line.split("Z ", 1)[1] for line in self.read().splitlines()]

    def worker(self, count=1):
        return int(self.wait(r"worker: netlog runs as process (\d+)", count=count))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        text = self.read()
        self.process.stderr.close()
        assert self.process.returncode == 0 and "driver: stopped" in text, text


BUILDS = {"sanitized": "build/san/tests", "production": "build/tests"}


def driver_of(build):
    path = ROOT / BUILDS[build] / "sbin/netlog-driver"
    if not path.exists():
        pytest.fail(f"{path} is not built: make net")
    return path


@pytest.fixture(params=BUILDS)
def build(request):
    return request.param


@pytest.fixture
def start(link, build):
    """start() makes a driver; all of them end with the test, whatever happened."""
    made = []

    def make():
        made.append(Log(link.srv, driver_of(build)))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def log(link, start):
    link.srv.run("nft", "-f", "-", input=RULES)
    return start()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines())


def test_lines(link, log):
    log.worker()
    link.send(link.tcp_frames(4, [3306], SYN, sport=4711))
    link.send(link.tcp_frames(6, [3306], SYN, sport=4712))
    link.send(link.tcp_frames(4, [25], SYN | ACK, src=link.CLI2[4]))
    link.send([link.udp_frame(4, 53, b"12345"), link.udp_frame(6, 53)])
    link.send([link.icmp_frame(4, 8), link.icmp_frame(6, 128)])
    log.wait("firewall: ping", count=2)
    said = [line for line in log.lines() if line.startswith("firewall:")]
    assert said == [
        "firewall: closed: 198.51.100.2:4711 -> 198.51.100.1:3306 tcp syn eth0",
        "firewall: closed: [2001:db8:f::2]:4712 -> [2001:db8:f::1]:3306 tcp syn eth0",
        "firewall: invalid: 198.51.100.3:40000 -> 198.51.100.1:25 tcp syn,ack eth0",
        "firewall: udp: 198.51.100.2:40000 -> 198.51.100.1:53 udp 33-bytes eth0",
        "firewall: udp: [2001:db8:f::2]:40000 -> [2001:db8:f::1]:53 udp 49-bytes eth0",
        "firewall: ping: 198.51.100.2 -> 198.51.100.1 icmp 8/0 eth0",
        "firewall: ping: 2001:db8:f::2 -> 2001:db8:f::1 icmp6 128/0 eth0",
    ]


def test_nothing_is_left_to_the_worker(log):
    status = status_of(log.worker())
    assert status["Name"] == "zimbra-netlog"
    assert status["Uid"].split() == status["Gid"].split() == [str(UID)] * 4
    assert not status["Groups"].strip()
    assert all(int(status[f"Cap{which}"], 16) == 0 for which in ("Inh", "Prm", "Eff", "Bnd", "Amb"))
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_what_came_meanwhile_is_told_by_the_next_one(link, log):
    """The socket is PID 1's as well: the group stays bound, the kernel goes on queueing."""
    first = log.worker()
    os.kill(first, signal.SIGKILL)
    log.wait("worker: warning: netlog was ended by signal KILL; it is started again in 1 s")
    link.send(link.tcp_frames(4, [3306], sport=1234))
    assert "firewall: closed" not in log.read()
    assert log.worker(2) != first
    log.wait(r"firewall: closed: 198.51.100.2:1234 -> ")


def flood(link, log):
    """Is a few lines and a number."""
    link.send(link.tcp_frames(4, [3306] * 1000))
    link.send([link.udp_frame(4, 9)])
    log.wait("firewall: udp: ")
    assert "missing" not in log.text
    yield
    log.wait(r"closed: .*, 994 more of this class in 10 s", 30)
    assert len(re.findall("closed: ", log.text)) == 6
    assert len(re.findall("udp: ", log.text)) == 1


def overrun(link, log):
    """Is told, and nothing is counted twice or not at all."""
    pid = log.worker()
    os.kill(pid, signal.SIGSTOP)
    sent = 40000
    link.send(link.tcp_frames(4, [3306] * sent))
    os.kill(pid, signal.SIGCONT)
    # The gap in the numbers is seen with a packet that comes after it and finds room.
    end = time.monotonic() + 30
    while not re.search(r"log: [1-9]\d* packets are missing", log.read()):
        assert time.monotonic() < end, log.text
        time.sleep(0.2)
        link.send(link.tcp_frames(4, [3306]))
        sent += 1
    log.wait(r"firewall: warning: log: ([1-9]\d*) packets are missing here: .* \([1-9]\d* overruns\)")
    yield
    # Every packet is a line of its own, or in the number of one, or missing; also if this took more than one window.
    end = time.monotonic() + 30
    while True:
        numbers = [int(n) for n in re.findall(r"(\d+) (?:more of this class|packets are missing)", log.read())]
        if len(re.findall("closed: ", log.text)) + sum(numbers) == sent:
            break
        assert time.monotonic() < end, (sent, numbers, log.text)
        time.sleep(0.05)
    assert log.process.poll() is None and status_of(pid)["Name"] == "zimbra-netlog"


def test_what_a_window_adds_up_to(namespaces):
    """All at once, because each of them waits for the real 10 s."""
    with contextlib.ExitStack() as stack:
        cases = []
        for build in BUILDS:
            for case in (flood, overrun):
                link = wire.Link(*(namespaces(f"{end}{build[0]}{case.__name__[0]}") for end in ("srv", "cli")))
                stack.callback(link.close)
                link.srv.run("nft", "-f", "-", input=RULES)
                log = Log(link.srv, driver_of(build))
                stack.callback(log.stop)
                log.worker()
                cases.append(case(link, log))
        for case in cases:
            next(case)
        for case in cases:
            assert next(case, "through") == "through"


def test_a_second_reader_is_refused(log, start):
    log.worker()
    other = start()
    other.wait("error: FIREWALL_LOG=on: no NET_ADMIN here, or another process in this network namespace reads NFLOG group 65")
    other.wait("netlog cannot be started: Operation not permitted; it is started again in 1 s")


def test_any_frame_whatever(link, log, rng):
    """From the ingress hook the packets come as they were on the wire, before the stack has thrown bad ones away."""
    link.srv.run("nft", "-f", "-", input=INGRESS)
    pid = log.worker()
    next_headers = (0, 6, 17, 43, 44, 50, 51, 58, 60, 59, 135, 255)
    frames = []
    for _ in range(5000):
        version = rng.choice((4, 6))
        packet = bytearray(rng.randbytes(rng.randrange(1, 200)))
        packet[0] = rng.choice((version << 4 | 5, version << 4 | rng.randrange(16), rng.randrange(256)))
        if len(packet) > 9:
            packet[9 if version == 4 else 6] = rng.choice(next_headers)
        frames.append(link.eth(version) + bytes(packet))
    link.send(frames)
    # They are read in their order, and the first of a class is told at once: then all before it have been read. It is sent
    # until it found room.
    ends = socket.inet_aton("192.0.2.77") + socket.inet_aton("192.0.2.78")
    last = struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, 0, 64, 99, 0) + ends
    end = time.monotonic() + 30
    while "firewall: end: 192.0.2.77 -> 192.0.2.78 " not in log.read():
        assert time.monotonic() < end, log.text
        link.send([link.eth(4) + last])
        time.sleep(0.1)
    assert len(re.findall("firewall: raw: ", log.text)) >= 5
    assert "worker: error" not in log.text and "was ended" not in log.text
    assert all(re.fullmatch(r"[ -~]*", line) for line in log.lines())
    assert status_of(pid)["Name"] == "zimbra-netlog"
    if "build/san" not in os.readlink(f"/proc/{log.process.pid}/exe"):
        pages = int(open(f"/proc/{pid}/statm").read().split()[1])
        assert pages * 4 < 4096, "KiB resident"


def test_filter_of_the_production_build():
    """The unit tests have the sanitizers' calls on the list; this is the list as it is delivered."""
    done = subprocess.run([ROOT / "build/tests/test_worker_confine"], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={"CMOCKA_MESSAGE_OUTPUT": "TAP", "PATH": os.environ["PATH"]})
    assert done.returncode == 0 and re.search(r"^ok \d+ - forbidden_kills", done.stdout, re.M), done.stdout + done.stderr
