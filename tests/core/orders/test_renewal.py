"""Rentals that go on by themselves: one extension for each end, whoever looks and however often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.db import Database
from onceline.core.errors import AccountSuspended, InsufficientBalance, InvalidInput, NotFound, OrderClosed
from onceline.core.money import MICROS
from onceline.core.notices import commands as notices
from onceline.core.orders import commands, renewal, store
from onceline.core.orders.model import Order
from onceline.workers.extend import extend_round
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, DRAIN_S, FOUR_HOURS, ONE_DAY, RENTAL_PRICES, Customer, Shop

PRICE = RENTAL_PRICES[FOUR_HOURS]
AHEAD_S = FOUR_HOURS // 10
AGAIN_S = renewal.AGAIN_AFTER.total_seconds()
CROWD = 8


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def rental(shop: Shop, alice: Customer) -> Order:
    return shop.auto_extend(alice, shop.place(alice, kind="rental", duration_s=FOUR_HOURS))


@pytest.fixture
def crowded(conninfo: str) -> Iterator[Database]:
    with Database(conninfo, size=CROWD, name="crowd") as database:
        yield database


def look(shop: Shop) -> int:
    """The worker looks around."""
    return extend_round(shop.db, shop.context)


def length(shop: Shop, order: Order) -> timedelta:
    seen = shop.order(order)
    return seen.expires_at - seen.created_at


def hours(count: int) -> timedelta:
    return timedelta(hours=count)


def told(shop: Shop, who: Customer) -> list[dict[str, Any]]:
    reader = notices.Reader(who.account, "test")
    with shop.db.transaction() as tx:
        page = notices.notifications(tx, reader, unread=False, before=None, limit=50)
    return [one for one in page["notifications"] if one["kind"] == renewal.FAILED]


# Switching it on and off --------------------------------------------------------------------------------------------


def test_a_rental_goes_on_by_itself_only_when_it_is_told_to(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    assert (order.auto_extend, shop.view(order)["auto_extend"]) == (False, False)
    after = shop.auto_extend(alice, order)
    assert after == shop.order(order)
    assert (after.auto_extend, after.revision, shop.view(order)["auto_extend"]) == (True, 2, True)
    assert shop.events(alice)[-1] == "order.auto_extend"
    off = shop.auto_extend(alice, order, on=False)
    assert (off.auto_extend, off.revision) == (False, 3)


def test_what_is_so_already_is_left_so(shop: Shop, alice: Customer, rental: Order) -> None:
    before = shop.events(alice)
    assert shop.auto_extend(alice, rental) == rental
    assert shop.events(alice) == before


def test_an_activation_cannot_go_on_by_itself(shop: Shop, alice: Customer) -> None:
    with pytest.raises(InvalidInput, match="Only a rental"):
        shop.auto_extend(alice, shop.place(alice))


def test_a_rental_that_is_over_cannot_be_told(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.pass_time(FOUR_HOURS)
    for on in (True, False):
        with pytest.raises(OrderClosed):
            shop.auto_extend(alice, rental, on)
    assert shop.view(rental)["auto_extend"] is False


def test_a_stranger_cannot_tell_a_rental(shop: Shop, rental: Order) -> None:
    with pytest.raises(NotFound):
        shop.auto_extend(shop.customer(CHARLIE), rental, on=False)
    assert shop.order(rental).auto_extend


# Extending ----------------------------------------------------------------------------------------------------------


def test_a_rental_is_extended_a_tenth_before_its_end_by_what_it_was_ordered_for(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    shop.pass_time(FOUR_HOURS - AHEAD_S - 1)
    assert (look(shop), length(shop, rental)) == (0, hours(4))
    shop.pass_time(1)
    assert (look(shop), length(shop, rental)) == (1, hours(8))
    assert (look(shop), shop.balance(alice).held) == (0, 2 * PRICE)
    assert shop.events(alice)[-1] == "order.extended"
    shop.pass_time(FOUR_HOURS)
    look(shop)
    assert length(shop, rental) == hours(12)
    shop.assert_books_are_true()


def test_a_long_rental_is_extended_an_hour_before_its_end(shop: Shop, alice: Customer) -> None:
    order = shop.auto_extend(alice, shop.place(alice, kind="rental", duration_s=ONE_DAY))
    shop.pass_time(ONE_DAY - 3601)
    assert look(shop) == 0
    shop.pass_time(1)
    look(shop)
    assert length(shop, order) == hours(48)


def test_a_rental_that_was_extended_by_hand_waits_for_its_new_end(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    shop.extend(alice, rental, ONE_DAY)
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    assert (look(shop), length(shop, rental)) == (1, hours(28))
    assert look(shop) == 0
    shop.pass_time(ONE_DAY)
    look(shop)
    assert length(shop, rental) == hours(32)


def test_what_was_switched_off_is_not_extended(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.auto_extend(alice, rental, on=False)
    shop.pass_time(FOUR_HOURS - 60)
    assert (look(shop), length(shop, rental)) == (0, hours(4))


def test_a_rental_that_has_ended_is_left_alone(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.pass_time(FOUR_HOURS)
    look(shop)
    assert (length(shop, rental), told(shop, alice)) == (hours(4), [])
    shop.wait(DRAIN_S)
    assert (shop.view(rental)["state"], shop.balance(alice).held) == ("expired", 0)
    assert shop.rows("select order_id from auto_extensions") == []


def test_a_rental_that_was_cancelled_is_forgotten_when_its_turn_comes(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, rental)
    assert shop.view(rental)["auto_extend"] is False
    shop.pass_time(FOUR_HOURS)
    look(shop)
    assert (shop.rows("select order_id from auto_extensions"), shop.balance(alice).held) == ([], 0)


# Refused ------------------------------------------------------------------------------------------------------------


def test_a_rental_that_cannot_be_paid_is_told_of_once_and_tried_again(shop: Shop) -> None:
    bob = shop.customer("Bob", balance=PRICE)
    order = shop.auto_extend(bob, shop.place(bob, kind="rental", duration_s=FOUR_HOURS))
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    for _ in range(3):
        assert look(shop) == 1
        assert look(shop) == 0  # not before five minutes have passed
        shop.pass_time(AGAIN_S)
    (notice,) = told(shop, bob)
    assert notice["facts"] == {
        "order": order.id, "service": "telegram", "end": "2026-03-01T16:00:00.000000Z",
        "reason": "insufficient_balance",
    }  # fmt: skip
    assert str(order.id) in notice["body"]
    shop.run("update sides set available = available + %(more)s where id = %(id)s", more=PRICE, id=bob.side)
    look(shop)
    assert (length(shop, order), len(told(shop, bob))) == (hours(8), 1)
    shop.pass_time(FOUR_HOURS)
    look(shop)
    assert len(told(shop, bob)) == 2


def test_a_duration_that_is_not_sold_any_more_is_told_of(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.run("delete from prices where kind = 'rental'")
    shop.pass_time(FOUR_HOURS - 60)
    look(shop)
    assert [one["facts"]["reason"] for one in told(shop, alice)] == ["invalid_input"]
    assert length(shop, rental) == hours(4)


def reprice(shop: Shop, amount: int, duration_s: int = FOUR_HOURS) -> None:
    shop.run(
        "update prices set amount = %(amount)s where kind = 'rental' and duration_s = %(duration)s",
        amount=amount,
        duration=duration_s,
    )


def test_a_renewal_never_costs_more_than_when_it_was_switched_on(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    reprice(shop, PRICE + 1)
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    for _ in range(2):
        assert look(shop) == 1
        shop.pass_time(AGAIN_S)
    (notice,) = told(shop, alice)
    assert (notice["facts"]["reason"], length(shop, rental)) == ("price_too_low", hours(4))
    assert "costs more now than when this was switched on" in notice["body"]
    assert shop.balance(alice).held == PRICE


def test_a_renewal_costs_what_has_become_cheaper(shop: Shop, alice: Customer, rental: Order) -> None:
    reprice(shop, PRICE - 1)
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    look(shop)
    assert (length(shop, rental), shop.balance(alice).held) == (hours(8), 2 * PRICE - 1)


def test_off_and_on_again_agrees_to_the_price_of_now(shop: Shop, alice: Customer, rental: Order) -> None:
    reprice(shop, PRICE + 1)
    shop.auto_extend(alice, rental, on=False)
    shop.auto_extend(alice, rental)
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    look(shop)
    assert (length(shop, rental), shop.balance(alice).held) == (hours(8), 2 * PRICE + 1)


def test_what_is_not_sold_any_more_cannot_go_on_by_itself(shop: Shop, alice: Customer) -> None:
    order = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    shop.run("delete from prices where kind = 'rental'")
    with pytest.raises(InvalidInput, match="not sold"):
        shop.auto_extend(alice, order)
    assert shop.order(order).auto_extend is False


def test_a_renewal_counts_against_the_cap_of_the_key_that_asked_for_it(shop: Shop, alice: Customer) -> None:
    (row,) = shop.rows(
        "insert into spend_caps (side_id, cap) values (%(side)s, %(cap)s) returning id",
        side=alice.side,
        cap=PRICE,
    )
    order = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    with shop.db.transaction() as tx:
        commands.set_auto_extend(tx, shop.context, alice.side, order.id, True, row.id)
    shop.pass_time(FOUR_HOURS - 60)
    look(shop)
    assert (length(shop, order), told(shop, alice)) == (hours(8), [])
    shop.pass_time(FOUR_HOURS)
    look(shop)
    assert [one["facts"]["reason"] for one in told(shop, alice)] == ["spend_cap_reached"]
    assert (length(shop, order), shop.balance(alice).held) == (hours(8), 2 * PRICE)


def test_a_suspended_account_buys_no_more_time(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.run("update accounts set state = 'suspended' where id = %(id)s", id=alice.account)
    shop.pass_time(FOUR_HOURS - 60)
    with shop.db.transaction() as tx, pytest.raises(AccountSuspended):
        renewal.renew(tx, shop.context, rental.id)
    look(shop)
    assert (length(shop, rental), len(told(shop, alice))) == (hours(4), 1)


def test_a_refusal_after_the_end_is_told_to_nobody(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.pass_time(FOUR_HOURS)
    with shop.db.transaction() as tx:
        assert renewal.tell_refused(tx, shop.context, rental.id, "insufficient_balance") is False
    assert told(shop, alice) == []


def test_one_rental_that_breaks_does_not_end_the_others(
    shop: Shop, alice: Customer, rental: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shop.auto_extend(alice, shop.place(alice, kind="rental", duration_s=FOUR_HOURS))

    def extend(tx: Any, context: Any, side: int, order_id: int, *rest: Any) -> Order:
        if order_id == rental.id:
            raise RuntimeError("a bug")
        return whole(tx, context, side, order_id, *rest)

    whole = commands.extend
    monkeypatch.setattr(commands, "extend", extend)
    shop.pass_time(FOUR_HOURS - 60)
    assert look(shop) == 2
    assert (length(shop, rental), length(shop, other)) == (hours(4), hours(8))


# At once, and after a crash -----------------------------------------------------------------------------------------


def test_workers_that_come_at_once_extend_once(
    shop: Shop, alice: Customer, rental: Order, crowded: Database
) -> None:
    shop.pass_time(FOUR_HOURS - 60)
    together = threading.Barrier(CROWD)

    def renew(_: int) -> bool:
        together.wait(10)
        with crowded.transaction() as tx:
            return renewal.renew(tx, shop.context, rental.id)

    with ThreadPoolExecutor(CROWD) as crowd:
        done = list(crowd.map(renew, range(CROWD)))
    assert done.count(True) == 1
    assert (length(shop, rental), shop.balance(alice).held) == (hours(8), 2 * PRICE)
    shop.assert_books_are_true()


def test_rounds_that_come_at_once_share_the_work(shop: Shop, alice: Customer, crowded: Database) -> None:
    orders = [
        shop.auto_extend(alice, shop.place(alice, kind="rental", duration_s=FOUR_HOURS)) for _ in range(12)
    ]
    shop.pass_time(FOUR_HOURS - 60)
    together = threading.Barrier(CROWD)

    def round_(_: int) -> int:
        together.wait(10)
        return extend_round(crowded, shop.context)

    with ThreadPoolExecutor(CROWD) as crowd:
        assert sum(crowd.map(round_, range(CROWD))) == len(orders)
    assert {length(shop, order) for order in orders} == {hours(8)}
    assert shop.balance(alice).held == 24 * PRICE
    shop.assert_books_are_true()


def test_a_worker_that_knows_of_an_extension_too_late_does_not_repeat_it(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    """It read the rental before the other's commit, and believes that its end is near."""
    shop.pass_time(FOUR_HOURS - 60)
    for _ in range(2):
        with shop.db.transaction() as tx:
            renewal._extended(tx, shop.context, rental, renewal._Agreed(PRICE, None))
    assert (length(shop, rental), shop.balance(alice).held) == (hours(8), 2 * PRICE)


