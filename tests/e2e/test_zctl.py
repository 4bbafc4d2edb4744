"""zctl: what a person and what a script gets from it."""

import functools
import json
import os
import pty
import re
import select
import subprocess
import time

from box import HOST, ROOT, START, docker, in_background, layered, wait_for

STATES = {"starting", "running", "flux", "stopped", "crashed"}
COMMANDS = ["status", "stages", "config", "firewall", "ban", "unban", "bans", "log", "shell", "exec", "health", "reload",
            "stop", "version", "help"]


def answer(server, *command):
    done = server.zctl(*command, "--json")
    said = json.loads(done.stdout)
    assert said["schema"] == 1
    assert json.loads(server.zctl("--json", *command).stdout).keys() == said.keys()
    return said


def plain(text):
    """Without what readline and colours need."""
    return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", text)


class Terminal:
    """A command on a terminal of its own, as a person would have it."""

    def __init__(self, *argv, rows=33, columns=111):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp(argv[0], argv)
        self.text = ""
        self.size(rows, columns)

    def size(self, rows, columns):
        subprocess.run(["stty", "rows", str(rows), "columns", str(columns)], stdin=self.fd, check=True)

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in:\n{self.text}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.text = plain(self.text + os.read(self.fd, 4096).decode(errors="replace"))
                except OSError:
                    assert re.search(pattern, self.text), f"ended without {pattern!r}:\n{self.text}"
        found = re.search(pattern, self.text)
        self.text = self.text[found.end():]
        return found

    def end(self, seconds=60):
        """Its exit code."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode(errors="replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"has not ended:\n{self.text}")


def runs(c, words):
    """Waits until a process with this command line is there, and a moment more: a shell may still be busy starting it."""
    script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done"
    wait_for(words, lambda: words in [x.strip() for x in c.exec("sh", "-c", script).stdout.splitlines()], 30)
    time.sleep(0.3)


def until(size):
    """The engine hands a window's size on when it comes to it: sooner or later it is this one."""
    return f'until [ "$(stty size)" = "{size}" ]; do sleep 0.1; done'


def in_terminal(server, *argv):
    return Terminal("docker", "exec", "-it", server.name, *argv)


# --- what it prints


def test_status(server):
    said = answer(server, "status")
    assert set(said) == {"schema", "version", "state", "hostname", "suite", "release", "uptime", "stage", "failure", "services",
                         "firewall", "workers", "warnings", "deaths"}
    assert (said["state"], said["hostname"], said["suite"]) == ("running", HOST, "bookworm")
    assert said["failure"] is None and said["warnings"] == []
    assert set(said["stage"]) >= {"name", "number", "title", "doing", "percent", "seconds"} and said["stage"]["name"] == "open"
    for service in said["services"]:
        assert set(service) == {"name", "state", "pid", "restarts", "since"} and service["state"] in STATES
        assert service["state"] == "running" and service["restarts"] == 0, service
    assert {"rsyslog", "cron", "ldap", "mailbox", "memcached", "proxy", "mta"} <= {s["name"] for s in said["services"]}
    assert set(said["firewall"]) == {"active", "mode", "tcp", "udp", "admin_from"} and said["firewall"]["active"] is True
    for death in said["deaths"]:
        assert set(death) == {"pid", "name", "status", "ago"} and re.match(r"(exit|signal) \d+", death["status"]), death


def test_status_for_people(server):
    table = server.zctl("status").stdout
    assert table.startswith(f"{HOST}: running, container up")
    assert re.search(r"^  SERVICE +STATE +PID +RESTARTS +SINCE$", table, re.M)
    assert re.search(r"^  proxy +running +\d+ +0 ", table, re.M)
    assert "tcp 25 80 110 143 443 465 587 993 995 5222-5223" in table and "admin ports shut" in table
    assert "\x1b" not in table and server.zctl().stdout.splitlines()[0].split(",")[0] == table.splitlines()[0].split(",")[0]
    screen = in_terminal(server, "zctl", "status")
    assert screen.end() == 0 and "\x1b[" in screen.text, "colour on a terminal"


def test_stages(server):
    said = answer(server, "stages")
    assert [s["name"] for s in said["stages"]] == ["close", "volume", "jail", "system", "release", "services", "open"]
    for stage in said["stages"]:
        assert set(stage) == {"name", "title", "state", "seconds", "doing", "percent"} and stage["state"] == "done"
    assert len(server.zctl("stages").stdout.splitlines()) == 8


