"""Folds the text of a message into a shape that rules can read.

Promises: one character in gives one character out or none, so that every position leads back to the original; native
digits become ASCII, accents and vowel points fall away, bidi and zero-width marks vanish. Never changes the meaning
of a Latin letter or digit. Pure.
"""

import re
import unicodedata
from dataclasses import dataclass

_SPECIAL = {
    "ı": "i", "İ": "I", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "s", "ħ": "h",
    "ي": "ي", "ى": "ي", "ی": "ي", "ې": "ي", "ک": "ك", "ە": "ه", "ہ": "ه", "ھ": "ه", "ة": "ه", "ۀ": "ه",
    "ؤ": "و", "ئ": "ي", "ٱ": "ا", "ґ": "г", "ς": "σ", "‘": "'", "’": "'", "ʼ": "'", "ʻ": "'", "`": "'", "´": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "﹕": ":", "‐": "-", "‑": "-", "‒": "-", "–": "-",
    "—": "-", "―": "-", "−": "-", "﹣": "-", "ー": "ー", "。": "。", "、": "、", "\r": "\n", "\u2028": "\n",
    "\u2029": "\n", "\x0b": "\n", "\x0c": "\n", "\t": " ", "៖": ":", "：": ":", "՝": ":", "＃": "#", "，": "、",
}  # fmt: skip
_SPECIAL |= {
    chr(code): "" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\v\f\r\x85"
}
_SPECIAL |= {"\x85": "\n", "\u2800": " ", "\u3164": " "}
_DECOMPOSED = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "DEVANAGARI", "BENGALI", "GURMUKHI", "ORIYA")
_PIECE = re.compile(r"\S{1,80}\s*|\s+")


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
    plain = text.translate(_TABLE)
    low = plain.lower().replace("ς", "σ")
    return Folded(plain, low, None if len(plain) == len(text) else _index(text))


def fold_word(word: str) -> str:
    """A keyword folded the way messages are."""
    return fold(compose(word)).low


def compose(text: str) -> str:
    """NFC word by word, because normalisation takes the square of the length of a run of marks."""
    return (
        text
        if text.isascii()
        else "".join(unicodedata.normalize("NFC", piece) for piece in _PIECE.findall(text))
    )


def _index(text: str) -> tuple[int, ...]:
    return tuple(at for at, char in enumerate(text) if _TABLE[ord(char)] != "")


def _fold_char(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if char < "\x80" or "\u3400" <= char <= "\u9fff" or "가" <= char <= "힣":
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category in {"Cf", "Cs", "Co", "Cn"} or _is_point(char):
        return ""
    if category == "Zs":
        return " "
    return _base(char) if unicodedata.decomposition(char) else char


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
    """A translation table that fills itself; it keeps no more than the first two planes of Unicode."""

    def __missing__(self, code: int) -> str:
        if code >= _KEPT:
            return "" if code >= _TAGS else chr(code)
        char = chr(code)
        folded = _fold_char(char)
        self[code] = folded if len(folded) <= 1 else char
        return self[code]


_KEPT = 0x20000
_TAGS = 0xE0000
_TABLE = _Table()


def warm() -> None:
    """Learns the characters of living scripts, so that no message pays for being the first of its kind."""
    for first, end in _LIVING:
        for code in range(first, end):
            _TABLE[code]


_LIVING = ((0x20, 0x3400), (0xA000, 0xAC00), (0xF900, 0x10000), (0x1D400, 0x1D800), (0x1F000, 0x1FB00))
