"""The live socket: one frame in, every event out, in order, each once, until the key ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close
from websockets.sync.client import connect

from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.db import Database
from onceline.core.errors import DatabaseAway, KeyRevoked, Restarting
from onceline.core.orders.context import Context
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Ahead
from onceline.edge import follow, hub, live, server
from onceline.edge.app import _Net, create_app
from onceline.edge.house import House
from onceline.edge.reading import found_each
from tests.edge.door import API, Client, Live, Town, assert_problem, eventually
from tests.edge.test_reading import in_background

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
    monkeypatch.setattr(follow, "HEARTBEAT_S", 0.1)
    with alice.live() as line:
        seq = line.ready()["seq"]
        assert [line.next() for _ in range(2)] == [{"type": "heartbeat", "seq": seq}] * 2
        alice.order()
        frames = [line.next() for _ in range(3)]
    assert {"type": "heartbeat", "seq": seq + 1} in frames


def test_a_client_asks_for_earlier_heartbeats(alice: Client) -> None:
    with alice.live(heartbeat_s=2) as line:
        seq = line.ready()["seq"]
        assert line.next() == {"type": "heartbeat", "seq": seq}


def test_a_heartbeat_carries_what_the_database_has_not_what_the_socket_sent(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is made blind to its events; its heartbeats show the gap all the same."""
    monkeypatch.setattr(follow, "HEARTBEAT_S", 0.3)
    with alice.live() as line:
        line.ready()
        stays_silent(line, 0.1)  # its first reading is over
        monkeypatch.setattr(follow.Follower, "_read", _nothing)
        alice.order()
        heard = [line.next() for _ in range(5)]
    assert {"type": "heartbeat", "seq": 2} in heard
    assert all(frame["type"] == "heartbeat" for frame in heard)


async def _nothing(_: object) -> None:
    return None


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
        stays_silent(line, 0.3)  # its first reading is over
        monkeypatch.setattr(outbox, "pages", away)
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


