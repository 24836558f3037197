"""Numbers and networks at the boundary: one spelling each."""

from __future__ import annotations

import pytest

from onceline.core.errors import InvalidInput
from onceline.core.phone import parse_e164, parse_network


@pytest.mark.parametrize("text", ["+447700900123", "+12025550100", "+29051", "+123456789012345"])
def test_plus_and_digits_are_a_number(text: str) -> None:
    assert parse_e164(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "447700900123",
        "+0447700900123",
        "+44 7700 900123",
        "+4477009001234567",
        "+1234",
        "+44770090012a",
        "+447700900123\n",
        "+４４７７００９００１２３",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_e164(text)


@pytest.mark.parametrize("text", ["23415", "310260"])
def test_country_and_network_code_are_a_network(text: str) -> None:
    assert parse_network(text) == text


@pytest.mark.parametrize("text", ["", "234", "234-15", "2341500", "2341x", "23415\n"])
def test_any_other_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_network(text)
