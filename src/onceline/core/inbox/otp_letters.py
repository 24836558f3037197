"""Codes that hold no digit at all: "Your code is QWXZPT", "HZXK is your code", "passcode: mifsot".

Promises: only right behind (or right before) a code word, never a word that a sender merely shouts. Pure, bounded.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice, pairwise

from onceline.core.inbox.otp_candidates import Candidate
from onceline.core.inbox.otp_text import Folded
from onceline.core.inbox.otp_words import Word

_CAPITALS = r"([A-Z]{4,10}|[A-Z]{3,5}-[A-Z]{3,5})(?![\w-])"
_LINKED = re.compile(r"[ \n]{0,3}[:=\"'(\[-]{0,2} ?" + _CAPITALS)
_SIGNED = re.compile(r"[ \n]{0,3}[:=\"'(\[-]{1,2}[ \n]?[\"'(\[]?" + _CAPITALS)
_FIRST = re.compile(r"(?:[^:\n]{1,24}:)? *[\"'(\[]?([A-Z]{4,8})[\"')\]]?(?= )")
_SMALL = re.compile(r" ?: ([a-z]{5,8})(?=$|\n| [A-Z])")
_TOKEN = re.compile(r"(?<![\w-])([A-Z]{5,8})(?![\w-])")
_CAPITAL, _LOWER = re.compile("[A-Z]"), re.compile("[a-z]")
_MOST, _MOST_MARKS, _MOST_TOKENS = 8, 24, 12
_BESIDE = frozenset(("strong", "code", "link", "action"))
_SIGNS = " :=-\"'([「*"
_GOES_ON = re.compile(r" [a-z]")
# What stands behind "code:" in messages that hold none.
_NO_CODES = frozenset(
    ("below", "expired", "pending", "invalid", "attached", "inside", "required", "failed", "blocked", "sent",
     "error", "declined", "accepted", "none", "unknown", "null", "here", "verified", "updated", "disabled")
)  # fmt: skip


def letters(body: Folded, words: list[Word]) -> tuple[Candidate, ...]:
    """The first candidates made of letters, those beside code words before those that stand elsewhere."""
    return tuple(islice((candidate for candidate in _found(body, words) if candidate), _MOST))


def _found(body: Folded, words: list[Word]) -> Iterator[Candidate | None]:
    marks = [(at, word.role) for at, word in enumerate(words) if word.role in {"strong", "code"}][
        :_MOST_MARKS
    ]
    yield from (_small(body, words, at) for at, role in marks if role == "strong")
    if not _shouts(body.plain):
        yield from (_capitals(body, words, at) for at, _ in marks)
        yield _opening(body.plain, words)
        yield from _random(body, words)


def _shouts(plain: str) -> bool:
    capitals, small = len(_CAPITAL.findall(plain)), len(_LOWER.findall(plain))
    return capitals > small + 12


def _capitals(body: Folded, words: list[Word], index: int) -> Candidate | None:
    """Capital letters behind the code word, or behind the "is" that follows it."""
    at, pattern = words[index].end, _SIGNED
    following = words[index + 1 : index + 2]
    if following and following[0].role == "link" and not body.low[at : following[0].start].strip():
        at, pattern = following[0].end, _LINKED
    match = pattern.match(body.plain, at)
    if not match or match[1].lower() in _NO_CODES:
        return None
    shouted = _GOES_ON.match(body.plain, match.end(1)) and _readable(match[1])
    return None if shouted else _candidate(match)


def _readable(text: str) -> bool:
    """A word that someone shouts, not random letters."""
    return sum(text.count(vowel) for vowel in "AEIOU") * 5 >= len(text)


def _small(body: Folded, words: list[Word], index: int) -> Candidate | None:
    """Small letters behind a code word and a colon, where the text or the sentence ends."""
    match = _SMALL.match(body.plain, words[index].end)
    if not match or match[1] in _NO_CODES or any(w.start <= match.start(1) < w.end for w in words):
        return None
    return _candidate(match)


def _opening(plain: str, words: list[Word]) -> Candidate | None:
    """ "ABCDEF is your … code": the link stands right behind the letters that open the message."""
    match = _FIRST.match(plain)
    if not match:
        return None
    for link, mark in pairwise(words):
        beside = link.role == "link" and 0 <= link.start - match.end(1) <= 2
        if beside and mark.role in {"strong", "code"} and mark.start - match.end(1) < 45:
            return _candidate(match)
    return None


def _random(body: Folded, words: list[Word]) -> Iterator[Candidate]:
    """Letters that read as no word, with a code word or an "is" right beside them, or alone on their line."""
    starts = [word.start for word in words]
    for match in islice(_TOKEN.finditer(body.plain), _MOST_TOKENS):
        if len(set(match[1])) < 4 or _readable(match[1]):
            continue
        at = bisect_left(starts, match.start())
        left = any(
            w.role in _BESIDE and not body.low[w.end : match.start()].strip(_SIGNS) for w in words[:at][-1:]
        )
        right = any(
            w.role in _BESIDE and not body.low[match.end() : w.start].strip(_SIGNS)
            for w in words[at : at + 1]
        )
        if left or right or _own_line(body.plain, match):
            yield _candidate(match)


def _own_line(plain: str, match: re.Match[str]) -> bool:
    return plain[max(0, match.start() - 1) : match.start()] == "\n" and plain[
        match.end() : match.end() + 1
    ] in {"", "\n"}


def _candidate(match: re.Match[str]) -> Candidate:
    return Candidate(match.start(1), match.end(1), match[1], "letters")
