"""A clock that is set back by an hour: what has ended stays ended, what is open stays whole, and nothing is paid twice.

Time comes from the clock of the program, never from the database's: each instant that decides is written down in the order,
once. A message is decided by the order that it was written down for, so a wrong stamp gives nobody's code away.
"""

from __future__ import annotations

import pytest

from onceline.core.errors import OrderClosed
from onceline.core.money import MICROS
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, COOLDOWN_S, DRAIN_S, GRACE_S, PRICE, WINDOW_S, Shop

HOUR_BACK = -3600


@pytest.mark.attack(44)
def test_an_open_order_loses_no_time_and_its_code_is_charged_once(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.wait(HOUR_BACK)
    found = shop.order(order)
    assert (found.state, found.expires_at) == ("waiting", order.expires_at)
    shop.sms(order.e164)
    assert (shop.view(order)["code"], shop.view(order)["charged"]) == ("482913", True)
    shop.wait(-HOUR_BACK + WINDOW_S + DRAIN_S)
    assert (shop.order(order).state, shop.balance(alice).available) == ("finished", 100 * MICROS - PRICE)
    shop.assert_books_are_true()


@pytest.mark.attack(44)
def test_an_order_that_has_ended_is_not_opened_again(shop: Shop) -> None:
    """Its window is open again by the clock; the code that comes now is flagged, and free."""
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.wait(WINDOW_S + DRAIN_S)
    assert shop.order(order).state == "expired"
    shop.wait(HOUR_BACK)
    shop.sms(order.e164)
    with pytest.raises(OrderClosed):
        shop.cancel(alice, order)
    seen = shop.view(order)
    assert (seen["state"], seen["charged"]) == ("expired", False)
    assert all(message["late"] for message in seen["messages"])
    shop.wait(-HOUR_BACK)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (100 * MICROS, 0)
    assert shop.value("select count(*) from transfers where pending_id is not null") == 1
    shop.assert_books_are_true()


@pytest.mark.attack(44)
def test_what_was_waiting_to_be_decided_is_decided_as_it_came(shop: Shop) -> None:
    """Kept in time, the clock set back before anybody looked at it, and again before the end."""
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.pass_time(WINDOW_S - 1)
    kept = shop.keep(order.e164, "Your code is 482913")
    shop.pass_time(HOUR_BACK)
    shop.settle(kept.id)
    shop.wait(-HOUR_BACK)
    assert (shop.view(order)["code"], shop.view(order)["charged"]) == ("482913", True)
    shop.assert_books_are_true()


@pytest.mark.attack(44)
def test_a_number_is_nobody_elses_while_the_clock_runs_its_hour_again(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    first = shop.place(alice)
    shop.wait(CANCEL_LOCK_S)
    shop.cancel(alice, first)
    shop.wait(COOLDOWN_S + GRACE_S)
    second = shop.place(charlie)
    shop.wait(HOUR_BACK)
    shop.sms(second.e164)
    assert shop.view(first)["messages"] == []
    assert shop.view(second)["code"] == "482913"
    assert (shop.balance(alice).available, shop.balance(charlie).available) == (
        100 * MICROS,
        100 * MICROS - PRICE,
    )
    shop.assert_books_are_true()


@pytest.mark.attack(44)
def test_a_key_that_was_used_is_known_after_the_hour_was_set_back(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    first = shop.place(alice, key="once")
    shop.wait(HOUR_BACK)
    assert shop.place(alice, key="once").id == first.id
    assert shop.balance(alice).held == PRICE
