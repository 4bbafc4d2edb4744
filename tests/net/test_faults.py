"""Every call to the kernel fails once, in every way, at every place: what is in force is the old or the new, the result says
which of them, and what was shut stays shut all the time."""

import contextlib
import errno
import threading
import time

import pytest
import wire
from conftest import SOAK

ASAN = "verify_asan_link_order=0"
PORT = 22  # listens, and is never public

E = errno
KINDS = {
    "socket": (E.EMFILE, E.ENOBUFS, E.EPERM, E.EINTR),
    "setsockopt": (E.EPERM, E.ENOPROTOOPT, E.ENOMEM),
    "bind": (E.EADDRINUSE, E.ENOMEM),
    "getsockname": (E.ENOBUFS,),
    "getrandom": (E.EAGAIN, E.ENOSYS),
    "sendto": (E.ENOBUFS, E.EINTR, E.EPERM, E.EAGAIN, E.EMSGSIZE, E.ECONNREFUSED, "short"),
    "ppoll": (E.EINTR, E.ENOMEM, "early"),
    "recv": (E.ENOBUFS, E.EINTR, E.ENOMEM),
    "recvfrom": (
        E.ENOBUFS, E.EINTR, E.EAGAIN, E.EPERM, E.ENOMEM,
        "drop", "lost", "cut", "long", "garbage", "stale", "forged", "late",
    ),
}  # fmt: skip
FAULTS = [f"{call}:{kind}" for call, kinds in KINDS.items() for kind in kinds]
UNKNOWN = -E.ETIMEDOUT
IN_FORCE = (0, -E.EUCLEAN)  # the latter: but it could not be read back
# The kernel says ENOBUFS when it loses something (and is never late, which only takes time here); of a list that misses a part without a word nobody can know.
LISTED = [f for f in FAULTS if f not in ("recvfrom:drop", "recvfrom:late")]
# From one place on for good: the second look fails as well. Most of these cost all the time that there is.
FOREVER = (f"socket:{E.EMFILE}", f"sendto:{E.ENOBUFS}", "ppoll:early", "recvfrom:lost", "recvfrom:drop", "recvfrom:stale")
FOREVER_PLACES = 3

@contextlib.contextmanager
def a_closed_port_is_watched(link):
    """SYNs to a port where somebody listens, all the time; nothing may ever answer."""
    frames = list(link.tcp_frames(4, [PORT])) + list(link.tcp_frames(6, [PORT]))
    stop = threading.Event()
    sent = [0]

    def send():
        while not stop.is_set():
            link.send(frames)
            sent[0] += len(frames)
            time.sleep(0.0005)

    server = link.srv.listen(PORT)
    thread = threading.Thread(target=send)
    with wire.Capture(link) as cap:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            server.close()
            answers = cap.wait(0.1)
    assert sent[0] > 0 and answers == []


class Faulty:
    """A session that is kept, or none, with faults from now on at the call that is wanted."""

    def __init__(self, sessions, ns, shim_path, hit, way, rng):
        self.hit, self.rng = hit, rng
        self.happened = False
        self.s = sessions(ns, {"LD_PRELOAD": shim_path, "ASAN_OPTIONS": ASAN, "FAULT_HIT": str(hit), "FAULT": "none"})
        self.s.ok(way)

    def call(self, fault, at, *words):
        """What it said, and whether the fault happened at all."""
        self.hit.unlink(missing_ok=True)
        # Other names count from one.
        self.s.ok("fault", "none")
        self.s.ok("fault", fault, at)
        said = self.s.call(*words)
        self.happened = self.hit.exists()
        self.s.ok("fault", "none")
        return said, self.happened

    def places(self, last, stride):
        """Which calls are to fail, until one of them is not made any more: each in a soak. An operation makes up to hundreds
        of calls, so usually it is the first, for every fault, and some of the others: strides from 1 to 19 are a random tenth."""
        at = 1
        while at <= last:
            yield at
            if not self.happened:
                return
            at += 1 if SOAK else self.rng.randint(1, stride)

    def each_place(self, fault, *words, prepare=None, places=400, plus=""):
        """At the first call, the second, ... until there is none; says what each of them led to."""
        for at in self.places(FOREVER_PLACES if plus else places, 1 if plus else 19):
            if prepare:
                prepare()
            said, happened = self.call(fault, f"{at}{plus}", *words)
            yield said
            if not happened:
                assert said["r"] == 0, (fault, at, said)
        assert plus or not happened, "it never ends"


@pytest.fixture(params=("session", "alone"))
def faulty(request, sessions, link, shim_path, tmp_path, rng):
    return Faulty(sessions, link.srv, shim_path, tmp_path / "hit", request.param, rng)


@pytest.mark.parametrize("plus", ("", "+"), ids=("once", "forever"))
def test_replacing_the_rules(faulty, link, plus):
    faulty.s.ok("close")
    with a_closed_port_is_watched(link):
        check_replacing(faulty, plus)


