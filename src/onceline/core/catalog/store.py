"""The catalogue in the database: seeded from the shipped data, priced per pool, listed with what is leasable now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from onceline.core.catalog.model import load_countries, load_services
from onceline.core.catalog.pricing import EVERY_SERVICE, PriceList
from onceline.core.db import Row, Transaction, load_queries

_Q = load_queries(__package__)

USUAL_WINDOW_S = 1200
"""The window that the seed data's seconds are a multiple of; the database keeps the factor, so that an operator's
shorter window shortens the longer ones too."""
RECORD_DAYS = 7
STEPS_S = (5, 10, 20, 40, 80, 160)
"""Upper ends of the histogram's steps, each within; one more step is for what takes longer. `record_offers` says the same."""
ASKED_STOCK_FOR = timedelta(seconds=60)
"""How long a supplier's word about its stock is good; `has_asked_stock` of the schema says the same."""
_SERVICES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Pool:
    """A priced group of numbers of one supplier. `asks` and `tells` as in `onceline.suppliers.base`."""

    slug: str
    name: str
    supplier: str
    mode: str
    asks: bool = False
    tells: bool = False


@dataclass(frozen=True, slots=True)
class OfferFilter:
    """None means any. `duration_s` belongs to rentals and is 0 for activations."""

    mode: str
    kind: str = "activation"
    service: str | None = None
    country: str | None = None
    pool: str | None = None
    network: str | None = None
    duration_s: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """`amount` in micro-units; `success_rate` and `median_s` of the last RECORD_DAYS, None without orders.

    `seconds`: how many first valid codes came in each of the STEPS_S, and later; None without codes.
    """

    service: str
    country: str
    pool: str
    amount: int
    stock: int
    success_rate: float | None
    median_s: float | None
    seconds: tuple[int, ...] | None

    @classmethod
    def of(cls, service: str, country: str, pool: str, amount: int, stock: int, record: Row | None) -> Offer:
        rate = round(record.succeeded / record.closed, 4) if record and record.closed else None
        median = record.median_s if record else None
        seconds = tuple(record.seconds) if record and record.seconds and record.succeeded else None
        return cls(service, country, pool, amount, stock, rate, median, seconds)


_Place = tuple[str, str, int, int]
"""Country, pool's slug and id, numbers that are left."""
OfferCursor = tuple[str, str, str]
"""Service, country and pool of the last offer seen."""


def seed_text() -> str:
    """All that `seed` writes, as one text: when it is unchanged there is nothing to do."""
    return repr((load_countries(), load_services()))


def is_seeded(tx: Transaction, seed: str) -> bool:
    row = tx.one(_Q.seed_digest)
    return row is not None and row.seed == seed


