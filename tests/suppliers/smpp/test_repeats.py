"""What is taken for a repeat, and for how long."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.errors import DatabaseAway
from onceline.core.orders.context import Context
from onceline.suppliers.base import Arrival
from onceline.suppliers.intake import DirectIntake
from onceline.suppliers.smpp import repeats
from onceline.suppliers.smpp.repeats import Repeats

CARRIER = "carrier"


class Process:
    """A worker process with its memory of repeats; a new one remembers nothing."""

    def __init__(self, db: Database, context: Context, intake: DirectIntake) -> None:
        self.repeats = Repeats(CARRIER, db, context.vault, context.clock)
        self._intake = intake

    def take(self, token: str, *contents: bytes) -> list[str]:
        """The names under which deliveries were stored."""
        names = [self.repeats.name(token, content) for content in contents]
        self._intake.keep(CARRIER, [Arrival(name, "+447700900123", "Acme", "text") for name in names])
        return names


@pytest.fixture
def start(db: Database, context: Context, intake: DirectIntake) -> Sequence[Process]:
    return [Process(db, context, intake) for _ in range(2)]


def test_a_new_process_knows_what_the_broken_one_stored(start: Sequence[Process]) -> None:
    one, other = start
    stored = one.take(one.repeats.begin(), b"a", b"b")
    assert other.take(other.repeats.begin(), b"b", b"a", b"a")[:2] == stored[::-1]


def test_equal_ones_are_repeated_as_often_as_they_came(start: Sequence[Process]) -> None:
    one, other = start
    stored = one.take(one.repeats.begin(), b"a", b"a")
    again = other.take(other.repeats.begin(), b"a", b"a", b"a")
    assert sorted(again[:2]) == sorted(stored)
    assert again[2] not in stored


def test_what_came_long_before_the_newest_is_not_expected_again(
    start: Sequence[Process], clock: ManualClock
) -> None:
    one, other = start
    token = one.repeats.begin()
    old = one.take(token, b"old")
    clock.advance(repeats.TAIL_S + 1)
    new = one.take(token, b"new")
    clock.advance(3600)
    again = other.take(other.repeats.begin(), b"old", b"new")
    assert again[0] not in old
    assert again[1:] == new


def test_a_repeat_after_midnight_is_known_under_the_key_of_its_day(
    start: Sequence[Process], clock: ManualClock
) -> None:
    one, other = start
    clock.advance(12 * 3600 - 5)
    stored = one.take(one.repeats.begin(), b"a")
    clock.advance(10)
    assert other.take(other.repeats.begin(), b"a") == stored


def test_what_is_too_old_for_its_key_is_not_expected(start: Sequence[Process], clock: ManualClock) -> None:
    one, other = start
    stored = one.take(one.repeats.begin(), b"a")
    clock.advance(48 * 3600)
    assert other.take(other.repeats.begin(), b"a") != stored


def test_what_a_living_bind_stored_is_not_expected_on_another(start: Sequence[Process]) -> None:
    one, _ = start
    first = one.repeats.begin()
    stored = one.take(first, b"a")
    second = one.repeats.begin()
    assert one.take(second, b"a") != stored
    one.repeats.end(first)
    assert one.take(second, b"a") == stored


def test_a_repeat_is_waited_for_only_so_long(
    start: Sequence[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = start
    stored = one.take(one.repeats.begin(), b"a")
    monkeypatch.setattr(repeats, "CLAIM_S", -1.0)
    assert other.take(other.repeats.begin(), b"a") != stored


def test_what_was_put_off_keeps_its_name(start: Sequence[Process]) -> None:
    one, _ = start
    token = one.repeats.begin()
    name = one.repeats.name(token, b"a")
    one.repeats.expect([name])
    one.repeats.expect([name])
    assert one.repeats.name(token, b"a") == name
    assert one.repeats.name(token, b"a") != name


def test_names_of_another_kind_are_passed_over(start: Sequence[Process], intake: DirectIntake) -> None:
    one, _ = start
    intake.keep(CARRIER, [Arrival("SM123", "+447700900123", "Acme", "text")])
    assert one.take(one.repeats.begin(), b"a")


def test_no_session_begins_that_cannot_know_what_was_stored(
    start: Sequence[Process], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = start

    def away() -> None:
        raise DatabaseAway

    monkeypatch.setattr(db, "statement", away)
    with pytest.raises(DatabaseAway):
        one.repeats.begin()


def test_what_is_remembered_is_bounded(start: Sequence[Process], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = start
    monkeypatch.setattr(repeats, "MOST", 10)
    one.take(one.repeats.begin(), *(b"%d" % at for at in range(50)))
    for _ in range(3):
        token = other.repeats.begin()
    assert len(other.repeats._claims) <= 20
    assert other.take(token, b"49")[0].split(".")[1] != token
