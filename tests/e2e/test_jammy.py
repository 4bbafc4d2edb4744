"""The image's default suite, where its archive answers."""

import re

import pytest
from box import ROOT


def test_bootstrap(jammy):
    container, why_not = jammy
    if not container:
        silent = r"cannot get the keys of the Ubuntu archive|the mirror cannot be reached|mirror does not have this suite"
        assert re.search(silent, why_not), why_not
        pytest.skip("jammy's archive does not answer: " + " ".join(why_not.split()))
    path = container.volume.path
    assert "VERSION_CODENAME=jammy" in (path / "etc/os-release").read_text()
    assert (path / "etc/apt/sources.list").read_text() == (ROOT / "tests/unit/golden/sources-jammy.list").read_text()
    status = (path / "var/lib/dpkg/status").read_text()
    assert len(re.findall(r"^Status: ", status, re.M)) == len(re.findall(r"^Status: install ok installed$", status, re.M))
    assert container.stop()[0] in (0, 70)
