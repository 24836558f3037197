"""Fictional numbers: every country has some, they are nobody's, and they never change."""

from __future__ import annotations

import random
from itertools import pairwise

import phonenumbers
import pytest

from onceline.core.catalog.model import load_countries
from onceline.suppliers.sandbox.ranges import (
    RangeError,
    TooManyNumbersError,
    UnknownCountryError,
    blocks,
    capacity,
    numbers,
)

COUNTRIES = {country.iso2: country for country in load_countries()}
# The national plans of these have five digits (Saint Helena four to five): all that is unassigned is used.
SMALL_PLANS = {"CK": 39_000, "FK": 20_000, "GS": 10_000, "SH": 50_300}
SAMPLE = 60


def test_the_first_british_number_is_a_drama_number() -> None:
    assert numbers("GB", 0, 3) == ["+447700900000", "+447700900001", "+447700900002"]


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("US", "+12015550100"),
        ("CA", "+12045550100"),
        ("JM", "+18765550100"),
        ("AU", "+61491570006"),
        ("DE", "+493023125000"),
        ("FR", "+33639980000"),
        ("IE", "+353209100000"),
        ("SE", "+46701740605"),
    ],
)
def test_where_a_regulator_reserves_numbers_for_fiction_they_come_first(country: str, number: str) -> None:
    first = numbers(country, 0, 2000)
    assert blocks(country)[0].kind == "reserved"
    assert any(found.startswith(number) for found in first)


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_every_country_has_numbers_for_a_load_test(country: str) -> None:
    assert capacity(country) >= 100_000 or capacity(country) == SMALL_PLANS[country]


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_every_number_is_possible_and_of_its_country_code(country: str) -> None:
    for number in _sampled(country):
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_possible_number(parsed), number
        assert str(parsed.country_code) == COUNTRIES[country].calling_code
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_a_number_that_nobody_reserved_is_assigned_to_nobody(country: str) -> None:
    chance = random.Random(country)
    for block in blocks(country):
        if block.kind == "unassigned":
            for _ in range(SAMPLE):
                number = block.number(chance.randrange(block.size))
                assert not phonenumbers.is_valid_number(phonenumbers.parse(number)), number


@pytest.mark.parametrize("country", ["GB", "US", "AU", "DE", "SE", "FK", "KZ", "IT"])
def test_the_first_numbers_are_distinct(country: str) -> None:
    wanted = min(capacity(country), 150_000)
    assert len(set(numbers(country, 0, wanted))) == wanted


def test_no_number_belongs_to_two_countries() -> None:
    stems = sorted((block.stem, country) for country in COUNTRIES for block in blocks(country))
    for (shorter, one), (longer, other) in pairwise(stems):
        assert not longer.startswith(shorter), (one, other)


def test_a_number_depends_on_its_index_alone() -> None:
    assert numbers("US", 35_990, 20) == numbers("US", 0, 36_020)[35_990:36_010]
    assert numbers("US", 36_005, 1) == numbers("US", 36_000, 10)[5:6]


def test_the_last_number_can_be_had_and_none_beyond_it() -> None:
    assert len(numbers("FK", capacity("FK") - 1, 1)) == 1
    with pytest.raises(TooManyNumbersError):
        numbers("FK", capacity("FK"), 1)


def test_an_unknown_country_is_refused() -> None:
    with pytest.raises(UnknownCountryError, match="ZZ"):
        numbers("ZZ", 0, 1)
    with pytest.raises(UnknownCountryError):
        capacity("")


def test_more_than_a_country_has_is_refused() -> None:
    with pytest.raises(TooManyNumbersError, match="39000"):
        numbers("CK", 0, 50_000)
    with pytest.raises(TooManyNumbersError):
        numbers("GB", 0, 1_000_001)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1)])
def test_negative_positions_are_refused(start: int, count: int) -> None:
    with pytest.raises(RangeError):
        numbers("GB", start, count)


def _sampled(country: str) -> list[str]:
    chance = random.Random(country)
    size = min(capacity(country), 120_000)
    spots = {0, 1, size - 1} | {chance.randrange(size) for _ in range(SAMPLE)}
    return [numbers(country, spot, 1)[0] for spot in sorted(spots)]
