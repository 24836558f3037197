"""What passes between the edge and the process that makes pages, byte for byte over the socket between them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from stat import S_IMODE

import pytest
from starlette.types import Message, Scope

from onceline import relay
from onceline.relay import Meeting, Relay, meeting

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nDate: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def met() -> Iterator[Meeting]:
    with meeting() as found:
        found.listening.settimeout(10)
        yield found


def scope(**changed: object) -> Scope:
    told = {
        "type": "http", "method": "POST", "scheme": "https", "raw_path": b"/test/%zz", "query_string": b"q=%20&a",
        "client": ("203.0.113.9", 4711), "headers": [(b"host", b"example.com"), (b"cookie", b"session=1")],
    }  # fmt: skip
    return {**told, **changed}


def pages(met: Meeting, answer: bytes) -> bytes:
    """One request is read whole and answered; returns what came."""
    connection, _ = met.listening.accept()
    with connection:
        came = b""
        while b"\r\n\r\n" not in came or not came.endswith(b"name=value"):
            came += connection.recv(65536)
        connection.sendall(answer)
    return came


def relayed(met: Meeting, answer: bytes, **changed: object) -> tuple[bytes, list[Message]]:
    with ThreadPoolExecutor(1) as thread:
        came = thread.submit(pages, met, answer)
        sent = asked(met, **changed)
        return came.result(10), sent


def asked(met: Meeting, **changed: object) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"name=value", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Relay(met.path)(scope(**changed), receive, send))
    return sent


def test_a_request_and_its_answer_pass_as_they_are(met: Meeting) -> None:
    came, sent = relayed(met, OK)
    head, _, body = came.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert (lines[0], body) == (b"POST /test/%zz?q=%20&a HTTP/1.1", b"name=value")
    assert {b"host: example.com", b"cookie: session=1", b"content-length: 10"} <= set(lines)
    start, *pieces = sent
    assert (start["status"], b"".join(one["body"] for one in pieces)) == (200, b"hello")
    assert not pieces[-1].get("more_body")
    assert start["headers"] == [(b"Content-Type", b"text/html"), (b"Content-Length", b"5")]


def test_the_pages_hear_the_clients_address_from_us_alone(met: Meeting) -> None:
    lies = [
        (b"x-forwarded-for", b"198.51.100.1"),
        (b"x-forwarded-proto", b"http"),
        (b"content-length", b"99"),
    ]
    came, _ = relayed(met, OK, headers=[(b"host", b"example.com"), *lies])
    lines = came.split(b"\r\n")
    assert [one for one in lines if one.startswith(b"x-forwarded")] == [
        b"x-forwarded-for: 203.0.113.9",
        b"x-forwarded-proto: https",
    ]


def test_what_belongs_to_the_clients_connection_stays_there(met: Meeting) -> None:
    own = [(b"connection", b"keep-alive, x"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c")]
    came, _ = relayed(met, OK, headers=[(b"host", b"example.com"), *own])
    assert b"chunked" not in came
    assert b"h2c" not in came


def test_a_process_that_ends_without_an_answer_is_said_to_be_away(met: Meeting) -> None:
    _, (start, body) = relayed(met, b"")
    assert (start["status"], b"Please try again" in body["body"]) == (503, True)


def test_no_process_in_time_is_said_to_be_away(met: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket listens all the same: a request waits for a process that is being started."""
    monkeypatch.setattr(relay, "ANSWER_S", 0.1)
    start, _ = asked(met)
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"2")


@pytest.mark.parametrize("broken", [{"raw_path": b"/\xff"}, {"headers": [(b"host", b"a\x00b")]}])
def test_what_is_no_http_is_turned_away_and_not_called_a_fault_of_ours(
    met: Meeting, broken: dict[str, object]
) -> None:
    start, _ = asked(met, **broken)
    assert start["status"] == 400


def test_an_answer_that_breaks_off_is_not_handed_on(met: Meeting) -> None:
    _, (start, body) = relayed(met, OK[:-2])
    assert (start["status"], b"Please try again" in body["body"]) == (503, True)


def test_nobody_else_reaches_the_socket(met: Meeting) -> None:
    assert S_IMODE(os.stat(os.path.dirname(met.path)).st_mode) == 0o700
