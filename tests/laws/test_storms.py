"""Storms on real PostgreSQL: many buyers, few numbers, real threads and connections; afterwards the books must be true.

Short forms run with `make test`, the long ones with `make soak`.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from onceline.config import Settings
from onceline.core.clock import Clock, SystemClock
from onceline.core.db import Database
from onceline.core.errors import Refusal, Unavailable
from onceline.core.inbox.model import Inbound
from onceline.core.inventory import store as inventory
from onceline.core.orders import commands, store, view
from onceline.core.orders.commands import OrderRequest
from onceline.core.orders.model import Order, Terms
from onceline.core.orders.settle import receive, settle
from onceline.wiring import open_context
from onceline.workers.expire import expire_round
from onceline.workers.sweep import sweep_round
from tests.shop import Customer, Shop, numbers

THREADS = 12
_WAVE = 50
_HANDS = 6
"""That settle the same message at once."""
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
def storm(storm_db: Database, settings: Settings) -> Shop:
    """A shop on the real clock, with times short enough for orders to end inside the storm."""
    return _shop(
        storm_db,
        settings,
        Terms(window_s=2, cancel_lock_s=0, grace_s=1, cooldown_s=1, drain_s=0.05, live_orders=0),
    )


def _shop(db: Database, settings: Settings, terms: Terms, clock: Clock | None = None) -> Shop:
    clock = clock or SystemClock()
    context = open_context(db, settings, clock)
    return Shop(db, replace(context, terms=terms), clock)


def _deadlocks(shop: Shop) -> int:
    with shop.db.transaction() as tx:
        row = tx.one("select deadlocks from pg_stat_database where datname = current_database()")
    assert row is not None
    return int(row.deadlocks)


def _assert_code_and_money_agree(shop: Shop) -> int:
    """Returns how many orders were looked at, with every message of each."""
    now = shop.clock.now()
    with shop.db.transaction() as tx:
        orders = store.orders(tx, [row.id for row in tx.all("select id from orders")]).values()
        for order in orders:
            messages = store.messages(tx, shop.context.vault, order.account, order.id, after=0, limit=10**6)
            found = view.order_view(shop.context, order, messages, now)
            unflagged = [one for one in found["messages"] if one["code"] and not one["late"]]
            if found["closed_at"] and unflagged:
                assert found["charged"], found
            if found["charged"]:
                assert unflagged, found
            if order.state == "expired":
                assert order.closed_at >= order.expires_at, "no order ends before its time"
    return len(orders)


def test_a_thousand_buyers_and_a_hundred_numbers(storm: Shop, soak: bool) -> None:
    """Random orders, messages, cancels, finishes and resends, with the workers running beside."""
    buyers = [storm.customer(f"buyer {n}", 2_000_000) for n in range(1000 if soak else 100)]
    storm.empty("GB")
    storm.stock("GB", [f"+99{n:09d}" for n in range(100 if soak else 40)])
    placed = _rage(storm, buyers, 60 if soak else 4)
    _settle_down(storm)
    _assert_all_is_well(storm, placed)


def _rage(shop: Shop, buyers: list[Customer], seconds: float) -> int:
    """Returns how many orders were placed."""
    ends = time.monotonic() + seconds
    live: list[tuple[Customer, int, str]] = []
    counts = {"placed": 0, "refused": 0, "messages": 0}

    def act(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < ends:
            step = dice.random()
            if step < 0.45 or not live:
                _order(shop, dice, buyers, live, counts)
            elif step < 0.75:
                _message(shop, dice, live, counts)
            else:
                _close(shop, dice, live, counts)

    def clocks() -> None:
        while time.monotonic() < ends:
            expire_round(shop.db, shop.context)
            sweep_round(shop.db, shop.context)
            time.sleep(0.02)

    _together([lambda seed=seed: act(seed) for seed in range(THREADS)] + [clocks])
    assert min(counts.values()) > 20, counts
    return counts["placed"]


def _assert_all_is_well(shop: Shop, orders: int) -> None:
    assert _assert_code_and_money_agree(shop) == orders
    assert _deadlocks(shop) == 0
    shop.assert_books_are_true()


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
            Inbound("sandbox", secrets.token_hex(8), number, "Service", text, shop.clock.now()),
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


@pytest.mark.attack(6)
def test_a_cancel_against_an_arrival(storm: Shop, soak: bool) -> None:
    """Within ± 5 ms of each other: either the code and its price, or the money back and the code flagged late."""
    dice, raced = random.Random(7), []
    with ThreadPoolExecutor(2) as pool:
        for alice, orders in _waves_of_one_buyer(storm, 40 if soak else 1):
            raced += orders
            for order in orders:
                cancel, arrive = _canceller(storm, alice, order.id), _arriver(storm, order.e164 or "")
                offset = dice.uniform(-0.005, 0.015)  # an arrival needs some milliseconds to be kept
                first, second = (cancel, arrive) if offset < 0 else (arrive, cancel)
                done = pool.submit(first)
                time.sleep(abs(offset))
                second()
                done.result()
    _assert_both_outcomes(storm, raced)


@pytest.mark.attack(5)
def test_an_expiry_against_an_arrival(storm: Shop, soak: bool) -> None:
    """Messages that reach us within ± 5 ms of their order's end, with the expiry worker running, drain and all.

    Some come earlier, so that a machine which is late with everything meets both outcomes too.
    """
    stopping = threading.Event()
    dice, raced = random.Random(7), []
    expiring = threading.Thread(target=_expire_until, args=(storm, stopping))
    expiring.start()
    with ThreadPoolExecutor(4) as pool:
        for _, orders in _waves_of_one_buyer(storm, 40 if soak else 1):
            raced += orders
            for order in orders:
                earliest_s = -0.005 if dice.random() < 0.8 else -0.1
                due = order.expires_at + timedelta(seconds=dice.uniform(earliest_s, 0.005))
                time.sleep(max((due - storm.clock.now()).total_seconds(), 0))
                pool.submit(_arriver(storm, order.e164 or "")).result()
    stopping.set()
    expiring.join()
    _assert_both_outcomes(storm, raced)


def _waves_of_one_buyer(shop: Shop, waves: int) -> Iterator[tuple[Customer, list[Order]]]:
    """Few enough at once that none of them ends before its turn."""
    alice = shop.customer("Alice", 10**12)
    shop.empty("GB")
    shop.stock("GB", [f"+99{n:09d}" for n in range(waves * _WAVE)])
    for _ in range(waves):
        yield alice, [shop.place(alice) for _ in range(_WAVE)]


def _assert_both_outcomes(shop: Shop, orders: list[Order]) -> None:
    _settle_down(shop)
    charged = sum(shop.order(order).money == "captured" for order in orders)
    assert 0 < charged < len(orders), f"both outcomes must have been met: {charged} of {len(orders)} charged"
    _assert_all_is_well(shop, len(orders))


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
            "sandbox", secrets.token_hex(8), number, "Service", "Your code is 482913", shop.clock.now()
        )
        with shop.db.transaction() as tx:
            kept = receive(tx, shop.context, message)
        with shop.db.transaction() as tx:
            settle(tx, shop.context, kept.id)

    return arrive


def test_few_accounts_and_every_command_never_deadlock(storm: Shop, soak: bool) -> None:
    """Two accounts with a capped key each, six numbers, twelve hands in all of it at once."""
    buyers = [storm.customer(name, 10**10) for name in ("Alice", "Bob")]
    caps = {who.side: (None, storm.capped_key(who, 5_000_000).cap) for who in buyers}
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
                cap = dice.choice(caps[who.side])
                placed = commands.place(tx, storm.context, who.side, wanted, secrets.token_hex(8), cap)
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


class JumpingClock(SystemClock):
    """Every now and then it is set, hours forward or up to an hour back, whoever asks it."""

    JUMPS_S = (*(-3600, -1300, -600, -60, 60, 600, 1300, 3600) * 4, 86400)

    def __init__(self, seed: int, every: int) -> None:
        self._dice = random.Random(seed)
        self._every = every
        self._ahead = timedelta()
        self._lock = threading.Lock()
        self.forward = self.back = 0

    def now(self) -> datetime:
        with self._lock:
            if self._every and self._dice.randrange(self._every) == 0:
                self._set(self._dice.choice(self.JUMPS_S))
            return super().now() + self._ahead

    def _set(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)
        self.forward, self.back = self.forward + (seconds > 0), self.back + (seconds < 0)

    def run_on(self) -> None:
        """No more jumps, but one past every end and every cool-down."""
        with self._lock:
            self._every, self._ahead = 0, self._ahead + timedelta(days=3)


@pytest.mark.attack(44)
def test_a_clock_that_jumps_breaks_no_law(storm_db: Database, settings: Settings, soak: bool) -> None:
    """Between commands, inside them and inside the workers' rounds; the product's own times."""
    clock = JumpingClock(seed=7, every=25)
    shop = _shop(storm_db, settings, Terms(cancel_lock_s=60, live_orders=0), clock)
    buyers = [shop.customer(f"buyer {n}", 10**9) for n in range(50)]
    shop.empty("GB")
    shop.stock("GB", [f"+99{n:09d}" for n in range(100)])
    placed = _rage(shop, buyers, 60 if soak else 4)
    clock.run_on()
    _settle_down(shop)
    assert min(clock.forward, clock.back) > 20, "it must have jumped"
    _assert_all_is_well(shop, placed)


def test_one_message_in_many_hands_is_decided_once(
    storm_db: Database, settings: Settings, soak: bool
) -> None:
    """Several times T2 at once for the same messages, the sweeper beside them: one charge an order, one event a message."""
    shop = _shop(storm_db, settings, Terms())
    alice = shop.customer("Alice", 10**12)
    rounds, orders = 125 if soak else 20, [shop.place(alice) for _ in range(10)]
    dice, stopping = random.Random(7), threading.Event()
    sweeping = threading.Thread(target=_sweep_until, args=(shop, stopping))
    sweeping.start()
    with ThreadPoolExecutor(_HANDS) as hands:
        for _ in range(rounds):
            kept = [
                shop.keep(dice.choice(orders).e164, f"Your code is {dice.randrange(10**5, 10**6)}").id
                for _ in range(8)
            ]
            start = threading.Barrier(_HANDS)
            piles = [dice.sample(kept, len(kept)) for _ in range(_HANDS)]
            list(hands.map(lambda pile, start=start: _settle_pile(shop, start, pile), piles))
    stopping.set()
    sweeping.join()
    _assert_decided_once(shop, orders, 8 * rounds)


def _sweep_until(shop: Shop, stopping: threading.Event) -> None:
    while not stopping.is_set():
        sweep_round(shop.db, shop.context)


def _settle_pile(shop: Shop, start: threading.Barrier, pile: list[int]) -> None:
    start.wait()
    for message in pile:
        with shop.db.transaction() as tx:
            settle(tx, shop.context, message)


def _assert_decided_once(shop: Shop, orders: list[Order], messages: int) -> None:
    decided = shop.rows(
        "select i.state, m.id is not null as shown, count(e.seq) as events, count(distinct e.type) as types"
        " from inbound i left join messages m on m.id = i.id"
        " left join events e on e.message_id = i.id group by i.id, m.id"
    )
    assert [tuple(row) for row in decided] == [("shown", True, 1, 1)] * messages
    charged = {row.hold_id for row in shop.rows("select hold_id from orders where money = 'captured'")}
    captures = [
        row.pending_id for row in shop.rows("select pending_id from transfers where kind = 'capture'")
    ]
    assert sorted(captures) == sorted(charged)
    for order in orders:
        found = shop.order(order)
        events = shop.value(
            "select count(*) from events where order_id = %(id)s and type = 'order.message'", id=order.id
        )
        assert found.revision == 1 + events
    assert _deadlocks(shop) == 0
    shop.assert_books_are_true()


@dataclass(slots=True)
class _Arrival:
    """One message around the end of an order: when it is to come, and when somebody settles it, if anybody does."""

    order: Order
    due: datetime
    settled_after_s: float | None
    received_at: datetime | None = None
    kept_at: datetime | None = None


_DRAIN = Terms(window_s=1, cancel_lock_s=0, drain_s=0.4, live_orders=0)


def test_what_came_in_time_counts_and_what_came_in_the_drain_is_free(
    storm_db: Database, settings: Settings, soak: bool
) -> None:
    """Kept just before the end and settled in the drain, by T2, the sweeper or the expiry; or come in the drain."""
    shop = _shop(storm_db, settings, _DRAIN)
    waves, orders = (25, 40) if soak else (2, 20)
    shop.stock("GB", numbers(waves * orders))
    alice, dice = shop.customer("Alice", 10**12), random.Random(7)
    arrivals: list[_Arrival] = []
    for wave in range(waves):
        arrivals += _wave(shop, [shop.place(alice) for _ in range(orders)], dice, swept=wave % 2 == 0)
    _settle_down(shop)
    _assert_judged_by_their_time(shop, arrivals)
    assert _deadlocks(shop) == 0
    assert _assert_code_and_money_agree(shop) == waves * orders
    shop.assert_books_are_true()


def _wave(shop: Shop, orders: list[Order], dice: random.Random, *, swept: bool) -> list[_Arrival]:
    """All of these orders' messages, with the expiry running, and the sweeper or not."""
    arrivals = sorted(
        (arrival for order in orders for arrival in _arrivals(order, dice)), key=lambda one: one.due
    )
    stopping = threading.Event()
    workers = [threading.Thread(target=_expire_until, args=(shop, stopping))]
    workers += [threading.Thread(target=_sweep_until, args=(shop, stopping))] * swept
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(2 * THREADS) as hands:
        for done in [hands.submit(_let_come, shop, arrival) for arrival in arrivals]:
            done.result()
    time.sleep(_DRAIN.drain_s)
    stopping.set()
    for worker in workers:
        worker.join()
    return arrivals


