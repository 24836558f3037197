"""Nothing is acknowledged that is not stored, nothing stored comes twice, and a window is a window."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from onceline.core.errors import DatabaseAway
from tests.edge.door import eventually
from tests.suppliers.smpp.conftest import PACE, Mast
from tests.suppliers.smpp.vectors import Pdu, addressed, sms

AGAIN_LATER, QUEUE_FULL, SYSTEM_ERROR = 0x64, 0x14, 0x08


def many(count: int, number: str) -> list[Pdu]:
    return [addressed(sms(f"Your code is {5000 + at}".encode()), [number], f"{at}") for at in range(count)]


def texts(count: int) -> list[str]:
    return [f"Your code is {5000 + at}" for at in range(count)]


def test_a_message_is_acknowledged_after_its_commit(mast: Mast) -> None:
    (number,) = mast.own(1)
    going = threading.Event()
    mast.intake.before = lambda: going.wait(10) and None
    with mast.bound():
        mast.smsc.queue(many(1, number))
        assert mast.smsc.never("acknowledged", 0.5)
        assert mast.stored() == 0
        going.set()
        mast.smsc.wait("acknowledged")
        assert mast.stored() == 1
        mast.await_texts(number, *texts(1))


def test_messages_are_put_off_while_the_database_is_away_and_come_when_it_is_back(mast: Mast) -> None:
    (number,) = mast.own(1)

    def away() -> None:
        raise DatabaseAway

    mast.intake.before = away
    with mast.bound():
        mast.smsc.queue(many(5, number))
        for _ in range(10):
            assert mast.smsc.wait("refused")["status"] == AGAIN_LATER
        assert mast.stored() == 0
        mast.intake.before = lambda: None
        mast.smsc.wait("drained")
        mast.await_texts(number, *texts(5))
        assert mast.smsc.never("closed", 0.1)
    assert mast.stored() == 5


def test_a_commit_whose_answer_was_lost_is_not_stored_twice(mast: Mast) -> None:
    """The server went away at the commit: nobody knows, the message is put off, and comes again in the same session."""
    (number,) = mast.own(1)
    keep = mast.intake.inner.keep
    lost = iter([True])

    def unsure(supplier: str, arrivals: list) -> object:  # type: ignore[type-arg]  # of arrivals
        kept = keep(supplier, arrivals)
        if next(lost, False):
            raise DatabaseAway
        return kept

    mast.intake.keep = unsure  # type: ignore[method-assign]  # the fault is the test
    with mast.bound():
        mast.smsc.queue(many(1, number))
        assert mast.smsc.wait("refused")["status"] == AGAIN_LATER
        mast.smsc.wait("drained")
        mast.await_texts(number, *texts(1))
    assert mast.stored() == 1


def test_one_message_that_cannot_be_stored_does_not_stop_the_others(mast: Mast) -> None:
    (number,) = mast.own(1)
    keep = mast.intake.inner.keep

    def poisoned(supplier: str, arrivals: list) -> object:  # type: ignore[type-arg]  # of arrivals
        if any(arrival.text.data == b"Your code is 5003" for arrival in arrivals):
            raise ValueError("poison")
        return keep(supplier, arrivals)

    mast.intake.keep = poisoned  # type: ignore[method-assign]  # the fault is the test
    with mast.bound():
        mast.smsc.queue(many(6, number), window=6, again=60_000)
        assert mast.smsc.wait("refused")["status"] == SYSTEM_ERROR
        mast.await_texts(number, *(text for text in texts(6) if text != "Your code is 5003"))
    assert ("message_not_stored", "carrier/1") in mast.intake.alerts


def test_what_goes_beyond_the_window_is_throttled_and_comes_again(mast: Mast) -> None:
    owned = mast.own(3)
    going = threading.Event()
    mast.intake.before = lambda: going.wait(10) and None
    with mast.bound(window=50):
        mast.smsc.queue([pdu for number in owned for pdu in many(20, number)], window=60)
        for _ in range(10):
            assert mast.smsc.wait("refused")["status"] == QUEUE_FULL
        eventually(lambda: mast.fact("window_used") == 50)
        going.set()
        mast.smsc.wait("drained")
        for number in owned:
            mast.await_texts(number, *texts(20))
        assert mast.fact("throttled") >= 10
    assert mast.stored() == 60


def test_a_stop_acknowledges_nothing_that_was_not_stored_by_then(mast: Mast) -> None:
    (number,) = mast.own(1)
    going = threading.Event()
    mast.intake.before = lambda: going.wait(5) and None
    with mast.bound(pace=replace(PACE, last_commits=0.2)):
        mast.smsc.queue(many(3, number))
        time.sleep(0.3)
    assert mast.smsc.never("acknowledged", 0.2)
    going.set()
    eventually(lambda: mast.stored() > 0)
    mast.intake.before = lambda: None
    with mast.bound():
        mast.smsc.wait("drained")
        mast.await_texts(number, *texts(3))
    assert mast.stored() == 3


def test_what_is_stored_after_a_stop_is_not_acknowledged_while_the_unbind_is_awaited(mast: Mast) -> None:
    (number,) = mast.own(1)
    going = threading.Event()
    mast.intake.before = lambda: going.wait(5) and None
    mast.smsc.tell("mute", on=True)
    with mast.bound(pace=replace(PACE, last_commits=0.2, unbind=2.0)):
        mast.smsc.queue(many(3, number))
        time.sleep(0.3)
        late = threading.Timer(1.0, going.set)
        late.start()
    assert mast.stored() > 0
    assert mast.smsc.never("acknowledged", 0.2)
    late.join()


def test_what_was_not_acknowledged_comes_again_after_a_reconnect_and_is_stored_once(mast: Mast) -> None:
    (number,) = mast.own(1)
    stored = threading.Semaphore(0)
    keep = mast.intake.inner.keep
    hold = threading.Event()

    def slow(supplier: str, arrivals: list) -> object:  # type: ignore[type-arg]  # of arrivals
        kept = keep(supplier, arrivals)
        stored.release()
        hold.wait(10)
        return kept

    mast.intake.keep = slow  # type: ignore[method-assign]  # the fault is the test
    with mast.bound():
        mast.smsc.queue(many(4, number), window=4)
        assert stored.acquire(timeout=10)
        mast.smsc.tell("close", session=0)
        mast.smsc.wait("closed")
        hold.set()
        mast.smsc.wait("bind")
        mast.smsc.wait("drained")
        mast.await_texts(number, *texts(4))
    assert mast.stored() == 4


def test_what_one_bind_did_not_acknowledge_may_come_again_on_another(mast: Mast) -> None:
    (number,) = mast.own(1)
    stored = threading.Semaphore(0)
    keep = mast.intake.inner.keep
    hold = threading.Event()

    def slow(supplier: str, arrivals: list) -> object:  # type: ignore[type-arg]  # of arrivals
        kept = keep(supplier, arrivals)
        stored.release()
        hold.wait(10)
        return kept

    mast.intake.keep = slow  # type: ignore[method-assign]  # the fault is the test
    with mast.bound(binds=2):
        mast.smsc.queue(many(1, number), window=1)
        assert stored.acquire(timeout=10)
        mast.smsc.tell("hold", on=True)
        mast.smsc.tell("close", session=0)
        mast.smsc.wait("closed")
        hold.set()
        mast.smsc.wait("bind")
        mast.smsc.tell("hold", on=False)
        mast.smsc.wait("drained")
        mast.await_texts(number, *texts(1))
    assert mast.stored() == 1


def test_equal_messages_of_one_session_are_messages_of_their_own(mast: Mast) -> None:
    (number,) = mast.own(1)
    with mast.bound():
        mast.smsc.queue(many(1, number) * 3, window=3)
        mast.smsc.wait("drained")
        mast.await_texts(number, *(texts(1) * 3))
    assert mast.stored() == 3


def test_each_repeat_is_taken_for_one_once(mast: Mast) -> None:
    """After a reconnect a message that was acknowledged is taken for its repeat once; the one after it is new."""
    (number,) = mast.own(1)
    with mast.bound():
        mast.smsc.queue(many(1, number))
        mast.smsc.wait("drained")
        mast.smsc.tell("close", session=0)
        mast.smsc.wait("bind")
        mast.smsc.queue(many(1, number))
        mast.smsc.wait("drained")
        assert mast.stored() == 1
        mast.smsc.queue(many(1, number))
        mast.smsc.wait("drained")
        assert mast.stored() == 2


def test_no_text_and_no_number_stands_in_the_log(mast: Mast, capfd: pytest.CaptureFixture[str]) -> None:
    (number,) = mast.own(1)

    def away() -> None:
        raise DatabaseAway

    mast.intake.before = away
    with mast.bound():
        mast.smsc.queue(many(2, number))
        mast.smsc.wait("refused")
        mast.intake.before = lambda: None
        mast.smsc.wait("drained")
    said = capfd.readouterr().out
    assert "put off" in said
    assert "500" not in said.replace("127.0.0.1", "")
    assert number.removeprefix("+") not in said
