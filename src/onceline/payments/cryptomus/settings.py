"""What an operator sets for Cryptomus, or for a brand with the same API.

Not here, on purpose: the addresses that Cryptomus calls from. They prove nothing behind a proxy, and no address is kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from onceline.core.errors import OutboundRefused
from onceline.outbound_address import literal, parse

SECRETS = {
    "payment_key": "the API key for payments; it also signs Cryptomus's calls to us",
    "payout_key": "the API key for pay-outs; only where refunds are signed with it (refund_key)",
}


class CryptomusSettings(BaseModel):
    """Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(
        "https://api.cryptomus.com", description="Where the API answers; another brand of it has another."
    )
    merchant_id: str = Field(
        pattern=r"^[0-9a-fA-F-]{36}$", description="The merchant's UUID, from the account's settings."
    )
    lifetime_s: int = Field(
        3600,
        ge=300,
        le=43_200,
        description="Seconds for which a page can be paid; at most until the deposit ends.",
    )
    accuracy_percent: Decimal = Field(
        Decimal(0), ge=0, le=2, decimal_places=2,
        description="How much less still counts as paid in full; the difference is the operator's.",
    )  # fmt: skip
    refund_key: Literal["payment", "payout"] = Field(
        "payment",
        description="Which key signs refunds; brands differ. A wrong one is refused, and nothing is sent.",
    )

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, url: str) -> str:
        try:
            found = parse(url)
            address = literal(found.host)
        except OutboundRefused as refused:
            raise ValueError(refused.detail) from None
        if found.target != "/":
            raise ValueError("write scheme and host alone, as in https://api.cryptomus.com")
        if found.scheme != "https" and not (address and address.is_loopback):
            raise ValueError("what is said here decides over money: the scheme must be https")
        return url.rstrip("/")
