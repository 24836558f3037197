"""What an operator decides about the catalogue: which pools there are, and the rules that price them.

A rule prices one pool's activations or rentals of one duration, for a service and a country or for EVERY one that has no
rule of its own. Promises that no prohibited service gets a price (A1), and that a change by per cent is computed in
integers and rounded up, never down to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onceline.core.catalog.model import load_countries
from onceline.core.catalog.pricing import EVERY_COUNTRY, EVERY_SERVICE
from onceline.core.catalog.store import Pool
from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import InvalidInput, NotFound, ProhibitedService, Refusal
from onceline.core.money import LARGEST

_Q = load_queries(__package__)

EVERY = "*"
"""Written for every service, or every country, that has no rule of its own."""
ACTIVATION, RENTAL = "activation", "rental"
LONGEST_S = 400 * 86400
PARTS = 10_000
"""A change by per cent counts in ten-thousandths."""
MOST_FACTOR = 11 * PARTS
_SLUG = re.compile(r"[a-z][a-z0-9-]{1,39}")
_COUNTRIES = frozenset(country.iso2 for country in load_countries())


@dataclass(frozen=True, slots=True)
class Rule:
    """`amount` in micro-units; `duration_s` is 0 for activations."""

    pool: str
    kind: str
    service: str
    country: str
    duration_s: int
    amount: int


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules; None means any. EVERY among services or countries means the rules for the rest."""

    pool: str | None = None
    kind: str | None = None
    services: Sequence[str] | None = None
    countries: Sequence[str] | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """How many rules, and their lowest and highest amounts before and after."""

    count: int
    before: tuple[int, int]
    after: tuple[int, int]


class _Service(NamedTuple):
    id: int
    prohibited: bool


def add_pool(tx: Transaction, pool: Pool) -> None:
    """Raises InvalidInput: a slug that is none, or is taken."""
    if not _SLUG.fullmatch(pool.slug) or not 0 < len(pool.name) <= 80:
        raise InvalidInput(
            "A pool has a slug of 2 to 40 of a-z, 0-9 and -, and a name of 1 to 80 characters."
        )
    row = {name: getattr(pool, name) for name in ("slug", "name", "supplier", "mode", "asks", "tells")}
    if not tx.run(_Q.add_pool, row):
        raise InvalidInput(f"There is a pool {pool.slug} already.")


def every_pool(tx: Transaction, *, supplier: str | None = None, after: str = "", limit: int) -> list[Row]:
    return tx.all(_Q.every_pool, {"slug": None, "supplier": supplier, "after": after, "limit": limit})


def pool(tx: Transaction, slug: str) -> Row:
    """Raises NotFound."""
    row = tx.one(_Q.every_pool, _one_pool(slug))
    if row is None:
        raise NotFound("pool", slug)
    return row


def enable_pool(tx: Transaction, slug: str, enabled: bool) -> None:
    """Raises NotFound."""
    if not tx.run(_Q.set_pool_enabled, {"slug": slug, "enabled": enabled}):
        raise NotFound("pool", slug)


def set_rules(tx: Transaction, rules: Sequence[Rule]) -> None:
    """All or none; a rule that is there gets the new amount. Raises NotFound, InvalidInput, ProhibitedService."""
    for refusal in refusals(tx, rules).values():
        raise refusal
    services = _services(tx, {rule.service for rule in rules})
    pools = {slug: pool(tx, slug).id for slug in {rule.pool for rule in rules}}
    unique = {_key(rule): rule for rule in rules}.values()
    tx.run(
        _Q.set_rules,
        {
            "pools": [pools[rule.pool] for rule in unique],
            "kinds": [rule.kind for rule in unique],
            "services": [services[rule.service].id for rule in unique],
            "countries": [_country(rule.country) for rule in unique],
            "durations": [rule.duration_s for rule in unique],
            "amounts": [rule.amount for rule in unique],
        },
    )


