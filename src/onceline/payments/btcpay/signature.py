"""`BTCPay-Sig`: HMAC-SHA256 over the raw body, with a secret of the webhook's own. Pure.

There is no time in what is signed, so a replay is known by its delivery, and changes nothing: what counts is read back.
https://docs.btcpayserver.org/API/Greenfield/v1/#tag/Webhooks
"""

from __future__ import annotations

import hmac

from onceline.payments.base import NotAuthentic


def demand_signed(body: bytes, header: str | None, secret: str) -> None:
    """Raises NotAuthentic."""
    if not header:
        raise NotAuthentic("missing")
    expected = f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"
    if not hmac.compare_digest(expected.encode(), header.strip().lower().encode("utf-8", "replace")):
        raise NotAuthentic("wrong")
