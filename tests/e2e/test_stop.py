"""docker stop: soon, clean, at any time; what will not end is killed, and that is said."""

import concurrent.futures
import re
import time

import pytest
from box import docker, wait_for

STUBBORN = "import signal, time\nfor s in (1, 15): signal.signal(s, signal.SIG_IGN)\ntime.sleep(1000)\n"


def deaf(c):
    """A process of the jail that ignores TERM and HUP."""
    docker("exec", "--detach", c.name, "zctl", "exec", "--", "python3", "-c", STUBBORN)
    wait_for("the deaf process", lambda: "signal.SIG_IGN" in c.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout, 20)
    time.sleep(0.5)


@pytest.mark.parametrize("where, pattern", [("services", r"services: Starting Zimbra \(stage"), ("services, later", r"services: Starting proxy"),
                                            ("open", r"open: Opening the public ports"), ("just ready", r"ready [\d.]+ s after")])
def test_while_booting(boxes, volume, where, pattern):
    c = boxes(volume)
    c.wait_log(pattern, 120)
    code, seconds = c.stop()
    print(f"\n{where}: {seconds:.1f} s")
    assert code == 0 and seconds < 60, c.tail()
    assert "killing what is left" not in c.text
    c.start()
    c.wait_state("running")
    assert c.stop()[0] == 0


def test_a_process_that_does_not_listen(template, boxes):
    """Killed after its time, exit 75; with a second TERM sooner. Both at once, they mostly wait."""

    def run(again):
        volume = template.volume.layer("deaf")
        c = boxes(volume)
        c.wait_state("running")
        deaf(c)
        begin = time.monotonic()
        c.signal("TERM")
        if again:
            c.wait_log("ending what is left", 60)
            c.signal("TERM")
        code = c.wait(60)
        seconds = time.monotonic() - begin
        text = c.text
        c.remove()
        volume.remove()
        return code, seconds, text

    with concurrent.futures.ThreadPoolExecutor() as pool:
        once, twice = pool.map(run, (False, True))
    for code, _, text in (once, twice):
        assert code == 75 and re.search(r"still there after TERM: .*python3\(", text), text[-2000:]
    assert "asked again: 5 s more for this step" in twice[2] and "asked again" not in once[2]
    print(f"\nTERM: {once[1]:.1f} s, TERM TERM: {twice[1]:.1f} s")


def test_a_stopped_process_is_continued_first(boxes, volume):
    """zmcontrol waits for them in vain; TERM alone would too."""
    c = boxes(volume, env={"ZIMBRA_STOP_TIMEOUT": "5"})
    c.wait_state("running")
    c.exec("sh", "-c", "for p in /proc/[0-9]*; do case $(cat $p/comm) in slapd|cron|nginx) kill -STOP ${p#/proc/};; esac; done", check=False)
    assert "T" in c.exec("sh", "-c", "grep -h ^State: /proc/[0-9]*/status").stdout
    code, seconds = c.stop()
    assert code == 0 and seconds < 20, c.tail()


def test_zmcontrol_that_hangs(boxes, volume):
    """Its time is over at ZIMBRA_STOP_TIMEOUT; the processes end all the same."""
    script = volume.path / "opt/zimbra/bin/zmcontrol"
    text = script.read_text()
    c = boxes(volume, env={"ZIMBRA_STOP_TIMEOUT": "5"})
    c.wait_state("running")
    script.write_text("#!/bin/sh\nsleep 1000\n")
    code, seconds = c.stop()
    assert "zmcontrol stop has not ended after 5 s" in c.text and 5 <= seconds < 40
    assert code in (0, 75), c.tail()
    script.write_text(text)
    c.start()
    c.wait_state("running")


def test_kill_is_survived(boxes, volume):
    """docker kill of a running server: the next start finds stale pidfiles and sockets, and runs."""
    c = boxes(volume)
    c.wait_state("running")
    c.kill()
    assert list((volume.path / "opt/zimbra/log").glob("*.pid"))
    c.start()
    c.wait_log(r"removed \d+ stale pidfiles and sockets", 60)
    c.wait_state("running")
    assert c.stop()[0] == 0


def test_when_no_service_runs(boxes, volume):
    c = boxes(volume, "sleep", "1000")
    wait_for("the command", lambda: "sleep" in c.exec("sh", "-c", "cat /proc/[0-9]*/comm").stdout, 60)
    code, seconds = c.stop()
    assert code == 143 and seconds < 10