def test_events_that_are_pruned_under_an_open_socket_are_told_never_skipped(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read a part when the rest of its replay is forgotten: then it hears nothing but that."""
    monkeypatch.setattr(follow, "BATCH", 2)
    assert alice.who is not None
    for _ in range(5):
        alice.order()
    really = follow.read

    async def read(house: House, side: int, cursor: follow.Cursor, limit: int) -> Any:
        if side == alice_side and cursor.after == 2:
            town.shop.run("delete from events where side_id = %(side)s and seq < 6", side=side)
        return await really(house, side, cursor, 2)

    alice_side = alice.who.side
    monkeypatch.setattr(follow, "read", read)
    with alice.live(after=0) as line:
        epoch = line.ready()["epoch"]
        assert [line.event()[0] for _ in range(2)] == [1, 2]
        assert line.next() == {"type": "resync", "epoch": epoch, "seq": 6}
        alice.order()
        assert line.event()[0] == 7


@pytest.mark.parametrize("told", [True, False], ids=["told", "found by the poll"])
def test_a_restored_database_starts_open_sockets_streams_and_polls_over(
    town: Town, alice: Client, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told:
        monkeypatch.setattr(hub.Hub, "_tell", lambda *_: None)
    with alice.live() as line, alice.stream() as stream:
        line.ready()
        stream.next()
        answer = in_background(lambda: alice.get("/events", after=1, wait=10))
        time.sleep(0.2)
        with town.shop.db.transaction() as tx:
            epoch = outbox.new_epoch(tx)
        seq = 1 + outbox.LEAP
        assert line.next(2) == {"type": "resync", "epoch": epoch, "seq": seq}
        assert stream.next() == ("resync", f"{epoch}:{seq}", {"epoch": epoch, "seq": seq})
        found, seconds = answer()
        assert_problem(found, 410, "resync", epoch=epoch, seq=seq)
        assert seconds < 2
        alice.order()
        assert (line.event()[0], stream.event()[0]) == (seq + 1, seq + 1)


def test_an_epoch_that_changes_without_a_leap_starts_over_too(town: Town, alice: Client) -> None:
    with alice.live() as line:
        seq = line.ready()["seq"]
        stays_silent(line, 2 * hub.POLL_S)  # the first look at a side wakes it anyway
        town.shop.run("update installation set epoch = 'set-by-hand'")
        assert line.next(2) == {"type": "resync", "epoch": "set-by-hand", "seq": seq}


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
        '{"type":"auth","ticket":"x","heartbeat_s":1}', '{"type":"auth","ticket":"x","heartbeat_s":26}',
        '{"type":"auth","ticket":"x","heartbeat_s":2.5}', '{"type":"auth","ticket":"x","heartbeat_s":true}',
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
        assert [kept.event()[1] for _ in range(2)] == ["key.revoked", "order.placed"]


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
            town.end_grants(alice)


def test_the_poll_waits_behind_no_queue_of_commands(
    db: Database, settings: Settings, context: Context
) -> None:
    house: House = create_app(settings, db, context).state.house

    async def ask_among_many() -> float:
        net = _Net(house)
        many = [house.commands.run_statement(lambda tx: tx.one("select pg_sleep(0.1)")) for _ in range(160)]
        crowd = asyncio.gather(*many)
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await net.newest([1])
        took = time.monotonic() - started
        await crowd
        net.close()
        return took

    assert asyncio.run(ask_among_many()) < 1
    house.commands.close()


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
            town.end_grants(alice)


def test_a_reader_that_does_not_read_is_told_to_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        async def send_text(self, _: str) -> None:
            await asyncio.sleep(3)

    monkeypatch.setattr(hub, "SEND_S", 0.05)
    watch = hub.Watch(cast(Grant, Stuck), "socket")
    with pytest.raises(live._Closed, match="resync") as closed:
        asyncio.run(live._send(cast(WebSocket, Stuck()), watch, {}))
    assert closed.value.code == live.TOO_SLOW


@pytest.mark.promise("D4")
def test_two_sockets_of_one_side_with_different_cursors_get_each_its_own(town: Town, alice: Client) -> None:
    for _ in range(3):
        alice.order()
    asked = [Ahead(alice.who.side, after, 100) for after in (0, 2, 0, 3)]  # type: ignore[union-attr]  # she is somebody
    with town.shop.db.statement() as tx:
        found = found_each(tx, town.shop.context, asked)
    assert [[event["seq"] for event in one.events] for one in found] == [
        [1, 2, 3, 4],
        [3, 4],
        [1, 2, 3, 4],
        [4],
    ]
    assert [json.loads(text) for text in found[1].texts] == found[1].events
    assert found[0] is found[2]


def test_a_socket_whose_client_stops_reading_is_cut_and_delays_nobody(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also its close frame cannot be sent: the connection must end, and its place be free, all the same."""
    monkeypatch.setattr(hub, "SEND_S", 0.3)
    monkeypatch.setattr(server, "READ_S", 1)
    really = live._frames
    fat = f'"fat":"{"x" * 500_000}"}}'
    monkeypatch.setattr(live, "_frames", lambda step: [f"{one[:-1]},{fat}" for one in really(step)])
    body = {"orders": [{"service": "telegram", "country": "GB"}] * 50}
    assert alice.post("/orders/batch", body, "slow").status_code == 201
    with town.another() as url, _deaf(alice.at(url)) as deaf, alice.at(url).live() as line:
        line.ready()
        time.sleep(0.5)
        alice.order()
        started = time.monotonic()
        assert line.event()[1] == "order.placed"
        assert time.monotonic() - started < 1
        time.sleep(2)
        with pytest.raises(ConnectionError):
            _drain(deaf)


def _deaf(client: Client) -> socket.socket:
    """A socket that asks for everything from the start, and then reads nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(10)
    line.connect(("127.0.0.1", int(client.url.rpartition(":")[2])))
    asked = json.dumps({"type": "auth", "ticket": client.ticket(), "after": 0}).encode()
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==\r\n"
    line.sendall(f"GET {API}/live HTTP/1.1\r\nHost: x\r\n{upgrade}{key}\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    line.sendall(bytes([0x81, 0x80 | len(asked), 0, 0, 0, 0]) + asked)
    return line


def _drain(line: socket.socket) -> None:
    while line.recv(2**20):
        pass


def test_a_blocked_socket_ends_with_its_key_not_with_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blocked() -> None:
        watch = hub.Watch(cast(Grant, None), "socket")
        asyncio.get_running_loop().call_later(0.05, watch.end, KeyRevoked("ended"))
        await watch.send(asyncio.sleep(5))

    started = time.monotonic()
    with pytest.raises(KeyRevoked):
        asyncio.run(blocked())
    assert time.monotonic() - started < 1


def test_what_was_read_while_the_key_ended_is_handed_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = hub.Watch(cast(Grant, None), "long poll")

    async def read(*_: object) -> tuple[follow.Batch, str]:
        watch.end(KeyRevoked("ended"))
        return follow.Batch([{"seq": 1, "event": {"message": None}}], ["{}"], 1), "epoch"

    async def wait() -> object:
        monkeypatch.setattr(follow, "read", read)
        return await follow.Follower(cast(House, None), watch, 1, follow.Cursor(0, "epoch")).next()

    with pytest.raises(KeyRevoked):
        asyncio.run(wait())


def test_what_has_ended_sends_nothing_more() -> None:
    sent: list[str] = []

    async def write() -> None:
        sent.append("an event")

    async def send() -> None:
        watch = hub.Watch(cast(Grant, None), "socket")
        watch.end(KeyRevoked("ended"))
        await watch.send(write())

    with pytest.raises(KeyRevoked):
        asyncio.run(send())
    assert sent == []


@pytest.mark.parametrize(
    ("waiting", "a_second", "window_s"), [(1, 500, 1), (300, 500, 1), (300, 60, 5), (300, 1, 30)]
)
def test_the_window_to_come_back_in_grows_with_those_who_are_sent_away(
    waiting: int, a_second: int, window_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BACK_PER_S", a_second)

    async def send_away() -> list[float]:
        here = hub.Hub()
        with contextlib.ExitStack() as stack:
            grants = [cast(Grant, SimpleNamespace(id=one, side=one, kind="api")) for one in range(waiting)]
            watches = [stack.enter_context(here.watching(grant, "socket")) for grant in grants]
            leaving = asyncio.ensure_future(here.leave())
            await asyncio.sleep(0)
            told = [_moment(watch) for watch in watches]
        await asyncio.wait_for(leaving, 1)
        return told

    told = asyncio.run(send_away())
    assert all(0 <= one <= window_s for one in told)
    assert waiting == 1 or (min(told) < window_s / 10 and max(told) > window_s * 9 / 10)


def _moment(watch: hub.Watch) -> float:
    with pytest.raises(Restarting) as sent_away:
        watch.demand()
    return sent_away.value.back_in_s


def test_going_down_closes_every_socket_with_a_moment_to_come_back(town: Town, alice: Client) -> None:
    with contextlib.ExitStack() as open_until_the_end:
        with town.another() as url:
            lines = [open_until_the_end.enter_context(alice.at(url).live()) for _ in range(20)]
            for line in lines:
                line.ready()
        told = [_end_of(line) for line in lines]
    assert {end.code for end in told} == {live.RESTARTING}
    moments = [re.fullmatch(r"reconnect in (\d\.\d)s", end.reason) for end in told]
    assert all(moments)
    assert len({one[1] for one in moments if one}) > 1


def _end_of(line: Live) -> Close:
    with pytest.raises(ConnectionClosed) as closed:
        line.connection.recv(timeout=2)
    assert closed.value.rcvd is not None
    return closed.value.rcvd


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
