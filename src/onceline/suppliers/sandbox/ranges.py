"""Fictional numbers for test mode: by country and index, always the same ones.

Promises distinct E.164 numbers that belong to nobody: first those that a regulator sets aside for fiction, then
possible ones that the national plan assigns to no use. Never touches a network, a clock or a random source.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple

from onceline.core.catalog.model import load_countries

MAX_COUNT = 1_000_000
Kind = Literal["reserved", "unassigned"]


class RangeError(ValueError):
    """No such fictional numbers."""


class UnknownCountryError(RangeError):
    def __init__(self, country: str) -> None:
        super().__init__(f"no fictional numbers are known for country {country!r}")


class TooManyNumbersError(RangeError):
    def __init__(self, country: str, wanted: int, capacity: int) -> None:
        super().__init__(f"{country} has {capacity} fictional numbers, {wanted} were asked for")


class Block(NamedTuple):
    """The numbers `+calling code`, `prefix`, then `digits` digits counted from zero."""

    stem: str
    digits: int
    kind: Kind
    source: str

    @property
    def size(self) -> int:
        return int(10**self.digits)

    def number(self, offset: int) -> str:
        return f"{self.stem}{offset:0{self.digits}d}" if self.digits else self.stem


@dataclass(frozen=True, slots=True)
class Plan:
    """All blocks of one country, reserved ones first."""

    country: str
    blocks: tuple[Block, ...]

    @property
    def capacity(self) -> int:
        return sum(block.size for block in self.blocks)


def numbers(country: str, start: int, count: int) -> list[str]:
    """The fictional numbers `start` to `start + count - 1` of a country, as E.164 with plus.

    Raises UnknownCountryError, TooManyNumbersError (beyond the country's capacity or MAX_COUNT) and RangeError
    (negative start or count).
    """
    plan = _plan(country)
    if start < 0 or count < 0:
        raise RangeError("start and count must not be negative")
    if count > MAX_COUNT or start + count > plan.capacity:
        raise TooManyNumbersError(country, start + count, min(plan.capacity, MAX_COUNT))
    found: list[str] = []
    for block in plan.blocks:
        end = min(block.size, start + count - len(found))
        found.extend(block.number(offset) for offset in range(start, end))
        start = max(0, start - block.size)
    return found


def capacity(country: str) -> int:
    """How many fictional numbers a country has. Raises UnknownCountryError."""
    return _plan(country).capacity


def blocks(country: str) -> tuple[Block, ...]:
    """Where a country's fictional numbers come from, in the order of use. Raises UnknownCountryError."""
    return _plan(country).blocks


def _plan(country: str) -> Plan:
    plan = _plans().get(country)
    if plan is None:
        raise UnknownCountryError(country)
    return plan


@cache
def _plans() -> dict[str, Plan]:
    calling = {country.iso2: country.calling_code for country in load_countries()}
    text = resources.files(__package__).joinpath("ranges.json").read_text("utf-8")
    by_country: dict[str, list[Block]] = {}
    for row in json.loads(text):
        stem = "+" + calling[row["iso2"]]
        by_country.setdefault(row["iso2"], []).extend(
            Block(stem + prefix, row["digits"], row["kind"], row["source"]) for prefix in row["prefixes"]
        )
    return {
        iso2: Plan(iso2, tuple(sorted(blocks, key=lambda block: block.kind != "reserved")))
        for iso2, blocks in by_country.items()
    }
