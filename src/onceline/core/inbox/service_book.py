"""The names, domains and senders of all services, indexed for looking up words of a message.

Promises one dictionary lookup a question, whatever the number of services, and never two answers to one.
Built once; never reads a message's text itself, a database or a clock.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import accumulate
from typing import Any, NamedTuple

from onceline.core.catalog.model import Service, load_services

MAX_NAME_TOKENS = 5
MAX_INNER = 12
_WORDS = re.compile(r"[^\W_]+")
# Words, the humps of camel case, runs of digits.
_PARTS = re.compile(r"\d+|[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])")
_DLT = re.compile(r"[A-Za-z]{2}-([A-Za-z0-9]{3,9})(?:-[STPGstpg])?")
_NOT_MESSAGED = frozenset({"special", "test"})


class Name(NamedTuple):
    """A name a service goes by. An ordinary one is an everyday word too, a short one may be anybody's initials."""

    slug: str
    surface: str
    ordinary: bool
    short: bool
    person: bool
    breaks: frozenset[int]
    """Where the folded name may be parted by a space: "WhatsApp" after 5 letters, "Maxis" nowhere."""
    channel: bool
    """Named in everybody's messages: "write to us on Telegram"."""

    @property
    def weak(self) -> bool:
        """Proves something only where it is written, and placed, as a name."""
        return self.ordinary or self.short

    @property
    def first_name(self) -> bool:
        """Is also what people are called: "Dave: …" may be Dave himself, "DANA: …" is the wallet."""
        return self.person and not self.surface.isupper()

    def written(self, text: str) -> bool:
        """Is this how the name is written, and not merely the same letters?"""
        if self.short:
            return self.surface.startswith(text)
        return text == self.surface or (text[:1].isupper() and not self.person) or not text.isascii()


@dataclass(frozen=True, slots=True)
class Hints:
    """The words and tables of `data/recognise.json`, by their names there."""

    generic_senders: frozenset[str]
    ordinary: frozenset[str]
    persons: frozenset[str]
    never: frozenset[str]
    code_words: frozenset[str]
    english: frozenset[str]
    code_phrases: tuple[str, ...]
    qualifiers: frozenset[str]
    fillers: frozenset[str]
    openers: frozenset[str]
    verbs: frozenset[str]
    rejects: frozenset[str]
    money_words: frozenset[str]
    link_domains: frozenset[str]
    families: Mapping[str, frozenset[str]]
    app_hashes: Mapping[str, str]
    templates: Mapping[str, str]


