"""Containers, volumes, and what zctl says about them: the words that the tests are written in."""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("E2E_IMAGE", "zimbra:e2e")
LAB = ROOT / "build/zcs-lab.tgz"
PREFIX = f"ze{os.getpid()}"
LABEL = "zimbra-e2e"
SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 30))
SOAK = os.environ.get("SOAK", "") not in ("", "0")
HOST = "mail.example.test"
ADMIN = "admin@example.test"
NOFILE = 524288
BOOT = 1500 if SOAK else 900  # seconds that a first boot may take on a loaded machine; unloaded it takes about 75
START = 180  # the same for a volume on which everything is installed; unloaded: 6
BEHIND = ["--cpu-shares", "512"]  # for a container that nobody waits for yet


stopping = threading.Event()  # the run is over: threads end


class Failed(AssertionError):
    """A command that had to succeed."""


def rng_for(name):
    return random.Random(f"{SEED}:{name}")


def docker(*args, check=True, timeout=120, binary=False, **kw):
    done = subprocess.run(["docker", *map(str, args)], capture_output=True, timeout=timeout, check=False, **kw)
    if not binary:
        done.stdout = done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
    if check and done.returncode != 0:
        raise Failed(f"docker {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class _Engine(http.client.HTTPConnection):
    """The engine without the docker program, which needs ten times as long for a question: tests ask all the time."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))


def ask(path):
    with contextlib.closing(_Engine("engine")) as engine:
        engine.request("GET", path)
        answer = engine.getresponse()
        body = answer.read()
    if answer.status != 200:
        raise Failed(f"{path}: {answer.status} {body[:200]}")
    return body


def wait_for(what, test, seconds, pause=0.25):
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > end or stopping.is_set():
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Limits:
    """What docker run needs on this machine, found out as docker/run.sh does."""

    def __init__(self):
        self.flags = ["--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN"]
        self.env = {}
        self.nofile = NOFILE
        self.security = []
        if "apparmor" in docker("info", "--format", "{{.SecurityOptions}}").stdout:
            self.security = ["--security-opt", "apparmor=unconfined"]
        probe = ["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh"]
        if docker(*probe, "--ulimit", f"nofile={NOFILE}:{NOFILE}", IMAGE, "-c", ":", check=False).returncode:
            self.nofile = int(docker(*probe, IMAGE, "-c", "ulimit -Hn").stdout)
            self.env["ZIMBRA_MIN_NOFILE"] = str(self.nofile)


class Lan:
    """
    A network for all containers but those with one of their own. With IPv6 where the engine can: a release that was installed
    with IPv6 does not start without, and the first boot has it.
    """

    def __init__(self, name):
        self.name = f"{PREFIX}-{name}"
        make = ["network", "create", "--label", f"{LABEL}={os.getpid()}"]
        self.prefix = f"fd65:{len(name):x}:{os.getpid() >> 16:x}:{os.getpid() & 0xFFFF:x}::"
        self.versions = (4, 6)
        self.why_no_v6 = ""
        done = docker(*make, "--ipv6", "--subnet", self.prefix + "/64", self.name, check=False)
        if done.returncode:
            self.versions, self.why_no_v6 = (4,), done.stderr.strip()
            done = docker(*make, self.name)
        self.bridge = "br-" + done.stdout.strip()[:12]
        said = docker("network", "inspect", "--format", "{{range .IPAM.Config}}{{println .Gateway}}{{end}}", self.name).stdout
        self.gateway = re.search(r"^\d+\.\d+\.\d+\.1$", said, re.M).group()


_limits = _lan = None


def lan():
    global _lan  # pylint: disable=global-statement
    _lan = _lan or Lan("all")
    return _lan


def limits():
    global _limits  # pylint: disable=global-statement
    _limits = _limits or Limits()
    return _limits


_number = itertools.count(1)  # += would give two threads the same one


class Volume:
    def __init__(self, name="v", *options):
        self.name = f"{PREFIX}-{name}{next(_number)}"
        docker("volume", "create", "--label", f"{LABEL}={os.getpid()}", *options, self.name)

    @classmethod
    def existing(cls, name):
        volume = cls.__new__(cls)
        volume.name = name
        return volume

    @property
    def path(self):
        """Its folder on this machine; for volumes of a file system of their own only while a container has it."""
        return pathlib.Path(docker("volume", "inspect", "--format", "{{.Mountpoint}}", self.name).stdout.strip())

    def layer(self, name="v"):
        """Another volume that begins with the same content, made in no time; this one must stay as it is."""
        return Layer(self, name)

    @property
    def mount(self):
        """What docker run --volume takes."""
        return self.name

    def remove(self):
        docker("volume", "rm", "--force", self.name, check=False)


class Layer(Volume):
    """An overlay over a volume that nobody changes."""

    def __init__(self, below, name):
        super().__init__(name)
        self.top = super().path
        for folder in ("upper", "work", "data"):
            (self.top / folder).mkdir()
        (self.top / "upper").chmod(0o755)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={below.path},upperdir={self.top}/upper,workdir={self.top}/work", self.path], check=True)

    @property
    def path(self):
        return self.top / "data"

    @property
    def mount(self):
        return str(self.path)

    def remove(self):
        subprocess.run(["umount", "--lazy", self.path], capture_output=True, check=False)
        super().remove()


class Container:
    _before = 0  # lines of the log that are of an earlier life

    def __init__(self, volume, *command, name="c", flags=(), env=None, caps=True, lab=True, hostname=HOST, start=True,
                 mount="", network=True):
        self.name = f"{PREFIX}-{name}{next(_number)}"
        self.volume = volume
        lim = limits()
        settings = {"ZIMBRA_OS_SUITE": "bookworm", **lim.env, **(env or {})}
        args = ["--name", self.name, "--label", f"{LABEL}={os.getpid()}", *lim.security, "--stop-timeout", "120"]
        args += ["--hostname", hostname] if hostname else []
        args += [] if "--network" in flags else ["--network", lan().name if network else "none"]
        args += ["--ulimit", f"nofile={lim.nofile}:{lim.nofile}"]
        args += lim.flags if caps else []
        if volume:
            args += ["--volume", f"{volume.mount}:/data{mount}"]
        if lab:
            args += ["--volume", f"{LAB}:/release/{LAB.name}:ro"]
            settings.setdefault("ZIMBRA_RELEASE", f"/release/{LAB.name}")
        for key, value in settings.items():
            args += ["--env", f"{key}={value}"] if value is not None else []
        docker("create", *args, *flags, IMAGE, *command)
        if start:
            self.start()

    # --- its life

    def start(self):
        """Again too; log() and everything made of it begins anew then."""
        self._before = len(self._lines())
        docker("start", self.name)
        return self

    @property
    def facts(self):
        return json.loads(ask(f"/containers/{self.name}/json"))

    @property
    def state(self):
        return self.facts["State"]

    @property
    def running(self):
        return self.state["Running"]

    @property
    def address(self):
        return next(iter(self.facts["NetworkSettings"]["Networks"].values()))["IPAddress"]

    def wait(self, seconds=60):
        """The exit code, once it has ended."""
        try:
            return int(docker("wait", self.name, timeout=seconds).stdout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} has not ended after {seconds} s\n{self.tail()}") from None

    def stop(self, seconds=120):
        """docker stop: the exit code and the seconds that it took."""
        begin = time.monotonic()
        docker("stop", "--time", str(seconds), self.name, timeout=seconds + 60)
        return self.state["ExitCode"], time.monotonic() - begin

    def signal(self, sig):
        docker("kill", "--signal", str(sig), self.name)

    def kill(self):
        """As docker kill, but at this very moment."""
        pid = self.state["Pid"]
        if pid:
            os.kill(pid, 9)
        self.wait()

    def remove(self, volume=False):
        docker("rm", "--force", "--volumes", self.name, check=False)
        if volume and self.volume:
            self.volume.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    # --- what it says

    def _lines(self):
        """Both streams in the order of the engine's stamps, which begin each line."""
        data = ask(f"/containers/{self.name}/logs?stdout=1&stderr=1&timestamps=1")
        if data[1:4] == bytes(3):  # in frames, with the stream and the length before each; on a terminal as it is
            frames, at = [], 0
            while at < len(data):
                end = at + 8 + int.from_bytes(data[at + 4:at + 8], "big")
                frames.append(data[at + 8:end])
                at = end
            data = b"".join(frames)
        lines = [line.partition(" ") for line in data.decode(errors="replace").splitlines()]
        return [text for _, _, text in sorted(lines, key=lambda line: line[0])]

    def log(self):
        return self._lines()[self._before:]

    @property
    def text(self):
        return "\n".join(self.log())

    def tail(self, lines=25):
        return "\n".join(line[:300] for line in self.log()[-lines:])

    def wait_log(self, pattern, seconds=60, count=1):
        """The match, once a line of the log matches for the count-th time."""

        def look():
            found = [m for m in (re.search(pattern, line) for line in self.log()) if m]
            return found[count - 1] if len(found) >= count else None

        try:
            return wait_for(pattern, look, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.tail()}") from None

    def since_now(self):
        """A function that gives the lines of the log from now on."""
        known = len(self.log())
        return lambda: self.log()[known:]

    # --- in it

    def exec(self, *argv, flags=(), **kw):
        return docker("exec", *flags, self.name, *argv, **kw)

    def zctl(self, *argv, **kw):
        return self.exec("zctl", *argv, **kw)

    def status(self):
        """zctl status --json; {} while PID 1 does not answer. Not by docker exec: asked often, it is most of what a run costs."""
        pid = self.state["Pid"]
        done = pid and subprocess.run(["nsenter", "--target", str(pid), "--mount", "/usr/bin/zctl", "status", "--json"],
                                      capture_output=True, timeout=120, check=False)
        return json.loads(done.stdout) if done and done.returncode == 0 else {}

    def service(self, name):
        return next((s for s in self.status().get("services", []) if s["name"] == name), {})

    def jail(self, *argv, user=None, **kw):
        return self.zctl("exec", *(["-u", user] if user else []), "--", *argv, **kw)

    def python(self, script, *argv, user=None, **kw):
        """The script, in the jail, by the jail's own python3."""
        return docker("exec", "-i", self.name, "zctl", "exec", *(["-u", user] if user else []), "--", "python3", "-",
                      *argv, input=script.encode(), **kw)

    def wait_state(self, *states, seconds=START, pause=0.25):
        """The status, once its state is one of these; says why when it ends in another one."""
        end = time.monotonic() + seconds
        while True:
            now = self.status()
            if now.get("state") in states:
                return now
            if not now and not self.running:
                raise Failed(f"ended with {self.state['ExitCode']} instead of {states}\n{self.tail()}")
            if now.get("state") == "failed":
                raise Failed(f"failed instead of {states}: {now['failure']}\n{self.tail()}")
            if time.monotonic() > end or stopping.is_set():
                raise Failed(f"{now.get('state')} after {seconds} s instead of {states}\n{self.tail()}")
            time.sleep(pause)

    def wait_failed(self, seconds=120):
        """Its failure, once the state is failed."""

        def look():
            now = self.status()
            if not now and not self.running:
                raise Failed(f"ended with {self.state['ExitCode']}\n{self.tail()}")
            return now.get("failure")

        return wait_for("state failed", look, seconds)

    def password(self):
        return self.exec("cat", "/data/app/.state/admin-password").stdout.strip()


@contextlib.contextmanager
def layered(template, *command, running=True, **kw):
    """A container on an installed volume of its own; both are gone afterwards."""
    volume = template.volume.layer()
    try:
        with Container(volume, *command, **kw) as c:
            if running:
                c.wait_state("running")
            yield c
    finally:
        volume.remove()


def in_background(scenario):
    """
    A test that mostly waits: scenario(template) runs in a thread from the moment that there is a template. The test itself
    waits for it, prints what it returns, and fails as it failed.
    """

    @pytest.mark.background.with_args(scenario)
    def test(verdict):
        said = verdict.result()
        if said:
            print("\n" + said)

    test.__doc__ = scenario.__doc__
    return test


def one_shot(*args, timeout=120, **kw):
    """docker run to its end: (exit code, everything that it printed). With no network: the engine works longest at that."""
    c = Container(*args, start=False, network=False, **kw)
    try:
        done = docker("start", "--attach", c.name, check=False, timeout=timeout)
        return c.state["ExitCode"], done.stdout + done.stderr
    finally:
        c.remove()


def remove_all(pid):
    """Everything that the test run with this process id made."""
    mine = f"label={LABEL}={pid}"
    for what, remove in ((("ps", "--all"), ("rm", "--force", "--volumes")), (("volume", "ls"), ("volume", "rm", "--force")),
                         (("network", "ls"), ("network", "rm"))):
        if what[0] == "volume":  # a layer that is mounted could not be removed
            layers = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines() if f"/ze{pid}-" in line]
            subprocess.run(["umount", "--lazy", *layers], capture_output=True, check=False)
        names = docker(*what, "--quiet", "--filter", mine, check=False).stdout.split()
        if names:
            docker(*remove, *names, check=False, timeout=600)


def remove_leftovers():
    """Of runs that were killed: their process is gone."""
    labels = docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Label \"" + LABEL + "\"}}").stdout
    labels += docker("volume", "ls", "--filter", f"label={LABEL}", "--format", "{{.Label \"" + LABEL + "\"}}").stdout
    for pid in set(labels.split()):
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            remove_all(pid)


def tree_of(path):
    """Every name below a folder, with its kind, mode and content: to say that nobody touched it."""
    found = {}
    for p in sorted(pathlib.Path(path).rglob("*")):
        st = p.lstat()
        content = os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None
        found[str(p.relative_to(path))] = (st.st_mode, st.st_uid, st.st_gid, content)
    return found