def check_replacing(faulty, plus):
    """From closed to open: the table is the one before or the one after, whole."""
    results = set()
    for fault in FOREVER if plus else FAULTS:
        for said in faulty.each_place(fault, "open", 25, prepare=lambda: faulty.s.ok("close"), plus=plus):
            mode = faulty.s.ok("read")["mode"]
            results.add(said["r"])
            if said["r"] in IN_FORCE:
                assert mode == "open", (fault, said)
            elif said["r"] == UNKNOWN:
                assert mode in ("open", "closed"), (fault, said)
            else:
                assert mode == "closed", (fault, said)
                assert said["what"], (fault, said)
    # The faults were real.
    assert len(results) > (2 if plus else 4)


def test_the_first_table(faulty):
    for fault in FAULTS:
        check_the_first_table(faulty, fault)


def check_the_first_table(faulty, fault):
    for said in faulty.each_place(fault, "close", prepare=lambda: faulty.s.ok("remove")):
        mode = faulty.s.ok("read")["mode"]
        assert mode == "closed" if said["r"] in IN_FORCE else mode in (("absent", "closed") if said["r"] == UNKNOWN else ("absent",))


def test_reading(faulty):
    """The right answer or an error, never another answer."""
    faulty.s.ok("open", 25)
    want = {k: v for k, v in faulty.s.ok("read").items() if k in ("mode", "owner", "generation")}
    for fault in FAULTS:
        for said in faulty.each_place(fault, "read"):
            # What is lost without a word looks like a change, never like a table that is as it should be.
            if said["r"] == 0 and not (fault == "recvfrom:drop" and said["mode"] == "altered"):
                assert {k: said[k] for k in want} == want, fault


ONE = ("ban", "192.0.2.1", 600), {"192.0.2.1"}
SEVERAL = ("ban", "10.0.0.0/8", 600, "2001:db8::/32", "-", "2001:db9::1", 60), {"10.0.0.0/8", "2001:db8::/32", "2001:db9::1"}


@pytest.mark.parametrize("words, who, plus", ((*ONE, ""), (*ONE, "+"), (*SEVERAL, "")), ids=("one", "one-forever", "several"))
def test_banning(faulty, link, words, who, plus):
    faulty.s.ok("open", 25)
    with a_closed_port_is_watched(link):
        for fault in FOREVER if plus else FAULTS if len(who) == 1 else [f for f in FAULTS if f != "recvfrom:late"]:
            for said in faulty.each_place(fault, *words, prepare=lambda: faulty.s.ok("flush"), plus=plus):
                bans = set(faulty.s.bans())
                assert bans <= who
                if said["r"] == 0:
                    assert bans == who and said["done"] == len(who), (fault, said)
                elif said["r"] != UNKNOWN:
                    # In pieces, one family and kind after the other: what it says is there is there.
                    assert len(bans) >= said["done"] and said["what"], (fault, said)
                    assert len(who) > 1 or not bans, (fault, said)


def test_lifting_a_ban(faulty, link):
    faulty.s.ok("open", 25)

    def prepare():
        faulty.s.ok("ban", "10.0.0.0/24", 600, "192.0.2.1", 600)

    for fault in LISTED:
        for said in faulty.each_place(fault, "unban", "10.0.0.0/25", prepare=prepare):
            bans = set(faulty.s.bans())
            before, after = {"10.0.0.0/24", "192.0.2.1"}, {"10.0.0.128/25", "192.0.2.1"}
            if said["r"] == 0:
                assert bans == after, (fault, said)
            else:
                assert bans == before or said["r"] == UNKNOWN and bans == after, (fault, said)


def test_listing_bans(faulty, link):
    faulty.s.ok("open", 25)
    faulty.s.ok("load", "11.0.0.0", 3000, 0)
    faulty.s.ok("networks", "12.0.0.0", 500, 0)
    for fault in LISTED:
        for said in faulty.each_place(fault, "count"):
            assert said["r"] != 0 or said["count"] == 3500, (fault, said)


def test_opening_a_session_probing_and_watching(sessions, link, shim_path, tmp_path, rng):
    faulty = Faulty(sessions, link.srv, shim_path, tmp_path / "hit", "session", rng)
    flags = faulty.s.ok("session")["flags"]
    for fault in FAULTS:
        for said in faulty.each_place(fault, "session", prepare=lambda: faulty.s.ok("alone")):
            assert said["r"] != 0 or said["flags"] == flags, (fault, said)
    faulty.s.ok("session")
    for fault in FAULTS:
        for said in faulty.each_place(fault, "watch"):
            assert said["r"] == 0 or said["what"], (fault, said)
        for said in faulty.each_place(fault, "probe", places=400):
            # A failed question is no missing feature.
            assert said["r"] != 0 or not {n: t for n, t in said["has"].items() if t and n != "element_update"}, (fault, said)
        assert "zimbra-try" not in link.srv.run("nft", "list", "tables") or said["r"] != 0


@pytest.mark.parametrize("way", ("session", "alone"))
def test_kernels_that_do_not_acknowledge_the_end(sessions, link, shim_path, tmp_path, way, rng):
    """As before 6.10."""
    faulty = Faulty(sessions, link.srv, shim_path, tmp_path / "hit", way, rng)
    faulty.s.ok("fault", "noack")
    for words, mode in ((("close",), "closed"), (("open", 25), "open"), (("close",), "closed")):
        said = faulty.s.call(*words)
        faulty.s.ok("fault", "none")
        assert said["r"] == 0 and faulty.s.ok("read")["mode"] == mode
        faulty.s.ok("fault", "noack")
