#!/usr/bin/python3
"""progress.py CONTAINER: shows how a boot goes on, by `zctl status --json`, until the container is ready or cannot be.

One updating line on a terminal, else a line per change. Exit: 0 ready, 1 failed or degraded, 2 the container ended, 3 too slow.
Only the standard library's core (python3-minimal).
"""
import json
import os
import subprocess
import sys
import time

POLL_SECONDS = 1.0
DEGRADED_SECONDS = 120.0  # some services start late, by themselves or by the supervisor's next try
WAIT_SECONDS = float(os.environ.get("WAIT_SECONDS", "5400"))


def docker(*args, seconds=15):
    try:
        return subprocess.run(["docker", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None


def status(name):
    answer = docker("exec", name, "zctl", "status", "--json")
    if answer is None or not answer.stdout:
        return None  # the control socket is not there yet
    try:
        value = json.loads(answer.stdout)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def ended(name):
    answer = docker("inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", name)
    if answer is None:
        return None
    words = answer.stdout.decode().split()
    if answer.returncode != 0 or not words:
        return "the container is gone"
    return None if words[0] == "true" else f"the container ended with exit code {words[1]}"


def clean(text):
    return "".join(c if c.isprintable() else " " for c in str(text))


def line(value):
    stage = value.get("stage") or {}
    text = f"[{stage.get('number', '?')}/{stage.get('of', '?')} {clean(stage.get('name', '?'))}]"
    text += f" {clean(stage.get('doing') or stage.get('title') or value.get('state', ''))}"
    if stage.get("percent") is not None:
        text += f" {int(stage['percent'])} %"
    return text


class Screen:
    """One line that is rewritten, or one line per change."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        self.last = None
        self.start = time.monotonic()

    def show(self, text, seconds=None):
        took = f"{seconds:.0f} s" if isinstance(seconds, (int, float)) else f"{time.monotonic() - self.start:.0f} s"
        if self.live:
            try:
                width = os.get_terminal_size().columns
            except OSError:
                width = 0
            print("\r\033[K" + f"{text}, {took}"[:(width or 80) - 1], end="", flush=True)
        elif text != self.last:
            print(f"{text}, {took}", flush=True)
        self.last = text

    def end(self):
        if self.live and self.last is not None:
            print(flush=True)


def watch(name, screen):
    degraded = None
    while time.monotonic() - screen.start < WAIT_SECONDS:
        value = status(name)
        if value is None:
            why = ended(name)
            if why:
                return 2, why
            screen.show("[starting] waiting for PID 1 to answer")
        else:
            state = value.get("state")
            if state == "running":
                return 0, f"ready after {time.monotonic() - screen.start:.0f} s"
            if state == "failed":
                return 1, "failed: " + clean(value.get("failure") or "no reason given")
            if state == "degraded":
                degraded = degraded or time.monotonic()
                down = [clean(s.get("name")) for s in value.get("services") or [] if s.get("state") != "running"]
                screen.show(f"[degraded] not running: {', '.join(down) or 'unknown'}")
                if time.monotonic() - degraded > DEGRADED_SECONDS:
                    return 1, f"degraded for {DEGRADED_SECONDS:.0f} s, not running: {', '.join(down)}"
            else:
                degraded = None
                screen.show(line(value), (value.get("stage") or {}).get("seconds"))
        time.sleep(POLL_SECONDS)
    return 3, f"not ready after {WAIT_SECONDS:.0f} s (WAIT_SECONDS)"


def main():
    screen = Screen()
    try:
        code, why = watch(sys.argv[1], screen)
    except KeyboardInterrupt:
        screen.end()
        return 130
    screen.end()
    print(why, flush=True)
    return code


sys.exit(main())