def test_config(server):
    said = answer(server, "config")
    settings = {s["name"]: s for s in said["settings"]}
    assert all(set(s) - {"set"} == {"name", "value", "source", "reload", "help"} for s in said["settings"])
    secret = settings["ZIMBRA_ADMIN_PASSWORD"]
    assert secret["value"] is None and secret["set"] is False
    assert (settings["ZIMBRA_OS_SUITE"]["value"], settings["ZIMBRA_OS_SUITE"]["source"]) == ("bookworm", "zimbra.conf")
    assert settings["ZIMBRA_RELEASE"]["source"] == "environment" and settings["ZIMBRA_LOCALE"]["source"] == "default"
    readme = (ROOT / "README.md").read_text()
    for name in settings:
        assert f"`{name}`" in readme, f"{name} is not in the README's table"
    assert "en_US.UTF-8" in server.zctl("config", "ZIMBRA_LOCALE").stdout
    assert server.zctl("config", "NO_SUCH_SETTING", check=False).returncode == 1


def test_firewall(server):
    said = answer(server, "firewall")
    assert set(said) >= {"active", "mode", "tcp", "udp", "admin_ports", "admin_from", "counters"}
    assert said["mode"] == "open" and said["admin_ports"] == [7071, 9071] and said["admin_from"] == []
    before = {c["name"]: c["packets"] for c in said["counters"]}
    subprocess.run(["timeout", "1", "bash", "-c", f"</dev/tcp/{server.address}/7071"], check=False, stderr=subprocess.DEVNULL)
    after = {c["name"]: c["packets"] for c in answer(server, "firewall")["counters"]}
    assert after["gated"] > before["gated"], (before, after)
    assert {p["name"] for p in said["tcp"] if p["first"] == 25} == {"smtp"} and said["features"]["ct"] is True


def test_log(server):
    whole = server.zctl("log").stdout.splitlines()
    assert "the network is closed" in "\n".join(whole) and all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z ", line) for line in whole)
    assert server.zctl("log", "-n", "3").stdout.splitlines() == whole[-3:]
    said = [json.loads(line) for line in server.zctl("log", "--json", "-n", "2").stdout.splitlines()]
    for line, text in zip(said, whole[-2:], strict=True):
        assert text in (line.get("line"), f"{line.get('time')} {line.get('tag')}: {line.get('text')}")
    assert server.zctl("log", "-n", "many", check=False).returncode == 64


