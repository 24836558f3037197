"""The event stream: Server-Sent Events over the same follower as the socket, resumed by Last-Event-ID."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from onceline.core.access import commands as access
from onceline.core.errors import DatabaseAway
from onceline.core.outbox import store as outbox
from onceline.edge import follow, hub, server, stream
from tests.edge.door import API, Client, Stream, Town, assert_problem, eventually
from tests.edge.test_reading import in_background


def rest(line: Stream) -> list[dict[str, str]]:
    """Everything up to the orderly end."""
    told = []
    with contextlib.suppress(StopIteration):
        while True:
            told.append(line.block())
    return told


@contextmanager
def ends(line: Stream, within: float = 2) -> Iterator[None]:
    """The server ends the stream in order, in this time, and says nothing more of the side."""
    yield
    started = time.monotonic()
    assert not any("data" in fields for fields in rest(line))
    assert time.monotonic() - started < within


def test_a_stream_says_how_it_is_to_be_treated(alice: Client) -> None:
    with alice.stream() as line:
        headers = line.answer.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        assert headers["x-request-id"].startswith("req_")
        assert line.block() == {"": "onceline", "retry": "1000"}


def test_a_stream_without_a_cursor_says_at_once_where_it_stands(alice: Client) -> None:
    alice.order()
    found = alice.json("/events")
    with alice.stream() as line:
        assert line.next() == ("heartbeat", f"{found['epoch']}:{found['seq']}", {"seq": found["seq"]})


def test_an_event_is_what_the_event_route_says(alice: Client) -> None:
    with alice.stream() as line:
        line.next()
        alice.sms(alice.order())
        found = [line.next() for _ in range(3)]
    stream = alice.json("/events", after=1)
    assert found[-1][2] == stream["events"][-1]
    assert [(kind, mark, data["id"]) for kind, mark, data in found] == [
        ("event", f"{stream['epoch']}:{one['seq']}", one["id"]) for one in stream["events"]
    ]


@pytest.mark.parametrize("by", ["header", "query"])
def test_a_stream_resumes_after_the_last_id_and_misses_nothing(alice: Client, by: str) -> None:
    with alice.stream() as line:
        _, last, _ = line.next()
    assert last is not None
    alice.order()
    epoch, _, seq = last.rpartition(":")
    resumed = alice.stream(last) if by == "header" else alice.stream(after=seq, epoch=epoch)
    with resumed as line:
        assert line.event() == (2, "order.placed")
        alice.order()
        assert line.event() == (3, "order.placed")


def test_the_last_id_counts_before_the_address(alice: Client) -> None:
    epoch = alice.json("/events")["epoch"]
    alice.order()
    with alice.stream(f"{epoch}:1", after=0) as line:
        assert line.event()[0] == 2


def test_a_long_absence_is_caught_up_in_order(alice: Client) -> None:
    body = {"orders": [{"service": "telegram", "country": "GB"}] * 50}
    for turn in range(3):
        assert alice.post("/orders/batch", body, f"batch-{turn}").status_code == 201
    with alice.stream(after=0) as line:
        assert [line.event()[0] for _ in range(151)] == list(range(1, 152))


@pytest.mark.parametrize("last", ["older:1", "{epoch}:99", "older:99"])
def test_a_cursor_that_cannot_be_served_starts_over_and_goes_on(alice: Client, last: str) -> None:
    found = alice.json("/events")
    mark = f"{found['epoch']}:{found['seq']}"
    with alice.stream(last.format(epoch=found["epoch"])) as line:
        assert line.next() == ("resync", mark, {"epoch": found["epoch"], "seq": found["seq"]})
        alice.order()
        assert line.event()[0] == found["seq"] + 1


@pytest.mark.parametrize(
    ("wanted", "last"),
    [
        ({"after": -1}, None), ({"after": 2**63}, None), ({"epoch": "x" * 33}, None), ({"after": "x"}, None),
        ({}, "x"), ({}, "epoch:"), ({}, "e:1:2"), ({}, "e:-1"), ({}, "e:" + "9" * 19), ({}, "é:1"),
    ],
)  # fmt: skip
def test_a_cursor_that_is_none_is_refused(alice: Client, wanted: dict[str, Any], last: str | None) -> None:
    headers = {"Last-Event-ID": last.encode()} if last else {}
    assert_problem(alice.get("/stream", headers=headers, **wanted), 422, "invalid_input")  # type: ignore[arg-type]  # httpx takes bytes


def test_a_key_in_the_address_opens_no_stream(town: Town, alice: Client) -> None:
    assert_problem(town.nobody().get("/stream", key=alice.key, ticket=alice.ticket()), 401, "invalid_key")


def test_an_idle_stream_hears_heartbeats_with_the_latest_seq(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "HEARTBEAT_S", 0.1)
    with alice.stream() as line:
        assert [line.next()[::2] for _ in range(3)] == [("heartbeat", {"seq": 1})] * 3
        alice.order()
        assert ("heartbeat", {"seq": 2}) in [line.next()[::2] for _ in range(3)]


def test_a_database_that_was_away_costs_half_a_second_not_an_event(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, faults = outbox.pages, [DatabaseAway()] * 3

    def pages(*asked: Any) -> list[outbox.Page]:
        if faults:
            raise faults.pop()
        return really(*asked)

    with alice.stream() as line:
        line.next()
        monkeypatch.setattr(outbox, "pages", pages)
        alice.order()
        assert line.event() == (2, "order.placed")


# Its end ----------------------------------------------------------------------------------------------------------


def test_a_stream_ends_with_its_key_within_a_second(alice: Client) -> None:
    other = alice.scoped("events:read")
    scoped = next(key["id"] for key in alice.json("/keys")["keys"] if key["name"] == "scoped")
    with other.stream() as line:
        line.next()
        alice.delete(f"/keys/{scoped}")
        started = time.monotonic()
        told = [json.loads(fields["data"]) for fields in rest(line)]
    assert time.monotonic() - started < 1
    assert [one["event"]["type"] for one in told] in ([], ["key.revoked"])
    assert_problem(other.get("/stream"), 401, "revoked_key")


def test_a_key_that_ended_in_another_process_ends_its_streams(town: Town, alice: Client) -> None:
    with alice.stream() as line:
        line.next()
        with ends(line, within=1.5):
            town.end_grants(alice)


def test_suspending_an_account_ends_its_streams(town: Town, alice: Client) -> None:
    assert alice.who is not None
    with alice.stream() as line:
        line.next()
        with ends(line, within=1), town.shop.db.transaction() as tx:
            access.set_account_state(tx, alice.who.account, "suspended")


def test_a_side_has_a_bounded_number_of_streams(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "stream", 1)
    with alice.stream() as line:
        line.next()
        assert_problem(alice.get("/stream"), 429, "limit_exceeded", limit="streams", retry_after_s=1)

        def opened() -> bool:
            return alice.head("/stream").status_code == 200

    eventually(opened)


def test_a_client_that_leaves_leaves_its_place_at_once(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "stream", 1)
    for _ in range(3):
        with httpx.Client(timeout=5) as own:
            assert Client(alice.shop, alice.url, own, alice.key).head("/stream").status_code == 200
        eventually(lambda: _streams(alice) == 0, 1)


@pytest.mark.promise("D4")
def test_a_reader_that_does_not_read_is_cut_and_delays_nobody(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has far more to get than its connection holds, and takes nothing of it."""
    monkeypatch.setattr(hub, "SEND_S", 0.3)
    monkeypatch.setattr(server, "READ_S", 1)
    really = stream._text
    monkeypatch.setattr(stream, "_text", lambda *step: ": " + "x" * 500_000 + "\n" + really(*step))
    body = {"orders": [{"service": "telegram", "country": "GB"}] * 50}
    assert alice.post("/orders/batch", body, "slow").status_code == 201
    with town.another() as url:
        here = alice.at(url)
        with _deaf(here) as deaf, here.stream() as line:
            line.next()
            time.sleep(0.5)  # the deaf one is stuck by now
            answer = in_background(line.event)
            alice.order()
            (_, kind), seconds = answer()
            assert (kind, seconds < 1) == ("order.placed", True)
            eventually(lambda: _streams(here) == 1)
            time.sleep(1.5)
            with pytest.raises(ConnectionError):
                _drain(deaf)


