"""Each clock's round by itself, on a clock that the test moves: what is due is done, and one failure stops nobody."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onceline.config import Settings
from onceline.core.db import Transaction
from onceline.core.errors import Busy, DatabaseAway
from onceline.core.inbox import store as inbox
from onceline.core.inventory import store as inventory
from onceline.core.orders import commands
from onceline.core.orders import settle as settling
from onceline.core.orders.context import Context
from onceline.core.orders.model import Order
from onceline.suppliers.base import Acquired, Call, NoNumbers, OutcomeUnknown, Supplier
from onceline.suppliers.intake import DirectIntake
from onceline.suppliers.sandbox.supplier import Sandbox
from onceline.wiring import open_post
from onceline.workers.clock import Worker
from onceline.workers.expire import expire_round
from onceline.workers.retain import retain_round
from onceline.workers.run import run_until, workers
from onceline.workers.sandbox import sandbox_round
from onceline.workers.supply import supply_round
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE
from tests.shop import DRAIN_S, PRICE, WINDOW_S, Customer, Shop, numbers

CODE = "Your code is 482913"
POISON = "poison"


class Scripted(Supplier):
    """Answers each acquire with the next answer; raises it if it is an error."""

    def __init__(self, *answers: Acquired | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, Call]] = []

    def acquire(self, call: Call) -> Acquired:
        self.calls.append(("acquire", call))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def finish(self, call: Call) -> None:
        self.calls.append(("finish", call))

    def cancel(self, call: Call) -> None:
        self.calls.append(("cancel", call))

    def resend(self, call: Call) -> None:
        self.calls.append(("resend", call))


@pytest.fixture
def alice(shop: Shop) -> Customer:
    shop.pool("asked", PRICE, supplier="scripted", asks=True, tells=True)
    return shop.customer(ALICE)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that breaks whoever reads it, as a bug in the reading would."""

    def read(text: str, sender: str | None = None) -> object:
        if text == POISON:
            raise RuntimeError("a bug")
        return find_code(text, sender)

    find_code = settling.find_code
    monkeypatch.setattr(settling, "find_code", read)


def expire(shop: Shop) -> int:
    return expire_round(shop.db, shop.context)


def sweep(shop: Shop) -> int:
    return sweep_round(shop.db, shop.context)


def supply(shop: Shop, **suppliers: Supplier) -> int:
    return sum(supply_round(shop.db, shop.context, name, one) for name, one in suppliers.items())


def hold_number(shop: Shop, order: Order, work: Callable[[], object]) -> None:
    """Do `work` while somebody else has the number's lock."""
    assert order.number_id is not None
    with shop.db.transaction() as tx:
        inventory.lock(tx, order.number_id)
        work()


def test_the_expiry_ends_what_is_due_and_nothing_else(shop: Shop, alice: Customer) -> None:
    due = shop.place(alice)
    shop.pass_time(60)
    young = shop.place(alice)
    shop.pass_time(WINDOW_S + DRAIN_S - 60)
    assert expire(shop) == 1
    assert (shop.order(due).state, shop.order(young).state) == ("expired", "waiting")
    assert expire(shop) == 0
    shop.assert_books_are_true()


def test_an_order_that_cannot_be_ended_does_not_keep_the_others_money(
    shop: Shop, alice: Customer, poisoned: None
) -> None:
    stuck, free = shop.place(alice), shop.place(alice)
    kept = shop.keep(stuck.e164, POISON)
    shop.pass_time(WINDOW_S + DRAIN_S)
    assert expire(shop) == 1
    assert (shop.order(stuck).state, shop.order(free).state) == ("waiting", "expired")
    for _ in range(5):
        sweep(shop)
    assert shop.inbound_state(kept) == "unreadable"
    assert expire(shop) == 1
    assert shop.balance(alice).held == 0
    shop.assert_books_are_true()


