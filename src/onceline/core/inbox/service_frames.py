"""Where a message names a service, and whether it says that the code is that service's.

Promises: pure, at most 300 words looked at, a handful of neighbours for each name found. An everyday word counts as a
name only where it is written like one. Never a regular expression per service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from onceline.core.inbox.service_book import MAX_NAME_TOKENS, Hints, Name, ServiceBook, fold

MAX_TOKENS = 300
MAX_STEPS = 9
MAX_RUN = 80
MAX_MENTIONS = 12
MAX_SOLITARY = 160
BESIDE = 12
MAX_INITIALS = 12

# Letters with the vowel signs that belong to them: without the signs, Thai and Indic words fall apart.
_MARKS = "\u0300-\u036f\u064b-\u0655\u0670\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
_TOKEN = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_STOP = re.compile(r"[!?。！？\n]|\.\s")
_HEAD = re.compile(r"\s*(?:[:|»>]|-\s|–|—)")
_GLUE = re.compile(r"[ .'’&+*@/\-()\u200c\u200d]{0,3}")


class Token(NamedTuple):
    word: str
    start: int
    end: int


class Mention(NamedTuple):
    """A service's name in the text: the tokens `first` to `last`, where it ends, whether it is written as a name."""

    name: Name
    first: int
    last: int
    end: int
    proper: bool


class Claim(NamedTuple):
    slug: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Words:
    """A message cut into words."""

    text: str
    tokens: tuple[Token, ...]
    hints: Hints
    has_code: bool
    shouted: bool

    @classmethod
    def of(cls, text: str, hints: Hints) -> Words:
        found = islice(_TOKEN.finditer(text), MAX_TOKENS)
        tokens = tuple(Token(match[0].casefold(), match.start(), match.end()) for match in found)
        spoken = any(token.word in hints.code_words for token in tokens)
        has_code = spoken or any(phrase in text for phrase in hints.code_phrases)
        shouted = text.isupper() and sum(char.isupper() for char in text) > MAX_INITIALS
        return cls(text, tokens, hints, has_code, shouted)

    @property
    def brings_code(self) -> bool:
        return self.has_code or any(_digits(token.word) for token in self.tokens)

    def mentions(self, book: ServiceBook) -> list[Mention]:
        """Every service named, longest names first at each place, no two overlapping."""
        found: list[Mention] = []
        index = 0
        while index < len(self.tokens) and len(found) < MAX_MENTIONS:
            here = self._mentioned(index, book)
            found.extend(here)
            index = max((mention.last for mention in here), default=index) + 1
        return found

    def stops(self, left: int, right: int) -> bool:
        """Does a sentence end between two neighbouring tokens?"""
        return _STOP.search(self.text, self.tokens[left].end, self.tokens[right].start) is not None

    def _mentioned(self, index: int, book: ServiceBook) -> list[Mention]:
        token = self.tokens[index]
        if _UNSPACED.search(token.word):
            return list(self._inside(index, book))
        if token.word not in book.first_words:
            return []
        for last in range(min(index + MAX_NAME_TOKENS, len(self.tokens)) - 1, index - 1, -1):
            name = book.name(fold("".join(part.word for part in self.tokens[index : last + 1])))
            if name and self._glued(index, last):
                start, end = self.tokens[index].start, self.tokens[last].end
                return [Mention(name, index, last, end, self._proper(name, start, end))]
        return []

    def _inside(self, index: int, book: ServiceBook) -> Iterator[Mention]:
        """Names within a run of a script that sets no spaces."""
        token = self.tokens[index]
        run, place = token.word[:MAX_RUN], 0
        while place < len(run):
            sizes = range(min(12, len(run) - place), 1, -1)
            size = next((size for size in sizes if book.name(run[place : place + size])), 1)
            name = book.name(run[place : place + size])
            if name:
                start, end = token.start + place, token.start + place + size
                yield Mention(name, index, index, end, self._proper(name, start, end))
            place += size

    def _glued(self, first: int, last: int) -> bool:
        pairs = zip(self.tokens[first:last], self.tokens[first + 1 : last + 1], strict=True)
        return all(_GLUE.fullmatch(self.text, left.end, right.start) for left, right in pairs)

    def _proper(self, name: Name, start: int, end: int) -> bool:
        written = self.text[start:end]
        if self.shouted and written.isascii():
            return False
        if name.short:
            return name.surface.startswith(written)
        return written == name.surface or written[:1].isupper()


def said(words: Words, mentions: list[Mention]) -> list[Claim]:
    """The services whose code the message says it brings, surest first."""
    claims = [claim for mention in mentions if (claim := _claim(words, mention)) is not None]
    return sorted(claims, key=lambda claim: -claim.confidence)


def named(words: Words, mentions: list[Mention], book: ServiceBook) -> Iterator[Claim]:
    """The services a message only names: sure of a bank in a money message, or of the one name in a foreign one."""
    plain = [
        one.name.slug for one in mentions if not one.name.ordinary and (one.proper or not one.name.short)
    ]
    money = any(token.word in words.hints.money_words for token in words.tokens)
    alone = len({one.name.slug for one in mentions}) == 1 and _foreign(words)
    for slug in dict.fromkeys(plain):
        bank = money and book.category(slug) == "bank"
        yield Claim(slug, 0.8 if bank or alone else 0.5)


