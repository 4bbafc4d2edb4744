"""fwctl: the packet filter of a namespace from the command line, without PID 1."""

import json
import pathlib
import re
import subprocess

import pytest

FWCTL = pathlib.Path(__file__).parent.parent.parent / "build/san/fwctl"
OPEN, SHUT = 25, 3306


@pytest.fixture
def fwctl(link):
    """fwctl(words…, env={}, code=0) in the server's namespace; what it said on both streams."""
    if not FWCTL.exists():
        pytest.fail(f"{FWCTL} is not built: make net")

    def call(*words, env=None, code=0):
        pipe = subprocess.PIPE
        done = link.srv.start(str(FWCTL), *map(str, words), stdout=pipe, stderr=pipe, env={"PATH": "/usr/sbin:/usr/bin", **(env or {})})
        out, err = done.communicate(timeout=60)
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{out}{err}"
        return out + err

    return call


@pytest.fixture
def servers(link):
    made = [link.srv.listen(port) for port in (OPEN, SHUT)]
    yield
    for s in made:
        s.close()


def reached(link, version, port):
    try:
        link.cli.connect(link.SRV[version], port, 0.5, link.CLI[version]).close()
    except OSError:
        return False
    return True


def tables(ns):
    return ns.run("nft", "list", "tables").split("\n")[:-1]


def elements(ns, name):
    said = json.loads(ns.run("nft", "-j", "list", "set", "inet", "zimbra", name))["nftables"][1]["set"]
    return said.get("elem", [])


@pytest.mark.parametrize("version", (4, 6))
def test_load_close_remove(link, servers, fwctl, version):
    assert reached(link, version, SHUT)
    assert re.fullmatch(r"loaded: \d\d+ rules in \d+\.\d\d ms\n", fwctl("load"))
    assert reached(link, version, OPEN) and not reached(link, version, SHUT)
    said = fwctl("status")
    assert said.startswith("mode    open\n") and "owner" not in said
    assert re.search(r"^counter closed\S* +[1-9]\d* packets", said, re.M), said
    assert not re.search(r" 0 packets", said)
    fwctl("load", env={"FIREWALL_ALLOW_TCP_PORTS_IN": str(SHUT)})
    assert reached(link, version, SHUT) and not reached(link, version, OPEN)
    assert fwctl("close") == "closed\n"
    assert not reached(link, version, SHUT) and fwctl("status").startswith("mode    closed\n")
    fwctl("remove")
    fwctl("remove")
    assert tables(link.srv) == [] and reached(link, version, OPEN)
    assert fwctl("status") == "mode    absent: nothing is filtered\n"


def test_the_table_is_nobodys(link, fwctl):
    fwctl("load")
    text = link.srv.run("nft", "list", "table", "inet", "zimbra")
    assert "flags" not in text.split("\n")[1]
    link.srv.run("nft", "add", "chain", "inet", "zimbra", "rescue")
    assert "altered" in fwctl("status")
    fwctl("load")
    assert fwctl("status").startswith("mode    open\n")
    link.srv.run("nft", "delete", "table", "inet", "zimbra")


@pytest.mark.parametrize("words", (["print"], ["print", "--probe"]), ids=" ".join)
def test_print_is_what_load_loads(link, fwctl, words):
    text = fwctl(*words)
    if words[1:]:
        fwctl("load")
        assert text.split("\n", 2)[2] == fwctl("rules")
        fwctl("remove")
    assert tables(link.srv) == []
    for _ in range(2):  # the second time it replaces
        link.srv.run("nft", "-f", "-", input=text)
    assert fwctl("rules") == text.split("\n", 2)[2]


def test_check_loads_nothing(link, fwctl):
    assert re.fullmatch(r"good: \d+ rules, \d+ sets, \d+ chains\n", fwctl("check"))
    assert tables(link.srv) == []
    assert "7071 and 9071 stay shut" in fwctl("check", env={"FIREWALL_ALLOW_TCP_PORTS_IN": "25,7071"})
    for name, value, said in (
        ("FIREWALL_ADMIN_FRM", "10.0.0.0/8", "did you mean FIREWALL_ADMIN_FROM?"),
        ("FIREWALL_TRUSTED", "10.1.2.3/8", "FIREWALL_TRUSTED=10.1.2.3/8 is not understood"),
        ("FIREWALL_ALLOW_TCP_PORTS_IN", "65536", "FIREWALL_ALLOW_TCP_PORTS_IN=65536 is not understood"),
    ):
        for command in ("check", "print", "load"):
            assert said in fwctl(command, env={name: value}, code=78)
    for command in ("check", "print", "load"):
        assert "ZIMBRA_FIREWALL=off" in fwctl(command, env={"ZIMBRA_FIREWALL": "off"}, code=1)
    assert tables(link.srv) == []


