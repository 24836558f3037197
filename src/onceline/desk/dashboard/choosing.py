"""What a person may choose from: services and countries found by what was typed, networks, pools, favourites and recent ones.

Promises that everything is in memory or bounded: typing costs no reading of stock.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from onceline.core.catalog.model import Country, Service, load_countries, load_services
from onceline.core.db import Transaction
from onceline.core.orders import history
from onceline.desk.people.models import Favourite, Person

SUGGESTED = 8
MOST_FAVOURITES = 50
_RECENT = 6
_LONGEST = 64
ALL_MESSAGES = "full"
SERVICES_SHOWN = 30
_USUAL = ("messaging", "special")


class Choice(NamedTuple):
    """A service, perhaps in a country, that was chosen before."""

    service: Service
    country: str
    starred: bool

    @property
    def country_name(self) -> str:
        return country_name(self.country)


class Known(NamedTuple):
    favourites: list[Choice]
    recent: list[Choice]

    def is_starred(self, service: str, country: str = "") -> bool:
        return any((one.service.slug, one.country) == (service, country) for one in self.favourites)


def service_name(slug: str) -> str:
    found = _by_slug().get(slug)
    return found.name if found else slug


def country_name(iso2: str) -> str:
    found = _countries().get(iso2)
    return found.name if found else iso2


def orderable(mode: str, kind: str = "activation") -> Iterable[Service]:
    """Test services are for the test side, all messages for rentals, prohibited ones for nobody."""
    return (
        one
        for one in load_services()
        if not one.prohibited
        and (mode == "test" or one.category != "test")
        and (kind == "rental" or one.slug != ALL_MESSAGES)
    )


def search(text: str, mode: str, limit: int, kind: str = "activation") -> list[Service]:
    """The best first: those that begin so, then those with a word that does, then those that hold it anywhere."""
    wanted = text.strip().casefold()[:_LONGEST]
    ranked = ((_rank(one, wanted), one) for one in orderable(mode, kind))
    found = sorted((rank, len(one.name), one.name, one.slug) for rank, one in ranked if rank is not None)
    return [_by_slug()[slug] for *_, slug in found[:limit]]


def usual(mode: str, kind: str, limit: int) -> list[Service]:
    """Where codes are wanted most often, by name: what to show to somebody who has typed nothing."""
    found = [one for one in orderable(mode, kind) if one.category in _USUAL]
    return sorted(found, key=lambda one: (_USUAL.index(one.category), one.name.casefold()))[:limit]


def exactly(text: str, mode: str, kind: str = "activation") -> Service | None:
    """The service that this is the name or slug of."""
    wanted = text.strip().casefold()
    found = (one for one in orderable(mode, kind) if wanted in (one.slug, one.name.casefold()))
    return next(found, None)


def countries_named(text: str) -> frozenset[str] | None:
    """The ISO codes that are meant: a code, a name or part of one, a dial code. None for any."""
    wanted = text.strip().casefold()[:_LONGEST]
    if not wanted:
        return None
    if wanted.upper() in _countries():
        return frozenset({wanted.upper()})
    named = [one for one in load_countries() if one.name.casefold() == wanted]
    if named:
        return frozenset(one.iso2 for one in named)
    dialled = wanted.lstrip("+") if wanted.lstrip("+").isdigit() else None
    return frozenset(
        one.iso2
        for one in load_countries()
        if one.dial_code == dialled or (dialled is None and wanted in one.name.casefold())
    )


@cache
def country_options() -> SafeString:
    """For the field's list of names; the same on every page, so written once."""
    named = ((one.name, one.dial_code) for one in load_countries())
    return format_html_join("", '<option value="{}">+{}</option>', named)


def known(tx: Transaction, person: Person, side: int, mode: str, kind: str = "activation") -> Known:
    """What the person starred, and what the account ordered lately."""
    sold = {one.slug: one for one in orderable(mode, kind)}
    starred = [
        Choice(sold[service], country, True)
        for service, country in person.favourites.order_by("service", "country").values_list(
            "service", "country"
        )[:MOST_FAVOURITES]
        if service in sold
    ]
    recent = [
        Choice(sold[one.service], one.country, False)
        for one in history.recent_choices(tx, side, _RECENT * 2)
        if one.kind == kind and one.service in sold
    ]
    return Known(starred, recent[:_RECENT])


def star(person: Person, service: str, country: str) -> bool:
    """Star it, or take the star away; says whether it is starred now."""
    if person.favourites.filter(service=service, country=country).delete()[0]:
        return False
    if person.favourites.count() >= MOST_FAVOURITES:
        oldest = person.favourites.order_by("pk").values_list("pk", flat=True)[:1]
        person.favourites.filter(pk__in=list(oldest)).delete()
    Favourite.objects.get_or_create(person=person, service=service, country=country)
    return True


def _rank(one: Service, wanted: str) -> int | None:
    name = one.name.casefold()
    if name.startswith(wanted):
        return 0
    if one.slug.startswith(wanted) or any(word.startswith(wanted) for word in name.split()):
        return 1
    if any(alias.casefold().startswith(wanted) for alias in one.aliases):
        return 2
    return 3 if wanted in name else None


@cache
def _by_slug() -> dict[str, Service]:
    return {one.slug: one for one in load_services()}


@cache
def _countries() -> dict[str, Country]:
    return {one.iso2: one for one in load_countries()}
