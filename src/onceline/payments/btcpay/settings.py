"""What an operator sets for a store on a BTCPay Server. Keys are secrets, and stand elsewhere."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from onceline.core.errors import OutboundRefused
from onceline.outbound_address import literal, parse

SECRETS = {
    "api_key": "an API key of the store that may view and create invoices (canviewinvoices, cancreateinvoice)",
    "webhook_secret": "what the store signs its calls to us with; without it, payments are found by asking",
}


class BTCPaySettings(BaseModel):
    """Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="Where the server answers, as in https://btcpay.example.com.")
    store_id: str = Field(pattern=r"^[0-9A-Za-z]{1,64}$", description="The store's id, from its settings.")
    monitoring_minutes: int = Field(
        1440,
        ge=60,
        le=10_080,
        description="Minutes for which late payments are still seen after a page has expired.",
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
            raise ValueError("write scheme and host alone, as in https://btcpay.example.com")
        if found.scheme != "https" and not (address and address.is_loopback):
            raise ValueError("the key travels in every call: the scheme must be https")
        return url.rstrip("/")
