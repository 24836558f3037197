"""What gammu's rows say, in our words. Pure.

Gammu writes a split SMS as several rows: the first row's TextDecoded holds the whole text, the others' none, so parts are
read from the hex of `Text`, which is each row's own UTF-16, halves of a character included. Our database joins them.
"""

from __future__ import annotations

from collections.abc import Mapping

from onceline.core.db import Row
from onceline.core.inbox.model import Encoded, Part
from onceline.suppliers.base import Arrival, Heartbeat

SILENT_AFTER_S = 180
"""Gammu renews TimeOut to ten seconds ahead, but only once a minute (StatusFrequency), so it is past most of the time."""
_WIDE_REFERENCE = 0x10000
_LONGEST_DEVICE = 64
_NOT_REGISTERED = ("", "ERROR")


def arrival(row: Row, number: str) -> Arrival:
    """`number` is "" for a phone that nobody told us of.

    Gammu counts anew when its database is made anew, so the network's time stamp is part of the name: the same row is
    always the same message, also when the database comes back from a backup.
    """
    part = part_of(row.udh)
    phone = row.phone[:_LONGEST_DEVICE]
    return Arrival(
        message_id=f"{phone}/{row.id}/{row.said_at}",
        number=number,
        sender=row.sender,
        text=_text(row, part),
        part=part,
        said_at=row.said_at,
        device=phone,
        waited_s=max(row.age_s, 0.0),
    )


def heartbeat(row: Row) -> Heartbeat:
    facts = {
        "signal": row.signal,
        "net_code": row.net_code or "",
        "net_name": row.net_name or "",
        "battery": row.battery,
        "received": row.received,
        "timeout": row.timeout.isoformat(),
    }
    return Heartbeat(row.phone[:_LONGEST_DEVICE], facts, _warning(row))


def missing(phone: str) -> Heartbeat:
    """A phone that should be there, and of which gammu's database knows nothing."""
    return Heartbeat(phone[:_LONGEST_DEVICE], {}, "silent")


def part_of(udh: str) -> Part | None:
    """Of the first concatenation element of a user data header in hex (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8).

    None for a header without one, and for one that cannot be: the SMS is then whole by itself.
    """
    elements = _elements(_octets(udh))
    if len(narrow := elements.get(0x00, b"")) == 3:
        reference, total, index = narrow
    elif len(wide := elements.get(0x08, b"")) == 4:
        reference, total, index = _WIDE_REFERENCE + wide[0] * 256 + wide[1], wide[2], wide[3]
    else:
        return None
    return Part(reference, index, total) if 1 <= index <= total and total > 1 else None


def _elements(header: bytes) -> Mapping[int, bytes]:
    """By identifier; of two equal ones the last counts. A header that lies about its length is read as far as it goes."""
    found: dict[int, bytes] = {}
    rest = header[1 : 1 + header[0]] if header else b""
    while len(rest) >= 2:
        found[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return found


def _text(row: Row, part: Part | None) -> str | Encoded:
    data = _octets(row.hex)
    if not data:
        return "" if part else str(row.text)
    if row.coding == "8bit":
        return Encoded(data, "octets")
    return Encoded(data, "ucs2") if part else data.decode("utf-16-be", "replace")


def _octets(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def _warning(row: Row) -> str:
    if row.silent_s > SILENT_AFTER_S:
        return "silent"
    return "not-registered" if (row.net_code or "") in _NOT_REGISTERED else ""