def _arrivals(order: Order, dice: random.Random) -> list[_Arrival]:
    """One in time, one in the drain, or one of each."""
    in_time = _Arrival(order, order.expires_at - timedelta(seconds=dice.uniform(0.01, 0.06)), None)
    in_drain = _Arrival(order, order.expires_at + timedelta(seconds=dice.uniform(0.001, 0.3)), 0)
    in_time.settled_after_s = dice.choice([None, dice.uniform(0, _DRAIN.drain_s + 0.2)])
    return dice.choice([[in_time], [in_drain], [in_time, in_drain]])


def _let_come(shop: Shop, arrival: _Arrival) -> None:
    time.sleep(max((arrival.due - shop.clock.now()).total_seconds(), 0))
    assert arrival.order.e164
    arrival.received_at = shop.clock.now()
    text = "Your code is 482913"
    with shop.db.transaction() as tx:
        message = Inbound(
            "sandbox", secrets.token_hex(8), arrival.order.e164, "Service", text, arrival.received_at
        )
        kept = receive(tx, shop.context, message)
    arrival.kept_at = shop.clock.now()
    if arrival.settled_after_s is not None:
        time.sleep(arrival.settled_after_s)
        shop.settle(kept.id)


class _Undone(Exception):
    """Ends a transaction without its effect, as a refusal does."""


