"""Whether a request is from who knows the key. Pure.

Signed is `timestamp.body`, the timestamp as it stands in its header and the body as its bytes came, by HMAC-SHA256
(RFC 2104). The header holds any number of `v1=<hex>` divided by commas or spaces, so that a sender can sign with its old and
its new key; what has another name is left alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from onceline.suppliers.base import NotAuthentic
from onceline.suppliers.signing import equals_any, require_fresh, unix_seconds

TIMESTAMP = "x-onceline-timestamp"
SIGNATURE = "x-onceline-signature"
TOLERANCE_S = 300
"""How far the two clocks may be apart, either way; a replay within it is known by its message ids."""
MOST_WORDS = 20
"""Signatures that are looked at."""


def verify(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> None:
    """Raises NotAuthentic: missing, wrong, or stale, which is said only of a signature that holds."""
    timestamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if not timestamp or not signature:
        raise NotAuthentic("missing")
    seconds = unix_seconds(timestamp)
    signed = timestamp.encode() + b"." + body
    expected = [f"v1={hmac.new(key, signed, hashlib.sha256).hexdigest()}" for key in keys]
    if not any([equals_any(given, expected) for given in _given(signature)]):  # all are compared
        raise NotAuthentic("wrong")
    require_fresh(seconds, now, TOLERANCE_S)


def _given(header: str) -> list[str]:
    return header.lower().replace(",", " ").split(" ", MOST_WORDS)[:MOST_WORDS]
