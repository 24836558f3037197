"""Bodies as strangers send them: every one gets a clear problem, none gets a 5xx, none costs much."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from onceline.edge.body import MOST_BYTES, parse
from onceline.edge.problems import BadRequest
from tests.edge.door import Client, assert_problem

GOOD = {"service": "telegram", "country": "GB"}


def malformed(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize(
    "content",
    [
        "{", "nul", "[1,]", '{"service":"telegram",}', "'a'", "\ufeff{}", "{} {}", "// hm", '"\x01"', b"\xff\xfe",
        b'{"service":"\xc3\x28"}', b'{"service":"\xed\xa0\x80"}', '{"max_price":NaN}', '{"max_price":-Infinity}',
        '{"service":"\\ud83d"}', '{"\\udc00":1}', '{"service":"telegram","service":"telegram"}',
        '{"duration":9007199254740993}', '{"duration":' + "9" * 200_000 + "}", '{"duration":1e999}',
        '{"duration":1.' + "0" * 40 + "}",
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_malformed(alice: Client, content: str | bytes) -> None:
    assert_problem(alice.raw("/orders", malformed(content)), 400, "malformed_body")


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 30_000, '["' + "]" * 200 + '",' + "[" * 100_000,
        '["\\"' + "]" * 100_000 + '",' + "[" * 100_000, '["]",' * 40_000,
    ],
)  # fmt: skip
def test_deep_nesting_is_refused_quickly_however_it_hides(alice: Client, content: str) -> None:
    started = time.monotonic()
    assert_problem(alice.raw("/orders", content), 400, "malformed_body")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("content", ['"' * 200_000, '\\"' * 100_000, '"' + '\\"' * 100_000, "[]" * 100_000])
def test_no_body_takes_long_to_refuse(content: str) -> None:
    started = time.monotonic()
    with pytest.raises(BadRequest):
        parse(content.encode())
    assert time.monotonic() - started < 0.5


def test_brackets_in_a_text_are_no_nesting() -> None:
    assert parse(b'{"text": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}') == {"text": "[" * 40}


def test_the_largest_integer_that_everybody_keeps_is_read() -> None:
    assert parse(b"[9007199254740992, -9007199254740992]") == [2**53, -(2**53)]


def big(size: int) -> Iterator[bytes]:
    yield b'{"service":"'
    for _ in range(size // 65536):
        yield b"a" * 65536
    yield b'"}'


@pytest.mark.parametrize("size", [MOST_BYTES, 10 * 1024 * 1024])
def test_a_large_body_is_refused_with_and_without_its_length_told(alice: Client, size: int) -> None:
    for content in (b"".join(big(size)), big(size)):
        answer = alice.raw("/orders", content)
        assert_problem(answer, 413, "body_too_large")
    assert alice.get("/balance").status_code == 200


def test_the_largest_honest_body_is_read(alice: Client) -> None:
    number = alice.order()["number"]
    body = json.dumps({"number": number, "sender": "X", "text": "\U0001f600" * 10_000})
    assert 100_000 < len(body) < MOST_BYTES
    assert alice.raw("/test/messages", body).status_code == 202


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
        "application/ld+json",
        "*/*",
    ],
)
def test_another_media_type_is_refused(alice: Client, media_type: str) -> None:
    answer = alice.raw("/orders", json.dumps(GOOD), media_type)
    assert_problem(answer, 415, "unsupported_media_type")
    assert alice.json("/orders")["orders"] == []


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"]
)
def test_json_is_json_however_it_is_written(alice: Client, media_type: str) -> None:
    assert alice.raw("/orders", json.dumps(GOOD), media_type).status_code == 201


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'"x"', b"7", b"true", b"{}"])
def test_a_body_that_is_no_order_is_invalid(alice: Client, content: bytes) -> None:
    body = assert_problem(alice.raw("/orders", content), 422, "invalid_input")
    assert body["faults"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"service": 7}, "service"),
        ({"service": "TELEGRAM"}, "service"),
        ({"service": "tele\x00gram"}, "service"),
        ({"service": None}, "service"),
        ({"country": "gb"}, "country"),
        ({"country": "GBR"}, "country"),
        ({"country": ["GB"]}, "country"),
        ({"max_price": 0.25}, "max_price"),
        ({"max_price": 1}, "max_price"),
        ({"max_price": "-1"}, "max_price"),
        ({"max_price": "1e3"}, "max_price"),
        ({"max_price": "0.1234567"}, "max_price"),
        ({"max_price": "\u0661"}, "max_price"),
        ({"duration": "3600"}, "duration"),
        ({"duration": 3600.0}, "duration"),
        ({"duration": True}, "duration"),
        ({"duration": 0}, "duration"),
        ({"kind": "loan"}, "kind"),
        ({"network": "1"}, "network"),
        ({"number": "447700900123"}, "number"),
        ({"number": "+44\u0667700900123"}, "number"),
        ({"client_reference": "a b"}, "client_reference"),
        ({"client_reference": "x" * 65}, "client_reference"),
    ],
)
def test_a_field_that_is_not_what_it_must_be_is_named(
    alice: Client, change: dict[str, Any], field: str
) -> None:
    body = assert_problem(alice.raw("/orders", json.dumps(GOOD | change)), 422, "invalid_input")
    assert [fault["field"] for fault in body["faults"]] == [field]
    assert alice.json("/orders")["orders"] == []


def test_a_fault_inside_a_batch_is_named_with_its_place(alice: Client) -> None:
    answer = alice.raw("/orders/batch", json.dumps({"orders": [GOOD, GOOD | {"service": 1}]}))
    assert assert_problem(answer, 422, "invalid_input")["faults"][0]["field"] == "orders.1.service"


def test_faults_are_counted_not_echoed(alice: Client) -> None:
    wanted = {f"name-{turn}-{'x' * 1000}": "very secret" for turn in range(100)}
    answer = alice.raw("/orders", json.dumps(GOOD | wanted))
    body = assert_problem(answer, 422, "invalid_input")
    assert len(body["faults"]) == 20
    assert "very secret" not in answer.text
    assert "very secret" not in alice.raw("/orders", json.dumps(GOOD | {"country": "very secret"})).text
    assert len(answer.content) < 20_000


def test_a_body_that_ends_early_harms_nobody(alice: Client) -> None:
    host, port = alice.url.removeprefix("http://").split(":")
    head = (
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        f"Authorization: Bearer {alice.key}\r\nIdempotency-Key: half\r\n\r\n{{"
    )
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode())
    assert alice.get("/balance").status_code == 200
    assert alice.json("/orders")["orders"] == []


def test_a_route_without_a_body_minds_none(alice: Client) -> None:
    answer = alice.raw(f"/orders/{alice.order()['id']}/finish", b"\xff" * 10)
    assert_problem(answer, 409, "no_message")


def test_headers_with_odd_bytes_do_no_harm(alice: Client) -> None:
    answer = alice.send("GET", "/balance", headers={"X-Odd": b"\xff\xfe", "Cookie": b"\x80"})
    assert answer.status_code == 200
