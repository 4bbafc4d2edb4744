import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import wire  # noqa: E402

PREFIX = "zfw"


def pytest_configure(config):
    config.addinivalue_line("markers", "unfiltered: a check of the tests themselves, without our table")


@pytest.fixture(scope="session")
def driver_path(tmp_path_factory):
    given = os.environ.get("FW_DRIVER")
    if given:
        return os.path.abspath(given)
    out = tmp_path_factory.mktemp("driver") / "fw-driver"
    sources = [HERE / "fw-driver.c", *sorted((HERE.parent.parent / "firewall").glob("*.c"))]
    subprocess.run(
        ["gcc", "-std=c17", "-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        + ["-o", out, *sources, "-lnftnl", "-lmnl"],
        check=True,
    )
    return str(out)


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
