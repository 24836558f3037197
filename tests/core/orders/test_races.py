"""Real threads on a real server: whoever is faster, the money, the number and the code agree in the end."""

from __future__ import annotations

import itertools
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest

from onceline.core.db import Database
from onceline.core.errors import (
    InsufficientBalance,
    MessageReceived,
    OrderClosed,
    OutOfStock,
    Refusal,
    SpendCapReached,
)
from onceline.core.inbox.model import Inbound
from onceline.core.inventory import store as inventory
from onceline.core.money import MICROS
from onceline.core.orders import commands
from onceline.core.orders.commands import OrderRequest
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.core.orders.settle import receive, settle
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, DRAIN_S, PRICE, WINDOW_S, Customer, Shop

CROWD = 24
"""Threads and connections at once."""
TELEGRAM = OrderRequest("telegram", "GB")
Task = Callable[[], object]
End = Callable[[Database, Context, Order], object]


@pytest.fixture
def crowded(conninfo: str) -> Iterator[Database]:
    with Database(conninfo, size=CROWD, name="crowd") as database:
        yield database


def rush(tasks: Sequence[Task]) -> list[object]:
    """Run all, CROWD at once; a refusal is an answer, any other error fails the test."""

    def answer(task: Task) -> object:
        try:
            return task()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(CROWD) as crowd:
        return list(crowd.map(answer, tasks))


