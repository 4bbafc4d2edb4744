"""What root in the jail cannot do. Every attempt is one line of a script that runs there; none may succeed."""

import json
import os
import stat

import pytest
from box import docker

PRELUDE = r'''
import ctypes, errno, fcntl, json, os, socket, stat, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
results = {}

def call(number, *args):
    ctypes.set_errno(0)
    r = libc.syscall(number, *args)
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r

def attempt(name, action):
    """In a child: what one attempt does must not help or spoil the next."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = "SUCCEEDED " + str(action())[:100]
        except OSError as e:
            said = errno.errorcode.get(e.errno, str(e.errno))
        except Exception as e:
            said = "OTHER " + repr(e)[:100]
        os.write(w, said.encode())
        os._exit(0)
    os.close(w)
    results[name] = os.read(r, 200).decode() or "killed"
    os.close(r)
    os.waitpid(pid, 0)
'''

ATTEMPTS = r'''
NEWNS, NEWUTS, NEWIPC, NEWUSER = 0x20000, 0x4000000, 0x8000000, 0x10000000
NEWPID, NEWNET, NEWCGROUP, NEWTIME = 0x20000000, 0x40000000, 0x2000000, 0x80
# Mounts
attempt("mount tmpfs", lambda: call(165, b"x", b"/mnt", b"tmpfs", 0, None))
attempt("mount proc", lambda: call(165, b"x", b"/mnt", b"proc", 0, None))
attempt("bind", lambda: call(165, b"/proc", b"/mnt", None, 4096, None))
attempt("remount proc/sys", lambda: call(165, None, b"/proc/sys", None, 32 | 4096, None))
attempt("remount app", lambda: call(165, None, b"/app", None, 32, None))
attempt("umount app", lambda: call(166, b"/app", 0))
attempt("umount app lazily", lambda: call(166, b"/app", 2))
attempt("umount proc/sys", lambda: call(166, b"/proc/sys", 2))
attempt("pivot_root", lambda: call(155, b"/", b"/mnt"))
attempt("open_tree", lambda: call(428, -100, b"/", 1))
attempt("fsopen", lambda: call(430, b"tmpfs", 0))
attempt("move_mount", lambda: call(429, -100, b"/proc", -100, b"/mnt", 0))
attempt("mount_setattr", lambda: call(442, -100, b"/proc/sys", 0x8000, struct.pack("QQQQ", 0, 1, 0, 0), 32))
attempt("statmount of others", lambda: call(457, b"", b"", 0, 0))
# Roots and namespaces
attempt("chroot", lambda: call(161, b"/usr"))
def escape():
    os.makedirs("/tmp/deep", exist_ok=True)
    fd = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/deep")
    os.fchdir(fd)
    for _ in range(20):
        os.chdir("..")
    os.chroot(".")
    return os.listdir("/")
attempt("chroot escape by a folder's descriptor", escape)
for name, flag in (("mnt", NEWNS), ("uts", NEWUTS), ("ipc", NEWIPC), ("user", NEWUSER), ("pid", NEWPID), ("net", NEWNET),
                   ("cgroup", NEWCGROUP), ("time", NEWTIME)):
    attempt("unshare " + name, lambda: call(272, flag))
    if name != "time":
        attempt("clone " + name, lambda: call(56, flag | 17, 0, 0, 0, 0) or os._exit(0))
        attempt("clone3 " + name, lambda: call(435, struct.pack("5Q", flag, 0, 0, 0, 17).ljust(88, b"\0"), 88) or os._exit(0))
    attempt("setns " + name, lambda: call(308, os.open("/proc/1/ns/" + name, os.O_RDONLY), 0))
attempt("unshare user as nobody", lambda: (os.setgid(65534), os.setuid(65534), call(272, NEWUSER))[-1])
attempt("setns by pidfd", lambda: call(308, call(434, 1, 0), NEWNS))
# PID 1 and other processes
attempt("ptrace attach", lambda: call(101, 16, 1, 0, 0))
attempt("ptrace seize", lambda: call(101, 0x4206, 1, 0, 0))
attempt("process_vm_readv", lambda: call(310, 1, 0, 0, 0, 0, 0))
attempt("pidfd_getfd", lambda: call(438, call(434, 1, 0), 0, 0))
attempt("process_madvise", lambda: call(440, call(434, 1, 0), 0, 0, 21, 0))
attempt("kcmp", lambda: call(312, 1, os.getpid(), 0, 0, 0))
for name in ("mem", "environ", "maps", "auxv", "stack", "syscall", "pagemap", "personality"):
    attempt("read /proc/1/" + name, lambda: open("/proc/1/" + name, "rb").read(1))
attempt("list /proc/1/map_files", lambda: os.listdir("/proc/1/map_files"))
for name in ("root", "cwd", "exe", "fd/0", "fd/3", "task/1/root", "task/1/cwd"):
    attempt("follow /proc/1/" + name, lambda: os.stat("/proc/1/" + name))
    attempt("open /proc/1/" + name, lambda: os.open("/proc/1/" + name, os.O_RDONLY | os.O_PATH))
for name in ("oom_score_adj", "oom_adj", "coredump_filter", "autogroup", "timerslack_ns", "comm", "clear_refs", "mem",
             "attr/current", "setgroups", "uid_map", "loginuid", "sched", "task/1/comm"):
    attempt("write /proc/1/" + name, lambda: os.write(os.open("/proc/1/" + name, os.O_WRONLY), b"0"))
attempt("prlimit", lambda: call(302, 1, 7, struct.pack("QQ", 3, 3), None))
attempt("sched_setscheduler", lambda: call(144, 1, 5, struct.pack("i", 0)))
attempt("ioprio", lambda: call(251, 1, 1, 3 << 13))
attempt("setpriority", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt("sched_setaffinity", lambda: os.sched_setaffinity(1, {0}))
# Devices
import itertools
for kind, name in ((stat.S_IFBLK, "block"), (stat.S_IFCHR, "character")):
    for major, minor in ((1, 1), (8, 0), (254, 0), (10, 200), (10, 237), (5, 0)):
        path = f"/tmp/dev{major}-{minor}"
        attempt(f"mknod {name} {major}:{minor}", lambda: os.mknod(path, kind | 0o600, os.makedev(major, minor)))
# The machine
attempt("sethostname", lambda: socket.sethostname("owned.example.test"))
attempt("setdomainname", lambda: call(171, b"x", 1))
attempt("reboot", lambda: call(169, 0xfee1dead, 672274793, 0x1234567, None))
attempt("settimeofday", lambda: call(164, struct.pack("qq", 1, 0), None))
attempt("clock_settime", lambda: call(227, 0, struct.pack("qq", 1, 0)))
attempt("adjtimex", lambda: call(159, ctypes.create_string_buffer(struct.pack("i", 0x4000).ljust(256, b"\0"))))
attempt("init_module", lambda: call(175, b"", 0, b""))
attempt("finit_module", lambda: call(313, 0, b"", 0))
attempt("delete_module", lambda: call(176, b"x", 0))
attempt("kexec_load", lambda: call(246, 0, 0, None, 0))
attempt("swapon", lambda: call(167, b"/etc/passwd", 0))
attempt("acct", lambda: call(163, b"/tmp/acct"))
attempt("quotactl", lambda: call(179, 0, None, 0, None))
attempt("iopl", lambda: call(172, 3))
attempt("ioperm", lambda: call(173, 0, 1, 1))
attempt("bpf", lambda: call(321, 0, struct.pack("IIIII", 1, 4, 4, 1, 0).ljust(128, b"\0"), 128))
attempt("perf_event_open", lambda: call(298, struct.pack("II", 1, 112).ljust(112, b"\0"), 0, -1, -1, 0))
attempt("syslog", lambda: call(103, 3, ctypes.create_string_buffer(100), 100))
attempt("keyctl", lambda: call(250, 0, -3, 1))
attempt("add_key", lambda: call(248, b"user", b"x", b"y", 1, -3))
attempt("userfaultfd", lambda: call(323, 0))
attempt("io_uring", lambda: call(425, 4, ctypes.create_string_buffer(128)))
attempt("open_by_handle_at", lambda: call(304, os.open("/", os.O_RDONLY), struct.pack("IIQ", 8, 1, 2), 0))
# Network
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM, 0))
attempt("alg socket", lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0))
def netlink(family, kind, flags, body):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    s.settimeout(5)
    s.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    answer = s.recv(65536)
    if struct.unpack_from("H", answer, 4)[0] == 2 and struct.unpack_from("i", answer, 16)[0]:
        e = -struct.unpack_from("i", answer, 16)[0]
        raise OSError(e, os.strerror(e))
    return "done"
index = 2
for i, name in socket.if_nameindex():
    if name == "eth0":
        index = i
attempt("route: eth0 down", lambda: netlink(0, 16, 5, struct.pack("BxHiII", 0, 0, index, 0, 1)))
table = struct.pack("HH", 11, 1) + b"zimbra\0\0"
def nft(kind):
    """A batch that holds one request, as nft sends it."""
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.settimeout(5)
    begin = struct.pack("IHHIIBBH", 20, 16, 1, 1, 0, 0, 0, 10 << 8)
    body = struct.pack("BBH", 1, 0, 0) + table
    middle = struct.pack("IHHII", 16 + len(body), 10 << 8 | kind, 5, 2, 0) + body
    end = struct.pack("IHHIIBBH", 20, 17, 1, 3, 0, 0, 0, 10 << 8)
    s.send(begin + middle + end)
    answer = s.recv(65536)
    e = -struct.unpack_from("i", answer, 16)[0]
    if e:
        raise OSError(e, os.strerror(e))
    return "done"
attempt("nft: delete our table", lambda: nft(2))
attempt("nft: new table", lambda: nft(0))
attempt("ioctl SIOCSIFFLAGS", lambda: fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"eth0", 0)))
attempt("control socket", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect("/run/zimbra/control"))
# Terminals
attempt("TIOCSTI", lambda: fcntl.ioctl(os.openpty()[1], 0x5412, b"x"))
attempt("open /dev/console", lambda: os.open("/dev/console", os.O_RDWR | os.O_NOCTTY))
attempt("open /dev/mem", lambda: os.open("/dev/mem", os.O_RDWR))
# Capabilities
attempt("capset of everything", lambda: call(126, struct.pack("II", 0x20080522, 0), struct.pack("IIIIII", *[0xffffffff] * 6)))
def file_capability():
    """A program with a capability of its own that the jail lacks: the kernel does not run it."""
    subprocess.run(["cp", "/bin/true", "/tmp/cap"], check=True)
    os.setxattr("/tmp/cap", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 21 | 1 << 12, 0, 0, 0))
    subprocess.run(["/tmp/cap"], check=True)
    return "ran"
attempt("a file with SYS_ADMIN", file_capability)
def setuid_root():
    script = "sudo -n /bin/cat /proc/self/status 2>/dev/null || cat /proc/self/status"
    out = subprocess.run(["su", "-s", "/bin/sh", "zimbra", "-c", script], capture_output=True, text=True).stdout
    bounding = int(next(l.split()[1] for l in out.splitlines() if l.startswith("CapBnd")), 16)
    if bounding & ~0xa00035fb & (1 << 21 | 1 << 12 | 1 << 18 | 1 << 19 | 1 << 27 | 1 << 13 | 1 << 2):
        return hex(bounding)
    raise OSError(1, "")
attempt("more by su and sudo", setuid_root)
'''

