"""Signals to PID 1: from outside they count, from the jail they do not, whatever the sender claims."""

import re
import time

import pytest
from box import wait_for

FORGERIES = r'''
import ctypes, errno, fcntl, os, signal, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def raw(number, *args):
    if libc.syscall(number, *args) == 0:
        return "sent"
    return errno.errorcode[ctypes.get_errno()]

def info(sig, code, pid):
    return ctypes.create_string_buffer(struct.pack("iiixxxxii", sig, 0, code, pid, 0).ljust(128, b"\0"), 128)

def owner(sig):
    """The kernel itself sends the signal when there is something to read, to whoever was named as the owner."""
    r, w = os.pipe()
    try:
        fcntl.fcntl(r, fcntl.F_SETOWN, 1)
        fcntl.fcntl(r, 10, sig)  # F_SETSIG
        fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(w, b"x")
        return "sent"
    except OSError as e:
        return errno.errorcode[e.errno]

def exit_signal(sig):
    """A child whose end is told by another signal than CHLD, and whose parent is gone."""
    pid = os.fork()
    if pid == 0:
        child = libc.syscall(56, sig, 0, 0, 0, 0)  # clone
        if child == 0:
            time.sleep(0.3)
            os._exit(0)
        os._exit(0 if child > 0 else 1)
    return "sent" if os.waitpid(pid, 0)[1] == 0 else "refused"

def terminal(sig):
    """Ctrl-C on a terminal whose foreground group should be PID 1's."""
    a, b = os.openpty()
    try:
        fcntl.ioctl(b, 0x540E, 0)  # TIOCSCTTY
        fcntl.ioctl(b, 0x5410, struct.pack("i", 1))  # TIOCSPGRP
        os.write(a, b"\x03")
        return "sent"
    except OSError as e:
        return errno.errorcode[e.errno]

for sig in map(int, sys.argv[1:]):
    print(sig, "kill", raw(62, 1, sig))
    print(sig, "tkill", raw(200, 1, sig))
    print(sig, "tgkill", raw(234, 1, 1, sig))
    for code in (0, -1, -6, -60, 0x80, 1, -3):  # USER QUEUE TKILL DETHREAD KERNEL POLL_IN MESGQ
        for pid in (0, 1):
            print(sig, "rt_sigqueueinfo", code, pid, raw(129, 1, sig, info(sig, code, pid)))
            print(sig, "rt_tgsigqueueinfo", code, pid, raw(297, 1, 1, sig, info(sig, code, pid)))
    fd = libc.syscall(434, 1, 0)  # pidfd_open
    print(sig, "pidfd_send_signal", raw(424, fd, sig, None, 0))
    print(sig, "pidfd_send_signal info", raw(424, fd, sig, info(sig, -1, 0), 0))
    print(sig, "owner", owner(sig))
    print(sig, "exit signal", exit_signal(sig))
print("terminal", terminal(2))
time.sleep(0.6)
'''
TERM, INT, HUP, USR1, PWR, KILL, STOP = 15, 2, 1, 10, 30, 9, 19


def test_from_the_jail_they_do_not_arrive(healthy):
    """Not even as pending: a waiting TERM of the jail's would swallow the engine's own."""
    news = healthy.since_now()
    done = healthy.python(FORGERIES, *map(str, (TERM, INT, HUP, USR1, PWR)))
    sent = re.findall(r"^\d+ (.*) sent$", done.stdout, re.M)
    assert set(sent) <= {"exit signal"}, done.stdout + done.stderr
    assert len(re.findall(r" (EPERM|ENOSYS)$", done.stdout, re.M)) > 150, done.stdout + done.stderr
    pending = healthy.exec("grep", "-E", "^(SigPnd|ShdPnd):", "/proc/1/status").stdout.split()
    assert set(pending[1::2]) == {"0" * 16}, pending
    text = "\n".join(news())
    assert not re.search(r"SIG\w+: stop|reload: done|state running, stage", text), text
    assert healthy.status()["state"] == "running"


def test_from_a_plain_chroot_they_do_not_count(healthy):
    """`docker exec` and chroot, as the ancestor's users do: no filter there, but another root folder than PID 1's."""
    news, begin = healthy.since_now(), time.monotonic()
    code = FORGERIES + f"\nfor sig in {(TERM, INT, HUP, USR1, PWR)}:\n    os.kill(1, sig)\n    time.sleep(1.2)\n"
    done = healthy.exec("chroot", "/data", "/usr/bin/python3", "-c", code, str(TERM), str(PWR), check=False)
    assert len(re.findall(r" sent$", done.stdout, re.M)) > 10, done.stdout + done.stderr
    ignored = wait_for("a word about each", lambda: [line for line in news() if "of the installation is ignored" in line]
                       if "SIGPWR from process" in "\n".join(news()) else None, 60)
    assert len(ignored) <= time.monotonic() - begin + 2, "one line a second at most"
    text = "\n".join(news())
    assert not re.search(r"SIG\w+: stop|reload: done|state running, stage", text), text
    assert healthy.status()["state"] == "running"


@pytest.mark.parametrize("user", [None, "zimbra"])
def test_kill_and_stop_from_the_jail(healthy, user):
    """Refused: root's by the filter, the zimbra user's by the kernel."""
    script = """
import os
for sig in (9, 19, 20, 6, 11, 3, 4, 5, 7, 8, 31):
    try:
        os.kill(1, sig)
        print("sent")
    except PermissionError:
        print("refused")
"""
    done = healthy.python(script, user=user)
    assert set(done.stdout.split()) == {"refused"}
    assert healthy.zctl("health").returncode == 0
    assert re.search(r"State:\s+[SR] ", healthy.exec("grep", "State:", "/proc/1/status").stdout)


def test_usr1_logs_the_state(healthy):
    news = healthy.since_now()
    healthy.signal("USR1")
    text = wait_for("the state", lambda: "\n".join(news()) if "processes: " in "\n".join(news()) else None, 60)
    assert re.search(r"state running, stage open, up \d+ s, \d+ processes reaped", text)
    assert re.search(r"  proxy +running +pid \d+", text) and re.search(r"processes: .*\bnginx\(\d+\)|processes: .*\(\d+\)", text)


def test_signals_without_a_meaning_change_nothing(healthy):
    for sig in ("PIPE", "ALRM", "USR2", "WINCH", "CONT", "URG", "IO", "QUIT", "TSTP", "TTIN", "TTOU", "VTALRM", "CHLD"):
        healthy.signal(sig)
    assert healthy.status()["state"] == "running"
