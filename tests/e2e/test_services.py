"""A service that dies is seen: crashed, degraded; and running again once somebody has started it."""

import pytest

@pytest.fixture(scope="module")
def broken(killed_service):
    return killed_service[0]


def test_a_killed_daemon(broken):
    assert broken.flux["state"] == "flux" and broken.flux["pid"] is None
    assert broken.status["state"] == "degraded" and broken.service["state"] == "crashed", broken.status
    print(f"\ncrashed and degraded {broken.seconds:.0f} s after the kill")
    assert broken.seconds < 90
    assert [s["name"] for s in broken.status["services"] if s["state"] != "running"] == ["proxy"]


def test_what_degraded_means_to_probes(broken):
    assert broken.health == {"live": 0, "ready": 1, "startup": 0}  # nobody reads mail without the proxy
    assert "degraded" in broken.table and "crashed" in broken.table


def test_started_by_hand_it_runs_again(broken):
    assert broken.again["state"] == "running" and broken.again["pid"] and broken.again["restarts"] == 1
    assert broken.state_again == "running"
    print(f"\nrunning again {broken.seconds_again:.1f} s after zmproxyctl start")


def test_a_side_service_does_not_take_the_mail_away(killed_service):
    side = killed_service[1]
    assert side.status["state"] == "degraded" and side.ready == 0
    assert [s["name"] for s in side.status["services"] if s["state"] != "running"] == ["memcached"]


def test_a_pidfile_that_lies(boxes, volume):
    """The zimbra user writes the number of somebody else's process: it is not believed, and nothing is signalled."""
    c = boxes(volume)
    c.wait_state("running")
    before = c.service("proxy")["pid"]
    for lie in ("1", "-1", "0", "99999999999999999999", "x" * 5000, "28", str(c.service("cron")["pid"])):
        c.jail("sh", "-c", f"printf %s '{lie}' > /opt/zimbra/log/nginx.pid", user="zimbra")
        c.exec("sh", "-c", "(true &)")  # an orphan's end makes PID 1 look
    assert c.status()["state"] in ("running", "degraded") and c.service("proxy")["pid"] in (before, None)
    assert c.service("cron")["state"] == "running"
