"""Between micro-units and what Stripe counts in: the minor unit of each currency. Exact; what does not divide is refused.

Stripe's tables: https://docs.stripe.com/currencies (presentment currencies, zero-decimal, three-decimal, special cases).
"""

from __future__ import annotations

from onceline.payments.base import ProcessorRefused

_WHOLE = 1_000_000
"""Micro-units of one unit of any currency."""

_NO_PLACES = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE_PLACES = "BHD JOD KWD OMR TND"
"""In thousandths, of which Stripe takes tens only."""
_WHOLE_IN_TWO_PLACES = "ISK UGX"
"""Have no smaller unit any more, and are counted in hundredths all the same: whole units only."""
_TWO_PLACES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE CZK
DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR
LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB
SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD XCG YER ZAR ZMW
"""

_UNITS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_NO_PLACES.split(), (1_000_000, 1)),
    **dict.fromkeys(_TWO_PLACES.split(), (10_000, 1)),
    **dict.fromkeys(_WHOLE_IN_TWO_PLACES.split(), (10_000, 100)),
    **dict.fromkeys(_THREE_PLACES.split(), (1_000, 10)),
}
"""Micro-units in one minor unit, and the multiple of it that can be paid."""


def to_minor(micros: int, currency: str) -> int:
    """Raises ProcessorRefused for what cannot be paid exactly: too fine, nothing, less than nothing."""
    unit, step = _unit(currency)
    if micros <= 0 or micros % (unit * step):
        raise ProcessorRefused(f"That amount cannot be paid in {currency} exactly.")
    return micros // unit


def to_micros(minor: int, currency: str) -> int:
    """Any count of minor units, also a negative one. Raises ProcessorRefused for a currency that is not in the tables."""
    return minor * _unit(currency)[0]


def as_text(minor: int, currency: str) -> str:
    """To be read: `12.50 EUR`."""
    ratio = _WHOLE // _unit(currency)[0]
    whole, rest = divmod(minor, ratio)
    places = len(str(ratio)) - 1
    return f"{whole}.{rest:0{places}d} {currency}" if places else f"{whole} {currency}"


def _unit(currency: str) -> tuple[int, int]:
    try:
        return _UNITS[currency]
    except KeyError:
        raise ProcessorRefused(f"{currency[:8]!r} is no currency that Stripe takes payments in.") from None
