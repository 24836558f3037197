"""The rule that needs no row per spend, against a model that has one: which deposits are untouched (M4)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onceline.core.deposits.model import Bar, Deposit, Refunds, bar_to_refund
from onceline.core.ledger.model import Balance

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "given", "hold", "capture", "release", "refund"]), st.integers(1, 9)
    ),
    max_size=40,
)


@dataclass
class Lot:
    amount: int
    refundable: bool


@dataclass
class Naive:
    """Attributes every unit explicitly, oldest first, and does so anew after each change."""

    lots: list[Lot] = field(default_factory=list)
    spent: int = 0
    holds: list[int] = field(default_factory=list)

    @property
    def available(self) -> int:
        return sum(lot.amount for lot in self.lots) - self.spent - sum(self.holds)

    def untouched(self, lot: Lot) -> bool:
        left = self.spent + sum(self.holds)
        for one in self.lots:
            used = min(left, one.amount)
            left -= used
            if one is lot:
                return used == 0
        raise AssertionError("a lot of the list")


def deposit_of(naive: Naive, place: int) -> Deposit:
    lot = naive.lots[place]
    return Deposit(
        id=f"dep_{place}", side=1, account="acc_1", mode="live", method="stripe", state="credited", amount=lot.amount, fee=0,
        bonus=0, credited=lot.amount, place=place, refunds=Refunds.SOURCE if lot.refundable else Refunds.NEVER,
        processor_id=None, payment_id=None, origin=None, network=None, asset=None, created_at=NOW, expires_at=None,
        credited_at=NOW, ended_at=None, look_at=None,
    )  # fmt: skip


def bar(naive: Naive, place: int) -> Bar | None:
    newer = [lot.amount for lot in naive.lots[place + 1 :]]
    balance = Balance(naive.available, sum(naive.holds), "USD", "live")
    return bar_to_refund(deposit_of(naive, place), balance, newer, False, NOW)


@pytest.mark.attack(18, 19)
@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_the_waterline_says_what_an_explicit_attribution_says(steps: list[tuple[str, int]]) -> None:
    naive = Naive()
    for step, size in steps:
        if step in ("deposit", "given"):
            naive.lots.append(Lot(size, refundable=step == "deposit"))
        elif step == "hold" and naive.available >= size:
            naive.holds.append(size)
        elif step == "capture" and naive.holds:
            naive.spent += naive.holds.pop(size % len(naive.holds))
        elif step == "release" and naive.holds:
            naive.holds.pop(size % len(naive.holds))
        elif step == "refund" and naive.lots:
            place = size % len(naive.lots)
            if bar(naive, place) is None:
                naive.lots.pop(place)
        assert naive.available >= 0
        for place, lot in enumerate(naive.lots):
            expected = (
                None
                if naive.untouched(lot) and lot.refundable
                else Bar.SPENT
                if lot.refundable
                else Bar.METHOD
            )
            assert bar(naive, place) == expected


def test_nothing_goes_back_while_something_is_owed() -> None:
    """Holds that are let go fill the balance again; what a bank took back that had been spent has the first claim to it."""
    naive = Naive([Lot(10, refundable=True)])
    owing = Balance(10, 0, "USD", "live", debt=1)
    assert bar_to_refund(deposit_of(naive, 0), owing, [], False, NOW) is Bar.DEBT
    assert bar_to_refund(deposit_of(naive, 0), replace(owing, debt=0), [], False, NOW) is None
