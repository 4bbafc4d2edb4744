"""Volumes: what is installed on, what is refused, and that a refused one is left as it was."""

import os

import pytest
from box import Volume, one_shot, tree_of, wait_for

pytestmark = pytest.mark.usefixtures("engine")


def fill(path, **files):
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)


def held(boxes, volume, *words, stop=True, **kw):
    """State failed, with these words in the failure; the volume is as before; docker stop gives 70."""
    before = tree_of(volume.path)
    c = boxes(volume, **kw)
    failure = c.wait_failed()
    for word in words:
        assert word in failure["text"] + failure["remedy"], failure
    assert failure["remedy"] and failure["retry_in"] > 0
    assert tree_of(volume.path) == before
    if stop:
        assert c.stop()[0] == 70, c.tail()
        assert tree_of(volume.path) == before
    return c


def test_none():
    code, text = one_shot(None)
    assert code == 78 and "no volume is mounted at /data" in text and "docker run -v zimbra-data:/data" in text


def test_foreign(boxes, empty):
    fill(empty.path, **{"photos/cat.jpg": "meow", "notes.txt": "x", "app/zimbra.conf": ""})
    held(boxes, empty, "holds something else: notes.txt, photos", "nothing on it was changed", "empty volume")


def test_foreign_debian(boxes, empty):
    """A whole system of somebody else's is no installation of ours either."""
    fill(empty.path, **{"etc/passwd": "root:x:0:0::/:/bin/sh\n", "usr/bin/dpkg": "", "bin/sh": "", "var/lib/dpkg/status": ""})
    held(boxes, empty, "holds something else")


@pytest.mark.parametrize("sign", ["opt/zimbra/bin/zmcontrol", "app/control-zimbra.sh"])
def test_griffinplus(boxes, empty, sign):
    fill(empty.path, **{"etc/hosts": "127.0.0.1 localhost\n", "usr/bin/true": "", "var/x": "", sign: "#!/bin/sh\n"})
    held(boxes, empty, "griffinplus/zimbra", "later", "nothing on it was changed")


def test_newer_journal(boxes, empty):
    fill(empty.path, **{"app/.state/journal": "zimbra-init journal 2\nstage.volume 2031-01-01T00:00:00Z\n", "usr/x": ""})
    c = held(boxes, empty, "newer version of this image", "newer", stop=False)
    # And it says so in every way in which one would ask.
    table = c.zctl("status").stdout
    assert "failed" in table and "newer version of this image" in table and "next try" in table
    for level, code in (("--live", 1), ("--ready", 1), ("--startup", 1)):
        assert c.zctl("health", level, check=False).returncode == code, level
    assert c.zctl("exec", "--", "true", check=False).returncode == 1
    assert c.zctl("stages", "--json").stdout.count('"failed"') == 1
    assert c.stop()[0] == 70


def test_damaged_journal(boxes, empty):
    fill(empty.path, **{"app/.state/journal": "half a li"})
    held(boxes, empty, "app/.state/journal is not a journal of ours")


def test_installation_with_a_hole(boxes, empty):
    fill(empty.path, **{"app/.state/journal": "zimbra-init journal 1\nsuite bookworm\nstage.volume 2031-01-01T00:00:00Z\n",
                        "etc/passwd": "", "usr/lib/x": "", "var/x": ""})
    held(boxes, empty, "damaged: it has no bin/sh", "backup")


def test_read_only(empty):
    code, text = one_shot(empty, mount=":ro")
    assert code == 78 and "the volume at /data is read-only" in text and "without :ro" in text
    assert not list(empty.path.iterdir())


@pytest.mark.parametrize("option", ["nosuid", "nodev"])
def test_mount_option(option):
    volume = Volume("t", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size=64m,{option}")
    code, text = one_shot(volume)
    volume.remove()
    assert code == 78 and f"is mounted {option}" in text and "remount,suid,dev" in text


def test_too_small(boxes):
    volume = Volume("t", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=64m,suid,dev,exec")
    c = boxes(volume)
    failure = c.wait_failed()
    assert "64 MiB are free" in failure["text"] and "8192 MiB" in failure["text"] and "ZIMBRA_MIN_DISK=" in failure["remedy"]
    assert "in memory" in c.text
    assert c.stop()[0] == 70
    c.remove()
    volume.remove()


def test_full_while_installing(boxes):
    """The look before was switched off: the archive does not fit, and the volume is left empty."""
    volume = Volume("t", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=100m,suid,dev,exec")
    c = boxes(volume, env={"ZIMBRA_MIN_DISK": "0"})
    failure = c.wait_failed(300)
    assert "the volume is full" in failure["text"] and failure["retry_in"] is not None, failure
    left = c.exec("ls", "-A", "/data").stdout.split()
    assert set(left) <= {"app"}, left
    assert c.stop()[0] == 70
    c.remove()
    volume.remove()


def test_two_containers_on_one_volume(boxes, empty):
    fill(empty.path, **{"notes.txt": "x"})
    first = boxes(empty)
    first.wait_failed()
    code, text = one_shot(empty)
    assert code == 78 and "another container runs on this volume" in text and "zctl exec" in text
    first.stop()


def test_lost_found_and_app_are_empty(boxes, empty):
    """Also what a boot that has just begun answers, and how it is stopped."""
    (empty.path / "lost+found").mkdir(mode=0o700)
    fill(empty.path, **{"app/zimbra.conf": "ZIMBRA_TIMEZONE=Europe/Berlin\n", "app/tls/zimbra.crt": "x"})
    before = tree_of(empty.path / "app")
    c = boxes(empty)
    c.wait_log("volume: installing bookworm from")
    now = wait_for("an answer", c.status, 20)
    assert now["state"] == "booting" and now["stage"]["name"] == "volume" and now["firewall"]["mode"] == "closed", now
    levels = [], ["--live"], ["--ready"], ["--startup"]
    assert [c.zctl("health", *level, check=False).returncode for level in levels] == [0, 0, 1, 1]
    done = c.zctl("exec", "--", "true", check=False)
    assert done.returncode == 1 and "not mounted yet" in done.stderr
    assert "booting" in c.zctl("status").stdout
    assert c.stop()[0] in (0, 70), c.tail()
    left = sorted(p.name for p in empty.path.iterdir())
    assert left in (["app", "lost+found"], [".bootstrap.partial", "app", "lost+found"]), left
    now = tree_of(empty.path / "app")
    assert {k: v for k, v in now.items() if not k.startswith(".state")} == before


def test_names_that_are_only_planned(boxes, empty):
    """Mounts below /data make empty folders on the volume: that is still an empty volume."""
    extra = Volume("m")
    c = boxes(empty, flags=["--volume", f"{extra.name}:/data/opt/zimbra/store"])
    c.wait_log("volume: installing bookworm from")
    c.kill()
    c.remove()
    extra.remove()


def test_odd_names_do_not_reach_the_terminal(boxes, empty):
    os.close(os.open(os.fsencode(empty.path) + b"/\x1b[2Jevil\xff\n", os.O_CREAT))
    c = boxes(empty)
    failure = c.wait_failed()
    assert "\x1b" not in failure["text"] and "\x1b" not in c.text and "evil" in failure["text"]
    c.stop()
