"""The first boot of an empty volume: watched from outside all the time, then stopped, and everybody's template from there on."""

import datetime
import functools
import re
import time

import manifest
import watch
from box import BEHIND, BOOT, Container, Failed, Volume, wait_for


def stamp(line):
    """When PID 1 wrote this line of its log, in seconds since the epoch."""
    when = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z ", line)
    return datetime.datetime.fromisoformat(when.group(1) + "+00:00").timestamp()


class Template:
    def __init__(self, volume, exit_code, seconds, log):
        self.volume, self.exit_code, self.seconds, self.log = volume, exit_code, seconds, log

    @functools.cached_property
    def manifest(self):
        return manifest.of(self.volume.path)


class FirstBoot:
    def __init__(self, container, network, seen, seconds):
        self.container, self.network, self.watch, self.seconds = container, network, seen, seconds
        self.log = container.log()
        self._template = None

    def line(self, pattern):
        return next(line for line in self.log if re.search(pattern, line))

    def time_of(self, pattern):
        return stamp(self.line(pattern))

    def stop(self):
        if not self._template:
            code, seconds = self.container.stop()
            self._template = Template(self.container.volume, code, seconds, self.container.log())
        return self._template


def run(_rng):
    network = watch.Network()
    volume = Volume("first")
    c = Container(volume, name="first", flags=["--network", network.name], start=False,
                  env={"FIREWALL_ADMIN_FROM": ",".join(network.admin[v] for v in network.versions)})
    seen = watch.Watch(network)
    seen.start()
    begin = time.monotonic()
    c.start()
    try:
        c.wait_state("running", seconds=BOOT, pause=1)
    finally:
        seen.stop()
    return FirstBoot(c, network, seen, time.monotonic() - begin)


def run_jammy(_rng):
    """(container or None, why not): one whose base system is jammy, if jammy's archive answers."""
    volume = Volume("jammy")
    c = Container(volume, name="jammy", env={"ZIMBRA_OS_SUITE": None}, flags=BEHIND)

    def over():
        now = c.status()
        if not now and not c.running:
            raise Failed(f"jammy: ended with {c.state['ExitCode']}\n{c.tail()}")
        return now if now.get("state") == "failed" or now.get("suite") == "jammy" else None

    now = wait_for("jammy's base system", over, BOOT, pause=1)
    if now.get("suite") == "jammy":
        c.stop()  # what comes after is bookworm's test as well
        return c, ""
    return None, now["failure"]["text"]
