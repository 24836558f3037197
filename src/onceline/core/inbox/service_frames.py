"""Where a message names a service, and whether it says that the code is that service's.

Promises: pure, at most 300 words looked at, a handful of neighbours for each name found. An everyday word counts as a
name only where it is written like one. Never a regular expression per service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import NamedTuple

from onceline.core.inbox.service_book import Hints, Name, ServiceBook, fold

MAX_TOKENS = 300
MAX_STEPS = 9
MAX_RUN = 80
MAX_MENTIONS = 12
MAX_TRIES = 160
MAX_SOLITARY = 160
BESIDE = 8
MAX_INITIALS = 12

# Letters with the vowel signs that belong to them: without the signs, Thai and Indic words fall apart.
_MARKS = "\u0300-\u036f\u064b-\u0655\u0670\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
_TOKEN = re.compile(rf"\w[\w{_MARKS}]*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_DIGIT = re.compile(r"\d")
_STOP = re.compile(r"[!?。！？\n]|\.\s")
_NEAR_STOP = re.compile(r"[!?。！？\n】\])>」〕A-Za-z]|\.\s")
_HEAD = re.compile(r"\s*(?:[:|»>]|-\s|–|—)")
_COMMA = re.compile(r"[,;،，、]\s?")
_GLUE = re.compile(r"[! .'’&+*@/\-()\u200c\u200d]{0,3}")


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
    whole: bool
    """Not part of a longer word, as in scripts that set no spaces."""


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
    has_digits: bool
    shouted: bool

    @classmethod
    def of(cls, text: str, hints: Hints) -> Words:
        found = islice(_TOKEN.finditer(text.replace("_", " ")), MAX_TOKENS)
        tokens = tuple(Token(match[0].casefold(), match.start(), match.end()) for match in found)
        spoken = any(token.word in hints.code_words for token in tokens)
        has_code = spoken or any(phrase in text for phrase in hints.code_phrases)
        shouted = text.isupper() and sum(char.isupper() for char in text) > MAX_INITIALS
        has_digits = _DIGIT.search(text) is not None
        return cls(text, tokens, hints, has_code, has_digits, shouted)

    @property
    def brings_code(self) -> bool:
        return self.has_code or self.has_digits

    def mentions(self, book: ServiceBook) -> list[Mention]:
        """Every service named, longest names first at each place, no two overlapping; what is found within bounds."""
        found: list[Mention] = []
        index, tries = 0, 0
        while index < len(self.tokens) and len(found) < MAX_MENTIONS and tries < MAX_TRIES:
            here, tried = self._mentioned(index, book)
            found.extend(here)
            tries += tried
            index = max((mention.last for mention in here), default=index) + 1
        return found[:MAX_MENTIONS]

    def stops(self, left: int, right: int) -> bool:
        """Does a sentence end between two neighbouring tokens?"""
        return _STOP.search(self.text, self.tokens[left].end, self.tokens[right].start) is not None

    def comma(self, left: int) -> bool:
        """Does a comma or the like part a token from the next?"""
        return _COMMA.search(self.text, self.tokens[left].end, self.tokens[left + 1].start) is not None

    def _mentioned(self, index: int, book: ServiceBook) -> tuple[list[Mention], int]:
        """The names that begin at a token, and how many were tried: an attacker pays with his own recognition."""
        token = self.tokens[index]
        if not token.word.isascii() and _UNSPACED.search(token.word):
            return list(islice(self._inside(index, book), MAX_MENTIONS)), 1
        longest = book.first_words.get(token.word, 0)
        stop = min(index + longest, len(self.tokens))
        for last in range(stop - 1, index - 1, -1):
            name = book.name(self._joined(index, last))
            if name and self._glued(name, index, last):
                start, end = token.start, self.tokens[last].end
                mention = Mention(name, index, last, end, self._proper(name, start, end), whole=True)
                return [mention], stop - last
        return [], stop - index

    def _joined(self, first: int, last: int) -> str:
        word = "".join(part.word for part in self.tokens[first : last + 1])
        return word if word.isalnum() else fold(word)

    def _inside(self, index: int, book: ServiceBook) -> Iterator[Mention]:
        """Names within a run of a script that sets no spaces; Latin ones only where no other Latin letter adjoins."""
        token = self.tokens[index]
        run, place = token.word[:MAX_RUN], 0
        while place < len(run):
            sizes = book.inner_sizes.get(run[place : place + 2], ())
            size = next((size for size in sizes if self._names(run, place, size, book)), 1)
            name = book.name(run[place : place + size]) if size > 1 else None
            if name:
                start, end = token.start + place, token.start + place + size
                whole = (start, end) == (token.start, token.end)
                yield Mention(name, index, index, end, self._proper(name, start, end), whole)
            place += size

    @staticmethod
    def _names(run: str, place: int, size: int, book: ServiceBook) -> bool:
        word = run[place : place + size]
        if len(word) < size or book.name(word) is None:
            return False
        beside = run[max(0, place - 1) : place] + run[place + size : place + size + 1]
        return not word.isascii() or not any(char.isascii() for char in beside)

    def _glued(self, name: Name, first: int, last: int) -> bool:
        """Do these tokens stand together, and part only where the name itself does?"""
        length = 0
        for left, right in pairwise(self.tokens[first : last + 1]):
            length += len(fold(left.word))
            if length not in name.breaks or not _GLUE.fullmatch(self.text, left.end, right.start):
                return False
        return True

    def _proper(self, name: Name, start: int, end: int) -> bool:
        written = self.text[start:end]
        if self.shouted and written.isascii():
            return False
        return name.written(written)


def said(words: Words, mentions: list[Mention]) -> list[Claim]:
    """The services whose code the message says it brings, surest first."""
    claims = [claim for mention in mentions if (claim := _claim(words, mention)) is not None]
    return sorted(claims, key=lambda claim: -claim.confidence)


def named(words: Words, mentions: list[Mention], book: ServiceBook) -> Iterator[Claim]:
    """The services a message only names: sure of a bank in a money message, or of the one name in a foreign one."""
    money = any(token.word in words.hints.money_words for token in words.tokens)
    alone = len({one.name.slug for one in mentions}) == 1 and _foreign(words)
    alone = alone and all(_solitary(words, one) for one in mentions)
    for slug in dict.fromkeys(one.name.slug for one in mentions if _plain(one.name, proper=one.proper)):
        bank = money and book.category(slug) == "bank"
        yield Claim(slug, 0.8 if bank or alone else 0.5)


def _plain(name: Name, *, proper: bool) -> bool:
    return not name.ordinary and (proper or not name.short)


def _solitary(words: Words, mention: Mention) -> bool:
    """A whole name and nothing but it, of nobody whom others mention too."""
    part_of_more = _goes_on(words, mention) or _rejected(words, mention)
    return mention.whole and not mention.name.channel and not part_of_more


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


def _goes_on(words: Words, mention: Mention) -> bool:
    """Is the name the beginning of a longer one, as in "Uber Cool Salon"?"""
    following = mention.last + 1
    if following >= len(words.tokens) or words.shouted:
        return False
    token, hints = words.tokens[following], words.hints
    known = token.word in hints.qualifiers or token.word in hints.fillers or token.word in hints.code_words
    adjoining = words.text[mention.end : token.start].isspace()
    return adjoining and not known and words.text[token.start].isupper()


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
    """The same in scripts without spaces: the code phrase stands right beside the name."""
    if mention.name.weak and not mention.proper:
        return 0.0
    near = [_NEAR_STOP.split(words.text[mention.end : mention.end + BESIDE], maxsplit=1)[0]]
    if mention.whole:
        start = words.tokens[mention.first].start
        near.append(_NEAR_STOP.split(words.text[max(0, start - 2 * BESIDE) : start])[-1])
    return 0.85 if any(phrase in text for phrase in words.hints.code_phrases for text in near) else 0.0


def _opened(words: Words, mention: Mention) -> float:
    """How sure "X code" is: most after "your", less at the start of a sentence, least in the midst of one."""
    first, weak = mention.first, mention.name.weak
    if first == 0 or words.stops(first - 1, first):
        written = words.text[words.tokens[first].start : mention.end]
        initials = 0.82 if written.isupper() and written == mention.name.surface else 0.7
        return (initials if mention.proper else 0.0) if weak else 0.88
    left = words.tokens[first - 1].word
    if left in words.hints.openers or any(char.isdigit() for char in left):
        return (0.84 if mention.proper else 0.0) if weak else 0.9
    return 0.0 if weak else 0.7


def _after(words: Words, mention: Mention) -> float:
    """ "Code for X", "code to sign in to X", "code de vérification X": back to the code word over small words."""
    index, steps = mention.first - 1, 0
    while index >= 0 and steps < MAX_STEPS:
        if words.stops(index, index + 1) or words.comma(index):
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
    if _goes_on(words, mention) or mention.name.first_name:
        return 0.7 if mention.proper else 0.0
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
    if not words.has_code or mention.name.first_name:
        return 0.5
    return (0.82 if mention.proper else 0.0) if mention.name.weak else 0.88


def _account(words: Words, mention: Mention) -> float:
    """ "Verify your X account", "to sign in to X": the code's purpose in place of the code's name."""
    back = [token.word for token in words.tokens[max(0, mention.first - 4) : mention.first]]
    if not words.has_digits or not back:
        return 0.0
    purpose = any(word in words.hints.verbs for word in back) and back[-1] in words.hints.fillers
    if not purpose or _goes_on(words, mention) or mention.name.first_name:
        return 0.0
    following = words.tokens[mention.last + 1].word if mention.last + 1 < len(words.tokens) else ""
    if not mention.name.weak:
        return 0.82
    owned = back[-1] == "your" and following in ("account", "id")
    return 0.0 if not mention.proper else 0.82 if owned else 0.7


def _signed(words: Words, mention: Mention) -> float:
    """ "… 1234. Uber team", "… 1234 - Uber": the name stands alone at the end."""
    rest = [token.word for token in words.tokens[mention.last + 1 :]]
    start = words.text[: words.tokens[mention.first].start].rstrip(" ")
    apart = start.endswith((".", "!", "\n", "-", "–", "—", "|")) and words.has_code
    known = not mention.name.weak and not mention.name.channel
    return 0.82 if apart and known and rest in ([], ["team"], ["support"]) else 0.0


_FRAMES = (_before, _beside, _after, _head, _account, _signed)


def _digits(word: str) -> bool:
    return _DIGIT.search(word) is not None
