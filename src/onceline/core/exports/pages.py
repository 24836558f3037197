"""The text of an export, a page at a time: from the place where the last one ended, to where a resumed worker goes on.

The same place gives the same bytes, as long as what is exported stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction, load_queries
from onceline.core.exports import sections, store
from onceline.core.exports.account import SECTIONS
from onceline.core.exports.as_csv import CsvFile
from onceline.core.exports.as_json import JsonFile
from onceline.core.exports.model import PAGE_BYTES, PAGE_ROWS, Export
from onceline.core.exports.sections import Section, Wanted
from onceline.core.orders.context import Context

_Q = load_queries(__package__)

VERSION = 1
"""Of the JSON. A field may be added within a version, none is taken away or changes its meaning."""
MOST_STEPS = 40
WORTH_COUNTING = 1_000_000
_TOTALS = {
    "orders": (_Q.total_orders,),
    "codes": (_Q.total_messages,),
    "statement": (_Q.total_transfers,),
    "account": (_Q.total_orders, _Q.total_messages, _Q.total_transfers),
}


class Part(NamedTuple):
    """A section of one side."""

    section: Section
    side: int
    mode: str | None
    """Written in each row, where rows of both sides stand together."""


class Page(NamedTuple):
    """`place` is where the next page begins, None after the last."""

    text: bytes
    rows: int
    place: dict[str, Any] | None


class _File(Protocol):
    def head(self) -> bytes: ...
    def opening(self, section: str, /) -> bytes: ...
    def row(self, values: dict[str, Any], first: bool, /) -> bytes: ...
    def closing(self) -> bytes: ...
    def tail(self) -> bytes: ...


def read_page(tx: Transaction, context: Context, export: Export) -> Page:
    """What comes after `export.place`, until there is enough for a page."""
    return _Pen(tx, context, export).write()


def total(tx: Transaction, context: Context, export: Export) -> int | None:
    """How many rows there will be, about; None where counting them would take too long."""
    sides = [part.side for part in _parts(tx, export) if part.section.name in ("orders", "rows")]
    counted = [_count(tx, context, export, side, one) for side in sides for one in _TOTALS[export.kind]]
    known = [one for one in counted if one is not None]
    return sum(known) if len(known) == len(counted) else None


def _count(tx: Transaction, context: Context, export: Export, side: int, statement: str) -> int | None:
    wanted = _wanted(context, export, side)
    params = {"side": side, "since": wanted.since, "before": wanted.before, "most": WORTH_COUNTING}
    row = tx.one(statement, params)
    return row.n if row else None


class _Pen:
    """Writes one page."""

    def __init__(self, tx: Transaction, context: Context, export: Export) -> None:
        self._tx, self._context, self._export = tx, context, export
        self._parts = _parts(tx, export)
        self._file = _file(export)
        self._text = bytearray()
        self._rows = 0
        place = export.place
        self._at: list[Any] | None = place["at"] if place else None
        self._first: bool = place["first"] if place else True
        self._left = list(self._parts[_index(self._parts, place) :]) if place else list(self._parts)

    def write(self) -> Page:
        if self._export.place is None:
            self._text += self._file.head() + self._file.opening(self._left[0].section.name)
        for _ in range(MOST_STEPS):
            if not self._left or len(self._text) >= PAGE_BYTES or self._rows >= PAGE_ROWS:
                break
            self._step(self._left[0])
        return Page(bytes(self._text), self._rows, self._place())

    def _step(self, part: Part) -> None:
        wanted = _wanted(self._context, self._export, part.side)
        step = part.section.read(self._tx, wanted, self._at)
        for row in step.rows:
            named = {"mode": part.mode, **row} if part.mode else row
            self._text += self._file.row(named, self._first)
            self._first = False
        self._rows += len(step.rows)
        self._at = step.at
        if step.at is None:
            self._end(self._left.pop(0))

    def _end(self, part: Part) -> None:
        """Close the section, if no other side of it comes, and open the next."""
        following = self._left[0].section.name if self._left else None
        if following == part.section.name:
            return
        self._text += self._file.closing()
        self._first = True
        self._text += self._file.opening(following) if following else self._file.tail()

    def _place(self) -> dict[str, Any] | None:
        if not self._left:
            return None
        part = self._left[0]
        return {"section": part.section.name, "side": part.side, "at": self._at, "first": self._first}


def _parts(tx: Transaction, export: Export) -> Sequence[Part]:
    """A test key's export stops at the test side; a live one has the whole account."""
    if export.kind != "account":
        return [Part(sections.TABLES[export.kind, export.format], export.side, None)]
    sides = [
        side for side in store.sides_of(tx, export.account) if side.id == export.side or export.mode == "live"
    ]
    return [
        Part(section, side.id, side.mode if section.of_side else None)
        for section in SECTIONS
        for side in (sides if section.of_side else sides[:1])
    ]


def _index(parts: Sequence[Part], place: dict[str, Any]) -> int:
    """By name, so that a version with more sections goes on with what an older one began."""
    names = [(part.section.name, part.side) for part in parts]
    return names.index((place["section"], place["side"]))


def _file(export: Export) -> _File:
    if export.format == "csv":
        return CsvFile(sections.COLUMNS[export.kind])
    return JsonFile(f"onceline.{export.kind}/{VERSION}", rfc3339(export.as_of))


def _wanted(context: Context, export: Export, side: int) -> Wanted:
    before = sections.up_to(export.as_of, export.until)
    return Wanted(context, export.account, side, export.since, before, export.as_of, sections.STEP_ROWS)
