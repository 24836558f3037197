"""Append and read events."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from onceline.core.db import Row, Transaction, load_queries

_Q = load_queries(__package__)

KEPT_DAYS = 30
LEAP = 1_000_000_000
"""More events than a side can have had since the backup that was restored."""
EPOCH_WORD = "epoch"
"""The wake-up that tells every process to look at the epoch again."""


class Draft(NamedTuple):
    """An event before it has its seq."""

    type: str
    order: int | None = None
    revision: int | None = None
    message: int | None = None
    subject: str | None = None
    """The public name of what the event is about, when it is no order."""


class Horizon(NamedTuple):
    """Where a side's stream stands: the newest seq, and the epoch of the installation."""

    seq: int
    epoch: str


class Page(NamedTuple):
    """What follows a cursor, with where the stream stands, as one moment saw both.

    Not `whole`: something that followed the cursor is no longer kept, or the cursor is none of this stream. A reader
    then starts over at `seq`; what rows there are would be a partial replay.
    """

    seq: int
    epoch: str
    rows: list[Row]
    whole: bool


class Ahead(NamedTuple):
    """What a reader asks for: at most `limit` events of a side after the seq that it has."""

    side: int
    after: int
    limit: int


class Stand(NamedTuple):
    """The newest seq of several sides, and the epoch; no epoch when none of the sides exists."""

    epoch: str | None
    seqs: dict[int, int]


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


def page(tx: Transaction, side: int, after: int, limit: int) -> Page:
    """The next events after a cursor, oldest first."""
    return pages(tx, [Ahead(side, after, limit)])[0]


def pages(tx: Transaction, asked: Sequence[Ahead]) -> list[Page]:
    """What each asked for, in one statement."""
    sides, after, limits = map(list, zip(*asked, strict=True))
    found = tx.all(_Q.pages, {"sides": sides, "after": after, "limits": limits})
    groups = {place: list(rows) for place, rows in groupby(found, key=lambda row: row.place)}
    return [_page(one, groups[place]) for place, one in enumerate(asked, start=1)]


def _page(asked: Ahead, found: list[Row]) -> Page:
    newest, epoch = found[0].newest, found[0].epoch
    rows = [row for row in found if row.seq is not None]
    last = rows[-1].seq if rows else asked.after
    whole = len(rows) == min(asked.limit, newest - asked.after) == last - asked.after
    return Page(newest, epoch, rows, whole)


def horizon(tx: Transaction, side: int) -> Horizon:
    row = tx.one(_Q.horizon, {"side": side})
    assert row is not None, "a grant names a side that exists"
    return Horizon(row.seq, row.epoch)


def newest(tx: Transaction, sides: Sequence[int]) -> Stand:
    rows = tx.all(_Q.newest, {"sides": list(sides)})
    return Stand(rows[0].epoch if rows else None, {row.id: row.seq for row in rows})


def epoch(tx: Transaction) -> str:
    row = tx.one(_Q.epoch)
    assert row is not None, "migrate writes it"
    return str(row.epoch)


def new_epoch(tx: Transaction) -> str:
    """After a restore: name the history anew, so that every reader starts over. Returns the new name.

    Every side's seq leaps, too: no seq, and no event id, that was given out before the restore comes again for
    another event, and a reader that never sent its epoch is told to start over as well.
    """
    tx.run(_Q.leap, {"leap": LEAP})
    row = tx.one(_Q.new_epoch, {"epoch": secrets.token_hex(8)})
    assert row is not None, "migrate writes it"
    tx.wake(EPOCH_WORD)
    return str(row.epoch)


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune, {"before": before, "limit": limit})
