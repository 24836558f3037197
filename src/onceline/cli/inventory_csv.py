"""Reads a CSV file of numbers, line by line: each line is a number with its provenance, or a fault with its reason.

Promises that a fault costs its own line and no other, that a number comes out in E.164 and belongs to the country beside
it, and that it never holds more than one line and the numbers seen so far. Pure: never asks what is in the database.

The header row is required; an empty or missing field may have a usual value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import phonenumbers

from onceline.cli.csv_lines import Fault, LineRefused, read_header
from onceline.core.catalog.model import load_countries
from onceline.core.errors import InvalidInput
from onceline.core.inventory.store import TYPES
from onceline.core.phone import parse_network

MOST_LINES = 1_000_000
MOST_BYTES = 512 * 1024 * 1024
LONGEST = {"contract": 120, "consent": 400}
COLUMNS = ("number", "country", "network", "type", "contract", "consent")
_NEEDED = ("country", "type", "contract", "consent")
_COUNTRIES = frozenset(country.iso2 for country in load_countries())
_WRITTEN = re.compile(r"\+?[0-9 ().\-/]{4,40}")
_ROUNDED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says. `number` is E.164, `network` MCC+MNC or empty."""

    at: int
    number: str
    country: str
    network: str
    type: str
    contract: str
    consent: str


def read(lines: Iterable[bytes], usual: Mapping[str, str]) -> Iterator[Line | Fault]:
    """Every line but empty ones. `usual` holds what stands for an empty or missing field.

    Raises InvalidInput when the header or what is usual is no good: then there is nothing to read.
    """
    usual = _checked_usual(usual)
    rest = iter(lines)
    header = read_header(next(rest, b""), COLUMNS)
    seen: dict[str, int] = {}
    for at, raw in enumerate(rest, start=2):
        if not raw.strip():
            continue
        try:
            line = _line(at, header.fields(raw), usual)
            first = seen.setdefault(line.number, at)
            if first != at:
                raise LineRefused("repeated", f"This number stands in line {first} already.")
        except LineRefused as refused:
            yield Fault(at, refused.code, refused.words)
        else:
            yield line


def _checked_usual(usual: Mapping[str, str]) -> dict[str, str]:
    given = {name: value.strip() for name, value in usual.items() if value.strip()}
    try:
        for name, value in given.items():
            _checked(name, value)
    except LineRefused as refused:
        raise InvalidInput(refused.words) from None
    return given


def _line(at: int, fields: dict[str, str], usual: dict[str, str]) -> Line:
    said = {name: fields.get(name) or usual.get(name, "") for name in COLUMNS}
    for name in _NEEDED:
        if not said[name]:
            raise LineRefused(
                "missing", f"{name} is missing: fill the column, or give --{name} once for all."
            )
        said[name] = _checked(name, said[name])
    said["network"] = _checked("network", said["network"]) if said["network"] else ""
    said["number"] = _number(said["number"], said["country"])
    return Line(at, **said)


def _checked(name: str, value: str) -> str:
    match name:
        case "country":
            return _country(value)
        case "type":
            if value.lower() not in TYPES:
                raise LineRefused("type", f"{value[:24]!r} is no type: {', '.join(TYPES)}.")
            return value.lower()
        case "network":
            try:
                return parse_network(value)
            except InvalidInput as error:
                raise LineRefused("network", error.detail) from None
    if len(value) > LONGEST[name] or not value.isprintable():
        raise LineRefused(name, f"{name} is longer than {LONGEST[name]} characters, or not plain text.")
    return value


def _country(text: str) -> str:
    if text.upper() not in _COUNTRIES:
        raise LineRefused("country", f"{text[:24]!r} is no country: write its ISO code, as in GB.")
    return text.upper()


def _number(text: str, country: str) -> str:
    if _ROUNDED.fullmatch(text):
        raise LineRefused(
            "rounded", "A spreadsheet has rounded this number: format the column as text there."
        )
    if not _WRITTEN.fullmatch(text):
        raise LineRefused("number", f"{text[:24]!r} is no number: write it as in +447400123456.")
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise LineRefused("country", f"{country} has no numbers of its own.")
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        raise LineRefused("number", f"{text[:24]!r} is no number of any country.") from None
    region = phonenumbers.region_code_for_number(parsed)
    if region != country and region is not None:
        raise LineRefused("country", f"The number belongs to {region}, the country says {country}.")
    if not phonenumbers.is_valid_number_for_region(parsed, country):
        raise LineRefused("number", f"{text[:24]!r} is no valid number of {country}.")
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
