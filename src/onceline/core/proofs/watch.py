"""What the checks found last, kept: while one of them has failed, no refund leaves the house; orders go on.

A failure is over when the check passes and staff have acknowledged it, in whichever order. Never: a failure that goes away
unseen, or a word of staff that lets money leave while the check still fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.deposits import store as deposits
from onceline.core.deposits.refunds import REFUNDS_WORD
from onceline.core.proofs import checks
from onceline.core.proofs.checks import Proof

_Q = load_queries(__package__)
BOOKS = "books"
"""Stands for a processor's name where staff are told of a check that failed."""
FAILED = "check_failed"
SETTLED = timedelta(minutes=2)
"""A transfer that was made so long ago is committed, and so is every one before it."""
NIGHT = timedelta(hours=2)
"""After midnight, UTC: when everything is proved."""
AGAIN_AFTER = timedelta(hours=1)
"""What failed and only the whole can show is proved again sooner."""


def place(tx: Transaction, now: datetime) -> tuple[int, int]:
    """The transfer after which the next look begins, and the one after which the look after that will."""
    row = tx.one(_Q.place, {"settled": now - SETTLED})
    assert row is not None
    return row.after, row.through


def record(tx: Transaction, proofs: Sequence[Proof], now: datetime, through: int | None = None) -> list[str]:
    """Keep the outcome, tell staff; returns which failed."""
    for one in proofs:
        row = {"name": one.id, "checked": one.checked, "broken": one.broken, "now": now}
        tx.send(_Q.record, row | {"through": through})
        if one.broken:
            deposits.note_exception(tx, BOOKS, FAILED, one.id, now)
    tx.wake(REFUNDS_WORD)
    return [one.id for one in proofs if one.broken]


def failed(tx: Transaction) -> list[Row]:
    """The checks that stop refunds, by name."""
    return tx.all(_Q.failed)


def resume(tx: Transaction, staff: str, now: datetime) -> list[str]:
    """Staff have seen what failed. Returns the checks that still fail: refunds wait until they pass."""
    tx.send(_Q.acknowledge, {"staff": staff, "now": now})
    tx.send(_Q.resolve, {"method": BOOKS, "staff": staff, "now": now})
    tx.wake(REFUNDS_WORD)
    return [row.name for row in failed(tx)]


def is_proof_due(tx: Transaction, now: datetime) -> bool:
    """Once a night; and again after a while when what failed can only be shown by it."""
    row = tx.one(_Q.proven_at, {"names": [name for name in checks.NAMES if not checks.is_fast(name)]})
    if row is None or row.at < _last_night(now):
        return True
    is_open = any(not checks.is_fast(one.name) for one in failed(tx))
    return is_open and now - row.at > AGAIN_AFTER


def _last_night(now: datetime) -> datetime:
    midnight = (now - NIGHT).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + NIGHT
