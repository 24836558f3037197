"""Money as bigint micro-units (1/1,000,000 of the installation's currency), decimal strings on the wire, never a float.

The ledger never rounds: a text with more places than six is refused, not cut.
"""

from __future__ import annotations

import re

from onceline.core.errors import InvalidInput

MICROS = 1_000_000
LARGEST = 9_000_000_000 * MICROS
"""Well inside a bigint, so that no sum of two amounts can overflow."""

_WHOLE_COINS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
"""ISO 4217: currencies without a smaller coin."""

_DECIMAL = re.compile(r"(\d{1,10})(?:\.(\d{1,6}))?", re.ASCII)


def parse_amount(text: str) -> int:
    """Micro-units of a decimal text such as "0.25". Raises InvalidInput for signs, exponents, other digits, 7 places."""
    found = _DECIMAL.fullmatch(text)
    if not found:
        raise InvalidInput(
            f"{text[:32]!r} is not an amount; write 0 to {LARGEST // MICROS} with at most six places, as in 0.2500."
        )
    whole, fraction = found.group(1), found.group(2) or ""
    micros = int(whole) * MICROS + int(fraction.ljust(6, "0"))
    if micros > LARGEST:
        raise InvalidInput(
            f"{text[:32]!r} is larger than any amount served here; the largest is {LARGEST // MICROS}."
        )
    return micros


def coin_of(currency: str) -> int:
    """Micro-units of the smallest coin that is paid with: a hundredth, or one. Thousandths are paid in tens where they exist."""
    return MICROS if currency in _WHOLE_COINS.split() else MICROS // 100


def format_amount(micros: int) -> str:
    """Decimal text with 4 to 6 places: 250000 is "0.2500", 6700 is "0.0067", 1 is "0.000001"."""
    sign, size = ("-", -micros) if micros < 0 else ("", micros)
    fraction = f"{size % MICROS:06d}"
    return f"{sign}{size // MICROS}.{fraction[:4]}{fraction[4:].rstrip('0')}"
