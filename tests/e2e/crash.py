"""
One volume, from empty to finished, killed and stopped on the way: SIGKILL or `docker stop` at random instants of every stage,
then started again. What comes out must be what an undisturbed boot gives.
"""

import time

from box import BEHIND, BOOT, SOAK, Container, Failed, Volume, stopping
import manifest

KILLS = 30 if SOAK else 0  # more of them, at any instant


class Step:
    """One interruption: asked for, and what came of it."""

    def __init__(self, how, where, delay):
        self.how, self.where, self.delay = how, where, delay
        self.hit = self.exit_code = self.seconds = None
        self.left = []

    def __str__(self):
        return f"{self.how} in {self.where} + {self.delay:.2f} s (was in: {self.hit}; exit {self.exit_code}, {self.seconds:.1f} s)"


class Chain:
    def __init__(self, volume):
        self.volume, self.steps, self.final, self.stopped, self.log = volume, [], None, None, []
        self.resumed = []


def plan(rng):
    steps = [
        Step("stop", "volume", rng.uniform(0.5, 8)),
        Step("kill", "volume", rng.uniform(1, 30)),
        Step("kill", "rename", rng.uniform(0, 0.01)),
        Step("kill", "system", rng.uniform(0, 3)),
        Step("stop", "release", rng.uniform(1, 20)),
        Step("kill", "release", rng.uniform(1, 45)),
        Step("kill", "services", rng.uniform(0, 1.5)),
    ]
    for _ in range(KILLS):
        where = rng.choice(["volume", "volume", "system", "release", "release", "release", "services"])
        steps.append(Step("kill", where, rng.uniform(0, {"volume": 45, "system": 4, "release": 60, "services": 3}[where])))
    return steps


def _reach(c, step, path):
    """Waits for the stage, then the delay; False if the boot was over before."""
    end = time.monotonic() + BOOT
    while time.monotonic() < end and not stopping.is_set():
        if step.where == "rename":
            if (path / ".bootstrap.ready").exists():
                break
            if (path / "usr").exists():
                return False
            time.sleep(0.002)
            continue
        text = c.text
        if f" {step.where}: " in text and f"{step.where}: done" not in text:
            break
        if f"{step.where}: done" in text or " open: done" in text:
            return False
        if not c.running:
            raise Failed(f"{step}: the container ended\n{c.tail()}")
        time.sleep(0.1)
    time.sleep(step.delay)
    return True


def run(rng):
    volume = Volume("crash")
    chain = Chain(volume)
    path = volume.path
    for step in plan(rng):
        if KILLS and (path / "opt/zimbra/.install_history").exists() and rng.random() < 0.3:
            volume = Volume("crash")  # from the beginning again, now and then
            path, chain.volume = volume.path, volume
        c = Container(volume, name="crash", flags=BEHIND)
        reached = _reach(c, step, path)
        now = c.status()
        step.hit = now.get("stage", {}).get("name", "before zctl") if reached else "passed before"
        begin = time.monotonic()
        if step.how == "stop":
            step.exit_code, _ = c.stop()
        else:
            c.kill()
            step.exit_code = c.state["ExitCode"]
        step.seconds = time.monotonic() - begin
        step.left = sorted(p.name for p in path.iterdir())
        chain.log.append((str(step), c.tail(8)))
        chain.steps.append(step)
        c.remove()
    last = Container(volume, name="crash", flags=BEHIND)
    last.wait_state("running", seconds=BOOT, pause=1)
    chain.resumed = last.log()
    chain.stopped = last.stop()
    last.remove()
    chain.final = manifest.of(path)
    return chain
