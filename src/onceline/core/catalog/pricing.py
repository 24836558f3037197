"""Which price holds: the most particular row wins. Pure.

The same rule stands in the schema (`price_of`, `place_orders`), where placing an order decides; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Iterable

EVERY_SERVICE, EVERY_COUNTRY = 0, ""
"""In a price row: for all that have no price of their own."""
TEST = "test"
"""A service of this category is offered only where it has a price of its own."""


class PriceList:
    """Prices in micro-units by (pool, service, country)."""

    def __init__(self, rows: Iterable[tuple[int, int, str, int]]) -> None:
        self._amounts = {(pool, service, country): amount for pool, service, country, amount in rows}

    def price(self, pool: int, service: int, category: str, country: str) -> int | None:
        """None: not offered."""
        for own in (service,) if category == TEST else (service, EVERY_SERVICE):
            for place in (country, EVERY_COUNTRY):
                amount = self._amounts.get((pool, own, place))
                if amount is not None:
                    return amount
        return None
