"""Cuts a folded message into strings that could be a code, and says what every other number is.

Promises: dates, times, amounts with decimals, addresses, masked tails, phone numbers and links never become a
candidate; split digits become one. Reads shapes only, never words. Bounded work. Pure.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

_MOST_NUMBERS = 32
_MOST_SPANS = 60
_LEAD, _TRAIL = 14, 12
_FAR = 1 << 20
_NUMBER = re.compile(r"[0-9]+")
_ATOM = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]*[0-9][A-Za-z0-9]*")
_LINK = re.compile(
    r"(?:https?://|www\.|(?<![a-z])[a-z]{3,12}://)[!-~]{1,300}"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,100}",
    re.I,
)


def _starting(first: str, alternatives: str) -> re.Pattern[str]:
    """The alternatives, tried only where one can begin: most of a message has no such character."""
    return re.compile(rf"(?={first})(?:{alternatives})")


_BARE_LINK = re.compile(r"(?<![\w@.-])[a-z0-9-]{1,40}(?:\.[a-z0-9-]{1,40}){1,4}/[^\s]{1,200}", re.I)
_DOMAIN = re.compile(
    r"(?<![\w@.-])[a-z0-9-]{1,40}\.(?:com|net|org|io|co|ru|de|me|app|in|cn|tv|ai|gov|ua|vn|id|pl|fr|it|es|nl|uk|kr|jp|br|tr)(?![\w])",
    re.I,
)
_DATE = _starting(
    "[0-9]",
    r"(?<![\w.])(?:(?:19|20)\d\d([-./])(?:1[0-2]|0?[1-9])\1(?:3[01]|[12]\d|0?[1-9])"
    r"|(?:3[01]|[12]\d|0?[1-9])([-./])(?:1[0-2]|0?[1-9])\2(?:(?:19|20)?\d\d|2[45]\d\d|1[34]\d\d)"
    r"|(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])/(?:(?:19|20)?\d\d)"
    r"|1[34]\d\d/(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9]))(?!\d)"
    r"|(?<!\d)\d{4}年(?:\d{1,2}月)?(?:\d{1,2}日)?|(?<!\d)\d{1,2}月\d{1,2}日|(?<!\d)\d{4}년",
)
_TIME = _starting(
    "[0-9]",
    r"(?<![\d:])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\d:])|(?<![\d.])(?:[01]?\d|2[0-3])\.[0-5]\d(?= ?(?:น\.|wib|uhr|hrs?\b|h\b|น|am\b|pm\b))",
)
_ISO_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?")
_AMOUNT = _starting(
    "[0-9]",
    r"(?<![\d.,])(?:\d{1,3}(?:[,.' ]\d{3}){1,4}[.,]\d{1,3}|\d{1,3}(?:,\d{2,3}){1,5}|\d{1,3}(?:\.\d{3}){1,4}"
    r"|\d{1,9}[.,]\d{1,2})(?![\d])(?!\.\d)(?! ?[分분])",
)
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])")
_PHONE = _starting(
    "[+(0-9]",
    r"\+ ?\(?\d[\d ()./-]{6,20}\d|(?<!\d)(?:00|0?[1-9]?800|0?900|1-?8\d\d|0850|0845|444)[ -]\d[\d ()-]{2,14}\d"
    r"|(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)|(?<!\d)0\d{1,4}[ /-]\d{2,4}(?:[ -]\d{2,4}){1,3}(?!\d)"
    r"|(?<!\d)8[ -]?\(?\d{3}\)?[ -]\d{3}[ -]\d\d[ -]\d\d(?!\d)|(?<!\d)\(0\d{1,4}\) ?\d[\d -]{4,12}\d"
    r"|(?<!\d)\d{2,4}(?:[ -]\d{2,4}){3,5}(?!\d)",
)
_MASK = _starting(
    "[*•●…#xX.0-9]",
    r"[*•●…#]{2,12}[- ]?\d{2,5}(?![\d*])|(?<![*])[*•●…] ?\d{4}(?![\d*])|(?<![A-Za-z0-9])x-\d{3,6}(?!\d)|(?<![A-Za-z])[xX]{2,8}[- ]?\d{2,6}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])[xX]\d{2,6}(?![A-Za-z0-9])|(?<!\d)\d{1,6}[*•●]{2,12}[\d*•●]{0,12}|(?<!\d)\d{2,6}[xX]{2,8}\d{0,6}|\.{3}\d{4}(?!\d)",
)
# What a number may be instead of a code, and the signs without which it cannot be that: looked for in the whole text …
_ADDRESSES = (
    (("://", "www.", "@"), _LINK),
    (("/",), _BARE_LINK),
    ((".",), _DOMAIN),
)
# … and around its digits only.
_OTHERS = (
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

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end


def cut(plain: str, anchors: Sequence[int]) -> tuple[Candidate, ...]:
    """Candidates in order of appearance; of very many numbers only those nearest to the anchors are read."""
    numbers = nearest([match.span() for match in _NUMBER.finditer(plain)], anchors, _MOST_NUMBERS)
    if not numbers:
        return ()
    areas = _areas(numbers, len(plain))
    taken = _taken(plain, areas)
    read = bytearray(len(plain))
    for start, end in numbers:
        read[start:end] = b"\1" * (end - start)
    atoms = [m.span() for left, right in areas for m in _ATOM.finditer(plain, left, right)]
    atoms = [(start, end) for start, end in atoms if 1 in read[start:end] and 1 not in taken[start:end]]
    found: list[Candidate] = []
    at = 0
    while at < len(atoms):
        count, candidate = _read(plain, atoms, at)
        if candidate:
            found.append(candidate)
        at += count
    return tuple(found)


def nearest(spans: list[tuple[int, int]], anchors: Sequence[int], most: int) -> list[tuple[int, int]]:
    """At most so many spans, in their order: those with the smallest gap to a position in `anchors` (ascending)."""
    if len(spans) <= most:
        return spans
    return sorted(sorted(spans, key=lambda span: _gap(span, anchors))[:most])


def _gap(span: tuple[int, int], anchors: Sequence[int]) -> int:
    at = bisect_left(anchors, span[0])
    left = span[0] - anchors[at - 1] if at else _FAR
    return min(left, anchors[at] - span[0] if at < len(anchors) else _FAR)


def _areas(numbers: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Stretches of text around the numbers, none overlapping."""
    areas: list[tuple[int, int]] = []
    for start, end in numbers:
        left, right = max(0, start - _LEAD), min(length, end + _TRAIL)
        if areas and left <= areas[-1][1]:
            areas[-1] = (areas[-1][0], right)
        else:
            areas.append((left, right))
    return areas


