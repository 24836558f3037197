"""Names that outsiders see. They say nothing about how many orders, messages or accounts there are.

Order ids are 32-bit-safe integers permuted in SQL (`order_id` in the schema), because old clients parse them as int.
Everything else carries a prefix.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_HALF = 0xFFFFFFFF
_DIGITS = re.compile(r"[0-9a-f]{16}")


def random_id(prefix: str) -> str:
    """A prefixed name of 80 random bits, lower-case base32: acc_7q2m5k3w4x6z2a4b."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(10)).decode().lower()}"


class OpaqueIds:
    """Permutes a row number into <prefix>… and back (a four-round Feistel network, keyed per installation)."""

    def __init__(self, prefix: str, key: bytes) -> None:
        self._prefix = prefix
        self._key = key

    def public(self, row: int) -> str:
        left, right = row >> 32, row & _HALF
        for turn in range(4):
            left, right = right, left ^ self._round(turn, right)
        return self._prefix + f"{(left << 32) | right:016x}"

    def row(self, public: str) -> int | None:
        """The row number, or None when the text is not one of ours."""
        digits = public.removeprefix(self._prefix)
        if not public.startswith(self._prefix) or not _DIGITS.fullmatch(digits):
            return None
        joined = int(digits, 16)
        left, right = joined >> 32, joined & _HALF
        for turn in reversed(range(4)):
            left, right = right ^ self._round(turn, left), left
        row = (left << 32) | right
        return row if row < 2**63 else None

    def _round(self, turn: int, half: int) -> int:
        digest = hashlib.blake2s(
            half.to_bytes(4, "big"), key=self._key, salt=bytes([turn] * 8), digest_size=4
        )
        return int.from_bytes(digest.digest(), "big")
