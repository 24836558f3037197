"""A callback as Cryptomus writes and signs it, by the published rule."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import md5
from typing import Any

KEY = "pay-key"
UUID = "70b8db5c-b952-406d-af26-4e1c34c27f15"
PAID: dict[str, Any] = {
    "type": "payment", "uuid": UUID, "order_id": "dep_1", "amount": "10.00", "payment_amount": "10.00", "is_final": True,
    "status": "paid", "from": "TDD97yguPESTpcrJMqU6h2ozZbibv4Vaqm", "additional_data": None,
}  # fmt: skip


def text(fields: dict[str, Any]) -> bytes:
    """What PHP writes, and signs."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def md5_of(signed: bytes, key: str = KEY) -> str:
    return md5(b64encode(signed) + key.encode()).hexdigest()


def arrived(fields: dict[str, Any], key: str = KEY) -> bytes:
    return text({**fields, "sign": md5_of(text(fields), key)})
