"""Rentals: paid at the first shown message or not at all, extended by holds of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onceline.core.errors import (
    CancelTooEarly,
    CancelTooLate,
    IdempotencyConflict,
    InsufficientBalance,
    InvalidInput,
    MessageReceived,
    NotFound,
    OrderClosed,
    OutOfStock,
    PriceTooLow,
)
from onceline.core.money import MICROS
from onceline.core.orders.model import Order
from tests.personas import ALICE, CHARLIE
from tests.shop import (
    CANCEL_LOCK_S,
    COOLDOWN_S,
    DRAIN_S,
    FOUR_HOURS,
    ONE_DAY,
    RENTAL_COOLDOWN_S,
    RENTAL_PRICES,
    Customer,
    Shop,
)

ALL = 100 * MICROS
PRICE = RENTAL_PRICES[FOUR_HOURS]
LONGER = RENTAL_PRICES[ONE_DAY]
CHATTER = "Welcome, we are glad that you are here"
CANCEL_FOR_S = 1200


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def rental(shop: Shop, alice: Customer) -> Order:
    return shop.place(alice, kind="rental", duration_s=FOUR_HOURS)


def test_a_rental_is_held_for_its_duration(shop: Shop, alice: Customer, rental: Order) -> None:
    assert rental.expires_at - rental.created_at == timedelta(seconds=FOUR_HOURS)
    assert (shop.view(rental)["kind"], shop.balance(alice).held) == ("rental", PRICE)


@pytest.mark.promise("M1")
def test_a_rental_is_paid_at_its_first_shown_message(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.sms(rental.e164, CHATTER)
    seen = shop.view(rental)
    assert (seen["state"], seen["code"], seen["charged"]) == ("received", None, True)
    shop.sms(rental.e164, CHATTER)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (ALL - PRICE, 0)
    shop.assert_books_are_true()


def test_a_withheld_message_does_not_pay_a_rental(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.sms(rental.e164, "PayPal: Your security code is 482913", sender="PayPal")
    assert shop.balance(alice).held == PRICE


@pytest.mark.promise("M1")
def test_a_rental_without_a_message_brings_the_money_back(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.wait(FOUR_HOURS + DRAIN_S)
    assert (shop.view(rental)["state"], shop.balance(alice).available) == ("expired", ALL)
    shop.assert_books_are_true()


def test_a_rental_can_be_cancelled_in_its_first_minutes(shop: Shop, alice: Customer, rental: Order) -> None:
    with pytest.raises(CancelTooEarly):
        shop.cancel(alice, rental)
    shop.pass_time(CANCEL_LOCK_S)
    assert shop.view(rental)["can_cancel"] is True
    shop.cancel(alice, rental)
    assert shop.balance(alice).available == ALL
    shop.assert_books_are_true()


def test_a_rental_cannot_be_cancelled_later_and_says_until_when(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    shop.pass_time(CANCEL_FOR_S)
    assert shop.view(rental)["can_cancel"] is False
    with pytest.raises(CancelTooLate) as refused:
        shop.cancel(alice, rental)
    assert refused.value.facts["cancel_available_until"] == rental.created_at + timedelta(
        seconds=CANCEL_FOR_S
    )


def test_a_rental_with_a_message_cannot_be_cancelled(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.pass_time(CANCEL_LOCK_S)
    shop.sms(rental.e164, CHATTER)
    with pytest.raises(MessageReceived):
        shop.cancel(alice, rental)


def test_an_extension_is_a_second_hold(shop: Shop, alice: Customer, rental: Order) -> None:
    after = shop.extend(alice, rental, ONE_DAY)
    assert after.expires_at == rental.expires_at + timedelta(seconds=ONE_DAY)
    assert shop.balance(alice).held == PRICE + LONGER
    assert shop.view(rental)["price"]["amount"] == "3.0000"
    assert shop.events(alice)[-1] == "order.extended"
    shop.assert_books_are_true()


def test_an_extension_is_paid_with_the_rental(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.extend(alice, rental, ONE_DAY)
    shop.sms(rental.e164, CHATTER)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (ALL - PRICE - LONGER, 0)
    shop.assert_books_are_true()


def test_an_extension_of_a_paid_rental_is_paid_at_once(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.sms(rental.e164, CHATTER)
    shop.extend(alice, rental, ONE_DAY)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (ALL - PRICE - LONGER, 0)
    shop.assert_books_are_true()


def test_an_extension_is_released_with_the_rental(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.extend(alice, rental, ONE_DAY)
    shop.wait(FOUR_HOURS + DRAIN_S)
    assert shop.view(rental)["state"] == "waiting"
    shop.wait(ONE_DAY)
    assert (shop.view(rental)["state"], shop.balance(alice).available) == ("expired", ALL)
    shop.assert_books_are_true()


def test_the_same_key_extends_once(shop: Shop, alice: Customer, rental: Order) -> None:
    first = shop.extend(alice, rental, ONE_DAY, key="one")
    again = shop.extend(alice, rental, ONE_DAY, key="one")
    assert again.expires_at == first.expires_at
    assert shop.balance(alice).held == PRICE + LONGER


def test_the_same_key_for_another_extension_is_a_conflict(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.extend(alice, rental, ONE_DAY, key="one")
    with pytest.raises(IdempotencyConflict):
        shop.extend(alice, rental, FOUR_HOURS, key="one")


def test_the_same_key_for_another_rental_is_a_conflict(shop: Shop, alice: Customer, rental: Order) -> None:
    other = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    shop.extend(alice, rental, ONE_DAY, key="one")
    with pytest.raises(IdempotencyConflict):
        shop.extend(alice, other, ONE_DAY, key="one")
    assert shop.order(other).expires_at == other.expires_at


@pytest.mark.parametrize("duration_s", [0, -1, 12345])
def test_a_duration_that_nobody_sells_does_not_extend(
    shop: Shop, alice: Customer, rental: Order, duration_s: int
) -> None:
    with pytest.raises(InvalidInput):
        shop.extend(alice, rental, duration_s)


def test_an_extension_above_its_highest_price_is_refused_and_costs_nothing(
    shop: Shop, alice: Customer, rental: Order
) -> None:
    with pytest.raises(PriceTooLow, match="extension") as refused:
        shop.extend(alice, rental, ONE_DAY, "key", max_price=LONGER - 1)
    assert refused.value.facts["lowest_price"] == LONGER
    assert (shop.balance(alice).held, shop.order(rental)) == (PRICE, rental)
    shop.extend(alice, rental, ONE_DAY, "key", max_price=LONGER)
    assert shop.balance(alice).held == PRICE + LONGER


def test_an_activation_cannot_be_extended(shop: Shop, alice: Customer) -> None:
    with pytest.raises(InvalidInput, match="Only a rental"):
        shop.extend(alice, shop.place(alice), FOUR_HOURS)


def test_an_extension_beyond_the_balance_says_how_much_is_missing(shop: Shop) -> None:
    bob = shop.customer("Bob", balance=PRICE + 1)
    rental = shop.place(bob, kind="rental", duration_s=FOUR_HOURS)
    with pytest.raises(InsufficientBalance) as refused:
        shop.extend(bob, rental, ONE_DAY)
    assert refused.value.facts == {"missing": LONGER - 1}
    assert shop.order(rental).expires_at == rental.expires_at
    shop.assert_books_are_true()


def test_a_rental_that_is_over_cannot_be_extended(shop: Shop, alice: Customer, rental: Order) -> None:
    shop.pass_time(FOUR_HOURS)
    with pytest.raises(OrderClosed):
        shop.extend(alice, rental, FOUR_HOURS)
    assert shop.balance(alice).held == PRICE


def test_a_strangers_rental_is_not_found(shop: Shop, rental: Order) -> None:
    with pytest.raises(NotFound):
        shop.extend(shop.customer(CHARLIE), rental, FOUR_HOURS)


@pytest.mark.promise("P6")
def test_a_rented_number_rests_for_weeks(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE)
    shop.only("GB", 1)
    shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    shop.wait(FOUR_HOURS + DRAIN_S)
    shop.pass_time(COOLDOWN_S)
    with pytest.raises(OutOfStock):
        shop.place(charlie)
    shop.pass_time(RENTAL_COOLDOWN_S - COOLDOWN_S)
    assert shop.place(charlie)
