"""Read batches and vouchers. Locks: an account's guesses, or a batch; then a voucher; then the side's row, which is always the last."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.errors import NotFound

Q = load_queries(__package__)


class Batch(NamedTuple):
    """`face_value`: micro-units of each voucher."""

    id: str
    mode: str
    issuer: str
    face_value: int
    size: int
    state: str
    created_by: str
    approved_by: str | None
    voided_by: str | None
    created_at: datetime
    approved_at: datetime | None
    voided_at: datetime | None
    expires_at: datetime | None


def batch(tx: Transaction, batch_id: str) -> Batch:
    """Raises NotFound."""
    return _read(tx.one(Q.batch, {"id": batch_id}), batch_id)


def locked(tx: Transaction, batch_id: str) -> Batch:
    """Nobody else approves or voids of it before this transaction has ended. Raises NotFound."""
    tx.send(Q.lock_batch, {"id": batch_id})
    return batch(tx, batch_id)


def batches(tx: Transaction, *, before: str | None, limit: int) -> Listing:
    """Newest first, each with how many were redeemed and voided; `before` is the id that the page before this one ended with."""
    return page_of(tx.all(Q.batches, {"before": before, "limit": limit + 1}), limit)


def vouchers(tx: Transaction, batch_id: str, *, after: int, limit: int) -> Listing:
    """Of one batch, by their numbers."""
    rows = tx.all(Q.vouchers, {"batch": batch_id, "after": after, "limit": limit + 1})
    return page_of(rows, limit, "number")


def prune_guesses(tx: Transaction, before: datetime) -> int:
    """Forget accounts whose wrong codes are all older."""
    return tx.run(Q.prune_guesses, {"before": before})


def _read(row: Row | None, batch_id: str) -> Batch:
    if row is None:
        raise NotFound("batch of vouchers", batch_id)
    return Batch(*row)
