"""From the fields of an entry to a message. Pure.

Promised: a message whose recipient nobody can tell is handed on without a number, so that it is kept apart and seen; it is
never given to a number that was guessed. Never: evaluates anything of what was set or sent.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from onceline.core.inbox.model import Part
from onceline.suppliers.base import Arrival, Unreadable
from onceline.suppliers.mapper.entry import Entry
from onceline.suppliers.mapper.settings import CHARSETS, MapperSettings

MOST_PARTS = 255
LONGEST_DEVICE = 64
_TO_BASE64 = str.maketrans(" -_", "++/")


def is_report(settings: MapperSettings, entry: Entry) -> bool:
    return any(
        _field(settings, entry, name) in ((values,) if isinstance(values, str) else values)
        for name, values in settings.ignore.items()
    )


def arrival(settings: MapperSettings, entry: Entry) -> Arrival:
    """Raises Unreadable."""

    def field(name: str) -> str:
        return (_field(settings, entry, name) or "").strip()

    device = "".join(filter(str.isprintable, field(settings.device)[:LONGEST_DEVICE]))
    part = _part(field(settings.part_reference), field(settings.part_index), field(settings.part_total))
    return Arrival(
        message_id=_message_id(device, field(settings.id), part),
        number=_recipient(settings, field(settings.number), device),
        sender=field(settings.sender),
        text=_text(settings, entry),
        part=part,
        said_at=field(settings.time),
        device=device,
    )


def _field(settings: MapperSettings, entry: Entry, name: str) -> str | None:
    return entry.text(name, CHARSETS[settings.charset]) if name else None


def _recipient(settings: MapperSettings, said: str, device: str) -> str:
    """What the box says counts, if it is a number at all; some write "unknown"."""
    if any(character.isdigit() for character in said):
        return settings.numbers.get(said, said)
    return settings.numbers.get(device, "")


def _message_id(device: str, said: str, part: Part | None) -> str:
    """Boxes count each for themselves, and some give all parts of a message one id."""
    if not said:
        return ""
    return "/".join(filter(None, (device, said, str(part.index) if part else "")))


def _part(reference: str, index: str, total: str) -> Part | None:
    """None for what is whole, and for numbers that make no sense: then each part is a message, and none is lost."""
    if not all(one.isascii() and one.isdigit() and len(one) <= 9 for one in (reference, index, total)):
        return None
    if 1 <= int(index) <= int(total) <= MOST_PARTS and int(total) > 1:
        return Part(int(reference), int(index), int(total))
    return None


def _text(settings: MapperSettings, entry: Entry) -> str:
    named = (_field(settings, entry, settings.charset_field) or "").strip().lower()
    charset = CHARSETS.get(named, CHARSETS[settings.charset])
    written = entry.text(settings.text, charset)
    if written is None:
        raise Unreadable("the field that the setting text names is missing")
    if settings.text_encoding == "plain":
        return written
    try:
        return _decoded(
            _OCTETS[settings.text_encoding](written), _CHARSET_OF.get(settings.text_encoding, charset)
        )
    except ValueError:
        raise Unreadable(f"the text is not written as {settings.text_encoding}") from None


def _decoded(octets: bytes, charset: str) -> str:
    """Halves of a UTF-16 character that a part's end cut off stay halves: they meet when the parts are joined."""
    if charset == "utf-16-be":
        return octets.decode(charset, "surrogatepass").removeprefix("\ufeff")
    return octets.decode(charset, "replace")


def _base64(written: str) -> bytes:
    """Unescaped in a form its plus becomes a space; some leave the padding out."""
    bare = "".join(written.strip().translate(_TO_BASE64).split()).rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


_OCTETS: dict[str, Callable[[str], bytes]] = {
    "hex-utf16": bytes.fromhex,
    "base64-utf8": _base64,
    "hex": bytes.fromhex,
}
_CHARSET_OF = {"hex-utf16": "utf-16-be", "base64-utf8": "utf-8"}
"""`hex` is in the charset that was set."""
