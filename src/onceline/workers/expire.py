"""Ends orders whose window and drain are over: the hold is back within seconds, also after a restart."""

from __future__ import annotations

from datetime import timedelta

import structlog

from onceline.core.db import Database
from onceline.core.errors import Busy, KeyStoreAway, Unavailable
from onceline.core.orders import commands, store
from onceline.core.orders.context import Context

_LOG = structlog.get_logger(__name__)
BATCH = 200
INTERVAL_S = 0.25


def expire_round(db: Database, context: Context) -> int:
    """End what is due, each order in a transaction of its own. Ids are picked without locks; returns how many ended."""
    before = context.clock.now() - timedelta(seconds=context.terms.drain_s)
    with db.transaction() as tx:
        due = store.ended(tx, before, BATCH)
    return sum(_expire_one(db, context, row.id) for row in due)


def _expire_one(db: Database, context: Context, order: int) -> bool:
    """One order that cannot be ended now must not keep the others' money: it is left for the next round."""
    try:
        with db.transaction() as tx:
            return commands.expire(tx, context, order)
    except (Busy, KeyStoreAway):
        return False
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("order could not be ended", order=order)
        return False
