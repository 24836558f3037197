"""Extends rentals that are to go on by themselves, shortly before their ends."""

from __future__ import annotations

import structlog

from onceline.core.db import Database
from onceline.core.errors import Busy, KeyStoreAway, OrderClosed, Refusal, Unavailable
from onceline.core.orders import renewal
from onceline.core.orders.context import Context

_LOG = structlog.get_logger(__name__)
BATCH = 100
INTERVAL_S = 15.0


def extend_round(db: Database, context: Context) -> int:
    """Each rental in a transaction of its own; returns how many were looked at."""
    with db.transaction() as tx:
        due = renewal.claim(tx, context, BATCH)
    for order in due:
        _extend_one(db, context, order)
    return len(due)


def _extend_one(db: Database, context: Context, order: int) -> None:
    """One rental that cannot be extended now must not end the others: its claim runs out, and it is tried again."""
    try:
        _renew_or_tell(db, context, order)
    except (Busy, KeyStoreAway):
        return
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("rental could not be extended", order=order)


def _renew_or_tell(db: Database, context: Context, order: int) -> None:
    """A refusal undid its transaction, so it is told in another."""
    try:
        with db.transaction() as tx:
            renewal.renew(tx, context, order)
    except OrderClosed:
        return  # it was ended a moment ago
    except Refusal as refusal:
        _LOG.info("rental is not extended", order=order, code=refusal.code)
        with db.transaction() as tx:
            renewal.tell_refused(tx, context, order, refusal.code)
