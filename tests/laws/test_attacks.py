"""Attacks on the money of orders, in the numbers that were asked for: many at once, and the same moment again and again.

Short forms run with `make test`, the long ones with `make soak`.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from onceline.core.catalog import store as catalog
from onceline.core.db import Database
from onceline.core.errors import InsufficientBalance, Refusal
from onceline.core.inbox.model import Inbound
from onceline.core.money import MICROS, format_amount, parse_amount
from onceline.core.orders import view
from onceline.core.orders.commands import Asking, OrderRequest, place_each
from onceline.core.orders.model import Order
from onceline.core.orders.settle import receive_each, settle_each
from onceline.workers.sweep import sweep_round
from tests.core.orders.test_races import (
    CROWD,
    TELEGRAM,
    arrive,
    assert_the_law_holds,
    cancel,
    expire,
    kinds,
    place,
    rush,
)
from tests.laws.test_storms import SERVICES
from tests.shop import CANCEL_LOCK_S, DRAIN_S, PRICE, WINDOW_S, Customer, Shop

RACERS = 20
WAVE = 100
"""Orders that are placed before they are raced for, and have to outlive that."""
End = Callable[[Shop, Order], object]


@pytest.fixture
def crowded(conninfo: str) -> Iterator[Database]:
    with Database(conninfo, size=CROWD, name="crowd") as database:
        yield database


@pytest.fixture
def busy(shop: Shop, crowded: Database) -> Shop:
    """As many connections as hands, and no limit of live orders."""
    terms = replace(shop.context.terms, live_orders=0)
    return Shop(crowded, replace(shop.context, terms=terms), shop.clock)


def placed_at_once(shop: Shop, who: Customer, wanted: list[OrderRequest]) -> list[Order]:
    asked = [Asking(who.side, one, secrets.token_hex(8)) for one in wanted]
    with shop.db.statement() as tx:
        return [order for outcome in place_each(tx, shop.context, asked) for order in made(outcome)]


def made(outcome: object) -> list[Order]:
    assert not isinstance(outcome, Refusal), outcome
    return outcome.made  # type: ignore[attr-defined, no-any-return]  # what is no refusal was placed


@pytest.mark.attack(1)
def test_a_thousand_orders_at_once_with_money_for_a_hundred_are_a_hundred(busy: Shop) -> None:
    alice = busy.customer("Alice", balance=100 * PRICE)
    busy.only("GB", 1000)
    answers = rush([partial(place, busy.db, busy.context, alice)] * 1000)
    assert kinds(answers) == {"int": 100, InsufficientBalance.__name__: 900}
    assert (busy.balance(alice).available, busy.balance(alice).held) == (0, 100 * PRICE)
    busy.assert_books_are_true()


@pytest.mark.attack(2)
def test_orders_that_twenty_settle_and_void_at_once_end_once_each(busy: Shop, soak: bool) -> None:
    """Half of them by a cancel, half by their end; every racer on a connection of its own."""
    count, alice = 50 if soak else 16, busy.customer("Alice", balance=100 * MICROS)
    busy.only("GB", count)
    orders, dice = placed_at_once(busy, alice, [TELEGRAM] * count), random.Random(7)
    busy.pass_time(CANCEL_LOCK_S)
    now = busy.clock.now()
    for order in orders[: count // 2]:
        _race(busy, order, now, partial(cancel, busy.db, busy.context, order), dice)
    busy.pass_time(WINDOW_S + DRAIN_S)
    for order in orders[count // 2 :]:
        in_time = order.expires_at - timedelta(milliseconds=1)
        _race(busy, order, in_time, partial(expire, busy.db, busy.context, order), dice)
    ends = busy.rows("select pending_id, kind, amount from transfers where pending_id is not null")
    assert sorted(row.pending_id for row in ends) == sorted(order.hold_id for order in orders)
    captured = sum(row.kind == "capture" for row in ends)
    assert 0 < captured < count, "both outcomes must have been met"
    balance = busy.balance(alice)
    assert (balance.available, balance.held) == (100 * MICROS - captured * PRICE, 0)
    busy.assert_books_are_true()


def _race(
    shop: Shop, order: Order, received_at: datetime, void: Callable[[], object], dice: random.Random
) -> None:
    """Ten with a code each, ten who end the order; the ones or the others a little later."""
    together, later_s = threading.Barrier(RACERS), dice.uniform(-0.05, 0.02)

    def settle_it() -> None:
        together.wait(10)
        time.sleep(max(-later_s, 0))
        arrive(shop.db, shop.context, order, received_at, settled=True)

    def void_it() -> None:
        together.wait(10)
        time.sleep(max(later_s, 0))
        with suppress(Refusal):
            void()

    with ThreadPoolExecutor(RACERS) as racers:
        for done in [racers.submit(one) for one in [settle_it, void_it] * (RACERS // 2)]:
            done.result()


@pytest.mark.attack(5)
def test_a_code_and_the_expiry_in_the_same_millisecond_agree_every_time(busy: Shop, soak: bool) -> None:
    """Whoever is first, it is one of both: the code and its price, or the money back and a code that is flagged."""

    def end(shop: Shop, order: Order) -> object:
        return expire(shop.db, shop.context, order)

    ends = _same_moment(busy, end, WINDOW_S + DRAIN_S, 10_000 if soak else 100)
    assert ends == {("expired", False), ("finished", True)}


@pytest.mark.attack(6)
def test_a_code_and_the_customers_cancel_in_the_same_millisecond_agree_every_time(
    busy: Shop, soak: bool
) -> None:
    def end(shop: Shop, order: Order) -> object:
        return cancel(shop.db, shop.context, order)

    ends = _same_moment(busy, end, CANCEL_LOCK_S, 10_000 if soak else 100)
    assert ends == {("cancelled", False), ("received", True)}


def _same_moment(shop: Shop, end: End, after_s: float, repeats: int) -> set[tuple[str, bool]]:
    """Two connections and a barrier for each order; every third message is left to the sweeper. Returns how they ended."""
    alice, dice, orders = shop.customer("Alice", 10**12), random.Random(7), list[Order]()
    shop.only("GB", repeats)
    for _ in range(repeats // WAVE):
        wave = placed_at_once(shop, alice, [TELEGRAM] * WAVE)
        shop.pass_time(after_s)
        received_at = min(shop.clock.now(), wave[0].expires_at - timedelta(milliseconds=1))
        with ThreadPoolExecutor(2) as hands:
            for turn, order in enumerate(wave):
                _both(
                    shop, hands, order, received_at, end, settled=turn % 3 > 0, pause_s=dice.uniform(0, 0.004)
                )
        orders += wave
    sweep_round(shop.db, shop.context)
    assert shop.value("select count(*) from transfers where pending_id is not null") == repeats
    assert shop.balance(alice).held == 0
    return set(assert_the_law_holds(shop, orders))


def _both(
    shop: Shop, hands: ThreadPoolExecutor, order: Order, received_at: datetime, end: End, *, settled: bool,
    pause_s: float,
) -> None:  # fmt: skip
    together = threading.Barrier(2)

    def come() -> None:
        together.wait(10)
        arrive(shop.db, shop.context, order, received_at, settled=settled)

    def stop() -> None:
        together.wait(10)
        time.sleep(pause_s)  # an arrival needs some milliseconds to be kept
        with suppress(Refusal):
            end(shop, order)

    for done in [hands.submit(come), hands.submit(stop)]:
        done.result()


@pytest.mark.attack(50)
def test_the_revenue_is_the_sum_of_the_prices_that_were_shown(busy: Shop, soak: bool) -> None:
    """There are no discounts and no rounding in a sale: a price has up to six places, and is what is written everywhere.

    Of a million orders a few thousand are real ones; the million is that of the texts.
    """
    count, dice = 20_000 if soak else 400, random.Random(7)
    alice = busy.customer("Alice", 10**12)
    busy.only("GB", count)
    shown = sum(_sold(busy, alice, dice, WAVE) for _ in range(count // WAVE))
    revenue = busy.value("select sum(amount) from transfers where credit = 'revenue'")
    assert (revenue, busy.balance(alice).available) == (shown, 10**12 - shown)
    busy.assert_books_are_true()


def _sold(shop: Shop, who: Customer, dice: random.Random, count: int) -> int:
    """At prices of their own; returns what the answers say, added up."""
    with shop.db.transaction() as tx:
        pool = tx.one("select id from pools where slug = 'sandbox'")
        assert pool is not None
        for service in SERVICES:
            catalog.set_price(tx, pool.id, dice.randrange(1, 3 * MICROS), service=service, country="GB")
    orders = placed_at_once(shop, who, [OrderRequest(dice.choice(SERVICES), "GB") for _ in range(count)])
    messages = [
        Inbound(
            "sandbox",
            secrets.token_hex(8),
            order.e164 or "",
            "Service",
            "Your code is 482913",
            shop.clock.now(),
        )
        for order in orders
    ]
    with shop.db.transaction() as tx:
        settle_each(tx, shop.context, [kept.id for kept in receive_each(tx, shop.context, messages)])
    with shop.db.transaction() as tx:
        views = view.order_views(tx, shop.context, [order.id for order in orders])
    assert all(one["charged"] for one in views)
    return sum(parse_amount(one["price"]["amount"]) for one in views)


@pytest.mark.attack(50)
def test_a_million_prices_are_read_as_they_were_written(soak: bool) -> None:
    dice, count = random.Random(7), 1_000_000 if soak else 100_000
    prices = [dice.randrange(1, 10 ** dice.randrange(1, 12)) for _ in range(count)]
    assert sum(parse_amount(format_amount(one)) for one in prices) == sum(prices)
