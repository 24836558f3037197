"""What is for sale on the live side, as visitors read it: real figures of this moment, or none.

Never shows the sandbox: its prices and its stock are fictional.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import Offer, OfferCursor, OfferFilter
from onceline.core.db import Transaction
from onceline.desk.dashboard import choosing
from onceline.desk.dashboard.words import country_name, country_names, service_name, service_names
from onceline.desk.house import house
from onceline.desk.pages.kept import Kept

LIVE = "live"
BOARD_ROWS = 8
PAGE_ROWS = 50
LOOKED_AT = 500
"""Offers that the landing page chooses from."""
PLACES_EACH = 100
MOST_CHOICES = 20
LONGEST_SEARCH = 64
WELL_KNOWN = ("telegram", "whatsapp", "google", "discord", "instagram", "wechat", "tiktok", "microsoft")
"""Shown first, where they are for sale."""
_START: OfferCursor = ("", "", "")


class Source(NamedTuple):
    """The live pools' names by slug, and the countries, by ISO code, of which one of them has numbers."""

    pools: dict[str, str]
    countries: dict[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """An offer with the names that people know it by."""

    offer: Offer
    service: str
    country: str
    pool: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a visitor wants to see. `service` and `country` as they were typed or chosen."""

    service: str = ""
    country: str = ""
    after: OfferCursor = _START


@dataclass(frozen=True, slots=True)
class Page:
    """`choices`: services that fit what was typed, when it was more than one. `next`: cursor of the page after it."""

    lines: list[Line]
    as_of: datetime
    next: str | None = None
    choices: Sequence[tuple[str, str]] = ()
    unknown: str = ""


def board() -> Page:
    """The cheapest offer of some services, the well-known ones first; no lines when nothing is for sale."""
    offers, as_of = _board.get(None)
    return Page(_named(offers), as_of)


def countries() -> dict[str, str]:
    """By ISO code, in the order of their names."""
    return _source.get(None)[0].countries


def search(asked: Asked) -> Page:
    """A page of offers. `unknown` names what was asked for and is not here."""
    if asked.country and asked.country not in countries():
        return Page([], house().clock.now(), unknown=asked.country)
    if not asked.service:
        return _page(asked, None)
    meant = choosing.exactly(asked.service, LIVE)
    fitting = [meant] if meant else choosing.search(asked.service, LIVE, MOST_CHOICES)
    if len(fitting) == 1:
        return _page(asked, fitting[0].slug)
    found = [(one.slug, one.name) for one in fitting]
    return Page([], house().clock.now(), choices=found, unknown="" if found else asked.service)


def read_cursor(text: str) -> OfferCursor:
    """The start, where it names no service, country and pool of ours: nobody makes us read pages that are none."""
    parts = text.split(",", 3)
    if len(parts) != 3:
        return _START
    service, country, pool = parts
    known = service in service_names() and country in country_names() and pool in _source.get(None)[0].pools
    return (service, country, pool) if known else _START


def _page(asked: Asked, service: str | None) -> Page:
    offers, as_of = _pages.get((service, asked.country or None, asked.after))
    shown = offers[:PAGE_ROWS]
    last = shown[-1] if len(offers) > PAGE_ROWS else None
    return Page(_named(shown), as_of, f"{last.service},{last.country},{last.pool}" if last else None)


def _named(offers: Iterable[Offer]) -> list[Line]:
    pools = _source.get(None)[0].pools
    return [
        Line(one, service_name(one.service), country_name(one.country), pools.get(one.pool, one.pool))
        for one in offers
    ]


def _read_source(_: None, __: datetime) -> Source:
    with house().db.statement() as tx:
        pools = catalog.pools(tx, LIVE)
    some = {country for pool in pools for country in pool.countries}
    names = country_names().items()
    return Source(
        {pool.slug: pool.name for pool in pools}, {iso2: name for iso2, name in names if iso2 in some}
    )


def _read_board(_: None, now: datetime) -> list[Offer]:
    with house().db.statement() as tx:
        offers = _offers(tx, None, LOOKED_AT, now)
        if len(offers) == LOOKED_AT:  # they begin with the first letters alone
            offers = [one for slug in WELL_KNOWN for one in _offers(tx, slug, PLACES_EACH, now)] or offers
    cheapest: dict[str, Offer] = {}
    for one in sorted(offers, key=lambda one: (one.amount, one.country, one.pool)):
        cheapest.setdefault(one.service, one)
    return sorted(cheapest.values(), key=_rank)[:BOARD_ROWS]


def _rank(offer: Offer) -> tuple[int, str]:
    known = WELL_KNOWN.index(offer.service) if offer.service in WELL_KNOWN else len(WELL_KNOWN)
    return known, offer.service


def _offers(tx: Transaction, service: str | None, limit: int, now: datetime) -> list[Offer]:
    return catalog.offers(tx, OfferFilter(LIVE, service=service), after=_START, limit=limit, now=now)


def _read_page(key: tuple[str | None, str | None, OfferCursor], now: datetime) -> list[Offer]:
    service, country, after = key
    wanted = OfferFilter(LIVE, service=service, country=country)
    with house().db.statement() as tx:
        return catalog.offers(tx, wanted, after=after, limit=PAGE_ROWS + 1, now=now)


_source: Kept[None, Source] = Kept(_read_source, 1)
_board: Kept[None, list[Offer]] = Kept(_read_board, 1)
_pages: Kept[tuple[str | None, str | None, OfferCursor], list[Offer]] = Kept(_read_page, 64)
