"""Numbers that an agent is asked for: bought once, told what became of them, and no money kept in doubt."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import structlog

from onceline.core.errors import DatabaseAway
from onceline.core.money import MICROS
from onceline.suppliers import purchases
from onceline.suppliers.agents import buying
from onceline.suppliers.agents.settings import AgentSettings
from onceline.suppliers.base import Call, NoNumbers, OutcomeUnknown
from tests.edge.door import eventually
from tests.receiver import Answer
from tests.shop import CANCEL_LOCK_S, PRICE
from tests.suppliers.agents.farm import KEY, NUMBER, Farm, House, says

ALL = 100 * MICROS
BOUGHT = f"+{NUMBER}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buying, "ANSWER_S", 0.2)


def assert_money_is_back(house: House) -> None:
    balance = house.shop.balance(house.customer)
    assert (balance.available, balance.held) == (ALL, 0)
    house.shop.assert_books_are_true()


@pytest.mark.promise("P5")
def test_a_number_is_bought_of_an_agent_who_learns_nothing_of_the_customer(house: House, farm: Farm) -> None:
    order = house.ordered()
    assert (order.state, order.e164, house.purchase(order)) == ("waiting", BOUGHT, "bought")
    assert farm.asked("GET_NUMBER") == [
        {
            "action": "GET_NUMBER",
            "key": KEY,
            "country": "england",
            "service": "tg",
            "operator": "any",
            "sum": 0.25,
            "currency": 840,
            "exceptionPhoneSet": [],
        }
    ]
    assert farm.receiver.received[-1].headers["user-agent"] == "Onceline"
    batch = house.shop.rows("select contract, country from batches order by id desc limit 1")[0]
    assert (batch.contract, batch.country) == ("asked of farm", "GB")


def test_an_answer_may_be_packed(house: House, farm: Farm) -> None:
    farm.packed = True
    assert house.ordered().e164 == BOUGHT


def test_countries_are_said_by_number_where_the_agent_wants_it(house: House, farm: Farm) -> None:
    house.settings = {"countries": "ids"}
    house.ordered()
    assert farm.asked("GET_NUMBER")[0]["country"] == 16


def test_a_second_code_of_the_service_is_tried_when_the_first_has_nothing(house: House, farm: Farm) -> None:
    farm.has(eh=1)
    farm.answers["GET_NUMBER"] = lambda asked: (
        {"status": "NO_NUMBERS"}
        if asked["service"] == "tg"
        else {"status": "SUCCESS", "number": NUMBER, "activationId": 7}
    )
    assert house.ordered().e164 == BOUGHT
    assert [one["service"] for one in farm.asked("GET_NUMBER")] == ["tg", "eh"]


def test_the_agent_is_promised_the_price_less_the_markup() -> None:
    def sum_of(price: int, **told: Any) -> str:
        read = AgentSettings.model_validate({"url": "http://a.example", "pool": "x"} | told)
        return f"{read.sum_of(price):f}"

    assert sum_of(250_000) == "0.2500"
    assert sum_of(250_000, markup_percent=25) == "0.2000"
    assert sum_of(250_000, markup_percent=30) == "0.1923"
    assert sum_of(250_000, currency="RUB", rate="95.5", markup_percent=25) == "19.10"


@pytest.mark.promise("M3")
@pytest.mark.parametrize("status", ["NO_NUMBERS", "ERROR", "BAD_SERVICE", "SERVICE_BAN"])
def test_a_definite_no_gives_the_money_back(house: House, farm: Farm, status: str) -> None:
    farm.answers["GET_NUMBER"] = says(status=status, error="whatever")
    order = house.ordered()
    assert (order.state, house.purchase(order), house.alerts()) == ("failed", "none", [])
    assert_money_is_back(house)


UNCERTAIN: dict[str, Any] = {
    "dropped": Answer(drop=True),
    "failed": Answer(500, {}, b'{"status": "NO_NUMBERS"}'),
    "no json": b"<html>",
    "no status": {"number": NUMBER, "activationId": 7},
    "unknown status": {"status": "MAYBE"},
    "no activation": {"status": "SUCCESS", "number": NUMBER},
    "quoted activation": {"status": "SUCCESS", "number": NUMBER, "activationId": "7"},
    "too long": b'{"status": "' + b"x" * 1_100_000 + b'"}',
}


@pytest.mark.promise("M1")
@pytest.mark.parametrize("name", UNCERTAIN)
def test_without_a_certain_answer_the_money_goes_back_and_nobody_asks_again(
    house: House, farm: Farm, name: str
) -> None:
    farm.answers["GET_NUMBER"] = UNCERTAIN[name]
    order = house.ordered()
    assert (order.state, house.purchase(order)) == ("failed", "unknown")
    assert house.alerts() == ["purchase_unknown"]
    assert_money_is_back(house)
    for _ in range(3):
        house.shop.pass_time(60)
        house.work()
        with pytest.raises(NoNumbers):
            house.buyer.acquire(house.call(order))
    assert len(farm.asked("GET_NUMBER")) == 1


def test_a_call_that_is_made_again_after_a_crash_asks_nothing(house: House, farm: Farm) -> None:
    house.look()
    order = house.shop.place(house.customer, "telegram", "GB")
    house.buyer._begin(house.call(order))  # the worker died here, before or after it asked
    with pytest.raises(NoNumbers):
        house.buyer.acquire(house.call(order))
    assert (farm.asked("GET_NUMBER"), house.purchase(order)) == ([], "unknown")
    assert house.alerts() == ["purchase_unknown"]


def test_a_call_that_is_made_again_gets_the_number_that_was_bought(house: House, farm: Farm) -> None:
    order = house.ordered()
    assert house.buyer.acquire(house.call(order)).number == BOUGHT
    assert len(farm.asked("GET_NUMBER")) == 1


def test_an_agent_that_cannot_be_reached_was_asked_nothing(house: House, farm: Farm) -> None:
    house.look()
    house.settings = {"url": "http://127.0.0.1:1/"}
    order = house.shop.place(house.customer, "telegram", "GB", pool="farm-numbers")
    house.work()
    assert (house.shop.order(order).state, house.purchase(order)) == ("failed", "none")
    assert house.alerts() == ["agent_unreachable"]


@pytest.mark.usefixtures("impatient")
def test_a_number_that_comes_too_late_is_cancelled_at_the_agent(house: House, farm: Farm) -> None:
    said = json.dumps(farm.answers["GET_NUMBER"]).encode()
    farm.answers["GET_NUMBER"] = Answer(200, {}, said, slow_s=0.6)
    order = house.ordered()
    assert (order.state, house.purchase(order)) == ("failed", "unknown")
    assert_money_is_back(house)
    eventually(lambda: house.purchase(order) == "unwanted")
    house.shop.pass_time(30)
    house.look()
    assert farm.asked("FINISH_ACTIVATION") == [
        {"action": "FINISH_ACTIVATION", "key": KEY, "activationId": 355, "status": 4}
    ]
    assert house.purchase(order) == "ended"


@pytest.mark.usefixtures("impatient")
def test_a_no_that_comes_too_late_ends_the_doubt(house: House, farm: Farm) -> None:
    farm.answers["GET_NUMBER"] = Answer(200, {}, b'{"status": "NO_NUMBERS"}', slow_s=0.6)
    order = house.ordered()
    eventually(lambda: house.purchase(order) == "none")
    assert_money_is_back(house)


@pytest.mark.usefixtures("impatient")
def test_a_question_whose_turn_comes_too_late_is_not_asked(house: House, farm: Farm) -> None:
    farm.answers["GET_NUMBER"] = Answer(200, {}, b'{"status": "NO_NUMBERS"}', slow_s=2)
    buyer = house.buyer

    def acquire(number: int) -> None:
        with pytest.raises(NoNumbers):
            buyer.acquire(Call(f"ol-{number}", "telegram", "GB", None, None, PRICE))

    with ThreadPoolExecutor(6) as callers:
        list(callers.map(acquire, range(6)))
    assert states(house) == ["none"] * 2 + ["unknown"] * 4
    eventually(lambda: states(house) == ["none"] * 6, 10)
    assert len(farm.asked("GET_NUMBER")) == 4


def states(house: House) -> list[str]:
    return [row.state for row in house.shop.rows("select state from purchases order by state")]


def test_a_question_that_starts_when_its_time_is_over_is_not_asked(house: House, farm: Farm) -> None:
    call = Call("ol-1", "telegram", "GB", None, None, PRICE)
    assert house.buyer._ask(call, ("tg",), {}, "0.25", time.monotonic()) is None
    assert farm.asked("GET_NUMBER") == []


def away(monkeypatch: pytest.MonkeyPatch, times: int) -> list[float]:
    """The database does not take a purchase so many times; gives the tries."""
    take, tries = purchases.bought, list[float]()

    def bought(*args: Any, **rest: Any) -> bool:
        tries.append(time.monotonic())
        if len(tries) <= times:
            raise DatabaseAway
        return take(*args, **rest)

    monkeypatch.setattr(purchases, "bought", bought)
    monkeypatch.setattr(buying, "_NOTED_AGAIN_S", (0.05,) * 3)
    return tries


@pytest.mark.usefixtures("impatient")
def test_a_late_number_is_noted_when_the_database_is_back(
    house: House, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps(farm.answers["GET_NUMBER"]).encode()
    farm.answers["GET_NUMBER"] = Answer(200, {}, said, slow_s=0.6)
    tries = away(monkeypatch, times=3)
    order = house.ordered()
    eventually(lambda: house.purchase(order) == "unwanted")
    assert len(tries) == 4


@pytest.mark.usefixtures("impatient")
def test_a_late_number_that_cannot_be_noted_is_told_to_staff(
    house: House, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps(farm.answers["GET_NUMBER"]).encode()
    farm.answers["GET_NUMBER"] = Answer(200, {}, said, slow_s=0.6)
    tries = away(monkeypatch, times=100)
    with structlog.testing.capture_logs() as logs:
        order = house.ordered()
        eventually(lambda: [line["activation"] for line in logs if line["log_level"] == "error"] == [355])
    assert (len(tries), house.purchase(order), house.alerts()) == (4, "unknown", ["purchase_unknown"])


@pytest.mark.parametrize("number", [33612345678, 12, "447700900123", 447700900123.0, None, -5, 10**20])
def test_a_number_that_the_order_cannot_have_is_cancelled_at_the_agent(
    house: House, farm: Farm, number: Any
) -> None:
    farm.answers["GET_NUMBER"] = {"status": "SUCCESS", "number": number, "activationId": 355}
    order = house.ordered()
    assert (order.state, house.purchase(order)) == ("failed", "unwanted")
    assert_money_is_back(house)
    house.shop.pass_time(30)
    house.look()
    assert [one["status"] for one in farm.asked("FINISH_ACTIVATION")] == [4]
    assert house.purchase(order) == "ended"


def test_an_activation_that_another_order_has_is_in_doubt(house: House, farm: Farm) -> None:
    first, second = house.ordered(), house.ordered()
    assert (first.state, second.state) == ("waiting", "failed")
    assert (house.purchase(first), house.purchase(second)) == ("bought", "unknown")
    assert farm.asked("FINISH_ACTIVATION") == []


@pytest.mark.promise("P6")
def test_a_number_that_we_must_refuse_goes_back_as_used(house: House, farm: Farm) -> None:
    """Somebody had a code of that service on it: no one else gets it for that."""
    first = house.ordered()
    house.sms(BOUGHT, "Telegram code 48291")
    house.shop.finish(house.customer, first)
    house.work()
    house.shop.pass_time(45 * 86400)
    farm.answers["GET_NUMBER"] = {"status": "SUCCESS", "number": NUMBER, "activationId": 356}
    second = house.ordered()
    assert second.state == "failed"
    house.work()
    told = [(one["activationId"], one["status"]) for one in farm.asked("FINISH_ACTIVATION")]
    assert told == [(355, 3), (356, 1)]
    assert house.purchase(second) == "ended"


def test_a_cancelled_order_is_cancelled_at_the_agent_once(house: House, farm: Farm) -> None:
    order = house.ordered()
    house.shop.pass_time(CANCEL_LOCK_S)
    house.shop.cancel(house.customer, order)
    house.work()
    house.buyer.cancel(house.call(order, BOUGHT))
    assert [one["status"] for one in farm.asked("FINISH_ACTIVATION")] == [4]
    assert_money_is_back(house)


def test_an_end_that_the_agent_does_not_understand_is_told_again_for_a_day(house: House, farm: Farm) -> None:
    order = house.ordered()
    call = house.call(order, BOUGHT)
    for answer in (Answer(drop=True), Answer(500), {"status": "ERROR", "error": "no such activation"}):
        farm.answers["FINISH_ACTIVATION"] = answer
        with pytest.raises(OutcomeUnknown):
            house.buyer.cancel(call)
        assert house.purchase(order) == "bought"
    house.shop.pass_time(timedelta(days=1).total_seconds())
    house.buyer.cancel(call)
    assert (house.purchase(order), house.alerts()) == ("ended", ["finish_refused"])


@pytest.mark.promise("A1")
def test_no_agent_is_asked_for_a_bank(house: House, farm: Farm) -> None:
    order = house.ordered()
    for service in ("paypal", "revolut", "full", "nonsense"):
        call = house.call(order)
        wanted = type(call)("ol-1", service, "GB", None, None, PRICE)
        with pytest.raises(NoNumbers):
            house.buyer.acquire(wanted)
    assert len(farm.asked("GET_NUMBER")) == 1


def test_a_resend_is_nothing_that_the_protocol_knows(house: House, farm: Farm) -> None:
    order = house.ordered()
    house.buyer.resend(house.call(order, BOUGHT))
    assert len(farm.receiver.received) == 2
