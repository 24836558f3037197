"""The books as figures: the trial balance, the house by day, a month of a side. Every figure is a sum of transfers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from onceline.core.books import store
from onceline.core.books.store import Month, Standing, month_bounds
from onceline.core.errors import InvalidInput
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import Move
from onceline.core.money import MICROS
from onceline.core.proofs.checks import prove
from tests.core.deposits.till import CARD, Till
from tests.personas import ALICE
from tests.shop import CANCEL_LOCK_S, Customer, Shop

DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Bookkeeper:
    shop: Shop

    def balance(self) -> list[Standing]:
        with self.shop.db.transaction() as tx:
            return store.trial_balance(tx)

    def dollars(self, mode: str = "test") -> dict[str, float]:
        return {
            one.account: one.balance / MICROS for one in self.balance() if one.mode == mode and one.balance
        }

    def roll(self) -> int:
        with self.shop.db.transaction() as tx:
            return store.roll(tx, self.shop.clock.now())

    def month(self, who: Customer, year: int = 2026, number: int = 3) -> Month:
        with self.shop.db.transaction() as tx:
            return store.month(tx, who.side, year, number, self.shop.clock.now())

    def broken(self) -> set[str]:
        with self.shop.db.transaction() as tx:
            return {one.id for one in prove(tx, self.shop.clock.now()) if one.broken}


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop, shop.customer(ALICE, balance=0))


@pytest.fixture
def keeper(shop: Shop) -> Bookkeeper:
    return Bookkeeper(shop)


def spend(till: Till) -> None:
    """One order with its code, one that is still open."""
    till.shop.sms(till.shop.place(till.who).e164)
    till.shop.place(till.who)


def test_the_trial_balance_shows_customers_and_house_and_sums_to_zero(till: Till, keeper: Bookkeeper) -> None:
    till.paid(10, CARD._replace(fee=MICROS // 2))
    spend(till)
    assert keeper.dollars() == {
        "available": 9.5, "held": 0.25, "revenue": 0.25, "stripe": -10.5, "fees": 0.5,
    }  # fmt: skip
    assert sum(one.balance for one in keeper.balance()) == 0
    assert keeper.dollars("live") == {}


def test_a_processors_fee_is_an_account_of_its_own(till: Till, keeper: Bookkeeper) -> None:
    with till.shop.db.transaction() as tx:
        move = Move("processor_fee", "fees:stripe", "stripe", MICROS)
        ledger.post_house(tx, "test", move, till.shop.clock.now())
    assert keeper.dollars() == {"fees:stripe": -1, "stripe": 1}


def test_summing_by_day_changes_no_figure(till: Till, keeper: Bookkeeper) -> None:
    till.paid(10)
    spend(till)
    before = keeper.balance()
    assert keeper.roll() == 0  # the day is not over
    till.shop.pass_time(DAY_S)
    assert keeper.roll() > 0
    assert keeper.roll() == 0
    assert keeper.balance() == before
    till.paid(20)
    assert keeper.dollars()["stripe"] == -30
    rows = till.shop.rows("select day::text, account, debit, credit from house_days order by account")
    assert rows == [("2026-03-01", "revenue", 0, 250_000), ("2026-03-01", "stripe", 10_000_000, 0)]
    till.shop.pass_time(DAY_S)
    assert keeper.roll() > 0
    assert keeper.dollars()["stripe"] == -30
    assert "i15_days" not in keeper.broken()


def test_a_day_is_summed_once_it_has_settled(till: Till, keeper: Bookkeeper) -> None:
    """What was begun before midnight may be committed after it, under a number that was passed by."""
    till.paid(10)
    till.shop.pass_time(12 * 3600 + 60)  # it was noon
    assert keeper.roll() == 0
    till.shop.pass_time(3 * 3600)
    assert keeper.roll() > 0


def test_a_long_day_is_summed_in_parts(
    till: Till, keeper: Bookkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "AT_ONCE", 2)
    for _ in range(3):
        till.paid()
    before = keeper.balance()
    till.shop.pass_time(DAY_S)
    parts = [keeper.roll() for _ in range(4)]
    assert sum(parts) == till.shop.value("select max(id) from transfers")
    assert parts[-1] == 0
    assert keeper.balance() == before
    assert "i15_days" not in keeper.broken()


@pytest.mark.parametrize(
    "damage",
    [
        "update house_days set debit = debit + 1 where account = 'stripe'",
        "delete from house_days where account = 'stripe'",
        "insert into house_days select day, mode, 'swiss', 5, 0, through from house_days limit 1",
    ],
)
def test_a_wrong_day_is_proved_wrong(till: Till, keeper: Bookkeeper, damage: str) -> None:
    till.paid()
    spend(till)
    till.shop.pass_time(DAY_S)
    keeper.roll()
    assert not {"i14_trial", "i15_days"} & keeper.broken()
    assert till.shop.run(damage) == 1
    assert {"i14_trial", "i15_days"} <= keeper.broken()


def test_a_month_opens_with_what_was_and_closes_with_what_is(till: Till, keeper: Bookkeeper) -> None:
    till.paid(10)
    till.shop.pass_time(31 * DAY_S)
    till.paid(20)
    spend(till)
    till.shop.pass_time(CANCEL_LOCK_S)
    april = keeper.month(till.who, number=4)
    assert april.opening["available"] == 10 * MICROS
    assert [(one.kind, one.transfers, one.amount) for one in april.sums] == [
        ("capture", 1, 250_000), ("deposit", 1, 20_000_000), ("hold", 2, 500_000),
    ]  # fmt: skip
    assert april.closing == {
        "available": 29_500_000, "held": 250_000, "refund_pending": 0, "disputed": 0, "debt": 0,
    }  # fmt: skip
    assert keeper.month(till.who).closing == april.opening
    assert (till.balance.available, till.balance.held) == (29_500_000, 250_000)


def test_opening_and_sums_make_the_closing_of_every_figure(till: Till, keeper: Bookkeeper) -> None:
    paid = till.paid()
    till.shop.pass_time(31 * DAY_S)
    spend(till)
    till.dispute(paid)
    april = keeper.month(till.who, number=4)
    for account, opening in april.opening.items():
        moved = sum(one.amount * ((one.credit == account) - (one.debit == account)) for one in april.sums)
        assert april.closing[account] == opening + (-moved if account == "debt" else moved)
    assert april.closing["debt"] == till.balance.debt > 0


def test_a_month_that_has_not_begun_is_refused(till: Till, keeper: Bookkeeper) -> None:
    with pytest.raises(InvalidInput, match="has not begun"):
        keeper.month(till.who, number=4)


@pytest.mark.parametrize(("year", "number"), [(2026, 0), (2026, 13), (0, 1), (9999, 12)])
def test_what_no_calendar_has_is_refused(year: int, number: int) -> None:
    with pytest.raises(InvalidInput, match="as in 2026-03"):
        month_bounds(year, number)
