"""The main job: mail comes in from outside, is read with a password, and not without."""

import http.client
import imaplib
import poplib
import smtplib
import ssl
import time
import uuid

import pytest
from box import ADMIN, HOST, ROOT, SOAK, Container

INSECURE = ssl._create_unverified_context()


@pytest.fixture
def address(healthy):
    return healthy.address


def imap(address, password):
    box = imaplib.IMAP4_SSL(address, 993, ssl_context=INSECURE, timeout=20)
    box.login(ADMIN, password)
    return box


def test_a_mail_arrives_and_is_read(server, address):
    mark = str(uuid.uuid4())
    with smtplib.SMTP(address, 25, "client.example.org", timeout=20) as smtp:
        assert smtp.sendmail("somebody@example.org", [ADMIN], f"Subject: {mark}\r\nFrom: somebody@example.org\r\n\r\nHello.\r\n") == {}
    box = imap(address, server.password())
    found = None
    for _ in range(60):
        box.select("INBOX")
        found = box.search(None, "SUBJECT", mark)[1][0]
        if found:
            break
        time.sleep(0.5)
    assert found, "the mail did not arrive within 30 s"
    text = box.fetch(found.split()[0], "(RFC822)")[1][0][1].decode()
    assert mark in text and "Hello." in text
    box.store(found.split()[0], "+FLAGS", "\\Deleted")
    box.expunge()
    box.logout()


def test_wrong_password(server, address):
    with pytest.raises(imaplib.IMAP4.error):
        imap(address, "not the password")
    with pytest.raises(imaplib.IMAP4.error):
        imap(address, server.password() + "x")
    pop = poplib.POP3_SSL(address, 995, context=INSECURE, timeout=20)
    pop.user(ADMIN)
    with pytest.raises(poplib.error_proto):
        pop.pass_("not the password")


def test_nobody_relays(address):
    with smtplib.SMTP(address, 25, "client.example.org", timeout=20) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("somebody@example.org", ["somebody@example.com"], "Subject: x\r\n\r\nx\r\n")


def test_submission_needs_the_password(server, address):
    with smtplib.SMTP(address, 587, "client.example.org", timeout=20) as smtp:
        smtp.starttls(context=INSECURE)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(ADMIN, "not the password")
    with smtplib.SMTP_SSL(address, 465, "client.example.org", timeout=20, context=INSECURE) as smtp:
        assert smtp.login(ADMIN, server.password())[0] == 235


def test_web(address):
    web = http.client.HTTPSConnection(address, 443, timeout=20, context=INSECURE)
    web.request("GET", "/", headers={"Host": HOST})
    answer = web.getresponse()
    assert answer.status == 200 and b"Sign In" in answer.read()
    web = http.client.HTTPConnection(address, 80, timeout=20)
    web.request("GET", "/", headers={"Host": HOST})
    answer = web.getresponse()
    assert answer.status in (301, 302) and answer.getheader("Location").startswith("https://")


def test_the_releases_own_test(server, template):
    """docker/lab/selftest.sh, in the jail; in full (it kills and stops servers) only in the long run, on a copy of its own."""
    c = server
    if SOAK:
        c = Container(template.volume.layer("selftest"), name="selftest")
        c.wait_state("running")
    (c.volume.path / "root/selftest.sh").write_bytes((ROOT / "docker/lab/selftest.sh").read_bytes())
    done = c.jail("bash", "/root/selftest.sh", ADMIN, c.password(), *([] if SOAK else ["--quick"]), check=False, timeout=900)
    (c.volume.path / "root/selftest.sh").unlink()
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert done.returncode == 0 and not failed, "\n".join(failed) or done.stdout + done.stderr
    print("\n" + done.stdout.splitlines()[-1])
    if SOAK:
        c.remove(volume=True)
    else:
        c.wait_state("running")
