"""Guards that no story of another file passes by: words that come after an end, money that is held back, many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from onceline.core.books import store as books
from onceline.core.deposits import commands, refunds
from onceline.core.deposits.commands import Velocity
from onceline.core.deposits.model import Paid, Stage
from onceline.core.errors import DepositNotRefundable, InvalidInput, LimitExceeded
from tests.core.deposits.till import CARD, Till
from tests.shop import ONE_DAY


def house(till: Till) -> dict[str, int]:
    """Accounts of the house on which something stands."""
    with till.shop.db.transaction() as tx:
        found = books.trial_balance(tx)
    return {one.account: one.balance for one in found if one.balance and not one.is_of_customers}


def test_what_the_processor_holds_back_is_left_to_staff(till: Till) -> None:
    assert till.hear(till.begin(10), Paid.FROZEN, 0).state == "review"
    assert (till.dollars, till.exceptions()) == ((0, 0, 0, 0), ["frozen"])


def test_what_is_held_back_after_its_credit_is_told_and_moves_nothing(till: Till) -> None:
    found = till.paid(10)
    assert till.hear(found, Paid.FROZEN, 0).state == "credited"
    assert (till.dollars, till.exceptions()) == ((10, 0, 0, 0), ["frozen_after_credit"])


@pytest.mark.promise("A3")
def test_deposits_that_are_begun_at_once_are_counted_one_after_the_other(till: Till) -> None:
    def begin(_: int) -> bool:
        try:
            till.begin(10, velocity=Velocity(begun=2, credited=10**12))
        except LimitExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(8))) == 2


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_is_not_given(till: Till, amount: int) -> None:
    with till.shop.db.transaction() as tx, pytest.raises(InvalidInput, match="above 0"):
        commands.give(tx, till.who.side, amount, "bonus", till.shop.clock.now())


def test_a_deposit_that_was_lost_does_not_go_back(till: Till) -> None:
    found, _ = till.paid(10), till.paid(10)
    till.dispute(found, Stage.LOST)
    with pytest.raises(DepositNotRefundable) as refused:
        till.ask_back(found)
    assert refused.value.facts["reason"] == "state"


def test_nothing_goes_back_while_something_is_owed(till: Till) -> None:
    """What was held when the bank took its payment back is free again, and owed all the same."""
    disputed, other = till.paid(10), till.paid(5)
    for _ in range(3):
        till.shop.place(till.who, kind="rental", duration_s=ONE_DAY)
    till.dispute(disputed, Stage.LOST)
    assert till.dollars == (0, 0, 0, 1)
    till.shop.wait(ONE_DAY + 3600)
    assert till.dollars == (6, 0, 0, 1)
    with pytest.raises(DepositNotRefundable) as refused:
        till.ask_back(other)
    assert refused.value.facts["reason"] == "debt"


def test_an_end_that_is_said_otherwise_is_told_and_moves_nothing(till: Till) -> None:
    found = till.paid(10)
    for stage in (Stage.LOST, Stage.LOST, Stage.WON):
        till.dispute(found, stage)
    assert (till.look(found).state, till.dollars) == ("lost", (0, 0, 0, 0))
    assert till.exceptions() == ["dispute", "dispute_changed_its_end"]
    assert till.shop.value("select state from disputes") == "lost"


def test_what_was_declined_is_not_approved_afterwards(till: Till) -> None:
    asked = till.ask_back(till.paid(10), approvals=2)
    with till.shop.db.transaction() as tx:
        refunds.decline(tx, asked.id, "olga", "by mistake", till.shop.clock.now())
        assert refunds.approve(tx, asked.id, "nina", till.shop.clock.now(), approvals=1).state == "refused"
    assert (till.claimed(), till.dollars) == ([], (10, 0, 0, 0))


def test_what_has_arrived_is_not_asked_for_again(till: Till) -> None:
    till.ask_back(till.paid(10))
    (claimed,) = till.claimed()
    till.confirm(claimed)
    with till.shop.db.transaction() as tx:
        refunds.later(tx, claimed.id, till.shop.clock.now())
    assert till.claimed() == []
    assert till.shop.value("select state from deposit_refunds") == "sent"


def test_what_went_back_leaves_nothing_on_any_account(till: Till) -> None:
    found = till.hear(till.begin(10, CARD._replace(fee=500_000, bonus_ppm=100_000)))
    assert house(till) == {"stripe": -10_500_000, "fees": 500_000, "bonus": -1_000_000}
    till.ask_back(found)
    (claimed,) = till.claimed()
    till.confirm(claimed)
    assert house(till) == {}
    till.undo(claimed)
    assert house(till) == {"stripe": -10_500_000, "fees": 500_000, "bonus": -1_000_000}


def test_the_table_itself_lets_one_refund_of_a_deposit_be_under_way(till: Till) -> None:
    till.ask_back(till.paid(10))
    with pytest.raises(psycopg.errors.UniqueViolation):
        till.shop.run(
            "insert into deposit_refunds (id, deposit_id, state, amount, asked_by, asked_at)"
            " select 'rfd_another', deposit_id, 'asked', amount, asked_by, asked_at from deposit_refunds"
        )
