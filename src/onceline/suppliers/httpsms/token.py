"""Whether a request is from our httpSMS server: a JSON web token (RFC 7519) in `Authorization: Bearer`, signed by HS256.

The token says when it was made and how long it holds; it does not cover the body, which only TLS protects. Promised: no other
algorithm is accepted, whatever the token names (RFC 8725, 3.1), and nothing of it is believed before its signature held.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from onceline.suppliers.base import NotAuthentic, Request
from onceline.suppliers.signing import FRESH_FOR_S, equals_any

CLOCKS_DIFFER_S = 60
MOST_CHARACTERS = 4096


def verify(request: Request, keys: Sequence[str]) -> None:
    """Raises NotAuthentic."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthentic("missing")
    if not _is_fresh(_claims(token.strip(), keys), request.received_at.timestamp()):
        raise NotAuthentic("stale")


def _claims(token: str, keys: Sequence[str]) -> Mapping[str, Any]:
    """What a token of ours says. Raises NotAuthentic."""
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    if len(token) > MOST_CHARACTERS or not token.isascii():
        raise NotAuthentic("wrong")
    if not equals_any(signature, [_signature(signed, key) for key in keys]):
        raise NotAuthentic("wrong")
    if _object(header).get("alg") != "HS256":
        raise NotAuthentic("wrong")
    return _object(claims)


def _signature(signed: str, key: str) -> str:
    mac = hmac.new(key.encode("utf-8", "surrogatepass"), signed.encode("ascii"), hashlib.sha256)
    return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()


def _object(packed: str) -> Mapping[str, Any]:
    """Raises NotAuthentic."""
    try:
        found = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    except (ValueError, RecursionError):
        raise NotAuthentic("wrong") from None
    if not isinstance(found, dict):
        raise NotAuthentic("wrong")
    return found


def _is_fresh(claims: Mapping[str, Any], now: float) -> bool:
    """RFC 7519, 4.1.4 to 4.1.6; the server makes a token for each call and calls at once. A token that does not say when it was made and when it ends is none of httpSMS."""
    issued, expires, begins = (_instant(claims.get(name)) for name in ("iat", "exp", "nbf"))
    if issued is None or expires is None or (begins is None and "nbf" in claims):
        return False
    return (
        -CLOCKS_DIFFER_S <= now - issued <= FRESH_FOR_S
        and now < expires + CLOCKS_DIFFER_S
        and now >= (begins or 0) - CLOCKS_DIFFER_S
    )


def _instant(value: Any) -> float | None:
    """Seconds since 1970, as far as clocks go."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e12 else None
