"""The agent protocol's JSON, read strictly and written exactly, for both of its ends. Pure.

As its specification of 2024-03-06 has it: POST, UTF-8, gzip allowed, numbers are JSON numbers and never texts, every answer
has a `status`. Promises: whatever a stranger sends is bounded before it is looked at, also after unpacking; a sum never
becomes a float.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

SUCCESS, NO_NUMBERS, ERROR = "SUCCESS", "NO_NUMBERS", "ERROR"
DO_NOT_OFFER, SOLD, CANCELLED, REFUNDED = 1, 3, 4, 5
"""What FINISH_ACTIVATION says about a number."""
MOST_BYTES = 1024 * 1024
"""Of a body after unpacking."""
LARGEST = 2**63 - 1
"""What the protocol calls ulong."""
_SMALLEST_PACKED = 1024
CURRENCIES = {"USD": 840, "EUR": 978, "RUB": 643, "UAH": 980, "KZT": 398, "CNY": 156, "GBP": 826}
"""ISO 4217 numbers, as `currency` carries them."""


class NotUnderstood(Exception):
    """A body that is not what the protocol wants. The text says what, and quotes nothing of it."""


def unpacked(body: bytes, encoding: str, most: int = MOST_BYTES) -> bytes:
    """Raises NotUnderstood: longer than `most` when unpacked, no whole gzip stream, another encoding."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body if len(body) <= most else _refuse("the body is too long")
    if encoding not in ("gzip", "x-gzip"):
        _refuse("Content-Encoding must be gzip, or left out")
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = reader.decompress(body, most + 1)
    except zlib.error:
        _refuse("the body is no gzip stream")
    if len(plain) > most:
        _refuse("the body is too long")
    return plain if reader.eof else _refuse("the gzip stream ends early")


def packed(body: bytes, accepts: str) -> tuple[bytes, dict[str, str]]:
    """A body and its headers, packed where the other side takes gzip and it is worth it."""
    if len(body) < _SMALLEST_PACKED or "gzip" not in accepts.lower():
        return body, {}
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush(), {"Content-Encoding": "gzip"}


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object; numbers with a point come as Decimal. Raises NotUnderstood."""
    try:
        found = json.loads(
            raw.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError, ArithmeticError):
        _refuse("the body is no JSON object")
    return found if isinstance(found, dict) else _refuse("the body is no JSON object")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _refuse("a name appears twice in one object")


def _no_constant(_: str) -> NoReturn:
    _refuse("NaN and Infinity are no numbers in JSON")


def ulong(found: Mapping[str, Any], name: str) -> int:
    """Raises NotUnderstood: missing, a text, a fraction, negative or too large."""
    value = found.get(name)
    if type(value) is not int or not 0 <= value <= LARGEST:
        _refuse(f"{name} must be a number without quotes, from 0 to {LARGEST}")
    return value


def text(found: Mapping[str, Any], name: str, most: int) -> str:
    """Raises NotUnderstood: missing, no text, or longer than `most`."""
    value = found.get(name)
    if not isinstance(value, str) or len(value) > most:
        _refuse(f"{name} must be a text of at most {most} characters")
    return value


def written(fields: Mapping[str, Any], **exact: str) -> bytes:
    """A body. `exact` are numbers as they are to be written, digit by digit."""
    names = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items()]
    names += [f"{json.dumps(name)}: {digits}" for name, digits in exact.items()]
    return ("{" + ", ".join(names) + "}").encode()


def _refuse(what: str) -> NoReturn:
    raise NotUnderstood(what)
