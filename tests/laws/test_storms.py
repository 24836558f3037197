"""Storms on real PostgreSQL: many buyers, few numbers, real threads and connections; afterwards the books must be true.

Short forms run with `make test`, the long ones with `make soak`.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from onceline.core.clock import SystemClock
from onceline.core.db import Database
from onceline.core.errors import Refusal, Unavailable
from onceline.core.inbox.model import Inbound
from onceline.core.orders import commands, store, view
from onceline.core.orders.commands import OrderRequest
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order, Terms
from onceline.core.orders.settle import receive, settle
from onceline.wiring import open_context
from onceline.workers.expire import expire_round
from onceline.workers.sweep import sweep_round
from tests.shop import Customer, Shop

THREADS = 12
SERVICES = (
    "telegram",
    "whatsapp",
    "discord",
    "google",
    "instagram",
    "tiktok",
    "twitter",
    "viber",
    "wechat",
    "snapchat",
)
"""Several, because a number that got a code for one is not sold for it again."""


@pytest.fixture
def storm_db(conninfo: str):
    with Database(conninfo, size=THREADS + 2, name="storm") as db:
        yield db


@pytest.fixture
def storm(storm_db: Database, settings, clock) -> Shop:
    """A shop on the real clock, with times short enough for orders to end inside the storm."""
    context = open_context(storm_db, settings, clock)
    terms = Terms(window_s=2, cancel_lock_s=0, grace_s=1, cooldown_s=1, drain_s=0.05)
    quick = Context(SystemClock(), context.vault, terms, context.installation, context.book)
    return Shop(storm_db, quick, SystemClock())


def _deadlocks(shop: Shop) -> int:
    with shop.db.transaction() as tx:
        row = tx.one("select deadlocks from pg_stat_database where datname = current_database()")
    assert row is not None
    return int(row.deadlocks)


def _assert_code_and_money_agree(shop: Shop) -> int:
    """Returns how many orders were looked at."""
    with shop.db.transaction() as tx:
        ids = [row.id for row in tx.all("select id from orders")]
        views = view.order_views(tx, shop.context, ids)
    for found in views:
        unflagged = [one for one in found["messages"] if one["code"] and not one["late"]]
        if found["closed_at"] and unflagged:
            assert found["charged"], found
        if found["charged"]:
            assert unflagged, found
    return len(views)


def test_a_thousand_buyers_and_a_hundred_numbers(storm: Shop, soak: bool) -> None:
    """Random orders, messages, cancels, finishes and resends, with the workers running beside."""
    buyers = [storm.customer(f"buyer {n}", 2_000_000) for n in range(1000 if soak else 100)]
    storm.empty("GB")
    storm.stock("GB", [f"+99{n:09d}" for n in range(100 if soak else 40)])
    ends = time.monotonic() + (60 if soak else 4)
    live: list[tuple[Customer, int, str]] = []
    counts = {"placed": 0, "refused": 0, "messages": 0}

    def act(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < ends:
            step = dice.random()
            if step < 0.45 or not live:
                _order(storm, dice, buyers, live, counts)
            elif step < 0.75:
                _message(storm, dice, live, counts)
            else:
                _close(storm, dice, live, counts)

    def clocks() -> None:
        while time.monotonic() < ends:
            expire_round(storm.db, storm.context)
            sweep_round(storm.db, storm.context)
            time.sleep(0.02)

    _together([lambda seed=seed: act(seed) for seed in range(THREADS)] + [clocks])
    _settle_down(storm)
    assert min(counts.values()) > 20, counts
    assert _assert_code_and_money_agree(storm) == counts["placed"]
    assert _deadlocks(storm) == 0
    storm.assert_books_are_true()


def _order(
    shop: Shop,
    dice: random.Random,
    buyers: list[Customer],
    live: list[tuple[Customer, int, str]],
    counts: dict[str, int],
) -> None:
    who, wanted = dice.choice(buyers), OrderRequest(dice.choice(SERVICES), "GB")
    try:
        with shop.db.transaction() as tx:
            placed = commands.place(tx, shop.context, who.side, [wanted], secrets.token_hex(8))
            order = store.order(tx, placed.ids[0])
    except Refusal:
        counts["refused"] += 1
        return
    counts["placed"] += 1
    assert order.e164
    live.append((who, order.id, order.e164))


def _message(
    shop: Shop, dice: random.Random, live: list[tuple[Customer, int, str]], counts: dict[str, int]
) -> None:
    _, _, number = dice.choice(live)
    text = f"Your code is {dice.randrange(10**5, 10**6)}" if dice.random() < 0.7 else "no code in here"
    with shop.db.transaction() as tx:
        kept = receive(
            tx,
            shop.context,
            Inbound("storm", secrets.token_hex(8), number, "Service", text, shop.clock.now()),
        )
    counts["messages"] += 1
    if dice.random() < 0.7:
        with shop.db.transaction() as tx:
            settle(tx, shop.context, kept.id)


def _close(
    shop: Shop, dice: random.Random, live: list[tuple[Customer, int, str]], counts: dict[str, int]
) -> None:
    who, order, _ = live[dice.randrange(len(live))]
    command = dice.choice([commands.cancel, commands.cancel, commands.finish, commands.resend])
    try:
        with shop.db.transaction() as tx:
            command(tx, shop.context, who.side, order)
    except Refusal:
        counts["refused"] += 1


def _settle_down(shop: Shop) -> None:
    """Until every order has ended and every message is decided."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        sweep_round(shop.db, shop.context)
        expire_round(shop.db, shop.context)
        with shop.db.transaction() as tx:
            left = tx.one(
                "select (select count(*) from orders where closed_at is null) + "
                "(select count(*) from inbound where state = 'stored') as n"
            )
        if left is not None and left.n == 0:
            return
        time.sleep(0.1)
    raise AssertionError("the storm did not settle")


