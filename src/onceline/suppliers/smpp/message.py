"""What a delivery is: a message, a part of one, or neither; its alphabet; whose number it came to. Pure.

Promised: what is not understood (a header that ends early, an unknown element, coding or kind of number) never costs a
message: it is shown as well as can be. Never: decodes, joins, compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers

from onceline.core.inbox.decoding import decode
from onceline.core.inbox.model import Encoded, Part
from onceline.suppliers.base import Arrival
from onceline.suppliers.smpp.pdu import Delivery

_HAS_HEADER = 0x40
_REPORTS = {0x04, 0x08, 0x10, 0x18, 0x20}
"""Message types in esm_class, bits 5 to 2 (SMPP 3.4, 5.2.12): receipts, acknowledgements, notices; not messages."""
_TYPE = 0x3C
_SILENT_PROTOCOLS = {0x40, 0x7F}
"""TS 23.040, 9.2.3.9: type 0, which a phone drops unseen, and data for the SIM card, which it hands on unseen."""

_CONCATENATED_8, _CONCATENATED_16, _SINGLE_SHIFT, _LOCKING_SHIFT = 0x00, 0x08, 0x24, 0x25
_REFERENCE_16 = 0x10000
_REFERENCE_SAR = 0x20000

_INTERNATIONAL, _NATIONAL = 1, 2

_CODINGS = {
    0x01: "ascii", 0x02: "octets", 0x03: "latin-1", 0x04: "octets", 0x05: "jis", 0x06: "cyrillic", 0x07: "hebrew",
    0x08: "ucs2", 0x09: "shift-jis", 0x0A: "jis", 0x0D: "jis", 0x0E: "euc-kr", 0x0B: "octets", 0x0C: "octets",
    0x0F: "octets",
}  # fmt: skip
"""data_coding (SMPP 3.4, 5.2.19) below 0x10, but for 0, the other side's own alphabet."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one other side writes: its own alphabet, as a name of `decoding`, and the calling code of national numbers."""

    alphabet: str = "gsm7"
    calling_code: str = ""


@dataclass(frozen=True, slots=True)
class _Header:
    part: Part | None = None
    single: int = 0
    locking: int = 0


def is_report(delivery: Delivery) -> bool:
    """A receipt or a notice about a message of ours, or what no phone would show."""
    return delivery.esm_class & _TYPE in _REPORTS or delivery.protocol_id in _SILENT_PROTOCOLS


def content(delivery: Delivery) -> bytes:
    """What two deliveries of one message have in common, and of two messages only equal ones."""
    sar = delivery.sar
    fields = (
        delivery.source,
        delivery.destination,
        bytes((delivery.data_coding, delivery.esm_class & _HAS_HEADER)),
        f"{sar.reference} {sar.total} {sar.index}".encode() if sar else b"",
        delivery.body,
    )
    return b"".join(len(field).to_bytes(4) + field for field in fields)


def arrival(delivery: Delivery, reading: Reading, *, message_id: str, device: str) -> Arrival:
    header, data = _without_header(delivery)
    return Arrival(
        message_id=message_id,
        number=_number(delivery, reading),
        sender=decode(delivery.source, "octets"),
        text=Encoded(data, _coding(delivery.data_coding, reading.alphabet, header)),
        part=header.part or _sar_part(delivery),
        device=device,
    )


# Header of the text ----------------------------------------------------------------------------------------------------


def _without_header(delivery: Delivery) -> tuple[_Header, bytes]:
    """The user data header (TS 23.040, 9.2.3.24) read and cut off; one that is longer than the text is text."""
    body = delivery.body
    if not delivery.esm_class & _HAS_HEADER or not body or body[0] >= len(body):
        return _Header(), body
    part, shifts = None, {_SINGLE_SHIFT: 0, _LOCKING_SHIFT: 0}
    for element, value in _elements(body[1 : 1 + body[0]]):
        if element == _CONCATENATED_8 and len(value) == 3:
            part = _part(value[0], value[1], value[2])
        elif element == _CONCATENATED_16 and len(value) == 4:
            part = _part(_REFERENCE_16 + int.from_bytes(value[:2]), value[2], value[3])
        elif element in shifts and len(value) == 1:
            shifts[element] = value[0]
    return _Header(part, shifts[_SINGLE_SHIFT], shifts[_LOCKING_SHIFT]), body[1 + body[0] :]


def _elements(header: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(header):
        length = header[at + 1]
        yield header[at], header[at + 2 : at + 2 + length]
        at += 2 + length


def _sar_part(delivery: Delivery) -> Part | None:
    sar = delivery.sar
    return _part(_REFERENCE_SAR + sar.reference, sar.total, sar.index) if sar else None


def _part(reference: int, total: int, index: int) -> Part | None:
    """A part alone, or one beyond the count, is shown as it is (TS 23.040, 9.2.3.24.1)."""
    return Part(reference, index, total) if 1 <= index <= total and total > 1 else None


# Alphabet --------------------------------------------------------------------------------------------------------------


def _coding(data_coding: int, alphabet: str, header: _Header) -> str:
    named = _CODINGS.get(data_coding)
    coding = named or _group_coding(data_coding) or alphabet
    if coding != "gsm7" or not (header.single or header.locking):
        return coding
    return f"gsm7/{header.single}/{header.locking}"


def _group_coding(data_coding: int) -> str | None:
    """Data coding groups of GSM (TS 23.038, 4); None is the other side's own alphabet, which it writes there too."""
    group = data_coding >> 4
    if (
        group < 0x8
    ):  # general, with or without automatic deletion: bits 3 and 2; compressed (bit 5) nobody can read
        return "octets" if data_coding & 0x20 else (None, "octets", "ucs2", None)[data_coding >> 2 & 3]
    if group == 0xE:  # a message waits, with UCS2
        return "ucs2"
    return "octets" if group == 0xF and data_coding & 0x04 else None


# Number ----------------------------------------------------------------------------------------------------------------


def _number(delivery: Delivery, reading: Reading) -> str:
    """E.164 where it can be told; else as it came."""
    text = delivery.destination.decode("latin-1").strip()
    if text.startswith("+"):
        return text
    if delivery.destination_ton == _INTERNATIONAL:
        return f"+{text.removeprefix('00')}"
    if text.startswith("00"):
        return f"+{text[2:]}"
    national = delivery.destination_ton == _NATIONAL or text.startswith("0")
    if national and reading.calling_code:
        return _from_national(text, reading.calling_code)
    return f"+{text}"


def _from_national(text: str, calling_code: str) -> str:
    """Without the digit that its country dials in front, where that country has one."""
    region = phonenumbers.region_code_for_country_code(int(calling_code))
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return f"+{calling_code}{text}"
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
