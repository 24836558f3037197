"""Answers that are lost, late, saved, odd or no: nothing is done twice, and what is not known is said to be."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from onceline import outbound
from onceline.payments.base import Paid, ProcessorAway, ProcessorRefused, SendBack, Sent
from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import TEST, FakeStripe
from tests.payments.stripe.dealing import FIVE, opening, paid, processor, read, return_of

pytestmark = pytest.mark.counterpart

DAY_S = 24 * 3600
NO_ANSWER = ["cut", "cut_before", "500", "500_before", "409", "429", "html", "odd", "odd_error", "large"]


_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def sessions(sdk: stripe.StripeClient) -> int:
    return len(sdk.v1.checkout.sessions.list({"limit": 100}).data)


@pytest.mark.parametrize("how", NO_ANSWER)
def test_what_is_no_answer_leaves_everything_open(cards: Stripe, fake: FakeStripe, how: str) -> None:
    payment = paid(cards, fake)
    fake.fail("GET checkout", how)
    with pytest.raises(ProcessorAway):
        cards.payment(payment.processor_id)
    assert read(cards, payment.processor_id) == payment


@pytest.mark.parametrize("how", NO_ANSWER)
def test_opening_without_an_answer_is_not_known(cards: Stripe, fake: FakeStripe, how: str) -> None:
    fake.fail("POST checkout", how)
    with pytest.raises(ProcessorAway):
        cards.open(opening())


@pytest.mark.parametrize("how", ["cut", "cut_before", "409", "429", "html"])
def test_a_page_whose_answer_was_lost_is_the_one_that_a_repeat_gets(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient, how: str
) -> None:
    deposit = opening()
    fake.fail("POST checkout", how)
    with pytest.raises(ProcessorAway):
        cards.open(deposit)
    opened = cards.open(deposit)
    assert (read(cards, opened.processor_id).deposit, sessions(sdk)) == (deposit.id, 1)


def test_a_fault_that_stripe_saved_comes_again_and_opens_nothing_more(
    cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient
) -> None:
    deposit = opening()
    fake.fail("POST checkout", "500")
    for _ in range(3):
        with pytest.raises(ProcessorAway):
            cards.open(deposit)
    assert (sessions(sdk), fake.asked("POST checkout")) == (1, 3)


def test_a_page_is_over_before_stripe_forgets_its_key(cards: Stripe, fake: FakeStripe) -> None:
    deposit = opening()
    opened = cards.open(deposit)
    fake.tell("advance", seconds=DAY_S + 1)
    with pytest.raises(ProcessorRefused):
        cards.open(deposit)
    assert read(cards, opened.processor_id).state is Paid.EXPIRED


def test_nothing_is_asked_twice_by_itself(cards: Stripe, fake: FakeStripe) -> None:
    fake.fail("POST checkout", "500_before")
    with pytest.raises(ProcessorAway):
        cards.open(opening())
    assert fake.asked("POST checkout") == 1


def calls(cards: Any) -> dict[str, Callable[[], Any]]:
    """Everything that is asked of Stripe, but for a refund, which has its own words for what is not known."""
    refund = SendBack("ref_1", "cs_test_1", "pi_1", FIVE, "USD")
    return {
        "open": lambda: cards.open(opening()),
        "payment": lambda: cards.payment("cs_test_1"),
        "payment by intent": lambda: cards.payment("pi_1"),
        "sent_back": lambda: cards.sent_back(refund),
        "dispute": lambda: cards.dispute("du_1"),
        "warning": lambda: cards.dispute("issfr_1"),
        "report": lambda: cards.report(_NOW, _NOW + _HOUR),
    }


@pytest.mark.parametrize("name", [*calls(None)])
def test_every_call_ends_when_stripe_hangs(
    cards: Stripe, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.3)
    fake.fail("", "hang", times=9)
    began = time.monotonic()
    with pytest.raises(ProcessorAway, match="timeout"):
        calls(cards)[name]()
    assert time.monotonic() - began < 3


def test_a_refund_ends_when_stripe_hangs_and_is_not_known(
    cards: Stripe, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paid(cards, fake)
    monkeypatch.setattr(outbound, "TOTAL_S", 0.3)
    fake.fail("POST refunds", "hang")
    began = time.monotonic()
    assert cards.send_back(return_of(payment)).state is Sent.UNKNOWN
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("name", [*calls(None)])
def test_a_stripe_that_is_not_there_is_away(name: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        cards = processor(f"http://127.0.0.1:{free.getsockname()[1]}", TEST)
        with pytest.raises(ProcessorAway, match="connect"):
            calls(cards)[name]()


@pytest.mark.parametrize("name", [*calls(None)])
def test_a_key_that_was_revoked_is_for_staff_and_not_told(cards: Stripe, fake: FakeStripe, name: str) -> None:
    fake.set(key_revoked=True)
    with pytest.raises(ProcessorRefused, match="API key") as refused:
        calls(cards)[name]()
    assert TEST not in str(refused.value)


def test_a_key_that_may_not_refund_gives_no_money_back_and_says_so(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    fake.set(forbidden=["refunds"])
    with pytest.raises(ProcessorRefused, match="permissions"):
        cards.send_back(return_of(payment))


def test_what_stripe_has_to_say_to_developers_is_no_warning_here(cards: Stripe, fake: FakeStripe) -> None:
    fake.set(headers={"Stripe-Notice": "This version is old."})
    assert cards.open(opening()).url


def test_no_line_is_logged_of_what_is_sent_and_answered(
    cards: Stripe, fake: FakeStripe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    deposit = opening()
    payment = paid(cards, fake, deposit)
    cards.send_back(return_of(payment))
    told = [word for word in (TEST, deposit.id, payment.processor_id, "5000000") if word in caplog.text]
    assert told == []


def test_an_error_holds_nothing_of_what_was_sent_or_answered(cards: Stripe, fake: FakeStripe) -> None:
    fake.fail("POST checkout", "html")
    with pytest.raises(ProcessorAway) as away:
        cards.open(opening())
    assert (str(away.value), away.value.__cause__) == ("status 502", None)


@pytest.mark.parametrize("rows", [None, "no", {}, ["no"], [None], 7])
def test_a_list_that_is_none_is_no_answer(cards: Stripe, fake: FakeStripe, rows: Any) -> None:
    payment = paid(cards, fake)
    fake.set(body={"data": rows})
    assert cards.send_back(return_of(payment)).state is Sent.UNKNOWN
    with pytest.raises(ProcessorAway):
        cards.payment(str(payment.payment_id))
    with pytest.raises(ProcessorAway):
        cards.report(_NOW, _NOW + _HOUR)
