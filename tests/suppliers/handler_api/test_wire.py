"""What servers say, read: every dialect, and everything that is none."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.suppliers.handler_api import wire
from onceline.suppliers.handler_api.settings import HandlerApiSettings, cost_micros
from onceline.suppliers.handler_api.wire import Nonsense, Said, read

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://hub.example/stubs/handler_api.php"


def prices(text: str) -> list[tuple[str, str, Decimal | None, int]]:
    return list(wire.prices(read(200, text.encode())) or ())


@pytest.mark.parametrize(
    ("status", "text", "word", "rest"),
    [
        (200, "NO_NUMBERS", "NO_NUMBERS", ""),
        (200, " ACCESS_NUMBER:1:447\n", "ACCESS_NUMBER", "1:447"),
        (200, "STATUS_OK:12:34", "STATUS_OK", "12:34"),
        (200, "FULL_SMS:two\nlines: yes", "FULL_SMS", "two\nlines: yes"),
        (204, "", "EMPTY", ""),
        (402, '{"title":"NO_BALANCE","details":"x"}', "NO_BALANCE", ""),
        (200, '{"title":"BAD_KEY","details":"x"}', "BAD_KEY", ""),
        (200, '{"status":"error","message":"NO_NUMBERS"}', "NO_NUMBERS", ""),
        (404, '{"title":"Not found","details":"x"}', "NO_ACTIVATION", ""),
        (429, "slow down", "RATE_LIMIT", ""),
        (401, "", "BAD_KEY", ""),
    ],
)
def test_words_are_read_in_every_dialect(status: int, text: str, word: str, rest: str) -> None:
    said = read(status, text.encode())

    assert (said.word, said.rest) == (word, rest)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, "NO_NUMBERS"),
        (502, '{"title":"NO_NUMBERS","details":""}'),
        (200, "<!doctype html>"),
        (200, "no numbers"),
        (200, '{"activationId":'),
        (200, '{"cost":NaN}'),
        (200, '{"cost":Infinity}'),
        (200, '{"count":' + "9" * 5000 + "}"),
        (200, "[" * 100_000),
        (404, "not here"),
        (302, ""),
    ],
)
def test_what_is_no_answer_is_never_a_definite_one(status: int, text: str) -> None:
    with pytest.raises(Nonsense):
        read(status, text.encode())


@given(st.binary(max_size=300), st.sampled_from([200, 204, 400, 404, 429, 500]))
def test_no_bytes_break_the_reading(body: bytes, status: int) -> None:
    with suppress(Nonsense):
        said = read(status, body)
        assert said.word or said.data is not None
        wire.bought(said)
        wire.active(said)
        wire.balance(said)
        list(wire.prices(said) or ())


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.decimals(allow_nan=True),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["6", "tg", "cost", "count", "physicalCount", "activationId", "data", "0.25"]),
            below,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSONS)
def test_no_json_breaks_the_reading(data: object) -> None:
    said = Said(data=data)
    for look in (wire.bought, wire.active):
        with suppress(Nonsense):
            look(said)
    leaves = list(wire.prices(said) or ())
    assert all(count >= 0 and (cost is None or 0 < cost < 10**6) for _, _, cost, count in leaves)


@pytest.mark.parametrize(
    ("leaf", "cost", "count"),
    [
        ('{"cost":0.25,"count":100}', "0.25", 100),
        ('{"cost":0.25,"count":56964,"physicalCount":0}', "0.25", 0),
        ('{"cost":"0.0067","count":"12","physicalCount":"7"}', "0.0067", 7),
        ('{"price":1,"count":2}', "1", 2),
        ('{"0.31":40,"0.25":5,"0.10":0}', "0.25", 5),
        ('{"7":{"cost":0.5,"count":1},"8":{"price":0.4,"count":3}}', "0.4", 3),
    ],
)
def test_prices_are_read_in_every_dialect(leaf: str, cost: str, count: int) -> None:
    assert prices(f'{{"6":{{"tg":{leaf}}}}}') == [("6", "tg", Decimal(cost), count)]


@pytest.mark.parametrize(
    "leaf",
    [
        '{"cost":-1,"count":3}',
        '{"cost":0,"count":3}',
        '{"cost":"NaN","count":3}',
        '{"cost":true,"count":3}',
        '{"cost":1e300,"count":3}',
        '{"cost":null,"count":3}',
        '{"cost":[],"count":3}',
    ],
)
def test_a_price_that_is_none_is_no_price(leaf: str) -> None:
    assert prices(f'{{"6":{{"tg":{leaf}}}}}') == [("6", "tg", None, 3)]


@pytest.mark.parametrize("count", ["-5", "1.5", '"many"', "null", "true", "[]", "{}"])
def test_a_count_that_is_none_is_nothing(count: str) -> None:
    assert prices(f'{{"6":{{"tg":{{"cost":1,"count":{count}}}}}}}') == [("6", "tg", Decimal(1), 0)]


@pytest.mark.parametrize(
    "phone", ["07700900123", "7700900123", "+33612345678", "", "4477", "44770090012345678", "abc"]
)
def test_a_number_in_national_form_or_of_another_country_is_none(phone: str) -> None:
    assert wire.e164(phone, "44") is None


def test_a_number_gets_its_plus() -> None:
    assert wire.e164("447465000000", "44") == wire.e164("+447465000000", "44") == "+447465000000"


@pytest.mark.parametrize(
    ("stamp", "fits"),
    [
        ("2026-03-01T12:00:05+00:00", True),
        ("2026-03-01T15:00:05+03:00", True),
        ("2026-03-01T11:50:05+00:00", False),
        ("2026-03-01 15:00:05", True),
        ("2026-03-01 17:45:05", True),
        ("2026-03-01 14:50:05", False),
        ("1772366405", True),
        ("1772360000", False),
        ("soon", True),
        ("", True),
    ],
)
def test_a_stamp_without_a_zone_is_wrong_by_quarters_of_an_hour_alone(stamp: str, fits: bool) -> None:
    after, before = NOON - timedelta(minutes=2), NOON + timedelta(minutes=2, seconds=20)

    assert wire.may_have_begun(stamp, after, before) is fits


@pytest.mark.parametrize(
    ("cost", "markup", "rate", "price"),
    [
        ("0.5", "30", "1", 650_000),
        ("0.0067", "0", "1", 6_700),
        ("0.00671", "0", "1", 6_800),
        ("0.25", "12.5", "0.92", 258_800),
        ("0.000001", "0", "0.000001", 100),
        ("12.34", "10000", "1", 1_246_340_000),
    ],
)
def test_a_price_is_the_cost_and_the_mark_up_rounded_up_to_four_places(
    cost: str, markup: str, rate: str, price: int
) -> None:
    settings = HandlerApiSettings(url=URL, pool="hub", markup_percent=markup, rate=rate)  # type: ignore[arg-type]  # as an operator writes them

    assert settings.price_of(Decimal(cost)) == price


@given(
    st.decimals("0.0001", "99999", places=4),
    st.decimals("0", "500", places=2),
    st.decimals("0.0001", "1000", places=4),
)
def test_what_may_be_paid_covers_the_cost_and_never_eats_the_mark_up(
    cost: Decimal, markup: Decimal, rate: Decimal
) -> None:
    settings = HandlerApiSettings(url=URL, pool="hub", markup_percent=markup, rate=rate)
    price = settings.price_of(cost)
    assert price is not None
    most = settings.most_cost(price)

    assert most >= cost_micros(cost)
    assert Decimal(most) * rate * (100 + markup) / 100 <= price


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "hub.example"},
        {"url": "https://hub.example/x?api_key=1"},
        {"countries": "XX"},
        {"services": "paypal"},
        {"rate": "0"},
        {"markup_percent": "-1"},
        {"poll_s": 60},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        HandlerApiSettings.model_validate({"url": URL, "pool": "hub"} | wrong)


def test_lists_are_written_with_commas() -> None:
    settings = HandlerApiSettings.model_validate(
        {"url": URL, "pool": "hub", "countries": "GB, US", "services": "telegram"}
    )

    assert settings.sells("US", "telegram")
    assert not settings.sells("DE", "telegram")
    assert not settings.sells("US", "whatsapp")
