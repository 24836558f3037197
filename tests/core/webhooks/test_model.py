"""What is sent when, and who is given up: figures alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.errors import InvalidInput
from onceline.core.webhooks import model
from onceline.core.webhooks.model import Health, Mark, Next, Outcome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERED, FAILED = Outcome("delivered", 204), Outcome("status", 500)
DICE = st.floats(0, 1)
ORDER = {"id": 7, "expires_at": "2026-03-01T12:20:00.000000Z"}
EVENT = {
    "type": "order.message",
    "at": "2026-03-01T12:00:00.000000Z",
    "revision": 2,
    "subject": None,
    "order": ORDER,
    "message": {"id": "msg_1", "text": "Your code is 482913"},
}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def failures(count: int, every_s: float, start: float = 0, **rest: bool) -> list[Mark]:
    return [Mark(at(start + every_s * one), ok=False, **rest) for one in range(count)]


# What an endpoint wants.


@pytest.mark.parametrize(
    ("types", "kind", "wanted"),
    [
        (None, "order.placed", True),
        (["order.placed"], "order.placed", True),
        (["order.placed"], "order.message", False),
        (["order.*"], "order.message", True),
        (["order.*"], "deposit.credited", False),
        (["deposit.credited", "order.*"], "order.message", True),
    ],
)
def test_an_endpoint_gets_what_it_asked_for(types: list[str] | None, kind: str, wanted: bool) -> None:
    assert model.wants("we_a", types, kind, None) is wanted


def test_an_endpoint_is_not_called_about_its_own_failing() -> None:
    for kind in (model.FAILING, model.DISABLED):
        assert not model.wants("we_a", None, kind, "we_a")
        assert model.wants("we_b", None, kind, "we_a")


def test_a_filter_names_each_type_once() -> None:
    assert model.check_types(["order.*", "order.placed", "order.*"]) == ["order.*", "order.placed"]
    assert model.check_types(None) is None


@pytest.mark.parametrize(
    "types",
    [[], ["order"], ["*"], ["order."], ["Order.placed"], ["order.placed.x"], ["order.pl*"], ["a.b"] * 51],
)
def test_a_filter_that_makes_no_sense_is_refused(types: list[str]) -> None:
    with pytest.raises(InvalidInput):
        model.check_types(types)


# What is sent.


def test_a_full_body_holds_the_order_and_the_message() -> None:
    body = model.body_of(EVENT, 3, "full", "2026-03-01T12:00:01.000000Z")
    assert (body["type"], body["timestamp"]) == ("order.message", EVENT["at"])
    assert body["data"] == {
        "seq": 3,
        "revision": 2,
        "subject": None,
        "expires_at": ORDER["expires_at"],
        "overdue": False,
        "order": ORDER,
        "message": EVENT["message"],
    }


def test_a_thin_body_holds_ids_alone() -> None:
    data = model.body_of(EVENT, 3, "thin", "2026-03-01T12:00:01.000000Z")["data"]
    assert (data["order_id"], data["message_id"]) == (7, "msg_1")
    assert not {"order", "message"} & data.keys()


def test_a_body_says_when_it_comes_after_the_window() -> None:
    assert not model.body_of(EVENT, 3, "full", ORDER["expires_at"])["data"]["overdue"]
    assert model.body_of(EVENT, 3, "full", "2026-03-01T12:20:00.000001Z")["data"]["overdue"]


def test_an_event_without_an_order_has_no_window() -> None:
    data = model.body_of(model.event_of_test("we_a", EVENT["at"]), None, "thin", EVENT["at"])["data"]
    assert (data["expires_at"], data["overdue"], data["order_id"], data["subject"]) == (
        None,
        False,
        None,
        "we_a",
    )


# When it is tried again.


@given(st.integers(0, len(model.SCHEDULE_S) - 1), DICE)
def test_a_wait_is_the_planned_one_give_or_take_a_fifth(tries: int, dice: float) -> None:
    planned = model.SCHEDULE_S[tries]
    assert 0.8 * planned - 1e-6 <= model.wait_s(tries, None, dice) <= 1.2 * planned + 1e-6


def test_the_first_retries_come_within_a_minute_and_the_last_after_three_days() -> None:
    assert model.SCHEDULE_S[0] + model.SCHEDULE_S[1] <= 36
    assert timedelta(days=3) <= timedelta(seconds=sum(model.SCHEDULE_S)) <= timedelta(days=3.5)


@given(st.integers(0, len(model.SCHEDULE_S) - 1), st.integers(0, 10**9), DICE)
def test_a_server_may_put_us_off_but_not_for_ever_and_not_hurry_us(
    tries: int, asked: int, dice: float
) -> None:
    planned = model.wait_s(tries, None, dice)
    wait = model.wait_s(tries, asked, dice)
    assert planned <= wait <= max(2 * planned, 3600)
    if planned <= asked <= max(2 * planned, 3600):
        assert wait == asked


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        (format_datetime(at(90), usegmt=True), 90),
        (format_datetime(at(-90), usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(
    header: str | None, seconds: int | None
) -> None:
    assert model.answered(503, header, NOW).retry_after_s == seconds


@given(st.text(max_size=80))
def test_no_retry_after_breaks_us(header: str) -> None:
    asked = model.answered(429, header, NOW).retry_after_s
    assert asked is None or asked >= 0


@pytest.mark.parametrize(
    ("status", "word"),
    [(200, "delivered"), (204, "delivered"), (299, "delivered"), (199, "status"), (300, "status"), (302, "status"),
     (304, "status"), (400, "status"), (404, "status"), (410, "status"), (500, "status")],
)  # fmt: skip
def test_only_2xx_is_success_and_a_redirect_is_none(status: int, word: str) -> None:
    assert model.answered(status, None, NOW).word == word


def after(outcome: Outcome, tries: int = 0, once: bool = False) -> Next:
    return model.after(outcome, tries, once=once, now=NOW, dice=0.5)


def test_a_failure_is_tried_again_until_the_schedule_ends() -> None:
    assert after(DELIVERED) == Next("delivered", 1, None)
    assert after(FAILED) == Next("pending", 1, at(5))
    last = len(model.SCHEDULE_S)
    assert after(FAILED, last - 1) == Next("pending", last, at(model.SCHEDULE_S[-1]))
    assert after(FAILED, last) == Next("failed", last + 1, None)


def test_gone_and_what_is_to_be_tried_once_are_not_tried_again() -> None:
    assert after(Outcome("status", 410)).state == "failed"
    assert after(FAILED, once=True).state == "failed"
    assert after(DELIVERED, once=True).state == "delivered"


def test_what_can_never_be_sent_is_dropped() -> None:
    assert after(Outcome(model.ERASED, final=True)).state == "dropped"


# When an endpoint is left alone.


def test_five_failures_in_a_row_leave_an_endpoint_alone_for_a_while() -> None:
    four = model.judged(Health(), failures(4, 1))
    assert (four.strikes, four.open_until) == (4, None)
    five = model.judged(Health(), failures(5, 1))
    assert (five.strikes, five.open_until) == (5, at(4 + 5))


def test_the_pause_doubles_with_every_probe_that_fails_up_to_five_minutes() -> None:
    health, pauses = model.judged(Health(), failures(5, 0)), []
    for _ in range(9):
        assert health.open_until is not None
        probed = health.open_until
        health = model.judged(health, [Mark(probed, ok=False)])
        assert health.open_until is not None
        pauses.append((health.open_until - probed).total_seconds())
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300, 300]


def test_failures_that_were_under_way_do_not_lengthen_the_pause() -> None:
    assert model.judged(Health(), failures(16, 0.1)).open_until == at(0.4 + 5)


def test_a_success_ends_the_pause_at_once() -> None:
    health = model.judged(Health(), [*failures(5, 1), Mark(at(20), ok=True)])
    assert (health.strikes, health.open_until) == (0, None)


# When it is given up.


def test_five_days_of_nothing_but_failures_are_hopeless() -> None:
    """Twenty attempts, a quarter of a day apart, and one more."""
    hours = 5 * 24 / 19
    almost = model.judged(Health(), failures(19, hours * 3600))
    assert not model.is_hopeless(almost)
    assert model.is_hopeless(model.judged(Health(), failures(20, hours * 3600)))


def test_many_failures_within_a_few_days_are_not_hopeless() -> None:
    assert not model.is_hopeless(model.judged(Health(), failures(1000, 300)))


def test_a_few_failures_over_many_days_are_not_hopeless() -> None:
    assert not model.is_hopeless(model.judged(Health(), failures(7, 86400)))


def test_a_success_between_failures_forgets_them() -> None:
    marks = [*failures(19, 86400 / 4), Mark(at(19 * 86400 / 4), ok=True), *failures(5, 60, 19.1 * 86400 / 4)]
    health = model.judged(Health(), marks)
    assert not model.is_hopeless(health)
    assert health.failed_attempts == 5


def test_old_failures_are_forgotten_when_nothing_was_attempted_since() -> None:
    old = model.judged(Health(), failures(25, 60))
    anew = model.judged(old, failures(1, 1, start=6 * 86400))
    assert not model.is_hopeless(anew)
    assert (anew.failing_since, anew.failed_attempts) == (at(6 * 86400), 1)


def test_what_was_asked_for_by_hand_counts_neither_way_but_brakes() -> None:
    by_hand = model.judged(Health(), failures(30, 86400 / 4, counted=False))
    assert (by_hand.failing_since, by_hand.failed_attempts, by_hand.last_attempt_at) == (None, 0, None)
    assert by_hand.strikes >= model.OPEN_AFTER
    failing = model.judged(Health(), failures(3, 60))
    assert model.judged(failing, [Mark(at(300), ok=True, counted=False)]).failed_attempts == 3


def test_the_owner_is_told_after_a_day_and_after_four() -> None:
    hours = [
        model.notices_due(model.judged(Health(), failures(2, hour * 3600))) for hour in (23.9, 24, 95.9, 96)
    ]
    assert hours == [0, 1, 1, 2]
