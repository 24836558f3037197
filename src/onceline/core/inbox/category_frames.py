"""Messages of banks, public offices, coin exchanges and health services that no catalogue lists by name.

Promises: pure; reads the first 640 characters, 12 sentences, 10 numbers each; and answers only where two independent
kinds of evidence meet: a masked card with the sum that a code is to release, the words of a bank's counter with an
account. Sentences that warn ("never tell your bank …") prove nothing. Never names a service of the catalogue.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from onceline.core.inbox.service_book import load_data, load_hints

MAX_READ = 640
MAX_SENTENCES = 12
MAX_NUMBERS = 10
MAX_WORDS = 120
_STEM = 3

# Words are parted by all but letters, digits and the signs of scripts whose vowels are marks.
_PLAIN = re.compile("[^\\w\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]+")
_ACCENTS = re.compile("[\u0300-\u036f\u0640]")
_SENTENCE = re.compile(r"(?:[!?。！？।;\n]|\.(?=\s+\D|\s*$))\s*")
_CLAUSE = re.compile(r"[，,]")
_EAST = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_UNSPACED = re.compile("[\u0900-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_USED = re.compile(r"(?:use|enter|type) \d{4,8}(?!\S)")
# The word beside a number, parted from the words of another script that touch it.
_LEFT = re.compile("([a-z]+|(?:[^\\W\\d_a-z]|[\u0900-\u0dff])+)[.: ]{0,2}$")
_RIGHT = re.compile("[ ]?((?:[^\\W\\d_]|[\u0900-\u0dff\u0e31-\u0e4e])+)")
_MASK = re.compile(r"(?:[*•]|\.\.|(?<![^\W\d_])x{1,8}-?)$")
_TELLERS = re.compile(r"(?:bank|bnk)$|^(?:bank|banco|banque|banca)")
_DIGITS_HIDDEN = (3, 4)


def folded(text: str) -> str:
    """Small letters without accents; the marks of other scripts stay."""
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", text.casefold()))
    return unicodedata.normalize("NFC", bare).replace("ı", "i")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of `data/categories.json`, indexed by the first letters of a word."""

    services: Mapping[str, str]
    refusals: frozenset[str]
    refusal_phrases: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    stems: Mapping[str, tuple[tuple[str, str], ...]]
    phrases: tuple[tuple[str, str], ...]
    endings: tuple[str, ...]
    tails: tuple[str, ...]
    currencies: frozenset[str]
    signs: frozenset[str]
    coins: frozenset[str]


@cache
def load_lexicon() -> Lexicon:
    data = load_data("categories.json")
    hints = load_hints()
    kinds = data["kinds"] | {"code": _codes(data, hints.code_words, hints.code_phrases)}
    return Lexicon(
        services=data["services"],
        refusals=frozenset(map(folded, data["refusals"])),
        refusal_phrases=tuple(data["refusal_phrases"]),
        words=_grouped((folded(word), kind) for kind, row in kinds.items() for word in row["words"]),
        stems=_stems(kinds),
        phrases=(*_phrases(kinds), *_places(data["places"])),
        endings=tuple(map(folded, data["endings"])),
        tails=tuple(map(folded, data["tails"])),
        currencies=frozenset(map(folded, data["currencies"])),
        signs=frozenset(data["signs"]),
        coins=frozenset(data["coins"]),
    )


def _codes(data: dict[str, Any], words: Iterable[str], phrases: Iterable[str]) -> dict[str, Iterable[str]]:
    # The bank's own names of a code are evidence of another kind: they are not counted twice.
    banking = {word for word in words if folded(word).endswith("tan")}
    return {
        "words": [*data["code_words"], *(set(words) - banking)],
        "phrases": [*data["code_phrases"], *phrases],
        "stems": [],
    }


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for word, kind in pairs:
        groups[word] = (*groups.get(word, ()), kind)
    return groups


def _stems(kinds: Mapping[str, Any]) -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for kind, row in kinds.items():
        for stem in map(folded, row["stems"]):
            found[stem[:_STEM]] = (*found.get(stem[:_STEM], ()), (stem, kind))
    return found


