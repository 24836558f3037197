"""How a bind begins, lives, ends and comes back, against node-smpp."""

from __future__ import annotations

import struct
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onceline.suppliers.base import Configured
from onceline.suppliers.smpp import kind
from tests.edge.door import eventually
from tests.suppliers.smpp.conftest import PACE, PATIENCE, SUPPLIER, Mast
from tests.suppliers.smpp.smsc import smsc as started
from tests.suppliers.smpp.vectors import addressed, sms

NACK, IMPOSSIBLE, NO_SUCH_COMMAND = "nack", 2, 3


def hail(mast: Mast, number: str, text: bytes = b"Your code is 246810") -> None:
    """A message comes through."""
    mast.smsc.queue([addressed(sms(text), [number], "hail")])
    mast.smsc.wait("drained")
    mast.await_texts(number, *mast.texts(number)[:-1], text.decode())


@pytest.mark.parametrize("mode", ["transceiver", "receiver"])
def test_a_bind_says_who_we_are(mast: Mast, mode: str) -> None:
    with mast.bound(bind=mode, system_id="me-and-nobody-else", system_type="VMA", wait=False):
        event = mast.smsc.wait("bind")
        eventually(lambda: mast.fact("state") == "bound")
    assert (event["mode"], event["system_id"], event["system_type"]) == (mode, "me-and-nobody-else", "VMA")
    assert (event["status"], event["version"]) == (0, 0x34)


def test_our_own_end_is_an_unbind(mast: Mast) -> None:
    with mast.bound():
        pass
    assert mast.smsc.wait("unbind")["session"] == 0
    assert mast.smsc.wait("closed")


def test_an_end_waits_for_no_answer_to_its_unbind_for_long(mast: Mast) -> None:
    with mast.bound():
        mast.smsc.tell("mute", on=True)
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_several_binds_stand_side_by_side(mast: Mast) -> None:
    number, other = mast.own(2)
    with mast.bound(binds=2):
        messages = [
            addressed(sms(f"Your code is {7000 + at}".encode()), [number, other], f"{at}") for at in range(20)
        ]
        mast.smsc.queue(messages, window=1)
        mast.smsc.wait("drained")
        mast.await_texts(number, *(f"Your code is {7000 + at}" for at in range(20)))
        used = {event["session"] for event in mast.smsc.events if event["event"] == "acknowledged"}
    assert used == {0, 1}
    assert set(mast.intake.beats) == {"carrier/1", "carrier/2"}


def test_wrong_credentials_are_told_to_staff_and_not_tried_again_and_again(mast: Mast) -> None:
    wrong = replace(mast.configured(), secrets={"password": ("wrong",)})
    with mast.bound(configured=wrong, wait=False):
        assert mast.smsc.wait("bind")["status"] == 0x0E
        eventually(lambda: mast.intake.alerts == [("credentials_refused", "carrier/1")])
        assert mast.smsc.never("bind", 1.0)
        eventually(lambda: mast.fact("last_error") == "wrong_password")


def test_wrong_credentials_are_tried_again_after_a_pause(mast: Mast) -> None:
    mast.smsc.tell("refuse", status=0x0D)
    with mast.bound(wait=False, patience=replace(PATIENCE, refused=0.3)):
        mast.smsc.wait("bind", lambda event: event["status"] == 0x0D)
        mast.smsc.tell("refuse", status=0)
        assert mast.smsc.wait("bind", lambda event: event["status"] == 0)


def test_a_refusal_that_goes_by_is_tried_again_soon(mast: Mast) -> None:
    mast.smsc.tell("refuse", status=0x05)
    with mast.bound(wait=False):
        for _ in range(3):
            mast.smsc.wait("bind", lambda event: event["status"] == 0x05)
        mast.smsc.tell("refuse", status=0)
        assert mast.smsc.wait("bind", lambda event: event["status"] == 0)
    assert mast.intake.alerts == []


def test_staff_is_told_of_a_bind_that_stays_away(mast: Mast) -> None:
    mast.smsc.tell("refuse", status=0x05)
    with mast.bound(wait=False, patience=replace(PATIENCE, alert=0.5)):
        eventually(lambda: mast.intake.alerts)
        time.sleep(0.5)
    assert mast.intake.alerts == [("bind_lost", "carrier/1")]


def test_we_ask_whether_the_smsc_lives(mast: Mast) -> None:
    with mast.bound(pace=replace(PACE, idle=0.2)):
        for _ in range(3):
            mast.smsc.wait("enquired")
        assert mast.smsc.never("closed", 0.1)


def test_an_smsc_that_stays_silent_is_left_and_bound_again(mast: Mast) -> None:
    (number,) = mast.own(1)
    with mast.bound(pace=replace(PACE, idle=0.2, answer=0.5)):
        mast.smsc.tell("silent", on=True)
        mast.smsc.wait("closed")
        mast.smsc.tell("silent", on=False)
        mast.smsc.wait("bind", lambda event: event["status"] == 0)
        eventually(lambda: mast.fact("last_error") == "silent")
        hail(mast, number)
    assert mast.stored() == 1


def test_the_smscs_own_question_is_answered(mast: Mast) -> None:
    with mast.bound():
        mast.smsc.tell("enquire", session=0)
        assert mast.smsc.wait("enquire_link_resp")["status"] == 0


