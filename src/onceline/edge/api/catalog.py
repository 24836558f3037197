"""What can be ordered: countries, services, pools, offers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import STEPS_S, Offer, OfferFilter
from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.orders.view import money_view
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.paging import Cursor, Limit, read_cursor, write_cursor
from onceline.edge.auth import OrdersRead
from onceline.edge.house import AnyHouse, House

routes = router("catalog")


@routes.get("/catalog/countries", response_model=shapes.Countries)
async def countries(
    house: AnyHouse, _: OrdersRead, limit: Limit = 100, cursor: Cursor = None
) -> dict[str, Any]:
    """Countries by ISO 3166-1 code."""
    after = str((read_cursor(cursor, str) or ("",))[0])
    rows = await house.commands.run(lambda tx: catalog.countries(tx, after=after, limit=limit + 1))
    page = rows[:limit]
    return {
        "countries": [row._asdict() for row in page],
        "next": write_cursor(page[-1].iso2) if len(rows) > limit else None,
    }


@routes.get("/catalog/services", response_model=shapes.Services)
async def services(
    house: AnyHouse,
    _: OrdersRead,
    search: Annotated[str | None, Query(max_length=64, pattern=r"^[^%_\\\x00-\x1f\x7f]*$")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Services by slug; `search` matches the start of a slug or a part of a name."""
    after = str((read_cursor(cursor, str) or ("",))[0])
    rows = await house.commands.run(
        lambda tx: catalog.services(tx, search=search, after=after, limit=limit + 1)
    )
    page = rows[:limit]
    window = house.settings.activation_window_s
    return {
        "services": [
            {
                "slug": row.slug,
                "name": row.name,
                "codes": row.codes,
                "category": row.category,
                "window_s": window * row.window_factor,
            }
            for row in page
        ],
        "next": write_cursor(page[-1].slug) if len(rows) > limit else None,
    }


@routes.get("/catalog/pools", response_model=shapes.Pools)
async def pools(house: AnyHouse, grant: OrdersRead) -> dict[str, Any]:
    """Sources of numbers, and the countries each has some of."""
    rows = await house.commands.run(lambda tx: catalog.pools(tx, grant.mode))
    return {
        "pools": [
            {name: getattr(row, name) for name in ("slug", "name", "mode", "countries")} for row in rows
        ]
    }


@routes.get("/catalog/offers", response_model=shapes.Offers)
async def offers(
    house: AnyHouse,
    grant: OrdersRead,
    service: shapes.Slug | None = None,
    country: shapes.Country | None = None,
    pool: shapes.Slug | None = None,
    network: shapes.Network | None = None,
    kind: Literal["activation", "rental"] = "activation",
    duration: Annotated[int, Query(ge=0, le=366 * 86400)] = 0,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What is leasable now, with price, stock and how well it did lately. Nothing without stock is listed."""
    wanted = OfferFilter(grant.mode, kind, service, country, pool, network, duration)
    place = read_cursor(cursor, str, str, str) or ("", "", "")
    after = (str(place[0]), str(place[1]), str(place[2]))
    now = house.clock.now()

    def read(tx: Transaction) -> tuple[list[Offer], list[int]]:
        found = catalog.offers(tx, wanted, after=after, limit=limit + 1, now=now)
        return found, catalog.rental_durations(tx, grant.mode)

    rows, durations = await house.commands.run(read)
    page = rows[:limit]
    return {
        "offers": [_offer(house, row) for row in page],
        "as_of": rfc3339(now),
        "durations": durations,
        "next": write_cursor(page[-1].service, page[-1].country, page[-1].pool)
        if len(rows) > limit
        else None,
    }


def _offer(house: House, row: Offer) -> dict[str, Any]:
    return {
        "service": row.service,
        "country": row.country,
        "pool": row.pool,
        "price": money_view(house.context, row.amount),
        "stock": row.stock,
        "success_rate": row.success_rate,
        "median_s": row.median_s,
        "seconds_histogram": _histogram(row.seconds) if row.seconds else None,
    }


def _histogram(seconds: tuple[int, ...]) -> list[dict[str, int | None]]:
    return [{"up_to": up_to, "count": n} for up_to, n in zip((*STEPS_S, None), seconds, strict=True)]