FILES = r'''
def walk(top):
    for folder, folders, files in os.walk(top):
        for name in files:
            yield os.path.join(folder, name)
written = []
for path in list(walk("/proc/sys")) + list(walk("/sys"))[:20000] + [
        "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi",
        "/proc/scsi"]:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        continue
    os.close(fd)
    if not stat.S_ISCHR(os.stat(path).st_mode):
        written.append(path)
for top in ("/proc/sys", "/sys", "/proc/1", "/proc/irq", "/proc/bus", "/proc/fs", "/app"):
    try:
        os.chmod(top, 0o777)
        written.append("chmod " + top)
    except OSError:
        pass
    try:
        open(top + "/new", "w")
        written.append("create in " + top)
    except OSError:
        pass
results["written"] = written
results["app"] = os.listdir("/app")
hidden = "/app/.state", "/app/zimbra.conf", "/app/tls", "/run/zimbra", "/usr/sbin/zimbra-init", "/release"
results["hidden"] = [p for p in hidden if os.path.lexists(p)]
results["devices"] = sorted(n for n in os.listdir("/dev"))
results["block"] = [n for n in os.listdir("/dev") if stat.S_ISBLK(os.stat("/dev/" + n).st_mode)]
results["status"] = open("/proc/self/status").read()
results["mounts"] = open("/proc/self/mounts").read()
'''


