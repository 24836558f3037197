"""Finds the one-time code in the text of a message.

The order: an origin-bound line (`@host #code`) wins over everything; then a known service's template; then every
string that could be a code is weighed against the words around it; a code in a link of a known host comes last.

Promises: None rather than a guess, because clients poll on the answer. The first 2,000 characters are searched, and
for the bound line the last 400 as well; what lies between is not read. Work is bounded and linear.
Never reads a database, a clock or a setting.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

from onceline.core.inbox.otp_candidates import (
    Candidate,
    cut,
    letters_after,
    letters_first,
    small_letters_after,
)
from onceline.core.inbox.otp_score import Message, best
from onceline.core.inbox.otp_text import Folded, fold
from onceline.core.inbox.otp_words import Word, find_words

CAP = 2000
TAIL = 400

_BOUND = re.compile(
    r"(?:^|\n) *@((?:[a-z0-9-]{1,63}\.){1,8}[a-z0-9-]{2,63}) #([^\s#@]{3,32})"
    r"|(?<=\s)@((?:[a-z0-9-]{1,63}\.){1,8}[a-z0-9-]{2,63}) #([0-9-]{4,12})(?=\s|$)",
    re.I,
)
_APP_PREFIX = re.compile(r"^\s*(?:<#>|\[#\]|<#|#>)\s*")
_APP_HASH = re.compile(r"(?:^|\s)([A-Za-z0-9+/]{11})\s*$")
_NO_CODES = frozenset(
    ("below", "expired", "pending", "invalid", "attached", "inside", "required", "failed", "blocked")
)
_TAGS = frozenset("【】[]〔〕")
_CODELIKE = re.compile(r"[0-9]|[A-Z]{3}|: [a-z]{5,8}(?:$|\n| [A-Z])")
_MIXTURE = re.compile(r"[0-9+/]|[a-z][A-Z]")


@dataclass(frozen=True, slots=True)
class Code:
    """A code as a person would type it (`value`), and where it stands in the original text.

    `confidence` runs from 0 to 1 and orders messages, it is no probability; `domain` comes from a bound line only.
    """

    value: str
    written: str
    start: int
    end: int
    method: str
    confidence: float
    domain: str | None = None


def find_code(text: str, sender: str | None = None) -> Code | None:
    """The one-time code of a message, or None when there is none or it is in doubt.

    `sender` as received; a number in the text that equals it is never the code.
    """
    bound = _bound(text[:CAP], 0) or (_bound(text[-TAIL:], len(text) - TAIL) if len(text) > CAP else None)
    if bound:
        return bound
    head = text[:CAP]
    folded = fold(head)
    plain = _without_hash(folded.plain)
    body = Folded(plain, folded.low[: len(plain)], folded.index)
    if not _CODELIKE.search(plain):
        return None
    return _templated(head, body) or _weighed(head, body, sender) or _linked(head, body)


def _bound(text: str, offset: int) -> Code | None:
    """The origin-bound line of WICG sms-one-time-codes; accepted on any line, the last one wins."""
    if "@" not in text:
        return None
    folded = fold(text)
    lines = list(_BOUND.finditer(folded.plain))
    if not lines:
        return None
    found = lines[-1]
    group = 2 if found[2] else 4
    value = found[group].rstrip(".,;:)")
    if not any(char.isdigit() for char in value) and not value.isupper():
        return None
    start = folded.original(found.start(group))
    end = folded.original(found.start(group) + len(value) - 1) + 1
    written = text[start:end]
    return Code(_typed(value), written, start + offset, end + offset, "bound", 1.0, found[group - 1].lower())


def _typed(value: str) -> str:
    """What a person types: Google's prefix and the separators of split digits left out."""
    bare = re.sub(r"^[Gg]-(?=\d)", "", value)
    joined = re.sub(r"[\s.·_-]", "", bare)
    return joined if joined.isdigit() else bare


def _without_hash(plain: str) -> str:
    """Drops the app hash of Android's SMS retriever; the `<#>` prefix is blanked so that positions stay."""
    match = _APP_HASH.search(plain)
    if match and _MIXTURE.search(match[1]) and not match[1].isdigit():
        plain = plain[: match.start()]
    prefix = _APP_PREFIX.match(plain)
    return " " * prefix.end() + plain[prefix.end() :] if prefix else plain


