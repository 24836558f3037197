"""Signed requests at a real edge, from the request to what the customer sees."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from onceline.core.clock import SystemClock
from tests.suppliers.conftest import Gateway

HOWTO = Path(__file__).resolve().parents[3] / "docs" / "howto" / "signed-http.md"
KEY = "a-signing-key-of-thirty-characters"
NUMBER = "+447700900123"
MESSAGE = {"id": "a1", "to": NUMBER, "from": "Telegram", "text": "Telegram code: 91736", "device": "modem-1"}


@pytest.fixture
def rack(gateway: Gateway) -> Gateway:
    gateway.supplier("rack-1", kind="http", secrets={"signing_key": [KEY]})
    gateway.own(NUMBER, supplier="rack-1")
    return gateway


def post(gateway: Gateway, found: Any, *, key: str = KEY, seconds: int = 0) -> httpx.Response:
    body = json.dumps(found).encode()
    at = str(int(gateway.clock.now().timestamp()) + seconds)
    signature = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Onceline-Timestamp": at, "X-Onceline-Signature": f"v1={signature}"}
    return gateway.post("/in/rack-1", body, headers)


def test_a_signed_message_is_shown_with_its_code(rack: Gateway) -> None:
    order = rack.order(NUMBER)
    answer = post(rack, MESSAGE)
    assert (answer.status_code, answer.content) == (204, b"")
    (message,) = rack.await_shown(order)
    assert (message["text"], message["code"], message["sender"]) == (
        "Telegram code: 91736",
        "91736",
        "Telegram",
    )


def test_the_block_of_the_page_for_operators_signs_well(rack: Gateway) -> None:
    rack.clock.advance((SystemClock().now() - rack.clock.now()).total_seconds())
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)[0], found)
    order = rack.order(NUMBER)
    assert rack.post("/in/rack-1", *found["signed"](KEY, MESSAGE)).status_code == 204
    assert len(rack.await_shown(order)) == 1


def test_a_replay_within_the_window_changes_nothing(rack: Gateway) -> None:
    order = rack.order(NUMBER)
    for seconds in (0, 1, 60):
        assert post(rack, {"messages": [MESSAGE, MESSAGE]}, seconds=seconds).status_code == 204
    rack.await_shown(order)
    assert rack.shop.value("select count(*) from inbound") == 1


def test_parts_in_any_order_are_one_message(rack: Gateway) -> None:
    order = rack.order(NUMBER)
    pieces = ["Telegram ", "code: ", "91736"]
    for index in (3, 1, 2):
        part = {"reference": 7, "index": index, "total": 3}
        assert post(rack, MESSAGE | {"text": pieces[index - 1], "part": part}).status_code == 204
    (message,) = rack.await_shown(order)
    assert (message["text"], message["code"]) == ("Telegram code: 91736", "91736")


@pytest.mark.parametrize("text", ["91736 \ud83d", "\0 91736 \0", "\u202e91736"])
def test_hostile_text_is_shown_and_breaks_nothing(rack: Gateway, text: str) -> None:
    order = rack.order(NUMBER)
    assert post(rack, MESSAGE | {"text": text, "from": text}).status_code == 204
    assert len(rack.await_shown(order)) == 1


def test_a_wait_of_any_length_holds_up_nobodys_order(rack: Gateway) -> None:
    order = rack.order(NUMBER)
    assert post(rack, MESSAGE | {"waited_s": 2**53}).status_code == 204
    rack.shop.wait(1203)
    assert rack.shop.view(order)["state"] == "expired"
    rack.shop.assert_books_are_true()


@pytest.mark.promise("P6")
def test_a_message_that_waited_since_before_the_order_reaches_nobody(rack: Gateway) -> None:
    order = rack.order(NUMBER)
    rack.clock.advance(300)
    assert post(rack, MESSAGE | {"waited_s": 301}).status_code == 204
    assert (
        post(rack, MESSAGE | {"id": "a2", "text": "Telegram code: 55555", "waited_s": 299}).status_code == 204
    )
    assert [one["code"] for one in rack.await_shown(order)] == ["55555"]
    assert rack.shop.value("select count(*) from inbound where state = 'counted'") == 1


@pytest.mark.parametrize(
    ("key", "seconds", "status"),
    [("another-key-of-thirty-characters", 0, 403), (KEY, 301, 403), (KEY, -301, 403)],
)
def test_what_is_not_genuine_keeps_nothing(rack: Gateway, key: str, seconds: int, status: int) -> None:
    answer = post(rack, MESSAGE, key=key, seconds=seconds)
    assert (answer.status_code, answer.content) == (status, b"")
    assert rack.shop.value("select count(*) from inbound") == 0


def test_an_unsigned_request_is_told_so(rack: Gateway) -> None:
    assert rack.post("/in/rack-1", json.dumps(MESSAGE)).status_code == 401
    assert rack.get("/in/rack-1").status_code == 401


def test_one_broken_message_keeps_none_of_its_request(rack: Gateway) -> None:
    """So that its sender knows which to send again: all of it, or what it took apart."""
    answer = post(rack, {"messages": [MESSAGE, {"id": "a2"}]})
    assert (answer.status_code, rack.shop.value("select count(*) from inbound")) == (400, 0)