def run(server, script):
    done = server.python(PRELUDE + script + "\nprint(json.dumps(results))")
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def attempts(server):
    return run(server, ATTEMPTS)


def test_nothing_works(attempts, healthy):
    print(f"\n{len(attempts)} attempts")
    assert len(attempts) > 130
    worked = {name: said for name, said in attempts.items() if said.startswith(("SUCCEEDED", "OTHER", "killed"))}
    # Priorities and processors of PID 1 are root's to change in any container; they take nothing away that a busy jail could not.
    for name in ("sched_setscheduler", "ioprio", "setpriority", "sched_setaffinity"):
        worked.pop(name, None)
    assert not worked, worked


def test_pid_1_after_all_that(attempts, healthy):
    assert healthy.exec("cat", "/proc/sys/kernel/hostname").stdout.strip() == "mail.example.test"
    assert healthy.exec("cat", "/proc/1/oom_score_adj").stdout == healthy.exec("cat", "/proc/self/oom_score_adj").stdout
    assert healthy.exec("sh", "-c", "ls -A /data/app/.state").stdout.split()
    assert healthy.status()["firewall"]["active"] is True
    assert healthy.exec("sh", "-c", "grep -c zimbra-app /proc/mounts").stdout.strip() == "1"


def test_files_of_the_kernel_and_of_pid_1(server):
    said = run(server, FILES)
    assert not said["written"], said["written"][:20]
    assert said["app"] == [] and said["hidden"] == []
    assert said["devices"] == "fd full log null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
    assert said["block"] == []
    assert "CapBnd:\t" in said["status"] and "NoNewPrivs:\t0" in said["status"] and "Seccomp:\t2" in said["status"]
    bounding = int(next(line.split()[1] for line in said["status"].splitlines() if line.startswith("CapBnd")), 16)
    keep = {0, 1, 3, 4, 5, 6, 7, 8, 10, 29, 31}
    assert {bit for bit in range(64) if bounding >> bit & 1} == keep


