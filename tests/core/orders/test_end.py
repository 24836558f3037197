"""The ends of an order: cancelled, finished, expired; what was received in time counts, the rest comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from onceline.core.errors import CancelTooEarly, MessageReceived, NoMessage, NotFound, OrderClosed
from onceline.core.money import MICROS
from onceline.core.orders import commands
from onceline.core.orders.model import Order
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, COOLDOWN_S, DRAIN_S, PRICE, WINDOW_S, Customer, Shop

ALL = 100 * MICROS
CODE = "Telegram code: 48291"
CHATTER = "Welcome, we are glad that you are here"
SOON = CANCEL_LOCK_S


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def order(shop: Shop, alice: Customer) -> Order:
    return shop.place(alice)


@pytest.mark.promise("M1")
def test_a_cancelled_order_brings_the_money_back(shop: Shop, alice: Customer, order: Order) -> None:
    shop.pass_time(SOON)
    assert shop.view(order)["can_cancel"] is True
    shop.cancel(alice, order)
    seen = shop.view(order)
    assert (seen["state"], seen["charged"], seen["can_cancel"], seen["revision"]) == (
        "cancelled",
        False,
        False,
        2,
    )
    assert (shop.balance(alice).available, shop.balance(alice).held) == (ALL, 0)
    shop.assert_books_are_true()


def test_a_fresh_order_cannot_be_cancelled_and_says_from_when(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.pass_time(SOON - 1)
    assert shop.view(order)["can_cancel"] is False
    with pytest.raises(CancelTooEarly) as refused:
        shop.cancel(alice, order)
    assert refused.value.facts["cancel_available_at"] == order.created_at + timedelta(seconds=SOON)
    assert shop.balance(alice).held == PRICE


@pytest.mark.parametrize("text", [CODE, CHATTER])
def test_an_order_with_a_shown_message_cannot_be_cancelled(
    shop: Shop, alice: Customer, order: Order, text: str
) -> None:
    shop.pass_time(SOON)
    shop.sms(order.e164, text)
    assert shop.view(order)["can_cancel"] is False
    with pytest.raises(MessageReceived):
        shop.cancel(alice, order)
    shop.assert_books_are_true()


def test_a_message_that_waits_to_be_read_counts_before_the_cancel(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.pass_time(SOON)
    kept = shop.keep(order.e164, CODE)
    with pytest.raises(MessageReceived):
        shop.cancel(alice, order)
    shop.settle(kept.id)
    assert (shop.view(order)["code"], shop.balance(alice).available) == ("48291", ALL - PRICE)
    shop.assert_books_are_true()


def test_a_withheld_message_does_not_keep_an_order_from_being_cancelled(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.pass_time(SOON)
    shop.keep(order.e164, "PayPal: Your security code is 482913", sender="PayPal")
    shop.cancel(alice, order)
    assert (shop.view(order)["state"], shop.view(order)["withheld"]) == ("cancelled", 1)
    shop.assert_books_are_true()


def test_a_strangers_order_is_not_found(shop: Shop, order: Order) -> None:
    charlie = shop.customer(CHARLIE)
    for command in (shop.cancel, shop.finish, shop.resend):
        with pytest.raises(NotFound):
            command(charlie, order)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda shop, alice, order: shop.cancel(alice, order), "cancelled"),
        (lambda shop, alice, order: shop.wait(WINDOW_S), "expired"),
        (lambda shop, alice, order: shop.pass_time(WINDOW_S), "expired"),
        (lambda shop, alice, order: shop.sms(order.e164) and shop.finish(alice, order), "finished"),
        (lambda shop, alice, order: shop.sms(order.e164) and shop.wait(WINDOW_S), "finished"),
    ],
)
def test_a_closed_order_says_how_it_ended(
    shop: Shop, alice: Customer, order: Order, end: Callable[..., object], state: str
) -> None:
    shop.pass_time(SOON)
    end(shop, alice, order)
    before = shop.balance(alice)
    for command in (shop.cancel, shop.finish, shop.resend):
        with pytest.raises(OrderClosed) as refused:
            command(alice, order)
        assert refused.value.facts == {"state": state}
    assert shop.view(order)["state"] == state
    assert shop.balance(alice) == before


def test_an_order_with_its_code_can_be_finished(shop: Shop, alice: Customer, order: Order) -> None:
    shop.sms(order.e164, CODE)
    assert shop.view(order)["can_finish"] is True
    shop.finish(alice, order)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["charged"], seen["can_finish"]) == (
        "finished",
        "48291",
        True,
        False,
    )
    assert shop.balance(alice).available == ALL - PRICE
    shop.assert_books_are_true()


@pytest.mark.parametrize("text", [None, CHATTER])
def test_an_order_without_a_code_cannot_be_finished_or_resent(
    shop: Shop, alice: Customer, order: Order, text: str | None
) -> None:
    if text:
        shop.sms(order.e164, text)
    for command in (shop.finish, shop.resend):
        with pytest.raises(NoMessage):
            command(alice, order)
    assert shop.view(order)["state"] == "waiting"


def test_an_equal_second_code_is_visible_by_its_revision(shop: Shop, alice: Customer, order: Order) -> None:
    shop.sms(order.e164, CODE)
    first = shop.view(order)
    shop.resend(alice, order)
    asked = shop.view(order)
    shop.sms(order.e164, CODE)
    second = shop.view(order)
    assert [one["state"] for one in (first, asked, second)] == ["received", "resend_pending", "received"]
    assert first["code"] == second["code"] == "48291"
    assert first["revision"] < asked["revision"] < second["revision"]
    assert [one["revision"] for one in second["messages"]] == [first["revision"], second["revision"]]
    assert (asked["can_resend"], asked["can_finish"], second["can_resend"]) == (False, True, True)
    assert shop.balance(alice).available == ALL - PRICE
    shop.assert_books_are_true()


def test_a_resend_that_brings_nothing_ends_as_finished(shop: Shop, alice: Customer, order: Order) -> None:
    shop.sms(order.e164, CODE)
    shop.resend(alice, order)
    shop.wait(WINDOW_S + DRAIN_S)
    assert (shop.view(order)["state"], shop.balance(alice).available) == ("finished", ALL - PRICE)
    shop.assert_books_are_true()


@pytest.mark.promise("M1")
def test_an_order_without_a_code_expires_and_the_money_is_back(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.sms(order.e164, CHATTER)
    shop.wait(WINDOW_S + DRAIN_S)
    seen = shop.view(order)
    assert (seen["state"], seen["charged"], len(seen["messages"])) == ("expired", False, 1)
    assert shop.balance(alice).available == ALL
    shop.assert_books_are_true()


def test_an_order_with_a_code_ends_as_finished(shop: Shop, alice: Customer, order: Order) -> None:
    shop.sms(order.e164, CODE)
    shop.wait(WINDOW_S + DRAIN_S)
    assert (shop.view(order)["state"], shop.view(order)["charged"]) == ("finished", True)
    shop.assert_books_are_true()


def test_readers_see_the_end_before_the_worker_comes(shop: Shop, alice: Customer, order: Order) -> None:
    shop.pass_time(WINDOW_S)
    assert (shop.view(order)["state"], shop.order(order).state) == ("expired", "waiting")
    assert shop.balance(alice).held == PRICE


def test_the_money_waits_for_messages_that_are_on_their_way(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.wait(WINDOW_S + DRAIN_S - 0.1)
    assert shop.balance(alice).held == PRICE
    shop.wait(0.1)
    assert shop.balance(alice).held == 0


def test_an_order_cannot_be_expired_before_its_end(shop: Shop, order: Order) -> None:
    shop.pass_time(WINDOW_S - 1)
    with shop.db.transaction() as tx:
        assert commands.expire(tx, shop.context, order.id) is False
    assert shop.view(order)["state"] == "waiting"


def test_an_order_expires_once(shop: Shop, alice: Customer, order: Order) -> None:
    shop.wait(WINDOW_S + DRAIN_S)
    events = shop.events(alice)
    with shop.db.transaction() as tx:
        assert commands.expire(tx, shop.context, order.id) is False
    assert shop.events(alice) == events


@pytest.mark.promise("D3")
def test_what_was_received_in_the_window_counts_when_it_is_processed_after_it(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.pass_time(WINDOW_S - 0.001)
    kept = shop.keep(order.e164, CODE)
    shop.pass_time(1)
    shop.settle(kept.id)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["messages"][0]["late"]) == ("finished", "48291", False)
    shop.wait(DRAIN_S)
    assert shop.balance(alice).available == ALL - PRICE
    shop.assert_books_are_true()


@pytest.mark.promise("D3")
def test_a_message_that_waits_to_be_read_counts_before_the_expiry(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.pass_time(WINDOW_S - 1)
    shop.keep(order.e164, CODE)
    shop.wait(1 + DRAIN_S)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["messages"][0]["late"]) == ("finished", "48291", False)
    assert shop.balance(alice).available == ALL - PRICE
    shop.assert_books_are_true()


def test_a_code_behind_a_flood_of_messages_still_counts_before_the_expiry(
    shop: Shop, alice: Customer, order: Order
) -> None:
    for _ in range(101):
        shop.keep(order.e164, CHATTER)
    shop.keep(order.e164, CODE)
    shop.wait(WINDOW_S + DRAIN_S)
    assert (shop.view(order)["code"], shop.view(order)["charged"]) == ("48291", True)
    shop.assert_books_are_true()


@pytest.mark.promise("D3")
def test_a_message_after_the_end_is_late_and_free_before_the_worker_came(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.pass_time(WINDOW_S + 0.001)
    shop.sms(order.e164, CODE)
    seen = shop.view(order)
    assert (seen["state"], seen["charged"], seen["messages"][0]["late"]) == ("expired", False, True)
    shop.wait(DRAIN_S)
    assert (shop.view(order)["state"], shop.balance(alice).available) == ("expired", ALL)
    shop.assert_books_are_true()


@pytest.mark.promise("D3")
def test_a_message_after_the_close_is_late_and_free(shop: Shop, alice: Customer, order: Order) -> None:
    shop.pass_time(SOON)
    shop.cancel(alice, order)
    shop.pass_time(1)
    shop.sms(order.e164, CODE)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], seen["messages"][0]["late"]) == ("cancelled", "48291", True)
    assert shop.balance(alice).available == ALL
    shop.assert_books_are_true()


def test_a_code_in_time_stands_before_a_late_one(shop: Shop, alice: Customer, order: Order) -> None:
    shop.sms(order.e164, "Telegram code: 11111", sender="Telegram")
    shop.finish(alice, order)
    shop.sms(order.e164, "Telegram code: 22222", sender="Telegram")
    seen = shop.view(order)
    assert (seen["code"], [one["code"] for one in seen["messages"]]) == ("11111", ["11111", "22222"])


def test_several_messages_are_shown_and_paid_once(shop: Shop, alice: Customer, order: Order) -> None:
    for code in ("11111", "22222", "33333"):
        shop.sms(order.e164, f"Telegram code: {code}", sender="Telegram")
    seen = shop.view(order)
    assert [one["code"] for one in seen["messages"]] == ["11111", "22222", "33333"]
    assert (seen["code"], shop.balance(alice).available) == ("33333", ALL - PRICE)
    shop.assert_books_are_true()


def test_a_message_without_a_code_is_shown_and_takes_nothing(
    shop: Shop, alice: Customer, order: Order
) -> None:
    shop.sms(order.e164, CHATTER)
    seen = shop.view(order)
    assert (seen["state"], seen["code"], [one["text"] for one in seen["messages"]]) == (
        "waiting",
        None,
        [CHATTER],
    )
    assert shop.balance(alice).held == PRICE
    shop.sms(order.e164, CODE)
    assert (shop.view(order)["state"], shop.balance(alice).held) == ("received", 0)
    shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_a_number_rests_after_every_end(shop: Shop, alice: Customer, order: Order) -> None:
    shop.pass_time(SOON)
    closed = shop.cancel(alice, order).closed_at
    assert closed is not None
    row = shop.rows("select state, available_at from numbers where id = %(id)s", id=order.number_id)[0]
    assert (row.state, row.available_at) == ("free", closed + timedelta(seconds=COOLDOWN_S))


def test_an_unread_message_of_an_earlier_order_stays_with_that_order(shop: Shop) -> None:
    """The number had again, and a message that came before: ending the new order does not hand it over."""
    alice = shop.customer(ALICE)
    earlier = shop.place(alice)
    shop.wait(WINDOW_S + DRAIN_S + 1)
    unread = shop.keep(earlier.e164, "Your code is 482913")
    shop.pass_time(1)
    again = shop.place(alice, number=earlier.e164)
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, again)
    assert (shop.view(again)["state"], shop.view(again)["messages"]) == ("cancelled", [])
    assert shop.inbound_state(unread) == "stored"
    shop.settle(unread.id)
    assert [(one["code"], one["late"]) for one in shop.view(earlier)["messages"]] == [("482913", True)]
    shop.assert_books_are_true()
