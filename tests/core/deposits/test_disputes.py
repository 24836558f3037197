"""A payment that its payer's bank takes back: frozen, owed, never negative, never lost twice."""

from __future__ import annotations

from itertools import permutations

import pytest

from onceline.core.access import commands as access
from onceline.core.deposits import refunds
from onceline.core.deposits.model import Stage
from onceline.core.errors import DepositNotRefundable
from onceline.core.money import MICROS
from tests.core.deposits.till import CARD, Till
from tests.shop import Shop


def spend(shop: Shop, till: Till, times: int) -> None:
    for _ in range(times):
        order = shop.place(till.who, "telegram")
        shop.sms(order.e164, "Telegram code: 48291", "Telegram")


def test_a_dispute_freezes_what_is_left_and_its_loss_takes_it(till: Till) -> None:
    found = till.paid(10)
    till.dispute(found)
    assert (till.look(found).state, till.dollars) == ("disputed", (0, 0, 10, 0))
    till.dispute(found, Stage.LOST)
    assert (till.look(found).state, till.dollars) == ("lost", (0, 0, 0, 0))
    till.shop.assert_books_are_true()


def test_what_was_spent_is_owed_and_the_balance_is_not_negative(till: Till, shop: Shop) -> None:
    found = till.paid(10)
    spend(shop, till, 4)
    till.dispute(found)
    assert till.dollars == (0, 0, 10, 1)
    till.dispute(found, Stage.LOST)
    assert till.dollars == (0, 0, 0, 1)
    shop.assert_books_are_true()


def test_the_next_deposit_pays_the_debt_first(till: Till, shop: Shop) -> None:
    found = till.paid(10)
    spend(shop, till, 4)
    till.dispute(found, Stage.LOST)
    till.paid(5)
    assert till.dollars == (4, 0, 0, 0)
    shop.assert_books_are_true()


@pytest.mark.parametrize("repaid", [False, True])
def test_a_dispute_that_is_won_is_as_if_it_had_never_been(till: Till, shop: Shop, repaid: bool) -> None:
    found = till.paid(10)
    spend(shop, till, 4)
    till.dispute(found)
    if repaid:
        till.paid(5)
    till.dispute(found, Stage.WON)
    assert (till.look(found).state, till.dollars) == ("credited", (14 if repaid else 9, 0, 0, 0))
    shop.assert_books_are_true()


@pytest.mark.parametrize("stages", sorted(set(permutations([Stage.OPEN, Stage.OPEN, Stage.LOST]))))
def test_words_in_any_order_take_it_once(till: Till, stages: tuple[Stage, ...]) -> None:
    found = till.paid(10)
    for stage in stages:
        till.dispute(found, stage)
    assert (till.look(found).state, till.dollars) == ("lost", (0, 0, 0, 0))
    till.shop.assert_books_are_true()


def test_a_dispute_of_what_went_back_takes_nothing_and_tells_staff(till: Till) -> None:
    found, other = till.paid(10), till.paid(7)
    till.ask_back(found)
    (claimed,) = till.claimed()
    till.confirm(claimed)
    till.dispute(found, Stage.LOST)
    assert (till.look(found).state, till.look(other).state, till.dollars) == (
        "refunded",
        "credited",
        (7, 0, 0, 0),
    )
    assert till.exceptions() == ["dispute_of_what_is_gone"]


def test_a_refund_that_was_not_sent_yet_is_stopped_by_a_dispute(till: Till) -> None:
    found = till.paid(10)
    till.ask_back(found, approvals=1)
    till.dispute(found)
    assert (till.refund(found).state, till.look(found).state, till.dollars) == (
        "refused",
        "disputed",
        (0, 0, 10, 0),
    )
    till.shop.assert_books_are_true()


def test_nothing_goes_back_while_a_dispute_is_open(till: Till) -> None:
    disputed, other = till.paid(10), till.paid(10)
    till.dispute(disputed)
    with pytest.raises(DepositNotRefundable) as refused:
        till.ask_back(other)
    assert refused.value.facts["reason"] == "dispute"


def test_a_bonus_is_taken_back_as_far_as_it_is_there(till: Till, shop: Shop) -> None:
    found = till.hear(till.begin(10, CARD._replace(bonus_ppm=100_000)))
    spend(shop, till, 2)
    till.dispute(found)
    assert till.dollars == (0, 0, 10, 0)
    till.dispute(found, Stage.WON)
    assert till.dollars == (10.5, 0, 0, 0)
    shop.assert_books_are_true()


