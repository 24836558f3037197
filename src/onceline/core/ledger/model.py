"""The chart of accounts and what a transfer of each kind does. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

AVAILABLE, HELD = "available", "held"
REFUND_PENDING, DISPUTED = "refund_pending", "disputed"
DEBT = "debt"
"""What a customer owes after a payment was taken back that had been spent. The only one that is a claim of ours."""
REVENUE = "revenue"
FEES = "fees"
"""What customers pay for paying."""
BONUS = "bonus"
"""What is given on top of deposits."""
SANDBOX = "sandbox"
"""Where test money comes from."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Micro-units of one side."""

    available: int
    held: int
    currency: str
    mode: str
    refund_pending: int = 0
    disputed: int = 0
    debt: int = 0


class Move(NamedTuple):
    """One transfer of a side: `kind` as in the table of docs/explain/money.md, `amount` in micro-units above 0."""

    kind: str
    debit: str
    credit: str
    amount: int


def change_of(moves: Iterable[Move], account: str) -> int:
    """What transfers do to one stored figure of a side. A debt grows by debits, the others by credits."""
    change = sum(move.amount * ((move.credit == account) - (move.debit == account)) for move in moves)
    return -change if account == DEBT else change


@dataclass(frozen=True, slots=True)
class Movement:
    """What one command does to a side's row: micro-units held, captured, released; orders closed; events written."""

    hold: int = 0
    capture: int = 0
    release: int = 0
    closed: int = 0
    events: int = 0