def fold(text: str) -> str:
    """Letters and digits alone, without case: "Pay-Pal" and "PAYPAL" become one."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


@cache
def load_hints() -> Hints:
    data = load_data("recognise.json")
    sets = {key: frozenset(value) for key, value in data.items() if isinstance(value, list)}
    return Hints(
        generic_senders=sets["generic_senders"],
        ordinary=sets["ordinary"],
        persons=sets["persons"],
        never=sets["never"],
        code_words=sets["code_words"],
        english=sets["english"],
        code_phrases=tuple(data["code_phrases"]),
        qualifiers=sets["qualifiers"],
        fillers=sets["fillers"],
        openers=sets["openers"],
        verbs=sets["verbs"],
        rejects=sets["rejects"],
        money_words=sets["money_words"],
        link_domains=sets["link_domains"],
        families={slug: frozenset(members) for slug, members in data["families"].items()},
        app_hashes=data["app_hashes"],
        templates=data["templates"],
    )


class ServiceBook:
    """Every way to find a service by one word or host of a message."""

    def __init__(self, services: Iterable[Service]) -> None:
        self.hints = load_hints()
        self._categories: dict[str, str] = {}
        self._prohibited: set[str] = set()
        self._channels: set[str] = set()
        self._names: dict[str, Name] = {}
        self._senders: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self.first_words: dict[str, int] = {}
        """The first word of every name, with the most words that a name so begun may be written in."""
        self.inner_sizes: dict[str, tuple[int, ...]] = {}
        """The first two letters of every name, with the lengths of the names so begun, longest first."""
        catch_all = set(load_data("categories.json")["services"].values())
        for service in services:
            if service.slug in catch_all:
                self._categories[service.slug] = service.category
            elif service.category not in _NOT_MESSAGED:
                self._add(service)
        self._by_country = {
            country: {fold(sender): slug for sender, slug in table.items() if slug in self._categories}
            for country, table in load_data("senders.json").items()
        }

    def __contains__(self, slug: str) -> bool:
        return slug in self._categories

    def category(self, slug: str) -> str:
        return self._categories[slug]

    def prohibited(self, slug: str) -> bool:
        return slug in self._prohibited

    def name(self, folded: str) -> Name | None:
        return self._names.get(folded)

    def by_host(self, host: str) -> tuple[str, str] | None:
        """The service a host belongs to, with the domain that says so; the host may lie below that domain."""
        labels = host.casefold().strip(".").split(".")[-6:]
        for start in range(len(labels) - 1):
            domain = ".".join(labels[start:])
            if domain in self._hosts:
                return self._hosts[domain], domain
        return None

    def by_sender(self, sender: str, country: str | None) -> tuple[str, float] | None:
        """The service a sender name or short code stands for, and how surely."""
        header = _DLT.fullmatch(sender.strip()) if country in (None, "IN") else None
        if header:
            country, sender = "IN", header[1]
        folded = fold(sender)
        if not folded or folded in self.hints.generic_senders:
            return None
        scoped = self._by_country.get(country or "", {}).get(folded)
        if scoped or folded.isdigit():
            return (scoped, 0.92) if scoped else None
        if folded in self._senders:
            return self._senders[folded], 0.9
        name = self._names.get(folded)
        if name is None:
            return None
        return name.slug, 0.86 if not name.ordinary else 0.82 if name.slug in self._prohibited else 0.7

    def related(self, one: str, other: str) -> bool:
        families = self.hints.families
        return other in families.get(one, ()) or one in families.get(other, ())

    def _add(self, service: Service) -> None:
        self._categories[service.slug] = service.category
        if service.prohibited:
            self._prohibited.add(service.slug)
        if self.hints.link_domains.intersection(service.domains):
            self._channels.add(service.slug)
        for domain in service.domains:
            self._hosts.setdefault(domain, service.slug)
        for sender in service.senders:
            self._senders.setdefault(fold(sender), service.slug)
        for surface in (service.name, *service.aliases):
            self._add_name(service.slug, surface)

    def _add_name(self, slug: str, surface: str) -> None:
        folded = fold(surface)
        if len(folded) < 2 or folded in self.hints.never or folded in self.hints.code_words:
            return
        short = len(folded) < 4 and folded.isascii() and folded.isalpha()
        ordinary = folded in self.hints.ordinary or folded in self.hints.persons
        person = folded in self.hints.persons
        name = Name(slug, surface, ordinary, short, person, _breaks(surface), slug in self._channels)
        self._names.setdefault(folded, name)
        self._index(folded, surface, name)

    def _index(self, folded: str, surface: str, name: Name) -> None:
        most = min(len(name.breaks), MAX_NAME_TOKENS)
        for word in {
            folded,
            *(fold(part) for part in [*_WORDS.findall(surface)[:1], *_PARTS.findall(surface)[:1]]),
        }:
            self.first_words[word] = max(self.first_words.get(word, 0), most)
        if len(folded) <= MAX_INNER:
            sizes = {*self.inner_sizes.get(folded[:2], ()), len(folded)}
            self.inner_sizes[folded[:2]] = tuple(sorted(sizes, reverse=True))


@cache
def load_book() -> ServiceBook:
    """Of the seed catalogue: made once, and never changed."""
    return ServiceBook(load_services())


def _breaks(surface: str) -> frozenset[int]:
    parts = [fold(part) for part in _PARTS.findall(surface)]
    return frozenset(accumulate(len(part) for part in parts))


def load_data(name: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath("data", name).read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
