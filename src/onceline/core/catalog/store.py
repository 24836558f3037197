"""The catalogue in the database: seeded from the shipped data, priced per pool, listed with what is leasable now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onceline.core.catalog.model import load_countries, load_services
from onceline.core.db import Row, Transaction, load_queries

_Q = load_queries(__package__)

USUAL_WINDOW_S = 1200
"""The window that the seed data's seconds are a multiple of; the database keeps the factor, so that an operator's
shorter window shortens the longer ones too."""
RECORD_DAYS = 7


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


def countries(tx: Transaction, *, after: str, limit: int) -> list[Row]:
    return tx.all(_Q.countries, {"after": after, "limit": limit})


def services(tx: Transaction, *, search: str | None, after: str, limit: int) -> list[Row]:
    return tx.all(_Q.services, {"search": search.lower() if search else None, "after": after, "limit": limit})


def service_ids(tx: Transaction) -> dict[str, int]:
    return {row.slug: row.id for row in tx.all(_Q.services_by_slug)}


def pools(tx: Transaction, mode: str) -> list[Row]:
    return tx.all(_Q.pools, {"mode": mode})


def rental_durations(tx: Transaction, mode: str) -> list[int]:
    return [row.duration_s for row in tx.all(_Q.rental_durations, {"mode": mode})]


def offers(
    tx: Transaction, wanted: OfferFilter, *, after: OfferCursor, limit: int, now: datetime
) -> list[Row]:
    """What is leasable now, by service, country and pool; prices in micro-units; only what has stock."""
    return tx.all(
        _Q.offer_places,
        {
            "mode": wanted.mode,
            "kind": wanted.kind,
            "service": wanted.service,
            "country": wanted.country,
            "pool": wanted.pool,
            "network": wanted.network,
            "duration_s": wanted.duration_s,
            "after_service": after[0],
            "after_country": after[1],
            "after_pool": after[2],
            "limit": limit,
            "now": now,
        },
    )


def record_offers(tx: Transaction, now: datetime) -> int:
    return tx.run(_Q.record_offers, {"since": now - timedelta(days=RECORD_DAYS), "now": now})
