"""Read and write deposits, refunds and disputes. Locks: the deposit's row, then its side's, which is always the last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.deposits.model import Deposit, Refunds, State
from onceline.core.errors import NotFound

Q = load_queries(__package__)


def add(tx: Transaction, row: dict[str, Any]) -> None:
    tx.run(Q.add, row)


def deposit(tx: Transaction, deposit_id: str, side: int | None = None) -> Deposit:
    """Raises NotFound."""
    return _one(tx.one(Q.deposit, {"id": deposit_id, "side": side}), deposit_id)


def locked(tx: Transaction, deposit_id: str, side: int | None = None) -> Deposit:
    """Raises NotFound."""
    tx.send(Q.lock, {"id": deposit_id})
    return deposit(tx, deposit_id, side)


def by_payment(tx: Transaction, method: str, payment_id: str) -> str | None:
    row = tx.one(Q.by_payment, {"method": method, "payment_id": payment_id})
    return row.id if row else None


def by_processor(tx: Transaction, method: str, processor_id: str) -> str | None:
    row = tx.one(Q.by_processor, {"method": method, "processor_id": processor_id})
    return row.id if row else None


def listed(tx: Transaction, side: int, *, before: str | None, limit: int) -> Listing:
    """Newest first; `before` is the id that the page before this one ended with."""
    rows = tx.all(Q.listed, {"side": side, "before": before, "limit": limit + 1})
    page = page_of(rows, limit)
    return Listing([_read(row) for row in page.rows], page.next)


def name_at_processor(tx: Transaction, deposit_id: str, processor_id: str) -> None:
    tx.run(Q.name_at_processor, {"id": deposit_id, "processor_id": processor_id})


def become(
    tx: Transaction, deposit_id: str, state: State, look_at: datetime | None, ended_at: datetime | None
) -> None:
    tx.send(Q.become, {"id": deposit_id, "state": state, "look_at": look_at, "ended_at": ended_at})


def awaited(tx: Transaction, now: datetime, until: datetime, limit: int) -> list[Deposit]:
    """Those whose processor is to be asked; nobody else gets them before `until`."""
    return [_read(row) for row in tx.all(Q.claim_awaited, {"now": now, "until": until, "limit": limit})]


def newer(tx: Transaction, side: int, place: int) -> list[int]:
    """What the side's later deposits that still count added to its balance. Under the side's lock. Index deposits_waterline."""
    row = tx.one(Q.newer, {"side": side, "place": place})
    assert row is not None
    return [int(row.given)]


def has_dispute(tx: Transaction, side: int) -> bool:
    return tx.one(Q.open_dispute, {"side": side}) is not None


def spender(tx: Transaction, found: Deposit) -> int | None:
    """The order that was the first to spend of a deposit, or to hold of it; None when none did. Of a side that owes nothing."""
    counted = found.given + sum(newer(tx, found.side, found.place or 0))
    row = tx.one(Q.spender, {"side": found.side, "counted": counted})
    return row.order_id if row else None


def note_exception(
    tx: Transaction,
    method: str,
    code: str,
    object_id: str,
    now: datetime,
    *,
    deposit: str | None = None,
    amount: int | None = None,
    currency: str | None = None,
) -> None:
    """Something for staff; the same again counts up."""
    row = {"method": method, "code": code, "object_id": object_id[:255], "deposit": deposit}
    tx.send(Q.note_exception, row | {"amount": amount, "currency": currency, "now": now})


def _one(row: Row | None, deposit_id: str) -> Deposit:
    if row is None:
        raise NotFound("deposit", deposit_id)
    return _read(row)


def _read(row: Row) -> Deposit:
    return Deposit(**{**row._asdict(), "refunds": Refunds(row.refunds)})
