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
from itertools import islice

from onceline.core.inbox.otp_text import fold_word, warm

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
_SIZES = (16, 12, 8, 6, 4, 3, 2, 1)
_HEAD, _SMALL_SIZES = 4, (3, 2, 1)
_MAX_WORDS = 500


@dataclass(frozen=True, slots=True)
class Word:
    """One known word of a message, in folded positions."""

    start: int
    end: int
    role: str


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """Compared and hashed by identity, for each stands once in the lexicon."""

    text: str
    open_end: bool
    lead_free: bool
    roles: tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """Entries by the longest of the `_SIZES` that they fill; `pairs` and `heads` are how they begin."""

    buckets: dict[str, tuple[_Entry, ...]]
    pairs: frozenset[str]
    heads: frozenset[str]
    compounds: re.Pattern[str]
    compound_entries: dict[str, _Entry]


def find_words(low: str) -> list[Word]:
    """Known words of a folded message, left to right, none overlapping."""
    hits = _hits(low)
    weights: dict[_Entry, int] = {}
    for start, end, entry in hits:
        if end - start > _SHORT or not entry.text.isascii():
            weights[entry] = weights.get(entry, 0) + min(end - start, 12)
    spoken = _spoken(weights)
    roles = {entry: _role(entry, spoken) for entry in {entry for _, _, entry in hits}}
    return [
        Word(start, end, role) for start, end, entry in hits if (role := roles[entry]) and role != "filler"
    ]


def _hits(low: str) -> list[tuple[int, int, _Entry]]:
    lexicon = _lexicon()
    hits: list[tuple[int, int, _Entry]] = []
    busy = 0
    for match in _START.finditer(low):
        start = match.start()
        if start < busy or not (low[start : start + 2] in lexicon.pairs or low[start] in lexicon.pairs):
            continue
        found = _longest(low, start, lexicon)
        if found:
            hits.append((start, *found))
            busy = found[0]
            if len(hits) >= _MAX_WORDS:
                break
    return _with_compounds(low, hits, lexicon)


def _with_compounds(
    low: str, hits: list[tuple[int, int, _Entry]], lexicon: _Lexicon
) -> list[tuple[int, int, _Entry]]:
    """Compound tails ("…code") count where no whole word was found."""
    found = [m.span(1) for m in islice(lexicon.compounds.finditer(low), _MAX_WORDS)]
    if not found:
        return hits
    taken = bytearray(len(low))
    for start, end, _ in hits:
        taken[start:end] = b"\1" * (end - start)
    tails = [
        (*span, lexicon.compound_entries[low[slice(*span)]]) for span in found if 1 not in taken[slice(*span)]
    ]
    return sorted(hits + tails, key=lambda hit: hit[0]) if tails else hits


def _longest(low: str, at: int, lexicon: _Lexicon) -> tuple[int, _Entry] | None:
    sizes = _SIZES if low[at : at + _HEAD] in lexicon.heads else _SMALL_SIZES
    for size in sizes:
        for entry in lexicon.buckets.get(low[at : at + size], ()):
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


def _spoken(weights: dict[_Entry, int]) -> frozenset[str]:
    """The languages that the longer words of the message belong to."""
    votes: dict[str, int] = {}
    for entry, weight in weights.items():
        for _, languages in entry.roles:
            for language in languages:
                votes[language] = votes.get(language, 0) + weight
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
    warm()
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
            key = text[: next(size for size in _SIZES if size <= len(text))]
            buckets.setdefault(key, []).append(_entry(text, open_end, by_role))
    ordered = {key: tuple(sorted(b, key=lambda e: (-len(e.text), e.open_end))) for key, b in buckets.items()}
    pairs = frozenset(key[:2] for key in ordered)
    heads = frozenset(key[:_HEAD] for key in ordered if len(key) >= _HEAD)
    compounds = {fold_word(w.strip("*")): r for w, r in found.items() if w.startswith("*")}
    entries = {text: _entry(text, True, roles) for text, roles in compounds.items()}
    tails = "|".join(re.escape(t) for t in sorted(entries, key=len, reverse=True))
    return _Lexicon(ordered, pairs, heads, re.compile(rf"(?<=[^\W\d_]|-)({tails})(?![^\W\d_])"), entries)


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
