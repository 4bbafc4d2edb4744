import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import wire  # noqa: E402

PREFIX = "zfw"
SOAK = bool(os.environ.get("SOAK"))
SEED = os.environ.get("TEST_SEED", "1")


def chance(name):
    """Of one test, so that the same seed repeats it also when it runs alone."""
    return random.Random(f"{SEED}:{name}")


def some(name, first, *others):
    """For parametrize: all of them in a soak; usually the one that matters most, and another that the seed chooses."""
    return [first, *(others if SOAK else [chance(name).choice(others)])]


@pytest.fixture
def rng(request):
    return chance(request.node.name)


def pytest_configure(config):
    config.addinivalue_line("markers", "unfiltered: a check of the tests themselves, without our table")


def built(name, tmp_path_factory):
    """A driver beside the one that FW_DRIVER names; without that it is compiled here."""
    given = os.environ.get("FW_DRIVER")
    if given:
        return os.path.join(os.path.dirname(os.path.abspath(given)), name)
    out = tmp_path_factory.mktemp("driver") / name
    sources = [HERE / f"{name}.c", *sorted((HERE.parent.parent / "firewall").glob("*.c"))]
    subprocess.run(
        ["gcc", "-std=c17", "-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        + ["-o", out, *sources, "-lnftnl", "-lmnl"],
        check=True,
    )
    return str(out)


@pytest.fixture(scope="session")
def driver_path(tmp_path_factory):
    return built("fw-driver", tmp_path_factory)


@pytest.fixture(scope="session")
def session_driver_path(tmp_path_factory):
    return built("fw-session-driver", tmp_path_factory)


@pytest.fixture(scope="session")
def shim_path(tmp_path_factory):
    out = tmp_path_factory.mktemp("shim") / "netlink-faults.so"
    subprocess.run(["gcc", "-std=c17", "-O1", "-shared", "-fPIC", "-o", out, HERE / "netlink-faults.c", "-ldl"], check=True)
    return str(out)


class Driver:
    def __init__(self, path, ns):
        self.path, self.ns = path, ns

    def start(self, *args, env=None, before=()):
        pipe = subprocess.PIPE
        return self.ns.start(*before, self.path, *args, stdout=pipe, stderr=pipe, env={**os.environ, **(env or {})})

    def finish(self, process):
        """0 and what it printed, or -errno and the error. A sanitizer's report is a failure of the test."""
        out, err = process.communicate(timeout=60)
        assert process.returncode in (0, 1) and not err, f"exit {process.returncode}\n{err}"
        said = json.loads(out) if out.strip() else {}
        assert process.returncode == (1 if "error" in said else 0)
        return said.get("error", 0), said

    def call(self, *args, **kw):
        return self.finish(self.start(*args, **kw))

    def ok(self, *args, **kw):
        r, said = self.call(*args, **kw)
        assert r == 0, said
        return said

    def text(self):
        return self.ns.run(self.path, "text")

    def counter(self, name):
        return self.ok("read")["counters"][name][0]


class Session:
    """The library in a process that stays: one command a line."""

    def __init__(self, path, ns, env=None):
        pipe = subprocess.PIPE
        self.process = ns.start(path, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **(env or {})})

    def call(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{words}: {self.process.stderr.read()}"
        return json.loads(line)

    def ok(self, *words):
        said = self.call(*words)
        assert said["r"] == 0, (words, said)
        return said

    def bans(self):
        return dict(map(tuple, self.ok("list")["bans"]))

    def close(self):
        """A sanitizer's report is a failure of the test."""
        if self.process.poll() is None:
            self.process.stdin.close()
        err = self.process.stderr.read()
        assert self.process.wait(60) == 0 and not err, err

    def kill(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def sessions(session_driver_path, namespaces):
    """sessions(ns) starts one; those that still run are ended, and have to end well."""
    made = []

    def start(ns, env=None):
        made.append(Session(session_driver_path, ns, env))
        return made[-1]

    yield start
    for s in made:
        if s.process.returncode is None:
            s.close()
        for stream in (s.process.stdin, s.process.stdout, s.process.stderr):
            stream.close()


@pytest.fixture
def namespaces():
    """namespaces("srv") makes one; all of them are gone afterwards, whatever happened."""
    wire.remove_leftovers(PREFIX)
    made = []

    def make(name):
        made.append(wire.Namespace(f"{PREFIX}{os.getpid()}{name}"))
        return made[-1]

    yield make
    for ns in made:
        ns.close()


@pytest.fixture
def link(namespaces):
    made = wire.Link(namespaces("srv"), namespaces("cli"))
    yield made
    made.close()


@pytest.fixture
def fw(driver_path, link):
    return Driver(driver_path, link.srv)
