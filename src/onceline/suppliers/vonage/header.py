"""Which part of a split message a binary SMS is, by its user data header (3GPP TS 23.040, 9.2.3.24). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from onceline.core.inbox.model import Part

_SHORT, _LONG = 0x00, 0x08
_LONG_REFERENCE = 0x10000


def part_of(header: bytes) -> Part | None:
    """`header` begins with its length; one that is cut short, or numbers a part beyond the whole, names no part."""
    for kind, data in _elements(header):
        if (kind, len(data)) in ((_SHORT, 3), (_LONG, 4)):
            *reference, total, index = data
            number = int.from_bytes(bytes(reference), "big") + (_LONG_REFERENCE if kind == _LONG else 0)
            return Part(number, index, total) if 0 < index <= total > 1 else None
    return None


def _elements(header: bytes) -> Iterator[tuple[int, bytes]]:
    place, end = 1, 1 + header[0] if header else 0
    while place + 2 <= end <= len(header):
        length = header[place + 1]
        data = header[place + 2 : min(place + 2 + length, end)]
        yield header[place], data
        place += 2 + length
