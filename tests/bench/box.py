"""Containers, and what the kernel knows about their process 1. Only the standard library's core."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = os.environ["IMAGE"]
LAB = ROOT / "build/zcs-lab.tgz"
DATA = "zimbra-bench-data"  # kept between runs: an installed volume
LABEL = "zimbra-bench"
PREFIX = f"zbench{os.getpid()}"
NOFILE = 524288


class Failed(Exception):
    """It could not be measured."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def docker(*args, check=True, timeout=600, **kw):
    done = subprocess.run(["docker", *map(str, args)], stdin=subprocess.DEVNULL if "input" not in kw else None,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout, check=False, **kw)
    if check and done.returncode:
        raise Failed(f"docker {' '.join(map(str, args))[:300]}: exit {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
    return done


_flags = None


def flags():
    """What docker run needs on this machine, found out as docker/run.sh does."""
    global _flags
    if _flags is None:
        found = ["--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN", "--hostname", "mail.example.test",
                 "--env", "ZIMBRA_OS_SUITE=bookworm", "--stop-timeout", "600",
                 "--volume", f"{LAB}:/release/{LAB.name}:ro", "--env", f"ZIMBRA_RELEASE=/release/{LAB.name}"]
        if "apparmor" in docker("info", "--format", "{{.SecurityOptions}}").stdout:
            found += ["--security-opt", "apparmor=unconfined"]
        probe = ["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh"]
        if docker(*probe, "--ulimit", f"nofile={NOFILE}:{NOFILE}", IMAGE, "-c", ":", check=False).returncode:
            limit = docker(*probe, IMAGE, "-c", "ulimit -Hn").stdout.strip()
            found += ["--ulimit", f"nofile={limit}:{limit}", "--env", f"ZIMBRA_MIN_NOFILE={limit}"]
        else:
            found += ["--ulimit", f"nofile={NOFILE}:{NOFILE}"]
        _flags = found
    return _flags


class Volume:
    made = 0

    def __init__(self, name):
        Volume.made += 1
        self.name = f"{PREFIX}-{name}{Volume.made}"
        docker("volume", "create", "--label", f"{LABEL}={os.getpid()}", self.name)

    def remove(self):
        docker("volume", "rm", "--force", self.name, check=False)


class Box:
    """A container; init is the name by which the tables know its process 1."""

    made = 0

    def __init__(self, init, *args, command=(), volume=None):
        Box.made += 1
        self.init, self.name = init, f"{PREFIX}-{Box.made}"
        # No health check of the engine's: who asks is said by the measurement.
        every = ["--detach", "--name", self.name, "--label", f"{LABEL}={os.getpid()}", "--no-healthcheck",
                 "--volume", f"{ROOT}/build/bench/orphans:/bench/orphans:ro"]
        if volume:
            every += ["--volume", f"{volume}:/data"]
        docker("run", *every, *args, IMAGE, *command)
        self.pid = int(docker("inspect", "--format", "{{.State.Pid}}", self.name).stdout)
        if self.pid == 0 or not os.path.exists(f"/proc/{self.pid}"):
            raise Failed(f"{self.name} ({init}) does not run, or not on this machine:\n{self.log()[-2000:]}")

    def exec(self, *argv, **kw):
        return docker("exec", self.name, *argv, **kw)

    def json(self, *argv):
        return json.loads(self.exec("zctl", *argv, "--json").stdout)

    def log(self):
        done = docker("logs", self.name, check=False)
        return done.stderr + done.stdout

    def wait_log(self, pattern, seconds):
        """The match, once a line says it; reads the log's stream, so that nothing in the container is asked."""
        args = ["docker", "logs", "--follow", self.name]
        with subprocess.Popen(["timeout", str(seconds), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as p:
            try:
                for line in p.stdout:
                    found = re.search(pattern, line)
                    if found:
                        return found
            finally:
                p.terminate()
        raise Failed(f"{self.init}: not within {seconds} s, or it ended: {pattern}\n{self.log()[-3000:]}")

    def remove(self):
        docker("rm", "--force", self.name, check=False)

    # --- its process 1

    def proc(self, name):
        return pathlib.Path(f"/proc/{self.pid}/{name}").read_text(encoding="ascii", errors="replace")

    def memory(self):
        """KiB by name of smaps_rollup."""
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", self.proc("smaps_rollup"), re.M))
        return {k: int(found[k]) for k in ("Rss", "Pss", "Pss_Anon", "Pss_File", "Private_Dirty", "Private_Clean")}

    def switches(self):
        """How often it went to sleep by itself, which is how often it was woken."""
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", self.proc("status"), re.M).group(1))

    def cpu_ms(self):
        return int(self.proc("schedstat").split()[0]) / 1e6

    def ticks(self):
        """(utime, stime, cutime, cstime) in seconds; the latter two: of all children that it has waited for."""
        fields = self.proc("stat").rpartition(")")[2].split()
        return [int(f) / os.sysconf("SC_CLK_TCK") for f in fields[11:15]]

    def children(self):
        found = []
        for pid in self.proc(f"task/{self.pid}/children").split():
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
                found.append((int(pid), stat.rpartition(")")[2].split()[0]))
            except OSError:
                pass
        return found

    def zombies(self, seconds=5):
        """Children of process 1 that nobody has reaped, after it had time to."""
        end = time.monotonic() + seconds
        while True:
            n = sum(state == "Z" for _, state in self.children())
            if n == 0 or time.monotonic() > end:
                return n
            time.sleep(0.1)


PEERS = {"tini": ["--"], "dumb-init": [], "catatonit": []}


def peer(init):
    """The host's binary as process 1 of the same image."""
    path = subprocess.run(["which", init], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return Box(init, "--volume", f"{os.path.realpath(path)}:/bench/{init}:ro", "--entrypoint", f"/bench/{init}",
               command=(*PEERS[init], "sleep", "infinity"))


def server():
    """zimbra-init with the lab release; nobody asks it anything."""
    known = docker("volume", "inspect", DATA, check=False).returncode == 0
    say("bench: starting the lab release" + ("" if known else f" (first boot of {DATA}: takes minutes)"))
    box = Box("zimbra-init", *flags(), volume=DATA)
    box.wait_log(r"init: ready [\d.]+ s after the start", 1800)
    return box


def remove_all(pid):
    mine = f"label={LABEL}={pid}"
    for listing, remove in ((("ps", "--all"), ("rm", "--force")), (("volume", "ls"), ("volume", "rm", "--force"))):
        names = docker(*listing, "--quiet", "--filter", mine, check=False).stdout.split()
        if names:
            docker(*remove, *names, check=False)


def remove_leftovers():
    """Of runs that were killed: their process is gone."""
    for what in (("ps", "--all"), ("volume", "ls")):
        labels = docker(*what, "--filter", f"label={LABEL}", "--format", "{{.Label \"" + LABEL + "\"}}").stdout
        for pid in set(labels.split()):
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                remove_all(pid)
