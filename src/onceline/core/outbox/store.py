"""Append and read events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from onceline.core.db import Row, Transaction, load_queries

_Q = load_queries(__package__)

KEPT_DAYS = 30


class Draft(NamedTuple):
    """An event before it has its seq."""

    type: str
    order: int | None = None
    revision: int | None = None
    message: int | None = None
    subject: str | None = None
    """The public name of what the event is about, when it is no order."""


class Horizon(NamedTuple):
    """Where a side's stream stands: the newest seq, the oldest still kept, and the epoch of the installation."""

    seq: int
    oldest: int | None
    epoch: str

    def covers(self, after: int) -> bool:
        """Whether a reader at `after` can go on without a gap."""
        return after == self.seq or (
            after < self.seq and self.oldest is not None and after >= self.oldest - 1
        )


def append(tx: Transaction, side: int, last_seq: int, drafts: Sequence[Draft], now: datetime) -> None:
    """Write events whose numbers end at `last_seq`, which the caller took from the side's row, and wake the readers."""
    for seq, draft in enumerate(drafts, start=last_seq - len(drafts) + 1):
        tx.send(_Q.append, {"side": side, "seq": seq, "now": now, **draft._asdict()})
    tx.wake(wake_word(side))


def emit(tx: Transaction, side: int, drafts: Sequence[Draft], now: datetime) -> None:
    """Append events that go with no move of money. Takes the side's row, which is always the last lock."""
    row = tx.one(_Q.advance, {"side": side, "count": len(drafts)})
    assert row is not None, "a grant names a side that exists"
    append(tx, side, row.seq, drafts, now)


def wake_word(side: int) -> str:
    return f"side:{side}"


def after(tx: Transaction, side: int, seq: int, limit: int) -> list[Row]:
    return tx.all(_Q.after, {"side": side, "after": seq, "limit": limit})


def horizon(tx: Transaction, side: int) -> Horizon:
    row = tx.one(_Q.horizon, {"side": side})
    assert row is not None, "a grant names a side that exists"
    return Horizon(row.seq, row.oldest, row.epoch)


def newest(tx: Transaction, sides: Sequence[int]) -> dict[int, int]:
    return {row.id: row.seq for row in tx.all(_Q.newest, {"sides": list(sides)})}


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune, {"before": before, "limit": limit})
