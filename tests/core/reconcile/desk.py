"""Reconciliation in the words of the tests: a processor's report is written down line by line and compared with the books."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from onceline.core.books import store as books
from onceline.core.deposits.model import Deposit
from onceline.core.money import MICROS
from onceline.core.reconcile import store
from onceline.core.reconcile.model import Line
from onceline.core.reconcile.store import Compared
from tests.shop import Shop

DAY_S = 86400


@dataclass
class Desk:
    """Of one processor, whose words are `lines`."""

    shop: Shop
    method: str = "stripe"
    lines: list[Line] = field(default_factory=list)

    def says(self, kind: str, object_id: str, dollars: float, deposit: str | None = None, currency: str = "USD") -> None:  # fmt: skip
        """That something moved, now."""
        amount = round(dollars * MICROS)
        self.lines.append(Line(kind, object_id, deposit, amount, currency, self.shop.clock.now()))

    def paid(self, found: Deposit, dollars: float = 10, fee: float = 0) -> None:
        self.says("payment", str(found.payment_id or f"pi_{found.id}"), dollars, found.id)
        if fee:
            self.says("fee", str(found.payment_id), -fee)

    def compare(self, day: date | None = None) -> Compared:
        """The report of a day; of this one, if none is named."""
        day = day or self.today
        since, until = store.bounds(day)
        told = [line for line in self.lines if since <= line.at < until]
        with self.shop.db.transaction() as tx:
            return store.compare(tx, self.method, "test", day, told, "USD", self.shop.clock.now())

    @property
    def today(self) -> date:
        return self.shop.clock.now().date()

    def sleep(self) -> None:
        self.shop.pass_time(DAY_S)

    def listed(self) -> list[tuple[str, str]]:
        """What staff still have to look at."""
        rows = self.shop.rows(
            "select code, object_id from payment_exceptions where resolved_at is null and code like 'report%%'"
            " and method = %(method)s order by code, object_id",
            method=self.method,
        )
        return [(row.code, row.object_id) for row in rows]

    def account(self, name: str) -> float:
        """What stands on it, in dollars: below 0 in debit."""
        with self.shop.db.transaction() as tx:
            found = books.trial_balance(tx)
        return sum(one.balance for one in found if one.account == name and not one.is_of_customers) / MICROS

    def next_day(self, made_at: datetime) -> date | None:
        with self.shop.db.transaction() as tx:
            return store.next_day(tx, self.method, made_at, self.shop.clock.now())


def reported(desk: Desk) -> float:
    """The sum of all that the processor said of money that is ours."""
    return sum(one.amount for one in desk.lines if one.kind != "other") / MICROS


YESTERDAY = timedelta(days=1)
