"""What an agent says it has becomes what is offered: only what the catalogue knows and serves, and only while it is fresh."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import OfferFilter
from onceline.core.errors import OutOfStock
from onceline.suppliers.agents.kind import KIND
from onceline.suppliers.agents.stock import StockSession, counted
from onceline.suppliers.purchases import LARGEST_COUNT
from tests.edge.door import eventually
from tests.receiver import Answer
from tests.suppliers.agents.farm import POOL, Farm, House


def listing(*countries: Any) -> dict[str, Any]:
    return {"status": "SUCCESS", "countryList": list(countries)}


def of(country: Any, **operators: dict[str, Any]) -> dict[str, Any]:
    return {"country": country, "operatorMap": operators}


def offered(house: House) -> dict[tuple[str, str], int]:
    with house.shop.db.transaction() as tx:
        rows = catalog.offers(
            tx, OfferFilter("live", pool=POOL), after=("", "", ""), limit=1000, now=house.shop.clock.now()
        )
    return {(row.country, row.service): row.stock for row in rows}


def test_the_agents_stock_is_offered(house: House, farm: Farm) -> None:
    farm.has(tg=5, wa=2)
    house.look()
    assert offered(house) == {("GB", "telegram"): 5, ("GB", "whatsapp"): 2}


def test_what_the_agent_has_no_more_is_offered_no_more(house: House, farm: Farm) -> None:
    house.look()
    farm.has(wa=1)
    house.look()
    assert offered(house) == {("GB", "whatsapp"): 1}


@pytest.mark.promise("M3")
def test_stock_that_was_not_confirmed_for_a_minute_is_none(house: House) -> None:
    house.look()
    house.shop.pass_time(61)
    assert offered(house) == {}
    with pytest.raises(OutOfStock):
        house.shop.place(house.customer, "telegram", "GB", pool=POOL)
    assert house.shop.balance(house.customer).held == 0


def test_operators_and_codes_of_a_service_are_counted_together() -> None:
    said = listing(
        of("russia", beeline={"tg": 10, "eh": 1}, megafon={"tg": 5, "vk": 0}), of(0, any={"tg": 1})
    )
    assert counted(said) == {("RU", "telegram"): 17}


@pytest.mark.parametrize("country", ["england", "England", "united kingdom", "gb", 16, "16"])
def test_a_country_is_known_by_name_and_by_number(country: Any) -> None:
    assert counted(listing(of(country, any={"tg": 1}))) == {("GB", "telegram"): 1}


@pytest.mark.promise("A1")
def test_a_bank_that_an_agent_has_is_passed_over() -> None:
    assert counted(listing(of("england", any={"ts": 9, "ij": 9, "re": 9, "tg": 1}))) == {
        ("GB", "telegram"): 1
    }


@pytest.mark.parametrize("count", [-1, 0, "5", 5.0, True, None, [5]])
def test_a_count_that_is_none_counts_nothing(count: Any) -> None:
    assert counted(listing(of("england", any={"tg": count}))) == {}


def test_a_count_is_believed_up_to_a_bound() -> None:
    assert counted(listing(of("england", any={"tg": 2**62}, o2={"tg": 2**62}))) == {
        ("GB", "telegram"): LARGEST_COUNT
    }


@pytest.mark.parametrize("country", ["atlantis", 12, 999999, None, True, 1.5, ["england"], "9" * 50])
def test_a_country_that_we_do_not_know_is_passed_over(country: Any) -> None:
    assert counted(listing(of(country, any={"tg": 1}))) == {}


@pytest.mark.parametrize(
    "said", [{"status": "ERROR"}, {"status": "SUCCESS"}, {"status": "SUCCESS", "countryList": {}}]
)
def test_nonsense_is_no_stock(said: dict[str, Any]) -> None:
    assert counted(said) is None


@pytest.mark.parametrize(
    "entry", [7, {}, {"country": "england"}, of("england", any=7), {"country": "england", "operatorMap": [1]}]
)  # type: ignore[arg-type]  # nonsense on purpose
def test_an_entry_without_sense_spoils_no_other(entry: Any) -> None:
    assert counted(listing(entry, of("russia", any={"tg": 1}))) == {("RU", "telegram"): 1}


def test_an_agent_that_fails_is_told_to_staff_and_its_stock_stands_until_it_is_old(
    house: House, farm: Farm
) -> None:
    house.look()
    farm.answers["GET_SERVICES"] = Answer(502)
    house.look()
    farm.answers["GET_SERVICES"] = {"status": "ERROR", "error": "key"}
    house.look()
    assert house.alerts() == ["agent_unreachable", "agent_unreadable"]
    assert offered(house) == {("GB", "telegram"): 5}


def test_a_session_looks_until_it_is_told_to_stop(house: House, farm: Farm) -> None:
    session = StockSession(house.configured, house.around)
    stopping = threading.Event()
    thread = threading.Thread(target=session.run, args=(stopping,))
    thread.start()
    eventually(lambda: len(farm.asked("GET_SERVICES")) == 1)
    session.wake()
    eventually(lambda: len(farm.asked("GET_SERVICES")) == 2)
    stopping.set()
    session.wake()
    thread.join(2)
    assert not thread.is_alive()
    assert session.name == "farm:stock"


def test_a_check_says_whether_the_agent_can_be_used(house: House, farm: Farm) -> None:
    assert KIND.check is not None
    [good] = KIND.check(house.configured, house.around)
    assert (good.ok, good.words) == (True, "5 numbers for 1 country and service pairs")
    for answer in (Answer(404), {"status": "ERROR"}, listing(of("atlantis", any={"tg": 1}))):
        farm.answers["GET_SERVICES"] = answer
        [bad] = KIND.check(house.configured, house.around)
        assert not bad.ok
        assert bad.words


@pytest.mark.parametrize(
    "told",
    [
        {"url": "ftp://a.example/"},
        {"url": "not an address"},
        {"poll_s": 1},
        {"currency": "XXX"},
        {"rate": "0"},
        {"markup_percent": -1},
        {"countries": "iso"},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        KIND.settings.model_validate({"url": "https://a.example/", "pool": "farm"} | told)