def test_services_are_confined_like_that_too(server):
    """Not only what zctl starts: nginx, slapd, postfix, cron and rsyslog have the same root, filter and capabilities."""
    own = docker("top", server.name, "-eo", "pid,comm").stdout.splitlines()[1:]
    jail = server.exec("stat", "-L", "-c", "%d:%i", "/run/zimbra/jail/").stdout.strip()
    names = set()
    for pid, name in (line.split(None, 1) for line in own):
        try:
            root = os.stat(f"/proc/{pid}/root/")
            status = dict(line.split(":\t") for line in open(f"/proc/{pid}/status").read().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status["NSpid"].split()[-1] == "1" or name == "zctl":  # PID 1, and the engine's look at its health
            continue
        names.add(name)
        assert f"{root.st_dev}:{root.st_ino}" == jail, name
        assert (status["CapBnd"], status["NoNewPrivs"], status["Seccomp"]) == ("00000000a00005fb", "0", "2"), (name, status)
        assert not [fd for fd in os.listdir(f"/proc/{pid}/fd") if leads_out(pid, fd, root)], name
    assert {"nginx", "slapd", "master", "cron", "rsyslogd", "dovecot"} <= names, names


def leads_out(pid, fd, root):
    """A descriptor of a folder outside the jail: with one a chroot is left again."""
    try:
        st = os.stat(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return False
    ours = ("/data", "/proc", "/dev", "/run/zimbra/jail", "/sys", "/opt", "/var", "/etc", "/usr")
    return stat.S_ISDIR(st.st_mode) and st.st_dev != root.st_dev and not os.readlink(f"/proc/{pid}/fd/{fd}").startswith(ours)


def test_sudo_works_in_the_jail(server):
    """Zimbra needs it: no_new_privs is not set."""
    assert server.jail("sudo", "-n", "id", "-u").stdout.strip() == "0"


def test_ping_does_not_need_a_capability(server):
    done = server.jail("sh", "-c", "command -v ping >/dev/null || exit 99; ping -c1 -W2 127.0.0.1", check=False)
    if done.returncode == 99:
        pytest.skip("the base system has no ping")
    assert done.returncode == 0, done