def seed(tx: Transaction, digest: str) -> None:
    """Bring countries and services up to the shipped data; what operators priced or pooled stays."""
    tx.run(_Q.set_seed_digest, {"seed": digest})
    countries = load_countries()
    tx.run(
        _Q.seed_countries,
        {
            name: [getattr(country, name) for country in countries]
            for name in ("iso2", "name", "dial_code", "field_id")
        },
    )
    for service in load_services():
        tx.run(
            _Q.seed_service,
            {
                "slug": service.slug,
                "name": service.name,
                "codes": list(service.codes),
                "category": service.category,
                "prohibited": service.prohibited,
                "window_factor": -(-(service.window_s or USUAL_WINDOW_S) // USUAL_WINDOW_S),
            },
        )


def seed_pool(tx: Transaction, pool: Pool) -> int:
    """The pool's id; made or brought up to date."""
    row = tx.one(
        _Q.seed_pool,
        {
            "slug": pool.slug,
            "name": pool.name,
            "supplier": pool.supplier,
            "mode": pool.mode,
            "asks": pool.asks,
            "tells": pool.tells,
        },
    )
    assert row is not None
    return int(row.id)


def set_price(
    tx: Transaction,
    pool: int,
    amount: int,
    *,
    kind: str = "activation",
    service: str | None = None,
    country: str = "",
    duration_s: int = 0,
) -> None:
    """Price in micro-units; no service or country means every one that has no price of its own."""
    tx.run(
        _Q.set_price,
        {
            "pool": pool,
            "kind": kind,
            "service": service,
            "country": country,
            "duration_s": duration_s,
            "amount": amount,
        },
    )


def set_prices(tx: Transaction, pool: str, amounts: Mapping[tuple[str, str], int]) -> int:
    """Activation prices in micro-units by country and service, in one statement; returns how many changed."""
    places = list(amounts)
    return tx.run(
        _Q.set_prices,
        {
            "pool": pool,
            "countries": [country for country, _ in places],
            "services": [service for _, service in places],
            "amounts": [amounts[place] for place in places],
        },
    )


def countries(tx: Transaction, *, after: str, limit: int) -> list[Row]:
    return tx.all(_Q.countries, {"after": after, "limit": limit})


def services(tx: Transaction, *, search: str | None, after: str, limit: int) -> list[Row]:
    return tx.all(_Q.services, {"search": search.lower() if search else None, "after": after, "limit": limit})


def service_ids(tx: Transaction) -> dict[str, int]:
    return {row.slug: row.id for row in tx.all(_Q.services_by_slug)}


def pools(tx: Transaction, mode: str) -> list[Row]:
    return tx.all(_Q.pools, {"mode": mode})


def networks(tx: Transaction, mode: str, country: str) -> list[str]:
    """MCC+MNC of the networks that a country's numbers are of, where suppliers say so."""
    return [row.network for row in tx.all(_Q.networks, {"mode": mode, "country": country})]


def rental_durations(tx: Transaction, mode: str) -> list[int]:
    return [row.duration_s for row in tx.all(_Q.rental_durations, {"mode": mode})]


def offers(
    tx: Transaction, wanted: OfferFilter, *, after: OfferCursor, limit: int, now: datetime
) -> list[Offer]:
    """What is leasable now, by service, country and pool; only what has a price and stock."""
    stock = _Stock(tx.all(_Q.leasable, {**asdict(wanted), "now": now}), _asked_pools(tx, wanted, now))
    found: list[Offer] = []
    from_slug: str | None = after[0]
    while (stock.places or stock.asked) and from_slug is not None and len(found) < limit:
        batch = tx.all(
            _Q.orderable,
            {
                "from_slug": from_slug,
                "service": wanted.service,
                "kind": wanted.kind,
                "limit": _SERVICES_AT_ONCE + 1,
            },
        )
        from_slug = batch[_SERVICES_AT_ONCE].slug if len(batch) > _SERVICES_AT_ONCE else None
        found += _offers_of(tx, wanted, batch[:_SERVICES_AT_ONCE], stock, after, limit - len(found))
    return found


def _asked_pools(tx: Transaction, wanted: OfferFilter, now: datetime) -> list[int]:
    """A supplier that has to be asked first does not say of which network its numbers are."""
    if wanted.network is not None:
        return []
    return [row.id for row in tx.all(_Q.asked_pools, {**asdict(wanted), "said_after": now - ASKED_STOCK_FOR})]


class _Stock:
    """What is free per pool and country, less what is burnt for a service; and the pools to be asked for more."""

    def __init__(self, rows: list[Row], asked: list[int]) -> None:
        self.asked = asked
        self.places = sorted(
            (row.country, row.pool, row.pool_id, row.n) for row in rows if row.service_id is None
        )
        self._burnt = {(row.pool_id, row.country, row.service_id): row.n for row in rows}

    def left(self, pool: int, country: str, service: int, free: int) -> int:
        return int(free - self._burnt.get((pool, country, service), 0))


def _offers_of(
    tx: Transaction, wanted: OfferFilter, services: list[Row], stock: _Stock, after: OfferCursor, limit: int
) -> list[Offer]:
    ids = [service.id for service in services]
    priced = tx.all(
        _Q.prices,
        {
            "kind": wanted.kind,
            "duration_s": wanted.duration_s,
            "services": [EVERY_SERVICE, *ids],
            "country": wanted.country,
        },
    )
    prices = PriceList((row.pool_id, row.service_id, row.country, row.amount) for row in priced)
    records = {
        (row.pool_id, row.service_id, row.country): row for row in tx.all(_Q.records, {"services": ids})
    }
    asked = _asked_stock(tx, stock.asked, ids, wanted.country)
    found: list[Offer] = []
    for service in services:
        own = (
            (country, pool, pool_id, stock.left(pool_id, country, service.id, free))
            for country, pool, pool_id, free in stock.places
        )
        for country, pool, pool_id, left in sorted([*own, *asked[service.id]]):
            amount = prices.price(pool_id, service.id, service.category, country)
            seen = service.slug == after[0] and (country, pool) <= after[1:]
            if amount is None or left <= 0 or seen:
                continue
            record = records.get((pool_id, service.id, country))
            found.append(Offer.of(service.slug, country, pool, amount, left, record))
            if len(found) == limit:
                return found
    return found


def _asked_stock(
    tx: Transaction, pools: list[int], services: list[int], country: str | None
) -> dict[int, list[_Place]]:
    """By service: what the suppliers of these pools say."""
    said = defaultdict[int, list[_Place]](list)
    if pools:
        for row in tx.all(_Q.asked_stock, {"services": services, "pools": pools, "country": country}):
            said[row.service_id].append((row.country, row.pool, row.pool_id, row.count))
    return said


def record_offers(tx: Transaction, now: datetime) -> int:
    return tx.run(_Q.record_offers, {"since": now - timedelta(days=RECORD_DAYS), "now": now})
