"""Ends orders whose window and drain are over: the hold is back within seconds, also after a restart."""

from __future__ import annotations

from datetime import timedelta

from onceline.core.db import Database
from onceline.core.orders import commands, store
from onceline.core.orders.context import Context

BATCH = 200
INTERVAL_S = 0.25


def expire_round(db: Database, context: Context) -> int:
    """End what is due, each order in a transaction of its own. Ids are picked without locks."""
    before = context.clock.now() - timedelta(seconds=context.terms.drain_s)
    with db.transaction() as tx:
        due = store.ended(tx, before, BATCH)
    for row in due:
        with db.transaction() as tx:
            commands.expire(tx, context, row.id)
    return len(due)
