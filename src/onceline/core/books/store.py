"""Sum the books: the house by day so that it stays fast, the trial balance, a side's month. Reads, but for the days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import InvalidInput
from onceline.core.ledger.model import AVAILABLE, DEBT, DISPUTED, HELD, REFUND_PENDING, Move, change_of

_Q = load_queries(__package__)
OF_CUSTOMERS = (AVAILABLE, HELD, REFUND_PENDING, DISPUTED, DEBT)
SETTLED_AFTER = timedelta(hours=3)
"""By then every transaction of a day has ended: none lives longer than its statements' deadlines."""
AT_ONCE = 500_000
"""Transfers, so that one statement ends in time."""


class Standing(NamedTuple):
    """An account in a mode. `balance`: above 0 in credit (owed or earned), below it in debit (had or lost)."""

    mode: str
    account: str
    balance: int
    is_of_customers: bool


class Sum(NamedTuple):
    """Of all transfers of one kind between two accounts."""

    kind: str
    debit: str
    credit: str
    transfers: int
    amount: int


class Month(NamedTuple):
    """What a side's figures were at the beginning, what moved, and what they were at the end, or are."""

    since: datetime
    until: datetime
    opening: dict[str, int]
    sums: list[Sum]
    closing: dict[str, int]


def roll(tx: Transaction, now: datetime) -> int:
    """Sum the house's accounts up to the last midnight, once; returns how many transfers were gone through, AT_ONCE at most."""
    day = (now - SETTLED_AFTER).astimezone(UTC).date()
    done = tx.one(_Q.through)
    last = tx.one(_Q.last_before, {"at": _midnight(day)})
    assert done is not None
    if last is None or last.id <= done.through:
        return 0
    through = min(last.id, done.through + AT_ONCE)
    row = {"day": day - timedelta(days=1), "after": done.through, "through": through}
    tx.run(_Q.roll, row | {"wallets": list(OF_CUSTOMERS)})
    return int(through - done.through)


def trial_balance(tx: Transaction) -> list[Standing]:
    """Customers' accounts, all wallets together, and those of the house, by mode. They sum to zero."""
    return [Standing(*row) for row in tx.all(_Q.accounts, {"wallets": list(OF_CUSTOMERS)})]


def standings(rows: Iterable[Row]) -> dict[str, int]:
    """What transfers add up to, per figure of a side. Pure."""
    moves = [Move(row.kind, row.debit, row.credit, row.amount) for row in rows]
    return {account: change_of(moves, account) for account in OF_CUSTOMERS}


def month(tx: Transaction, side: int, year: int, number: int, now: datetime) -> Month:
    """By the calendar of UTC. Raises InvalidInput for one that has not begun."""
    since, until = month_bounds(year, number)
    if since > now:
        raise InvalidInput("This month has not begun.")
    rows = tx.all(_Q.month, {"side": side, "since": since, "until": until})
    sums = [
        Sum(row.kind, row.debit, row.credit, row.transfers, row.amount) for row in rows if not row.is_before
    ]
    return Month(since, until, standings(row for row in rows if row.is_before), sums, standings(rows))


def month_bounds(year: int, number: int) -> tuple[datetime, datetime]:
    """Raises InvalidInput for what no calendar has."""
    try:
        first = date(year, number, 1)
        after = date(year + number // 12, number % 12 + 1, 1)
    except ValueError:
        raise InvalidInput("A month is written as in 2026-03.") from None
    return _midnight(first), _midnight(after)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
