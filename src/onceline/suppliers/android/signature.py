"""Whether a request is from one of our phones, and from now.

The app signs its raw body followed by the seconds it puts into `X-Timestamp`, and makes both anew at each try
(docs.sms-gate.app, Webhooks, payload signing).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from onceline.suppliers.base import NotAuthentic, Request
from onceline.suppliers.signing import equals_any, require_fresh, unix_seconds


def verify(request: Request, keys: Sequence[str]) -> None:
    """Raises NotAuthentic."""
    signature = request.headers.get("x-signature", "").strip().lower()
    stamp = request.headers.get("x-timestamp", "").strip()
    if not signature or not stamp:
        raise NotAuthentic("missing")
    made_at = unix_seconds(stamp)
    if not equals_any(signature, [_signature(request.body + stamp.encode(), key) for key in keys]):
        raise NotAuthentic("wrong")
    require_fresh(made_at, request.received_at)


def _signature(signed: bytes, key: str) -> str:
    return hmac.new(key.encode("utf-8", "surrogatepass"), signed, hashlib.sha256).hexdigest()
