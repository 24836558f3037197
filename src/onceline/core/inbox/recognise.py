"""Which service sent a message: from its sender, its words and its links.

Promises: pure, bounded in time by the first 2,000 characters, and never sure of an answer that only everyday words
support. A confidence of 0.8 or more means *confidently*. Never reads a database, a clock or a setting, never learns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from onceline.core.inbox.category_frames import category, load_lexicon
from onceline.core.inbox.service_book import ServiceBook, fold
from onceline.core.inbox.service_frames import Words, named, said

__all__ = ["CONFIDENT", "Evidence", "Recognition", "ServiceBook", "recognise"]

CAP = 2000
PIECE = 400
TAIL = 44
MAX_LINKS = 24
TEMPLATE_CAP = 300
CONFIDENT = 0.8
DOUBTED = 0.7
_OWNED = frozenset({"template", "sender", "tag", "frame"})

# Marks of direction and of no width: they part words for nobody who reads them. The joiners of scripts stay.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_HOST = r"[^\W_][\w-]{0,62}(?:\.[^\W_][\w-]{0,62}){1,6}"
_BOUND = re.compile(rf"^@({_HOST}) #\S", re.MULTILINE)
_LINK = re.compile(rf"(?<![\w./@=%&?#:\\-])(?:https?://)?({_HOST})(?![\w-]|\.[\w-])")
_CREDENTIALS = re.compile(r"[^\s/]{0,80}@")
_HASH = re.compile(r"(?:^|\s)([A-Za-z0-9+/]{11})\s*$")
_NOISE = re.compile(r"^\s*(?:<#>|\[#\]|\[Web발신\]|\[국제발신\]|\[국외발신\]|\(광고\))\s*", re.IGNORECASE)
_TAG = r"(?:【([^】\n]{1,40})】|\[([^\]\n]{1,40})\]|\(([^)\n]{1,40})\)|<([^>\n]{1,40})>|〔([^〕\n]{1,40})〕)"
_TAGS = (re.compile(rf"\s*{_TAG}"), re.compile(rf"{_TAG}$"))
_LINK_HEAD = re.compile(r"(?:https?://)?[a-z]{1,20}\.(?:[a-z]{1,20}\.)?[a-z]{1,10}/(?:[a-z]{1,20}/)?")


Evidence = Literal[
    "bound-domain",  # the line "@host #code" names a host of the service
    "template",  # the text is, but for its code, one that the service is known to send
    "sender",  # the sender's name or short code, where it means something in the receiving country
    "tag",  # 【name】, [name] and the like at either end
    "frame",  # a sentence that calls the code the service's: "your X code"
    "domain",  # a link to a host of the service
    "app-hash",  # the eleven characters by which the service's Android app knows its messages
    "category",  # two independent signs of a prohibited category; the service may be a catch-all
    "mention",  # the name alone
]
"""What a recognition rests on, strongest first. The words are stored and shown: none is ever renamed."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """A service by its slug, how sure (0 to 1), and the kind of evidence that says so."""

    service: str
    confidence: float
    evidence: Evidence


def recognise(
    sender: str | None, text: str, book: ServiceBook, country: str | None = None
) -> Recognition | None:
    """The service a message comes from, or None. `country` is the receiving number's, as ISO code."""
    text = _plain(text)
    bound = _BOUND.search(text)
    known = book.by_host(bound[1]) if bound else None
    if known:
        return Recognition(known[0], 0.98, "bound-domain")
    found = list(_evidence(sender, text, book, country))
    best = _weigh(found, book)
    if best and bound:
        best = replace(best, confidence=min(best.confidence, DOUBTED))
    return _by_category(sender, text, found, best, book) or best


def _plain(text: str) -> str:
    """The first CAP characters without marks of direction, in pieces: one letter of Unicode may stand for eighteen."""
    read = ""
    for start in range(0, min(len(text), CAP), PIECE):
        read += unicodedata.normalize("NFKC", text[start : min(start + PIECE, CAP)])
        if len(read) >= CAP:
            break
    return _INVISIBLE.sub("", read[:CAP])


def _by_category(
    sender: str | None, text: str, found: list[Recognition], best: Recognition | None, book: ServiceBook
) -> Recognition | None:
    """A prohibited category, unless the message is somebody's by more than a mention: then it stays theirs."""
    if (
        best
        and best.confidence >= CONFIDENT
        and (best.evidence != "mention" or book.prohibited(best.service))
    ):
        return None
    if any(one.evidence in _OWNED and not book.prohibited(one.service) for one in found):
        return None
    named = {book.category(one.service): one.service for one in found if book.prohibited(one.service)}
    kind = category(sender, text, "bank" in named)
    slug = named.get(kind) or load_lexicon().services[kind] if kind else None
    return Recognition(slug, 0.85, "category") if slug and slug in book else None


