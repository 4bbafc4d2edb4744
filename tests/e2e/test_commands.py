"""docker run IMAGE COMMAND: one command in the jail, and its exit code is the container's."""

import concurrent.futures
import json
import signal

import pytest
from box import SOAK, docker, one_shot, wait_for
from test_zctl import Terminal, runs, until

ALWAYS = [0, 1, 2, 125, 126, 127, 128, 255]
# PID 1's own: a child's end, job control of a terminal; and the two that no process can handle.
NOT_FORWARDED = {signal.SIGCHLD, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGKILL, signal.SIGSTOP}
FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS, signal.SIGABRT}


@pytest.fixture(scope="module")
def volumes(template):
    """One for each container that may run at the same time."""
    made = [template.volume.layer("cmd") for _ in range(4)]
    yield made
    for v in made:
        v.remove()


def test_exit_codes(volumes, rng):
    codes = list(range(256)) if SOAK else ALWAYS + rng.sample([c for c in range(256) if c not in ALWAYS], 4)
    wrong = {}

    def run(which):
        for code in codes[which::len(volumes)]:
            got, text = one_shot(volumes[which], "sh", "-c", f"exit {code}")
            if got != code or text:
                wrong[code] = (got, text)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(run, range(len(volumes))))
    assert not wrong


@pytest.mark.parametrize("command, code", [(["sh", "-c", "kill -KILL $$"], 137), (["sh", "-c", "kill -TERM $$"], 143),
                                           (["sh", "-c", "kill -SEGV $$"], 139), (["no-such-command"], 127),
                                           (["/etc/passwd"], 126)])
def test_how_a_command_ends(volumes, command, code):
    got, text = one_shot(volumes[0], *command)
    assert got == code and (code > 128 or text), text


LISTEN = r"""
import json, os, signal, sys, time
ours = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
ignored = [int(s) for s in ours if signal.getsignal(s) == signal.SIG_IGN and s not in (signal.SIGPIPE, signal.SIGXFSZ)]
print(json.dumps({"blocked": [int(s) for s in before], "ignored": ignored}), flush=True)
while True:
    info = signal.sigwaitinfo(ours - {signal.SIGCHLD})
    print(json.dumps({"signal": info.si_signo}), flush=True)
    if info.si_signo == signal.SIGUSR2:
        sys.exit(17)
"""


def test_every_signal_arrives(boxes, volumes):
    c = boxes(volumes[1], "python3", "-c", LISTEN)
    first = json.loads(wait_for("the command", lambda: next((x for x in c.log() if x.startswith("{")), None), 60))
    assert first == {"blocked": [], "ignored": []}
    # PID 1 keeps a fault of its own to itself; everything else, real-time signals included, is the command's.
    want = [int(s) for s in sorted(signal.valid_signals() - NOT_FORWARDED - FAULTS - {32, 33, signal.SIGUSR2})]
    for sig in want:
        c.signal(sig)
    arrived = lambda: {json.loads(x)["signal"] for x in c.log() if x.startswith('{"signal')}  # noqa: E731
    try:
        wait_for("all signals", lambda: set(want) <= arrived(), 30)
    except AssertionError:
        raise AssertionError(f"did not arrive: {sorted(set(want) - arrived())}") from None
    c.signal("USR2")
    assert c.wait() == 17


@pytest.mark.parametrize("sig", ["TERM", "INT", "HUP"])
def test_docker_stop_is_the_commands(boxes, volumes, sig):
    c = boxes(volumes[2], "sh", "-c", "echo begun; exec sleep 100")
    wait_for("the command", lambda: "begun" in c.text, 60)
    c.signal(sig)
    assert c.wait() == 128 + getattr(signal, f"SIG{sig}")


