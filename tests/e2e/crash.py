"""
One volume, from empty to finished, killed and stopped on the way, at instants that are chosen by what is being done and by
chance; then started again. What comes out must be what an undisturbed boot gives.
"""

import time

from box import BEHIND, BOOT, SOAK, Container, Failed, Volume, stopping
import manifest

KILLS = 30 if SOAK else 0  # more of them, at any instant
STAGES = ["close", "volume", "jail", "system", "release", "services", "open"]
# Where: the stage, and what zctl says that it does; the delay after it began is at random, up to so many seconds.
PLACES = {
    "volume": ("volume", "", 45),
    "tar": ("volume", "unpacking the core", 2),
    "wipe": ("volume", "", 0.2),  # of what the step before left; see _reach
    "rename": ("volume", "", 0.02),
    "system": ("system", "", 3),
    "release": ("release", "", 60),
    "services": ("services", "", 2),
}


class Step:
    """One interruption: asked for, and what came of it."""

    def __init__(self, how, where, delay):
        self.how, self.where, self.delay = how, where, delay
        self.hit = self.exit_code = self.seconds = None
        self.left, self.partial = [], []

    def __str__(self):
        partial = f"; .bootstrap.partial: {len(self.partial)} names" if self.partial else ""
        came = f"was in: {self.hit}; exit {self.exit_code}, {self.seconds:.1f} s"
        return f"{self.how} in {self.where} + {self.delay:.2f} s ({came}){partial}"


class Chain:
    def __init__(self, volume):
        self.volume, self.steps, self.final, self.stopped = volume, [], None, None
        self.resumed = []


def plan(rng):
    def step(how, where, most=None, least=0):
        return Step(how, where, rng.uniform(least, PLACES[where][2] if most is None else most))

    steps = [step("kill", "tar"), step("kill", "wipe"), step("stop", "volume", 8), step("kill", "rename"), step("kill", "system"),
             step("stop", "release", 8, 1), step("kill", "release", 25, 1), step("kill", "services")]
    return steps + [step("kill", rng.choice([*PLACES, "volume", "release", "release"])) for _ in range(KILLS)]


def _names(path):
    return sorted(p.name for p in path.iterdir()) if path.exists() else []


def _there(step, c, path, before):
    """True: it does now what the step waits for. False: it is past that. None: not yet."""
    if step.where == "rename":
        return True if (path / ".bootstrap.ready").exists() else False if (path / "usr").exists() else None
    if step.where == "wipe":
        now = _names(path / ".bootstrap.partial")
        return False if not before or not now else True if len(now) < len(before) else None
    now = c.status()
    if now.get("state") == "failed" or not now and not c.running:
        raise Failed(f"{step.how} in {step.where}: {now.get('failure', 'the container ended')}\n{c.tail()}")
    stage, doing, _ = PLACES[step.where]
    name = now.get("stage", {}).get("name", "close")
    if name == stage and now["stage"]["doing"].startswith(doing):
        return True
    return False if STAGES.index(name) > STAGES.index(stage) else None


def _reach(step, c, path, before):
    """Waits for the place, then the delay; False if that was over before."""
    pause = 0.002 if step.where in ("rename", "wipe") else 0.1
    end = time.monotonic() + BOOT
    while time.monotonic() < end and not stopping.is_set():
        there = _there(step, c, path, before)
        if there is not None:
            stopping.wait(step.delay if there else 0)
            return there
        time.sleep(pause)
    return False


def run(rng):
    volume = Volume("crash")
    chain = Chain(volume)
    path = volume.path
    for step in plan(rng):
        if KILLS and (path / "opt/zimbra/.install_history").exists() and rng.random() < 0.3:
            volume = Volume("crash")  # from the beginning again, now and then
            path, chain.volume = volume.path, volume
        before = _names(path / ".bootstrap.partial")
        c = Container(volume, name="crash", flags=BEHIND)
        if _reach(step, c, path, before):
            step.hit = step.where if step.where in ("rename", "wipe") else c.status().get("stage", {}).get("name", "before zctl")
        else:
            step.hit = "passed before"
        begin = time.monotonic()
        if step.how == "stop":
            step.exit_code, _ = c.stop()
        else:
            c.kill()
            step.exit_code = c.state["ExitCode"]
        step.seconds = time.monotonic() - begin
        step.left, step.partial = _names(path), _names(path / ".bootstrap.partial")
        chain.steps.append(step)
        c.remove()
    last = Container(volume, name="crash", flags=BEHIND)
    last.wait_state("running", seconds=BOOT, pause=1)
    chain.resumed = last.log()
    chain.stopped = last.stop()
    last.remove()
    chain.final = manifest.of(path)
    return chain
