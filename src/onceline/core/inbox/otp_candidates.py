"""Cuts a folded message into strings that could be a code, and says what every other number is.

Promises: dates, times, amounts with decimals, addresses, masked tails, phone numbers and links never become a
candidate; split digits become one. Reads shapes only, never words. Bounded work. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_MAX_ATOMS = 40
_MAX_SPANS = 60
_DIGIT = re.compile("[0-9]")
_ATOM = re.compile(r"[A-Za-z0-9]+")
_LINK = re.compile(
    r"(?:https?://|www\.|[a-z]{3,12}://)[^\s]{1,300}|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,100}", re.I
)
_BARE_LINK = re.compile(r"(?<![\w@.-])[a-z0-9-]{1,40}(?:\.[a-z0-9-]{1,40}){1,4}/[^\s]{1,200}", re.I)
_DOMAIN = re.compile(
    r"(?<![\w@.-])[a-z0-9-]{1,40}\.(?:com|net|org|io|co|ru|de|me|app|in|cn|tv|ai|gov|ua|vn|id|pl|fr|it|es|nl|uk|kr|jp|br|tr)(?![\w])",
    re.I,
)
_DATE = re.compile(
    r"(?<![\w.])(?:(?:19|20)\d\d([-./])(?:1[0-2]|0?[1-9])\1(?:3[01]|[12]\d|0?[1-9])"
    r"|(?:3[01]|[12]\d|0?[1-9])([-./])(?:1[0-2]|0?[1-9])\2(?:(?:19|20)?\d\d|2[45]\d\d|1[34]\d\d)"
    r"|(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])/(?:(?:19|20)?\d\d)"
    r"|1[34]\d\d/(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9]))(?!\d)"
    r"|(?<!\d)\d{4}年(?:\d{1,2}月)?(?:\d{1,2}日)?|(?<!\d)\d{1,2}月\d{1,2}日|(?<!\d)\d{4}년"
)
_TIME = re.compile(
    r"(?<![\d:])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\d:])|(?<![\d.])(?:[01]?\d|2[0-3])\.[0-5]\d(?= ?(?:น\.|wib|uhr|hrs?\b|h\b|น|am\b|pm\b))"
)
_ISO_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?")
_AMOUNT = re.compile(
    r"(?<![\d.,])(?:\d{1,3}(?:[,.' ]\d{3}){1,4}[.,]\d{1,3}|\d{1,3}(?:,\d{2,3}){1,5}|\d{1,3}(?:\.\d{3}){1,4}"
    r"|\d{1,9}[.,]\d{1,2})(?![\d])(?!\.\d)"
)
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])")
_PHONE = re.compile(
    r"\+ ?\(?\d[\d ()./-]{6,20}\d|(?<!\d)(?:00|0?[1-9]?800|0?900|1-?8\d\d|0850|0845|444)[ -]\d[\d ()-]{2,14}\d"
    r"|(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)|(?<!\d)0\d{1,4}[ /-]\d{2,4}(?:[ -]\d{2,4}){1,3}(?!\d)"
    r"|(?<!\d)8[ -]?\(?\d{3}\)?[ -]\d{3}[ -]\d\d[ -]\d\d(?!\d)|(?<!\d)\(0\d{1,4}\) ?\d[\d -]{4,12}\d"
    r"|(?<!\d)\d{2,4}(?:[ -]\d{2,4}){3,5}(?!\d)"
)
_MASK = re.compile(
    r"[*•●…#]{2,12}[- ]?\d{2,5}(?![\d*])|(?<![*])[*•●…] ?\d{4}(?![\d*])|(?<![A-Za-z0-9])x-\d{3,6}(?!\d)|(?<![A-Za-z])[xX]{2,8}[- ]?\d{2,6}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])[xX]\d{2,6}(?![A-Za-z0-9])|(?<!\d)\d{1,6}[*•●]{2,12}[\d*•●]{0,12}|(?<!\d)\d{2,6}[xX]{2,8}\d{0,6}|\.{3}\d{4}(?!\d)"
)
# What a number may be instead of a code, and the signs without which it cannot be that.
_OTHERS = (
    (("://", "www.", "@"), _LINK),
    (("/",), _BARE_LINK),
    ((".",), _DOMAIN),
    ((":",), _ISO_STAMP),
    (("-", ".", "/", "年", "月", "년"), _DATE),
    ((":", "."), _TIME),
    ((".",), _ADDRESS),
    (("+", "-", " ", ".", "/", "("), _PHONE),
    (("*", "x", "X", "•", "●", "…", "##", "..."), _MASK),
    ((",", ".", "'"), _AMOUNT),
)
_SPLITS = frozenset(
    {(3, 3), (2, 2), (2, 2, 2), (4, 4), (2, 2, 2, 2), (3, 3, 3), (3, 4), (4, 3), (3, 2), (2, 3), (3, 5), (5, 5), (5, 3),
     (3, 3, 2), (2, 3, 3), (3, 2, 3), (2, 4), (4, 2), (1, 3, 3), (4, 4, 2), (1, 2, 3)}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible code in folded positions. `kind` is digits, split, mixed, prefixed or letters."""

    start: int
    end: int
    value: str
    kind: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The candidates of a message, and the spans of numbers that are something else."""

    candidates: tuple[Candidate, ...]
    taken: tuple[tuple[int, int], ...]


def cut(plain: str) -> Cut:
    """Candidates in order of appearance."""
    if not _DIGIT.search(plain):
        return Cut((), ())
    taken = _taken(plain)
    atoms = [m.span() for m in _atoms(plain, taken)]
    found: list[Candidate] = []
    at = 0
    while at < len(atoms):
        count, candidate = _read(plain, atoms, at)
        if candidate:
            found.append(candidate)
        at += count
    return Cut(tuple(found), taken)


def _taken(plain: str) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for signs, pattern in _OTHERS:
        if signs and not any(sign in plain for sign in signs):
            continue
        for match in pattern.finditer(plain):
            if not _is_split_code(match) and not _inside(match.start(), match.end(), spans):
                spans.append(match.span())
            if len(spans) > _MAX_SPANS:
                break
    return tuple(spans)


def _is_split_code(match: re.Match[str]) -> bool:
    """Phone and amount shapes that are really split digits: 123-456, 12 34 56 78, 123 456."""
    if match.re is not _PHONE:
        return False
    parts = re.split(r"[ -]", match[0])
    return all(len(part) == 2 for part in parts) and len(parts) <= 4


def _inside(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    return any(left < end and start < right for left, right in spans)


def _atoms(plain: str, taken: tuple[tuple[int, int], ...]) -> Iterator[re.Match[str]]:
    """Runs of ASCII letters and digits that hold a digit and lie in no taken span."""
    count = 0
    spans = list(taken)
    for match in _ATOM.finditer(plain):
        if not any(char.isdigit() for char in match[0][:40]) or _inside(*match.span(), spans):
            continue
        count += 1
        if count > _MAX_ATOMS:
            return
        yield match


def _read(plain: str, atoms: list[tuple[int, int]], at: int) -> tuple[int, Candidate | None]:
    """How many atoms belong together from `at` on, and the candidate they form."""
    start, end = atoms[at]
    text = plain[start:end]
    if not text.isdigit():
        return _mixed(plain, atoms, at)
    chain = _chain(plain, atoms, at)
    if len(chain) > 1:
        used = _split(plain, chain)
        if used:
            first, last = chain[0][0], chain[used - 1][1]
            value = re.sub(r"\D", "", plain[first:last])
            return used, Candidate(first, last, value, "split")
        if _glued(plain, chain):
            return len(chain), None
    prefixed = _prefixed(plain, start, end)
    if prefixed:
        return 1, prefixed
    return 1, Candidate(start, end, text, "digits") if 3 <= len(text) <= 10 else None


def _chain(plain: str, atoms: list[tuple[int, int]], at: int) -> list[tuple[int, int]]:
    chain = [atoms[at]]
    for start, end in atoms[at + 1 : at + 12]:
        between = plain[chain[-1][1] : start]
        if not plain[start:end].isdigit() or between not in {
            " ",
            "-",
            ".",
            ",",
            "/",
            "_",
            "'",
            " - ",
            "·",
            ":",
        }:
            break
        chain.append((start, end))
    return chain


def _split(plain: str, chain: list[tuple[int, int]]) -> int:
    """How many groups of the chain read as one code; 0 for none."""
    seps = {plain[a[1] : b[0]] for a, b in pairwise(chain)}
    sizes = tuple(end - start for start, end in chain)
    if len(seps) == 1 and seps <= {" ", "-", ".", " - ", "·", "_"}:
        if all(size == 1 for size in sizes) and 3 <= len(sizes) <= 10:
            return len(sizes)
        if sizes in _SPLITS and 4 <= sum(sizes) <= 10 and not (seps == {"."} and sizes == (2, 2)):
            return len(sizes)
    if len(seps) > 1 and len(chain) > 2 and sizes[:2] in {(3, 3), (4, 4)}:
        first = plain[chain[0][1] : chain[1][0]]
        if first in {" ", "-"} and plain[chain[1][1] : chain[2][0]] != first:
            return 2
    return 0


def _glued(plain: str, chain: list[tuple[int, int]]) -> bool:
    """Groups joined by signs without a space belong to one number that is no code."""
    joined = all(plain[a[1] : b[0]] in {"-", "/", "_", ".", ",", ":"} for a, b in pairwise(chain))
    return joined and not (
        len(chain) == 2 and plain[chain[0][1]] in {",", "/"} and chain[0][1] - chain[0][0] >= 4
    )


def _prefixed(plain: str, start: int, end: int) -> Candidate | None:
    """Capital letters and a hyphen before the digits, as in FB-12345 or A1-123456."""
    if (
        start < 2
        or plain[start - 1] != "-"
        or not plain[start - 2].isascii()
        or not plain[start - 2].isalnum()
    ):
        return None
    head = start - 1
    while head > 0 and start - head < 9 and plain[head - 1].isascii() and plain[head - 1].isalnum():
        head -= 1
    prefix = plain[head : start - 1]
    if (
        prefix.lower() in _WORDS
        or not 1 <= len(prefix) <= 6
        or not prefix.isupper()
        or not 3 <= end - start <= 8
    ):
        return None
    return Candidate(head, end, plain[head:end], "prefixed")


# What stands before the hyphen without being part of the code.
_WORDS = frozenset(
    (
        "otp",
        "code",
        "pin",
        "sms",
        "tan",
        "mtan",
        "tac",
        "kod",
        "kode",
        "cod",
        "ref",
        "no",
        "nr",
        "id",
        "tel",
        "eotp",
    )
)


def _mixed(plain: str, atoms: list[tuple[int, int]], at: int) -> tuple[int, Candidate | None]:
    start, end = atoms[at]
    text = plain[start:end]
    joined = _hyphened(plain, atoms, at)
    if joined:
        return joined
    glued = _GLUED.fullmatch(text)
    if glued:
        span = 1 if glued[1] else 2
        return 1, Candidate(start + glued.start(span), start + glued.end(span), glued[span], "digits")
    return 1, Candidate(start, end, text, "mixed") if 4 <= len(text) <= 10 else None


# A word that a sender forgot to set apart from the digits.
_GLUED = re.compile(
    r"(?i:(?:your|the)?(?:otp|code|pin|tac|tan|kode?|codigo|codice|passcode|password|parol|token|sms|cod|ma))"
    r"(?i:is|la|es)?([0-9]{4,8})|([0-9]{4,8})(?:is|la|es|est|ist|adalah|otp|code)"
)
_JOINED = re.compile(r"[A-Za-z0-9]{2,6}(?:-[A-Za-z0-9]{2,6}){0,5}")


def _hyphened(plain: str, atoms: list[tuple[int, int]], at: int) -> tuple[int, Candidate | None] | None:
    """AB12-CD34 is one code; longer chains with letters are serial numbers."""
    start, end = atoms[at]
    match = _JOINED.match(plain, start)
    if not match or "-" not in match[0] or match.end() < end:
        return None
    count = sum(1 for left, _ in atoms[at : at + 7] if left < match.end())
    parts = match[0].split("-")
    if len(parts) == 2 and match[0].upper() == match[0] and len(match[0]) <= 11:
        return count, Candidate(start, match.end(), match[0], "mixed")
    return count, None
