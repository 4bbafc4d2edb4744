"""Orphans are reaped, thousands of them, and are never taken for a service's death."""

import re
import time

from box import SOAK, wait_for

ORPHANS = 20000 if SOAK else 2000
MANY = "i=0; while [ $i -lt {n} ]; do ( {what} & ) ; i=$((i+1)); done"


def reaped(server):
    news = server.since_now()
    server.signal("USR1")
    line = wait_for("the count", lambda: next((x for x in news() if "processes reaped" in x), None), 60)
    return int(re.search(r"(\d+) processes reaped", line).group(1))


def zombies(server):
    return server.exec("sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null; true").stdout.split()


def test_orphans_of_docker_exec(healthy):
    before = reaped(healthy)
    healthy.exec("sh", "-c", MANY.format(n=ORPHANS, what="exit 3"), timeout=900)
    wait_for("no zombie", lambda: not zombies(healthy), 60)
    assert reaped(healthy) - before >= ORPHANS


def test_orphans_that_die_at_once_together(healthy):
    """Three hundred that sleep, killed by one command."""
    healthy.exec("sh", "-c", MANY.format(n=300, what="exec sleep 77777"))
    sleepers = "grep -lxz '7777[7]' /proc/[0-9]*/cmdline | cut -d/ -f3"  # an argument of theirs, and not of this
    wait_for("300 that sleep", lambda: len(healthy.exec("sh", "-c", sleepers).stdout.split()) >= 300, 60)
    before = reaped(healthy)
    healthy.exec("sh", "-c", f"kill -9 $({sleepers})", check=False)
    wait_for("300 deaths", lambda: reaped(healthy) - before >= 300 and not zombies(healthy), 60)
    deaths = healthy.status()["deaths"]
    assert "signal 9 KILL" in [d["status"] for d in deaths]  # in a storm names are read for 32 a second at most
    assert "LAST DEATHS" in healthy.zctl("status").stdout


def test_orphans_of_the_jail(healthy):
    before = reaped(healthy)
    healthy.jail("sh", "-c", MANY.format(n=500, what="exit 4"))
    wait_for("500 deaths", lambda: reaped(healthy) - before >= 500 and not zombies(healthy), 60)


def test_deaths_have_a_name_and_a_reason(healthy):
    def told():  # after the storm before there may be no budget for names
        healthy.exec("sh", "-c", "(sh -c 'exit 42' &)")
        time.sleep(0.5)
        return [d for d in healthy.status()["deaths"] if d["status"] == "exit 42" and d["name"] == "sh"]

    wait_for("exit 42", told, 60)
