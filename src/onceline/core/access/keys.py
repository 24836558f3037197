"""What an API key looks like: ol_test_<27 characters, 160 random bits>_<6 characters, checksum>. Pure but for the dice.

The prefix makes a leaked key findable, the checksum lets a scanner tell a key from noise without asking anybody.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"(ol_(test|live)_[0-9A-Za-z]{27})_([0-9A-Za-z]{6})")


def new_key(mode: str) -> str:
    body = f"ol_{mode}_{_base62(secrets.randbits(160), 27)}"
    return f"{body}_{_checksum(body)}"


def is_well_formed(key: str) -> bool:
    found = _KEY.fullmatch(key)
    return found is not None and secrets.compare_digest(_checksum(found.group(1)), found.group(3))


def hash_of(key: str) -> bytes:
    """SHA-256: the key has 160 random bits, so no slow hash is needed."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


def _base62(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
