"""Countries and services as values, and the seed catalogue that ships with Onceline.

Promises frozen values read once from the JSON files beside it (their origin is told in `data/README.md`).
Never talks to the database: what an operator added or switched off lives there, not here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Country:
    """A country of ISO 3166-1 (and XK). `dial_code` has no plus and names the area where +1 is shared."""

    iso2: str
    name: str
    dial_code: str
    field_id: int | None
    """The country's number in the protocols of the field, where it has one."""

    @property
    def calling_code(self) -> str:
        """The country calling code of E.164 alone: "1" for Jamaica, whose dial code is "1876"."""
        return "1" if self.dial_code.startswith("1") else self.dial_code


@dataclass(frozen=True, slots=True)
class Service:
    """The site or app a code is for. `window_s` is None where the installation's default window holds."""

    slug: str
    name: str
    codes: tuple[str, ...]
    category: str
    prohibited: bool
    window_s: int | None
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


@cache
def load_services() -> tuple[Service, ...]:
    """The services of the seed catalogue, in the order of their slugs."""
    return tuple(_service(row) for row in _rows("services.json"))


@cache
def load_countries() -> tuple[Country, ...]:
    """Every country, in the order of its ISO code."""
    return tuple(Country(**row) for row in _rows("countries.json"))


def _rows(name: str) -> list[dict[str, Any]]:
    text = resources.files(__package__).joinpath("data", name).read_text("utf-8")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def _service(row: dict[str, Any]) -> Service:
    lists = ("codes", "aliases", "domains", "senders")
    return Service(**row | {name: tuple(row[name]) for name in lists})