def test_what_is_switched_off_at_that_moment_is_not_extended(
    shop: Shop, alice: Customer, rental: Order, crowded: Database
) -> None:
    shop.pass_time(FOUR_HOURS - 60)
    with ThreadPoolExecutor(1) as crowd:
        with shop.db.transaction() as tx:
            commands.set_auto_extend(tx, shop.context, alice.side, rental.id, False)
            store.order(tx, rental.id)  # it has reached the server: the lock is held
            late = crowd.submit(_renewed, crowded, shop, rental)
            with pytest.raises(TimeoutError):
                late.result(0.3)
        assert late.result(10) is False
    assert (length(shop, rental), shop.balance(alice).held) == (hours(4), PRICE)


def _renewed(db: Database, shop: Shop, order: Order) -> bool:
    with db.transaction() as tx:
        return renewal.renew(tx, shop.context, order.id)


def test_a_worker_that_dies_before_its_commit_leaves_the_rental_to_the_next(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    with shop.db.transaction() as tx:
        assert renewal.claim(tx, shop.context, 10) == [rental.id]
    with pytest.raises(KeyboardInterrupt):
        _die_before_the_commit(shop, rental)
    assert (look(shop), length(shop, rental)) == (0, hours(4))
    shop.pass_time(AGAIN_S)
    assert (look(shop), length(shop, rental)) == (1, hours(8))
    shop.assert_books_are_true()


def _die_before_the_commit(shop: Shop, order: Order) -> None:
    with shop.db.transaction() as tx:
        renewal.renew(tx, shop.context, order.id)
        raise KeyboardInterrupt


def test_a_worker_that_dies_after_its_commit_has_extended_once(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    shop.pass_time(FOUR_HOURS - AHEAD_S)
    look(shop)
    shop.run("update auto_extensions set next_at = now() - interval '100 years'")  # its note was lost
    assert (look(shop), length(shop, rental)) == (1, hours(8))
    assert (look(shop), shop.balance(alice).held) == (0, 2 * PRICE)


def test_refusals_that_come_at_once_are_told_once(shop: Shop, crowded: Database) -> None:
    bob = shop.customer("Bob", balance=PRICE)
    order = shop.auto_extend(bob, shop.place(bob, kind="rental", duration_s=FOUR_HOURS))
    shop.pass_time(FOUR_HOURS - 60)
    with shop.db.transaction() as tx, pytest.raises(InsufficientBalance):
        renewal.renew(tx, shop.context, order.id)

    def tell(_: int) -> bool:
        with crowded.transaction() as tx:
            return renewal.tell_refused(tx, shop.context, order.id, "insufficient_balance")

    with ThreadPoolExecutor(CROWD) as crowd:
        assert sum(crowd.map(tell, range(CROWD))) == 1
    assert len(told(shop, bob)) == 1


def test_a_customers_key_cannot_stand_in_the_way(shop: Shop, alice: Customer, rental: Order) -> None:
    """The keys of renewals hold a space, which the door lets nobody write."""
    shop.extend(alice, rental, FOUR_HOURS, key=f"auto-extend-{rental.id}")
    shop.pass_time(2 * FOUR_HOURS - 60)
    look(shop)
    keys = [row.key for row in shop.rows("select key from idempotency where key like 'auto-extend %%'")]
    assert len(keys) == 1
    assert length(shop, rental) == hours(12)
    assert shop.balance(alice).held == 3 * MICROS