def _phrases(kinds: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((_placed(phrase), kind) for kind, row in kinds.items() for phrase in row["phrases"])


def _places(places: Mapping[str, list[list[str]]]) -> Iterator[tuple[str, str]]:
    """Each group of names for one thing counts once: its kind is the category with the group's number."""
    for category, groups in places.items():
        for number, group in enumerate(groups):
            yield from ((_placed(phrase), f"{category} {number}") for phrase in group)


def _placed(phrase: str) -> str:
    """A phrase begins where a word does, but in scripts that set no spaces."""
    plain = folded(phrase)
    return plain if _UNSPACED.match(plain) else f" {plain}"


def category(sender: str | None, text: str, bank_named: bool = False) -> str | None:
    """The prohibited category that a message surely belongs to; `bank_named` when it names a bank that is known."""
    lexicon = load_lexicon()
    low = folded(text[:MAX_READ]).replace("debit card", "debitcard").replace("credit card", "creditcard")
    sentences = [kinds for part in _sentences(low) if (kinds := _kinds(part, lexicon))]
    found = Counter(kind for kinds in sentences for kind in kinds.elements())
    teller = bank_named or bool(sender and _TELLERS.search(folded(sender[:64])))
    if _is_bank(sentences, found, teller):
        return "bank"
    if found["withdrawal"] and found["coin"] and found["code"]:
        return "crypto-exchange"
    if any(one["eid"] and one["code"] for one in sentences):
        return "government"
    for name in ("government", "health"):
        if found["code"] and sum(kind.startswith(name) for kind in found) > 1:
            return name
    return None


def _is_bank(sentences: list[Counter[str]], found: Counter[str], teller: bool) -> bool:
    """Five ways in which a bank speaks, each of two or more kinds of evidence."""
    account = bool(found["masked"] and found["instrument"]) and not found["loyalty"]
    released = any(
        one["code"] and (one["deed"] or one["transfer"] or (one["amount"] and one["masked"]))
        for one in sentences
    )
    ordered = any(one["code"] and one["transfer"] and one["amount"] for one in sentences)
    counter = found["teller"] and (found["code"] or account)
    beside = any(one["code"] and one["teller"] for one in sentences)
    return bool(
        (account and found["amount"] and (found["notice"] or released or found["transfer"]))
        or ordered
        or (counter and (beside or account or found["amount"] or found["transfer"]))
        or (account and found["purse"] and found["code"])
        or found["teller"] > 1
        or (teller and (found["teller"] or (account and found["amount"]) or (found["amount"] and released)))
    )


def _sentences(low: str) -> Iterator[str]:
    yield from islice((part for part in _SENTENCE.split(low) if part), MAX_SENTENCES)


def _kinds(sentence: str, lexicon: Lexicon) -> Counter[str]:
    """What one sentence holds, by kind; nothing when it only warns. East of the Indus a clause may warn by itself."""
    if _EAST.search(sentence):
        clauses = _CLAUSE.split(sentence)[:MAX_SENTENCES]
        sentence = " ".join(one for one in clauses if not any(p in one for p in lexicon.refusal_phrases))
    plain = f" {_PLAIN.sub(' ', sentence)} "
    words = plain.split()[:MAX_WORDS]
    if not lexicon.refusals.isdisjoint(words) or any(phrase in plain for phrase in lexicon.refusal_phrases):
        return Counter()
    found = Counter(set(_spoken(words, lexicon)))
    found.update({kind for phrase, kind in lexicon.phrases if kind != "teller" and phrase in plain})
    found.update(kind for phrase, kind in lexicon.phrases if kind == "teller" and phrase in plain)
    found.update(_figures(sentence, lexicon))
    if _USED.search(plain):
        found["code"] += 1
    return found


def _spoken(words: list[str], lexicon: Lexicon) -> Iterator[str]:
    for word in words:
        yield from lexicon.words.get(word, ())
        for stem, kind in lexicon.stems.get(word[:_STEM], ()):
            if word.startswith(stem):
                yield kind


def _figures(sentence: str, lexicon: Lexicon) -> Iterator[str]:
    """Sums of money or coins, and the last digits of a card, among the numbers of a sentence."""
    for match in islice(_NUMBER.finditer(sentence), MAX_NUMBERS):
        before = sentence[max(0, match.start() - 18) : match.start()]
        after = sentence[match.end() : match.end() + 12]
        if len(match[0]) in _DIGITS_HIDDEN and match[0].isdigit() and _masked(before, after, lexicon):
            yield "masked"
            continue
        units = {word[1] for word in (_LEFT.search(before), _RIGHT.match(after)) if word}
        signs = {before.rstrip()[-1:], after.lstrip()[:1]}
        if lexicon.coins & units:
            yield "coin"
        elif lexicon.currencies & units or lexicon.signs & signs or before.endswith("s/ "):
            yield "amount"


def _masked(before: str, after: str, lexicon: Lexicon) -> bool:
    bare = before.rstrip(" -")
    if after.startswith("#"):
        return False
    return bool(_MASK.search(bare)) or bare.endswith(lexicon.endings) or after.startswith(lexicon.tails)
