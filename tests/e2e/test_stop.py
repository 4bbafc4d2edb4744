"""docker stop: soon, clean, at any time; what will not end is killed, and that is said."""

import json
import re
import time

from box import SOAK, START, docker, in_background, layered, wait_for

STUBBORN = "import signal, time\nfor s in (1, 15): signal.signal(s, signal.SIG_IGN)\ntime.sleep(1000)\n"
LIVES = [("TERM", r"services: Starting Zimbra \(stage"), ("INT", r"services: Starting proxy"),
         ("PWR", r"open: Opening the public ports"), ("TERM", r"ready [\d.]+ s after")]


def deaf(c):
    """A process of the jail that ignores TERM and HUP."""
    docker("exec", "--detach", c.name, "zctl", "exec", "--", "python3", "-c", STUBBORN)
    # HUP and TERM, and the two that Python itself ignores.
    ignored = "grep -l '^SigIgn:.*5001$' $(grep -lx python3 /proc/[0-9]*/comm | sed s/comm/status/)"
    wait_for("the deaf process", lambda: c.exec("sh", "-c", ignored, check=False).stdout, 60)


def well(c):
    """It runs with all of its services, whatever happened to it before."""
    now = c.wait_state("running")
    assert not [s for s in now["services"] if s["state"] != "running"], now
    return now


@in_background
def test_one_life_after_the_other(template):
    """Stopped at four points of a boot, by each signal that does; killed; each time the next start finds all it needs."""
    said = []
    with layered(template, running=False, name="lives") as c:
        for signal, pattern in LIVES * (5 if SOAK else 1):
            c.wait_log(pattern, START)
            begin = time.monotonic()
            c.signal(signal)
            assert c.wait(120) == 0, f"SIG{signal} at {pattern}: {c.tail()}"
            said.append(f"{time.monotonic() - begin:.1f} s")
            assert f"SIG{signal}: stop" in c.text and "killing what is left" not in c.text, c.tail()
            c.start()
        well(c)
        c.kill()
        assert list((c.volume.path / "opt/zimbra/log").glob("*.pid"))
        c.start()
        well(c)
        assert re.search(r"removed \d+ stale pidfiles and sockets", c.text), c.text
        done = c.zctl("stop", "--json", "--wait", check=False)
        answer = json.loads(done.stdout)
        assert answer["schema"] == 1 and answer["stopping"] is True and answer["timeout"] > 0
        assert done.returncode in (0, 137), done  # the container's end may take it along
        assert c.wait(120) == 0, c.tail()
    return "stopped after " + ", ".join(said)


@in_background
def test_what_does_not_want_to_end(template):
    """What hangs at the stop costs a bounded time, and the start after it is like any other."""
    with layered(template, env={"ZIMBRA_STOP_TIMEOUT": "5"}, name="deaf") as c:
        # Stopped processes are continued first: zmcontrol waits for them in vain; TERM alone would too.
        script = "for p in /proc/[0-9]*; do case $(cat $p/comm) in slapd|cron|nginx) kill -STOP ${p#/proc/};; esac; done"
        c.exec("sh", "-c", script, check=False)
        assert "T" in c.exec("sh", "-c", "grep -h ^State: /proc/[0-9]*/status").stdout
        assert c.stop()[0] == 0, c.tail()

        c.start()
        well(c)
        script = c.volume.path / "opt/zimbra/bin/zmcontrol"
        text = script.read_text()
        script.write_text("#!/bin/sh\nsleep 1000\n")
        assert c.stop()[0] in (0, 75), c.tail()
        assert "zmcontrol stop has not ended after 5 s" in c.text, c.tail()
        script.write_text(text)

        c.start()
        well(c)
        deaf(c)
        begin = time.monotonic()
        assert c.stop()[0] == 75, c.tail()
        once = time.monotonic() - begin
        assert re.search(r"still there after TERM: .*python3\(", c.text) and "asked again" not in c.text, c.tail()

        c.start()
        well(c)
        deaf(c)
        begin = time.monotonic()
        c.signal("TERM")
        c.wait_log("ending what is left", 60)
        c.signal("TERM")
        assert c.wait(60) == 75, c.tail()
        assert re.search(r"still there after TERM: .*python3\(", c.text), c.tail()
        assert "asked again: 5 s more for this step" in c.text, c.tail()
        return f"TERM: {once:.1f} s, TERM TERM: {time.monotonic() - begin:.1f} s"


def test_when_no_service_runs(boxes, volume):
    c = boxes(volume, "sleep", "1000")
    wait_for("the command", lambda: "sleep" in c.exec("sh", "-c", "cat /proc/[0-9]*/comm", check=False).stdout, 60)
    assert c.stop()[0] == 143, c.tail()
