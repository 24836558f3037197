"""A customer's money unit by unit, oldest first: slow, obvious, and derived from nothing that the product computes.

Promises: says of every deposit whether something of it is spent or held, and which order did that first, by pouring each
order's price through the deposits. Never reads a stored figure, a water line or a sum of the product's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.shop import Customer, Shop

_FOURTEEN_DAYS = timedelta(days=14)


class Spend(NamedTuple):
    """What an order, or one of its extensions, holds or has cost."""

    hold: int
    order: int
    amount: int


@dataclass
class Lot:
    """A deposit that came. `given`: to the balance, bonus included; `taken`: of it, by payers' banks."""

    id: str
    given: int
    can_return: bool
    came_at: datetime
    has_origin: bool = True
    is_here: bool = True
    """Not on its way back, and not gone."""
    is_disputed: bool = False
    taken: int = 0

    @property
    def counts(self) -> int:
        return self.given - self.taken if self.is_here else 0


@dataclass
class Lots:
    """In the order in which they came."""

    lots: list[Lot] = field(default_factory=list)

    def find(self, deposit: str) -> Lot:
        return next(one for one in self.lots if one.id == deposit)

    def left(self, spends: Sequence[Spend]) -> int:
        """What is available; below 0, what is owed beyond it."""
        return sum(one.counts for one in self.lots) - sum(one.amount for one in spends)

    def first_to_touch(self, lot: Lot, spends: Sequence[Spend]) -> int | None:
        """The order that was the first to spend of a lot or to hold of it, or would have if there were no debt."""
        for order, spent_of in self._poured(spends):
            if spent_of is None or self.lots.index(spent_of) >= self.lots.index(lot):
                return order
        return None

    def is_untouched(self, lot: Lot, spends: Sequence[Spend]) -> bool:
        return self.first_to_touch(lot, spends) is None

    def bar(
        self, lot: Lot, spends: Sequence[Spend], debt: int, is_any_open: bool, now: datetime
    ) -> str | None:
        """Why a lot cannot go back now."""
        why = {
            "state": not lot.is_here or lot.is_disputed,
            "method": not lot.can_return,
            "origin": not lot.has_origin,
            "age": now - lot.came_at > _FOURTEEN_DAYS,
            "dispute": is_any_open,
            "debt": debt > 0,
            "spent": not self.is_untouched(lot, spends),
        }
        return next((name for name, is_so in why.items() if is_so), None)

    def _poured(self, spends: Sequence[Spend]) -> Iterator[tuple[int, Lot | None]]:
        """Each order with each lot that it takes from; None: from no lot, it is owed."""
        levels = [[one, one.counts] for one in self.lots]
        for spend in sorted(spends):
            missing = spend.amount
            for level in levels:
                lot, left = level
                used = min(left, missing)
                missing -= used
                level[1] -= used
                if used:
                    yield spend.order, lot
            if missing:
                yield spend.order, None


def spends(shop: Shop, who: Customer) -> list[Spend]:
    """What a customer's orders hold or have cost, by what orders say of themselves."""
    rows = shop.rows(
        "select hold_id, id, price from orders where side_id = %(side)s and money <> 'released'"
        " union all select x.hold_id, o.id, x.amount from extensions x join orders o on o.id = x.order_id"
        " where o.side_id = %(side)s and o.money <> 'released'",
        side=who.side,
    )
    return [Spend(*row) for row in rows]


def stored(shop: Shop, who: Customer) -> Lots:
    """What a customer brought in, by what deposits and disputes say of themselves."""
    rows = shop.rows(
        "select d.id, d.credited + d.bonus as given, d.refunds <> 'never' as can_return, d.credited_at as came_at,"
        " d.refunds <> 'origin' or d.origin is not null as has_origin,"
        " d.state not in ('refunding', 'refunded') as is_here, d.state in ('disputed', 'lost') as is_disputed,"
        " coalesce((select sum(x.amount + x.bonus) from disputes x where x.deposit_id = d.id and x.state <> 'won'), 0)::bigint"
        " as taken from deposits d where d.side_id = %(side)s and d.place is not null order by d.place",
        side=who.side,
    )
    return Lots([Lot(*row) for row in rows])
