"""Whether Stripe signed a callback. Pure: the instant comes with the callback.

`Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`: an HMAC-SHA256 with the endpoint's secret over the seconds, a point and the
raw body. While a secret is being replaced there is one v1 for each. Other schemes (v0) are for tests, and count for nothing.
https://docs.stripe.com/webhooks/signature
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta

from onceline.payments.base import NotAuthentic

TOLERANCE = timedelta(seconds=300)
"""Either way: what is signed for later could be kept, and sent again then."""
LONGEST_HEADER = 4096

_SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)


def check(header: str | None, body: bytes, secret: str, received_at: datetime) -> None:
    """Raises NotAuthentic: missing, wrong, old."""
    if not header:
        raise NotAuthentic("missing")
    seconds, signatures = _taken_apart(header)
    if not secret:  # anybody could sign with nothing
        raise NotAuthentic("wrong")
    expected = hmac.digest(secret.encode(), seconds.encode() + b"." + body, "sha256").hex().encode()
    if not any([hmac.compare_digest(expected, one) for one in signatures]):
        raise NotAuthentic("wrong")
    if abs(received_at - datetime.fromtimestamp(int(seconds), UTC)) > TOLERANCE:
        raise NotAuthentic("old")


def _taken_apart(header: str) -> tuple[str, list[bytes]]:
    """The seconds as they were written, and every v1."""
    if len(header) > LONGEST_HEADER:
        raise NotAuthentic("wrong")
    pairs = [item.partition("=")[::2] for item in header.split(",")]
    times = [value for name, value in pairs if name == "t"]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]):
        raise NotAuthentic("wrong")
    return times[0], [value.encode("utf-8", "replace") for name, value in pairs if name == "v1"]
