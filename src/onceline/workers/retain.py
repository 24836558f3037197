"""Once a minute: destroy and prune what has served, delete old access logs, renew the offers' success figures."""

from __future__ import annotations

from pathlib import Path

from onceline.accesslog import delete_old
from onceline.core.catalog import store as catalog
from onceline.core.db import Database
from onceline.core.exports import commands as exports
from onceline.core.orders.context import Context
from onceline.core.retention.commands import destroy_and_prune
from onceline.suppliers import purchases

INTERVAL_S = 60.0


def retain_round(db: Database, context: Context, logs: Path, log_days: int) -> int:
    changed = sum(destroy_and_prune(db, context).values())
    now = context.clock.now()
    changed += exports.destroy(db, now)
    changed += purchases.prune(db, now)
    changed += delete_old(logs, now, log_days)
    with db.transaction() as tx:
        catalog.record_offers(tx, now)
    return changed
