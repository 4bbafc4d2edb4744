"""A server whose nginx is killed: what PID 1 says at once, after a minute, and when somebody has started it again."""

import time

from box import Container, wait_for


class Broken:
    pass


def run(template):
    seen = Broken()
    volume = template.volume.layer("broken")
    c = Container(volume, name="broken")
    c.wait_state("running")
    pid = c.service("proxy")["pid"]
    # The workers too: they would keep the ports, and whoever starts nginx again would wait for them.
    c.exec("sh", "-c", f"kill -9 {pid}; for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" != nginx ] || kill -9 ${{p#/proc/}}; done",
           check=False)
    begin = time.monotonic()
    seen.flux = wait_for("flux", lambda: next((s for s in [c.service("proxy")] if s["state"] != "running"), None), 30)
    seen.status = c.wait_state("degraded", pause=1)
    seen.seconds = time.monotonic() - begin
    seen.service = c.service("proxy")
    seen.table = c.zctl("status").stdout
    seen.health = {level: c.zctl("health", f"--{level}", check=False).returncode for level in ("live", "ready", "startup")}
    c.jail("zmproxyctl", "start", user="zimbra")
    begin = time.monotonic()
    seen.state_again = c.wait_state("running", seconds=60)["state"]
    seen.seconds_again = time.monotonic() - begin
    seen.again = c.service("proxy")
    seen.stopped = c.stop()
    c.remove(volume=True)
    return seen


def run_side(template):
    """memcached, stopped by hand and cleanly: mail does not need it."""
    seen = Broken()
    volume = template.volume.layer("broken")
    c = Container(volume, name="broken")
    c.wait_state("running")
    c.jail("zmmemcachedctl", "stop", user="zimbra", check=False)
    seen.status = c.wait_state("degraded", pause=1)
    seen.ready = c.zctl("health", "--ready", check=False).returncode
    c.stop()
    c.remove(volume=True)
    return seen
