"""Placing and polling the short way: the answers are those of the framework's way, whatever comes.

A request with a query goes the framework's way always, so `?` with a parameter that changes nothing compares the two.
"""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.edge.door import API, Client, Town

OWN = {"x-request-id", "date", "ratelimit", "etag"}
"""Headers that differ between two answers of one way too."""


def told(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body, without what no two answers share."""
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in {"id", "number"}}
        headers.pop("content-length")
    return answer.status_code, headers, body


@pytest.fixture
def framework(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that went the framework's way."""
    paths: list[str] = []
    handle = APIRoute.handle

    async def watched(self: APIRoute, scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"].removeprefix(API))
        await handle(self, scope, receive, send)

    monkeypatch.setattr(APIRoute, "handle", watched)
    return paths


def test_a_key_that_is_remembered_goes_the_short_way(framework: list[str], alice: Client) -> None:
    alice.get("/balance")
    order = alice.order()
    alice.read(order)
    assert framework == ["/balance"]
    alice.get(f"/orders/{order['id']}", wait=0)
    assert framework == ["/balance", f"/orders/{order['id']}"]


def test_a_placed_order_is_the_same_both_ways(alice: Client) -> None:
    body = {"service": "telegram", "country": "GB", "client_reference": "mine"}
    alice.get("/balance")
    short, long = (
        alice.send("POST", f"/orders{query}", json=body, headers={"Idempotency-Key": secrets.token_hex(8)})
        for query in ("", "?x=1")
    )
    assert told(short) == told(long)
    assert short.status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"service":"telegram"}',
        b'{"service":"telegram","country":"GB","x":1}',
        b'{"service":"telegram","service":"telegram","country":"GB"}',
        b'{"service":7,"country":"GB"}',
        b'{"service":"telegram","country":"GB","duration":"60"}',
        b'{"service":"telegram","country":"gb"}',
        b'{"service":"nothing-like-it","country":"GB"}',
        b'{"service":"paypal","country":"GB"}',
        b'{"service":"telegram","country":"GB","max_price":"0.01"}',
        b'{"service":"telegram","country":"GB","client_reference":"\\u0000"}',
        b'{"service":"telegram","country":"GB","client_reference":"\\ud800"}',
        b'{"service":"telegram","country":"GB","kind":"rental"}',
        b'{"service":"telegram","country":"GB"}' + b" " * 300_000,
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_body_is_refused_alike_both_ways(alice: Client, body: bytes) -> None:
    alice.get("/balance")
    short, long = (
        alice.send(
            "POST",
            f"/orders{query}",
            content=body,
            headers={"Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"},
        )
        for query in ("", "?x=1")
    )
    assert told(short) == told(long)
    assert short.status_code >= 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "a b"},
        {"Idempotency-Key": "x" * 256},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic eDp5"},
    ],
)
def test_headers_are_read_alike_both_ways(alice: Client, headers: dict[str, str]) -> None:
    alice.get("/balance")
    sent = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8), **headers}
    body = b'{"service":"telegram","country":"GB"}'
    answers = []
    for query in ("", "?x=1"):
        if "Idempotency-Key" not in headers:
            sent["Idempotency-Key"] = secrets.token_hex(8)
        answers.append(alice.send("POST", f"/orders{query}", content=body, headers=sent))
    assert told(answers[0]) == told(answers[1])


@pytest.mark.parametrize(
    "id_", ["1", "0", "00", "x", "2147483647", "2147483648", "99999999999", "-1", "1.0", "%31"]
)
def test_an_order_that_is_not_ours_is_refused_alike_both_ways(alice: Client, id_: str) -> None:
    alice.get("/balance")
    assert told(alice.send("GET", f"/orders/{id_}")) == told(alice.send("GET", f"/orders/{id_}?wait=0"))


def test_a_polled_order_is_the_same_both_ways_before_and_after_its_code(alice: Client) -> None:
    order = alice.order()
    path = f"/orders/{order['id']}"
    for _ in range(2):
        short, long = alice.send("GET", path), alice.send("GET", f"{path}?wait=0")
        assert told(short) == told(long)
        assert short.headers["etag"] == long.headers["etag"]
        known = alice.send("GET", path, headers={"If-None-Match": short.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        alice.sms(order)


def test_two_headers_of_one_name_are_left_to_the_framework(framework: list[str], alice: Client) -> None:
    order = alice.order()
    framework.clear()
    alice.http.request(
        "GET",
        f"{alice.url}{API}/orders/{order['id']}",
        headers=[("Authorization", f"Bearer {alice.key}"), ("If-None-Match", "a"), ("If-None-Match", "b")],
    )
    assert framework == [f"/orders/{order['id']}"]


def test_a_key_without_the_right_is_refused_alike_both_ways(alice: Client) -> None:
    reader = alice.scoped("balance:read")
    reader.get("/balance")
    assert told(reader.send("GET", "/orders/1")) == told(reader.send("GET", "/orders/1?wait=0"))
    assert reader.send("GET", "/orders/1").json()["code"] == "insufficient_scope"


def test_a_key_for_the_old_protocols_is_refused_alike_both_ways(alice: Client) -> None:
    old = alice.scoped("orders:read", kind="protocol")
    old.get("/orders/1", wait=0)
    assert told(old.send("GET", "/orders/1")) == told(old.send("GET", "/orders/1?wait=0"))
    assert old.send("GET", "/orders/1").json()["code"] == "invalid_key"


def test_a_rate_that_is_used_up_refuses_alike_both_ways(town: Town, alice: Client) -> None:
    path = f"/orders/{alice.order()['id']}"
    with town.another(requests_per_s=1, request_burst=3) as url:
        here = alice.at(url)
        assert [here.send("GET", path).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert told(here.send("GET", path)) == told(here.send("GET", f"{path}?wait=0"))


def test_a_sent_message_is_answered_the_same_both_ways(alice: Client) -> None:
    number = alice.order()["number"]
    for body in (
        {"number": number, "sender": "Telegram", "text": "Telegram code: 48291"},
        {"number": "+447700900999", "sender": "Telegram", "text": "Telegram code: 48291"},
        {"number": number, "sender": "Telegram"},
        {"number": number, "sender": "Telegram", "text": 7},
    ):
        short, long = (alice.send("POST", f"/test/messages{query}", json=body) for query in ("", "?x=1"))
        assert short.status_code == long.status_code
        assert {**short.json(), "message_id": None} == {**long.json(), "message_id": None}


def test_a_sent_message_goes_the_short_way(framework: list[str], alice: Client) -> None:
    number = alice.order()["number"]
    framework.clear()
    body = {"number": number, "sender": "Telegram", "text": "Telegram code: 48291"}
    assert alice.send("POST", "/test/messages", json=body).status_code == 202
    keyed = [
        alice.send("POST", "/test/messages", json=body, headers={"Idempotency-Key": "one"}) for _ in "ab"
    ]
    assert keyed[0].json() == keyed[1].json()
    assert framework == []
    assert (
        alice.send("POST", "/test/messages", json=body, headers={"Idempotency-Key": "a b"}).status_code == 422
    )
    assert framework == ["/test/messages"]


def test_a_live_key_sends_no_test_message_the_short_way(town: Town) -> None:
    charlie = town.customer("charlie", mode="live")
    charlie.get("/balance")
    answer = charlie.send(
        "POST", "/test/messages", json={"number": "+447700900999", "sender": "X", "text": "1"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_mode")
