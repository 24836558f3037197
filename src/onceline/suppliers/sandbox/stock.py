"""The sandbox's pools, prices and numbers: in every country some, so that the test side can order anywhere."""

from __future__ import annotations

from datetime import datetime

from onceline.core.catalog.model import load_countries
from onceline.core.catalog.store import Pool, seed_pool, set_price
from onceline.core.db import Transaction
from onceline.core.errors import InvalidInput
from onceline.core.inventory import store as inventory
from onceline.core.money import MICROS, parse_amount
from onceline.suppliers.sandbox.ranges import capacity, numbers
from onceline.suppliers.sandbox.supplier import NAME, SCRIPT_S

PLAIN = Pool("sandbox", "Sandbox", NAME, "test")
SCRIPTED = Pool("sandbox-scripted", "Sandbox, scripted services", NAME, "test", tells=True)
ASKED = Pool("sandbox-asked", "Sandbox, a supplier that is asked first", NAME, "test", asks=True, tells=True)
CONTRACT = "sandbox: fictional or unassigned numbers"
PER_COUNTRY = {PLAIN.slug: 20, SCRIPTED.slug: 40}
_PRICE = parse_amount("0.2500")
_ASKED_PRICE = parse_amount("0.3000")
_RENTAL_PRICES = {4 * 3600: MICROS, 24 * 3600: 2 * MICROS, 7 * 86400: 6 * MICROS, 30 * 86400: 15 * MICROS}
_SHARE = {PLAIN.slug: 0, SCRIPTED.slug: 1}
"""Each pool has a quarter of a country's range to itself; the upper half belongs to the asked pool."""


def seed_text() -> str:
    """All that `seed` and `stock_everywhere` write, as one text."""
    return repr((PLAIN, SCRIPTED, ASKED, PER_COUNTRY, _PRICE, _ASKED_PRICE, _RENTAL_PRICES))


def seed(tx: Transaction) -> None:
    """Pools and prices. Safe to repeat; prices that an operator changed are set back to these."""
    plain, scripted, asked = (seed_pool(tx, pool) for pool in (PLAIN, SCRIPTED, ASKED))
    set_price(tx, plain, _PRICE)
    for service in SCRIPT_S:
        set_price(tx, scripted, _PRICE, service=service)
        set_price(tx, asked, _ASKED_PRICE, service=service)
    for duration_s, amount in _RENTAL_PRICES.items():
        set_price(tx, plain, amount, kind="rental", duration_s=duration_s)


def stock_everywhere(tx: Transaction, now: datetime) -> int:
    """Bring every country up to PER_COUNTRY numbers in both of our own pools; returns how many were added."""
    return sum(
        add(tx, pool, country.iso2, PER_COUNTRY[pool.slug] - have, now)
        for country in load_countries()
        for pool in (PLAIN, SCRIPTED)
        if (have := _count(tx, pool, country.iso2)) < PER_COUNTRY[pool.slug]
    )


def add(tx: Transaction, pool: Pool, country: str, wanted: int, now: datetime) -> int:
    """Add the next numbers of a country's range. Raises InvalidInput; UnknownCountryError of the ranges."""
    quarter = capacity(country) // 4
    have = _count(tx, pool, country)
    if have + wanted > quarter:
        raise InvalidInput(
            f"The sandbox has {quarter} numbers for {country}; {have} of them are in stock already."
        )
    fresh = numbers(country, _SHARE[pool.slug] * quarter + have, wanted)
    return inventory.add_numbers(
        tx, pool=pool.slug, country=country, network="", contract=CONTRACT, numbers=fresh, now=now
    )


def _count(tx: Transaction, pool: Pool, country: str) -> int:
    return inventory.count(tx, pool.slug, country)
