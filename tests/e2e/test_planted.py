"""
Who owned the jail left things at every path that PID 1 touches below /data, and the container is started again: nothing
outside changes, nothing of the administrator's is read or written, nothing blocks.
"""

import concurrent.futures
import os
import shutil
import socket
import subprocess
import time

from box import SOAK, Container, docker, in_background, rng_for, tree_of

SYSTEM = ["etc/hosts", "etc/resolv.conf", "etc/hostname", "etc/mailname", "etc/apt/apt.conf.d/99zimbra-init",
          "etc/apt/sources.list", "etc/apt/apt.conf.d/20auto-upgrades", "etc/apt/apt.conf.d/50unattended-upgrades",
          "usr/sbin/policy-rc.d", "etc/timezone", "etc/localtime", "usr/bin/ping", "etc/default/locale",
          "etc/locale.gen", "var/lib/dpkg/lock", ".bootstrap.ready", ".bootstrap.partial"]
MOUNTS = ["proc", "sys", "dev", "run"]
ZIMBRA = ["opt/zimbra/log/nginx.pid", "opt/zimbra/log/zmconfigd.pid", "opt/zimbra/log/planted.pid", "opt/zimbra/log/planted.sock",
          "opt/zimbra/data/ldap/state/run/slapd.pid", "opt/zimbra/data/postfix/spool/pid/master.pid", "opt/zimbra/zmstat/pid",
          "opt/zimbra/log/.zmcontrol.cache", "opt/zimbra/.install_history", "etc/rsyslog.conf", "run/rsyslogd.pid",
          "opt/zimbra/data/clamav"]
FOLDERS = ["etc/apt/apt.conf.d", "etc/apt", "etc/default", "usr/sbin", "opt/zimbra/log"]
KINDS = ["link to the image", "link upwards", "link to app", "loop", "fifo", "folder", "socket", "huge"]
IN_IMAGE = "/etc/issue"


def plant(root, name, kind):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "link to the image":
        path.symlink_to(IN_IMAGE)
    elif kind == "link upwards":
        path.symlink_to("../" * 12 + IN_IMAGE[1:])
    elif kind == "link to app":
        path.symlink_to("/app/.state/admin-password")
    elif kind == "folder in app":
        path.symlink_to("/app/tls")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        (path / "in it").mkdir(parents=True)
        (path / "in it/keep.pid").write_text("1\n")
    elif kind == "socket":
        here = os.open(path.parent, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
    else:
        with open(path, "wb") as f:  # rsyslogd reads its settings to the end, whatever comes
            f.truncate(1 << 22 if name == "etc/rsyslog.conf" else 1 << 40)


def of_the_administrator(volume):
    """What below app/ is not PID 1's to write at a start."""
    return {k: v for k, v in tree_of(volume.path / "app").items() if k != ".state/journal" and ".state/journal." not in k}


def changed_in_the_image(c):
    """docker diff: what is different in the container's own root, but for what PID 1 and its apt have there."""
    ours = ("/run", "/data", "/release", "/tmp", "/var/cache/apt")
    names = [line.split(None, 1)[1] for line in docker("diff", c.name).stdout.splitlines()]
    return [n for n in names if n not in ("/var", "/var/cache") and not any(n == o or n.startswith(o + "/") for o in ours)]


def check(template, kind, names, *command, env=None):
    volume = template.volume.layer("planted")
    (volume.path / "app/tls").mkdir()
    (volume.path / "app/tls/zimbra.key").write_text("the key")
    (volume.path / "app/.state/admin-password").write_text("the password")
    for name in names:
        plant(volume.path, name, kind)
    before = of_the_administrator(volume)
    c = Container(volume, *command, name="planted", env=env, network=not command)
    try:
        if command:
            begin = time.monotonic()
            code = c.wait(90)
            text = c.text
            assert code == 0 and "works" in text or code in (70, 78) and text, f"{kind} at {names}: exit {code}\n{text}"
            said = f"exit {code} after {time.monotonic() - begin:.1f} s {'' if code == 0 else text}"
        else:
            said = started(c)
        assert of_the_administrator(volume) == before, f"{kind} at {names}"
        changed = changed_in_the_image(c)
        assert not changed, f"{kind} at {names}: {changed}"
        assert "the password" not in c.text and "the key" not in c.text
        return f"{kind}: {said}"
    finally:
        c.remove()
        volume.remove()


def started(c):
    """It runs, or says why it does not."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        now = c.status()
        if now.get("state") in ("running", "degraded"):
            code, _ = c.stop()
            assert code in (0, 75), c.tail()
            return now["state"]
        if now.get("state") == "failed":
            assert now["failure"]["text"] and now["failure"]["remedy"]
            c.stop()
            return "failed: " + now["failure"]["text"]
        if not now and not c.running:
            assert "error" in c.text
            return "refused: " + c.tail(3)
        time.sleep(0.5)
    raise AssertionError(f"neither runs nor says why not:\n{c.tail()}")


def all_of(template, cases):
    """cases: (kind, names, command, environment), a few at a time."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        futures = [pool.submit(check, template, kind, names, *command, env=env) for kind, names, command, env in cases]
        return "\n".join("  " + future.result() for future in futures)


SAY = ("sh", "-c", "echo works")
CHANGED = {"ZIMBRA_TIMEZONE": "Europe/Berlin", "ZIMBRA_UNATTENDED_UPGRADES": "off",
           "ZIMBRA_OS_MIRROR": "http://mirror.example.org/debian"}


@in_background
def test_system_files(template):
    return all_of(template, [(kind, [name] if SOAK else SYSTEM, SAY, env) for kind in KINDS for name in (SYSTEM if SOAK else [0])
                             for env in ((None, CHANGED) if SOAK else (None,))])


@in_background
def test_system_files_when_settings_change(template):
    """Then PID 1 writes them anew."""
    rng = rng_for("system files")
    return all_of(template, [(kind, rng.sample(SYSTEM, 5), SAY, CHANGED) for kind in KINDS])


@in_background
def test_mount_points(template):
    return all_of(template, [(kind, MOUNTS, SAY, None) for kind in KINDS if kind != "folder"])


@in_background
def test_folders_that_lead_to_the_administrator(template):
    """etc/apt/apt.conf.d is a link to /app/tls, and so on: what PID 1 writes there must not come to lie in app/."""
    return all_of(template, [("folder in app", [name], SAY, env) for name in FOLDERS for env in (None, CHANGED)])


@in_background
def test_what_zimbra_leaves(template):
    kinds = KINDS if SOAK else rng_for("what zimbra leaves").sample(KINDS, 2)
    return all_of(template, [(kind, ZIMBRA, (), None) for kind in kinds])


@in_background
def test_the_top_of_the_volume(template):
    """app itself is not the jail's to replace, but an administrator may have: refused with a word, and not followed."""

    def app(path):
        return {k: v for k, v in tree_of(path / "app2").items() if "journal" not in k}

    volume = template.volume.layer("planted")
    try:
        subprocess.run(["mv", volume.path / "app", volume.path / "app2"], check=True)
        (volume.path / "app").symlink_to("app2")
        before = app(volume.path)
        with Container(volume, name="planted") as c:
            said = started(c)
            assert said.startswith(("failed", "refused")), said
            assert app(volume.path) == before
            return said
    finally:
        volume.remove()
