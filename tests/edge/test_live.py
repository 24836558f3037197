"""The live socket: one frame in, every event out, in order, each once, until the key ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.sync.client import connect

from onceline.core.access import commands as access
from onceline.core.errors import DatabaseAway
from onceline.edge import hub, live
from tests.edge.door import API, Client, Live, Town, assert_problem, eventually

NOT_ALLOWED, BAD_FRAME, TOO_MANY, TOO_BIG = 4401, 4400, 4429, 1009


@contextlib.contextmanager
def closes(line: Live, code: int, within: float = 2) -> Iterator[None]:
    """The server closes the line with this code, in this time."""
    yield
    started = time.monotonic()
    try:
        while True:
            line.connection.recv(timeout=within)
    except ConnectionClosed as closed:
        end = closed.rcvd
    assert end is not None
    assert end.code == code, end
    assert time.monotonic() - started < within


def stays_silent(line: Live, seconds: float = 0.3) -> None:
    with pytest.raises(TimeoutError):
        line.connection.recv(timeout=seconds)


# What it carries --------------------------------------------------------------------------------------------------


def test_a_socket_says_where_the_stream_stands(alice: Client) -> None:
    alice.order()
    with alice.live() as line:
        ready = line.ready()
    stream = alice.json("/events")
    assert ready == {"type": "ready", "epoch": stream["epoch"], "seq": 2}


def test_events_arrive_in_order_with_their_order_and_message(alice: Client) -> None:
    with alice.live() as line:
        line.ready()
        order = alice.sms(alice.order(), "Your code is 73519")
        events = [line.event() for _ in range(3)]
    assert [(seq, kind) for seq, kind, _ in events] == [
        (2, "order.placed"), (3, "order.message"), (4, "order.received"),
    ]  # fmt: skip
    event = events[-1][2]
    assert (event["order"]["id"], event["order"]["code"]) == (order["id"], "73519")
    assert events[1][2]["message"] == order["messages"][0]


def test_a_code_is_pushed_without_waiting_for_the_slow_poll(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sees_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(hub.Hub, "_look", sees_nothing)
    with alice.live() as line:
        line.ready()
        order = alice.order()
        line.event()
        started = time.monotonic()
        alice.post("/test/messages", {"number": order["number"], "sender": "X", "text": "Your code is 4821"})
        line.event()
    assert time.monotonic() - started < 0.4


def test_a_frame_is_what_the_event_route_says(alice: Client) -> None:
    order = alice.sms(alice.order())
    with alice.live(after=0) as line:
        line.ready()
        frames = [line.next() for _ in range(4)]
    assert [{name: one[name] for name in ("seq", "id", "event")} for one in frames] == alice.json("/events")[
        "events"
    ]
    assert frames[-1]["event"]["order"] == order


def test_a_socket_resumes_after_the_last_seq_and_misses_nothing(alice: Client) -> None:
    with alice.live() as line:
        epoch = line.ready()["epoch"]
        alice.order()
        last = line.event()[0]
    alice.order()
    alice.order()
    with alice.live(after=last, epoch=epoch) as line:
        assert line.ready()["seq"] == last + 2
        assert [line.event()[0] for _ in range(2)] == [last + 1, last + 2]
        alice.order()
        assert line.event()[0] == last + 3


def test_a_long_absence_is_caught_up_in_order(town: Town, alice: Client) -> None:
    body = {"orders": [{"service": "telegram", "country": "GB"}] * 50}
    for turn in range(3):
        assert alice.post("/orders/batch", body, f"batch-{turn}").status_code == 201
    with alice.live(after=0) as line:
        assert line.ready()["seq"] == 151
        assert [line.event()[0] for _ in range(151)] == list(range(1, 152))


def test_two_sockets_of_one_side_hear_the_same(alice: Client) -> None:
    with alice.live() as one, alice.live() as two:
        one.ready()
        two.ready()
        alice.sms(alice.order())
        heard = [[line.next() for _ in range(3)] for line in (one, two)]
    assert heard[0] == heard[1]


def test_a_strangers_socket_and_the_live_side_hear_nothing(alice: Client, charlie: Client) -> None:
    other_side = alice.scoped(mode="live")
    with charlie.live() as stranger, other_side.live() as side:
        stranger.ready()
        side.ready()
        alice.sms(alice.order())
        stays_silent(stranger)
        stays_silent(side, 0.05)


def test_an_idle_socket_hears_heartbeats_with_the_latest_seq(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    with alice.live() as line:
        seq = line.ready()["seq"]
        assert [line.next() for _ in range(2)] == [{"type": "heartbeat", "seq": seq}] * 2
        alice.order()
        frames = [line.next() for _ in range(3)]
    assert {"type": "heartbeat", "seq": seq + 1} in frames


def test_lost_wake_ups_cost_half_a_second_not_an_event(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.Hub, "_tell", lambda *_: None)
    with alice.live() as line:
        line.ready()
        alice.order()
        assert line.event()[1] == "order.placed"


def test_a_database_that_was_away_costs_half_a_second_not_an_event(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseAway

    with alice.live() as line:
        line.ready()
        monkeypatch.setattr(live.outbox, "after", away)
        alice.order()
        stays_silent(line, 1.2)  # the wake-up and the slow poll have both come and gone
        monkeypatch.undo()
        assert line.event()[1] == "order.placed"


# Resync -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [{"after": 1, "epoch": "older"}, {"after": 99}])
def test_a_cursor_that_cannot_be_served_is_told_to_resync_and_then_goes_on(
    alice: Client, auth: dict[str, Any]
) -> None:
    with alice.live(**auth) as line:
        ready = line.ready()
        assert line.next() == {"type": "resync", "epoch": ready["epoch"], "seq": ready["seq"]}
        alice.order()
        assert line.event()[0] == ready["seq"] + 1


def test_a_cursor_before_what_is_kept_is_told_to_resync(town: Town, alice: Client) -> None:
    alice.order()
    assert alice.who is not None
    town.shop.run("delete from events where side_id = %(side)s and seq = 1", side=alice.who.side)
    with alice.live(after=0) as line:
        line.ready()
        assert line.next()["type"] == "resync"


# Tickets ----------------------------------------------------------------------------------------------------------


def test_a_ticket_is_short_lived_and_says_so(alice: Client) -> None:
    answer = alice.post("/socket-tickets")
    assert answer.json().keys() == {"ticket", "expires_in_s"}
    assert answer.json()["expires_in_s"] == 30


def test_a_wrong_ticket_is_not_allowed(alice: Client) -> None:
    for ticket in ("tkt_wrong", "", "tkt_\x00", str(alice.key)):
        with alice.line() as line, closes(line, NOT_ALLOWED):
            line.send({"type": "auth", "ticket": ticket})


def test_a_ticket_opens_one_socket(alice: Client) -> None:
    ticket = alice.ticket()
    with alice.line() as line:
        line.send({"type": "auth", "ticket": ticket})
        line.ready()
    with alice.line() as line, closes(line, NOT_ALLOWED):
        line.send({"type": "auth", "ticket": ticket})


def test_an_old_ticket_is_not_allowed(town: Town, alice: Client) -> None:
    ticket = alice.ticket()
    town.shop.clock.advance(30)
    with alice.line() as line, closes(line, NOT_ALLOWED):
        line.send({"type": "auth", "ticket": ticket})


def test_a_ticket_ends_with_its_key(alice: Client) -> None:
    ticket = alice.ticket()
    (key,) = alice.json("/keys")["keys"]
    alice.delete(f"/keys/{key['id']}")
    with alice.line() as line, closes(line, NOT_ALLOWED):
        line.send({"type": "auth", "ticket": ticket})


# First frames -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        "", "{", "null", "[]", "7", '"auth"', "[" * 1000, b"", b"\xff\xfe", b'{"type":"auth","ticket":"x"}',
        '{"type":"auth"}', '{"type":"hello","ticket":"x"}', '{"type":"auth","ticket":7}',
        '{"type":"auth","ticket":"x","after":"1"}', '{"type":"auth","ticket":"x","after":-1}',
        '{"type":"auth","ticket":"x","after":1.5}', '{"type":"auth","ticket":"x","after":true}',
        '{"type":"auth","ticket":"x","after":1e400}', '{"type":"auth","ticket":"x","after":99999999999999999999}',
        '{"type":"auth","ticket":"x","epoch":1}', '{"type":"auth","ticket":"x","more":1}',
        '{"type":"auth","ticket":"\\ud800"}', '{"type":"auth","type":"auth","ticket":"x"}',
    ],
)  # fmt: skip
def test_a_first_frame_that_is_no_auth_closes_the_socket(alice: Client, frame: str | bytes) -> None:
    with alice.line() as line, closes(line, BAD_FRAME):
        line.send(frame)


def test_a_huge_first_frame_closes_the_socket(alice: Client) -> None:
    with alice.line() as line, closes(line, TOO_BIG), contextlib.suppress(ConnectionClosedError):
        line.send(json.dumps({"type": "auth", "ticket": "x" * 100_000}))


def test_a_socket_that_says_nothing_is_closed(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_FRAME_S", 0.2)
    with alice.line() as line, closes(line, NOT_ALLOWED):
        pass


@pytest.mark.parametrize("frame", ["{}", b"x", '{"type":"auth","ticket":"again"}'])
def test_a_second_frame_closes_the_socket(alice: Client, frame: str | bytes) -> None:
    with alice.live() as line:
        line.ready()
        with closes(line, BAD_FRAME):
            line.send(frame)


def test_an_address_beside_the_socket_opens_nothing(alice: Client) -> None:
    address = alice.url.replace("http://", "ws://")
    for path in ("/", "/api/v1/orders", f"{API}/live/x"):
        with pytest.raises(Exception, match="HTTP 40"):
            connect(address + path, open_timeout=5)


def test_the_socket_address_is_no_page(alice: Client) -> None:
    assert_problem(alice.get("/live"), 404, "unknown_route")


# Its end ----------------------------------------------------------------------------------------------------------


def test_revoking_a_key_closes_its_sockets_within_a_second_and_no_others(alice: Client) -> None:
    other = alice.scoped("events:read")
    scoped = next(key["id"] for key in alice.json("/keys")["keys"] if key["name"] == "scoped")
    with other.live() as ended, alice.live() as kept:
        ended.ready()
        kept.ready()
        with closes(ended, NOT_ALLOWED, within=1):
            alice.delete(f"/keys/{scoped}")
        alice.order()
        assert kept.event()[1] == "order.placed"


def test_a_key_that_expires_takes_its_sockets_along(town: Town, alice: Client) -> None:
    brief = alice.scoped("events:read", expires_in_s=5)
    with brief.live() as line:
        line.ready()
        with closes(line, NOT_ALLOWED, within=1.5):
            town.shop.clock.advance(5)


def test_suspending_an_account_closes_its_sockets_within_a_second(town: Town, alice: Client) -> None:
    assert alice.who is not None
    with alice.live() as line:
        line.ready()
        with closes(line, NOT_ALLOWED, within=1), town.shop.db.transaction() as tx:
            access.set_account_state(tx, alice.who.account, "suspended")


def test_a_revocation_in_another_process_is_noticed_by_the_poll(town: Town, alice: Client) -> None:
    """No wake-up at all: the row alone."""
    assert alice.who is not None
    with alice.live() as line:
        line.ready()
        with closes(line, NOT_ALLOWED, within=1.5):
            town.shop.run(
                "update grants set revoked_at = %(now)s where side_id = %(side)s",
                now=town.shop.clock.now(),
                side=alice.who.side,
            )


def test_a_fault_in_the_poll_does_not_end_it(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, faults = hub.Hub._look, [RuntimeError("a bug")]

    async def look(self: hub.Hub, net: hub.Net) -> None:
        if faults:
            raise faults.pop()
        await really(self, net)

    monkeypatch.setattr(hub.Hub, "_look", look)
    assert alice.who is not None
    with alice.live() as line:
        line.ready()
        eventually(lambda: not faults)
        with closes(line, NOT_ALLOWED, within=1.5):
            town.shop.run(
                "update grants set revoked_at = %(now)s where side_id = %(side)s",
                now=town.shop.clock.now(),
                side=alice.who.side,
            )


def test_a_reader_that_does_not_read_is_told_to_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        async def send_text(self, _: str) -> None:
            await asyncio.sleep(3)

    monkeypatch.setattr(live, "SEND_S", 0.05)
    with pytest.raises(live._Closed, match="resync") as closed:
        asyncio.run(live._send(cast(WebSocket, Stuck()), {}))
    assert closed.value.code == live.TOO_SLOW


def test_a_side_has_a_bounded_number_of_sockets(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "socket", 2)
    with alice.live() as one, alice.live() as two:
        one.ready()
        two.ready()
        with alice.live() as three, closes(three, TOO_MANY):
            pass
    with alice.live() as again:
        again.ready()


def test_a_side_has_a_bounded_number_of_long_polls(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "long poll", 0)
    answer = alice.get("/events", after=1, wait=5)
    assert_problem(answer, 429, "limit_exceeded", limit="long polls", retry_after_s=1)


def test_sockets_and_long_polls_are_counted_apart(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hub.MOST_WAITERS, "socket", 1)
    monkeypatch.setitem(hub.MOST_WAITERS, "long poll", 1)
    with alice.live() as line:
        line.ready()
        assert alice.get("/events", after=1, wait=1).status_code == 200


def test_the_time_from_gateway_to_socket_is_measured(alice: Client) -> None:
    def counted() -> float:
        text = alice.http.get(alice.url + "/metrics").text
        found = re.search(r"^onceline_gateway_to_socket_seconds_count (\S+)$", text, re.MULTILINE)
        assert found is not None
        return float(found[1])

    before = counted()
    with alice.live() as line:
        line.ready()
        alice.sms(alice.order())
        for _ in range(3):
            line.event()
    assert counted() == before + 1