def test_going_down_ends_streams_and_polls_and_says_when_to_come_back(town: Town, alice: Client) -> None:
    with town.another() as url:
        here = alice.at(url)
        line = in_background(lambda: _until_the_end(here))
        events = in_background(lambda: here.get("/events", after=1, wait=20))
        order = alice.order()
        waiting = in_background(lambda: here.get(f"/orders/{order['id']}", wait=20))
        more = in_background(lambda: here.get("/events", after=2, wait=20))
        assert events()[0].json()["events"], "the stop must meet those who wait"
        time.sleep(0.3)
    told, seconds = line()
    assert 0 <= int(told[-1]["retry"]) <= 1000 * hub.SHORTEST_BACK_S
    assert seconds < 5
    for answer in (waiting()[0], more()[0]):
        body = assert_problem(answer, 503, "restarting", retry_after_s=1)
        assert (body["retryable"], answer.headers["retry-after"]) == (True, "1")


def _deaf(client: Client) -> socket.socket:
    """A connection that asks for everything from the start, and then reads nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(10)
    line.connect(("127.0.0.1", int(client.url.rpartition(":")[2])))
    line.sendall(
        f"GET {API}/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n\r\n".encode()
    )
    return line


def _drain(line: socket.socket) -> None:
    while line.recv(2**20):
        pass


def _streams(client: Client) -> float:
    text = client.http.get(client.url + "/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith("onceline_streams ")).split()[1])


def _until_the_end(client: Client) -> list[dict[str, str]]:
    with client.stream() as line:
        return rest(line)
