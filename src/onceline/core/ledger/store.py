"""Moves of money. Each takes the side's row last and once; see the lock order in docs/explain/money.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.errors import InsufficientBalance, NotFound
from onceline.core.ledger.model import (
    AVAILABLE,
    DEBT,
    DISPUTED,
    REFUND_PENDING,
    REVENUE,
    Balance,
    Move,
    Movement,
    change_of,
)

_Q = load_queries(__package__)
_NEWEST = 2**63 - 1


def lock(tx: Transaction, side: int) -> Balance:
    """The figures, which nobody else changes before this transaction has ended. The last lock of all."""
    row = tx.one(_Q.lock, {"side": side})
    assert row is not None, "a deposit names a side that exists"
    return _balance(row)


def post(tx: Transaction, side: int, moves: Sequence[Move], events: int, now: datetime) -> int:
    """Record transfers of a side and move its figures with them; returns the seq of the last of `events` events.

    Raises InsufficientBalance. The other figures cannot fall below zero: the table refuses it.
    """
    posted = [move for move in moves if move.amount]
    changes = {name: change_of(posted, name) for name in (AVAILABLE, REFUND_PENDING, DISPUTED, DEBT)}
    columns = zip(*posted, strict=True) if posted else ((), (), (), ())
    listed = dict(zip(("kinds", "debits", "credits", "amounts"), map(list, columns), strict=True))
    row = tx.one(_Q.post, {"side": side, "events": events, "now": now, **changes, **listed})
    if row is None:
        raise InsufficientBalance(-changes[AVAILABLE] - balance(tx, side).available)
    return int(row.seq)


def post_house(tx: Transaction, mode: str, move: Move, now: datetime) -> None:
    """A transfer between two accounts of the house."""
    tx.send(_Q.post_house, {"mode": mode, "now": now, **move._asdict()})


def advance(tx: Transaction, side: int, movement: Movement) -> Row:
    """Change the side's row; returns seq (of the last event), wallet and mode. Raises InsufficientBalance for a hold."""
    row = tx.one(
        _Q.advance_side,
        {
            "side": side,
            "hold": movement.hold,
            "capture": movement.capture,
            "release": movement.release,
            "closed": movement.closed,
            "events": movement.events,
        },
    )
    if row is None:
        available = tx.one(_Q.available, {"side": side})
        raise InsufficientBalance(movement.hold - (available.available if available else 0))
    return row


def hold(tx: Transaction, side_row: Row, amount: int, now: datetime) -> int:
    """Record a hold whose figures `advance` has moved; returns its transfer id."""
    transfer = tx.one(_Q.next_transfer)
    assert transfer is not None
    tx.send(
        _Q.hold,
        {"id": transfer.id, "mode": side_row.mode, "wallet": side_row.wallet, "amount": amount, "now": now},
    )
    return int(transfer.id)


def capture(tx: Transaction, holds: Sequence[int], now: datetime) -> None:
    tx.send(_Q.end_holds, {"kind": "capture", "credit": REVENUE, "holds": list(holds), "now": now})


def balance(tx: Transaction, side: int) -> Balance:
    row = tx.one(_Q.balance, {"side": side})
    if row is None:
        raise NotFound("account")
    return _balance(row)


def _balance(row: Row) -> Balance:
    return Balance(
        row.available, row.held, row.currency, row.mode, row.refund_pending, row.disputed, row.debt
    )


def statement(tx: Transaction, side: int, *, before: int | None, limit: int) -> Listing:
    """Transfers newest first; `before` is the cursor that the page before this one gave."""
    rows = tx.all(_Q.statement, {"side": side, "before": before or _NEWEST, "limit": limit + 1})
    return page_of(rows, limit)
