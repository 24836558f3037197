"""Compare what a processor reported with what the books say, deposit by deposit. Pure.

Each difference is a code and a name that stay the same however often the same days are compared. Nothing here moves money.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

PAYMENT, REFUND, DISPUTE, FEE, OTHER = "payment", "refund", "dispute", "fee", "other"
KINDS = frozenset({PAYMENT, REFUND, DISPUTE, FEE, OTHER})
NOT_OURS = "report_not_ours"
"""They have it, and we have not."""
NOT_THEIRS = "report_not_theirs"
"""We have it, and they have not."""
AMOUNT = "report_amount"
CURRENCY = "report_currency"
LATE = "report_late"
"""A day whose report could not be read for long."""
CODES = (NOT_OURS, NOT_THEIRS, AMOUNT, CURRENCY)
"""What a comparison says, and takes back when it is no longer so."""


class Line(NamedTuple):
    """Of a processor's report. `deposit`: as it has our id; `amount`: micro-units, negative when it left."""

    kind: str
    object_id: str
    deposit: str | None
    amount: int
    currency: str
    at: datetime


class Theirs(NamedTuple):
    """A reported line of customers' money. `deposit`: the one of ours that it belongs to, if any."""

    kind: str
    object_id: str
    deposit: str | None
    amount: int
    currency: str


class Ours(NamedTuple):
    """What the books say of a deposit. Not `is_due`: it may be in the reports that were read, or not."""

    deposit: str
    kind: str
    amount: int
    is_due: bool


class Difference(NamedTuple):
    """`object_id` names it for good; `amount`: what they say, or of `report_not_theirs` what we say."""

    code: str
    object_id: str
    deposit: str | None
    amount: int
    currency: str


def kept_by_processor(lines: Iterable[Line], currency: str) -> int:
    """Their fees of a day; below 0 when more came back."""
    return -sum(line.amount for line in lines if line.kind == FEE and line.currency == currency)


def others(lines: Iterable[Line], currency: str) -> int:
    return sum(line.amount for line in lines if line.kind == OTHER and line.currency == currency)


def differences(theirs: Iterable[Theirs], ours: Iterable[Ours], currency: str) -> list[Difference]:
    """Every one, once. What a processor booked in parts, or took back, counts as its sum."""
    said: dict[tuple[str | None, str, str], list[Theirs]] = defaultdict(list)
    found = []
    for line in theirs:
        if line.currency == currency:
            said[line.deposit, line.kind, "" if line.deposit else line.object_id].append(line)
        else:
            found.append(
                Difference(CURRENCY, _name(line.kind, line.object_id), line.deposit, line.amount, line.currency)
            )  # fmt: skip
    known: dict[tuple[str | None, str, str], list[Ours]] = defaultdict(list)
    for one in ours:
        known[one.deposit, one.kind, ""].append(one)
    places = sorted(said.keys() | known.keys(), key=str)
    judged = (_judged(place, said.get(place, []), known, currency) for place in places)
    return [*found, *(one for one in judged if one)]


def _judged(
    place: tuple[str | None, str, str],
    said: list[Theirs],
    known: Mapping[tuple[str | None, str, str], list[Ours]],
    currency: str,
) -> Difference | None:
    deposit, kind, object_id = place
    ours = known.get(place, [])
    total, name = sum(one.amount for one in said), _name(kind, deposit or object_id)
    can_be = _sums(ours)
    # A payment of 0 is one of which they cannot say how much it is: a person has to look.
    is_uncounted = kind == PAYMENT and bool(said) and total == 0
    if total in can_be and not is_uncounted:
        return None
    if not any(one.amount for one in ours):
        return Difference(NOT_OURS, name, deposit, total, currency)
    if not said or (total == 0 and not is_uncounted):
        return Difference(NOT_THEIRS, name, deposit, sum(one.amount for one in ours), currency)
    return Difference(AMOUNT, name, deposit, total, currency)


def _sums(ours: Iterable[Ours]) -> set[int]:
    """What their sum may be: everything that is due, with or without what is under way."""
    sums = {0}
    for one in ours:
        sums = {have + one.amount for have in sums} | (set() if one.is_due else sums)
    return sums


def _name(kind: str, of: str) -> str:
    return f"{kind}:{of}"
