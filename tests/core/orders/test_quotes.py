"""A price that changes between the look at it and the order: what was agreed to is the most that is taken."""

from __future__ import annotations

import random
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import OfferFilter
from onceline.core.errors import PriceTooLow
from onceline.core.money import MICROS
from onceline.core.orders import commands
from onceline.core.orders.commands import OrderRequest
from tests.personas import ALICE
from tests.shop import FOUR_HOURS, PRICE, Customer, Shop

LOW, HIGH = PRICE, PRICE + 1
BUYERS = 6


def reprice(shop: Shop, amount: int, kind: str = "activation", duration_s: int = 0) -> None:
    with shop.db.transaction() as tx:
        row = tx.one("select id from pools where slug = 'sandbox'")
        assert row is not None
        catalog.set_price(
            tx, row.id, amount, service="telegram", country="GB", kind=kind, duration_s=duration_s
        )


def quoted(shop: Shop) -> int:
    """What the catalogue says now."""
    with shop.db.transaction() as tx:
        wanted = OfferFilter(mode="test", service="telegram", country="GB")
        [offer] = catalog.offers(tx, wanted, after=("", "", ""), limit=1, now=shop.clock.now())
    return offer.amount


@pytest.mark.attack(38)
def test_a_price_that_rose_since_the_quote_is_refused_and_named(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    seen = quoted(shop)
    reprice(shop, seen + 1)
    with pytest.raises(PriceTooLow) as refused:
        shop.place(alice, max_price=seen)
    assert refused.value.facts == {"lowest_price": seen + 1}
    assert (shop.balance(alice).available, shop.balance(alice).held) == (100 * MICROS, 0)
    assert shop.place(alice, max_price=seen + 1).price == seen + 1


@pytest.mark.attack(38)
def test_a_price_that_fell_since_the_quote_is_the_one_that_is_paid(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    seen = quoted(shop)
    reprice(shop, seen - 1)
    order = shop.place(alice, max_price=seen)
    assert (order.price, shop.balance(alice).held) == (seen - 1, seen - 1)


@pytest.mark.attack(38)
def test_an_order_keeps_the_price_that_it_was_placed_at(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    again = shop.place(alice, key="once")
    reprice(shop, 9 * PRICE)
    assert shop.place(alice, key="once").price == again.price == PRICE
    shop.sms(order.e164)
    assert shop.view(order)["price"]["amount"] == "0.2500"
    assert shop.balance(alice).available == 100 * MICROS - 2 * PRICE
    shop.assert_books_are_true()


@pytest.mark.attack(38)
def test_an_extension_is_bound_by_what_was_seen_of_its_price(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    rental = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    reprice(shop, rental.price + 1, "rental", FOUR_HOURS)
    with pytest.raises(PriceTooLow):
        shop.extend(alice, rental, FOUR_HOURS, max_price=rental.price)
    assert shop.balance(alice).held == rental.price
    shop.assert_books_are_true()


@pytest.mark.attack(38)
def test_prices_that_change_under_the_buyers_hands_charge_nobody_more_than_agreed(shop: Shop) -> None:
    """One hand moves the price to and fro, the others agree to the lower one or to any."""
    alice, stopping = shop.customer(ALICE, balance=10**10), threading.Event()
    shop.only("GB", 200)
    reprice(shop, LOW)
    agreed: list[tuple[int, int]] = []
    refused: list[int] = []

    def change() -> None:
        while not stopping.is_set():
            for amount in (HIGH, LOW):
                reprice(shop, amount)

    def buy(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(25):
            most = dice.choice((LOW, HIGH))
            try:
                agreed.append((most, placed_at(shop, alice, most)))
            except PriceTooLow as refusal:
                refused.append(refusal.facts["lowest_price"])

    with ThreadPoolExecutor(BUYERS + 1) as hands:
        changing = hands.submit(change)
        try:
            for done in [hands.submit(buy, seed) for seed in range(BUYERS)]:
                done.result()
        finally:
            stopping.set()
        changing.result()
    assert all(price <= most for most, price in agreed)
    assert {price for _, price in agreed} == {LOW, HIGH}, "both prices must have been met"
    assert set(refused) == {HIGH}
    assert shop.balance(alice).held == sum(price for _, price in agreed)
    shop.assert_books_are_true()


def placed_at(shop: Shop, who: Customer, most: int) -> int:
    with shop.db.transaction() as tx:
        wanted = OrderRequest("telegram", "GB", max_price=most)
        return commands.place(tx, shop.context, who.side, [wanted], secrets.token_hex(8)).made[0].price
