"""The catalogue over HTTP: what can be ordered, where, for how much."""

from __future__ import annotations

import time

import pytest

from tests.edge.door import Client, Town, assert_problem


def test_every_country_is_listed_once(alice: Client) -> None:
    countries = [country for page in alice.pages("/catalog/countries", "countries") for country in page]
    names = [country["iso2"] for country in countries]
    assert names == sorted(set(names))
    assert len(names) > 200
    assert next(one for one in countries if one["iso2"] == "GB")["dial_code"].lstrip("+") == "44"


def test_every_service_that_can_be_ordered_is_listed_once(alice: Client) -> None:
    slugs = [one["slug"] for page in alice.pages("/catalog/services", "services") for one in page]
    assert slugs == sorted(set(slugs))
    assert len(slugs) >= 150
    assert {"telegram", "test-success", "other", "full"} <= set(slugs)
    assert "coinbase" not in slugs  # promise A1


def test_a_service_names_its_codes_and_its_window(alice: Client) -> None:
    (telegram,) = alice.json("/catalog/services", search="telegram")["services"]
    assert "tg" in telegram["codes"]
    assert telegram["window_s"] in (1200, 2400, 3600)


@pytest.mark.parametrize("search", ["%", "_", "\\", "a\x00", "x" * 65])
def test_a_search_is_text_not_a_pattern(alice: Client, search: str) -> None:
    assert_problem(alice.get("/catalog/services", search=search), 422, "invalid_input")


@pytest.mark.parametrize("search", ["Tele", "'; drop table orders; --", "\u202e", "é"])
def test_any_text_may_be_searched_for(alice: Client, search: str) -> None:
    assert alice.get("/catalog/services", search=search).status_code == 200


def test_pools_say_where_they_have_numbers(alice: Client) -> None:
    pools = {pool["slug"]: pool for pool in alice.json("/catalog/pools")["pools"]}
    assert pools["sandbox"]["mode"] == "test"
    assert "GB" in pools["sandbox"]["countries"]


def test_an_offer_names_price_stock_and_the_instant(town: Town, alice: Client) -> None:
    found = alice.json("/catalog/offers", service="telegram", country="GB")
    (offer,) = found["offers"]
    assert offer["price"] == {"amount": "0.2500", "currency": "USD"}
    assert (offer["pool"], offer["success_rate"], offer["median_s"]) == ("sandbox", None, None)
    assert offer["seconds_histogram"] is None
    assert offer["stock"] > 20
    assert 4 * 3600 in found["durations"]


def test_an_offer_counts_its_codes_by_the_seconds_they_took(town: Town, alice: Client) -> None:
    asked = {"service": "discord", "country": "PT"}
    assert alice.json("/catalog/offers", **asked)["offers"][0]["seconds_histogram"] is None
    town.shop.run(
        "insert into offer_records (pool_id, service_id, country, closed, succeeded, median_s, seconds, as_of)"
        " select p.id, s.id, 'PT', 9, 6, 12, array[1, 0, 3, 0, 0, 0, 2], %(now)s"
        " from pools p, services s where p.slug = 'sandbox' and s.slug = 'discord'",
        now=town.shop.clock.now(),
    )
    (offer,) = alice.json("/catalog/offers", **asked)["offers"]
    steps = [(step["up_to"], step["count"]) for step in offer["seconds_histogram"]]
    assert steps == [(5, 1), (10, 0), (20, 3), (40, 0), (80, 0), (160, 0), (None, 2)]


def test_an_ordered_number_is_no_longer_on_offer(alice: Client) -> None:
    def stock() -> int:
        return int(alice.json("/catalog/offers", service="telegram", country="PT")["offers"][0]["stock"])

    before = stock()
    alice.order(country="PT")
    assert stock() == before - 1


def test_rentals_are_offered_by_their_duration(alice: Client) -> None:
    asked = {"service": "telegram", "country": "GB", "kind": "rental"}
    (offer,) = alice.json("/catalog/offers", **asked, duration=4 * 3600)["offers"]
    assert offer["price"]["amount"] == "1.0000"
    assert alice.json("/catalog/offers", **asked, duration=5 * 3600)["offers"] == []


def test_what_can_never_be_had_is_not_offered(alice: Client) -> None:
    for service in ("test-no-numbers", "coinbase"):
        assert alice.json("/catalog/offers", service=service)["offers"] == []


def test_offers_come_page_by_page_each_once(alice: Client) -> None:
    pages = list(alice.pages("/catalog/offers", "offers", service="telegram", limit=100))
    places = [(one["service"], one["country"], one["pool"]) for page in pages for one in page]
    assert len(places) == len(set(places)) > 200
    assert places == sorted(places)


def test_the_first_page_of_all_offers_comes_quickly(alice: Client) -> None:
    started = time.monotonic()
    assert len(alice.json("/catalog/offers")["offers"]) == 50
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("wanted", [{"kind": "rental", "duration": 999}, {"pool": "sandbox-scripted"}])
def test_what_few_or_none_sell_is_found_quickly_too(alice: Client, wanted: dict[str, object]) -> None:
    started = time.monotonic()
    assert all(
        one["service"].startswith("test-") for one in alice.json("/catalog/offers", **wanted)["offers"]
    )
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "wanted",
    [{"service": "a\x00"}, {"country": "gb"}, {"pool": "A"}, {"network": "x"}, {"kind": "loan"}, {"duration": -1}],
)  # fmt: skip
def test_an_offer_filter_that_is_none_is_refused(alice: Client, wanted: dict[str, object]) -> None:
    assert_problem(alice.get("/catalog/offers", **wanted), 422, "invalid_input")
