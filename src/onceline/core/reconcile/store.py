"""Keep a processor's report of a day, book its fees once, and list for staff what does not fit.

Promised: the same day again changes nothing that was right; fees are booked to what the newest report says, never twice; a
difference that is gone goes from the list by itself. Never: a credit, or any other move of a customer's money.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import FEES, Move
from onceline.core.reconcile import model
from onceline.core.reconcile.model import Difference, Line, Ours, Theirs

_Q = load_queries(__package__)
ITSELF = "reconciliation"
"""Who resolved what is no longer so."""
DAY = timedelta(days=1)
SETTLED_AFTER = timedelta(hours=3)
"""A processor has booked everything of a day so long after its end."""
LATE_AFTER = timedelta(days=2)
LONGEST_BACK = timedelta(days=30)
"""A processor that is configured today is asked for no more of what was before."""


class Compared(NamedTuple):
    """`fees`: what was booked in this very run, micro-units."""

    lines: int
    fees: int
    differences: list[Difference]


def fees_account(method: str) -> str:
    return f"{FEES}:{method}"


def next_day(tx: Transaction, method: str, made_at: datetime, now: datetime) -> date | None:
    """The first day of a processor whose report is due and was not compared; None when there is none. No day is left out."""
    row = tx.one(_Q.days, {"method": method})
    assert row is not None
    settled = (now - SETTLED_AFTER).astimezone(UTC).date()
    first = max(made_at.astimezone(UTC).date(), settled - LONGEST_BACK)
    wanted: date = row.newest + DAY if row.newest else first
    return wanted if wanted < settled else None


def bounds(day: date) -> tuple[datetime, datetime]:
    """From midnight to midnight, UTC."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return since, since + DAY


def compare(
    tx: Transaction, method: str, mode: str, day: date, lines: Sequence[Line], currency: str, now: datetime
) -> Compared:
    """Take a report in place of an earlier one of that day, and list what differs."""
    found = tx.one(_Q.claim_day, {"method": method, "day": day, "now": now})
    assert found is not None
    kept = model.kept_by_processor(lines, currency)
    _book_fees(tx, method, mode, kept - found.fees, now)
    _keep(tx, method, day, lines)
    row = {"method": method, "day": day, "lines": len(lines), "fees": kept}
    tx.send(_Q.end_day, row | {"others": model.others(lines, currency)})
    differing = _differences(tx, method, day, currency)
    _list(tx, method, differing, now)
    return Compared(len(lines), kept - found.fees, differing)


def note_late(tx: Transaction, method: str, day: date, now: datetime) -> None:
    """For staff: a report that cannot be read for too long. Once per day of it."""
    if now - bounds(day)[1] > LATE_AFTER:
        row = {"method": method, "code": model.LATE, "object_id": day.isoformat(), "deposit": None}
        tx.run(_Q.note, row | {"amount": None, "currency": None, "now": now, "itself": ITSELF})


def totals(tx: Transaction) -> list[Row]:
    """Per processor, what its compared reports add up to."""
    return tx.all(_Q.totals)


def _book_fees(tx: Transaction, method: str, mode: str, more: int, now: datetime) -> None:
    """Only what was not booked before; the day's row is ours until the end."""
    account = fees_account(method)
    if more > 0:
        ledger.post_house(tx, mode, Move("processor_fee", account, method, more), now)
    elif more < 0:
        ledger.post_house(tx, mode, Move("processor_fee_undone", method, account, -more), now)


def _keep(tx: Transaction, method: str, day: date, lines: Sequence[Line]) -> None:
    tx.send(_Q.forget_lines, {"method": method, "day": day})
    columns: dict[str, list[Any]] = {
        "kinds": [line.kind if line.kind in model.KINDS else model.OTHER for line in lines],
        "objects": [line.object_id[:255] for line in lines],
        "deposits": [line.deposit[:255] if line.deposit else None for line in lines],
        "amounts": [line.amount for line in lines],
        "currencies": [line.currency[:8] for line in lines],
        "ats": [line.at for line in lines],
    }
    tx.send(_Q.add_lines, {"method": method, "day": day, **columns})


def _differences(tx: Transaction, method: str, day: date, currency: str) -> list[Difference]:
    """Of all that the day touched, and of all that differed before; each deposit over all its days."""
    since, until = bounds(day)
    days = tx.one(_Q.days, {"method": method})
    assert days is not None
    named = {"method": method, "day": day, "codes": list(model.CODES), "currency": currency}
    scope = tx.all(_Q.scope, named | {"since": since, "until": until})
    named["deposits"] = [row.id for row in scope]
    theirs = [Theirs(*row) for row in tx.all(_Q.theirs, named)]
    whole = {"until": bounds(days.newest)[1], "first": bounds(days.first)[0]}
    ours = [Ours(*row) for row in tx.all(_Q.ours, named | whole)]
    return model.differences(theirs, ours, currency)


def _list(tx: Transaction, method: str, differing: Sequence[Difference], now: datetime) -> None:
    row = {"method": method, "now": now, "itself": ITSELF}
    for one in differing:
        tx.send(_Q.note, row | one._asdict() | {"object_id": one.object_id[:255]})
    there = {(one.code, one.object_id[:255]) for one in differing}
    open_ = tx.all(_Q.open_notes, {"method": method, "codes": [*model.CODES, model.LATE]})
    gone = [note.id for note in open_ if (note.code, note.object_id) not in there]
    tx.run(_Q.end_notes, row | {"ids": gone})