def test_a_cancel_against_an_arrival(storm: Shop, soak: bool) -> None:
    """Within ± 5 ms of each other: either the code and its price, or the money back and the code flagged late."""
    pairs = 2000 if soak else 60
    alice, orders = _orders_of_one_buyer(storm, pairs)
    dice = random.Random(7)
    with ThreadPoolExecutor(2) as pool:
        for order in orders:
            cancel, arrive = _canceller(storm, alice, order.id), _arriver(storm, order.e164 or "")
            offset = dice.uniform(-0.005, 0.015)  # an arrival needs some milliseconds to be kept
            first, second = (cancel, arrive) if offset < 0 else (arrive, cancel)
            done = pool.submit(first)
            time.sleep(abs(offset))
            second()
            done.result()
    _assert_both_outcomes(storm, orders)


def test_an_expiry_against_an_arrival(storm: Shop, soak: bool) -> None:
    """Messages that reach us within ± 5 ms of their order's end, with the expiry worker running, drain and all."""
    alice, orders = _orders_of_one_buyer(storm, 2000 if soak else 60)
    assert alice.side
    stopping = threading.Event()
    dice = random.Random(7)

    def worker() -> None:
        while not stopping.is_set():
            expire_round(storm.db, storm.context)

    expiring = threading.Thread(target=worker)
    expiring.start()
    with ThreadPoolExecutor(4) as pool:
        for order in orders:
            due = order.expires_at + timedelta(seconds=dice.uniform(-0.005, 0.005))
            time.sleep(max((due - storm.clock.now()).total_seconds(), 0))
            pool.submit(_arriver(storm, order.e164 or "")).result()
    stopping.set()
    expiring.join()
    _assert_both_outcomes(storm, orders)


def _orders_of_one_buyer(shop: Shop, count: int) -> tuple[Customer, list[Order]]:
    alice = shop.customer("Alice", 10**12)
    shop.empty("GB")
    shop.stock("GB", [f"+99{n:09d}" for n in range(count)])
    return alice, [shop.place(alice) for _ in range(count)]


def _assert_both_outcomes(shop: Shop, orders: list[Order]) -> None:
    _settle_down(shop)
    charged = sum(shop.order(order).money == "captured" for order in orders)
    assert 0 < charged < len(orders), f"both outcomes must have been met: {charged} of {len(orders)} charged"
    assert _assert_code_and_money_agree(shop) == len(orders)
    assert _deadlocks(shop) == 0
    shop.assert_books_are_true()


def _canceller(shop: Shop, who: Customer, order: int) -> Callable[[], None]:
    def cancel() -> None:
        try:
            with shop.db.transaction() as tx:
                commands.cancel(tx, shop.context, who.side, order)
        except Refusal:
            return

    return cancel


def _arriver(shop: Shop, number: str) -> Callable[[], None]:
    def arrive() -> None:
        message = Inbound(
            "storm", secrets.token_hex(8), number, "Service", "Your code is 482913", shop.clock.now()
        )
        with shop.db.transaction() as tx:
            kept = receive(tx, shop.context, message)
        with shop.db.transaction() as tx:
            settle(tx, shop.context, kept.id)

    return arrive


def test_few_accounts_and_every_command_never_deadlock(storm: Shop, soak: bool) -> None:
    """Two accounts, six numbers, twelve hands in all of it at once."""
    buyers = [storm.customer(name, 10**10) for name in ("Alice", "Bob")]
    storm.empty("GB")
    storm.stock("GB", [f"+99{n:09d}" for n in range(6)])
    ends = time.monotonic() + (60 if soak else 3)
    live: list[tuple[Customer, int, str]] = []
    counts = {"placed": 0, "refused": 0, "messages": 0}
    busy = threading.Semaphore(0)

    def act(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < ends:
            try:
                [_order_two, _message_any, _close_any][dice.randrange(3)](dice)
            except Unavailable:
                busy.release()
            if seed == 0:
                expire_round(storm.db, storm.context)

    def _order_two(dice: random.Random) -> None:
        who = dice.choice(buyers)
        wanted = [OrderRequest(service, "GB") for service in dice.sample(SERVICES, 2)]
        try:
            with storm.db.transaction() as tx:
                placed = commands.place(tx, storm.context, who.side, wanted, secrets.token_hex(8))
                made = [store.order(tx, one) for one in placed.ids]
        except Refusal:
            counts["refused"] += 1
            return
        counts["placed"] += 2
        live.extend((who, order.id, order.e164 or "") for order in made)

    def _message_any(dice: random.Random) -> None:
        if live:
            _message(storm, dice, live, counts)

    def _close_any(dice: random.Random) -> None:
        if live:
            _close(storm, dice, live, counts)

    _together([lambda seed=seed: act(seed) for seed in range(THREADS)])
    _settle_down(storm)
    assert counts["placed"] > 4
    assert _deadlocks(storm) == 0
    storm.assert_books_are_true()


def _together(works: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