def test_a_command_that_begins_clean(volumes):
    """No signal blocked or ignored, no descriptor but 0-2, no child left of anybody, a session of its own."""
    script = "cat /proc/self/status; ls -l /proc/self/fd | wc -l; cut -d' ' -f6 /proc/self/stat; pwd; umask"
    code, text = one_shot(volumes[3], "sh", "-c", script)
    lines = text.splitlines()
    status = dict(line.split(":\t") for line in lines if ":\t" in line)
    assert code == 0
    assert [int(status[k], 16) for k in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd")] == [0, 0, 0, 0]
    assert lines[-4] == "5"  # "total", 0, 1, 2, and ls's own
    assert lines[-2:] == ["/", "0022"]
    assert status["CapBnd"] == status["CapPrm"] == "00000000a00005fb" and status["Seccomp"] == "2"


def test_standard_streams(boxes, volumes):
    c = boxes(volumes[0], "sh", "-c", "tr a-z A-Z; echo problem >&2; exit 5", flags=["-i"], start=False)
    done = docker("start", "--attach", "--interactive", c.name, input=b"hello\n" * 5000, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "HELLO\n" * 5000, "problem\n")


def test_on_a_terminal(boxes, volumes):
    script = f"tty; read -r line; {until('23 99')}; echo got $line; exec sleep 100"
    c = boxes(volumes[1], "sh", "-c", script, flags=["-it"], start=False)
    t = Terminal("docker", "start", "--attach", "--interactive", c.name, rows=22, columns=88)
    t.expect(r"/dev/pts/\d+\n")
    t.size(23, 99)
    t.type("word\n")
    t.expect(r"got word\n")
    runs(c, "sleep 100")
    t.type("\x03")
    assert t.end() == 130


def test_environment(volumes):
    env = {"FOO": "a b", "TZ": "Europe/Berlin", "ZIMBRA_ADMIN_PASSWORD": "Th3-s3cret", "MAIL_DOMAINS": "x.org"}
    code, text = one_shot(volumes[2], "env", env=env)
    lines = text.splitlines()
    assert code == 0 and "FOO=a b" in lines and "s3cret" not in text
    assert not [x for x in lines if x.startswith(("ZIMBRA_", "MAIL_DOMAINS"))]
    assert "HOME=/root" in lines and "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in lines


def test_arguments_arrive_as_they_are(volumes):
    words = ["a b", "", "$HOME", "'\"\\", "*", "ä\n", "-x", "--"]
    code, text = one_shot(volumes[3], "printf", "<%s>", *words)
    assert code == 0 and text == "".join(f"<{w}>" for w in words)


def test_it_is_the_jail(volumes):
    code, text = one_shot(volumes[0], "sh", "-c", "ls -A /app; ls /usr/sbin/zimbra-init 2>&1; hostname; id -u")
    lines = text.splitlines()
    assert len(lines) == 3 and "No such file" in lines[0] and lines[1:] == ["mail.example.test", "0"] and code == 0, text


def test_the_network_is_closed_meanwhile(boxes, volumes):
    """One-shot mode opens nothing: maintenance must not answer mail."""
    c = boxes(volumes[1], "sh", "-c", "echo begun; exec sleep 100")
    wait_for("the command", lambda: "begun" in c.text, 60)
    assert c.status()["firewall"]["mode"] == "closed"
    assert [s["state"] for s in json.loads(c.zctl("stages", "--json").stdout)["stages"]][-3:] == ["skipped"] * 3
    c.kill()


def test_a_start_that_fails_says_why(volumes):
    """The command's output is the user's, but who is refused has to learn it."""
    code, text = one_shot(volumes[2], "true", hostname="mail")
    assert code == 78 and "has no dot" in text and "--hostname" in text, f"exit {code}, output: {text!r}"
    code, text = one_shot(None, "true")
    assert code == 78 and "no volume is mounted at /data" in text, f"exit {code}, output: {text!r}"


def test_what_the_command_leaves_behind(volumes):
    """A daemon that it started ends with the container, and does not change its code."""
    code, text = one_shot(volumes[3], "sh", "-c", "setsid sleep 1000 & exit 6")
    assert code == 6, text