def test_an_account_with_a_dispute_is_suspended(till: Till, shop: Shop) -> None:
    till.dispute(till.paid(10))
    assert shop.value("select state from accounts where id = %(id)s", id=till.who.account) == "suspended"


@pytest.mark.parametrize("first", ["dp_1", "dp_2"])
@pytest.mark.parametrize("stage", [Stage.WON, Stage.LOST])
def test_two_disputes_of_one_deposit_take_it_once(till: Till, shop: Shop, first: str, stage: Stage) -> None:
    found = till.paid(10)
    till.dispute(found, name="dp_1")
    till.dispute(found, name="dp_2")
    assert till.dollars == (0, 0, 10, 0)
    for name in (first, "dp_2" if first == "dp_1" else "dp_1"):
        till.dispute(found, stage, name=name)
    left = (10, 0, 0, 0) if stage is Stage.WON else (0, 0, 0, 0)
    assert (till.look(found).state, till.dollars) == ("credited" if stage is Stage.WON else "lost", left)
    shop.assert_books_are_true()


def test_a_dispute_that_waited_behind_one_that_was_won_takes_the_deposit(till: Till, shop: Shop) -> None:
    found = till.paid(10)
    till.dispute(found, name="dp_1")
    till.dispute(found, name="dp_2", dollars=4)
    till.dispute(found, Stage.WON, name="dp_1")
    assert (till.look(found).state, till.dollars) == ("disputed", (6, 0, 4, 0))
    till.dispute(found, Stage.LOST, name="dp_2", dollars=4)
    assert (till.look(found).state, till.dollars) == ("lost", (6, 0, 0, 0))
    shop.assert_books_are_true()


@pytest.mark.parametrize("stage", [Stage.OPEN, Stage.LOST])
def test_what_comes_back_from_a_refund_is_not_free_of_a_dispute(till: Till, shop: Shop, stage: Stage) -> None:
    found = till.paid(10)
    till.ask_back(found)
    (claimed,) = till.claimed()
    till.dispute(found, stage)
    assert till.dollars == (0, 10, 0, 0)
    till.undo(claimed)
    taken = ("disputed", (0, 0, 10, 0)) if stage is Stage.OPEN else ("lost", (0, 0, 0, 0))
    assert (till.look(found).state, till.dollars) == taken
    shop.assert_books_are_true()


@pytest.mark.parametrize(("claimed", "fee"), [(4, 0), (10, 0), (11, 1), (12, 2), (20, 2)])
def test_a_lost_dispute_undoes_of_the_fee_what_the_bank_took_of_it(
    till: Till, shop: Shop, claimed: int, fee: int
) -> None:
    found = till.hear(till.begin(10, CARD._replace(fee=2 * MICROS)))
    till.dispute(found, Stage.LOST, dollars=claimed)
    taken = "select coalesce(sum(amount), 0) / 1000000 from transfers where kind = 'fee_undone'"
    assert (shop.value(taken), till.dollars) == (fee, (max(10 - claimed, 0), 0, 0, 0))
    shop.assert_books_are_true()


def test_what_a_bank_left_of_a_lost_deposit_is_spent_after_what_is_older(till: Till, shop: Shop) -> None:
    """Oldest first: a dollar that was spent was the older deposit's, though the balance would do for it."""
    older, lost, newer = till.paid(10), till.paid(10), till.paid(10)
    spend(shop, till, 4)
    till.dispute(lost, Stage.LOST, dollars=3)
    assert till.dollars == (26, 0, 0, 0)
    with pytest.raises(DepositNotRefundable) as refused:
        till.ask_back(older)
    assert refused.value.facts["reason"] == "spent"
    till.ask_back(newer)
    assert till.dollars == (16, 10, 0, 0)


def test_a_dispute_stops_the_refund_that_is_under_way_though_the_clock_was_set_back(till: Till) -> None:
    found = till.paid(10)
    first = till.ask_back(found, approvals=2)
    with till.shop.db.transaction() as tx:
        refunds.decline(tx, first.id, "olga", "a slip", till.shop.clock.now())
    till.shop.clock.advance(-3600)
    second = till.ask_back(found)
    till.dispute(found)
    with till.shop.db.transaction() as tx:
        assert refunds.refund(tx, second.id).state == "refused", "the payer would have the money twice"
    assert till.claimed() == []


def test_a_dispute_opens_no_account_that_was_closed(till: Till, shop: Shop) -> None:
    found = till.paid(10)
    with shop.db.transaction() as tx:
        access.set_account_state(tx, till.who.account, "closed")
    till.dispute(found)
    assert shop.value("select state from accounts where id = %(id)s", id=till.who.account) == "closed"
