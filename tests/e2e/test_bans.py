"""zctl ban: who is banned hears nothing, until it is unbanned or the time is up; and a restart changes nothing about it."""

import json
import os
import re
import subprocess
import time

import pytest
from box import IMAGE, LABEL, PREFIX, Container, docker, lan, wait_for


class Client:
    """A container of its own on the same network: this machine is the gateway, which cannot be banned."""

    def __init__(self, name):
        self.name = f"{PREFIX}-{name}"
        docker("run", "--detach", "--name", self.name, "--label", f"{LABEL}={os.getpid()}", "--network", lan().name,
               "--entrypoint", "/bin/sleep", IMAGE, "100000")
        facts = json.loads(docker("inspect", self.name).stdout)[0]
        self.pid = facts["State"]["Pid"]
        self.address = facts["NetworkSettings"]["Networks"][lan().name]["IPAddress"]

    def greeted(self, server, seconds=2):
        """What port 25 says first; "" if nothing comes."""
        script = 'exec 3<>"/dev/tcp/$1/25" && read -r line <&3 && printf "%s" "$line"'
        try:
            done = subprocess.run(["nsenter", "--target", str(self.pid), "--net", "bash", "-c", script, "x", server.address],
                                  capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.decode()


@pytest.fixture(scope="module")
def client(engine):
    made = Client("client")
    yield made
    docker("rm", "--force", made.name)


def bans(server):
    said = json.loads(server.zctl("bans", "--json").stdout)
    assert said["schema"] == 1 and said["complete"] is True
    return {b["address"]: b["seconds_left"] for b in said["bans"]}


def refused(server, *words):
    done = server.zctl("ban", *words, check=False)
    assert done.returncode and not done.stdout
    return done.returncode, done.stderr


def test_banned_and_unbanned(healthy, client):
    assert client.greeted(healthy, 30).startswith("220 ")
    news = healthy.since_now()
    assert healthy.zctl("ban", client.address).stdout == f"{client.address} is banned for 1h 00m.\n"
    assert client.greeted(healthy) == ""
    assert 3500 < bans(healthy)[client.address] <= 3600
    assert re.search(rf"^{re.escape(client.address)} +(1h 00m|59m \d\ds)$", healthy.zctl("bans").stdout, re.M)
    assert healthy.zctl("unban", client.address).stdout == f"{client.address} is not banned.\n"
    assert client.greeted(healthy, 30).startswith("220 ")
    assert bans(healthy) == {} and healthy.zctl("bans").stdout == "Nobody is banned.\n"
    healthy.zctl("unban", client.address)  # once more is no error
    text = "\n".join(news())
    assert f"firewall: zctl ban: {client.address} for 3600 s" in text and f"firewall: zctl unban: {client.address}" in text


def test_a_ban_ends_by_itself(healthy, client):
    begin = time.monotonic()
    healthy.zctl("ban", client.address, "4")
    assert client.greeted(healthy, 1) == ""
    wait_for("the end of the ban", lambda: client.greeted(healthy), 60)
    assert time.monotonic() - begin >= 4
    healthy.zctl("unban", client.address)


def test_networks_and_both_families(healthy):
    for words in (["203.0.113.0/24", "60"], ["2001:db8:77::/48", "-"], ["2001:db8::7", "forever"]):
        healthy.zctl("ban", *words)
    now = bans(healthy)
    assert list(now) == ["203.0.113.0/24", "2001:db8::7", "2001:db8:77::/48"] and 50 < now["203.0.113.0/24"] <= 60
    assert now["2001:db8::7"] is None and now["2001:db8:77::/48"] is None
    assert "for good" in healthy.zctl("bans").stdout
    healthy.zctl("unban", "203.0.113.0/25")  # a part of it
    assert "203.0.113.128/25" in bans(healthy)
    for who in ("203.0.113.0/24", "2001:db8::/32"):
        healthy.zctl("unban", who)
    assert bans(healthy) == {}


def test_who_is_never_banned(healthy):
    for who, says in {healthy.address: "is an address of this container", lan().gateway: "FIREWALL_NODE",
                      re.sub(r"\d+\.\d+$", "0.0/16", lan().gateway): "cannot be banned"}.items():
        code, said = refused(healthy, who)
        assert code == 4 and says in said and who in said, said
    for words in (["127.0.0.1"], ["224.0.0.1"]):
        code, said = refused(healthy, *words)
        assert code == 5 and "cannot be banned" in said, said
    for words in (["10.1.2.3/8"], ["mail.example.test"], ["192.0.2.7", "0"], ["192.0.2.7", "1h"], []):
        code, said = refused(healthy, *words)
        assert code == 64 and "zctl help ban" in said, said
    assert bans(healthy) == {}


def test_rules(healthy):
    text = healthy.zctl("firewall", "rules").stdout
    assert text.startswith("table inet zimbra {") and text.rstrip().endswith("}") and "chain" in text
    assert json.loads(healthy.zctl("firewall", "rules", "--json").stdout)["rules"].startswith("table inet zimbra {")
    assert healthy.zctl("firewall", "rulse", check=False).returncode == 64


def test_they_survive_a_restart(volume, client):
    file = volume.path / "app/.state/bans"
    c = Container(volume, name="bans")
    try:
        c.wait_state("running")
        c.zctl("ban", client.address, "3600")
        c.zctl("ban", "2001:db8::/32", "-")
        c.zctl("ban", "192.0.2.1", "1")
        begin = time.time()
        assert c.stop()[0] == 0
        assert file.stat().st_mode & 0o7777 == 0o600
        c.start().wait_state("running")
        wait_for("bans", lambda: bans(c), 30)
        now, gone = bans(c), time.time() - begin
        assert set(now) == {client.address, "2001:db8::/32"} and now["2001:db8::/32"] is None
        assert 3600 - gone - 10 <= now[client.address] <= 3600 - gone + 10
        assert "2 bans restored" in c.text and client.greeted(c) == ""
        # A file that is damaged is not believed, but kept.
        c.stop()
        file.write_text(file.read_text().replace("3", "4", 1))
        c.start().wait_state("running")
        c.wait_log("are not restored: it is damaged; the file is kept")
        assert bans(c) == {} and not file.exists() and list(file.parent.glob(".bans.aside-*"))
        assert client.greeted(c, 30).startswith("220 ")
        # What nothing had time for but some seconds: a kill.
        c.zctl("ban", client.address)
        wait_for("the file", file.exists, 30)
        c.kill()
        c.start().wait_state("running")
        wait_for("bans", lambda: client.address in bans(c), 30)
    finally:
        c.remove()