def _templated(text: str, body: Folded) -> Code | None:
    for pattern in _services().templates:
        match = pattern.search(body.plain)
        if match:
            return _code(text, body, Candidate(*match.span(1), match[1], "digits"), "template", 0.99)
    return None


def _weighed(text: str, body: Folded, sender: str | None) -> Code | None:
    words = find_words(body.low)
    candidates = list(cut(body.plain).candidates)
    candidates = [c for c in candidates if not _is_name(body.plain, c, candidates) and c.value != sender]
    message = Message.of(body, words, tuple(candidates))
    top = best(message)
    if top is None:
        lettered = _lettered(body, words)
        message = Message.of(body, words, lettered)
        top = best(message) if lettered else None
    if top is None:
        return None
    return _code(text, body, top.candidate, "words", min(0.98, 0.5 + (top.score - 4.0) / 10))


def _lettered(body: Folded, words: list[Word]) -> tuple[Candidate, ...]:
    """Codes of letters alone, right behind a code word, in a message that does not shout."""
    letters = [char for char in body.plain if char.isascii() and char.isalpha()]
    if sum(char.isupper() for char in letters) * 2 > len(letters) + 12:
        return ()
    found = [_letters_at(body, words, at) for at in range(len(words))]
    first = letters_first(body.plain)
    if first and any(_opens(first, pair) for pair in pairwise(words)):
        found.append(first)
    return tuple(candidate for candidate in found if candidate)


def _letters_at(body: Folded, words: list[Word], at: int) -> Candidate | None:
    """Letters behind the code word at an index, or behind the "is" that follows it."""
    if words[at].role not in {"strong", "code"}:
        return None
    following = words[at + 1 : at + 2]
    if following and following[0].role == "link" and not body.low[words[at].end : following[0].start].strip():
        return letters_after(body.plain, following[0].end, True)
    found = letters_after(body.plain, words[at].end, False)
    if found or words[at].role != "strong":
        return found
    small = small_letters_after(body.plain, words[at].end)
    return small if small and small.value not in _NO_CODES and not _is_word(words, small) else None


def _is_word(words: list[Word], c: Candidate) -> bool:
    """Whether the candidate is a known word."""
    return any(word.start <= c.start < word.end for word in words)


def _opens(c: Candidate, pair: tuple[Word, Word]) -> bool:
    """ "ABCDEF is your … code": the link stands right behind the letters."""
    link, mark = pair
    beside = 0 <= link.start - c.end <= 2 and link.role == "link"
    return beside and mark.role in {"strong", "code"} and mark.start - c.end < 45


def _linked(text: str, body: Folded) -> Code | None:
    if "/" not in body.plain:
        return None
    for pattern in _services().links:
        match = pattern.search(body.plain)
        if match:
            return _code(text, body, Candidate(*match.span(1), match[1], "split"), "link", 0.9)
    return None


def _is_name(plain: str, c: Candidate, candidates: list[Candidate]) -> bool:
    """A service whose name is a number: 12306, 98point6, 99."""
    if c.value.lower() not in _services().names:
        return False
    tagged = plain[max(0, c.start - 1) : c.start] in _TAGS or plain[c.end : c.end + 1] in _TAGS
    return tagged or any(o.start > c.end and o.kind in {"digits", "split"} for o in candidates)


def _code(text: str, body: Folded, c: Candidate, method: str, confidence: float) -> Code:
    start, end = body.original(c.start), body.original(c.end - 1) + 1
    return Code(_typed(c.value), text[start:end], start, end, method, round(confidence, 2))


@dataclass(frozen=True, slots=True)
class _Services:
    names: frozenset[str]
    links: tuple[re.Pattern[str], ...]
    templates: tuple[re.Pattern[str], ...]


@cache
def _services() -> _Services:
    source = files("onceline.core.inbox").joinpath("data", "services.json").read_text(encoding="utf-8")
    data = json.loads(source)
    links = tuple(re.compile(entry["pattern"], re.I) for entry in data["links"])
    return _Services(
        frozenset(data["numeric_names"]), links, tuple(re.compile(t["pattern"]) for t in data["templates"])
    )
