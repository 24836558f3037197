"""Whose message it is, and whether they may see it: a table of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onceline.core.inbox.join import join
from onceline.core.inbox.match import CONFIDENT, Candidate, Match, Verdict, confident_service, match
from onceline.core.inbox.recognise import Recognition

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE_S = 600
FAMILY = {"google", "youtube"}
BANK = "some-bank"
SHOW, WITHHOLD, COUNT = Verdict.SHOW, Verdict.WITHHOLD, Verdict.COUNT


def related(one: str, other: str) -> bool:
    return {one, other} <= FAMILY


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def order(expires: float, closed: float | None = None, service: str = "telegram") -> Candidate:
    return Candidate(1, service, at(expires), None if closed is None else at(closed))


LIVE = order(20)
CANCELLED = order(20, closed=5)


@pytest.mark.parametrize(
    ("minute", "holder", "expected"),
    [
        pytest.param(10, LIVE, Match(SHOW, 1), id="in the window"),
        pytest.param(20, LIVE, Match(SHOW, 1), id="at the very end"),
        pytest.param(20.01, LIVE, Match(SHOW, 1, late=True), id="after the end, before the worker came"),
        pytest.param(-9, LIVE, Match(SHOW, 1), id="a clock that was set back changes no holder"),
        pytest.param(10, None, Match(COUNT), id="nobody had the number"),
        pytest.param(6, CANCELLED, Match(SHOW, 1, late=True), id="late within the grace"),
        pytest.param(4, CANCELLED, Match(SHOW, 1, late=True), id="in time, found after the close"),
        pytest.param(15, CANCELLED, Match(SHOW, 1, late=True), id="at the end of the grace"),
        pytest.param(15.01, CANCELLED, Match(COUNT), id="past the grace"),
    ],
)
def test_a_message_belongs_to_the_order_that_held_its_number(
    minute: float, holder: Candidate | None, expected: Match
) -> None:
    assert match(at(minute), None, frozenset(), holder, GRACE_S, related) == expected


@pytest.mark.parametrize(
    ("service", "recognised", "sure", "verdict"),
    [
        ("telegram", None, 0.0, SHOW),
        ("telegram", "telegram", 0.99, SHOW),
        ("telegram", "whatsapp", 0.99, WITHHOLD),
        ("telegram", "whatsapp", 0.79, SHOW),
        ("telegram", "whatsapp", 0.80, WITHHOLD),
        ("telegram", BANK, 0.99, WITHHOLD),
        ("telegram", BANK, 0.5, SHOW),
        ("other", None, 0.0, SHOW),
        ("other", "whatsapp", 0.99, WITHHOLD),
        ("other", BANK, 0.99, WITHHOLD),
        ("full", "whatsapp", 0.99, SHOW),
        ("full", BANK, 0.99, WITHHOLD),
        ("full", None, 0.0, SHOW),
        ("youtube", "google", 0.99, SHOW),
        ("telegram", "google", 0.99, WITHHOLD),
    ],
)
def test_another_services_message_and_a_prohibited_senders_are_withheld(
    service: str, recognised: str | None, sure: float, verdict: Verdict
) -> None:
    recognition = Recognition(recognised, sure, "sender") if recognised else None
    found = match(at(1), recognition, frozenset({BANK}), order(20, service=service), GRACE_S, related)
    assert (found.verdict, found.order) == (verdict, 1)


def test_a_withheld_message_is_late_like_any_other() -> None:
    found = match(at(6), Recognition(BANK, 1.0, "sender"), frozenset({BANK}), CANCELLED, GRACE_S, related)
    assert found == Match(WITHHOLD, 1, late=True)


def test_only_a_confident_recognition_counts() -> None:
    assert confident_service(Recognition("telegram", CONFIDENT, "tag")) == "telegram"
    assert confident_service(Recognition("telegram", CONFIDENT - 0.01, "tag")) is None
    assert confident_service(None) is None


@pytest.mark.parametrize(
    ("parts", "total", "give_up", "text"),
    [
        ({1: "a", 2: "b"}, 2, False, "ab"),
        ({2: "b", 1: "a"}, 2, False, "ab"),
        ({1: "a"}, 1, False, "a"),
        ({2: "b"}, 2, False, None),
        ({2: "b"}, 3, True, "[…]b[…]"),
        ({}, 2, True, "[…][…]"),
    ],
)
def test_parts_make_a_text_when_they_are_all_there(
    parts: dict[int, str], total: int, give_up: bool, text: str | None
) -> None:
    assert join(parts, total, give_up=give_up) == text
