"""CSV as RFC 4180 has it: CRLF, a header, quotes where needed, UTF-8 without a byte order mark. Pure.

A cell is text that a stranger may have written, and a spreadsheet takes a cell that begins with = + - @ for a formula.
Such a cell, and one that begins with an apostrophe itself, gets an apostrophe in front: whoever takes one leading
apostrophe away from every cell has the exact text. That meets every number, as +44….
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LIVE = re.compile(
    r"[\s\x00-\x20\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\x00']"
)
"""Invisible characters before the sign are passed over, as some programs do."""
_TO_QUOTE = re.compile(r'[",\r\n]')
_HALF = re.compile(r"[\ud800-\udfff]")


_QUOTE = '"'


@dataclass(frozen=True, slots=True)
class CsvFile:
    columns: Sequence[str]

    def head(self) -> bytes:
        return _line(self.columns)

    def opening(self, _section: str, /) -> bytes:
        return b""

    def row(self, values: Mapping[str, Any], _first: bool, /) -> bytes:
        return _line([_cell(values[column]) for column in self.columns])

    def closing(self) -> bytes:
        return b""

    def tail(self) -> bytes:
        return b""


def inert(text: str) -> str:
    """The text as no spreadsheet calculates it."""
    return f"'{text}" if _LIVE.match(text) else text


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return inert(value)
        case _:
            return str(value)


def _line(cells: Sequence[str]) -> bytes:
    line = ",".join(_quoted(cell) for cell in cells)
    return _HALF.sub("\ufffd", f"{line}\r\n").encode()


def _quoted(cell: str) -> str:
    return f'"{cell.replace(_QUOTE, _QUOTE * 2)}"' if _TO_QUOTE.search(cell) else cell
