"""Rounds, medians, ratios, tables, the load of the machine: shared by all parts."""

import contextlib
import datetime
import fcntl
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")


def rounds(full, quick):
    return int(os.environ.get("BENCH_ROUNDS") or (quick if QUICK else full))


def spread(values, digits=2):
    """{"median", "min", "max", "values"}, or None without values."""
    if not values:
        return None
    s = sorted(values)
    n = len(s)
    median = s[n // 2] if n % 2 else (s[n // 2 - 1] + s[n // 2]) / 2
    return {"median": round(median, digits), "min": round(s[0], digits), "max": round(s[-1], digits),
            "values": [round(v, digits) for v in values]}


def quote(s, unit=""):
    return "-" if s is None else f"{s['median']:g}{unit} ({s['min']:g}-{s['max']:g})"


def ratio(ours, theirs):
    return spread([a / b for a, b in zip(ours, theirs) if b > 0])


def table(title, head, rows):
    print(f"\n{title}")
    cells = [[str(c) for c in row] for row in [head, *rows]]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, width))).rstrip())
    sys.stdout.flush()


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def load():
    return float(pathlib.Path("/proc/loadavg").read_text(encoding="ascii").split()[0])


def pressure():
    """Seconds, since the machine began, in which somebody had to wait for a core; None where the kernel does not count."""
    try:
        text = pathlib.Path("/proc/pressure/cpu").read_text(encoding="ascii")
    except OSError:
        return None
    return int(re.search(r"^some .*total=(\d+)", text, re.M).group(1)) / 1e6


def command(*names):
    """What has to be typed for the same run."""
    return " ".join([*(f"{k}={value!r}" if " " in value else f"{k}={value}" for k in names if (value := os.environ.get(k))), "make bench"])


@contextlib.contextmanager
def alone():
    """Two benches on one machine measure each other."""
    with open(ROOT / "build/bench/lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("bench: another run is under way on this machine")
        yield