def kinds(answers: Sequence[object]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


def place(
    db: Database, context: Context, who: Customer, key: str | None = None, cap: int | None = None
) -> int:
    with db.transaction() as tx:
        return commands.place(tx, context, who.side, [TELEGRAM], key, cap).ids[0]


def cancel(db: Database, context: Context, order: Order) -> str:
    with db.transaction() as tx:
        return commands.cancel(tx, context, order.side, order.id).state


def expire(db: Database, context: Context, order: Order) -> bool:
    with db.transaction() as tx:
        return commands.expire(tx, context, order.id)


def arrive(db: Database, context: Context, order: Order, received_at: datetime, *, settled: bool) -> int:
    """T1, and T2 unless the process dies in between."""
    assert order.e164 is not None
    message = Inbound(
        "sandbox", secrets.token_hex(8), order.e164, "Service", "Your code is 482913", received_at
    )
    with db.transaction() as tx:
        kept = receive(tx, context, message)
    if settled:
        with db.transaction() as tx:
            settle(tx, context, kept.id)
    return kept.id


def live_orders(shop: Shop, count: int, customers: int = 10) -> list[Order]:
    shop.only("GB", count)
    buyers = [shop.customer(f"buyer {one}") for one in range(customers)]
    return [shop.place(who) for who, _ in zip(itertools.cycle(buyers), range(count), strict=False)]


def assert_the_law_holds(shop: Shop, orders: Sequence[Order]) -> Counter[tuple[str, bool]]:
    """Never an unflagged code with the money returned, never money kept without a valid message; nothing is lost."""
    ends: Counter[tuple[str, bool]] = Counter()
    for order in orders:
        seen = shop.view(order)
        assert len(seen["messages"]) == 1
        in_time = not seen["messages"][0]["late"]
        assert seen["charged"] is in_time, seen
        assert (seen["state"] in ("received", "finished")) is in_time, seen
        ends[seen["state"], in_time] += 1
    shop.assert_books_are_true()
    return ends


def pairs(
    shop: Shop, crowded: Database, orders: Sequence[Order], received_at: datetime, end: End
) -> list[object]:
    """For every order an arrival and an end, started together in either order; every third T2 is lost."""
    dice = random.Random(7)
    tasks: list[Task] = []
    for number, order in enumerate(orders):
        pair: list[Task] = [
            partial(arrive, crowded, shop.context, order, received_at, settled=number % 3 > 0),
            partial(end, crowded, shop.context, order),
        ]
        dice.shuffle(pair)
        tasks += pair
    return rush(tasks)


@pytest.mark.promise("M3")
def test_two_hundred_buyers_and_one_number_make_one_order(shop: Shop, crowded: Database) -> None:
    shop.only("GB", 1)
    buyers = [shop.customer(f"buyer {one}", balance=MICROS) for one in range(200)]
    answers = rush([partial(place, crowded, shop.context, who) for who in buyers])
    assert kinds(answers) == {"int": 1, OutOfStock.__name__: 199}
    assert shop.value("select sum(held) from sides") == PRICE
    shop.assert_books_are_true()


@pytest.mark.attack(1)
def test_a_balance_for_one_order_buys_one_of_fifty(shop: Shop, crowded: Database) -> None:
    alice = shop.customer(ALICE, balance=2 * PRICE - 1)
    shop.only("GB", 60)
    answers = rush([partial(place, crowded, shop.context, alice)] * 50)
    assert kinds(answers) == {"int": 1, InsufficientBalance.__name__: 49}
    assert (shop.balance(alice).available, shop.balance(alice).held) == (PRICE - 1, PRICE)
    shop.assert_books_are_true()


def test_a_cap_for_ten_orders_buys_ten_of_fifty(shop: Shop, crowded: Database) -> None:
    alice = shop.customer(ALICE)
    cap = shop.capped_key(alice, 11 * PRICE - 1).cap
    shop.only("GB", 60)
    answers = rush([partial(place, crowded, shop.context, alice, cap=cap)] * 50)
    assert kinds(answers) == {"int": 10, SpendCapReached.__name__: 40}
    assert shop.value("select spent from spend_caps") == 10 * PRICE
    shop.assert_books_are_true()


@pytest.mark.attack(3)
def test_the_same_idempotency_key_fifty_times_at_once_places_one_order(shop: Shop, crowded: Database) -> None:
    alice = shop.customer(ALICE)
    answers = rush([partial(place, crowded, shop.context, alice, "the same key")] * 50)
    assert len(set(map(str, answers))) == 1
    assert kinds(answers) == {"int": 50}
    assert shop.balance(alice).held == PRICE
    shop.assert_books_are_true()


def test_buyers_of_the_last_numbers_get_one_each(shop: Shop, crowded: Database) -> None:
    shop.only("GB", 30)
    buyers = [shop.customer(f"buyer {one}", balance=20 * MICROS) for one in range(6)]
    answers = rush([partial(place, crowded, shop.context, who) for who in buyers * 8])
    assert kinds(answers) == {"int": 30, OutOfStock.__name__: 18}
    assert shop.value("select count(distinct number_id) from orders") == 30
    shop.assert_books_are_true()


def test_a_number_that_somebody_is_taking_is_not_waited_for(shop: Shop, crowded: Database) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 2)
    began = time.monotonic()
    with crowded.transaction() as taking:
        commands.place(taking, shop.context, alice.side, [TELEGRAM], None)
        assert place(crowded, shop.context, charlie)
        with pytest.raises(OutOfStock):
            place(crowded, shop.context, charlie)
    assert time.monotonic() - began < 1.5
    shop.assert_books_are_true()


@pytest.mark.promise("M1")
@pytest.mark.attack(6)
def test_a_cancel_against_an_arrival_never_splits_code_and_money(shop: Shop, crowded: Database) -> None:
    orders = live_orders(shop, 200)
    shop.pass_time(CANCEL_LOCK_S)
    answers = pairs(shop, crowded, orders, shop.clock.now(), cancel)
    assert set(kinds(answers)) <= {"int", "str", MessageReceived.__name__}
    sweep_round(shop.db, shop.context)
    ends = assert_the_law_holds(shop, orders)
    assert set(ends) == {("cancelled", False), ("received", True)}


