"""The second start: seconds, and nothing is installed again."""

import re
import subprocess

import pytest
from box import IMAGE, ROOT, docker, in_background, layered

GOLDEN = ROOT / "tests/unit/golden"


def test_the_first_stop_was_clean(template):
    if not template.log:
        pytest.skip("E2E_TEMPLATE is set: nobody saw its first stop")
    assert template.exit_code == 0
    print(f"\nstop: {template.seconds:.1f} s")
    assert any("zmcontrol stop" in line for line in template.log)
    assert not any("killing what is left" in line for line in template.log)
    # No pidfile's owner was left to die on its own.
    assert template.log[-1].endswith("exit code 0")


def test_it_takes_seconds(server):
    print(f"\nsecond start: {server.took:.1f} s; " + server.wait_log(r"ready [\d.]+ s after the start").group())


def test_nothing_is_installed_again(server, template):
    now, before = server.volume.path, template.volume.path
    for name in ("var/log/dpkg.log", "var/log/apt/history.log", "opt/zimbra/.install_history", "var/lib/dpkg/status",
                 "app/.state/admin-password", "etc/apt/sources.list"):
        assert (now / name).read_bytes() == (before / name).read_bytes(), name
    assert not re.search(r"install\.sh|apt-get|mmdebstrap|Unpacking|Setting up", server.text)


def mirrors():
    said = docker("run", "--rm", "--network", "none", "--entrypoint", "apt-get", IMAGE, "indextargets", "--no-release-info",
                  "--format", "$(RELEASE) $(REPO_URI)").stdout
    return [re.search(rf"^{suite} (\S+?)/*$", said, re.M).group(1) for suite in ("bookworm", "bookworm-security")]


def test_apt_on_the_volume_is_as_written_down(template):
    main, security = mirrors()
    golden = (GOLDEN / "sources-bookworm.list").read_text()
    golden = golden.replace("http://mirror.example/debian-security", security)
    golden = golden.replace("http://mirror.example/debian ", main + " ")
    etc = template.volume.path / "etc/apt"
    assert (etc / "sources.list").read_text() == golden
    assert not list((etc / "sources.list.d").glob("*.sources")) and not (etc / "trusted.gpg").exists()
    for name, on_volume in (("50unattended-upgrades-bookworm", "50unattended-upgrades"),
                            ("20auto-upgrades-on", "20auto-upgrades")):
        assert (etc / "apt.conf.d" / on_volume).read_text() == (GOLDEN / name).read_text(), name


def test_what_zimbra_needs_is_there(template):
    status = (template.volume.path / "var/lib/dpkg/status").read_text()
    installed = set(re.findall(r"^Package: (\S+)\nStatus: install ok installed$", status, re.M))
    assert {"pax", "sudo", "rsyslog", "cron", "unattended-upgrades", "locales", "perl", "sysstat", "unzip"} <= installed
    assert len(re.findall(r"^Status: ", status, re.M)) == len(re.findall(r"^Status: install ok installed$", status, re.M))


def test_apt_works_in_the_jail(server):
    """The system on the volume updates itself: its sources, keys and locks are usable from where cron runs."""
    done = server.jail("apt-get", "update", timeout=300)
    assert "Err:" not in done.stdout and not re.search(r"^[EW]: ", done.stderr, re.M), done.stdout + done.stderr
    server.jail("apt-get", "--simulate", "upgrade")


def test_settings_that_change_at_a_restart(boxes, volume):
    """Part by part: what an administrator edited meanwhile stays where the variable did not change."""
    (volume.path / "etc/apt/apt.conf.d/20auto-upgrades").write_text("// edited\n")
    c = boxes(volume, "true", env={"ZIMBRA_TIMEZONE": "Europe/Berlin"})
    assert c.wait() == 0, c.tail()
    assert (volume.path / "etc/timezone").read_text() == "Europe/Berlin\n"
    assert (volume.path / "etc/localtime").readlink().name == "Berlin"
    assert (volume.path / "etc/apt/apt.conf.d/20auto-upgrades").read_text() == "// edited\n"
    c = boxes(volume, "true", env={"ZIMBRA_TIMEZONE": "Europe/Berlin", "ZIMBRA_UNATTENDED_UPGRADES": "off"})
    assert c.wait() == 0, c.tail()
    assert (volume.path / "etc/apt/apt.conf.d/20auto-upgrades").read_text() == (GOLDEN / "20auto-upgrades-off").read_text()


def test_another_suite_is_not_installed_over_it(boxes, volume):
    c = boxes(volume, "cat", "/etc/os-release", env={"ZIMBRA_OS_SUITE": "jammy"})
    assert c.wait() == 0 and "VERSION_CODENAME=bookworm" in c.text
    c = boxes(volume, env={"ZIMBRA_OS_SUITE": "jammy"})
    c.wait_log("stage 3 of 7")
    assert "ZIMBRA_OS_SUITE=jammy, but bookworm is installed on the volume and stays" in c.text


def test_host_names(boxes, volume):
    """Without a dot: refused with the remedy. EXTERNAL_HOST_FQDN wins over the container's name."""
    c = boxes(volume, hostname="mail")
    assert c.wait() == 78
    assert 'the container\'s own name "mail" has no dot' in c.text and "--hostname mail.example.com" in c.text
    c = boxes(volume, "sh", "-c", "hostname; hostname -f; cat /etc/hosts /etc/hostname", hostname="mail",
              env={"EXTERNAL_HOST_FQDN": "mx.example.net"})
    assert c.wait() == 0
    assert c.text.splitlines().count("mx.example.net") == 3, c.text
    address = re.search(r"^([\d.]+)\s+mx\.example\.net\s+mx$", c.text, re.M).group(1)
    assert not address.startswith("127."), "Zimbra's installer insists on an address that is not the loopback's"


@in_background
def test_without_filter_and_without_the_right_to_one(template):
    with layered(template, caps=False, flags=["--cap-add", "SYS_ADMIN"], env={"ZIMBRA_FIREWALL": "off"}, name="open") as c:
        now = c.status()
        assert now["firewall"] == {"active": False, "mode": "off", "tcp": [], "udp": [], "admin_from": []}
        assert any("ZIMBRA_FIREWALL=off" in w for w in now["warnings"])
        assert "not active" in c.zctl("status").stdout
        assert subprocess.run(["timeout", "20", "bash", "-c", f"</dev/tcp/{c.address}/7071"], check=False).returncode == 0
        assert c.stop()[0] == 0
