"""What an operator sets for a handler_api server, and what its prices become here. Integers only: money never rounds by itself."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from onceline.core.catalog.model import load_countries, load_services
from onceline.core.errors import OutboundRefused
from onceline.core.money import LARGEST, MICROS
from onceline.outbound_address import parse
from onceline.suppliers.base import KindSettings

_STEP = 100
"""Prices here have 4 decimals at most."""
_WHOLE_PERCENT = 100 * 100
"""A hundred per cent, in hundredths of one."""


def _split(value: object) -> object:
    return [piece.strip() for piece in value.split(",")] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split), Field(max_length=1000)]


class HandlerApiSettings(KindSettings):
    """A price here is the server's, times `rate`, plus `markup_percent`, rounded up to 4 decimals."""

    url: str = Field(
        description="Where the server answers, such as https://hub.example/stubs/handler_api.php."
    )
    pool: str = Field(description="The pool that gets what the server has, with its prices.")
    markup_percent: Decimal = Field(
        Decimal(0), ge=0, le=10_000, decimal_places=2, description="What is added to the server's price."
    )
    rate: Decimal = Field(
        Decimal(1),
        gt=0,
        le=10**6,
        decimal_places=6,
        description="Units of our currency for one of the server's, such as 0.92.",
    )
    countries: Names = Field((), description="Only these ISO codes, with commas between; unset: all.")
    services: Names = Field((), description="Only these of our services, with commas between; unset: all.")
    poll_s: int = Field(25, ge=10, le=45, description="Seconds between two looks at the server's prices.")
    low_balance: Decimal | None = Field(
        None, gt=0, description="Below this, in the server's currency, staff are alerted."
    )
    honours_order_id: bool = Field(
        False, description="Whether the server promises to sell only once under one orderId."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        try:
            found = parse(url)
        except OutboundRefused as refused:
            raise ValueError(refused.detail) from None
        if "?" in found.target:
            raise ValueError("write the address without a question mark: key and action are added to it")
        return url

    @field_validator("countries")
    @classmethod
    def _countries(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, {one.iso2 for one in load_countries()}, "country's ISO code")

    @field_validator("services")
    @classmethod
    def _services(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, {one.slug for one in load_services() if not one.prohibited}, "service")

    def sells(self, country: str, service: str) -> bool:
        return (not self.countries or country in self.countries) and (
            not self.services or service in self.services
        )

    def price_of(self, cost: Decimal) -> int | None:
        """Ours in micro-units, of the server's cost; None beyond what is served here."""
        exact = _micros(cost, ROUND_CEILING) * self._factor
        price = -(-exact // (_STEP * MICROS * _WHOLE_PERCENT)) * _STEP
        return price if price <= LARGEST else None

    def most_cost(self, price: int) -> int:
        """The most that may be paid to the server, in millionths of its currency, for an order that holds `price`."""
        return price * MICROS * _WHOLE_PERCENT // self._factor

    @property
    def _factor(self) -> int:
        """Rate and mark-up together: MICROS times _WHOLE_PERCENT is one."""
        return _micros(self.rate, ROUND_FLOOR) * (_WHOLE_PERCENT + int(self.markup_percent * 100))


def cost_micros(cost: Decimal) -> int:
    return _micros(cost, ROUND_CEILING)


def _micros(number: Decimal, rounding: str) -> int:
    return int((number * MICROS).to_integral_value(rounding))


def _known(names: tuple[str, ...], known: set[str], what: str) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no {what}: {', '.join(name[:20] for name in unknown[:5])}")
    return names
