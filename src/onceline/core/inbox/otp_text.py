"""Folds the text of a message into a shape that rules can read.

Promises: one character in gives one character out or none, so that every position leads back to the original; native
digits become ASCII, accents and vowel points fall away, bidi and zero-width marks vanish. Never changes the meaning
of a Latin letter or digit. Pure.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_SPECIAL = {
    "ı": "i", "İ": "I", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "s", "ħ": "h",
    "ي": "ي", "ى": "ي", "ی": "ي", "ې": "ي", "ک": "ك", "ە": "ه", "ہ": "ه", "ھ": "ه", "ة": "ه", "ۀ": "ه",
    "ؤ": "و", "ئ": "ي", "ٱ": "ا", "ґ": "г", "ς": "σ", "‘": "'", "’": "'", "ʼ": "'", "ʻ": "'", "`": "'", "´": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "﹕": ":", "‐": "-", "‑": "-", "‒": "-", "–": "-",
    "—": "-", "―": "-", "−": "-", "﹣": "-", "ー": "ー", "。": "。", "、": "、", "\r": "\n", "\u2028": "\n",
    "\u2029": "\n", "\x0b": "\n", "\x0c": "\n", "\t": " ", "៖": ":", "：": ":", "՝": ":", "＃": "#", "，": "、",
}  # fmt: skip
_DECOMPOSED = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "DEVANAGARI", "BENGALI", "GURMUKHI", "ORIYA")


@dataclass(frozen=True, slots=True)
class Folded:
    """`plain` keeps the case, `low` is lower case; both have the same length. `index` maps to the original."""

    plain: str
    low: str
    index: tuple[int, ...] | None

    def original(self, at: int) -> int:
        """The position in the original text of folded position `at`."""
        return at if self.index is None else self.index[at]


def fold(text: str) -> Folded:
    """Folded text; characters that carry no meaning are left out."""
    plain = text.translate(_PLAIN)
    low = plain if plain.islower() else plain.translate(_LOWER)
    return Folded(plain, low, None if len(plain) == len(text) else _index(text))


def fold_word(word: str) -> str:
    """A keyword folded the way messages are."""
    return fold(unicodedata.normalize("NFC", word)).low


def _index(text: str) -> tuple[int, ...]:
    return tuple(at for at, char in enumerate(text) if _PLAIN[ord(char)] != "")


@lru_cache(maxsize=8192)
def _fold_char(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if ord(char) < 0x80:
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category in {"Cf", "Cs", "Co", "Cn"} or _is_point(char):
        return ""
    if category == "Zs":
        return " "
    return _base(char)


def _is_point(char: str) -> bool:
    """Marks that readers may leave out: accents, Arabic and Hebrew points, Indic nukta, variation selectors."""
    code = ord(char)
    return (
        0x300 <= code <= 0x36F
        or 0x591 <= code <= 0x5BD
        or 0x610 <= code <= 0x61A
        or 0x64B <= code <= 0x65F
        or code in (0x640, 0x670, 0x93C, 0x9BC, 0xA3C, 0xABC, 0xB3C, 0x20E3, 0x5BF, 0x5C1, 0x5C2, 0x5C7)
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
    )


def _base(char: str) -> str:
    compatible = unicodedata.normalize("NFKC", char)
    if len(compatible) == 1 and compatible != char:
        return _fold_char(compatible)
    if unicodedata.name(char, "").startswith(_DECOMPOSED):
        base = unicodedata.normalize("NFD", char)[0]
        return base if base == char else _fold_char(base)
    return char


class _Table(dict[int, str]):
    """A translation table that fills itself; bounded by the number of code points."""

    def __init__(self, lower: bool) -> None:
        super().__init__()
        self._lower = lower

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = char.lower() if self._lower else _fold_char(char)
        self[code] = folded if len(folded) <= 1 else char
        return self[code]


_PLAIN = _Table(lower=False)
_LOWER = _Table(lower=True)