def test_log_follows(server):
    command = ["timeout", "60", "docker", "exec", server.name, "zctl", "log", "-f", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        follower.stdout.readline()  # the line before: it listens
        server.signal("USR1")
        assert "state running" in follower.stdout.readline()
        follower.terminate()
    follower = in_terminal(server, "zctl", "log", "-f")
    follower.expect("processes: ")
    follower.type("\x03")
    assert follower.end() == 130


def test_health(server):
    for level in ("live", "ready", "startup"):
        done = server.zctl("health", f"--{level}")
        assert done.returncode == 0 and done.stdout == ""
        said = answer(server, "health", f"--{level}")
        assert said["healthy"] is True and said["level"] == level and "running" in said["reason"]
    assert server.zctl("health", "--ready", "--live", check=False).returncode == 64


def test_version_and_help(server):
    said = answer(server, "version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", said["version"])
    assert server.zctl("version").stdout == f"zctl {said['version']}\nzimbra-init {said['version']} (pid 1)\n"
    help_text = server.zctl("help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", help_text, re.M)
        assert server.zctl("help", command).stdout.startswith(f"Usage: zctl {command}")
        assert server.zctl(command, "--help").stdout.startswith(f"Usage: zctl {command}")


def test_wrong_usage(server):
    done = server.zctl("statsu", check=False)
    assert done.returncode == 64 and "did you mean `status'?" in done.stderr and done.stdout == ""
    for wrong in (["status", "--yes"], ["stages", "x"], ["exec"], ["exec", "-u", "no/body", "true"], ["shell", "--json"],
                  ["help", "me"]):
        done = server.zctl(*wrong, check=False)
        assert done.returncode == 64 and done.stderr, wrong


# --- exec and shell


def test_every_exit_code_of_exec(server):
    script = "for i in $(seq 0 255); do zctl exec -- sh -c \"exit $i\"; [ $? = $i ] || echo \"$i became $?\"; done; echo end"
    assert server.exec("sh", "-c", script, timeout=300).stdout == "end\n"


def test_exit_codes_of_its_own(server):
    for code, argv in {127: ["no-such-program"], 126: ["/etc/passwd"], 137: ["sh", "-c", "kill -KILL $$"],
                       143: ["sh", "-c", "kill $$"], 125: ["-u", "nobody-of-that-name", "true"]}.items():
        done = server.zctl("exec", *argv, check=False)
        assert done.returncode == code, (argv, done)


def test_exec_as_a_user(server):
    script = 'id -un; echo $HOME $USER; pwd; printf "<%s>" "$@"'
    said = server.jail("sh", "-c", script, "x", "a b", "c'\"d", "", user="zimbra").stdout
    assert said.splitlines() == ["zimbra", "/opt/zimbra zimbra", "/opt/zimbra", "<a b><c'\"d><>"]
    assert "Running" in server.jail("zmcontrol", "status", user="zimbra").stdout


def test_exec_streams(server):
    done = docker("exec", "-i", server.name, "zctl", "exec", "--", "sh", "-c", "cat; echo wrong >&2; exit 7",
                  input=b"x" * 300000, check=False)
    assert (len(done.stdout), done.stderr, done.returncode) == (300000, "wrong\n", 7)
    assert server.jail("sh", "-c", "ls /proc/self/fd | tr '\\n' ' '").stdout.split() == ["0", "1", "2", "3"]  # 3: ls's own


def test_no_directory_gets_in(server):
    for fd in ("<", "1<", "2<"):
        done = server.exec("sh", "-c", f"zctl exec -- true {fd}/data", check=False)
        assert done.returncode == 125, done
    assert "must not get into the jail" in server.exec("sh", "-c", "zctl exec -- true </data", check=False).stderr


def test_exec_on_a_terminal(server):
    t = in_terminal(server, "zctl", "exec", "--", "sh", "-c",
                    f"{until('33 111')}; tty; stty size; test -t 2 && echo three; sleep 100")
    t.expect(r"/dev/pts/\d+\n33 111\nthree\n")
    runs(server, "sleep 100")
    t.type("\x03")
    assert t.end() == 130


def test_shell(server):
    t = in_terminal(server, "zctl", "shell")
    t.expect(r"[#$] ")
    t.type("echo $((6*7)) $(id -un) $(ls -A /app | wc -l)\n")
    t.expect(r"\n42 root 0\n")
    t.size(21, 87)

    def told():  # the client tells the engine in its own time
        t.type("stty size\n")
        return t.expect(r"\n(\d+ \d+)\n")[1] == "21 87"

    wait_for("the new size", told, 20, pause=0.3)
    t.type("sleep 5000\n")
    runs(server, "sleep 5000")
    t.type("\x03")
    t.expect(r"[#$] ")
    t.type("exit 9\n")
    assert t.end() == 9
    t = in_terminal(server, "zctl", "shell", "zimbra")
    t.expect(r"[#$>] ")
    t.type("id -un; zmhostname\n")
    t.expect(rf"\nzimbra\n{HOST}\n")
    t.expect(r"[#$>] ")
    t.type("\x04")
    assert t.end() == 0


def test_a_terminal_that_goes_away(server):
    """docker exec -t that is killed: what ran in it gets HUP and is gone."""
    t = in_terminal(server, "zctl", "exec", "--", "sleep", "54321")
    runs(server, "sleep 54321")
    os.kill(t.pid, 9)
    os.close(t.fd)
    os.waitpid(t.pid, 0)
    # Docker leaves the process; that is Docker's way. What counts is that TERM to zctl ends both.
    script = "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline) in 'zctl exec '*) kill ${p#/proc/};; esac; done"
    server.exec("sh", "-c", script, check=False)
    everything = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    wait_for("the end of sleep", lambda: "54321" not in server.exec("sh", "-c", everything, check=False).stdout, 60)


# --- the ancestor's ways


def test_chroot_as_the_ancestor_documented(server):
    script = "ls -d /proc/1 /dev/null /dev/pts && hostname && ls /app"
    said = server.exec("chroot", "/data", "/bin/bash", "-c", script).stdout.split()
    assert said[:4] == ["/dev/null", "/dev/pts", "/proc/1", HOST]


def enter(word, where, template):
    with layered(template, word, flags=["-it"], start=False, running=False, name="enter") as c:
        t = Terminal("docker", "start", "--attach", "--interactive", c.name)
        wait_for("the state running", lambda: c.status().get("state") == "running", START)
        t.type("\n")
        t.expect(r"[#$] ")
        t.type("test -e /usr/sbin/zimbra-init && echo in-the-$((1))image || echo in-the-$((1))jail\n")
        t.expect(rf"in-the-1{where}\n")
        t.type(f"tty; {until('33 111')}; sleep 3000\n")
        t.expect(r"\n/dev/(pts/\d+|console)\n")
        runs(c, "sleep 3000")
        begin = time.monotonic()
        t.type("\x03")
        t.expect(r"[#$] ")
        t.type("exit\n")
        assert t.end(120) == 0, t.text
        assert c.state["ExitCode"] == 0
        return f"Ctrl-C, exit, stopped: {time.monotonic() - begin:.1f} s"


test_run_and_enter = in_background(functools.partial(enter, "run-and-enter", "image"))
test_run_and_enter_zimbra = in_background(functools.partial(enter, "run-and-enter-zimbra", "jail"))