def test_an_order_in_other_hands_is_left_for_the_next_round(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [shop.place(alice) for _ in range(2)]
    shop.pass_time(WINDOW_S + DRAIN_S)
    really = commands.expire

    def busy(tx: Transaction, context: Context, order: int) -> bool:
        if order == placed[0].id:
            raise Busy
        return really(tx, context, order)

    with monkeypatch.context() as patched:
        patched.setattr(commands, "expire", busy)
        assert expire(shop) == 1
    assert expire(shop) == 1


def test_the_sweep_finishes_what_nobody_settled(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice)
    shop.keep(order.e164, CODE)
    assert sweep(shop) == 1
    assert shop.view(order)["code"] == "482913"
    assert sweep(shop) == 0


def test_a_message_that_cannot_be_settled_stops_nobody_and_is_set_aside(
    shop: Shop, alice: Customer, poisoned: None
) -> None:
    """The others of the same number and of other numbers go through at once."""
    order, other = shop.place(alice), shop.place(alice)
    before = shop.keep(order.e164, CODE)
    bad = shop.keep(order.e164, POISON)
    after = shop.keep(order.e164, CODE)
    elsewhere = shop.keep(other.e164, CODE)
    assert sweep(shop) == 4
    assert [shop.inbound_state(one) for one in (before, bad, after, elsewhere)] == [
        "shown",
        "stored",
        "shown",
        "shown",
    ]
    for attempt in range(2, 6):
        assert shop.inbound_state(bad) == "stored", attempt
        assert sweep(shop) == 1
    assert shop.inbound_state(bad) == "unreadable"
    assert sweep(shop) == 0
    shop.assert_books_are_true()


def test_a_message_whose_number_is_in_other_hands_waits_for_the_next_round(
    shop: Shop, alice: Customer
) -> None:
    order, other = shop.place(alice), shop.place(alice)
    kept, elsewhere = shop.keep(order.e164, CODE), shop.keep(other.e164, CODE)
    hold_number(shop, order, lambda: sweep(shop))
    assert (shop.inbound_state(kept), shop.inbound_state(elsewhere)) == ("stored", "shown")
    assert shop.value("select attempts from inbound where id = %(id)s", id=kept.id) == 0
    sweep(shop)
    assert shop.inbound_state(kept) == "shown"


def test_a_supplier_is_asked_and_its_number_reaches_the_order(shop: Shop, alice: Customer) -> None:
    supplier = Scripted(Acquired(numbers(1)[0], "23415"))
    order = shop.place(alice, pool="asked", network="23415")
    assert supply(shop, scripted=supplier) == 1
    assert supplier.calls == [("acquire", Call(f"ol-{order.id}", "telegram", "GB", "23415", None, PRICE))]
    assert (shop.order(order).state, shop.order(order).e164) == ("waiting", numbers(1)[0])
    shop.wait(WINDOW_S + DRAIN_S)
    supply(shop, scripted=supplier)
    assert [verb for verb, _ in supplier.calls] == ["acquire", "cancel"]
    assert supply(shop, scripted=supplier) == 0


def test_a_supplier_without_numbers_fails_the_order(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, pool="asked")
    supply(shop, scripted=Scripted(NoNumbers()))
    assert (shop.order(order).state, shop.balance(alice).held) == ("failed", 0)
    shop.assert_books_are_true()


@pytest.mark.parametrize("failure", [OutcomeUnknown(), ValueError("nonsense instead of an answer")])
def test_an_unknown_outcome_stays_held_and_is_asked_again_under_the_same_reference(
    shop: Shop, alice: Customer, failure: Exception
) -> None:
    order = shop.place(alice, pool="asked")
    supplier = Scripted(failure, Acquired(numbers(1)[0]))
    supply(shop, scripted=supplier)
    assert (shop.order(order).state, shop.balance(alice).held) == ("placing", PRICE)
    assert supply(shop, scripted=supplier) == 0
    shop.pass_time(1)
    supply(shop, scripted=supplier)
    assert shop.order(order).state == "waiting"
    assert len({call.reference for _, call in supplier.calls}) == 1


def test_a_supplier_that_is_not_there_keeps_its_calls_and_delays_no_other(
    shop: Shop, alice: Customer
) -> None:
    shop.pool("gone", PRICE, supplier="not-configured", asks=True, tells=True)
    lost, served = shop.place(alice, pool="gone"), shop.place(alice, pool="asked")
    assert supply(shop, scripted=Scripted(Acquired(numbers(1)[0]))) == 1
    assert (shop.order(lost).state, shop.order(served).state) == ("placing", "waiting")


def test_what_came_to_ordered_numbers_is_swept_before_a_flood_to_others(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice)
    idle = shop.rows(
        "select e164 from numbers where state = 'free' and holder is null order by id limit %(n)s", n=60
    )
    for row in idle:
        shop.keep(row.e164, "Your code is 111111")
    awaited = shop.keep(order.e164, "Your code is 482913")
    with shop.db.transaction() as tx:
        assert inbox.oldest_stored(tx, 1) == [awaited.id]
        assert len(inbox.oldest_stored(tx, 100)) == 61


def test_the_sandbox_sends_what_is_due(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, "test-success")
    supply(shop, sandbox=Sandbox(shop.db, shop.clock))
    assert sandbox_round(shop.db, shop.context) == 0
    shop.pass_time(1)
    assert sandbox_round(shop.db, shop.context) == 1
    assert shop.view(order)["state"] == "received"
    assert sandbox_round(shop.db, shop.context) == 0


def test_the_housekeeping_prunes_and_renews_the_offers_figures(
    shop: Shop, alice: Customer, tmp_path: Path
) -> None:
    old, young = tmp_path / "access-2026-02-01.log", tmp_path / "access-2026-03-01.log"
    for log in (old, young):
        log.write_text("")
    shop.place(alice)
    shop.wait(WINDOW_S + DRAIN_S)
    assert retain_round(shop.db, shop.context, tmp_path, 7) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert shop.value("select closed from offer_records") == 1


@pytest.fixture
def running() -> Iterator[Callable[[Worker], None]]:
    stopping, threads, started = threading.Event(), [], []

    def start(worker: Worker) -> None:
        thread = threading.Thread(target=worker.run, args=(stopping,))
        thread.start()
        threads.append(thread)
        started.append(worker)

    yield start
    stopping.set()
    for worker in started:
        worker.wake()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_worker_survives_a_database_that_is_away(running: Callable[[Worker], None]) -> None:
    rounds: queue.Queue[int] = queue.Queue()

    def work() -> int:
        rounds.put(1)
        if rounds.qsize() < 3:
            raise DatabaseAway
        return 0

    running(Worker("test", 0.01, work))
    deadline = time.monotonic() + 5
    while rounds.qsize() < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_wakes_at_its_word_and_no_other(running: Callable[[Worker], None]) -> None:
    rounds: queue.Queue[int] = queue.Queue()
    worker = Worker("test", 60, lambda: rounds.put(1) or 0, wake_word="calls")
    running(worker)
    rounds.get(timeout=5)
    worker.hear(frozenset({"side:1"}))
    with pytest.raises(queue.Empty):
        rounds.get(timeout=0.1)
    worker.hear(frozenset({"side:1", "calls"}))
    rounds.get(timeout=5)


def test_a_full_round_is_followed_by_the_next_at_once(running: Callable[[Worker], None]) -> None:
    rounds: queue.Queue[int] = queue.Queue()

    def work() -> int:
        rounds.put(1)
        return 5 if rounds.qsize() < 3 else 4

    running(Worker("test", 60, work, full_round=5))
    deadline = time.monotonic() + 5
    while rounds.qsize() < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.05)
    assert rounds.qsize() == 3


def test_all_clocks_run_together_until_they_are_told_to_stop(
    shop: Shop, alice: Customer, settings: Settings
) -> None:
    stopping = threading.Event()
    intake = DirectIntake(shop.db, shop.context)
    clocks = workers(shop.db, shop.context, intake, open_post(settings), settings)
    process = threading.Thread(target=run_until, args=(stopping, shop.db, clocks))
    process.start()
    try:
        order = shop.place(alice, "test-success")
        shop.pass_time(1)
        deadline = time.monotonic() + 10
        while shop.view(order)["state"] != "received":
            assert time.monotonic() < deadline
            shop.pass_time(0.1)
            time.sleep(0.02)
    finally:
        stopping.set()
        process.join(20)
    assert not process.is_alive()
