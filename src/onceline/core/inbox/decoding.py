"""Turn the octets of an SMS into text, after its parts were joined. Pure.

Promised: whatever the octets are, text comes back, and nothing in it that could be read is missing; what cannot be read is
U+FFFD. Never: raises, guesses a language.

Codings are names: "gsm7" (3GPP TS 23.038, one septet an octet), "gsm7/<single>" and "gsm7/<single>/<locking>" with the
numbers of national languages (6.2.1.2.4; 0 is none), "ascii", "latin-1", "ucs2", "octets", "cyrillic", "hebrew", "jis",
"shift-jis", "euc-kr".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from gsm0338 import Codec
from gsm0338.charset import (
    BASIC_CHARACTER_SET,
    BASIC_CHARACTER_SET_EXTENSION,
    SINGLE_SHIFT_CHARACTER_SET_SPANISH,
)

_TURKISH, _SPANISH, _PORTUGUESE = 1, 2, 3
_ESCAPE = 0x1B
_BOM = "\ufeff"

_TURKISH_SINGLE = {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}
_PORTUGUESE_SINGLE = {
    0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "Φ", 0x13: "Γ", 0x15: "Ω", 0x16: "Π",
    0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê", 0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x5B: "Ã", 0x5C: "Õ",
    0x61: "Â", 0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â",
}  # fmt: skip
_TURKISH_LOCKING = {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş", 0x40: "İ", 0x60: "ç"}
_PORTUGUESE_LOCKING = {
    0x04: "ê", 0x06: "ú", 0x07: "í", 0x08: "ó", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "ª",
    0x13: "Ç", 0x14: "À", 0x15: "∞", 0x16: "^", 0x17: "\\", 0x18: "€", 0x19: "Ó", 0x1A: "|", 0x1C: "Â", 0x1D: "â",
    0x1E: "Ê", 0x24: "º", 0x40: "Í", 0x5B: "Ã", 0x5C: "Õ", 0x5D: "Ú", 0x5E: "Ü", 0x60: "~", 0x7B: "ã", 0x7C: "õ",
    0x7D: "`", 0x7E: "ü",
}  # fmt: skip
"""Where a national table differs from the default one (TS 23.038, annex A)."""

_Names = dict[int, str]
"""Unicode's names of characters, as gsm0338 takes them."""


def decode(data: bytes, coding: str) -> str:
    """A coding that is not known is read as "octets"."""
    kind, _, language = coding.partition("/")
    if kind == "gsm7":
        return _gsm7(data, language)
    return _READERS.get(kind, _octets)(data)


def _gsm7(data: bytes, language: str) -> str:
    """Some senders put another alphabet where this one is announced; an eighth bit gives them away."""
    if not data.isascii():
        return _octets(data)
    single, _, locking = language.partition("/")
    text: str
    text, _ = _codec(_number(single), _number(locking)).decode(data)
    return text


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


@lru_cache(maxsize=64)
def _codec(single: int, locking: int) -> Codec:
    """A table for each language number; one that we have not is the default (TS 23.038, 6.2.1.2.4).

    An escaped septet without a meaning of its own is shown as the one below it, and two escapes as a space (6.2.1.1).
    """
    below = {**BASIC_CHARACTER_SET, **_LOCKING.get(locking, {})}
    above = {**below, _ESCAPE: "SPACE", **_SINGLE.get(single, BASIC_CHARACTER_SET_EXTENSION)}
    return Codec(below, above)


def _named(characters: Mapping[int, str]) -> _Names:
    return {septet: unicodedata.name(character) for septet, character in characters.items()}


_SINGLE: Mapping[int, _Names] = {
    _TURKISH: {**BASIC_CHARACTER_SET_EXTENSION, **_named(_TURKISH_SINGLE)},
    _SPANISH: {**BASIC_CHARACTER_SET_EXTENSION, **SINGLE_SHIFT_CHARACTER_SET_SPANISH},
    _PORTUGUESE: {**BASIC_CHARACTER_SET_EXTENSION, **_named(_PORTUGUESE_SINGLE)},
}
_LOCKING: Mapping[int, _Names] = {
    _TURKISH: _named(_TURKISH_LOCKING),
    _PORTUGUESE: _named(_PORTUGUESE_LOCKING),
}
"""Spanish has no locking table."""


def _octets(data: bytes) -> str:
    """Nobody says what these are; what is valid UTF-8 is hardly ever anything else."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _ucs2(data: bytes) -> str:
    """UTF-16, big end first unless a mark says otherwise; each part may have brought a mark."""
    little = data.startswith(b"\xff\xfe")
    return data.decode("utf-16-le" if little else "utf-16-be", "replace").replace(_BOM, "")


def _jis(data: bytes) -> str:
    """Announced under one name, sent in three shapes: with escapes, or with an eighth bit as Shift-JIS or EUC."""
    if data.isascii():
        return data.decode("iso2022_jp_ext", "replace")
    try:
        return data.decode("euc_jp")
    except UnicodeDecodeError:
        return data.decode("shift_jis", "replace")


def _by(codec: str) -> Callable[[bytes], str]:
    return lambda data: data.decode(codec, "replace")


_READERS: Mapping[str, Callable[[bytes], str]] = {
    "ascii": _octets,
    "latin-1": _by("latin-1"),
    "ucs2": _ucs2,
    "octets": _octets,
    "cyrillic": _by("iso8859_5"),
    "hebrew": _by("iso8859_8"),
    "jis": _jis,
    "shift-jis": _by("shift_jis"),
    "euc-kr": _by("euc_kr"),
}