def refusals(tx: Transaction, rules: Sequence[Rule]) -> dict[int, Refusal]:
    """Which of these rules cannot be set, by their places, and why."""
    services = _services(tx, {rule.service for rule in rules})
    pools = {slug for slug in {rule.pool for rule in rules} if tx.one(_Q.every_pool, _one_pool(slug))}
    found: dict[int, Refusal] = {}
    for place, rule in enumerate(rules):
        try:
            if rule.pool not in pools:
                raise NotFound("pool", rule.pool)
            if rule.service not in services:
                raise NotFound("service", rule.service)
            if services[rule.service].prohibited:
                raise ProhibitedService(rule.service)
            _check(rule)
        except Refusal as refusal:
            found[place] = refusal
    return found


def _check(rule: Rule) -> None:
    """What can be said of a rule by itself. Raises InvalidInput, NotFound."""
    if rule.kind not in (ACTIVATION, RENTAL):
        raise InvalidInput(f"{rule.kind[:24]!r} is no kind: activation or rental.")
    if (rule.kind == RENTAL) != (rule.duration_s > 0) or rule.duration_s > LONGEST_S:
        raise InvalidInput(
            f"A rental has a duration of at most {LONGEST_S // 86400}d, such as 4h or 30d; an activation has none."
        )
    if not 0 < rule.amount <= LARGEST:
        raise InvalidInput("A price is more than 0.")
    if rule.kind == ACTIVATION and rule.service == "full":
        raise InvalidInput("The service 'full' (all messages) is sold as a rental only.")
    _country(rule.country)


def rules(tx: Transaction, wanted: RuleFilter, *, after: int = 0, limit: int) -> list[Row]:
    """Raises NotFound for a service or country that is none."""
    return tx.all(_Q.price_rules, {**_wanted(tx, wanted), "after": after, "limit": limit})


def change(tx: Transaction, wanted: RuleFilter, factor: int, *, write: bool) -> Changed:
    """Multiply by `factor` ten-thousandths, rounded up to 4 places. Raises NotFound, InvalidInput."""
    assert wanted.pool is not None, "a change names its pool"
    pool(tx, wanted.pool)
    if not 0 < factor <= MOST_FACTOR:
        raise InvalidInput("A price changes by more than -100% and at most +1000%.")
    row = tx.one(_Q.change_prices, {**_wanted(tx, wanted), "factor": factor, "write": write})
    assert row is not None
    if row.n and row.highest_after > LARGEST:
        raise InvalidInput("A price would be larger than any amount served here.")
    return Changed(
        row.n, (row.lowest or 0, row.highest or 0), (row.lowest_after or 0, row.highest_after or 0)
    )


def drop(tx: Transaction, wanted: RuleFilter) -> int:
    """How many. Raises NotFound."""
    assert wanted.pool is not None, "what is dropped names its pool"
    pool(tx, wanted.pool)
    return tx.run(_Q.drop_prices, _wanted(tx, wanted))


def _wanted(tx: Transaction, wanted: RuleFilter) -> dict[str, object]:
    services = _services(tx, wanted.services or ())
    for slug in wanted.services or ():
        if slug not in services:
            raise NotFound("service", slug)
    return {
        "pool": wanted.pool,
        "kind": wanted.kind,
        "services": [service.id for service in services.values()] or None,
        "countries": [_country(one) for one in wanted.countries or ()] or None,
        "duration_s": wanted.duration_s,
    }


def _services(tx: Transaction, slugs: Collection[str]) -> dict[str, _Service]:
    found = {EVERY: _Service(EVERY_SERVICE, False)} if EVERY in slugs else {}
    rows = tx.all(_Q.services_named, {"slugs": list(slugs)}) if slugs else []
    return found | {row.slug: _Service(row.id, row.prohibited) for row in rows}


def _one_pool(slug: str) -> dict[str, object]:
    return {"slug": slug, "supplier": None, "after": "", "limit": 1}


def _country(iso2: str) -> str:
    if iso2 == EVERY:
        return EVERY_COUNTRY
    if iso2 not in _COUNTRIES:
        raise NotFound("country", iso2)
    return iso2


def _key(rule: Rule) -> tuple[str, str, str, str, int]:
    return rule.pool, rule.kind, rule.service, rule.country, rule.duration_s
