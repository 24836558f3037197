"""Disputes from their first letter to their end, and the report that money is reconciled with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import stripe

from onceline.core.money import MICROS
from onceline.payments.base import Dispute, Entry, Payment, ProcessorAway, ProcessorRefused, Stage, Warned
from onceline.payments.stripe import processor
from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import FakeStripe
from tests.payments.stripe.dealing import FIVE, instant, opening, paid, return_of

pytestmark = pytest.mark.counterpart

FEE = (500 * 29 // 1000 + 30) * 10_000
"""What the fake keeps of 5.00."""
DISPUTE_FEE = 15 * MICROS


def opened(cards: Stripe, fake: FakeStripe, **how: Any) -> tuple[Payment, str]:
    """A payment, and the dispute about it."""
    payment = paid(cards, fake)
    return payment, str(fake.tell("dispute", intent=payment.payment_id, **how)["id"])


def read(cards: Stripe, dispute: str) -> Dispute:
    found = cards.dispute(dispute)
    assert isinstance(found, Dispute)
    return found


def test_a_dispute_takes_the_payment_away(cards: Stripe, fake: FakeStripe) -> None:
    payment, dispute = opened(cards, fake)
    assert read(cards, dispute) == Dispute(dispute, str(payment.payment_id), FIVE, "USD", Stage.OPEN)


def test_a_dispute_may_be_about_a_part(cards: Stripe, fake: FakeStripe) -> None:
    _, dispute = opened(cards, fake, minor=123)
    assert read(cards, dispute).amount == 1_230_000


@pytest.mark.parametrize(("status", "stage"), [("won", Stage.WON), ("lost", Stage.LOST)])
def test_a_dispute_ends(cards: Stripe, fake: FakeStripe, status: str, stage: Stage) -> None:
    _, dispute = opened(cards, fake)
    for step in ("under_review", status):
        fake.tell("dispute_change", dispute=dispute, status=step)
    found = read(cards, dispute)
    assert (found.stage, found.amount) == (stage, FIVE)


@pytest.mark.parametrize(
    "status", ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "resting"]
)
def test_a_dispute_that_is_not_over_is_open(cards: Stripe, fake: FakeStripe, status: str) -> None:
    _, dispute = opened(cards, fake)
    fake.lie(dispute, status=status)
    assert read(cards, dispute).stage is Stage.OPEN


def test_a_question_of_the_bank_freezes_until_it_is_answered(cards: Stripe, fake: FakeStripe) -> None:
    _, dispute = opened(cards, fake, status="warning_needs_response")
    assert (read(cards, dispute).stage, read(cards, dispute).amount) == (Stage.OPEN, FIVE)
    fake.tell("dispute_change", dispute=dispute, status="warning_closed")
    assert (read(cards, dispute).stage, read(cards, dispute).amount) == (Stage.WON, FIVE)


def test_a_question_of_the_bank_that_becomes_a_dispute_is_the_same_one(
    cards: Stripe, fake: FakeStripe
) -> None:
    _, dispute = opened(cards, fake, status="warning_needs_response")
    before = read(cards, dispute)
    fake.tell("dispute_change", dispute=dispute, status="needs_response")
    assert read(cards, dispute) == before
    fake.tell("dispute_change", dispute=dispute, status="lost")
    assert read(cards, dispute).stage is Stage.LOST


def test_a_dispute_that_was_prevented_is_lost_only_with_its_money(cards: Stripe, fake: FakeStripe) -> None:
    _, with_money = opened(cards, fake)
    _, without = opened(cards, fake, status="warning_needs_response")
    for dispute in (with_money, without):
        fake.tell("dispute_change", dispute=dispute, status="prevented")
    assert [read(cards, one).stage for one in (with_money, without)] == [Stage.LOST, Stage.WON]


def test_a_dispute_about_an_old_charge_goes_by_that(cards: Stripe, fake: FakeStripe) -> None:
    _, dispute = opened(cards, fake)
    fake.lie(dispute, payment_intent=None)
    assert read(cards, dispute).payment_id.startswith("ch_")


@pytest.mark.parametrize("field", ["payment_intent", "nothing"])
def test_a_warning_of_fraud_says_which_payment_it_is_about(
    cards: Stripe, fake: FakeStripe, field: str
) -> None:
    """Stripe may leave out the payment, and never the charge."""
    payment = paid(cards, fake)
    warning = fake.tell("warn", intent=payment.payment_id)["id"]
    fake.lie(warning, **{field: None})
    assert cards.dispute(warning) == Warned(warning, str(payment.payment_id))


def test_a_warning_of_the_other_mode_is_refused(cards: Stripe, fake: FakeStripe) -> None:
    warning = fake.tell("warn", intent=paid(cards, fake).payment_id)["id"]
    fake.lie(warning, livemode=True)
    with pytest.raises(ProcessorRefused, match="mode"):
        cards.dispute(warning)


@pytest.mark.parametrize(
    "name", ["du_nothing", "dp_nothing", "issfr_nothing", "", "du_/../../refunds", "issfr_/../x", "pi_1"]
)
def test_what_is_no_dispute_is_none(cards: Stripe, fake: FakeStripe, name: str) -> None:
    assert cards.dispute(name) is None


# The report.


def today(cards: Stripe, fake: FakeStripe) -> list[Entry]:
    until = instant(fake.now() + 1)
    return cards.report(until - timedelta(days=1), until)


def told(entries: list[Entry]) -> list[tuple[str, str, int]]:
    return [(entry.kind, entry.object_id, entry.amount) for entry in entries]


def test_the_report_tells_of_a_payment_what_came_and_what_stripe_kept(
    cards: Stripe, fake: FakeStripe
) -> None:
    deposit = opening()
    payment = paid(cards, fake, deposit)
    entries = today(cards, fake)
    assert told(entries) == [("payment", payment.payment_id, FIVE), ("fee", payment.payment_id, -FEE)]
    assert {(entry.deposit, entry.currency) for entry in entries} == {(deposit.id, "USD")}
    assert all(abs(entry.at - instant(fake.now())) < timedelta(minutes=1) for entry in entries)


def test_the_report_tells_of_a_refund_and_of_its_coming_back(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    sent = cards.send_back(return_of(payment))
    fake.tell("refund", refund=sent.refund_id, status="failed")
    refunds = [entry for entry in told(today(cards, fake)) if entry[0] == "refund"]
    assert refunds == [("refund", sent.refund_id, -FIVE), ("refund", sent.refund_id, FIVE)]


def test_the_report_tells_of_a_dispute_with_its_charge_and_of_its_end(
    cards: Stripe, fake: FakeStripe
) -> None:
    _, dispute = opened(cards, fake)
    fake.tell("dispute_change", dispute=dispute, status="won")
    about = [entry for entry in told(today(cards, fake)) if entry[1] == dispute]
    assert about == [("dispute", dispute, -FIVE), ("fee", dispute, -DISPUTE_FEE), ("dispute", dispute, FIVE)]


def test_what_goes_to_the_bank_is_in_the_report_too(cards: Stripe, fake: FakeStripe) -> None:
    moved = fake.tell("payout", minor=500)["id"]
    assert told(today(cards, fake)) == [("other", moved, -FIVE)]


def test_the_report_adds_up_to_the_balance(cards: Stripe, fake: FakeStripe, sdk: stripe.StripeClient) -> None:
    cards.send_back(return_of(paid(cards, fake)))
    _, dispute = opened(cards, fake)
    fake.tell("dispute_change", dispute=dispute, status="lost")
    fake.tell("payout", minor=77)
    net = sum(one.net for one in sdk.v1.balance_transactions.list({"limit": 100}).data)
    assert sum(entry.amount for entry in today(cards, fake)) == net * 10_000 != 0


def test_a_report_of_many_pages_is_whole(cards: Stripe, fake: FakeStripe) -> None:
    for minor in range(1, 251):
        fake.tell("payout", minor=minor)
    assert [entry.amount for entry in today(cards, fake)] == [-minor * 10_000 for minor in range(1, 251)]


def test_a_report_without_an_end_is_given_up(
    cards: Stripe, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minor in (1, 2, 3):
        fake.tell("payout", minor=minor)
    monkeypatch.setattr(processor, "PAGE", 1)
    with monkeypatch.context() as short:
        short.setattr(processor, "MOST_PAGES", 2)
        with pytest.raises(ProcessorRefused, match="longer"):
            today(cards, fake)
    with monkeypatch.context() as hasty:
        hasty.setattr(processor, "REPORT_S", -1)
        with pytest.raises(ProcessorAway, match="too long"):
            today(cards, fake)
    assert len(today(cards, fake)) == 3


def test_reports_that_meet_have_each_movement_once(cards: Stripe, fake: FakeStripe) -> None:
    paid(cards, fake)
    at = instant(fake.events("charge.succeeded")[0]["created"])
    half = timedelta(seconds=0.5)

    def kinds(since: datetime, until: datetime) -> list[str]:
        return [entry.kind for entry in cards.report(since, until)]

    day = timedelta(hours=23)
    assert kinds(at - day, at) + kinds(at, at + day) == ["payment", "fee"]
    assert kinds(at - day, at + half) + kinds(at + half, at + day) == ["payment", "fee"]
    assert kinds(at - day, at - half) + kinds(at - half, at + day - half) == ["payment", "fee"]


@pytest.mark.parametrize("days", [1.01, 30, 0, -1])
def test_a_report_is_for_a_day_at_most(cards: Stripe, fake: FakeStripe, days: float) -> None:
    until = instant(fake.now())
    with pytest.raises(ProcessorRefused, match="a day"):
        cards.report(until - timedelta(days=days), until)
