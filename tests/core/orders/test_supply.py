"""The outbox towards suppliers: asked first or told, answered once, reconciled when nobody knows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from onceline.core.errors import NumberPending, OrderClosed
from onceline.core.money import MICROS
from onceline.core.orders import supply
from onceline.core.orders.model import Order
from onceline.core.orders.supply import DueCall
from onceline.workers.expire import expire_round
from tests.personas import ALICE
from tests.shop import CANCEL_LOCK_S, COOLDOWN_S, DRAIN_S, PRICE, WINDOW_S, Customer, Shop, numbers

ALL = 100 * MICROS
NUMBER = numbers(1)[0]


@pytest.fixture
def alice(shop: Shop) -> Customer:
    shop.pool("asked", PRICE, asks=True, tells=True)
    shop.pool("told", PRICE, tells=True)
    return shop.customer(ALICE)


@pytest.fixture
def asked(shop: Shop, alice: Customer) -> Order:
    return shop.place(alice, pool="asked")


def due(shop: Shop, supplier: str = "sandbox") -> list[DueCall]:
    with shop.db.transaction() as tx:
        return supply.due_calls(tx, shop.context, supplier)


def answer(shop: Shop, call: DueCall, number: str = NUMBER, network: str = "") -> None:
    with shop.db.transaction() as tx:
        supply.acquired(tx, shop.context, call, number, network)


def waiting_verbs(shop: Shop, order: Order) -> list[str]:
    rows = shop.rows("select verb from supplier_calls where order_id = %(id)s order by id", id=order.id)
    return [row.verb for row in rows]


def test_an_asked_supplier_names_the_number(shop: Shop, alice: Customer, asked: Order) -> None:
    seen = shop.view(asked)
    assert (seen["state"], seen["number"], seen["can_cancel"]) == ("placing", None, False)
    assert shop.balance(alice).held == PRICE
    [call] = due(shop)
    assert (call.verb, call.order.id, call.attempts) == ("acquire", asked.id, 1)
    answer(shop, call, network="23415")
    seen = shop.view(asked)
    assert (seen["state"], seen["number"], seen["network"], seen["revision"]) == (
        "waiting",
        NUMBER,
        "23415",
        2,
    )
    assert shop.events(alice)[-2:] == ["order.placed", "order.number"]
    shop.sms(NUMBER, "Telegram code: 48291")
    assert shop.view(asked)["code"] == "48291"
    shop.assert_books_are_true()


@pytest.mark.promise("P5")
def test_a_supplier_learns_an_opaque_reference_and_no_account(
    shop: Shop, alice: Customer, asked: Order
) -> None:
    [call] = due(shop)
    assert call.reference == f"ol-{asked.id}"
    assert alice.account not in call.reference


@pytest.mark.promise("M3")
def test_a_supplier_without_a_number_fails_the_order_and_the_money_is_back(
    shop: Shop, alice: Customer, asked: Order
) -> None:
    [call] = due(shop)
    with shop.db.transaction() as tx:
        supply.refused(tx, shop.context, call)
    assert (shop.view(asked)["state"], shop.balance(alice).available) == ("failed", ALL)
    assert waiting_verbs(shop, asked) == []
    shop.assert_books_are_true()


def test_an_order_without_its_number_cannot_be_cancelled(shop: Shop, alice: Customer, asked: Order) -> None:
    shop.pass_time(CANCEL_LOCK_S)
    with pytest.raises(NumberPending):
        shop.cancel(alice, asked)
    assert shop.balance(alice).held == PRICE


def test_a_call_is_leased_to_one_worker_until_its_lease_runs_out(shop: Shop, asked: Order) -> None:
    assert len(due(shop)) == 1
    assert due(shop) == []
    shop.pass_time(supply.LEASE_S)
    [again] = due(shop)
    assert (again.attempts, again.reference) == (2, f"ol-{asked.id}")


def test_two_workers_at_once_never_make_the_same_call(shop: Shop, asked: Order) -> None:
    with ThreadPoolExecutor(1) as other:
        with shop.db.transaction() as tx:
            mine = supply.due_calls(tx, shop.context, "sandbox")
            theirs = other.submit(due, shop)
            time.sleep(0.2)
        assert (len(mine), theirs.result(5)) == (1, [])


def test_an_unknown_outcome_is_asked_again_under_the_same_reference_later_and_later(
    shop: Shop, alice: Customer, asked: Order
) -> None:
    for delay in (1, 2, 5, 15, 60):
        [call] = due(shop)
        assert call.reference == f"ol-{asked.id}"
        with shop.db.transaction() as tx:
            supply.retry_call(tx, shop.context, call)
        shop.pass_time(delay - 0.001)
        assert due(shop) == []
        shop.pass_time(0.001)
    assert (shop.view(asked)["state"], shop.balance(alice).held) == ("placing", PRICE)


def test_an_answer_that_comes_twice_counts_once(shop: Shop, alice: Customer, asked: Order) -> None:
    """A worker that was frozen beyond its lease knows the order as it was; one that came later knows its number."""
    [call] = due(shop)
    answer(shop, call)
    events = shop.events(alice)
    answer(shop, call)
    answer(shop, DueCall(call.id, call.verb, 2, call.supplier, shop.order(asked)))
    assert (shop.events(alice), waiting_verbs(shop, asked)) == (events, [])
    shop.assert_books_are_true()


def test_an_answer_after_the_end_hands_the_number_back(shop: Shop, alice: Customer, asked: Order) -> None:
    [call] = due(shop)
    shop.wait(WINDOW_S + DRAIN_S)
    assert (shop.view(asked)["state"], shop.balance(alice).available) == ("expired", ALL)
    answer(shop, call)
    assert (shop.view(asked)["state"], shop.view(asked)["number"]) == ("expired", None)
    assert set(waiting_verbs(shop, asked)) == {"cancel"}
    assert shop.value("select state from numbers where e164 = %(e164)s", e164=NUMBER) == "free"
    shop.assert_books_are_true()


def test_a_refusal_after_the_end_changes_nothing(shop: Shop, alice: Customer, asked: Order) -> None:
    [call] = due(shop)
    shop.wait(WINDOW_S + DRAIN_S)
    events = shop.events(alice)
    with shop.db.transaction() as tx:
        supply.refused(tx, shop.context, call)
    assert (shop.view(asked)["state"], shop.balance(alice).available) == ("expired", ALL)
    assert shop.events(alice) == events
    shop.assert_books_are_true()


def test_an_answer_and_the_end_at_once_never_split_number_and_money(
    shop: Shop, alice: Customer, asked: Order
) -> None:
    """The end waits for the order, finds that it has a number now, and takes the locks again in their order."""
    [call] = due(shop)
    shop.pass_time(WINDOW_S + DRAIN_S)
    with ThreadPoolExecutor(1) as worker:
        with shop.db.transaction() as tx:
            supply.acquired(tx, shop.context, call, NUMBER, "")
            tx.one("select 1")
            ended = worker.submit(expire_round, shop.db, shop.context)
            time.sleep(0.3)
        assert ended.result(5) == 0
    assert (shop.order(asked).state, shop.order(asked).e164) == ("waiting", NUMBER)
    assert expire_round(shop.db, shop.context) == 1
    assert (shop.order(asked).state, shop.balance(alice).available) == ("expired", ALL)
    shop.assert_books_are_true()


def test_a_number_that_somebody_holds_is_refused_and_handed_back(shop: Shop, alice: Customer) -> None:
    first, second = shop.place(alice, pool="asked"), shop.place(alice, pool="asked")
    for call in due(shop):
        answer(shop, call)
    states = {shop.view(one)["state"] for one in (first, second)}
    assert states == {"waiting", "failed"}
    failed = first if shop.view(first)["state"] == "failed" else second
    assert waiting_verbs(shop, failed) == ["cancel"]
    assert shop.balance(alice).held == PRICE
    shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_a_number_that_is_burnt_for_the_service_is_refused(shop: Shop, alice: Customer) -> None:
    first = shop.place(alice, pool="asked")
    answer(shop, due(shop)[0])
    shop.sms(NUMBER, "Telegram code: 48291", sender="Telegram")
    shop.finish(alice, first)
    shop.outlive()
    second = shop.place(shop.customer("Charlie"), pool="asked")
    [call] = [one for one in due(shop) if one.order.id == second.id]
    answer(shop, call)
    assert shop.view(second)["state"] == "failed"
    shop.assert_books_are_true()


def test_a_number_of_another_pool_is_refused(shop: Shop, alice: Customer, asked: Order) -> None:
    [call] = due(shop)
    shop.stock("GB", [NUMBER])
    answer(shop, call)
    assert shop.view(asked)["state"] == "failed"


def test_a_told_supplier_hears_of_every_step_in_order(shop: Shop, alice: Customer) -> None:
    shop.stock("GB", [NUMBER], pool="told")
    order = shop.place(alice, pool="told")
    assert (order.state, order.e164) == ("waiting", NUMBER)
    shop.sms(NUMBER, "Telegram code: 48291", sender="Telegram")
    shop.resend(alice, order)
    shop.finish(alice, order)
    assert waiting_verbs(shop, order) == ["acquire", "resend", "finish"]
    heard = []
    for _ in range(3):
        [call] = due(shop)  # one at a time: the next only when this one was answered
        heard.append(call.verb)
        with shop.db.transaction() as tx:
            supply.end_call(tx, call)
    assert heard == ["acquire", "resend", "finish"]


def test_a_told_supplier_hears_of_the_cancel(shop: Shop, alice: Customer) -> None:
    shop.stock("GB", numbers(2), pool="told")
    cancelled, expired = shop.place(alice, pool="told"), shop.place(alice, pool="told")
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, cancelled)
    shop.wait(WINDOW_S)
    assert waiting_verbs(shop, cancelled) == waiting_verbs(shop, expired) == ["acquire", "cancel"]


def test_an_untold_supplier_hears_nothing(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, pool="sandbox")
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, order)
    assert waiting_verbs(shop, order) == []


def test_a_call_wakes_the_worker_after_the_commit(shop: Shop, alice: Customer) -> None:
    heard: list[str] = []
    shop.db.bell.listen(heard.extend)
    shop.place(alice, pool="asked")
    assert "calls" in heard


def test_an_order_in_placing_ends_with_its_window(shop: Shop, alice: Customer, asked: Order) -> None:
    assert asked.expires_at == asked.created_at + timedelta(seconds=WINDOW_S)
    shop.wait(WINDOW_S + DRAIN_S)
    with pytest.raises(OrderClosed):
        shop.cancel(alice, asked)
    shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_a_number_named_late_belongs_to_the_order_that_it_was_named_for(shop: Shop, alice: Customer) -> None:
    """The number's last lessee was placed after the order that gets it now."""
    now = shop.clock.now()
    shop.run("update services set window_factor = 3 where slug = 'telegram'")
    early = shop.place(alice, pool="asked")
    charlie = shop.customer("Charlie")
    later = shop.place(charlie, pool="asked")
    [waiting, quick] = due(shop)
    answer(shop, quick)
    shop.wait(CANCEL_LOCK_S)
    shop.cancel(charlie, later)
    shop.clock.advance(COOLDOWN_S)
    assert shop.clock.now() < now + timedelta(seconds=3 * WINDOW_S)
    answer(shop, waiting)
    shop.sms(NUMBER)
    assert shop.view(early)["code"] == "482913"
    assert shop.view(later)["messages"] == []
    shop.assert_books_are_true()
