"""What an operator sets for Stripe. Keys are secrets, and stand elsewhere: `api_key` and `webhook_secret`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from onceline.core.errors import OutboundRefused
from onceline.outbound_address import literal, parse

SECRETS = {
    "api_key": "the secret or restricted key, sk_… or rk_…; it decides between test and live",
    "webhook_secret": "what Stripe signs its calls to us with, whsec_…; without it, payments are found by asking",
}


class StripeSettings(BaseModel):
    """Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field("https://api.stripe.com", description="Where Stripe's API answers.")
    adaptive_pricing: bool = Field(
        False, description="Whether Stripe may offer the price in the payer's own currency, at its own rate."
    )
    first_deposit_3ds: bool = Field(
        True, description="Whether an account's first deposit asks the bank to authenticate its holder."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        try:
            found = parse(url)
            address = literal(found.host)
        except OutboundRefused as refused:
            raise ValueError(refused.detail) from None
        if found.target != "/":
            raise ValueError("write the address without a path, as in https://api.stripe.com")
        if found.scheme != "https" and not (address and address.is_loopback):
            raise ValueError("the key travels in every call: the scheme must be https")
        return url.rstrip("/")
