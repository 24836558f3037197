"""Finds the words that tell a code from any other number, in every language of `data/words`.

Each language file lists words by role (`strong`, `code`, `action`, `link`, `warn`, `label`, `number`, `soft`, `unit`, `money`,
`hide`, `notice`, `promo`, and `filler`, which only tells the language). A trailing star allows any ending, a leading star any beginning (for compounds).
A word that several languages use differently is read in the language that the rest of the message speaks.
Promises: bounded work per character, data read once. Pure.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from onceline.core.inbox.otp_text import fold_word

ROLES = (
    "strong",
    "hide",
    "code",
    "label",
    "number",
    "promo",
    "unit",
    "money",
    "action",
    "notice",
    "warn",
    "soft",
    "link",
    "filler",
)
_UNSPACED = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_MARKED = re.compile(r"[\u0900-\u0dff\u1200-\u137f\u0780-\u07bf]")
_PREFIXING = re.compile(r"[\u0590-\u06ff]")
_START = re.compile(
    r"(?<![^\W\d_])[^\W\d_]|[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
    r"|(?<=[\u0590-\u06ff])[\u0590-\u06ff]|[%\u20a0-\u20cf(№#]"
)
_REST = re.compile(r"[^\W\d_]*")
_SHORT = 3
_MAX_WORDS = 160


@dataclass(frozen=True, slots=True)
class Word:
    """One known word of a message, in folded positions."""

    start: int
    end: int
    role: str


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    open_end: bool
    lead_free: bool
    roles: tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class _Lexicon:
    buckets: dict[str, tuple[_Entry, ...]]
    compounds: re.Pattern[str]
    compound_entries: dict[str, _Entry]


def find_words(low: str) -> list[Word]:
    """Known words of a folded message, left to right, none overlapping."""
    hits = _hits(low)
    spoken = _spoken(hits)
    words = []
    for start, end, entry in hits:
        role = _role(entry, spoken)
        if role and role != "filler":
            words.append(Word(start, end, role))
    return words


def _hits(low: str) -> list[tuple[int, int, _Entry]]:
    lexicon = _lexicon()
    compounds = {m.start(): m for m in lexicon.compounds.finditer(low)}
    hits: list[tuple[int, int, _Entry]] = []
    busy = 0
    for match in _START.finditer(low):
        start = match.start()
        if start < busy or len(hits) >= _MAX_WORDS:
            continue
        found = _longest(low, start, lexicon.buckets)
        if found:
            hits.append((start, *found))
            busy = found[0]
    if compounds:
        hits = _with_compounds(hits, compounds, lexicon)
    return hits


def _with_compounds(
    hits: list[tuple[int, int, _Entry]], compounds: dict[int, re.Match[str]], lexicon: _Lexicon
) -> list[tuple[int, int, _Entry]]:
    """Compound tails ("…code") count where no whole word was found."""
    taken = [(start, end) for start, end, _ in hits]
    for start, match in list(compounds.items())[:_MAX_WORDS]:
        if not any(left < match.end() and start < right for left, right in taken):
            hits.append((start, match.end(), lexicon.compound_entries[match[1]]))
    return sorted(hits, key=lambda hit: hit[0])


def _longest(low: str, at: int, buckets: dict[str, tuple[_Entry, ...]]) -> tuple[int, _Entry] | None:
    for size in (4, 3, 2, 1):
        for entry in buckets.get(low[at : at + size], ()):
            if low.startswith(entry.text, at):
                end = _end(low, at, entry)
                if end:
                    return end, entry
    return None


def _end(low: str, at: int, entry: _Entry) -> int:
    """Where the entry ends when it stands at `at`, or 0."""
    end = at + len(entry.text)
    if entry.lead_free:
        return end
    if at and low[at - 1].isalpha() and (len(entry.text) < _SHORT or not _PREFIXING.match(low[at])):
        return 0
    if entry.open_end:
        rest = _REST.match(low, end)
        return rest.end() if rest else end
    return 0 if end < len(low) and low[end].isalpha() and entry.text[-1].isalpha() else end


def _spoken(hits: list[tuple[int, int, _Entry]]) -> frozenset[str]:
    """The languages that the longer words of the message belong to."""
    votes: dict[str, int] = {}
    for start, end, entry in hits:
        if end - start > _SHORT or not entry.text.isascii():
            for _, languages in entry.roles:
                for language in languages:
                    votes[language] = votes.get(language, 0) + min(end - start, 12)
    if not votes:
        return frozenset({"en"})
    bar = max(votes.values()) * 0.5
    return frozenset(language for language, count in votes.items() if count >= bar)


def _role(entry: _Entry, spoken: frozenset[str]) -> str | None:
    short = len(entry.text) <= _SHORT + 1 and entry.text.isascii()
    plain = entry.roles[0][0] in {"strong", "code"} and len(entry.text) >= _SHORT
    if len(entry.roles) == 1 and (plain or not short):
        return entry.roles[0][0]
    for role, languages in entry.roles:
        if languages & spoken:
            return role
    for role, languages in entry.roles:
        if "en" in languages:
            return role
    return None if short else entry.roles[0][0]


@cache
def _lexicon() -> _Lexicon:
    found: dict[str, dict[str, set[str]]] = {}
    for language, roles in _tables().items():
        for role, words in roles.items():
            for word in words:
                found.setdefault(word, {}).setdefault(role, set()).add(language)
    merged: dict[tuple[str, bool], dict[str, set[str]]] = {}
    for word, by_role in found.items():
        stars = (fold_word(word.strip("*")), word.endswith("*"))
        for role, languages in by_role.items():
            merged.setdefault(stars, {}).setdefault(role, set()).update(languages)
    buckets: dict[str, list[_Entry]] = {}
    for (text, open_end), by_role in merged.items():
        if text:
            buckets.setdefault(text[:4], []).append(_entry(text, open_end, by_role))
    ordered = {key: tuple(sorted(b, key=lambda e: (-len(e.text), e.open_end))) for key, b in buckets.items()}
    compounds = {fold_word(w.strip("*")): r for w, r in found.items() if w.startswith("*")}
    entries = {text: _entry(text, True, roles) for text, roles in compounds.items()}
    tails = "|".join(re.escape(t) for t in sorted(entries, key=len, reverse=True))
    return _Lexicon(ordered, re.compile(rf"(?<=[^\W\d_]|-)({tails})(?![^\W\d_])"), entries)


def _entry(text: str, open_end: bool, by_role: dict[str, set[str]]) -> _Entry:
    lead_free = bool(_UNSPACED.match(text))
    roles = tuple((role, frozenset(by_role[role])) for role in ROLES if role in by_role)
    return _Entry(text, open_end or bool(_MARKED.match(text[-1])), lead_free, roles)


def _tables() -> dict[str, dict[str, list[str]]]:
    folder = files("onceline.core.inbox").joinpath("data", "words")
    return {
        item.name.removesuffix(".json"): json.loads(item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".json")
    }
