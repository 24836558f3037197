"""PUSH_SMS at /in/{supplier}: the key in the body, numbers that are numbers, and SUCCESS only for what is stored."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from onceline.core.clock import ManualClock
from onceline.suppliers.agents.inlet import MOST_PLAIN, AgentInlet
from onceline.suppliers.agents.kind import KIND
from onceline.suppliers.base import Arrival, Configured, NotAuthentic, Outcome, Request, Unreadable
from tests.conftest import NOON
from tests.edge.door import eventually
from tests.suppliers.agents.farm import KEY, NAME, NUMBER, POOL, Farm, House
from tests.suppliers.conftest import Gateway

PUSH = {
    "action": "PUSH_SMS",
    "key": KEY,
    "smsId": 1,
    "phone": NUMBER,
    "phoneFrom": "Telegram",
    "text": "Telegram code 48291",
}


def inlet(*keys: str) -> AgentInlet:
    return AgentInlet(Configured(NAME, None, {"key": keys or (KEY,)}))


def request(body: object, encoding: str = "") -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-encoding": encoding} if encoding else {}
    return Request("POST", "", "", headers, raw, None, NOON)


def test_a_message_is_read() -> None:
    [arrival] = inlet().read(request(PUSH))
    assert arrival == Arrival("1.9d7d", f"+{NUMBER}", "Telegram", "Telegram code 48291")


def test_a_message_may_be_packed() -> None:
    [arrival] = inlet().read(request(gzip.compress(json.dumps(PUSH).encode()), "gzip"))
    assert arrival.text == "Telegram code 48291"


def test_two_keys_work_while_they_are_changed() -> None:
    for key in ("old key", "new key"):
        assert inlet("new key", "old key").read(request(PUSH | {"key": key}))


@pytest.mark.parametrize("key", ["wrong", KEY + " ", KEY[:-1], "\ud800"])
def test_another_key_is_refused(key: str) -> None:
    with pytest.raises(NotAuthentic) as refused:
        inlet().read(request(PUSH | {"key": key}))
    assert refused.value.reason == "wrong"


@pytest.mark.parametrize("key", [None, "", 5, [KEY]])
def test_no_key_is_refused(key: Any) -> None:
    with pytest.raises(NotAuthentic) as refused:
        inlet().read(request(PUSH | {"key": key}))
    assert refused.value.reason == "missing"


def test_without_a_secret_nothing_is_let_in() -> None:
    with pytest.raises(NotAuthentic):
        AgentInlet(Configured(NAME, None)).read(request(PUSH))


UNSOUND = [
    {"smsId": "1"}, {"smsId": 1.0}, {"smsId": -1}, {"smsId": True}, {"smsId": 2**63}, {"smsId": None},
    {"phone": f"{NUMBER}"}, {"phone": 12}, {"phone": 10**16}, {"phone": None}, {"phoneFrom": 5}, {"phoneFrom": "x" * 300},
    {"text": None}, {"text": ["a"]}, {"action": "GET_NUMBER"}, {"action": None},
]  # fmt: skip


@pytest.mark.parametrize("fields", UNSOUND, ids=str)
def test_a_field_of_another_type_makes_a_message_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable) as refused:
        inlet().read(request(PUSH | fields))
    assert str(NUMBER) not in str(refused.value)


BODIES = {
    "bomb": (gzip.compress(b" " * (40 * MOST_PLAIN)), "gzip"),
    "cut": (gzip.compress(json.dumps(PUSH).encode())[:-5], "gzip"),
    "no gzip": (b"{}", "gzip"),
    "deep": (b'{"a":' * 60_000, ""),
    "no json": (b"smsId=1", ""),
    "no utf-8": (b'{"text": "\xff"}', ""),
    "twice": (b'{"key": "a", "key": "b"}', ""),
    "empty": (b"", ""),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        inlet().read(request(*BODIES[name]))


def test_the_answers_are_those_of_the_protocol() -> None:
    said = {outcome: inlet().answer(outcome) for outcome in Outcome}
    assert {outcome: answer.status for outcome, answer in said.items()} == {
        Outcome.KEPT: 200,
        Outcome.UNREADABLE: 200,
        Outcome.UNSIGNED: 401,
        Outcome.NOT_AUTHENTIC: 403,
        Outcome.AWAY: 503,
    }
    assert json.loads(said[Outcome.KEPT].body) == {"status": "SUCCESS"}
    for outcome in set(Outcome) - {Outcome.KEPT}:
        assert json.loads(said[outcome].body)["status"] == "ERROR"


# Through the door.


@pytest.fixture
def farm_gateway(gateway: Gateway) -> Gateway:
    gateway.supplier(NAME, "agent-protocol", {"url": "http://127.0.0.1:1", "pool": POOL}, {"key": [KEY]})
    gateway.own(f"+{NUMBER}", supplier=NAME)
    return gateway


def test_a_pushed_message_is_shown_and_the_same_again_is_one(farm_gateway: Gateway) -> None:
    order = farm_gateway.order(f"+{NUMBER}")
    for _ in range(2):
        answer = farm_gateway.post(f"/in/{NAME}", json.dumps(PUSH))
        assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})
    [message] = farm_gateway.await_shown(order)
    assert (message["code"], message["sender"]) == ("48291", "Telegram")
    farm_gateway.post(f"/in/{NAME}", json.dumps(PUSH | {"smsId": 2}))
    assert len(farm_gateway.await_shown(order, 2)) == 2


def test_a_stranger_gets_nothing_in(farm_gateway: Gateway) -> None:
    order = farm_gateway.order(f"+{NUMBER}")
    answer = farm_gateway.post(f"/in/{NAME}", json.dumps(PUSH | {"key": "wrong"}))
    assert (answer.status_code, answer.json()["status"]) == (403, "ERROR")
    assert farm_gateway.shown(order) == []


@pytest.mark.promise("A1")
def test_the_message_of_a_bank_is_withheld(farm_gateway: Gateway) -> None:
    order = farm_gateway.order(f"+{NUMBER}", service="other")
    said = PUSH | {"phoneFrom": "PayPal", "text": "PayPal: 482913 is your security code. Do not share it."}
    assert farm_gateway.post(f"/in/{NAME}", json.dumps(said)).json() == {"status": "SUCCESS"}
    view = farm_gateway.shop.view
    eventually(lambda: view(order)["withheld"] == 1)
    assert farm_gateway.shown(order) == []


def test_a_message_that_comes_before_our_purchase_is_committed_is_not_lost(
    house: House, farm: Farm, clock: ManualClock
) -> None:
    """The agent pushes while its answer is still on the way."""
    assert KIND.inlet is not None
    reader = KIND.inlet(house.configured)

    def sold_and_pushed(asked: dict[str, Any]) -> dict[str, Any]:
        [arrival] = reader.read(request(PUSH))
        assert isinstance(arrival, Arrival)
        [kept] = house.around.intake.keep(NAME, [arrival])
        assert kept.number is None
        return {"status": "SUCCESS", "number": NUMBER, "activationId": 355}

    farm.answers["GET_NUMBER"] = sold_and_pushed
    order = house.ordered()
    assert order.e164 == f"+{NUMBER}"
    stored = house.shop.rows("select id from inbound where state = 'stored'")
    for row in stored:
        house.shop.settle(row.id)
    view = house.shop.view(order)
    assert (view["state"], view["code"]) == ("received", "48291")
    house.shop.assert_books_are_true()
