"""Storms over everything that moves money, on real PostgreSQL with real threads: who comes first wins, and nobody twice.

Short forms run with `make test`, the long ones with `make soak`.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import errors as pg

from onceline.config import Settings
from onceline.core.cash import commands as cash
from onceline.core.cash.commands import Receipt
from onceline.core.clock import SystemClock
from onceline.core.db import Database, Transaction
from onceline.core.deposits import commands as deposits
from onceline.core.deposits import disputes, refunds, store
from onceline.core.deposits.model import Deposit, Dispute, Stage
from onceline.core.errors import DepositNotRefundable, InsufficientBalance, OutOfStock, Refusal, Unavailable
from onceline.core.money import MICROS
from onceline.core.orders import commands as orders
from onceline.core.orders.commands import OrderRequest
from onceline.core.orders.model import Terms
from onceline.core.proofs.checks import prove
from onceline.core.vouchers import commands as vouchers
from onceline.core.vouchers.commands import Asking
from onceline.wiring import open_context
from onceline.workers.expire import expire_round
from onceline.workers.sweep import sweep_round
from tests.core.deposits.till import CARD, FAST, Till
from tests.core.vouchers.kiosk import Kiosk
from tests.laws.lots import spends, stored
from tests.shop import PRICE, Customer, Shop

WRITERS = 8
TERMS = Terms(window_s=2, cancel_lock_s=0, grace_s=1, cooldown_s=1, drain_s=0.05, live_orders=0)
PAID = CARD._replace(least=1, most=10**9, bonus_ppm=100_000)
AMOUNTS = (PRICE - 1, PRICE, PRICE + 1, 2 * PRICE, MICROS)
SERVICES = ("telegram", "whatsapp", "discord", "google", "instagram", "tiktok", "twitter", "viber")
_T = TypeVar("_T")
RETRYABLE = (pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable)


@pytest.fixture
def db(conninfo: str) -> Iterator[Database]:
    with Database(conninfo, size=2 * WRITERS + 6, name="storm") as database:
        yield database


@pytest.fixture
def shop(db: Database, settings: Settings) -> Shop:
    """On the real clock, with times short enough for orders to end inside the storm."""
    clock = SystemClock()
    return Shop(db, replace(open_context(db, settings, clock), terms=TERMS), clock)


@dataclass
class Storm:
    """What many hands do to few accounts at once, and what became of it."""

    shop: Shop
    buyers: list[Customer]
    ends: float
    codes: list[str]
    done: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    paid: list[Deposit] = field(default_factory=list)
    placed: list[tuple[Customer, int, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    claimed: list[str] = field(default_factory=list)
    laid_by: list[str] = field(default_factory=list)
    disputed: list[tuple[Deposit, Dispute]] = field(default_factory=list)

    def rage(self, seed: int) -> None:
        """One writer: a step after the other, whatever comes up."""
        dice = random.Random(seed)
        while time.monotonic() < self.ends:
            step = dice.choice(STEPS)
            try:
                step(self, dice)
            except Refusal:
                self.done["refused"] += 1
            except Unavailable as away:
                self.retried[type(away.__cause__).__name__] += 1
            else:
                self.done[step.__name__] += 1

    def pay(self, dice: random.Random) -> None:
        till = Till(self.shop, dice.choice(self.buyers))
        with self.shop.db.transaction() as tx:
            now = self.shop.clock.now()
            begun = deposits.begin(tx, till.who.side, PAID, dice.choice(AMOUNTS), FAST, now)
            store.name_at_processor(tx, begun.id, f"cs_{begun.id}")
        begun = till.look(begun)
        till.hear(begun)
        self.paid.append(till.look(begun))

    def hear_again(self, dice: random.Random) -> None:
        found = _any(dice, self.paid)
        Till(self.shop, self.buyers[0]).hear(found)

    def give(self, dice: random.Random) -> None:
        with self.shop.db.transaction() as tx:
            deposits.give(tx, dice.choice(self.buyers).side, PRICE, "sandbox", self.shop.clock.now())

    def redeem(self, dice: random.Random) -> None:
        who = dice.choice(self.buyers)
        asking = Asking(who.account, who.side, _any(dice, self.codes))
        with self.shop.db.transaction() as tx:
            vouchers.redeem(tx, self.shop.context.installation.secret, asking, self.shop.clock.now())

    def take_cash(self, dice: random.Random) -> None:
        receipt = Receipt(dice.choice(self.buyers).side, MICROS, secrets.token_hex(8))
        with self.shop.db.transaction() as tx:
            self.laid_by.append(cash.record(tx, receipt, "ann", 10**12, self.shop.clock.now()))

    def accept_cash(self, dice: random.Random) -> None:
        found, verdict = _any(dice, self.laid_by), dice.choice(("yes", "yes", "no"))
        with self.shop.db.transaction() as tx:
            if verdict == "yes":
                cash.approve(tx, found, "ben", 10**12, self.shop.clock.now())
            else:
                cash.decline(tx, found, "ben", self.shop.clock.now())

    def place(self, dice: random.Random) -> None:
        who, services = dice.choice(self.buyers), dice.sample(SERVICES, dice.choice((1, 1, 2)))
        with self.shop.db.transaction() as tx:
            wanted = [OrderRequest(service, "GB") for service in services]
            made = orders.place(tx, self.shop.context, who.side, wanted, secrets.token_hex(8)).made
        self.placed.extend((who, one.id, one.e164 or "") for one in made)

    def message(self, dice: random.Random) -> None:
        self.shop.sms(_any(dice, self.placed)[2], f"Your code is {dice.randrange(10**5, 10**6)}")

    def act(self, dice: random.Random) -> None:
        who, order, _ = _any(dice, self.placed)
        command = dice.choice((orders.cancel, orders.cancel, orders.finish))
        with self.shop.db.transaction() as tx:
            command(tx, self.shop.context, who.side, order)

    def clocks(self, dice: random.Random) -> None:
        expire_round(self.shop.db, self.shop.context)
        sweep_round(self.shop.db, self.shop.context)

    def ask_back(self, dice: random.Random) -> None:
        found, asked_by = _any(dice, self.paid), dice.choice((refunds.ACCOUNT, "olga"))
        side = found.side if asked_by == refunds.ACCOUNT else None
        with self.shop.db.transaction() as tx:
            now, approvals = self.shop.clock.now(), dice.choice((0, 0, 2))
            asked = refunds.ask(tx, found.id, asked_by, now, side=side, approvals=approvals)
        self.asked.append(asked.id)

    def decide(self, dice: random.Random) -> None:
        refund, staff = _any(dice, self.asked), dice.choice(("olga", "nina", "omar"))
        with self.shop.db.transaction() as tx:
            if dice.random() < 0.8:
                refunds.approve(tx, refund, staff, self.shop.clock.now(), approvals=2)
            else:
                refunds.decline(tx, refund, staff, "a slip", self.shop.clock.now())

    def claim(self, dice: random.Random) -> None:
        with self.shop.db.transaction() as tx:
            found = [one.id for one in refunds.claim(tx, self.shop.clock.now(), 3)]
        self.claimed.extend(found)

    def settle_refund(self, dice: random.Random) -> None:
        refund, word = _any(dice, self.claimed), dice.choice(("confirm", "confirm", "undo", "later"))
        with self.shop.db.transaction() as tx:
            _say(tx, refund, word, self.shop)

    def dispute(self, dice: random.Random) -> None:
        """Seldom: while one is open nothing of its account goes back, and refunds shall be in the storm too."""
        found = _any(dice, self.paid if dice.random() < 0.2 else [])
        said = Dispute(
            f"dp_{found.id}_{dice.randrange(2)}", f"pi_{found.id}", found.amount, "USD", Stage.OPEN
        )
        self._hear(found, replace(said, amount=dice.choice((found.amount, found.amount // 3))))

    def decide_dispute(self, dice: random.Random) -> None:
        found, said = _any(dice, self.disputed[-3:])
        self._hear(found, replace(said, stage=dice.choice((Stage.WON, Stage.LOST))))

    def _hear(self, found: Deposit, said: Dispute) -> None:
        with self.shop.db.transaction() as tx:
            disputes.hear(tx, found.id, said, self.shop.clock.now())
        if said.stage is Stage.OPEN:
            self.disputed.append((found, said))


STEPS: tuple[Callable[[Storm, random.Random], None], ...] = (
    *[Storm.pay, Storm.place, Storm.message, Storm.act, Storm.ask_back, Storm.claim, Storm.settle_refund, Storm.decide_dispute] * 3,
    *(Storm.hear_again, Storm.give, Storm.redeem, Storm.take_cash, Storm.accept_cash, Storm.decide, Storm.dispute, Storm.clocks),
)  # fmt: skip


def _say(tx: Transaction, refund: str, word: str, shop: Shop) -> None:
    """What a processor says of a refund, as the worker hears it."""
    now = shop.clock.now()
    if word == "confirm":
        refunds.confirm(tx, refund, f"re_{refund}", now)
    elif word == "later":
        refunds.later(tx, refund, now)
    else:
        refunds.undo(tx, refund, "expired card", now)
        disputes.take_what_came_back(tx, refunds.refund(tx, refund).deposit, now)


def _any(dice: random.Random, things: list[_T]) -> _T:
    """One of the newer ones, where the others are as well."""
    if not things:
        raise OutOfStock
    return dice.choice(things[-12:])


@pytest.mark.attack(41, 43)
def test_eight_hands_in_all_the_money_at_once_break_no_law(shop: Shop, soak: bool) -> None:
    """Three accounts; the laws are looked at meanwhile, snapshot by snapshot, and at the end deposit by deposit."""
    storm = _storm(shop, accounts=3, seconds=600 if soak else 8)
    looks = _rage(storm, checked=True)
    assert looks > 2, "nobody looked meanwhile"
    assert min(storm.done[step.__name__] for step in STEPS) > 0, storm.done
    _assert_calm_after(storm)


@pytest.mark.attack(43)
def test_no_two_hands_ever_wait_for_each_other(shop: Shop, soak: bool) -> None:
    """One account, so that everything is about the same few rows; nobody else is in the way."""
    storm = _storm(shop, accounts=1, seconds=120 if soak else 5)
    _rage(storm, checked=False)
    assert min(storm.done[step] for step in ("pay", "place", "message", "act", "dispute")) > 0, storm.done
    _assert_calm_after(storm)


@pytest.mark.attack(42)
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_stricter_level_of_isolation_costs_repeats_and_nothing_else(
    conninfo: str, settings: Settings, level: str, soak: bool
) -> None:
    """The product runs at PostgreSQL's own level, read committed, and asks for no other. Under these two the same commands
    may be told to come again, and every such answer is one that a client repeats: no other error comes out, nothing is lost."""
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"alter database {name} set default_transaction_isolation = '{level}'")
    with Database(conninfo, size=2 * WRITERS + 6, name="storm") as db:
        assert _level(db) == level
        shop = Shop(db, replace(open_context(db, settings, SystemClock()), terms=TERMS), SystemClock())
        storm = _storm(shop, accounts=2, seconds=120 if soak else 5)
        _rage(storm, checked=True)
        assert storm.retried.keys() <= {one.__name__ for one in RETRYABLE}, storm.retried
        assert storm.retried["SerializationFailure"] > 0, "it was no storm"
        assert sum(storm.done.values()) > storm.done["refused"] > 0
        _calm_down(storm)
        _assert_true(storm)


@pytest.mark.attack(16)
def test_of_a_refund_and_an_order_at_once_one_has_the_money(shop: Shop, soak: bool) -> None:
    """The deposit is worth exactly one order. Nobody waits for the other: both start at the same gate."""
    shop.only("GB", 400)
    till, won = Till(shop, shop.customer("Alice", 0)), Counter[str]()
    rounds = 10_000 if soak else 120
    with ThreadPoolExecutor(2) as pool:
        for turn in range(rounds):
            found, gate = _paid(till, PRICE), threading.Barrier(2)
            back = pool.submit(_at, gate, partial(till.ask_back, found))
            buy = pool.submit(_at, gate, partial(shop.place, till.who))
            asked, order = back.result(), buy.result()
            assert (asked is None) != (order is None), "one of them, never both and never neither"
            won["refund" if asked else "order"] += 1
            if turn % 20 == 0:
                shop.assert_books_are_true()
            if order is not None:
                shop.cancel(till.who, order)
                till.ask_back(found)
            assert (till.balance.available, till.balance.held) == (0, 0)
            for claimed in till.claimed():
                till.confirm(claimed)
    assert min(won["refund"], won["order"]) > rounds // 100, f"both must have been met: {won}"
    shop.assert_books_are_true()


@pytest.mark.attack(17)
def test_a_refund_asked_for_by_owner_and_staff_at_once_is_one_and_leaves_once(shop: Shop, soak: bool) -> None:
    """Twenty ask, twenty claim what is to be sent, twenty say that it was sent: one row, one key at the processor, one transfer."""
    till = Till(shop, shop.customer("Alice", 0))
    with ThreadPoolExecutor(20) as pool:
        for _ in range(200 if soak else 5):
            found = till.paid(10)
            gate = threading.Barrier(20)
            askers = [_asker(shop, found, turn) for turn in range(20)]
            asked = {one.id for one in pool.map(partial(_at, gate), askers) if one}
            claimed = [
                one.id for some in pool.map(partial(_at, gate), [till.claimed] * 20) for one in some or ()
            ]
            assert len(asked) == 1
            assert claimed == list(asked), "the id is the key at the processor: it is sent by one, once"
            (refund,) = [till.refund(found)]
            list(pool.map(partial(_at, gate), [partial(till.confirm, refund)] * 20))
            rows = shop.rows("select state from deposit_refunds where deposit_id = %(id)s", id=found.id)
            assert [row.state for row in rows] == ["sent"]
            assert till.dollars == (0, 0, 0, 0)
    sent = shop.value("select count(*) from transfers where kind = 'refund_sent'")
    assert sent == shop.value("select count(*) from deposit_refunds")
    shop.assert_books_are_true()


@pytest.mark.attack(47)
def test_a_refund_is_checked_without_reading_what_is_older(shop: Shop) -> None:
    """The same refunds of an account with ten deposits before them, and with ten thousand, by the rows that the database read."""
    few, many = (_rows_read_by_refunds(shop, name, older) for name, older in (("Alice", 10), ("Bob", 10_000)))
    assert max(*few, *many) < 100, "a refund that is allowed, and one that is refused for an order"


def _rows_read_by_refunds(shop: Shop, name: str, older: int) -> tuple[int, int]:
    """Of one that can go back, and of one of which something was spent."""
    till = Till(shop, shop.customer(name, 0))
    _bring_many(shop, till.who, older)
    shop.run("update sides set available = %(all)s where id = %(side)s", all=PRICE - 1, side=till.who.side)
    spent, untouched, _ = (_paid(till, MICROS) for _ in range(3))
    order = shop.place(till.who)
    with shop.db.transaction() as tx:
        before = _rows_read(tx)
        refunds.demand_refundable(tx, store.locked(tx, untouched.id), shop.clock.now())
        allowed = _rows_read(tx) - before
    with shop.db.transaction() as tx:
        before = _rows_read(tx)
        with pytest.raises(DepositNotRefundable) as refused:
            refunds.demand_refundable(tx, store.locked(tx, spent.id), shop.clock.now())
        assert refused.value.facts == {"reason": "spent", "order": order.id}
        return allowed, _rows_read(tx) - before


def _bring_many(shop: Shop, who: Customer, count: int) -> None:
    """One deposit and many of a micro-unit each, together one short of an order; nothing of them is spent."""
    with shop.db.transaction() as tx:
        tx.run(
            "insert into deposits (id, side_id, method, state, amount, fee, bonus, credited, place, refunds, created_at, credited_at)"
            " select 'dep_' || %(side)s || '_' || n, %(side)s, 'stripe', 'credited', a, 0, 0, a, n, 'source', %(now)s, %(now)s"
            " from generate_series(1, %(count)s) n, lateral (select case when n = 1 then %(total)s - %(count)s + 1 else 1 end as a) one",
            {
                "side": who.side,
                "count": count,
                "total": PRICE - 1,
                "now": shop.clock.now() - timedelta(days=2),
            },
        )
    with psycopg.connect(shop.db.conninfo, autocommit=True) as connection:
        connection.execute("analyze")


def _rows_read(tx: Transaction) -> int:
    """By this connection lately, of every table that a refund could look into."""
    row = tx.one(
        "select sum(seq_tup_read + idx_tup_fetch)::bigint as n from pg_stat_xact_user_tables"
        " where relname in ('deposits', 'disputes', 'transfers', 'orders', 'extensions', 'deposit_refunds')"
    )
    assert row is not None
    return int(row.n)


def _paid(till: Till, amount: int) -> Deposit:
    with till.shop.db.transaction() as tx:
        now = till.shop.clock.now()
        begun = deposits.begin(tx, till.who.side, PAID._replace(bonus_ppm=0), amount, FAST, now)
        store.name_at_processor(tx, begun.id, f"cs_{begun.id}")
    return till.hear(till.look(begun))


def _asker(shop: Shop, found: Deposit, turn: int) -> Callable[[], refunds.Refund]:
    """The owner, then one of two members of staff, and so on."""
    asked_by = (refunds.ACCOUNT, "olga", refunds.ACCOUNT, "nina")[turn % 4]
    side = found.side if asked_by == refunds.ACCOUNT else None

    def ask() -> refunds.Refund:
        with shop.db.transaction() as tx:
            return refunds.ask(tx, found.id, asked_by, shop.clock.now(), side=side, approvals=0)

    return ask


def _at(gate: threading.Barrier, work: Callable[[], _T]) -> _T | None:
    """None: refused."""
    gate.wait(timeout=60)
    try:
        return work()
    except (DepositNotRefundable, InsufficientBalance):
        return None


def _storm(shop: Shop, *, accounts: int, seconds: float) -> Storm:
    shop.only("GB", 30)
    buyers = [shop.customer(f"buyer {n}", MICROS) for n in range(accounts)]
    codes = Kiosk(shop).codes(500, dollars=1)
    return Storm(shop, buyers, time.monotonic() + seconds, codes)


def _rage(storm: Storm, *, checked: bool) -> int:
    """All writers at once; returns how many snapshots were judged meanwhile."""
    looks = Counter[str]()

    def look() -> None:
        while time.monotonic() < storm.ends:
            with storm.shop.db.transaction() as tx:
                broken = [proof for proof in prove(tx, storm.shop.clock.now()) if proof.broken]
            assert broken == []
            looks["done"] += 1

    works = [partial(storm.rage, seed) for seed in range(WRITERS)] + [look] * checked
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
    return looks["done"]


def _assert_calm_after(storm: Storm) -> None:
    """At the product's own level nobody is ever told to come again for a ring of waits."""
    assert storm.retried["DeadlockDetected"] == storm.retried["SerializationFailure"] == 0
    _calm_down(storm)
    _assert_true(storm)
    assert storm.shop.value("select deadlocks from pg_stat_database where datname = current_database()") == 0