def test_an_unbind_of_the_smsc_is_answered_and_the_bind_comes_back(mast: Mast) -> None:
    with mast.bound():
        mast.smsc.tell("unbind", session=0)
        assert mast.smsc.wait("unbind_resp")["status"] == 0
        assert mast.smsc.wait("bind", lambda event: event["status"] == 0)["session"] == 1


def test_a_connection_that_breaks_in_the_middle_of_a_pdu_comes_back(mast: Mast) -> None:
    (number,) = mast.own(1)
    with mast.bound():
        mast.smsc.tell("raw", session=0, hex=struct.pack(">LLL", 80, 5, 0).hex())
        mast.smsc.tell("close", session=0)
        mast.smsc.wait("bind", lambda event: event["status"] == 0)
        hail(mast, number)
    assert mast.stored() == 1


@pytest.mark.parametrize("length", [0, 15, 64 * 1024 + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_refused_and_the_bind_comes_back(mast: Mast, length: int) -> None:
    (number,) = mast.own(1)
    with mast.bound():
        mast.smsc.tell("raw", session=0, hex=struct.pack(">LLLL", length, 5, 0, 7).hex())
        assert mast.smsc.wait(NACK)["status"] == IMPOSSIBLE
        mast.smsc.wait("bind", lambda event: event["status"] == 0)
        hail(mast, number)


def test_a_command_that_we_do_not_know_is_refused_and_nothing_else_happens(mast: Mast) -> None:
    (number,) = mast.own(1)
    with mast.bound():
        mast.smsc.tell("raw", session=0, hex=struct.pack(">LLLL", 16, 0x00010200, 0, 77).hex())
        refused = mast.smsc.wait(NACK)
        assert (refused["status"], refused["sequence"]) == (NO_SUCH_COMMAND, 77)
        hail(mast, number)


def test_a_delivery_that_cannot_be_read_is_refused_and_the_next_one_is_read(mast: Mast) -> None:
    (number,) = mast.own(1)
    with mast.bound():
        mast.smsc.tell(
            "raw", session=0, hex=struct.pack(">LLLL", 19, 5, 0, 0x70000001).hex() + b"\0\1\1".hex()
        )
        assert mast.smsc.wait("deliver_sm_resp")["status"] == 0x02
        hail(mast, number)
        eventually(lambda: mast.fact("unreadable") == 1)


GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\0" * 64,
    b"\xff" * 64,
    struct.pack(">LLLL", 20, 0x80000005, 0, 1) + b"abcd",  # an answer to nothing
    struct.pack(">LLLL", 16, 0x80000009, 0x0E, 1),  # another answer to our bind
    struct.pack(">LLLL", 16, 0x80000000, 3, 1),
    struct.pack(">LLLL", 17, 0x0000000B, 0, 1) + b"\0",
    struct.pack(">LLLL", 16, 0x00000005, 0, 1),
    struct.pack(">LLLL", 16, 0x00000103, 0, 1),
    struct.pack(">LLLL", 0x40, 0x00000005, 0, 1) + bytes(range(48)),
]


def test_garbage_never_ends_the_session(mast: Mast, capfd: pytest.CaptureFixture[str]) -> None:
    (number,) = mast.own(1)
    with mast.bound():
        session = 0
        for garbage in GARBAGE:
            mast.smsc.tell("raw", session=session, hex=garbage.hex())
            mast.smsc.tell("close", session=session)
            session = mast.smsc.wait("bind", lambda event: event["status"] == 0)["session"]
        hail(mast, number, b"Your code is 135791")
    assert "135791" not in capfd.readouterr().out


def test_tls_is_spoken_and_its_certificate_checked(mast: Mast, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=smsc",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    (number,) = mast.own(1)
    with started(key=str(key), cert=str(cert)) as mast.smsc:
        given: dict[str, Any] = {"host": "localhost", "tls": True}
        with mast.bound(ca_file=str(cert), **given):
            hail(mast, number)
        with mast.bound(wait=False, **given):
            eventually(lambda: mast.fact("last_error") == "tls")
            assert mast.smsc.never("bind", 0.3)


def test_an_smsc_that_is_not_there_is_looked_for_until_it_is_told_to_stop(mast: Mast) -> None:
    mast.smsc.close()
    with mast.bound(wait=False):
        eventually(lambda: mast.fact("last_error") == "connect")
    assert mast.fact("state") == "stopped"


def test_a_trial_says_what_is_right_and_what_is_wrong(mast: Mast) -> None:
    def tried(configured: Configured) -> list[tuple[str, bool]]:
        return [(one.what, one.ok) for one in kind.check(configured, mast.surroundings)]

    right = mast.configured()
    assert tried(right) == [("connection", True), ("bind", True)]
    wrong = replace(right, secrets={"password": ("wrong",)})
    assert tried(wrong) == [("connection", True), ("bind", False)]
    assert tried(replace(right, secrets={})) == [("connection", True), ("bind", False)]
    mast.smsc.close()
    assert tried(right) == [("connection", False)]


def test_a_session_can_run_again_after_its_end(mast: Mast) -> None:
    (one,) = kind.sessions(mast.configured(), mast.surroundings)
    for _ in range(2):
        stopping = threading.Event()
        thread = threading.Thread(target=one.run, args=(stopping,))
        thread.start()
        mast.smsc.wait("bind")
        stopping.set()
        one.wake()
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert one.name == f"{SUPPLIER}/1"
