"""Sends the sandbox's scripted messages when they are due."""

from __future__ import annotations

from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.core.orders.settle import settle_each
from onceline.suppliers.sandbox.inlet import send_due

BATCH = 100
INTERVAL_S = 0.2


def sandbox_round(db: Database, context: Context) -> int:
    with db.transaction() as tx:
        kept = send_due(tx, context, BATCH)
    if kept:
        with db.transaction() as tx:
            settle_each(tx, context, [message.id for message in kept])
    return len(kept)
