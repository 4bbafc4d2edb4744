"""What is in the image and what it says about itself."""

import json

import pytest
from box import IMAGE, docker

pytestmark = pytest.mark.usefixtures("engine")


def test_no_program_that_changes_the_filter():
    script = "command -v nft iptables ip6tables iptables-nft iptables-legacy; " \
        r"find / -xdev \( -name nft -o -name 'iptables*' \) -type f"
    done = docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", IMAGE, "-c", script, check=False)
    found = [line for line in done.stdout.split() if "/share/" not in line and "/lib/" not in line]
    assert not found, found


def test_how_it_starts_and_stops():
    config = json.loads(docker("image", "inspect", IMAGE).stdout)[0]["Config"]
    assert config["Entrypoint"] == ["/usr/sbin/zimbra-init"] and config["Cmd"] == ["run"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/zctl", "health"]
    # With a VOLUME line Docker would make an anonymous volume when --volume was forgotten.
    assert not config.get("Volumes")
    ports = {"25", "80", "110", "143", "443", "465", "587", "993", "995", "5222", "5223", "7071", "9071"}
    assert {p.removesuffix("/tcp") for p in config["ExposedPorts"]} == ports


def test_version_needs_nothing():
    done = docker("run", "--rm", IMAGE, "--version")
    assert done.stdout.startswith("zimbra-init ")
    done = docker("run", "--rm", "--entrypoint", "zctl", IMAGE, "version", check=False)
    assert done.stdout.startswith("zctl ") and done.returncode == 3, done
