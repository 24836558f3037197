"""The end of what a figure can hold: what does not fit is refused, nothing wraps, and the books can still be read."""

from __future__ import annotations

import psycopg
import pytest

from onceline.core.deposits import commands as deposits
from tests.personas import ALICE
from tests.shop import PRICE, Shop

MOST = 2**63 - 1


@pytest.mark.attack(36)
@pytest.mark.parametrize("more", [1, 2**62, MOST, 2**63, 2**70])
def test_a_deposit_beyond_what_a_wallet_can_hold_is_refused(shop: Shop, more: int) -> None:
    alice = shop.customer(ALICE, balance=MOST)
    with pytest.raises(psycopg.errors.NumericValueOutOfRange), shop.db.transaction() as tx:
        deposits.give(tx, alice.side, more, "sandbox", shop.clock.now())
    assert (shop.balance(alice).available, shop.value("select count(*) from deposits")) == (MOST, 1)
    shop.assert_books_are_true()


@pytest.mark.attack(36)
def test_a_full_wallet_can_still_spend_and_be_proved(shop: Shop) -> None:
    """Its figures together are more than one of them can hold."""
    alice = shop.customer(ALICE, balance=MOST)
    order = shop.place(alice)
    with shop.db.transaction() as tx:
        deposits.give(tx, alice.side, PRICE, "sandbox", shop.clock.now())
    assert (shop.balance(alice).available, shop.balance(alice).held) == (MOST, PRICE)
    shop.assert_books_are_true()
    shop.sms(order.e164)
    assert (shop.balance(alice).available, shop.balance(alice).held) == (MOST, 0)
    shop.assert_books_are_true()


@pytest.mark.attack(36)
def test_a_release_that_does_not_fit_any_more_is_refused_and_nothing_is_lost(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MOST)
    order = shop.place(alice)
    with shop.db.transaction() as tx:
        deposits.give(tx, alice.side, PRICE, "sandbox", shop.clock.now())
    shop.pass_time(120)
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        shop.cancel(alice, order)
    assert (shop.order(order).state, shop.balance(alice).held) == ("waiting", PRICE)
    shop.assert_books_are_true()