@pytest.mark.parametrize("version", (4, 6))
def test_bans(link, servers, fwctl, version):
    assert "first `fwctl load'" in fwctl("ban", link.CLI[version], code=1)
    fwctl("load")
    assert reached(link, version, OPEN)
    assert fwctl("ban", link.CLI[version], 100) == "banned: 1\n"
    assert not reached(link, version, OPEN)
    who, left = fwctl("bans").split()
    assert who == link.CLI[version] and 90 < int(left) <= 100
    fwctl("load")  # bans survive
    assert not reached(link, version, OPEN)
    fwctl("unban", link.CLI[version])
    fwctl("unban", link.CLI[version])
    assert reached(link, version, OPEN) and fwctl("bans") == ""
    network = {4: "198.18.0.0/15", 6: "2001:db8:ffff::/48"}[version]
    fwctl("ban", network)
    assert fwctl("bans") == f"{network} -\n"


def test_a_long_list(link, servers, fwctl, tmp_path):
    fwctl("load", env={"FIREWALL_NEVER_BAN": "198.18.7.0/24"})
    path = tmp_path / "list"
    path.write_text("# who\n\n" + "".join(f"198.18.{i >> 8}.{i & 255}\r\n" for i in range(20_000)) + "2001:db8:1::/48\n")
    said = fwctl("ban", "-f", path, 1000, code=1)
    assert "banned: 19745\n" in said and "256 not banned; the first: never to be banned: 198.18.7.0/24" in said
    assert len(elements(link.srv, "ban4")) == 20_000 - 256
    assert len(fwctl("bans").splitlines()) == 20_000 - 256 + 1
    path.write_text("192.0.2.1\n192.0.2.7/24\n")
    assert f"{path} line 2: `192.0.2.7/24' is neither" in fwctl("ban", "-f", path, code=1)
    assert "192.0.2.1 " not in fwctl("bans")


def test_an_owned_table_is_refused(link, servers, fwctl, sessions):
    owner = sessions(link.srv)
    if owner.ok("session")["flags"] == 0:
        pytest.skip("this kernel has no tables with flags owner and persist")
    owner.ok("open", OPEN)
    before = fwctl("rules")
    for words in (("load",), ("close",), ("remove",), ("ban", "192.0.2.1"), ("unban", "192.0.2.1")):
        said = fwctl(*words, code=1)
        assert "belongs to another process" in said and "while zimbra-init runs, use zctl" in said, (words, said)
    assert fwctl("rules") == before and re.search(r"^owner   netlink port \d+", fwctl("status"), re.M)
    owner.kill()
    fwctl("load")  # nobody's by now


def test_wrong_usage(fwctl):
    for words in ([], ["lod"], ["load", "now"], ["load", "--probe"], ["ban"], ["ban", "192.0.2.1", "0"], ["ban", "192.0.2.1", "1s"],
                  ["ban", "host.example"], ["ban", "192.0.2.7/24"], ["ban", "-f"], ["ban", "-f", "x", "1", "2"], ["unban"]):
        assert fwctl(*words, code=2).startswith("fwctl: "), words
    assert "did you mean `load'?" in fwctl("lod", code=2)
    assert "cannot be opened: No such file" in fwctl("ban", "-f", "/nowhere", code=1)
    for words in (["help"], ["--help"], ["ban", "--help"]):
        assert fwctl(*words).startswith("Usage: fwctl ")


def test_not_on_a_host_and_not_without_the_right(link, servers, fwctl):
    link.srv.ip("link add docker0 type veth peer name other0")
    for command in ("load", "close"):
        assert "the network interface docker0" in fwctl(command, code=1) and tables(link.srv) == []
    fwctl("load", "--host")
    assert reached(link, 4, OPEN) and not reached(link, 4, SHUT)
    with link.srv.inside():
        done = subprocess.run(["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", str(FWCTL), "status"], capture_output=True,
                              text=True, check=False)
    assert done.returncode == 1 and "run fwctl as root with CAP_NET_ADMIN" in done.stderr, done
