"""A container that cannot work is refused at once, exit 78, with the thing, its value and the remedy."""

import pytest
from box import IMAGE, NOFILE, docker, limits, one_shot

pytestmark = pytest.mark.usefixtures("engine")


def refused(volume, *words, **kw):
    code, text = one_shot(volume, **kw)
    assert code == 78, text
    for word in words:
        assert word in text, f"{word!r} is missing in:\n{text}"
    return text


CAPS = {"NET_ADMIN": ["--cap-add", "SYS_ADMIN"], "SYS_ADMIN": ["--cap-add", "NET_ADMIN"]}


@pytest.mark.parametrize("missing", CAPS)
def test_missing_capability(empty, missing):
    text = refused(empty, f"capabilities are missing: {missing}", f"docker run --cap-add {missing}",
                   f"capabilities.add: [{missing}]", caps=False, flags=CAPS[missing])
    assert ("ZIMBRA_FIREWALL=off" in text) == (missing == "NET_ADMIN")
    assert not list(empty.path.iterdir())


def test_all_findings_at_once(empty):
    refused(empty, "capabilities are missing: SYS_ADMIN, NET_ADMIN", "no-new-privileges is set", "not process 1", caps=False,
            flags=["--security-opt", "no-new-privileges", "--init"])


def test_dropped_capability_that_the_jail_needs(empty):
    refused(empty, "capabilities are missing: SETUID, AUDIT_WRITE", "--cap-add SETUID --cap-add AUDIT_WRITE",
            flags=["--cap-drop", "SETUID", "--cap-drop", "AUDIT_WRITE"])


FLAGS = {
    "no-new-privileges": (["--security-opt", "no-new-privileges"],
                          ["no-new-privileges is set", "without --security-opt no-new-priv"]),
    "init": (["--init"], ["zimbra-init is not process 1", "docker run without --init", "ZIMBRA_ALLOW_NOT_PID1=1"]),
    "pid host": (["--pid", "host"], ["process namespace of the host", "docker run without --pid host", "hostPID: false"]),
    "user": (["--user", "1000"], ["started as user 1000", "docker run without --user"]),
    "read-only root": (["--read-only"], ["root file system is read-only", "docker run without --read-only"]),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_flag(empty, flag):
    flags, words = FLAGS[flag]
    refused(empty, *words, flags=flags)


def test_network_of_the_host(empty):
    # Without NET_ADMIN: should the refusal ever fail, this machine keeps its network.
    refused(empty, "shares the network of the host", "without --network host", "hostNetwork: false", caps=False, hostname=None,
            flags=["--cap-add", "SYS_ADMIN", "--network", "host"], env={"EXTERNAL_HOST_FQDN": "mail.example.test"})


def test_low_limit_of_open_files(empty):
    text = refused(empty, "the hard limit of open files is 4096", f"need {NOFILE}", f"--ulimit nofile={NOFILE}:{NOFILE}",
                   "ZIMBRA_MIN_NOFILE=4096", env={"ZIMBRA_MIN_NOFILE": None}, flags=["--ulimit", "nofile=4096:4096"])
    assert "LimitNOFILE" in text
    refused(empty, "need 4097", env={"ZIMBRA_MIN_NOFILE": "4097"}, flags=["--ulimit", "nofile=4096:4096"])


def test_low_memory(empty):
    probe = docker("run", "--rm", "--network", "none", "--memory", "600m", "--entrypoint", "/bin/true", IMAGE, check=False)
    if probe.returncode:
        pytest.skip("this engine cannot limit memory: " + probe.stderr.strip())
    refused(empty, "the container may use 600 MiB of memory", "needs 4096 MiB", "docker run --memory 4096m",
            "ZIMBRA_MIN_MEMORY=600", flags=["--memory", "600m"])


NAMES = {
    "ZIMBRA_RELASE": "ZIMBRA_RELEASE",
    "FIREWALL_ADMIN_FORM": "FIREWALL_ADMIN_FROM",
    "ZIMBRA_ADMIN_PASWORD_FILE": "ZIMBRA_ADMIN_PASSWORD",
    "TLS_CERT_FILE_PATH": "TLS_CRT_FILE_PATH",
}


@pytest.mark.parametrize("name", NAMES)
def test_unknown_variable(empty, name):
    text = refused(empty, name, NAMES[name], env={name: "s3cret-value"})
    assert "s3cret-value" not in text or not name.endswith("PASWORD_FILE")


def test_variable_like_nothing_we_know(empty):
    refused(empty, "ZIMBRA_XYZZY_PLUGH", env={"ZIMBRA_XYZZY_PLUGH": "1"})


VALUES = {
    "ZIMBRA_OS_SUITE": ("trusty", "jammy|bookworm"),
    "FIREWALL_ALLOW_TCP_PORTS_IN": ("25,70000", "1 to 65535"),
    "FIREWALL_ADMIN_FROM": ("192.0.2.1/24", "host bits"),
    "EXTERNAL_HOST_FQDN": ("mail", "a full host name with a dot"),
    "ZIMBRA_STOP_TIMEOUT": ("soon", "7200"),
    "ZIMBRA_RELEASE": ("https://example.org/zcs.tgz", "a URL is refused"),
    "ZIMBRA_OS_MIRROR": ("ftp://mirror.example/", "http:// or https://"),
    "ZIMBRA_FIREWALL": ("perhaps", "off|on|monitor"),
}


@pytest.mark.parametrize("name", VALUES)
def test_malformed_value(empty, name):
    value, expected = VALUES[name]
    refused(empty, name, value, expected, env={name: value})


def test_malformed_secret_is_not_shown(empty):
    text = refused(empty, "ZIMBRA_ADMIN_PASSWORD", env={"ZIMBRA_ADMIN_PASSWORD": "blanks are not allowed"})
    assert "blanks are" not in text


def test_secret_in_a_file_that_is_missing(empty):
    refused(empty, "ZIMBRA_ADMIN_PASSWORD_FILE", "/run/secrets/none", env={"ZIMBRA_ADMIN_PASSWORD_FILE": "/run/secrets/none"})


def test_wrong_line_in_the_file_of_settings(empty):
    (empty.path / "app").mkdir()
    (empty.path / "app/zimbra.conf").write_text("FIREWALL_ALLOW_TCP_PORTS_IN=25\nZIMBRA_TIMEZON=Europe/Berlin\n")
    text = refused(empty, "zimbra.conf", "ZIMBRA_TIMEZON", "ZIMBRA_TIMEZONE")
    assert "2" in text  # the line
    assert sorted(p.name for p in empty.path.rglob("*")) == ["app", "zimbra.conf"]


def test_service_links_of_kubernetes_are_ignored(boxes, empty):
    c = boxes(empty, env={"ZIMBRA_SERVICE_HOST": "10.0.0.1", "ZIMBRA_PORT": "tcp://10.0.0.1:25",
                          "ZIMBRA_PORT_25_TCP": "tcp://10.0.0.1:25", "ZIMBRA_SERVICE_PORT_SMTP": "25"})
    c.wait_log("stage 2 of 7")


def test_the_nofile_flag_of_the_suite_is_real():
    """The suite runs with less than Zimbra's limit only where the engine cannot give it."""
    lim = limits()
    assert lim.nofile == NOFILE or lim.env["ZIMBRA_MIN_NOFILE"] == str(lim.nofile)
