"""What a voucher's code looks like, and what a batch may be. Pure but for the dice.

A code is 20 characters in five groups of four: 18 drawn (90 random bits) and two that check them. The letters are those of
Crockford's base 32 (https://www.crockford.com/base32.html): no I, L, O and U, and what is read as one of the first three
counts as the digit it was taken for. The check is a Reed-Solomon code over the field of 32 elements, with the roots 1 and x:
any one or two wrong characters are seen, and with them every swap of neighbours.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from onceline.core.deposits.staff import CENT
from onceline.core.errors import InvalidInput
from onceline.core.money import MICROS, format_amount

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DRAWN, CHECKS, GROUP = 18, 2, 4
METHOD = "voucher"
"""Of the deposits that vouchers become."""
VOUCHERS = "vouchers"
"""House account: what was issued, and was neither redeemed nor made void. A debt to whoever holds the codes."""
VOUCHERS_SOLD = "vouchers_sold"
"""House account: what resellers owe, or paid, for what was issued."""
LEAST_VALUE, MOST_VALUE = MICROS, 1_000 * MICROS
MOST_VOUCHERS = 10_000

_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_TAKEN_FOR = str.maketrans("OIL", "011")
_DASHES = str.maketrans("", "", "-_.‐‑‒–—―−")


class Wanted(NamedTuple):
    """A batch that is to be made. `face_value`: micro-units of each voucher."""

    mode: str
    issuer: str
    face_value: int
    size: int
    expires_at: datetime | None = None


def new_code() -> str:
    drawn = [secrets.randbelow(len(ALPHABET)) for _ in range(DRAWN)]
    return "".join(ALPHABET[value] for value in [*drawn, *_remainder([*drawn, *[0] * CHECKS])])


def printed(code: str) -> str:
    """In groups, as people copy it."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def read(text: str) -> str:
    """The code that somebody typed, forgivingly: small letters, spaces, dashes, O for 0, I or L for 1.

    Raises InvalidInput when it was never printed like that: a slip, of which nobody learns anything.
    """
    code = "".join(text.split()).translate(_DASHES)
    code = code.upper().translate(_TAKEN_FOR) if code.isascii() else ""
    if not is_well_formed(code):
        raise InvalidInput("This is no voucher code: 20 letters and digits. Something in it was mistyped.")
    return code


def is_well_formed(code: str) -> bool:
    if len(code) != DRAWN + CHECKS or not set(code) <= _VALUES.keys():
        return False
    return _remainder(_VALUES[letter] for letter in code) == (0, 0)


def hash_of(secret: bytes, code: str) -> bytes:
    """Keyed with the installation's secret. It takes no slow hash: nobody tries 90 random bits out."""
    return hashlib.blake2s(code.encode(), key=secret, person=b"voucher").digest()


def check(wanted: Wanted, now: datetime) -> None:
    """Raises InvalidInput with the bounds."""
    if not LEAST_VALUE <= wanted.face_value <= MOST_VALUE or wanted.face_value % CENT:
        bounds = f"{format_amount(LEAST_VALUE)} and {format_amount(MOST_VALUE)}"
        raise InvalidInput(f"A voucher is worth between {bounds}, in whole cents.")
    if not 1 <= wanted.size <= MOST_VOUCHERS:
        raise InvalidInput(f"A batch has 1 to {MOST_VOUCHERS} vouchers.")
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise InvalidInput("Vouchers cannot expire before they are made.")


def _remainder(symbols: Iterable[int]) -> tuple[int, int]:
    """Of the polynomial with these coefficients, highest first, divided by (z - 1)(z - x) = z² + (x + 1)z + x."""
    high = low = 0
    for symbol in symbols:
        by_x = _times_x(high)
        high, low = low ^ by_x ^ high, symbol ^ by_x
    return high, low


def _times_x(value: int) -> int:
    """In the field of 32 elements, made by x⁵ + x² + 1."""
    return (value << 1) ^ (0b100101 if value & 0b10000 else 0)