@pytest.mark.promise("D3")
@pytest.mark.attack(5)
def test_an_expiry_against_an_arrival_never_splits_code_and_money(shop: Shop, crowded: Database) -> None:
    orders = live_orders(shop, 200)
    in_time = orders[0].expires_at - timedelta(seconds=0.001)
    shop.pass_time(WINDOW_S + DRAIN_S)
    pairs(shop, crowded, orders, in_time, expire)
    sweep_round(shop.db, shop.context)
    ends = assert_the_law_holds(shop, orders)
    assert set(ends) == {("expired", False), ("finished", True)}


def test_a_cancel_against_the_expiry_releases_once(shop: Shop, crowded: Database) -> None:
    orders = live_orders(shop, 40)
    shop.pass_time(WINDOW_S + DRAIN_S)
    tasks = [partial(end, crowded, shop.context, order) for order in orders for end in (expire, cancel)]
    assert kinds(rush(tasks)) == {"bool": 40, OrderClosed.__name__: 40}
    shop.assert_books_are_true()


def test_a_message_that_several_workers_settle_is_shown_once(shop: Shop, crowded: Database) -> None:
    [order] = live_orders(shop, 1, customers=1)
    for _ in range(5):
        kept = shop.keep(order.e164, "Your code is 482913")
        together = threading.Barrier(8)
        rush([partial(settle_together, crowded, shop.context, kept.id, together)] * 8)
    assert len(shop.view(order)["messages"]) == 5
    shop.assert_books_are_true()


def settle_together(db: Database, context: Context, message: int, together: threading.Barrier) -> None:
    with db.transaction() as tx:
        together.wait(10)
        settle(tx, context, message)


def test_the_same_message_delivered_twenty_times_at_once_is_one(shop: Shop, crowded: Database) -> None:
    [order] = live_orders(shop, 1, customers=1)
    assert order.e164 is not None
    message = Inbound("sandbox", "the same", order.e164, "Service", "Your code is 482913", shop.clock.now())

    def deliver() -> bool:
        with crowded.transaction() as tx:
            kept = receive(tx, shop.context, message)
        with crowded.transaction() as tx:
            settle(tx, shop.context, kept.id)
        return kept.is_new

    assert sorted(map(str, rush([deliver] * 20))) == ["False"] * 19 + ["True"]
    assert len(shop.view(order)["messages"]) == 1
    shop.assert_books_are_true()


def test_holds_and_ends_of_one_side_leave_its_figures_true(shop: Shop, crowded: Database) -> None:
    alice = shop.customer(ALICE)
    orders = [shop.place(alice) for _ in range(10)]
    shop.pass_time(CANCEL_LOCK_S)
    tasks: list[Task] = []
    for number, order in enumerate(orders):
        tasks.append(partial(place, crowded, shop.context, alice))
        if number % 2:
            tasks.append(partial(cancel, crowded, shop.context, order))
        else:
            tasks.append(partial(arrive, crowded, shop.context, order, shop.clock.now(), settled=True))
    assert kinds(rush(tasks)) == {"int": 15, "str": 5}
    assert (shop.balance(alice).held, shop.balance(alice).available) == (
        10 * PRICE,
        100 * MICROS - 15 * PRICE,
    )
    shop.assert_books_are_true()


def test_two_batches_of_numbers_never_share_a_slot(shop: Shop, crowded: Database) -> None:
    shop.pool("ours", PRICE)

    def add(batch: int) -> int:
        fresh = [f"+99911{batch:02d}{one:05d}" for one in range(300)]
        with crowded.transaction() as tx:
            return inventory.add_numbers(
                tx, pool="ours", country="GB", network="", contract="c", numbers=fresh, now=shop.clock.now()
            )

    assert rush([partial(add, one) for one in range(8)]) == [300] * 8
    sizes = (
        "select size, (select count(distinct slot) from numbers where chunk_id = c.id) as used from chunks c"
    )
    rows = shop.rows(f"{sizes} join pools p on p.id = c.pool_id where p.slug = 'ours'")
    assert all(row.size == row.used for row in rows)
    assert sum(row.size for row in rows) == 2400
