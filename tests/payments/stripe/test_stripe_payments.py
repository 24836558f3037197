"""What a payer does at the page, and what our side reads of it."""

from __future__ import annotations

from typing import Any

import pytest

from onceline.payments.base import Paid, ProcessorRefused
from onceline.payments.stripe.processor import Stripe
from tests.counterparts.stripe.process import LIVE, FakeStripe
from tests.payments.stripe.dealing import BACK, FIVE, opening, paid, processor, read

pytestmark = pytest.mark.counterpart


def charge_of(fake: FakeStripe, payment_id: str | None) -> dict[str, Any]:
    """As an event told of it."""
    told = [one["data"]["object"] for one in fake.events("charge.succeeded")]
    return next(one for one in told if one["payment_intent"] == payment_id)


def test_a_card_pays_a_deposit(cards: Stripe, fake: FakeStripe) -> None:
    deposit = opening()
    payment = paid(cards, fake, deposit)
    assert (payment.state, payment.value, payment.currency) == (Paid.PAID, FIVE, "USD")
    assert (payment.deposit, payment.is_live) == (deposit.id, False)
    assert payment.payment_id is not None
    assert payment.payment_id.startswith("pi_")
    assert (payment.origin, payment.network, payment.asset) == (None, None, None)


def test_a_payment_is_found_by_its_intent_as_well(cards: Stripe, fake: FakeStripe) -> None:
    paid(cards, fake)
    payment = paid(cards, fake)
    paid(cards, fake)
    assert read(cards, str(payment.payment_id)) == payment


def test_the_page_leads_back_whatever_happens(cards: Stripe, fake: FakeStripe) -> None:
    opened = cards.open(opening())
    fake.pay(opened.processor_id)
    session = fake.events("checkout.session.completed")[0]["data"]["object"]
    assert (session["success_url"], session["cancel_url"]) == (BACK, BACK)


@pytest.mark.parametrize("card", ["declined", "3ds_fails"])
def test_a_card_that_fails_leaves_the_page_open_for_another(
    cards: Stripe, fake: FakeStripe, card: str
) -> None:
    payment = paid(cards, fake, card=card)
    assert (payment.state, payment.value) == (Paid.OPEN, 0)
    fake.pay(payment.processor_id)
    assert (read(cards, payment.processor_id).state, read(cards, payment.processor_id).value) == (
        Paid.PAID,
        FIVE,
    )


def test_a_payer_who_has_yet_to_answer_the_bank_has_paid_nothing(cards: Stripe, fake: FakeStripe) -> None:
    assert (paid(cards, fake, card="3ds_waits").state, len(fake.events("charge."))) == (Paid.OPEN, 0)


