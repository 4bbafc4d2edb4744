"""Bootstraps that cannot succeed: the state says failed, zctl says why and what to do, and it goes on trying."""

import http.server
import re
import threading

import pytest
from box import IMAGE, docker, lan

pytestmark = pytest.mark.usefixtures("engine")


class Mirror:
    """A small HTTP server on the bridge that containers are on; files: {path: bytes}, everything else is 404."""

    def __init__(self):
        self.files, self.asked = {}, []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                body = mirror.files.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.address = lan().gateway
        self.server = http.server.ThreadingHTTPServer((self.address, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://{self.address}:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def mirror(engine):
    m = Mirror()
    yield m
    m.server.shutdown()


def failed(boxes, volume, *words, **kw):
    c = boxes(volume, **kw)
    failure = c.wait_failed(300)
    said = failure["text"] + "\n" + failure["remedy"]
    for word in words:
        assert word in said, failure
    assert 0 <= failure["retry_in"] <= 600
    names = {p.name for p in volume.path.iterdir()}
    assert names <= {"app"}, names
    assert c.stop()[0] == 70, c.tail()
    return c


def on(url):
    return {"ZIMBRA_OS_MIRROR": url + "/debian", "ZIMBRA_OS_SECURITY_MIRROR": url + "/debian-security"}


def test_wrong_mirror(boxes, empty, mirror):
    failed(boxes, empty, "the mirror does not have this suite", "ZIMBRA_OS_MIRROR", env=on(mirror.url))
    assert any("/debian/dists/bookworm/" in path for path in mirror.asked)


def test_mirror_that_refuses(boxes, empty, mirror):
    failed(boxes, empty, "the mirror cannot be reached", "ZIMBRA_OS_MIRROR", env=on(f"http://{mirror.address}:1"))


def test_mirror_without_name(boxes, empty):
    failed(boxes, empty, "the mirror cannot be reached", "--dns", env=on("http://no-such-host.invalid"))


def test_unknown_key(boxes, empty):
    """A keyring that is valid but not the one that the archive signs with."""
    failed(boxes, empty, "a key that is not trusted", "NO_PUBKEY", "ZIMBRA_OS_KEYRING",
           env={"ZIMBRA_OS_KEYRING": "/usr/share/keyrings/debian-archive-trixie-security-automatic.gpg"})


def test_forged_list(boxes, empty, mirror):
    """The archive's own signed list, with one digest changed on the way."""
    sources = docker("run", "--rm", "--network", "none", "--entrypoint", "apt-get", IMAGE, "indextargets", "--no-release-info",
                     "--format", "$(RELEASE) $(REPO_URI)").stdout
    uri = re.search(r"^bookworm (http\S+?)/*$", sources, re.M).group(1)
    script = f"/usr/lib/apt/apt-helper download-file {uri}/dists/bookworm/InRelease /tmp/f >&2; cat /tmp/f"
    done = docker("run", "--rm", "--entrypoint", "/bin/sh", IMAGE, "-c", script, binary=True)
    real = done.stdout
    assert real.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"), done
    digest = re.search(rb"^ ([0-9a-f]{64}) +\d+ main/binary-amd64/Packages", real, re.M).group(1)
    mirror.files["/debian/dists/bookworm/InRelease"] = real.replace(digest, digest[::-1])
    failed(boxes, empty, "signature", "not valid", "do not work around it", env=on(mirror.url))


def test_it_tries_again(boxes, empty, mirror):
    """Ten seconds later, and then with a longer pause; the state between is booting."""
    c = boxes(empty, env=on(mirror.url))
    c.wait_failed(300)
    c.wait_log(r"next try in 10 s", 60)
    c.wait_log(r"state failed -> booting", 60)
    c.wait_log(r"next try in 20 s", 120)
    assert not c.exec("sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status", check=False).stdout
    assert c.stop()[0] == 70


def test_not_root_cannot_ask(boxes, empty, mirror):
    c = boxes(empty, env=on(mirror.url))
    c.wait_failed(300)
    done = c.exec("zctl", "status", flags=["--user", "1000"], check=False)
    assert done.returncode in (3, 4) and "state" not in done.stdout
    assert c.stop()[0] == 70