def _foreign(words: Words) -> bool:
    """A short text about a code whose grammar the frames do not know."""
    if len(words.text) > MAX_SOLITARY or not words.has_code:
        return False
    english = any(token.word in words.hints.english for token in words.tokens)
    return not english or any(phrase in words.text for phrase in words.hints.code_phrases)


def _claim(words: Words, mention: Mention) -> Claim | None:
    if _rejected(words, mention):
        return None
    sure = max(frame(words, mention) for frame in _FRAMES)
    return Claim(mention.name.slug, sure) if sure else None


def _rejected(words: Words, mention: Mention) -> bool:
    following = mention.last + 1
    return (
        following < len(words.tokens)
        and words.tokens[following].word in words.hints.rejects
        and not words.stops(mention.last, following)
    )


def _before(words: Words, mention: Mention) -> float:
    """ "Your X verification code": the name, then the code word, with nothing but qualifiers between."""
    index = mention.last + 1
    while index < len(words.tokens) and index <= mention.last + MAX_STEPS:
        if words.stops(index - 1, index):
            return 0.0
        if words.tokens[index].word in words.hints.code_words:
            return _opened(words, mention)
        if words.tokens[index].word not in words.hints.qualifiers:
            return 0.0
        index += 1
    return 0.0


def _beside(words: Words, mention: Mention) -> float:
    """The same in scripts without spaces: the code phrase stands right after the name."""
    if mention.name.weak and not mention.proper:
        return 0.0
    near = _STOP.split(words.text[mention.end : mention.end + BESIDE], maxsplit=1)[0]
    return 0.85 if any(phrase in near for phrase in words.hints.code_phrases) else 0.0


def _opened(words: Words, mention: Mention) -> float:
    """How sure "X code" is: most after "your", less at the start of a sentence, least in the midst of one."""
    first, weak = mention.first, mention.name.weak
    if first == 0 or words.stops(first - 1, first):
        return (0.7 if mention.proper else 0.0) if weak else 0.88
    left = words.tokens[first - 1].word
    if left in words.hints.openers or any(char.isdigit() for char in left):
        return (0.84 if mention.proper else 0.0) if weak else 0.9
    return 0.0 if weak else 0.7


def _after(words: Words, mention: Mention) -> float:
    """ "Code for X", "code to sign in to X", "code de vérification X": back to the code word over small words."""
    index, steps = mention.first - 1, 0
    while index >= 0 and steps < MAX_STEPS:
        if words.stops(index, index + 1):
            return 0.0
        word = words.tokens[index].word
        if word in words.hints.code_words:
            return _afterwards(words, mention, index)
        if not (word in words.hints.fillers or word in words.hints.qualifiers or _digits(word)):
            return 0.0
        index, steps = index - 1, steps + 1
    return 0.0


def _afterwards(words: Words, mention: Mention, code: int) -> float:
    """How sure "code … X" is, the code word standing at `code`."""
    before = words.tokens[code - 1].word if code else ""
    if before in words.hints.rejects:
        return 0.0
    if not mention.name.weak:
        return 0.86
    roman = before in words.hints.openers and before != "your"
    apposed = roman or words.tokens[code].word not in words.hints.english or code < mention.first - 1
    return 0.82 if mention.proper and apposed and _ends(words, mention) else 0.0


def _ends(words: Words, mention: Mention) -> bool:
    """The name is not the first half of something longer ("for Target shoppers")."""
    following, hints = mention.last + 1, words.hints
    if following >= len(words.tokens) or words.text[mention.end] in ".,:;)":
        return True
    word = words.tokens[following].word
    return (
        word in hints.qualifiers
        or word in hints.fillers
        or _digits(word)
        or words.stops(mention.last, following)
    )


def _head(words: Words, mention: Mention) -> float:
    """ "X: 123456 is your code": the name opens the message and a mark sets it apart."""
    if mention.first != 0 or not _HEAD.match(words.text, mention.end):
        return 0.0
    if not words.has_code:
        return 0.5
    return (0.82 if mention.proper else 0.0) if mention.name.weak else 0.88


def _account(words: Words, mention: Mention) -> float:
    """ "Verify your X account", "to sign in to X": the code's purpose in place of the code's name."""
    back = [token.word for token in words.tokens[max(0, mention.first - 4) : mention.first]]
    if not any(_digits(token.word) for token in words.tokens) or not back:
        return 0.0
    purpose = any(word in words.hints.verbs for word in back) and back[-1] in words.hints.fillers
    if not purpose:
        return 0.0
    return (0.7 if mention.proper else 0.0) if mention.name.weak else 0.82


_FRAMES = (_before, _beside, _after, _head, _account)


def _digits(word: str) -> bool:
    return any(char.isdigit() for char in word)
