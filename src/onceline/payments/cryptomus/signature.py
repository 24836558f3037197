"""Cryptomus's signature: MD5 over the JSON in base64 and a key. Weak, so what it signs is a hint and never a proof. Pure.

A callback carries it in its own body, made over the JSON without it as PHP writes that. What PHP wrote is best taken from
the bytes as they came; a body that was written anew on its way (slashes, letters as escapes) is brought to PHP's form.
https://doc.cryptomus.com/merchant-api/payments/webhook
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5
from typing import Any

from onceline.payments.base import NotAuthentic, Unreadable

MOST_BYTES = 64 * 1024

_SIGN = re.compile(rb'(,?)"sign":"[0-9a-f]{32}"(,?)')
"""Quotes inside a text are escaped, so this is a member of some object wherever it is found."""


def sign(body: bytes, key: str) -> str:
    """Of a request: over the very bytes that are sent, nothing at all included."""
    digest = md5(b64encode(body) + key.encode(), usedforsecurity=False)  # the rule is theirs; see the module
    return digest.hexdigest()


def signed_fields(body: bytes, key: str) -> Mapping[str, Any]:
    """What of a callback was signed, without the signature. Raises NotAuthentic, Unreadable."""
    whole = _object(body)
    given = whole.pop("sign", None)
    if not isinstance(given, str) or not given:
        raise NotAuthentic("missing")
    cut = _without_sign(body)
    if _fits(cut, given, key):
        return _object(cut)
    if _fits(_as_php(whole), given, key):
        return whole
    raise NotAuthentic("wrong")


def _fits(signed: bytes, given: str, key: str) -> bool:
    return hmac.compare_digest(sign(signed, key).encode(), given.encode("utf-8", "replace"))


def _without_sign(body: bytes) -> bytes:
    """The bytes without the last member of that name; PHP appends it."""
    found = list(_SIGN.finditer(body))
    if not found:
        return body
    last = found[-1]
    comma = b"," if last[1] and last[2] else b""
    return body[: last.start()] + comma + body[last.end() :]


def _as_php(fields: Mapping[str, Any]) -> bytes:
    """`json_encode` with JSON_UNESCAPED_UNICODE: the order kept, no spaces, slashes and line separators escaped."""
    try:
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None
    for letter, escaped in (("/", r"\/"), ("\u2028", r"\u2028"), ("\u2029", r"\u2029")):
        text = text.replace(letter, escaped)
    return text.encode("utf-8", "surrogatepass")


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_BYTES:
        raise Unreadable("the body is too long")
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unreadable("the body is no JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("the body is no JSON object")
    return found