def test_looking_at_a_chunk_while_its_numbers_burn_never_waits_in_a_circle(storm: Shop, soak: bool) -> None:
    """With a foreign key from the burnt bits to their chunk it did: a few times in ten thousand."""
    storm.empty("GB")
    storm.stock("GB", numbers(50))
    chunk = storm.value(
        "select chunk_id from numbers where state = 'free' and e164 = %(one)s", one=numbers(1)[0]
    )
    ends = time.monotonic() + (60 if soak else 3)
    done = {"looked": 0, "burnt": 0}

    def look(dice: random.Random) -> None:
        with contextlib.suppress(_Undone), storm.db.transaction() as tx:
            tx.one("select look_at_chunk(%(chunk)s, %(now)s)", {"chunk": chunk, "now": storm.clock.now()})
            done["looked"] += 1
            if dice.random() < 0.6:
                raise _Undone

    def burn(dice: random.Random) -> None:
        with contextlib.suppress(_Undone), storm.db.transaction() as tx:
            number = tx.one("select id from numbers where chunk_id = %(chunk)s limit 1", {"chunk": chunk})
            assert number is not None
            inventory.burn(tx, [(number.id, dice.choice(SERVICES))])
            tx.one("select 1")
            done["burnt"] += 1
            raise _Undone  # the next one makes the row anew

    def go_on(work: Callable[[random.Random], None], seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < ends:
            work(dice)

    _together(
        [partial(go_on, look, seed) for seed in range(6)] + [partial(go_on, burn, seed) for seed in range(4)]
    )
    assert min(done.values()) > 100, done
    assert _deadlocks(storm) == 0


def _expire_until(shop: Shop, stopping: threading.Event) -> None:
    while not stopping.is_set():
        expire_round(shop.db, shop.context)
        time.sleep(0.01)


def _assert_judged_by_their_time(shop: Shop, arrivals: list[_Arrival]) -> None:
    """Charged exactly when a message came in time and was kept before the drain was over."""
    seen = {"in time": 0, "in the drain": 0, "both": 0}
    for order in {arrival.order.id: arrival.order for arrival in arrivals}.values():
        came = [arrival for arrival in arrivals if arrival.order.id == order.id]
        in_time = [one for one in came if one.received_at <= order.expires_at]
        drained = order.expires_at + timedelta(seconds=_DRAIN.drain_s)
        if any(one.kept_at >= drained for one in in_time):
            continue  # the machine was too slow: nobody can know of it before the end
        found = shop.view(order)
        assert found["charged"] == bool(in_time), found
        late = [message["late"] for message in sorted(found["messages"], key=lambda one: one["received_at"])]
        assert late == [one not in in_time for one in sorted(came, key=lambda one: one.received_at)], found
        seen["both" if len(set(late)) == 2 else "in the drain" if late[0] else "in time"] += 1
    assert min(seen.values()) > 2, seen


def _together(works: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
