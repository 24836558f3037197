"""Reads CSV as spreadsheets write it, line by line, so that a fault costs its own line and no other. Pure.

Fields are parted by commas, semicolons or tabs, whichever the header row has; a field may stand in double quotes (RFC 4180),
but not go on in the next line: a quote that somebody forgot would swallow what follows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from onceline.core.errors import InvalidInput

LONGEST_LINE = 4_000
"""Bytes."""
_DELIMITERS = (",", ";", "\t")
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")
"""Spaces that spreadsheets put between digits."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is not taken: a stable word, and what would be right."""

    at: int
    code: str
    words: str


class LineRefused(Exception):
    """`code` and `words` as in Fault."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Header:
    columns: tuple[str, ...]
    delimiter: str

    def fields(self, raw: bytes) -> dict[str, str]:
        """The fields of a line by their columns, trimmed. Raises LineRefused."""
        if len(raw) > LONGEST_LINE:
            raise LineRefused("too_long", f"The line is longer than {LONGEST_LINE} bytes.")
        text = _text(raw)
        try:
            found = next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error:
            raise LineRefused(
                "quotes", "A double quote is not closed in this line, or text follows it."
            ) from None
        if len(found) != len(self.columns):
            wrong = f"The line has {len(found)} fields, the header row {len(self.columns)}."
            raise LineRefused("columns", wrong)
        return dict(zip(self.columns, (field.strip() for field in found), strict=True))


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Its lines without their ends; of one that is too long only the beginning."""
    while line := file.readline(LONGEST_LINE + 1):
        piece = line
        while len(piece) > LONGEST_LINE and not piece.endswith(b"\n"):
            piece = file.readline(LONGEST_LINE + 1)
        yield line.rstrip(b"\r\n")


def read_header(raw: bytes, known: tuple[str, ...]) -> Header:
    """Of the first line. The first of the known columns has to be there, and no stranger. Raises InvalidInput."""
    if raw.startswith(_UTF16) or b"\0" in raw:
        raise InvalidInput("This is no UTF-8 text: save the file as “CSV UTF-8”.")
    try:
        text = raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise InvalidInput("The header row is no UTF-8 text: save the file as “CSV UTF-8”.") from None
    if "\r" in text:
        raise InvalidInput("Lines end with CR alone: save the file with LF or CRLF.")
    delimiter = max(_DELIMITERS, key=text.count)
    columns = tuple(field.strip().lower() for field in next(csv.reader([text], delimiter=delimiter), []))
    if fault := _column_fault(columns, known):
        wanted = f"{known[0]} and any of {', '.join(known[1:])}"
        raise InvalidInput(f"The first line has to be a header row with {wanted}; this one {fault}.")
    return Header(columns, delimiter)


def _column_fault(columns: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    if strangers := [column for column in columns if column not in known]:
        return f"has {strangers[0][:40]!r}, which is no column"
    if known[0] not in columns:
        return f"lacks {known[0]}"
    return "names a column twice" if len(set(columns)) < len(columns) else None


def _text(raw: bytes) -> str:
    try:
        text = raw.decode().translate(_SPACES)
    except UnicodeDecodeError:
        raise LineRefused("encoding", "The line is no UTF-8 text: save the file as “CSV UTF-8”.") from None
    if any(not letter.isprintable() and letter != "\t" for letter in text):
        raise LineRefused("encoding", "The line has a control character: write plain text.")
    return text