def _calm_down(storm: Storm) -> None:
    """Until every order has ended."""
    deadline = time.monotonic() + 60
    while storm.shop.value("select count(*) from orders where closed_at is null"):
        assert time.monotonic() < deadline, "the storm did not settle"
        with suppress(Unavailable):
            sweep_round(storm.shop.db, storm.shop.context)
            expire_round(storm.shop.db, storm.shop.context)
        time.sleep(0.1)


def _assert_true(storm: Storm) -> None:
    """By `prove`, and by pouring every order through the deposits."""
    shop = storm.shop
    shop.assert_books_are_true()
    for who in storm.buyers:
        lots, spent, balance = stored(shop, who), spends(shop, who), shop.balance(who)
        assert balance.available - balance.debt == lots.left(spent)
        is_any_open = shop.value(
            "select exists (select from disputes x join deposits d on d.id = x.deposit_id"
            " where d.side_id = %(side)s and x.state = 'open')",
            side=who.side,
        )
        for lot in lots.lots[-60:]:
            now = shop.clock.now()
            if lot.is_here:
                assert _reason(shop, lot.id, now) == lots.bar(lot, spent, balance.debt, is_any_open, now)


def _reason(shop: Shop, deposit: str, now: Any) -> str | None:
    try:
        with shop.db.transaction() as tx:
            refunds.demand_refundable(tx, store.deposit(tx, deposit), now)
    except DepositNotRefundable as refused:
        return str(refused.facts["reason"])
    return None


def _level(db: Database) -> str:
    with db.transaction() as tx:
        row = tx.one("show transaction_isolation")
    assert row is not None
    return str(row[0])
