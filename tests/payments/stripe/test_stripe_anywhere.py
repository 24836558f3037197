"""What holds at the Stripe of our own and at Stripe's test mode alike; conftest.py names the command."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from onceline.core.money import MICROS
from onceline.payments.base import Dispute, Paid, ProcessorRefused, SendBack, Sent, Stage
from tests.payments.stripe.dealing import FIVE, Anywhere, opening

PATIENCE_S = 30
"""What Stripe does behind its answers, such as a dispute, comes a little later."""


def intent(anywhere: Anywhere, card: str = "pm_card_visa", deposit: str = "dep_none") -> str:
    """Paid without the page, as only a test key can."""
    made = anywhere.sdk.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "confirm": True,
            "payment_method": card,
            "metadata": {"deposit": deposit},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return made.id


def refund_of(payment_id: str, amount: int = FIVE) -> SendBack:
    return SendBack(f"ref_{uuid4().hex}", "cs_test_none", payment_id, amount, "USD")


def test_a_deposit_gets_a_page_and_waits(anywhere: Anywhere) -> None:
    deposit = opening()
    opened = anywhere.cards.open(deposit)
    payment = anywhere.cards.payment(opened.processor_id)

    assert payment is not None
    assert (payment.state, payment.value, payment.currency, payment.is_live) == (Paid.OPEN, 0, "USD", False)
    assert (payment.deposit, payment.processor_id) == (deposit.id, opened.processor_id)
    assert opened.url.startswith("http")


def test_a_deposit_that_is_opened_twice_has_one_page(anywhere: Anywhere) -> None:
    deposit = opening()
    assert anywhere.cards.open(deposit) == anywhere.cards.open(deposit)


def test_a_deposit_that_was_opened_cannot_be_opened_for_another_amount(anywhere: Anywhere) -> None:
    deposit = opening()
    anywhere.cards.open(deposit)
    with pytest.raises(ProcessorRefused, match="other parameters"):
        anywhere.cards.open(replace(deposit, amount=2 * FIVE))


def test_a_page_that_is_over_is_expired(anywhere: Anywhere) -> None:
    opened = anywhere.cards.open(opening())
    anywhere.sdk.v1.checkout.sessions.expire(opened.processor_id)
    payment = anywhere.cards.payment(opened.processor_id)
    assert payment is not None
    assert (payment.state, payment.value) == (Paid.EXPIRED, 0)


@pytest.mark.parametrize(
    ("amount", "currency"), [(500 * MICROS, "JPY"), (3 * MICROS, "KWD"), (1_230_000, "EUR")]
)
def test_a_page_asks_for_what_the_deposit_says_in_any_currency(
    anywhere: Anywhere, amount: int, currency: str
) -> None:
    opened = anywhere.cards.open(opening(amount, currency))
    session = anywhere.sdk.v1.checkout.sessions.retrieve(opened.processor_id)
    minor = {"JPY": 500, "KWD": 3000, "EUR": 123}[currency]
    assert (session.amount_total, session.currency) == (minor, currency.lower())


def test_too_little_is_refused_in_words(anywhere: Anywhere) -> None:
    with pytest.raises(ProcessorRefused, match="amount"):
        anywhere.cards.open(opening(MICROS // 100))


def test_a_refund_goes_back_once(anywhere: Anywhere) -> None:
    refund = refund_of(intent(anywhere))

    assert anywhere.cards.sent_back(refund) is None
    first, second = anywhere.cards.send_back(refund), anywhere.cards.send_back(refund)

    assert (first.state, second) == (Sent.DONE, first)
    assert anywhere.cards.sent_back(refund) == first
    assert len(anywhere.sdk.v1.refunds.list({"payment_intent": refund.payment_id}).data) == 1


def test_more_than_what_was_paid_is_refused_for_good(anywhere: Anywhere) -> None:
    refund = refund_of(intent(anywhere), FIVE + MICROS)
    assert anywhere.cards.send_back(refund).state is Sent.REFUSED
    assert anywhere.sdk.v1.refunds.list({"payment_intent": refund.payment_id}).data == []


def test_a_payment_that_stripe_does_not_know_is_for_staff(anywhere: Anywhere) -> None:
    with pytest.raises(ProcessorRefused, match="no such object"):
        anywhere.cards.send_back(refund_of("pi_3Nothing"))
    assert anywhere.cards.payment("cs_test_nothing") is None
    assert anywhere.cards.dispute("du_nothing") is None


def test_a_dispute_is_open_at_first(anywhere: Anywhere) -> None:
    paid = intent(anywhere, "pm_card_createDispute")
    dispute = anywhere.cards.dispute(_dispute_of(anywhere, paid))
    assert isinstance(dispute, Dispute)
    assert (dispute.payment_id, dispute.amount, dispute.currency) == (paid, FIVE, "USD")
    assert dispute.stage is Stage.OPEN


def test_the_report_has_what_was_paid(anywhere: Anywhere) -> None:
    deposit = f"dep_{uuid4().hex}"
    paid = intent(anywhere, deposit=deposit)
    since = datetime.now(UTC) - timedelta(hours=1)

    deadline = time.monotonic() + PATIENCE_S
    found = []
    while not found and time.monotonic() < deadline:
        report = anywhere.cards.report(since, since + timedelta(hours=2))
        found = [entry for entry in report if entry.object_id == paid and entry.kind == "payment"]

    assert [(entry.amount, entry.currency, entry.deposit) for entry in found] == [(FIVE, "USD", deposit)]


def _dispute_of(anywhere: Anywhere, paid: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := anywhere.sdk.v1.disputes.list({"payment_intent": paid}).data:
            return found[0].id
        time.sleep(0.5)
    raise TimeoutError("no dispute came")
