"""The statement of a month: where a side's figures stood, what moved by kind, where they stand. Every figure a sum of transfers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from onceline.core.books import store as books
from onceline.core.books.store import Month
from onceline.core.clock import rfc3339
from onceline.core.money import format_amount
from onceline.edge import month_shapes
from onceline.edge.api import router
from onceline.edge.auth import BalanceRead
from onceline.edge.house import AnyHouse

routes = router("account")
MonthName = Annotated[
    str, Path(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="As in 2026-03, by the calendar of UTC.")
]


@routes.get("/statement/months/{month}", response_model=month_shapes.Month)
async def statement_of_month(house: AnyHouse, grant: BalanceRead, month: MonthName) -> dict[str, Any]:
    """`opening` and the sums make `closing`, figure by figure. Of a month that is not over: so far."""
    year, number = map(int, month.split("-"))
    now, currency = house.clock.now(), house.context.installation.currency
    found = await house.commands.run(lambda tx: books.month(tx, grant.side, year, number, now))
    return {"month": month, "mode": grant.mode, "currency": currency, "is_over": found.until <= now} | _view(
        found
    )


def _view(found: Month) -> dict[str, Any]:
    return {
        "since": rfc3339(found.since),
        "until": rfc3339(found.until),
        "opening": _figures(found.opening),
        "sums": [one._asdict() | {"amount": format_amount(one.amount)} for one in found.sums],
        "closing": _figures(found.closing),
    }


def _figures(figures: dict[str, int]) -> dict[str, str]:
    return {name: format_amount(amount) for name, amount in figures.items()}
