"""One stream, every channel: what a socket, an event stream, a long poll and a webhook bring is the same, over any line.

Each client comes back by its documented rule (docs/start/first-socket.md), through a proxy that cuts, resets, half-closes,
delays and swallows on a seeded schedule.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from onceline.core.outbox.store import LEAP
from tests.journeys.conftest import Customer, House
from tests.journeys.cutting_proxy import CuttingProxy, cutting
from tests.journeys.load import customers

SEED = 20261121
PER_ORDER = 30
LOST = (ConnectionClosed, WebSocketException, OSError, EOFError, httpx.TransportError)
"""How a client learns that its line is gone."""


@dataclass
class Ear:
    """What one client heard: ids as they came, and the cursor it comes back with."""

    base: str
    key: str
    after: int
    epoch: str
    stopping: threading.Event
    ids: list[str] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    lines: int = 0
    fault: str = ""

    def hear(self, event: dict[str, Any]) -> None:
        self.ids.append(event["id"])
        self.seqs.append(event["seq"])
        self.after = event["seq"]

    def listen(self, once: Callable[[Ear], None]) -> None:
        """Over as many connections as it takes."""
        while not self.stopping.is_set():
            self.lines += 1
            try:
                once(self)
            except LOST:
                time.sleep(0.05)
            except Exception as fault:
                self.fault = repr(fault)
                raise

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=f"{self.base}/api/v1", headers=headers, timeout=6)


def by_socket(ear: Ear) -> None:
    with ear.client() as client:
        ticket = client.post("/socket-tickets").json()["ticket"]
    address = ear.base.replace("http", "ws", 1) + "/api/v1/live"
    with connect(address, compression=None, open_timeout=5, close_timeout=0.2) as line:
        line.send(json.dumps({"type": "auth", "ticket": ticket, "after": ear.after, "epoch": ear.epoch}))
        while not ear.stopping.is_set():
            with suppress(TimeoutError):
                frame = json.loads(line.recv(timeout=0.2))
                assert frame["type"] in ("ready", "event", "heartbeat"), frame
                if frame["type"] == "event":
                    ear.hear(frame)


def by_stream(ear: Ear) -> None:
    with ear.client() as client, client.stream("GET", "/stream", headers=_last(ear)) as answer:
        assert answer.status_code == 200
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            assert fields.get("event") in (None, "event", "heartbeat"), fields
            if fields.get("event") == "event":
                ear.hear(json.loads(fields["data"]))
            fields = {}
            if ear.stopping.is_set():
                return


def _last(ear: Ear) -> dict[str, str]:
    return {"Last-Event-ID": f"{ear.epoch}:{ear.after}"}


def by_long_poll(ear: Ear) -> None:
    """In small pages: an answer that is longer than the line holds would never arrive."""
    wanted = {"wait": 1, "limit": 10}
    with ear.client() as client:
        while not ear.stopping.is_set():
            answer = client.get("/events", params={"after": ear.after, "epoch": ear.epoch, **wanted})
            assert answer.status_code == 200, answer.text
            for event in answer.json()["events"]:
                ear.hear(event)


@contextmanager
def receiver() -> Iterator[tuple[int, list[str]]]:
    """A customer's server: its port, and the ids of the events that it was brought."""
    ids: list[str] = []

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            ids.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a line that was cut under it
            pass

    with Quiet(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port, ids
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.promise("D7")
@pytest.mark.promise("D4")
@pytest.mark.timeout(900)
def test_every_channel_brings_the_same_events_over_a_line_that_is_cut(house: House, soak: bool) -> None:
    house.up(webhook_loopback="true")
    (alice,) = customers(house, 1)
    rough = {"least": 20_000, "most": 200_000}
    with ExitStack() as stack:
        port, brought = stack.enter_context(receiver())
        hook = stack.enter_context(cutting(port, SEED + 1, **rough))
        _ok(alice.post("webhooks", {"url": f"http://127.0.0.1:{hook.port}/codes"}), 201)
        begun = _ok(alice.get("events"), 200)
        door, ears = stack.enter_context(_listening(house, rough, alice, begun))
        messages = 3000 if soak else 300
        _send(alice, messages)
        wanted, seqs = _stored(house, alice, begun["seq"])
        assert len(wanted) >= messages + messages // PER_ORDER
        _until(
            lambda: all(len(ear.ids) >= len(wanted) or ear.fault for ear in ears),
            200,
            lambda: [(ear.lines, len(ear.ids), ear.fault) for ear in ears],
        )
        hook.heal()
        _until(lambda: set(brought) >= set(wanted), 200, lambda: set(wanted) - set(brought))
        for proxy in (door, hook):
            assert len(proxy.made) >= 3, f"the line must have been bad: {proxy.made}"
    assert {ear.fault for ear in ears} == {""}
    assert all(ear.lines > 3 for ear in ears), [ear.lines for ear in ears]
    assert [ear.seqs for ear in ears] == [seqs] * 3, "in order, each once, none skipped"
    assert [ear.ids for ear in ears] == [wanted] * 3
    assert set(brought) == set(wanted)


@contextmanager
def _listening(
    house: House, rough: dict[str, int], who: Customer, begun: dict[str, Any]
) -> Iterator[tuple[CuttingProxy, list[Ear]]]:
    stopping = threading.Event()
    with cutting(house.port, SEED, **rough) as door:
        base = f"http://127.0.0.1:{door.port}"
        ears = [Ear(base, who.key, begun["seq"], begun["epoch"], stopping) for _ in range(3)]
        threads = [
            threading.Thread(target=ear.listen, args=(once,), daemon=True)
            for ear, once in zip(ears, (by_socket, by_stream, by_long_poll), strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            yield door, ears
        finally:
            stopping.set()
    for thread in threads:  # their lines are gone with the proxy
        thread.join(20)


def _send(alice: Customer, messages: int) -> None:
    for turn in range(messages // PER_ORDER):
        order = alice.order()
        for one in range(PER_ORDER):
            text = f"Telegram code: {10_000 + turn * PER_ORDER + one}"
            _ok(alice.sms(order["number"], text), 202)


def _stored(house: House, alice: Customer, after: int) -> tuple[list[str], list[int]]:
    """Ids and seqs of the account's events as the database has them."""
    with house.core() as shop:
        rows = shop.rows(
            "select e.side_id, e.seq from events e join sides s on s.id = e.side_id"
            " where s.account_id = %(account)s and s.mode = 'test' and e.seq > %(after)s order by e.seq",
            account=alice.account,
            after=after,
        )
        ids = [shop.context.installation.event_id(row.side_id, row.seq) for row in rows]
    return ids, [row.seq for row in rows]


# What ends them all -----------------------------------------------------------------------------------------------


@dataclass
class Open:
    """A socket, a stream and a long poll of one key at one edge."""

    line: ClientConnection
    stream: Iterator[str]
    poll: Any


@contextmanager
def opened(who: Customer, base: str) -> Iterator[Open]:
    headers = {"Authorization": f"Bearer {who.key}"}
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=f"{base}/api/v1", headers=headers, timeout=30))
        ticket = client.post("/socket-tickets").json()["ticket"]
        line = stack.enter_context(connect(base.replace("http", "ws", 1) + "/api/v1/live", compression=None))
        line.send(json.dumps({"type": "auth", "ticket": ticket}))
        seq = json.loads(line.recv(timeout=5))["seq"]
        answer = stack.enter_context(client.stream("GET", "/stream"))
        lines = answer.iter_lines()
        while next(lines) != "event: heartbeat":
            pass
        threads = stack.enter_context(ThreadPoolExecutor(1))
        poll = threads.submit(client.get, "/events", params={"after": seq, "wait": 20})
        time.sleep(0.3)
        yield Open(line, lines, poll)


def test_a_restored_database_starts_every_open_channel_over(house: House) -> None:
    house.up()
    alice = house.open_account("alice")
    before = json.loads(house.cli("epoch", "--json"))
    assert _ok(alice.get("events"), 200)["epoch"] == before["epoch"]
    with opened(alice, house.base) as channels:
        named = json.loads(house.cli("epoch", "--new", "--json"))["epoch"]
        frame = json.loads(channels.line.recv(timeout=5))
        assert (frame["type"], frame["epoch"]) == ("resync", named)
        assert "event: resync" in _lines_until(channels.stream, "data:")
        answer = channels.poll.result(5)
    assert (answer.status_code, answer.json()["code"], answer.json()["epoch"]) == (410, "resync", named)
    assert named != before["epoch"]
    assert frame["seq"] > LEAP
    assert house.prove()["ok"] is True


def test_a_key_that_is_revoked_at_one_edge_ends_its_channels_at_another(house: House) -> None:
    house.up()
    other = House(house.folder)
    other.server = subprocess.Popen([sys.executable, "-m", "onceline", "edge"], env=other.environment)
    try:
        other.await_ready()
        alice = house.open_account("alice")
        made = _ok(alice.post("keys", {"name": "short-lived"}), 201)
        second = house.customer(made["key"], base=other.base)
        with opened(second, other.base) as channels:
            assert alice.delete(f"keys/{made['id']}").status_code == 204
            revoked = time.monotonic()
            assert _close_of(channels.line)[0] == 4401
            _lines_until_the_end(channels.stream)
            answer = channels.poll.result(5)
            assert time.monotonic() - revoked < 1
        assert answer.status_code == 401 or answer.json()["events"][0]["event"]["type"] == "key.revoked"
    finally:
        assert other.stop() == 0


def test_a_server_that_goes_down_tells_everybody_when_to_come_back(house: House) -> None:
    house.up()
    alice = house.open_account("alice")
    with opened(alice, house.base) as channels:
        assert house.server is not None
        house.server.terminate()
        code, reason = _close_of(channels.line)
        assert code == 1012
        assert reason.startswith("reconnect in ")
        assert 0 <= float(reason.removeprefix("reconnect in ").removesuffix("s")) <= 1
        assert any(line.startswith("retry: ") for line in _lines_until_the_end(channels.stream))
        answer = channels.poll.result(5)
        assert (answer.status_code, answer.json()["code"]) == (503, "restarting")
        assert answer.headers["retry-after"] == "1"
    assert house.server.wait(20) == 0


def _close_of(line: ClientConnection) -> tuple[int, str]:
    """Of its end; what it still brings before is passed over."""
    with suppress(ConnectionClosed):
        for _ in line:
            pass
    assert line.close_code is not None
    return line.close_code, line.close_reason or ""


def _lines_until(lines: Iterator[str], start: str) -> list[str]:
    told = [next(lines)]
    while not told[-1].startswith(start) or len(told) < 3:
        told.append(next(lines))
    return told


def _lines_until_the_end(lines: Iterator[str]) -> list[str]:
    return list(lines)


def _ok(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _until(holds: Callable[[], object], seconds: float, told: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)
