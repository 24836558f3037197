"""Finishes what T1 stored and T2 did not: after a crash, a lost lock, or parts that never came."""

from __future__ import annotations

import structlog

from onceline.core.db import Database
from onceline.core.errors import Busy, DatabaseAway, Unavailable
from onceline.core.inbox import store as inbox
from onceline.core.orders.context import Context
from onceline.core.orders.settle import settle, settle_each

_LOG = structlog.get_logger(__name__)
BATCH = 200
TOGETHER = 25
"""Messages of one transaction: it holds their numbers' locks until its end."""
INTERVAL_S = 1.0


def sweep_round(db: Database, context: Context) -> int:
    """Returns how many messages were settled or set back."""
    with db.transaction() as tx:
        groups = inbox.old_part_groups(tx, context.clock.now(), BATCH)
    for group in groups:
        _give_up(db, context, group)
    with db.transaction() as tx:
        stored = inbox.oldest_stored(tx, BATCH)
    return sum(_settle(db, context, stored[at : at + TOGETHER]) for at in range(0, len(stored), TOGETHER))


def _give_up(db: Database, context: Context, group: bytes) -> None:
    """Each by itself: parts that cannot be read together hold up nothing else."""
    try:
        with db.transaction() as tx:
            inbox.give_up_parts(tx, context.vault, group)
    except Busy:
        return
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("parts could not be put together")


def _settle(db: Database, context: Context, messages: list[int]) -> int:
    """Together; when that fails, each by itself, so that one which cannot be settled holds up nobody."""
    try:
        with db.transaction() as tx:
            settle_each(tx, context, messages)
    except DatabaseAway:
        raise
    except Exception:
        return sum(_settle_one(db, context, message) for message in messages)
    return len(messages)


def _settle_one(db: Database, context: Context, message: int) -> bool:
    """One message that cannot be settled must not stop the others: it is set aside after some attempts."""
    try:
        with db.transaction() as tx:
            settle(tx, context, message)
    except Busy:
        return False  # its number is in other hands: the next round comes back
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("message could not be settled", message=message)
        with db.transaction() as tx:
            inbox.record_failure(tx, message)
    return True
