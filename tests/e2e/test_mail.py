"""The main job: mail comes in from outside, is read with a password, and not without."""

import http.client
import imaplib
import json
import poplib
import smtplib
import ssl
import uuid

import pytest
from box import ADMIN, HOST, ROOT, SOAK, in_background, layered, wait_for

INSECURE = ssl._create_unverified_context()


@pytest.fixture
def address(healthy):
    return healthy.address


def imap(address, password):
    box = imaplib.IMAP4_SSL(address, 993, ssl_context=INSECURE, timeout=60)
    box.login(ADMIN, password)
    return box


def test_a_mail_arrives_and_is_read(server, address):
    mark = str(uuid.uuid4())
    with smtplib.SMTP(address, 25, "client.example.org", timeout=60) as smtp:
        mail = f"Subject: {mark}\r\nFrom: somebody@example.org\r\n\r\nHello.\r\n"
        assert smtp.sendmail("somebody@example.org", [ADMIN], mail) == {}
    box = imap(address, server.password())

    def look():
        box.select("INBOX")
        return box.search(None, "SUBJECT", mark)[1][0]

    found = wait_for("the mail", look, 60)
    text = box.fetch(found.split()[0], "(RFC822)")[1][0][1].decode()
    assert mark in text and "Hello." in text
    box.store(found.split()[0], "+FLAGS", "\\Deleted")
    box.expunge()
    box.logout()


def test_nobody_relays(address):
    with smtplib.SMTP(address, 25, "client.example.org", timeout=60) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("somebody@example.org", ["somebody@example.com"], "Subject: x\r\n\r\nx\r\n")


def test_submission(server, address):
    with smtplib.SMTP_SSL(address, 465, "client.example.org", timeout=60, context=INSECURE) as smtp:
        assert smtp.login(ADMIN, server.password())[0] == 235


def test_web(address):
    web = http.client.HTTPSConnection(address, 443, timeout=60, context=INSECURE)
    web.request("GET", "/", headers={"Host": HOST})
    answer = web.getresponse()
    assert answer.status == 200 and b"Sign In" in answer.read()
    web = http.client.HTTPConnection(address, 80, timeout=60)
    web.request("GET", "/", headers={"Host": HOST})
    answer = web.getresponse()
    assert answer.status in (301, 302) and answer.getheader("Location").startswith("https://")


def wrong_passwords(address, password):
    for wrong in ("not the password", password + "x"):
        with pytest.raises(imaplib.IMAP4.error):
            imap(address, wrong)
    pop = poplib.POP3_SSL(address, 995, context=INSECURE, timeout=60)
    pop.user(ADMIN)
    with pytest.raises(poplib.error_proto):
        pop.pass_("not the password")
    with smtplib.SMTP(address, 587, "client.example.org", timeout=60) as smtp:
        smtp.starttls(context=INSECURE)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(ADMIN, "not the password")


@in_background
def test_passwords_and_the_releases_own_test(template):
    """
    A wrong password is refused, each time more slowly. docker/lab/selftest.sh, in the jail; in full (it kills and stops servers)
    only in the long run. Meanwhile nobody sees the one secret that was given.
    """
    with layered(template, name="selftest", env={"ZIMBRA_ADMIN_PASSWORD": "Th3-s3cret-word"}) as c:
        wrong_passwords(c.address, c.password())
        (c.volume.path / "root/selftest.sh").write_bytes((ROOT / "docker/lab/selftest.sh").read_bytes())
        done = c.jail("bash", "/root/selftest.sh", ADMIN, c.password(), *([] if SOAK else ["--quick"]), check=False, timeout=900)
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
        assert done.returncode == 0 and not failed, "\n".join(failed) or done.stdout + done.stderr
        c.wait_state("running")
        assert "s3cret" not in c.exec("sh", "-c", "cat /proc/1/environ | tr '\\0' '\\n'").stdout
        # The engine itself hands the container's variables to `docker exec`; the jail does not get them.
        assert "s3cret" not in c.jail("sh", "-c", "env; cat /proc/[0-9]*/environ 2>/dev/null; true").stdout
        assert "s3cret" not in c.zctl("config", "--json").stdout + c.text + json.dumps(c.status())
        assert c.stop()[0] == 0
        return done.stdout.splitlines()[-1]
