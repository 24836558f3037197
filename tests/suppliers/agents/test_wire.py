"""The protocol's JSON: whatever a stranger sends is read as it is meant, or refused."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.catalog.model import load_countries, load_services
from onceline.suppliers.agents import places, wire
from onceline.suppliers.agents.places import Form
from onceline.suppliers.agents.services import codes_of, service_of
from onceline.suppliers.agents.wire import NotUnderstood

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_sum_is_written_and_read_digit_by_digit() -> None:
    body = wire.written({"action": "GET_NUMBER", "key": 'a"b'}, sum="0.2500")
    assert body == b'{"action": "GET_NUMBER", "key": "a\\"b", "sum": 0.2500}'
    assert wire.read_object(body)["sum"] == Decimal("0.2500")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    for encoding in ("", "gzip", "br"):
        try:
            found: object = wire.read_object(wire.unpacked(raw, encoding))
        except NotUnderstood:
            found = {}
        assert isinstance(found, dict)


@given(st.dictionaries(st.text(), ANY_JSON))
def test_what_was_packed_is_read_as_it_was(said: dict[str, Any]) -> None:
    plain = json.dumps(said).encode()
    packed, headers = wire.packed(plain + b" " * 2000, "deflate, gzip")
    assert headers == {"Content-Encoding": "gzip"}
    read = wire.read_object(wire.unpacked(packed, "gzip"))
    assert json.loads(json.dumps(read, default=float)) == json.loads(plain)


def test_a_small_answer_is_not_packed() -> None:
    assert wire.packed(b"{}", "gzip") == (b"{}", {})
    assert wire.packed(b" " * 5000, "identity")[1] == {}


def test_a_bomb_is_refused_before_it_is_whole() -> None:
    with pytest.raises(NotUnderstood, match="too long"):
        wire.unpacked(gzip.compress(bytes(10**7)), "gzip", 1000)


@given(ANY_JSON)
def test_a_ulong_is_a_whole_number_within_63_bits_and_nothing_else(value: Any) -> None:
    sound = type(value) is int and 0 <= value < 2**63
    if sound:
        assert wire.ulong({"n": value}, "n") == value
    else:
        with pytest.raises(NotUnderstood):
            wire.ulong({"n": value}, "n")


@pytest.mark.parametrize("form", ["names", "ids"])
def test_every_country_is_read_as_it_is_written(form: Form) -> None:
    words = {one.iso2: places.word(one.iso2, form) for one in load_countries()}
    known = {iso2: word for iso2, word in words.items() if word is not None}
    assert len(known) >= 200
    assert {iso2: places.place(word) for iso2, word in known.items()} == {iso2: iso2 for iso2 in known}


@given(ANY_JSON)
def test_any_value_is_a_country_or_none(value: Any) -> None:
    assert places.place(value) is None or len(places.place(value) or "") == 2


@pytest.mark.promise("A1")
def test_no_prohibited_service_has_a_code_here() -> None:
    banks = [one for one in load_services() if one.prohibited and one.codes]
    assert len(banks) > 10
    assert [codes_of(one.slug) for one in banks] == [()] * len(banks)
    assert {service_of(code) for one in banks for code in one.codes} == {None}
    assert (service_of("tg"), codes_of("telegram")[0]) == ("telegram", "tg")
