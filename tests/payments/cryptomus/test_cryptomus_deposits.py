"""Cryptomus: a page to pay at, and what the read-back says of a payment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from onceline import outbound
from onceline.core.money import MICROS
from onceline.payments.base import Paid, ProcessorAway, ProcessorRefused
from tests.counterparts.cryptomus.process import PAYER
from tests.payments.cryptomus.conftest import TEN, Merchant

CENT = MICROS // 100
INFO = "v1/payment/info"


def test_a_deposit_is_opened_paid_and_read_back(merchant: Merchant) -> None:
    opened = merchant.open()
    assert merchant.payment(opened).state is Paid.OPEN
    merchant.fake.pay("dep_1")
    found = merchant.payment(opened)
    assert (found.state, found.value, found.currency, found.deposit) == (Paid.PAID, TEN, "USD", "dep_1")
    assert (found.payment_id, found.origin, found.network) == ("tx-dep_1", PAYER, "tron")
    assert (found.asset, found.is_live) == ("10 USDT", True)
    assert opened.url == f"https://pay.example/pay/{opened.processor_id}"


def test_what_is_asked_for_is_ours_in_every_field(merchant: Merchant) -> None:
    merchant.set(lifetime_s=1800, accuracy_percent="1.50")
    merchant.processor.open(merchant.opening(amount=10_280_000))
    [asked] = merchant.fake.requests
    assert asked == {
        "path": "v1/payment",
        "amount": "10.28",
        "currency": "USD",
        "order_id": "dep_1",
        "url_return": "https://otp.example.com/balance",
        "url_success": "https://otp.example.com/balance",
        "url_callback": merchant.receiver.url,
        "is_payment_multiple": False,
        "lifetime": 1800,
        "accuracy_payment_percent": "1.50",
        "subtract": "0",
    }


@pytest.mark.parametrize(("left_s", "lifetime"), [(10, 300), (900, 900), (86_400, 3600)])
def test_a_page_can_be_paid_until_the_deposit_ends_and_no_longer_than_is_set(
    merchant: Merchant, left_s: int, lifetime: int
) -> None:
    ends = merchant.clock.now() + timedelta(seconds=left_s)
    merchant.processor.open(merchant.opening(expires_at=ends))
    assert merchant.fake.requests[0]["lifetime"] == lifetime


def test_the_same_deposit_gives_the_same_page_also_at_once(merchant: Merchant) -> None:
    with ThreadPoolExecutor(8) as threads:
        opened = set(threads.map(lambda _: merchant.open(), range(8)))
    assert len(opened) == 1
    assert len(merchant.fake.invoices) == 1


def test_a_page_whose_answer_was_lost_is_the_same_when_asked_again(merchant: Merchant) -> None:
    merchant.fake.fail("v1/payment", "500")
    with pytest.raises(ProcessorAway, match="status 500"):
        merchant.open()
    opened = merchant.open()
    assert [one["uuid"] for one in merchant.fake.invoices] == [opened.processor_id]


def test_an_invoice_of_another_amount_under_our_id_is_refused(merchant: Merchant) -> None:
    merchant.open(amount=TEN)
    with pytest.raises(ProcessorRefused, match="another amount"):
        merchant.open(amount=TEN + CENT)


def test_an_invoice_in_another_currency_under_our_id_is_refused(merchant: Merchant) -> None:
    merchant.open()
    merchant.fake.become("dep_1", "check", currency="EUR")
    with pytest.raises(ProcessorRefused, match="another currency"):
        merchant.open()


def test_a_page_without_tls_is_refused(merchant: Merchant) -> None:
    merchant.open()
    merchant.fake.become("dep_1", "check", url="http://pay.example/x")
    with pytest.raises(ProcessorRefused, match="no page"):
        merchant.open()


def test_a_refusal_says_what_was_at_fault(merchant: Merchant) -> None:
    with pytest.raises(ProcessorRefused, match="422: order_id"):
        merchant.open("dep 1")


def test_another_brand_is_another_address(merchant: Merchant) -> None:
    brand = merchant.fake.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ValueError, match="https"):
        merchant.set(base_url=brand)
    merchant.set(base_url=merchant.fake.url + "/")
    assert merchant.open().url.startswith("https://")


# What became of it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("check", Paid.OPEN),
        ("process", Paid.OPEN),
        ("confirm_check", Paid.CONFIRMING),
        ("wrong_amount_waiting", Paid.CONFIRMING),
        ("cancel", Paid.EXPIRED),
        ("fail", Paid.FAILED),
        ("system_fail", Paid.FAILED),
        ("locked", Paid.FROZEN),
        ("refund_process", Paid.FROZEN),
        ("refund_paid", Paid.FROZEN),
    ],
)
def test_nothing_is_credited_while_no_money_is_there(merchant: Merchant, status: str, state: Paid) -> None:
    found = merchant.paid(status)
    assert (found.state, found.value) == (state, 0)


@pytest.mark.parametrize(
    ("status", "paid", "state", "value"),
    [
        ("paid", "10.00", Paid.PAID, TEN),
        ("paid", "10.5", Paid.PAID, TEN),
        ("paid_over", "12.34999999", Paid.OVER, 12_340_000),
        ("paid_over", "10.00999999", Paid.PAID, TEN),
        ("paid_over", "31", Paid.OVER, 31 * MICROS),
        ("wrong_amount", "9.99999999", Paid.UNDER, 9_990_000),
        ("wrong_amount", "0.00999999", Paid.UNDER, 0),
        ("refund_fail", "10", Paid.PAID, TEN),
        ("refund_fail", "4.2", Paid.UNDER, 4_200_000),
    ],
)
def test_what_came_is_counted_by_the_invoices_own_rate_down_to_a_cent(
    merchant: Merchant, status: str, paid: str, state: Paid, value: int
) -> None:
    found = merchant.paid(status, paid)
    assert (found.state, found.value) == (state, value)


def test_another_coin_is_counted_by_its_rate(merchant: Merchant) -> None:
    found = merchant.paid(
        "paid_over",
        "0.00020001",
        payer_amount="0.00010000",
        payer_currency="BTC",
        network="btc",
        **{"from": None},
    )
    assert (found.state, found.value) == (Paid.OVER, 20_000_000)
    assert (found.asset, found.origin) == ("0.00020001 BTC", None)


def test_a_coin_that_is_our_currency_needs_no_rate(merchant: Merchant) -> None:
    found = merchant.paid("paid_over", "11", payer_amount=None, payer_currency="USD")
    assert (found.state, found.value) == (Paid.OVER, 11 * MICROS)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("paid", {"payment_amount": "0.00", "txid": None, "from": None}),
        ("paid", {"payment_amount": "9.99"}),
        ("paid", {"payment_amount": None}),
        ("paid", {"payer_amount": "0"}),
        ("paid_over", {"payment_amount": "9.99"}),
        ("paid_over", {"payer_amount": None}),
        ("wrong_amount", {"payment_amount": "10.00"}),
    ],
)
def test_a_word_that_the_figures_do_not_bear_out_is_for_staff(
    merchant: Merchant, status: str, fields: dict[str, Any]
) -> None:
    """As when somebody marked an invoice as paid, who may have our key."""
    found = merchant.paid(status, **fields)
    assert (found.state, found.value) == (Paid.FROZEN, 0)


@pytest.mark.parametrize(("paid", "state"), [("9.80", Paid.PAID), ("9.79", Paid.FROZEN)])
def test_so_much_less_still_counts_as_paid_in_full(merchant: Merchant, paid: str, state: Paid) -> None:
    merchant.set(accuracy_percent="2")
    found = merchant.paid("paid", paid)
    assert (found.state, found.value) == (state, TEN if state is Paid.PAID else 0)


def test_a_word_that_is_not_final_is_waited_for(merchant: Merchant) -> None:
    found = merchant.paid("wrong_amount", "4", is_final=False)
    assert (found.state, found.value) == (Paid.CONFIRMING, 0)


@pytest.mark.attack(29)
def test_a_payment_that_comes_after_the_end_is_paid(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.become("dep_1", "cancel", quiet=True)
    assert merchant.payment(opened).state is Paid.EXPIRED
    merchant.fake.pay("dep_1", quiet=True)
    assert merchant.payment(opened).state is Paid.PAID


@pytest.mark.attack(28)
def test_what_was_seen_and_replaced_is_never_credited(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.pay("dep_1", "confirm_check", quiet=True)
    assert merchant.payment(opened).state is Paid.CONFIRMING
    merchant.fake.become("dep_1", "cancel", quiet=True)
    assert (merchant.payment(opened).state, merchant.payment(opened).value) == (Paid.EXPIRED, 0)


@pytest.mark.attack(27)
def test_underpaid_topped_up_then_overpaid_is_one_final_value(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.pay("dep_1", "wrong_amount_waiting", "4", quiet=True)
    assert merchant.payment(opened).value == 0
    merchant.fake.pay("dep_1", "paid_over", "10.50", quiet=True)
    assert merchant.payment(opened).value == 10_500_000


# Where it came from ----------------------------------------------------------------------------------------------------

EVM = "0x" + "aB" * 20


@pytest.mark.parametrize(
    ("network", "sender", "origin"),
    [
        ("tron", PAYER, PAYER),
        ("TRON", PAYER, PAYER),
        ("eth", EVM, EVM),
        ("bsc", EVM, EVM),
        ("polygon", EVM, EVM),
        ("eth", PAYER, None),
        ("tron", EVM, None),
        ("btc", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", None),
        ("ltc", "ltc1qar0srrr7xfkvy5l643lydnw9re59gtzzabcde", None),
        ("ton", "UQ" + "a" * 46, None),
        ("sol", "4Nd1mYQfQ7xk6S9xkXfGf1y8mQx8rJm5s2H5dQ7h1XyZ", None),
        ("newnet", EVM, None),
        (None, EVM, None),
        ("eth", None, None),
        ("eth", EVM + "0", None),
    ],
)
def test_only_networks_with_one_sender_have_an_origin(
    merchant: Merchant, network: str | None, sender: str | None, origin: str | None
) -> None:
    found = merchant.paid(network=network, **{"from": sender})
    assert (found.origin, found.state) == (origin, Paid.PAID)


def test_a_payment_inside_the_platform_has_no_origin(merchant: Merchant) -> None:
    found = merchant.paid(txid=None)
    assert (found.origin, found.payment_id, found.state) == (None, None, Paid.PAID)


def test_the_address_that_was_paid_to_is_no_origin(merchant: Merchant) -> None:
    assert merchant.paid(address=PAYER).origin is None


# Answers that are none -------------------------------------------------------------------------------------------------


def test_what_the_processor_does_not_know_is_none(merchant: Merchant) -> None:
    assert merchant.processor.payment("8b03432e-0000-4670-8d06-064591096795") is None


def test_an_answer_about_another_payment_is_refused(merchant: Merchant) -> None:
    opened = merchant.open()
    merchant.fake.become("dep_1", "paid", uuid="another")
    with pytest.raises(ProcessorRefused, match="another payment"):
        merchant.processor.payment(opened.processor_id)


@pytest.mark.attack(37)
def test_a_payment_in_another_currency_is_refused(merchant: Merchant) -> None:
    with pytest.raises(ProcessorRefused, match="another currency"):
        merchant.paid(currency="EUR")


@pytest.mark.parametrize(
    ("status", "fields", "words"),
    [
        ("paid_twice", {}, "an unknown status: paid_twice"),
        ("paid", {"amount": "10.0000001"}, "more than six places"),
        ("paid", {"amount": "99999999999"}, "larger than any"),
        ("paid", {"amount": "1e3"}, "no plain decimal"),
        ("paid", {"amount": "-10"}, "no plain decimal"),
        ("paid", {"amount": "NaN"}, "no plain decimal"),
        ("paid", {"amount": "１０"}, "no plain decimal"),
        ("paid", {"amount": None}, "amount is missing"),
        ("paid_over", {"payment_amount": "9" * 20}, "larger than any"),
        ("paid", {"txid": "x" * 129}, "txid is no short text"),
        ("paid", {"from": ["0x"]}, "from is no short text"),
    ],
)
def test_figures_that_nobody_can_count_with_are_refused(
    merchant: Merchant, status: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProcessorRefused, match=words):
        merchant.paid(status, **fields)


@pytest.mark.parametrize("how", ["500", "502", "429", "html", "cut"])
def test_no_answer_is_nothing_known_and_the_next_one_counts(merchant: Merchant, how: str) -> None:
    opened = merchant.open()
    merchant.fake.pay("dep_1", quiet=True)
    merchant.fake.fail(INFO, how)
    with pytest.raises(ProcessorAway):
        merchant.payment(opened)
    assert merchant.payment(opened).state is Paid.PAID


def test_an_answer_that_never_comes_is_given_up(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = merchant.open()
    monkeypatch.setattr(outbound, "TOTAL_S", 0.5)
    merchant.fake.fail(INFO, "hang")
    with pytest.raises(ProcessorAway, match="timeout"):
        merchant.payment(opened)


def test_a_wrong_key_is_said(merchant: Merchant) -> None:
    merchant.set({"payment_key": "another"})
    with pytest.raises(ProcessorRefused, match="401: Unauthenticated"):
        merchant.open()


def test_a_key_that_is_missing_is_said(merchant: Merchant) -> None:
    with pytest.raises(ProcessorRefused, match="payment_key is not set"):
        merchant.set({})
    with pytest.raises(ProcessorRefused, match="payout_key is not set"):
        merchant.set({"payment_key": "x"}, refund_key="payout")


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "https://api.example/v1"},
        {"base_url": "http://api.example"},
        {"base_url": "api.example"},
        {"accuracy_percent": "2.01"},
        {"accuracy_percent": "-1"},
        {"accuracy_percent": "NaN"},
        {"lifetime_s": 299},
        {"lifetime_s": 43_201},
        {"refund_key": "both"},
        {"refund_address": PAYER},
        {"merchant_id": "me"},
    ],
)
def test_a_setting_out_of_bounds_is_refused(merchant: Merchant, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        merchant.configured(**wrong)