@pytest.mark.parametrize(
    ("is_first", "wanted", "asks"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_the_bank_authenticates_the_holder_at_a_first_deposit(
    fake: FakeStripe, is_first: bool, wanted: bool, asks: bool
) -> None:
    cards = processor(fake.url, fake.key, first_deposit_3ds=wanted)
    payment = paid(cards, fake, opening(is_first=is_first))
    card = charge_of(fake, payment.payment_id)["payment_method_details"]["card"]
    assert (card["three_d_secure"] is not None) == asks


def test_a_slow_method_is_final_when_it_is_final(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake, card="slow")
    assert (payment.state, payment.value) == (Paid.CONFIRMING, 0)
    fake.tell("settle", session=payment.processor_id, ok=True)
    assert (read(cards, payment.processor_id).state, read(cards, payment.processor_id).value) == (
        Paid.PAID,
        FIVE,
    )


def test_a_slow_method_may_come_to_nothing(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake, card="slow")
    fake.tell("settle", session=payment.processor_id, ok=False)
    assert (read(cards, payment.processor_id).state, read(cards, payment.processor_id).value) == (
        Paid.FAILED,
        0,
    )


def test_a_slip_that_has_yet_to_be_paid_is_open(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake, card="3ds_waits")
    fake.lie(payment.processor_id, status="complete")
    assert read(cards, payment.processor_id).state is Paid.OPEN


def test_a_page_expires_when_the_deposit_does(cards: Stripe, fake: FakeStripe) -> None:
    opened = cards.open(opening())
    fake.tell("advance", seconds=3601)
    assert (read(cards, opened.processor_id).state, len(fake.events("checkout.session.expired"))) == (
        Paid.EXPIRED,
        1,
    )


def test_money_that_came_counts_though_the_page_expired(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    fake.lie(payment.processor_id, status="expired")
    assert read(cards, payment.processor_id) == payment


@pytest.mark.parametrize("minor", [499, 600])
def test_a_page_takes_its_own_amount_and_no_other(cards: Stripe, fake: FakeStripe, minor: int) -> None:
    opened = cards.open(opening())
    fake.pay(opened.processor_id, minor=minor)
    with pytest.raises(ProcessorRefused, match="amount"):
        cards.payment(opened.processor_id)


@pytest.mark.parametrize("minor", [499, 600])
def test_a_page_for_another_amount_than_ours_is_read_as_what_came(
    cards: Stripe, fake: FakeStripe, minor: int
) -> None:
    """Core compares it with what it asked for, and shows it to staff."""
    opened = cards.open(opening())
    fake.lie(opened.processor_id, amount_total=minor)
    fake.pay(opened.processor_id)
    payment = read(cards, opened.processor_id)
    assert (payment.state, payment.value) == (Paid.PAID, minor * 10_000)


CONTRADICTIONS: list[tuple[str, dict[str, Any]]] = [
    ("charge", {"currency": "eur"}),
    ("intent", {"currency": "eur"}),
    ("session", {"currency": "eur"}),
    ("session", {"currency": None}),
    ("charge", {"livemode": True}),
    ("intent", {"livemode": True}),
    ("intent", {"amount_received": 5_000}),
    ("charge", {"amount_captured": 5_000}),
    ("charge", {"amount_captured": "500"}),
    ("charge", {"captured": False}),
    ("charge", {"status": "pending"}),
    ("charge", {"status": "failed"}),
    ("intent", {"status": "requires_capture"}),
    ("intent", {"status": "canceled"}),
    ("intent", {"latest_charge": None}),
    ("session", {"payment_intent": None}),
    ("session", {"amount_total": None}),
    ("session", {"amount_total": 499}),
    ("session", {"amount_total": "500"}),
]


@pytest.mark.parametrize(("what", "lie"), CONTRADICTIONS)
def test_what_one_object_says_and_another_denies_is_refused(
    cards: Stripe, fake: FakeStripe, what: str, lie: dict[str, Any]
) -> None:
    payment = paid(cards, fake)
    charge = charge_of(fake, payment.payment_id)
    fake.lie(
        {"charge": charge["id"], "intent": str(payment.payment_id), "session": payment.processor_id}[what],
        **lie,
    )
    with pytest.raises(ProcessorRefused):
        cards.payment(payment.processor_id)


def test_a_payment_in_another_currency_says_so(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    for one in (charge_of(fake, payment.payment_id)["id"], str(payment.payment_id), payment.processor_id):
        fake.lie(one, currency="jpy")
    payment = read(cards, payment.processor_id)
    assert (payment.state, payment.currency, payment.value) == (Paid.PAID, "JPY", 500_000_000)


@pytest.mark.parametrize(
    ("what", "lie"),
    [
        ("session", {"client_reference_id": "dep_another"}),
        ("session", {"client_reference_id": None}),
        ("session", {"metadata": {"deposit": "dep_another"}}),
        ("session", {"metadata": {}}),
        ("intent", {"metadata": {"deposit": "dep_another"}}),
        ("intent", {"metadata": {}}),
    ],
)
def test_a_payment_is_of_no_deposit_unless_all_say_the_same(
    cards: Stripe, fake: FakeStripe, what: str, lie: dict[str, Any]
) -> None:
    payment = paid(cards, fake)
    fake.lie({"intent": str(payment.payment_id), "session": payment.processor_id}[what], **lie)
    assert read(cards, payment.processor_id).deposit == ""


def test_a_session_of_somebody_else_at_the_same_account_is_of_no_deposit(
    cards: Stripe, fake: FakeStripe
) -> None:
    payment = paid(cards, fake)
    fake.lie(payment.processor_id, client_reference_id=None, metadata={})
    fake.lie(str(payment.payment_id), metadata={})
    assert read(cards, payment.processor_id).deposit == ""


def test_test_money_is_nothing_to_a_live_key(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    assert processor(fake.url, LIVE).payment(payment.processor_id) is None


def test_an_answer_of_the_other_mode_is_refused(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    for one in (charge_of(fake, payment.payment_id)["id"], str(payment.payment_id), payment.processor_id):
        fake.lie(one, livemode=True)
    for name in (payment.processor_id, str(payment.payment_id)):
        with pytest.raises(ProcessorRefused, match="mode"):
            cards.payment(name)


@pytest.mark.parametrize(
    "name", ["cs_test_nothing", "pi_nothing", "", "dep_1", "cs_test_/../../charges", "pi_?limit=1", "cs_"]
)
def test_what_is_no_payment_is_none(cards: Stripe, fake: FakeStripe, name: str) -> None:
    paid(cards, fake)
    assert cards.payment(name) is None


def test_the_payers_own_currency_is_off_unless_the_operator_wants_it(cards: Stripe, fake: FakeStripe) -> None:
    fake.pay(cards.open(opening()).processor_id)
    fake.pay(processor(fake.url, fake.key, adaptive_pricing=True).open(opening()).processor_id)
    sessions = [one["data"]["object"] for one in fake.events("checkout.session.completed")]
    assert [one["adaptive_pricing"] for one in sessions] == [{"enabled": False}, {"enabled": True}]


def test_what_the_payer_saw_in_another_currency_is_there_to_be_read(cards: Stripe, fake: FakeStripe) -> None:
    payment = paid(cards, fake)
    seen = {"presentment_amount": 462, "presentment_currency": "eur"}
    fake.lie(payment.processor_id, presentment_details=seen)
    found = read(cards, payment.processor_id)
    assert (found.asset, found.value, found.currency) == ("4.62 EUR", FIVE, "USD")


@pytest.mark.parametrize(
    "seen", [{"presentment_amount": 1, "presentment_currency": "clf"}, {}, "4.62", {"a": 1}]
)
def test_what_cannot_be_read_of_it_stops_no_credit(cards: Stripe, fake: FakeStripe, seen: Any) -> None:
    payment = paid(cards, fake)
    fake.lie(payment.processor_id, presentment_details=seen)
    assert read(cards, payment.processor_id) == payment


def test_a_page_that_would_end_too_soon_is_refused(cards: Stripe, fake: FakeStripe) -> None:
    fake.tell("advance", seconds=1801)
    with pytest.raises(ProcessorRefused, match="30 minutes"):
        cards.open(opening())


def test_stripe_learns_what_a_call_needs_and_nothing_of_the_machine(cards: Stripe, fake: FakeStripe) -> None:
    cards.open(opening())
    sent = fake.tell("headers")
    by_http = {"host", "accept-encoding", "content-length", "connection"}
    needed = {"authorization", "content-type", "idempotency-key", "stripe-version", "user-agent"}
    assert sent.keys() - by_http == needed
    assert sent["user-agent"].startswith("Onceline Stripe/v1 PythonBindings/")


def test_a_status_that_nobody_knows_is_refused(cards: Stripe, fake: FakeStripe) -> None:
    opened = cards.open(opening())
    fake.lie(opened.processor_id, status="resting")
    with pytest.raises(ProcessorRefused, match="resting"):
        cards.payment(opened.processor_id)


@pytest.mark.parametrize(
    "body", [{"client_reference_id": "dep_another"}, {"url": None}, {"id": None}, {"livemode": True}]
)
def test_a_page_that_is_not_the_one_that_was_asked_for_is_refused(
    cards: Stripe, fake: FakeStripe, body: dict[str, Any]
) -> None:
    fake.set(body=body)
    with pytest.raises(ProcessorRefused):
        cards.open(opening())
