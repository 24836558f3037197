"""What an operator sets for an agent."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Literal

from pydantic import Field, field_validator

from onceline.core.errors import OutboundRefused
from onceline.core.money import MICROS
from onceline.outbound_address import parse
from onceline.suppliers.agents.places import Form
from onceline.suppliers.agents.wire import CURRENCIES
from onceline.suppliers.base import KindSettings


class AgentSettings(KindSettings):
    """`sum`, which the agent is promised for a number, is the order's price less `markup_percent`, times `rate`."""

    url: str = Field(description="Where the agent answers, such as https://agent.example/smshub.")
    pool: str = Field(description="The pool whose stock is what the agent says it has.")
    currency: Literal["USD", "EUR", "RUB", "UAH", "KZT", "CNY", "GBP"] = Field(
        "USD", description="What the agent is paid in."
    )
    rate: Decimal = Field(
        Decimal(1), gt=0, le=10**6, max_digits=20, description="Units of it for one of our own currency."
    )
    markup_percent: int = Field(0, ge=0, le=10_000, description="What of the price stays here.")
    poll_s: int = Field(15, ge=5, le=30, description="Seconds between two looks at the agent's stock.")
    countries: Form = Field("names", description="How the agent names countries: names or ids.")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        try:
            parse(url)
        except OutboundRefused as refused:
            raise ValueError(refused.detail) from None
        return url

    @property
    def currency_number(self) -> int:
        return CURRENCIES[self.currency]

    def sum_of(self, price: int) -> Decimal:
        """Of a price in micro-units: 2 places for roubles, 4 otherwise, as the protocol wants it; never rounded up."""
        own = Decimal(price) * 100 / (100 + self.markup_percent) / MICROS
        places = Decimal("0.01") if self.currency == "RUB" else Decimal("0.0001")
        return (own * self.rate).quantize(places, ROUND_DOWN)
