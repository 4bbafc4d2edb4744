"""zimbra.conf and HUP: what can change without a restart does, the rest is named."""

import contextlib
import os
import selectors
import socket

import pytest
from box import lan, wait_for


@pytest.fixture
def conf(healthy):
    path = healthy.volume.path / "app/zimbra.conf"
    before = path.read_text()
    yield path
    path.write_text(before)
    healthy.zctl("reload")


def reaches(address, port):
    """For what must answer; see shut()."""
    socket.create_connection((address, port), 60).close()
    return True


def shut(address, *ports):
    """Nobody answers these; all asked at once, because the answer is a wait."""
    with contextlib.ExitStack() as all_of, selectors.DefaultSelector() as selector:
        for port in ports:
            s = all_of.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex((address, port))
            selector.register(s, selectors.EVENT_WRITE)
        return not selector.select(1.5)


def test_hup_applies_what_can_change(healthy, conf):
    address = healthy.address
    assert shut(address, 7071) and reaches(address, 443)
    news = healthy.since_now()
    conf.write_text(f"ZIMBRA_OS_SUITE=jammy\nFIREWALL_ADMIN_FROM={lan().gateway}/32\n")
    healthy.signal("HUP")
    text = wait_for("reload: done", lambda: "\n".join(news()) if "reload: done" in "\n".join(news()) else None, 60)
    assert "FIREWALL_ADMIN_FROM applied" in text
    assert "ZIMBRA_OS_SUITE has changed: needs a restart of the container" in text
    assert reaches(address, 7071) and healthy.status()["firewall"]["admin_from"] == [lan().gateway]
    assert healthy.status()["state"] == "running"


def test_zctl_reload_says_the_same(healthy, conf):
    conf.write_text("ZIMBRA_OS_SUITE=bookworm\nFIREWALL_ALLOW_TCP_PORTS_IN=25,443\nZIMBRA_LOCALE=de_DE.UTF-8\n")
    said = healthy.zctl("reload").stdout
    assert "FIREWALL_ALLOW_TCP_PORTS_IN" in said and "ZIMBRA_LOCALE" in said and "restart" in said
    assert healthy.status()["firewall"]["tcp"] == ["25", "443"]
    assert reaches(healthy.address, 443) and shut(healthy.address, 993)


def test_a_wrong_file_changes_nothing(healthy, conf):
    before = healthy.status()["firewall"]
    conf.write_text("ZIMBRA_OS_SUITE=bookworm\nFIREWALL_ADMIN_FROM=0.0.0.0/0\nFIREWALL_ALOW_TCP_PORTS_IN=25\n")
    done = healthy.zctl("reload", check=False)
    assert done.returncode == 5 and "FIREWALL_ALLOW_TCP_PORTS_IN" in done.stdout + done.stderr, done
    news = healthy.since_now()
    healthy.signal("HUP")
    wait_for("nothing is changed", lambda: any("nothing is changed" in line for line in news()), 60)
    assert healthy.status()["firewall"] == before


def test_7071_in_a_list_stays_shut(healthy, conf):
    conf.write_text("ZIMBRA_OS_SUITE=bookworm\nFIREWALL_ALLOW_TCP_PORTS_IN=25,443,7071,9000-9100\n")
    healthy.zctl("reload")
    now = healthy.status()
    assert any("7071 or 9071" in w for w in now["warnings"])
    assert shut(healthy.address, 7071, 9071) and reaches(healthy.address, 443)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_the_file_is_something_else(healthy, conf, kind):
    conf.unlink()
    try:
        if kind == "symlink":
            conf.symlink_to("/etc/shadow")
        elif kind == "fifo":
            os.mkfifo(conf)
        else:
            conf.mkdir()
        done = healthy.zctl("reload", check=False)
        assert done.returncode in (0, 5)
        assert "root:" not in done.stdout + done.stderr
    finally:
        conf.rmdir() if kind == "folder" else conf.unlink()
