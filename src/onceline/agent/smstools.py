"""What the event handler of smstools3 finds in the file of a received message. Pure.

Source: fileformat.html and udh.html of Debian's smstools 3.1.21. Headers, an empty line, the body; the headers are single bytes
whatever the body is: ISO-8859-15, UTF-8 (incoming_utf8), or UTF-16 with the big end first (without decode_unicode_text). Only
the first three letters of Alphabet count. Parts stand alone when internal_combine is off, with their header as hex.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from onceline.agent.message import Message, Part, received

RECEIVED = "RECEIVED"
MOST_BYTES = 1 << 20
_ENCODINGS = {
    "iso": "iso8859-15",
    "lat": "iso8859-15",
    "ans": "iso8859-15",
    "gsm": "iso8859-15",
    "utf": "utf-8",
}
_UCS2 = ("ucs", "chi", "uni")
_CONCATENATED, _CONCATENATED_16 = 0x00, 0x08
"""3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8."""
_WIDE_REFERENCE = 0x10000
"""Added to a 16-bit reference, which names another message than the same 8-bit one."""

Headers = dict[str, str]


def read(file: bytes, name: str, numbers: Mapping[str, str]) -> Message | None:
    """None for what is no text: binary messages, and what smsd could not decode. `name` is the file's."""
    head, body = _split(file)
    alphabet = head.get("alphabet", "iso")[:3].lower()
    if alphabet == "bin" or "error" in head:
        return None
    device = head.get("modem") or head.get("subject", "")
    return received(
        device=device,
        to=numbers.get(device, ""),
        sender=head.get("from", ""),
        text=_decoded(body, alphabet),
        said_at=head.get("sent") or head.get("received") or name,
        part=_part(head.get("udh-data", "")),
    )


def _split(file: bytes) -> tuple[Headers, bytes]:
    """The first empty line divides; only the headers may have CR LF, a body's bytes are its own."""
    found = re.search(rb"\r?\n\r?\n", file)
    head, body = (file[: found.start()], file[found.end() :]) if found else (file, b"")
    lines = (line.partition(":") for line in head.decode("iso8859-15").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}, body


def _decoded(body: bytes, alphabet: str) -> str:
    if alphabet in _UCS2:
        return body[: len(body) // 2 * 2].decode("utf-16-be", "surrogatepass")
    return body.decode(_ENCODINGS.get(alphabet, "utf-8"), "replace")


def _part(words: str) -> Part | None:
    """From `05 00 03 5F 02 01`: length, then elements of type, length and value."""
    try:
        data = bytes.fromhex(words)
    except ValueError:
        return None
    at = 1
    while at + 2 <= len(data):
        kind, value = data[at], data[at + 2 : at + 2 + data[at + 1]]
        if found := _concatenation(kind, value):
            return found
        at += 2 + len(value)
    return None


def _concatenation(kind: int, value: bytes) -> Part | None:
    if kind == _CONCATENATED and len(value) == 3:
        part = Part(value[0], value[2], value[1])
    elif kind == _CONCATENATED_16 and len(value) == 4:
        part = Part(_WIDE_REFERENCE + int.from_bytes(value[:2], "big"), value[3], value[2])
    else:
        return None
    return part if 1 <= part.index <= part.total and part.total > 1 else None
