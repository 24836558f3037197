"""Once a day per processor: read its report of the day before, and compare it with the books.

Promised: no day is left out, and days that could not be read are caught up with in their order. Never: a processor that is asked
inside a transaction, or money of a customer that moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

import structlog

from onceline.core.db import Database
from onceline.core.errors import NotFound, Unavailable
from onceline.core.processors import store as processors
from onceline.core.reconcile import store
from onceline.core.reconcile.model import Line
from onceline.payments.base import Entry, Processor, ProcessorAway, ProcessorRefused
from onceline.payments.till import Till

_LOG = structlog.get_logger(__name__)
INTERVAL_S = 900.0
MOST_LINES = 200_000
"""Of a day. More is no report of a house like this one."""


class Reporter(NamedTuple):
    """A processor as it is configured. Without a `processor` it cannot be asked, which staff are told in time."""

    name: str
    mode: str
    made_at: datetime
    processor: Processor | None


def reconcile_round(till: Till) -> int:
    """Returns how many days were compared; the next round goes on with those after them."""
    clock, currency = till.context.clock, till.context.installation.currency
    return sum(reconcile(till.db, one, currency, clock.now()) for one in _reporters(till))


def reconcile(db: Database, one: Reporter, currency: str, now: datetime) -> bool:
    """The next day that is due; False when there is none, or it cannot be read. One that cannot be compared holds up no other."""
    with db.transaction() as tx:
        day = store.next_day(tx, one.name, one.made_at, now)
    if day is None:
        return False
    try:
        if _compare(db, one, day, currency, now):
            return True
    except Unavailable:
        raise
    except Exception:
        _LOG.exception("report could not be compared", processor=one.name, day=day.isoformat())
    with db.transaction() as tx:
        store.note_late(tx, one.name, day, now)
    return False


def _compare(db: Database, one: Reporter, day: date, currency: str, now: datetime) -> bool:
    lines = _read(one, day)
    if lines is None:
        return False
    with db.transaction() as tx:
        compared = store.compare(tx, one.name, one.mode, day, lines, currency, now)
    _LOG.info(
        "report compared", processor=one.name, day=day.isoformat(), lines=compared.lines,
        differences=len(compared.differences),
    )  # fmt: skip
    return True


def _reporters(till: Till) -> Iterable[Reporter]:
    with till.db.transaction() as tx:
        rows = processors.records(tx)
    for row in rows:
        try:
            yield Reporter(row.name, row.mode, row.made_at, till.entry(row.name).processor)
        except NotFound:
            continue  # made in this moment: the next round has it


def _read(one: Reporter, day: date) -> list[Line] | None:
    if one.processor is None:
        return None
    try:
        entries = one.processor.report(*store.bounds(day))
    except (ProcessorAway, ProcessorRefused) as fault:
        _LOG.warning("no report", processor=one.name, day=day.isoformat(), cause=str(fault)[:200])
        return None
    if len(entries) > MOST_LINES:
        _LOG.error("report is too long", processor=one.name, day=day.isoformat(), lines=len(entries))
        return None
    return [_line(entry) for entry in entries]


def _line(entry: Entry) -> Line:
    return Line(entry.kind, entry.object_id, entry.deposit, entry.amount, entry.currency, entry.at)
