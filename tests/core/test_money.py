"""Micro-units and their texts: nothing is rounded, nothing but plain decimal digits is an amount."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.errors import InvalidInput
from onceline.core.money import LARGEST, MICROS, coin_of, format_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0", 0), ("0.25", 250_000), ("7", 7 * MICROS), ("0.000001", 1), ("12.3400", 12_340_000)],
)
def test_a_decimal_text_is_so_many_micro_units(text: str, micros: int) -> None:
    assert parse_amount(text) == micros


@pytest.mark.parametrize(
    ("micros", "text"),
    [(250_000, "0.2500"), (6_700, "0.0067"), (1, "0.000001"), (0, "0.0000"), (-1_500_000, "-1.5000")],
)
def test_an_amount_is_written_with_four_to_six_places(micros: int, text: str) -> None:
    assert format_amount(micros) == text


@given(st.integers(min_value=0, max_value=LARGEST))
def test_what_is_written_is_read_as_the_same_amount(micros: int) -> None:
    assert parse_amount(format_amount(micros)) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1e3",
        "1.",
        ".5",
        "0.1234567",
        "1,5",
        " 1",
        "1\n",
        "NaN",
        "٣",
        "９",
        "0x1",
        "1_000",
        "9" * 11,
    ],
)
def test_another_text_is_no_amount(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_amount(text)


def test_an_amount_beyond_the_largest_is_refused() -> None:
    assert parse_amount("9000000000") == LARGEST
    with pytest.raises(InvalidInput):
        parse_amount("9000000000.000001")


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert 0 <= parse_amount(text) <= LARGEST


@pytest.mark.parametrize(
    ("currency", "coin"),
    [("USD", 10_000), ("EUR", 10_000), ("JPY", MICROS), ("KRW", MICROS), ("KWD", 10_000)],
)
def test_the_smallest_coin_is_a_hundredth_or_one(currency: str, coin: int) -> None:
    assert coin_of(currency) == coin
