"""
The engine, the image, and one first boot for the whole run: its volume, stopped cleanly, is the template that every test
which needs an installed system gets a layer over. What takes long begins at once, in threads, while the tests that need
nothing of it run: the first boot (first_boot.py), which all else waits for, and behind it the volume that is killed again
and again (crash.py) and jammy. As soon as there is a template the tests that mostly wait begin, in threads too
(box.in_background), while those that share one server run one after the other.
"""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import box  # noqa: E402

# What needs no installed system comes first, what collects from the threads last. Background tests begin in this order as well.
ORDER = ["image", "environment", "volume", "bootstrap", "first_boot", "services", "mail", "stop", "planted", "restart", "zctl",
         "bans", "signals", "jail", "reload", "orphans", "commands", "jammy", "crash"]
_started = {}
_pool = concurrent.futures.ThreadPoolExecutor(max_workers=4)  # one for each of BACKGROUND and for the server
_scenarios = concurrent.futures.ThreadPoolExecutor(max_workers=6)  # they mostly wait


def pytest_report_header():
    return f"TEST_SEED={box.SEED}{' SOAK' if box.SOAK else ''} image={box.IMAGE} prefix={box.PREFIX}"


def pytest_configure(config):
    config.addinivalue_line("markers", "background(scenario): see box.in_background")
    # `timeout` of tests/run.sh sends TERM: containers and volumes must go then too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def place(item):
    name = item.path.stem.removeprefix("test_")
    return ORDER.index(name) if name in ORDER else len(ORDER)


def pytest_collection_modifyitems(items):
    def collects(item):
        return item.get_closest_marker("background") is not None or place(item) >= ORDER.index("jammy")

    items.sort(key=lambda item: (collects(item), place(item)))


@pytest.fixture(scope="session", autouse=True)
def engine(request):
    """An engine, the image and the lab release; afterwards nothing of this run is left in the engine."""
    begin = time.monotonic()
    subprocess.run([box.ROOT / "docker/engine.sh", "up"], check=True, stdin=subprocess.DEVNULL)
    said = subprocess.run([box.ROOT / "docker/engine.sh", "env"], check=True, capture_output=True, text=True).stdout
    if said.startswith("export DOCKER_HOST="):
        os.environ["DOCKER_HOST"] = said.partition("=")[2].strip()
    if "E2E_IMAGE" not in os.environ:
        done = subprocess.run(["make", "image", "lab", f"IMAGE={box.IMAGE}"], cwd=box.ROOT, capture_output=True, text=True,
                              env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    box.remove_leftovers()
    box.limits()
    box.lan()
    print(f"\nengine and image: {time.monotonic() - begin:.0f} s")
    needed = {name for item in request.session.items for name in item.fixturenames}
    try:
        if "E2E_TEMPLATE" in os.environ:  # for work on a test: a volume that is installed and not in use
            needed.discard("first_boot")
        for fixture, start in BACKGROUND.items():
            if fixture in needed:
                _started[fixture] = _pool.submit(start, box.rng_for(fixture))
        yield
    finally:
        box.stopping.set()
        box.remove_all(os.getpid())
        for pool in (_scenarios, _pool):
            pool.shutdown(wait=True, cancel_futures=True)
        box.remove_all(os.getpid())  # what a thread made meanwhile


def _first_boot(rng):
    import first_boot

    return first_boot.run(rng)


def _crash_chain(rng):
    import crash

    return crash.run(rng)


def _jammy(rng):
    import first_boot

    return first_boot.run_jammy(rng)


BACKGROUND = {"first_boot": _first_boot, "crash_chain": _crash_chain, "jammy": _jammy}


@pytest.fixture
def rng(request):
    return box.rng_for(request.node.name)


@pytest.fixture(scope="session")
def first_boot(engine):
    """The first boot of an empty volume, as it was seen from outside; its container runs."""
    return _started["first_boot"].result()


@pytest.fixture(scope="session")
def crash_chain(engine):
    return _started["crash_chain"].result()


@pytest.fixture(scope="session")
def jammy(engine):
    return _started["jammy"].result()


@pytest.fixture(scope="session")
def template(request):
    """The volume of the first boot after a clean stop. Put layers over it; do not start anything on it."""
    if "E2E_TEMPLATE" in os.environ:
        import first_boot

        made = first_boot.Template(box.Volume.existing(os.environ["E2E_TEMPLATE"]), 0, 0, [])
    else:
        made = request.getfixturevalue("first_boot").stop()
    if any("server" in item.fixturenames for item in request.session.items):
        _started["server"] = _pool.submit(_server, made)
    for item in sorted(request.session.items, key=place):
        marker = item.get_closest_marker("background")
        if marker:
            _started[item.nodeid] = _scenarios.submit(marker.args[0], made)
    return made


@pytest.fixture
def verdict(request, template):
    return _started[request.node.nodeid]


@pytest.fixture
def volume(template):
    """An installed volume for one test."""
    made = template.volume.layer()
    yield made
    made.remove()


@pytest.fixture
def empty():
    made = box.Volume()
    yield made
    made.remove()


@pytest.fixture
def boxes():
    """boxes(volume, ...) starts a container, which is gone after the test."""
    made = []

    def make(*args, **kw):
        made.append(box.Container(*args, **kw))
        return made[-1]

    yield make
    for c in made:
        c.remove()


def _server(template):
    volume = template.volume.layer("server")
    (volume.path / "app/zimbra.conf").write_text("# a comment\nZIMBRA_OS_SUITE=bookworm\n")
    begin = time.monotonic()
    c = box.Container(volume, name="server", env={"ZIMBRA_OS_SUITE": None})
    c.wait_state("running")
    c.took = time.monotonic() - begin
    return c


@pytest.fixture(scope="session")
def server(template):
    """A running server on a layer over the template, for tests that leave it running as they found it."""
    return _started["server"].result()


@pytest.fixture
def healthy(server):
    """The same, and the test fails if it is not running afterwards with the services that it had."""
    before = {s["name"]: s["pid"] for s in server.status()["services"]}
    yield server
    now = server.status()
    assert now["state"] == "running", now
    assert {s["name"]: s["pid"] for s in now["services"]} == before
