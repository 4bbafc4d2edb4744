"""
The engine, the image, and one first boot for the whole run: its volume, stopped cleanly, is the template that every test
which needs an installed system gets a copy of. What takes long begins at once, in threads, while the tests that need
nothing of it run: the first boot (first_boot.py), and the volume that is killed again and again (crash.py).
"""

import concurrent.futures
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import box  # noqa: E402

# What needs no installed system comes first, what collects from the threads last.
ORDER = ["image", "environment", "volume", "bootstrap", "first_boot", "restart", "mail", "zctl", "signals", "jail", "reload",
         "orphans", "commands", "planted", "stop", "services", "jammy", "crash"]
SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 30))
_started = {}
_pool = concurrent.futures.ThreadPoolExecutor(max_workers=8)


def pytest_report_header():
    return f"TEST_SEED={SEED}{' SOAK' if box.SOAK else ''} image={box.IMAGE} prefix={box.PREFIX}"


def pytest_configure():
    # `timeout` of tests/run.sh sends TERM: containers and volumes must go then too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def pytest_collection_modifyitems(items):
    def key(item):
        name = item.path.stem.removeprefix("test_")
        return ORDER.index(name) if name in ORDER else len(ORDER)

    items.sort(key=key)


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
                _started[fixture] = _pool.submit(start, rng_for(fixture))
        yield
    finally:
        box.stopping.set()
        box.remove_all(os.getpid())
        _pool.shutdown(wait=True)
        box.remove_all(os.getpid())  # what a thread made meanwhile


def rng_for(name):
    return random.Random(f"{SEED}:{name}")


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
    return rng_for(request.node.name)


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
    """The volume of the first boot after a clean stop. Copy it; do not start anything on it."""
    if "E2E_TEMPLATE" in os.environ:
        import first_boot

        made = first_boot.Template(box.Volume.existing(os.environ["E2E_TEMPLATE"]), 0, 0, [])
    else:
        made = request.getfixturevalue("first_boot").stop()
    if any("killed_service" in item.fixturenames for item in request.session.items):
        import broken

        _started["killed_service"] = _pool.submit(broken.run, made)
        _started["stopped_service"] = _pool.submit(broken.run_side, made)
    return made


@pytest.fixture(scope="session")
def killed_service(template):
    """It takes a minute until PID 1 gives a service up: in a thread, from the moment that there is a template."""
    return _started["killed_service"].result(), _started["stopped_service"].result()


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


@pytest.fixture(scope="session")
def server(template):
    """A running server on a copy of the template, for tests that leave it running as they found it."""
    volume = template.volume.copy("server")
    (volume.path / "app/zimbra.conf").write_text("# a comment\nZIMBRA_OS_SUITE=bookworm\n")
    c = box.Container(volume, name="server", env={"ZIMBRA_OS_SUITE": None})
    c.wait_state("running")
    yield c
    c.remove(volume=True)


@pytest.fixture
def healthy(server):
    """The same, and the test fails if it is not running afterwards with the services that it had."""
    before = {s["name"]: s["pid"] for s in server.status()["services"]}
    yield server
    now = server.status()
    assert now["state"] == "running", now
    assert {s["name"]: s["pid"] for s in now["services"]} == before
