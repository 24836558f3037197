"""Finds the one-time code in the text of a message.

The order: an origin-bound line (`@host #code`) wins over everything; then a known service's template; then every
string that could be a code is weighed against the words around it; a code in a link of a known host comes last.

Promises: None rather than a guess, because clients poll on the answer. The first 1,640 characters are searched (a code
within 1,600 is found whole), and for the bound line the last 400 as well; what lies between is not read. Work is linear
in what is read: of very many numbers only those nearest to words that speak of a code are weighed.
Never reads a database, a clock or a setting.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from onceline.core.inbox.otp_candidates import Candidate, cut
from onceline.core.inbox.otp_letters import letters
from onceline.core.inbox.otp_score import Message, anchors, best
from onceline.core.inbox.otp_text import Folded, compose, fold
from onceline.core.inbox.otp_words import find_words

CAP = 1640
TAIL = 400

_BOUND = re.compile(r"(^|\n|[ \t])@([a-z0-9][a-z0-9.-]{2,252}) #([^\s#@]{3,32})", re.I)
_APP_PREFIX = re.compile(r"^\s*(?:<#>|\[#\]|<#|#>)\s*")
_APP_HASH = re.compile(r"(?:^|\s)([A-Za-z0-9+/]{11})\s*$")
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
    composed = compose(head)
    found = _searched(composed, sender)
    return found if found is None or composed == head else _moved(found, composed, head)


def _searched(text: str, sender: str | None) -> Code | None:
    folded = fold(text)
    plain = _without_hash(folded.plain)
    body = Folded(plain, folded.low[: len(plain)], folded.index)
    if not _CODELIKE.search(plain):
        return None
    return _templated(text, body) or _weighed(text, body, sender) or _linked(text, body)


def _moved(found: Code, composed: str, text: str) -> Code | None:
    """The code of the composed text, with its place in the text as it came."""
    at = -1
    for _ in range(composed.count(found.written, 0, found.start) + 1):
        at = text.find(found.written, at + 1)
    return replace(found, start=at, end=at + len(found.written)) if at >= 0 else None


def _bound(text: str, offset: int) -> Code | None:
    """The origin-bound line of WICG sms-one-time-codes; accepted on any line, the last one wins."""
    if "@" not in text:
        return None
    folded = fold(text)
    lines = reversed(list(_BOUND.finditer(folded.plain)))
    found = next((line for line in lines if _binds(folded.plain, line)), None)
    if found is None:
        return None
    value = found[3].rstrip(".,;:)")
    start = folded.original(found.start(3))
    end = folded.original(found.start(3) + len(value) - 1) + 1
    return Code(_typed(value), text[start:end], start + offset, end + offset, "bound", 1.0, found[2].lower())


def _binds(plain: str, match: re.Match[str]) -> bool:
    """A host with a dot, and no mere hash tag: inside a line only digits count, on its own letters need a digit."""
    if "." not in match[2].strip(".-") or ".." in match[2] or match[2][-1] in ".-":
        return False
    value = match[3].rstrip(".,;:)")
    if plain[: match.start(2) - 1].rstrip(" ")[-1:] in {"", "\n"}:
        return len(value) >= 3 and (value.isupper() or any(char.isdigit() for char in value))
    return value.replace("-", "").isdigit()


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
    numbers = cut(body.plain, anchors(words))
    candidates = tuple(c for c in numbers if c.value != sender and not _is_name(body.plain, c, numbers))
    message = Message.of(body, words, candidates)
    top = best(message)
    if top is None:
        lettered = letters(body, words)
        message = Message.of(body, words, lettered)
        top = best(message) if lettered else None
    if top is None:
        return None
    return _code(text, body, top.candidate, "words", min(0.98, 0.5 + (top.score - 4.0) / 10))


def _linked(text: str, body: Folded) -> Code | None:
    if "/" not in body.plain:
        return None
    for pattern in _services().links:
        match = pattern.search(body.plain)
        if match:
            return _code(text, body, Candidate(*match.span(1), match[1], "split"), "link", 0.9)
    return None


def _is_name(plain: str, c: Candidate, candidates: Sequence[Candidate]) -> bool:
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
