"""The statement of a month: where the figures of one side stood, what moved by kind, where they stand.

Promises that every figure is a sum of transfers, and that the opening and what moved make the closing. Changes nothing.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from onceline.core.books import store as books
from onceline.core.books.store import Month, Sum
from onceline.core.errors import InvalidInput
from onceline.core.ledger.model import AVAILABLE, DEBT, DISPUTED, HELD, REFUND_PENDING, Move, change_of
from onceline.core.processors import store as processors
from onceline.desk.dashboard.acting import Desked, acts
from onceline.desk.dashboard.deposit_words import MEANINGS, Meaning
from onceline.desk.house import house

FIGURES = {
    AVAILABLE: _("Available"),
    HELD: _("Held"),
    REFUND_PENDING: _("On its way back"),
    DISPUTED: _("Disputed"),
    DEBT: _("Owed"),
}
_ALWAYS = (AVAILABLE, HELD)
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


@acts()
def month(request: Desked) -> HttpResponse:
    """By the calendar of UTC, as the API's. What is no month, or has not begun, is this one."""
    side, now = request.acting.side, house().clock.now()
    with house().db.transaction() as tx:
        opened_at = processors.opened_at(tx, side)
        try:
            found = books.month(tx, side, *_asked(request, now), now)
        except InvalidInput:
            found = books.month(tx, side, now.year, now.month, now)
    first = found.since.date()
    facts = {
        "month": first,
        "title": formats.date_format(first, "YEAR_MONTH_FORMAT"),
        "is_over": found.until <= now,
        "figures": _figures(found),
        "lines": [_line(one) for one in found.sums],
        "earlier": _name(_before(first)) if found.since > opened_at else None,
        "later": _name(found.until.date()) if found.until <= now else None,
    }
    return render(request, "dashboard/balance/month.html", facts)


def _asked(request: Desked, now: datetime) -> tuple[int, int]:
    match = _MONTH.fullmatch(request.GET.get("month", ""))
    return (int(match[1]), int(match[2])) if match else (now.year, now.month)


def _before(first: date) -> date:
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def _name(first: date) -> str:
    return f"{first:%Y-%m}"


def _figures(found: Month) -> list[dict[str, Any]]:
    """Those that are not 0 all the time, and what everybody looks for."""
    return [
        {"title": title, "opening": found.opening[name], "closing": found.closing[name]}
        for name, title in FIGURES.items()
        if name in _ALWAYS or found.opening[name] or found.closing[name]
    ]


def _line(one: Sum) -> dict[str, Any]:
    meaning = MEANINGS.get(one.kind) or Meaning(one.kind, "")
    move = Move(one.kind, one.debit, one.credit, one.amount)
    return {
        "title": meaning.title,
        "sentence": meaning.sentence,
        "transfers": one.transfers,
        "amount": one.amount,
        "effect": change_of([move], AVAILABLE),
    }
