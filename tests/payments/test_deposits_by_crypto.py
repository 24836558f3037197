"""Crypto through the door and the worker: each counterpart is a process of its own, and calls the edge itself over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.counterparts.btcpay.process import FakeBTCPay
from tests.counterparts.cryptomus.process import MERCHANT, PAYMENT_KEY, FakeCryptomus
from tests.edge.door import assert_problem
from tests.payments.counter import Counter
from tests.payments.crypto import CHAIN, COINS, THIEF, answered, credits, kept, live, pay
from tests.payments.cryptomus.signing import arrived, md5_of, text
from tests.payments.oracles.asking import ask
from tests.personas import ALICE, CHARLIE

SIGN_LIKE = '","sign":"0123456789abcdef0123456789abcdef"'


@pytest.fixture
def alice(counter: Counter) -> Counter:
    """On the live side: crypto knows no test money."""
    return live(counter, ALICE)


# What becomes of a payment ------------------------------------------------------------------------------------------------


@pytest.mark.attack(27)
def test_underpaid_topped_up_and_overpaid_is_one_credit_of_what_came_in_the_end(
    alice: Counter, coins: FakeCryptomus
) -> None:
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "wrong_amount_waiting", "4")
    assert (alice.read(deposit)["state"], alice.available) == ("confirming", "0.0000")
    pay(alice, coins, deposit, "wrong_amount_waiting", "9.99")
    assert (alice.read(deposit)["credited"], alice.available) == (None, "0.0000")
    pay(alice, coins, deposit, "paid_over", "10.509")
    assert (alice.read(deposit)["credited"], alice.available) == ("10.5000", "10.5000")
    assert (credits(alice), alice.exceptions()) == (1, [])
    assert alice.shop.events(alice.who) == ["deposit.credited"]
    alice.shop.assert_books_are_true()


@pytest.mark.attack(27)
def test_its_words_all_at_once_backwards_and_five_times_are_the_same_one_credit(
    alice: Counter, coins: FakeCryptomus
) -> None:
    deposit = alice.begun("10.00", COINS)
    coins.set(hold=True)
    for status, paid in (("wrong_amount_waiting", "4"), ("paid", "10"), ("paid_over", "10.50")):
        for _ in range(5):
            coins.pay(deposit["id"], status, paid)
    coins.release()
    assert answered(coins, 15) == [200] * 15
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda _: alice.work(), range(12)))
    assert (alice.available, credits(alice), alice.exceptions()) == ("10.5000", 1, [])
    alice.shop.assert_books_are_true()


@pytest.mark.attack(27)
def test_what_comes_after_the_credit_is_for_staff_and_never_a_second_one(
    alice: Counter, coins: FakeCryptomus
) -> None:
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "paid", "10")
    pay(alice, coins, deposit, "paid_over", "17")
    assert (alice.available, credits(alice), alice.exceptions()) == ("10.0000", 1, ["came_again"])


@pytest.mark.attack(27)
def test_a_bitcoin_invoice_that_is_paid_in_three_parts_is_one_credit(
    alice: Counter, chain: FakeBTCPay
) -> None:
    deposit = alice.begun("10.00", CHAIN)
    invoice = alice.processor_id(deposit)
    for part, calls, available in (
        ("0.00008", 2, "0.0000"),
        ("0.00006", 4, "0.0000"),
        ("0.00008", 7, "11.0000"),
    ):
        chain.pay(invoice, part)
        kept(alice, calls)
        assert alice.available == available
    assert (alice.read(deposit)["credited"], credits(alice), alice.exceptions()) == ("11.0000", 1, [])
    alice.shop.assert_books_are_true()


@pytest.mark.attack(28)
def test_what_was_seen_and_then_replaced_is_never_credited(alice: Counter, coins: FakeCryptomus) -> None:
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "confirm_check", "10")
    assert (alice.read(deposit)["state"], alice.available) == ("confirming", "0.0000")
    pay(alice, coins, deposit, "cancel", "0")
    for _ in range(3):
        alice.shop.clock.advance(3600)
        alice.work()
    assert (alice.read(deposit)["state"], alice.available) == ("expired", "0.0000")
    assert (credits(alice), alice.shop.events(alice.who)) == (0, [])


@pytest.mark.attack(28)
@pytest.mark.parametrize("end", ["replaced", "not confirmed in time"])
def test_a_bitcoin_payment_that_never_confirms_is_never_credited(
    alice: Counter, chain: FakeBTCPay, end: str
) -> None:
    deposit = alice.begun("10.00", CHAIN)
    invoice = alice.processor_id(deposit)
    chain.pay(invoice, status="Processing")
    kept(alice, 2)
    assert (alice.read(deposit)["state"], alice.available) == ("confirming", "0.0000")
    if end == "replaced":
        chain.confirm(invoice, "Invalid")
        chain.expire(invoice)
    else:
        chain.invalidate(invoice)
    kept(alice, 3)
    for _ in range(3):
        alice.shop.clock.advance(3600)
        alice.work()
    assert alice.read(deposit)["state"] in ("expired", "failed", "review")
    assert (credits(alice), alice.available) == (0, "0.0000")


@pytest.mark.attack(29)
@pytest.mark.parametrize("is_told", [True, False], ids=["told", "asked"])
def test_what_is_paid_after_the_end_is_credited_once(
    alice: Counter, coins: FakeCryptomus, is_told: bool
) -> None:
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "cancel", "0")
    assert alice.read(deposit)["state"] == "expired"
    alice.shop.clock.advance(26 * 3600)
    coins.set(copies=3, drop=not is_told)
    coins.pay(deposit["id"])
    if is_told:
        assert answered(coins, 4) == [200] * 4
    for _ in range(3):
        alice.work()
        alice.shop.clock.advance(3700)
    assert (alice.read(deposit)["credited"], alice.available) == ("10.0000", "10.0000")
    assert (credits(alice), alice.exceptions()) == (1, [])
    alice.shop.assert_books_are_true()


@pytest.mark.attack(29)
def test_a_bitcoin_that_comes_late_is_credited_once(alice: Counter, chain: FakeBTCPay) -> None:
    deposit = alice.begun("10.00", CHAIN)
    invoice = alice.processor_id(deposit)
    chain.expire(invoice)
    kept(alice, 1)
    assert alice.read(deposit)["state"] == "expired"
    chain.pay(invoice)
    kept(alice, 3)
    for _ in range(3):
        alice.shop.clock.advance(3600)
        alice.work()
    assert (alice.available, credits(alice), alice.exceptions()) == ("10.0000", 1, [])


# What a call says -----------------------------------------------------------------------------------------------------------


@pytest.mark.attack(30)
@pytest.mark.parametrize("form", ["php", "escaped", "loose", "sign_first"])
@pytest.mark.parametrize(
    "said", ["https://a.example/b/", "Zoë Привет 你好 😀", SIGN_LIKE], ids=["slashes", "letters", "sign-like"]
)
def test_whatever_a_genuine_call_holds_and_however_it_is_written_it_is_kept(
    alice: Counter, coins: FakeCryptomus, form: str, said: str
) -> None:
    deposit = alice.begun("10.00", COINS)
    coins.set(form=form)
    coins.pay(deposit["id"], additional_data=said)
    assert answered(coins, 1) == [200]
    alice.work()
    assert alice.available == "10.0000"


@pytest.mark.attack(30)
@pytest.mark.parametrize(
    "tamper",
    [{"payment_amount": "9999.00"}, {"amount": "9999.00"}, {"status": "paid_over"}, {"order_id": "dep_2"}],
)
def test_a_call_that_was_changed_on_its_way_is_turned_away_and_nothing_is_kept(
    alice: Counter, coins: FakeCryptomus, tamper: dict[str, str]
) -> None:
    deposit = alice.begun("10.00", COINS)
    coins.set(tamper=tamper)
    coins.pay(deposit["id"], additional_data=SIGN_LIKE)
    assert answered(coins, 1) == [400]
    assert (alice.count("processor_hints"), alice.work(), alice.available) == (0, 0, "0.0000")


@pytest.mark.attack(30)
def test_our_door_and_the_client_that_others_wrote_say_the_same_of_every_call(
    alice: Counter, coins: FakeCryptomus
) -> None:
    uuid = alice.processor_id(alice.begun("10.00", COINS))
    plain = {"type": "payment", "uuid": uuid, "status": "check", "amount": "10.00"}
    extras = [{"url": "https://a/b"}, {"name": "Zoë/你好 😀"}, {"additional_data": SIGN_LIKE}]
    good = [arrived({**plain, **one}, PAYMENT_KEY) for one in extras]
    bad = [one.replace(b'"10.00"', b'"10.01"') for one in good]
    ours = [alice.call(COINS, {}, body).status_code for body in good + bad]
    checks = [{"do": "check", "body": body.decode(), "key": PAYMENT_KEY} for body in good + bad]
    assert ours == [200] * 3 + [400] * 3
    assert ask("cryptomus", checks) == [True] * 3 + [False] * 3
    assert alice.count("processor_hints") == 3


@pytest.mark.attack(31)
def test_a_genuine_call_that_names_anothers_deposit_credits_whoever_the_read_back_names(
    alice: Counter, coins: FakeCryptomus
) -> None:
    """The words of the call are Alice's deposit, its payment is Charlie's, who did pay."""
    charlie = live(alice, CHARLIE)
    hers, his = alice.begun("10.00", COINS), charlie.begun("20.00", COINS)
    coins.pay(his["id"], "paid", "20.00", quiet=True)
    coins.lie(his["id"], order_id=hers["id"], amount="10.00", payment_amount="10.00")
    assert answered(coins, 1) == [200]
    alice.work()
    assert (alice.available, charlie.available, credits(alice)) == ("0.0000", "20.0000", 1)


@pytest.mark.attack(31)
def test_a_payment_whose_read_back_is_of_another_customers_deposit_credits_nobody(
    alice: Counter, coins: FakeCryptomus
) -> None:
    charlie = live(alice, CHARLIE)
    hers, his = alice.begun("10.00", COINS), charlie.begun("10.00", COINS)
    uuid = charlie.processor_id(his)
    coins.pay(his["id"], quiet=True)
    coins.control(change=[{"of": {"uuid": uuid}, "fields": {"order_id": hers["id"]}}])
    assert answered(coins, 1) == [200]
    alice.work()
    assert (alice.available, charlie.available, credits(alice)) == ("0.0000", "0.0000", 0)
    assert alice.exceptions() == ["foreign_payment"]


@pytest.mark.attack(31)
@pytest.mark.parametrize("other", ["an invoice made by hand", "an id of nobody's"])
def test_a_genuine_call_about_what_is_none_of_ours_is_kept_for_staff(
    alice: Counter, coins: FakeCryptomus, other: str
) -> None:
    """Signed with our key, as where two shops share a merchant."""
    uuid = "8b03432e-0000-4670-8d06-064591096795"
    if other == "an invoice made by hand":
        uuid = _invoice(coins, "shop-7", "10.00")
        coins.pay("shop-7", quiet=True)
    body = arrived({"type": "payment", "uuid": uuid, "order_id": "shop-7", "status": "paid"}, PAYMENT_KEY)
    assert alice.call(COINS, {}, body).status_code == 200
    alice.work()
    (row,) = alice.shop.rows("select code, object_id, deposit_id from payment_exceptions")
    assert row == ("unknown_payment", uuid, None)
    assert credits(alice) == 0


@pytest.mark.attack(31)
def test_another_store_of_the_same_server_concerns_nobody_and_its_payment_credits_nobody(
    alice: Counter, chain: FakeBTCPay
) -> None:
    deposit = alice.begun("10.00", CHAIN)
    invoice = alice.processor_id(deposit)
    chain.set(drop=True)
    chain.pay(invoice)
    chain.set(drop=False)
    chain.alter(invoice, storeId="another")
    chain.lie(invoice, "InvoiceSettled")
    alice.shop.clock.advance(120)
    alice.work()
    assert (alice.count("processor_hints"), alice.available) == (0, "0.0000")
    assert alice.exceptions() == ["not_readable"]


@pytest.mark.attack(31)
def test_a_bitcoin_payment_that_says_it_is_of_anothers_deposit_credits_nobody(
    alice: Counter, chain: FakeBTCPay
) -> None:
    charlie = live(alice, CHARLIE)
    hers, his = alice.begun("10.00", CHAIN), charlie.begun("10.00", CHAIN)
    chain.alter(charlie.processor_id(his), metadata={"orderId": hers["id"]})
    chain.pay(charlie.processor_id(his))
    kept(alice, 3)
    assert (alice.available, charlie.available) == ("0.0000", "0.0000")
    assert alice.exceptions() == ["foreign_payment"]


@pytest.mark.attack(32)
@pytest.mark.parametrize("status", ["paid", "paid_over", "wrong_amount"])
def test_a_call_that_says_paid_while_the_read_back_says_check_credits_nothing(
    alice: Counter, coins: FakeCryptomus, status: str
) -> None:
    deposit = alice.begun("10.00", COINS)
    lies = {"status": status, "payment_amount": "10.00", "is_final": True, "txid": "tx", "from": THIEF}
    coins.lie(deposit["id"], **lies)
    assert answered(coins, 1) == [200]
    alice.work()
    found = alice.read(deposit)
    assert (found["state"], found["credited"], found["origin"]) == ("created", None, None)
    assert (alice.available, credits(alice)) == ("0.0000", 0)
    pay(alice, coins, deposit, "paid", "10")
    assert alice.available == "10.0000"


@pytest.mark.attack(32)
@pytest.mark.parametrize(
    "figures", [{"payment_amount": "0.00", "txid": None, "from": None}, {"payment_amount": "9.99"}]
)
def test_an_invoice_that_was_marked_as_paid_with_our_key_is_for_staff(
    alice: Counter, coins: FakeCryptomus, figures: dict[str, Any]
) -> None:
    """The read-back itself says paid; its figures do not bear it out."""
    deposit = alice.begun("10.00", COINS)
    coins.pay(deposit["id"], **figures)
    assert answered(coins, 1) == [200]
    alice.work()
    assert (alice.read(deposit)["state"], alice.available) == ("review", "0.0000")
    assert alice.exceptions() == ["frozen"]


@pytest.mark.attack(32)
@pytest.mark.parametrize("how", ["lie", "mark"])
def test_a_bitcoin_invoice_that_is_told_as_settled_and_was_not_paid_credits_nothing(
    alice: Counter, chain: FakeBTCPay, how: str
) -> None:
    deposit = alice.begun("10.00", CHAIN)
    invoice = alice.processor_id(deposit)
    if how == "lie":
        chain.lie(invoice, "InvoiceSettled", overPaid=True)
    else:
        chain.mark(invoice)
    kept(alice, 1)
    assert (alice.available, credits(alice)) == ("0.0000", 0)
    assert alice.exceptions() == ([] if how == "lie" else ["frozen"])


# Another currency -----------------------------------------------------------------------------------------------------------


@pytest.mark.attack(37)
def test_a_payment_in_another_currency_is_not_credited_and_staff_are_told(
    alice: Counter, coins: FakeCryptomus
) -> None:
    deposit = alice.begun("10.00", COINS)
    coins.pay(deposit["id"], currency="EUR")
    assert answered(coins, 1) == [200]
    for _ in range(3):
        alice.work()
        alice.shop.clock.advance(3700)
    assert (alice.available, credits(alice), alice.exceptions()) == ("0.0000", 0, ["not_readable"])


@pytest.mark.attack(37)
def test_a_bitcoin_invoice_in_another_currency_is_not_credited_and_staff_are_told(
    alice: Counter, chain: FakeBTCPay
) -> None:
    invoice = alice.processor_id(alice.begun("10.00", CHAIN))
    chain.alter(invoice, currency="EUR")
    chain.pay(invoice)
    kept(alice, 3)
    assert (alice.available, credits(alice), alice.exceptions()) == ("0.0000", 0, ["not_readable"])


@pytest.mark.attack(37)
@pytest.mark.parametrize("method", [COINS, CHAIN])
def test_nobody_can_ask_for_a_deposit_in_another_currency(
    alice: Counter, coins: FakeCryptomus, chain: FakeBTCPay, method: str
) -> None:
    for more in ({"currency": "EUR"}, {"rate": "1.1"}, {"to_currency": "USDT"}):
        assert_problem(alice.begin("10.00", method, **more), 422, "invalid_input")
    for amount in ("10.00 EUR", "€10.00", "EUR 10.00"):
        refused = alice.begin(amount, method)
        assert_problem(refused, 422, "invalid_input", field="amount", least="5.0000", most="500.0000")
    assert (alice.count("deposits"), coins.invoices, chain.invoices) == (0, [], [])
    deposit = alice.begun("10.00", method)
    asked = coins.requests if method == COINS else chain.requests
    assert (deposit["currency"], [one["currency"] for one in asked]) == ("USD", ["USD"])


def _invoice(coins: FakeCryptomus, order: str, amount: str) -> str:
    """Made by somebody else with our key."""
    body = text({"amount": amount, "currency": "USD", "order_id": order})
    headers = {"merchant": MERCHANT, "sign": md5_of(body, PAYMENT_KEY)}
    answer = httpx.post(f"{coins.url}/v1/payment", content=body, headers=headers)
    return str(json.loads(answer.content)["result"]["uuid"])
