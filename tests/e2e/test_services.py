"""A service that dies is seen: crashed, degraded; and running again once somebody has started it."""

import time

from box import in_background, layered, wait_for


def down(status):
    return [s["name"] for s in status["services"] if s["state"] != "running"]


@in_background
def test_a_killed_daemon(template):
    with layered(template, name="killed") as c:
        # All of nginx: workers that outlive their master keep its ports, and no start succeeds before they are gone.
        c.exec("sh", "-c", 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != nginx ] || kill -9 ${p#/proc/}; done', check=False)
        begin = time.monotonic()
        flux = wait_for("flux", lambda: [s for s in [c.service("proxy")] if s["state"] != "running"], 60)[0]
        assert flux["state"] == "flux" and flux["pid"] is None, flux
        now = c.wait_state("degraded", pause=1)
        crashed = time.monotonic() - begin
        assert down(now) == ["proxy"] and c.service("proxy")["state"] == "crashed", now
        # Nobody reads mail without the proxy; the container itself is well.
        assert [c.zctl("health", f"--{x}", check=False).returncode for x in ("live", "ready", "startup")] == [0, 1, 0]
        table = c.zctl("status").stdout
        assert "degraded" in table and "crashed" in table
        begin = time.monotonic()
        c.jail("zmproxyctl", "start", user="zimbra")
        now = c.wait_state("running")
        proxy = next(s for s in now["services"] if s["name"] == "proxy")
        assert proxy["pid"] and proxy["restarts"] == 1
        again = time.monotonic() - begin
        return f"crashed and degraded after {crashed:.0f} s; running again {again:.1f} s after zmproxyctl start"


@in_background
def test_a_side_service_does_not_take_the_mail_away(template):
    """memcached, stopped by hand and cleanly: degraded, and still ready."""
    with layered(template, name="side") as c:
        c.jail("zmmemcachedctl", "stop", user="zimbra", check=False)
        assert down(c.wait_state("degraded", pause=1)) == ["memcached"]
        assert c.zctl("health", "--ready", check=False).returncode == 0


@in_background
def test_a_pidfile_that_lies(template):
    """The zimbra user writes the number of somebody else's process: it is not believed, and nothing is signalled."""
    with layered(template, name="lies") as c:
        before = {s["name"]: s["pid"] for s in c.status()["services"]}
        for lie in ("1", "-1", "0", "99999999999999999999", "x" * 5000, str(before["cron"])):
            c.jail("sh", "-c", f"printf %s '{lie}' > /opt/zimbra/log/nginx.pid", user="zimbra")
            c.exec("sh", "-c", "(true &)")  # an orphan's end makes PID 1 look a second later
            time.sleep(1.5)
        now = {s["name"]: s["pid"] for s in c.status()["services"]}
        assert now.pop("proxy") in (before.pop("proxy"), None)
        assert now == before