def _evidence(sender: str | None, text: str, book: ServiceBook, country: str | None) -> Iterator[Recognition]:
    body = _NOISE.sub("", text)
    words = Words.of(body, book.hints)
    yield from _by_template(body, book)
    yield from _by_sender(sender, book, country)
    yield from _by_tag(body, words, book)
    mentions = words.mentions(book)
    yield from (Recognition(*claim, "frame") for claim in said(words, mentions))
    yield from _by_domain(text, book)
    yield from _by_hash(body, book)
    yield from (Recognition(*claim, "mention") for claim in named(words, mentions, book))


def _weigh(found: list[Recognition], book: ServiceBook) -> Recognition | None:
    """The first confident evidence, else the surest; in doubt where the text itself names another service.

    A bank's sender stands whatever its text names: that is the shop where somebody pays.
    """
    if not found:
        return None
    best = next((one for one in found if one.confidence >= CONFIDENT), None)
    if best is None:
        return max(found, key=lambda one: one.confidence)
    rivals = [one for one in found if _contradicts(one, best)]
    if not rivals or (best.evidence == "sender" and book.category(best.service) == "bank"):
        return best
    if best.evidence == "sender" and book.related(best.service, rivals[0].service):
        return rivals[0]
    return replace(best, confidence=DOUBTED)


def _contradicts(one: Recognition, best: Recognition) -> bool:
    strong = one.confidence >= CONFIDENT and one.evidence in ("template", "sender", "tag", "frame")
    return strong and one.service != best.service


def _by_template(text: str, book: ServiceBook) -> Iterator[Recognition]:
    if len(text) > TEMPLATE_CAP:
        return
    for shape in (_skeleton(text), _skeleton(_HASH.sub("", text))):
        slug = book.hints.templates.get(shape)
        if slug and slug in book:
            yield Recognition(slug, 0.97, "template")
            return


def _skeleton(text: str) -> str:
    """The text without case, spacing and codes, as the templates are written."""
    return " ".join(_blank(word) for word in text.casefold().replace("’", "'").split())


def _blank(word: str) -> str:
    """A word that holds a digit becomes "#", but for its link, its prefix and its closing marks."""
    if not any(char.isdigit() for char in word):
        return word
    link = _LINK_HEAD.match(word)
    stem = word.rstrip(".,;:!)")
    lead = link[0] if link else next((mark for mark in ("(", "g-", "fb-") if word.startswith(mark)), "")
    return f"{lead}#{word[len(stem) :]}"


def _by_sender(sender: str | None, book: ServiceBook, country: str | None) -> Iterator[Recognition]:
    found = book.by_sender(sender[:64], country) if sender else None
    if found:
        yield Recognition(found[0], found[1], "sender")


def _by_tag(text: str, words: Words, book: ServiceBook) -> Iterator[Recognition]:
    head, tail = _TAGS
    for match in (head.match(text[: 2 * TAIL]), tail.search(text.rstrip()[-TAIL:])):
        inner = next((group for group in match.groups() if group), "") if match else ""
        name = book.name(fold(inner)) if inner else None
        if match is None or name is None:
            continue
        signature = match.lastindex in (1, 2)
        sure = (0.82 if signature else 0.6) if name.ordinary else (0.9 if signature else 0.84)
        doubtful = name.first_name or not name.written(inner)
        if (name.weak and doubtful) or not words.brings_code:
            sure = 0.5
        yield Recognition(name.slug, sure, "tag")


def _by_domain(text: str, book: ServiceBook) -> Iterator[Recognition]:
    """Links prove a service only where they all name the same one, and nobody else links there."""
    hosts = {(match[1], found) for match in _links(text) if (found := book.by_host(match[1]))}
    slugs = {slug for _, (slug, _) in hosts}
    for host, (slug, domain) in sorted(hosts):
        linked_by_all = bool({host.casefold(), domain} & book.hints.link_domains)
        yield Recognition(slug, 0.5 if linked_by_all else 0.82 if len(slugs) == 1 else 0.6, "domain")


def _links(text: str) -> Iterator[re.Match[str]]:
    for match in islice(_LINK.finditer(text), MAX_LINKS) if "." in text else ():
        if not _CREDENTIALS.match(text, match.end()):
            yield match


def _by_hash(text: str, book: ServiceBook) -> Iterator[Recognition]:
    match = _HASH.search(text.rstrip()[-TAIL:])
    slug = book.hints.app_hashes.get(match[1]) if match else None
    if slug and slug in book:
        yield Recognition(slug, 0.88, "app-hash")
