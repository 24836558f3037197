"""BTCPay: a page to pay at, what the read-back says of the payments to it, and that nothing goes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from onceline import outbound
from onceline.core.money import MICROS
from onceline.payments.base import Paid, ProcessorAway, ProcessorRefused, Refunds, SendBack, Sent
from onceline.payments.btcpay import processor as module
from onceline.payments.btcpay.processor import BTCPay
from tests.counterparts.btcpay.process import FakeBTCPay
from tests.payments.btcpay.conftest import TEN, Store

CENT = MICROS // 100


def test_a_deposit_is_opened_paid_and_read_back(store: Store) -> None:
    invoice = store.open()
    assert store.payment(invoice).state is Paid.OPEN
    store.fake.pay(invoice)
    found = store.payment(invoice)
    assert (found.state, found.value, found.currency, found.deposit) == (Paid.PAID, TEN, "USD", "dep_1")
    assert (found.payment_id, found.network, found.asset) == ("ab" * 31 + "00-0", "BTC-CHAIN", "0.0002 BTC")
    assert (found.origin, found.is_live) == (None, True)


def test_what_is_asked_for_is_ours_in_every_field(store: Store) -> None:
    opened = store.processor.open(store.opening(amount=10_280_000))
    [asked] = store.fake.requests
    assert asked == {
        "amount": "10.28",
        "currency": "USD",
        "metadata": {"orderId": "dep_1"},
        "checkout": {
            "expirationMinutes": 60,
            "monitoringMinutes": 1440,
            "paymentTolerance": 0,
            "redirectURL": "https://otp.example.com/balance",
        },
    }
    assert opened.url == f"{store.fake.url}/i/{opened.processor_id}"


@pytest.mark.parametrize(("left_s", "minutes"), [(-5, 1), (59, 1), (61, 2), (10**7, 1440)])
def test_a_page_can_be_paid_until_the_deposit_ends_but_a_day_at_most(
    store: Store, left_s: int, minutes: int
) -> None:
    store.processor.open(store.opening(expires_at=store.clock.now() + timedelta(seconds=left_s)))
    assert store.fake.requests[0]["checkout"]["expirationMinutes"] == minutes


def test_the_same_deposit_gives_the_same_page(store: Store) -> None:
    assert store.open() == store.open()
    assert store.open("dep_2") != store.open()
    assert len(store.fake.invoices) == 2


@pytest.mark.parametrize("how", ["500", "cut"])
def test_a_page_whose_answer_was_lost_is_the_same_when_asked_again(store: Store, how: str) -> None:
    store.fake.fail("POST invoices", how)
    with pytest.raises(ProcessorAway):
        store.open()
    assert [one["id"] for one in store.fake.invoices] == [store.open()]


def test_of_two_that_raced_the_first_is_the_page(store: Store) -> None:
    first = store.open()
    now = int(store.clock.now().timestamp())
    store.fake.alter(first, metadata={"orderId": "hidden"})
    store.fake.set(now=now + 1)
    second = store.open()
    store.fake.alter(first, metadata={"orderId": "dep_1"})
    assert first != second
    assert store.open() == first


def test_an_invoice_of_another_amount_or_currency_under_our_id_is_refused(store: Store) -> None:
    invoice = store.open()
    with pytest.raises(ProcessorRefused, match="another amount"):
        store.open(amount=TEN + CENT)
    store.fake.alter(invoice, currency="EUR")
    with pytest.raises(ProcessorRefused, match="another currency"):
        store.open()


def test_an_invoice_of_another_store_is_refused(store: Store) -> None:
    invoice = store.open()
    store.fake.alter(invoice, storeId="another")
    with pytest.raises(ProcessorRefused, match="another store"):
        store.payment(invoice)


def test_a_page_elsewhere_without_tls_is_refused(store: Store) -> None:
    store.fake.alter(store.open(), checkoutLink="http://pay.example/x")
    with pytest.raises(ProcessorRefused, match="no page"):
        store.open()


# What became of it -----------------------------------------------------------------------------------------------------

Told = Callable[[FakeBTCPay, str], None]


def unconfirmed(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, status="Processing")


def half(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.0001")


def expired(fake: FakeBTCPay, invoice: str) -> None:
    fake.expire(invoice)


def half_then_expired(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.000100009")
    fake.expire(invoice)


def late(fake: FakeBTCPay, invoice: str) -> None:
    fake.expire(invoice)
    fake.pay(invoice)


def late_unconfirmed(fake: FakeBTCPay, invoice: str) -> None:
    fake.expire(invoice)
    fake.pay(invoice, status="Processing")


def twice(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice)
    fake.pay(invoice)


def over(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.00025009")


def over_by_dust(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.00020001")


def with_fee(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.00021", fee="0.00001")


def replaced(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, status="Processing")
    fake.confirm(invoice, "Invalid")
    fake.expire(invoice)


def marked(fake: FakeBTCPay, invoice: str) -> None:
    fake.mark(invoice)


def half_and_marked(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.0001")
    fake.mark(invoice)


def marked_then_paid(fake: FakeBTCPay, invoice: str) -> None:
    fake.mark(invoice)
    fake.pay(invoice)


def marked_as_none(fake: FakeBTCPay, invoice: str) -> None:
    fake.mark(invoice, "Invalid")


def not_in_time(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, status="Processing")
    fake.invalidate(invoice)


def settled_but_invalid(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice)
    fake.invalidate(invoice)


def settled_by_word_alone(fake: FakeBTCPay, invoice: str) -> None:
    fake.alter(invoice, status="Settled")


def settled_for_less(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.000199")
    fake.alter(invoice, status="Settled", additionalStatus="None")


def full_but_for_rounding(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.00019999")
    fake.alter(invoice, status="Settled", additionalStatus="None")


def late_but_for_rounding(fake: FakeBTCPay, invoice: str) -> None:
    fake.expire(invoice)
    fake.pay(invoice, "0.00019999")
    fake.alter(invoice, additionalStatus="PaidLate")


def seen_and_replaced(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.0001", status="Invalid")
    fake.alter(invoice, additionalStatus="PaidPartial")


def two_methods(fake: FakeBTCPay, invoice: str) -> None:
    fake.pay(invoice, "0.0001")
    fake.pay(invoice, "0.05", method="LTC-CHAIN", asset="LTC", rate="100")


@pytest.mark.parametrize(
    ("story", "state", "value"),
    [
        (unconfirmed, Paid.CONFIRMING, 0),
        (half, Paid.CONFIRMING, 0),
        (expired, Paid.EXPIRED, 0),
        (half_then_expired, Paid.UNDER, 5_000_000),
        (late, Paid.PAID, TEN),
        (late_unconfirmed, Paid.CONFIRMING, 0),
        (twice, Paid.OVER, 2 * TEN),
        (over, Paid.OVER, 12_500_000),
        (over_by_dust, Paid.PAID, TEN),
        (with_fee, Paid.PAID, TEN),
        (two_methods, Paid.PAID, TEN),
        (full_but_for_rounding, Paid.PAID, TEN),
        (late_but_for_rounding, Paid.PAID, TEN),
        (seen_and_replaced, Paid.OPEN, 0),
        (replaced, Paid.EXPIRED, 0),
        (marked, Paid.FROZEN, 0),
        (half_and_marked, Paid.FROZEN, 0),
        (marked_then_paid, Paid.FROZEN, 0),
        (marked_as_none, Paid.FAILED, 0),
        (not_in_time, Paid.FAILED, 0),
        (settled_but_invalid, Paid.FROZEN, 0),
        (settled_by_word_alone, Paid.FROZEN, 0),
        (settled_for_less, Paid.FROZEN, 0),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one),
)
def test_what_is_credited_is_what_settled(store: Store, story: Told, state: Paid, value: int) -> None:
    invoice = store.open()
    story(store.fake, invoice)
    found = store.payment(invoice)
    assert (found.state, found.value) == (state, value)


def test_an_unconfirmed_payment_is_credited_when_it_settles(store: Store) -> None:
    invoice = store.open()
    store.fake.pay(invoice, status="Processing")
    assert (store.payment(invoice).value, store.payment(invoice).payment_id) == (0, None)
    store.fake.confirm(invoice)
    assert store.payment(invoice).value == TEN


def test_of_several_payments_the_first_that_settled_names_it(store: Store) -> None:
    invoice = store.open()
    noon = int(store.clock.now().timestamp())
    store.fake.pay(invoice, "0.0001", receivedDate=noon + 2)
    store.fake.pay(invoice, "0.0001", receivedDate=noon + 1)
    assert store.payment(invoice).payment_id == "ab" * 31 + "01-0"


def test_what_two_coins_paid_is_said_of_both(store: Store) -> None:
    invoice = store.open()
    two_methods(store.fake, invoice)
    assert store.payment(invoice).asset == "0.0001 BTC + 0.05 LTC"


def test_a_server_of_the_first_version_is_read_as_well(store: Store) -> None:
    store.fake.set(version=1)
    invoice = store.open()
    store.fake.pay(invoice, method="BTC-LightningNetwork")
    found = store.payment(invoice)
    assert (found.state, found.network, found.asset) == (Paid.PAID, "BTC-LightningNetwork", "0.0002 BTC")


# Nothing goes back -----------------------------------------------------------------------------------------------------


def test_nothing_goes_back_and_nobody_is_asked(store: Store) -> None:
    invoice = store.open()
    store.fake.pay(invoice)
    before = store.fake.control()["asked"]
    refund = SendBack("ref_1", invoice, store.payment(invoice).payment_id, TEN, "USD")
    after = store.fake.control()["asked"]
    assert store.processor.send_back(refund).state is Sent.REFUSED
    assert "address" in store.processor.send_back(refund).reason
    assert store.processor.sent_back(refund) is None
    assert (BTCPay.refunds, store.processor.dispute("any")) == (Refunds.NEVER, None)
    assert store.fake.control()["asked"] == after != before


# Answers that are none -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["unknown", "", "../../x", "a/b", "a?b", "é"])
def test_what_the_server_does_not_know_is_none(store: Store, name: str) -> None:
    assert store.processor.payment(name) is None


def test_an_answer_about_another_payment_is_refused(store: Store) -> None:
    invoice = store.open()
    store.fake.alter(invoice, id="another")
    with pytest.raises(ProcessorRefused, match="another payment"):
        store.processor.payment(invoice)


def test_a_payment_in_another_currency_is_refused(store: Store) -> None:
    invoice = store.open()
    store.fake.alter(invoice, currency="EUR")
    with pytest.raises(ProcessorRefused, match="another currency"):
        store.payment(invoice)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "Paid"}, "an unknown status: Paid None"),
        ({"additionalStatus": "PaidTwice"}, "an unknown status: New PaidTwice"),
        ({"amount": "1e3"}, "amount is no plain decimal"),
        ({"amount": "-1"}, "amount is no plain decimal"),
        ({"amount": "NaN"}, "amount is no plain decimal"),
        ({"amount": None}, "amount is missing"),
        ({"createdTime": "soon"}, "createdTime is no time"),
        ({"id": "a/b"}, "id is none"),
    ],
)
def test_an_invoice_that_is_not_documented_is_refused(
    store: Store, fields: dict[str, Any], words: str
) -> None:
    invoice = store.open()
    store.fake.alter(invoice, **fields)
    with pytest.raises(ProcessorRefused, match=words):
        store.payment(invoice)


@pytest.mark.parametrize(
    ("payment", "words"),
    [
        ({"value": "0.0002", "rate": "1e5"}, "rate is no plain decimal"),
        ({"value": "0.0002", "fee": "-1"}, "fee is no plain decimal"),
        ({"value": "9" * 20}, "larger than any"),
        ({"value": "0.0002", "receivedDate": -5}, "receivedDate is no time"),
        ({"value": "0.0002", "id": "x" * 129}, "id is no short text"),
    ],
)
def test_a_payment_that_nobody_can_count_with_is_refused(
    store: Store, payment: dict[str, Any], words: str
) -> None:
    invoice = store.open()
    counted = {**payment}
    if set(payment) & {"rate", "fee"}:
        store.fake.pay(
            invoice, "0.0002", **{name: value for name, value in counted.items() if name != "value"}
        )
    else:
        store.fake.pay(invoice, **counted)
    with pytest.raises(ProcessorRefused, match=words):
        store.payment(invoice)


@pytest.mark.parametrize("how", ["500", "502", "429", "cut"])
def test_no_answer_is_nothing_known_and_the_next_one_counts(store: Store, how: str) -> None:
    invoice = store.open()
    store.fake.pay(invoice)
    store.fake.fail("GET payment-methods", how)
    with pytest.raises(ProcessorAway):
        store.payment(invoice)
    assert store.payment(invoice).state is Paid.PAID


def test_a_proxy_that_knows_nothing_is_not_believed(store: Store) -> None:
    invoice = store.open()
    store.fake.fail("GET invoice", "html")
    with pytest.raises(ProcessorRefused, match="404: no reason given"):
        store.payment(invoice)


def test_an_answer_that_never_comes_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice = store.open()
    monkeypatch.setattr(outbound, "TOTAL_S", 0.5)
    store.fake.fail("GET invoice", "hang")
    with pytest.raises(ProcessorAway, match="timeout"):
        store.payment(invoice)


def test_a_refusal_names_the_field_at_fault(store: Store) -> None:
    with pytest.raises(ProcessorRefused, match="422: amount"):
        store.open(amount=-MICROS)


def test_a_wrong_key_and_a_wrong_store_are_said(store: Store) -> None:
    store.set({"api_key": "another"})
    with pytest.raises(ProcessorRefused, match="401: unauthenticated"):
        store.open()
    store.set(store_id="another")
    with pytest.raises(ProcessorRefused, match="403: missing-permission"):
        store.open()
    with pytest.raises(ProcessorRefused, match="api_key is not set"):
        store.set({})


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://btcpay.example"},
        {"url": "https://btcpay.example/btcpay"},
        {"url": "btcpay"},
        {"store_id": "a/b"},
        {"monitoring_minutes": 59},
        {"refunds": True},
    ],
)
def test_a_setting_out_of_bounds_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        store.configured(**wrong)


# The report ------------------------------------------------------------------------------------------------------------


def test_a_day_has_what_settled_on_it(store: Store) -> None:
    noon = int(store.clock.now().timestamp())
    for number, (value, at) in enumerate(
        [("0.0002", 0), ("0.0003", 3600), ("0.0002", -1), ("0.0002", 86_400)]
    ):
        store.fake.pay(store.open(f"dep_{number}"), value, receivedDate=noon + at)
    store.open("dep_9")
    marked(store.fake, store.open("dep_8"))
    entries = store.processor.report(store.clock.now(), store.clock.now() + timedelta(days=1))
    assert [(one.kind, one.deposit, one.amount) for one in entries] == [
        ("payment", "dep_0", TEN),
        ("payment", "dep_1", 15 * MICROS),
    ]


def test_pages_are_read_to_the_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        store.fake.pay(store.open(f"dep_{number}"))
    day = (store.clock.now(), store.clock.now() + timedelta(days=1))
    assert sorted(one.deposit or "" for one in store.processor.report(*day)) == [
        f"dep_{at}" for at in range(5)
    ]
    monkeypatch.setattr(module, "MOST_PAGES", 2)
    with pytest.raises(ProcessorRefused, match="more than 4 invoices"):
        store.processor.report(*day)