def _taken(plain: str, areas: list[tuple[int, int]]) -> bytearray:
    """Which characters belong to a number that is something else."""
    taken = bytearray(len(plain))
    whole = [(0, len(plain))]
    for kinds, places in ((_ADDRESSES, whole), (_OTHERS, areas)):
        for signs, pattern in kinds:
            if any(sign in plain for sign in signs):
                matches = (match for place in places for match in pattern.finditer(plain, *place))
                _take(taken, islice(matches, _MOST_SPANS))
    return taken


def _take(taken: bytearray, matches: Iterator[re.Match[str]]) -> None:
    for match in matches:
        start, end = match.span()
        if not _is_split_code(match) and 1 not in taken[start:end]:
            taken[start:end] = b"\1" * (end - start)


def _is_split_code(match: re.Match[str]) -> bool:
    """Phone and amount shapes that are really split digits: 123-456, 12 34 56 78, 123 456."""
    if match.re is not _PHONE:
        return False
    parts = re.split(r"[ -]", match[0])
    return all(len(part) == 2 for part in parts) and len(parts) <= 4


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
    glued = _GLUED.fullmatch(text) if len(text) <= _LONGEST_GLUED else None
    if glued:
        span = glued.lastindex or 1
        return 1, Candidate(start + glued.start(span), start + glued.end(span), glued[span], "digits")
    return 1, Candidate(start, end, text, "mixed") if 4 <= len(text) <= 10 else None


# A word that a sender forgot to set apart from the digits.
_GLUED = re.compile(
    r"(?i:(?:your|the)?(?:otp|code|pin|tac|tan|kode?|codigo|codice|passcode|password|parol|token|sms|cod|ma))"
    r"(?i:is|la|es)?([0-9]{4,8})|([0-9]{4,8})(?:is|la|es|est|ist|adalah|otp|code|[A-Z][a-z]{2,12})"
)
_LONGEST_GLUED = 24
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
