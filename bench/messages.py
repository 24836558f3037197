"""A message in over HTTP until its owner has it, 200 a second, each the first of a fresh order, on each of the channels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from bench.client import exchange, request
from bench.house import House, house
from bench.rows import Row

RATE = 200
SECONDS = 15
ACCOUNTS = 8
BATCH = 50
POLL_S = 25
Heard = Callable[[Any], None]
"""Takes the event's fact."""


class Times:
    """When each code was sent, and how long it took to its owner."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.took: dict[str, float] = {}

    async def settled(self) -> None:
        """Until all came, or none came for some seconds."""
        last = -1
        while len(self.took) < len(self.sent) and last < len(self.took):
            last = len(self.took)
            await asyncio.sleep(3)

    def heard(self, fact: Any) -> None:
        if fact["type"] == "order.message":
            code = fact["message"]["code"]
            self.took.setdefault(code, time.monotonic() - self.sent[code])


def run() -> Iterator[Row]:
    for channel, goals in (("socket", (5, 25)), ("webhook", (None, None)), ("long poll", (None, None))):
        with house(webhook_loopback="true") as served:
            served.cli("sandbox", "numbers", "--country", "GB", "--count", "4000")
            seconds = sorted(uvloop.run(_measure(served, CHANNELS[channel])))
        note = f"{len(seconds)} messages, {RATE} a second for {SECONDS} s, one process"
        for share, goal in zip((0.5, 0.99), goals, strict=True):
            figure = seconds[int(len(seconds) * share)] * 1000
            what = f"message in → {channel}, p{share * 100:.0f}"
            yield Row(what, figure, goal, unit="ms", note=note)


async def _measure(
    served: House, channel: Callable[[House, str, Heard], AbstractAsyncContextManager[None]]
) -> list[float]:
    keys = served.accounts(ACCOUNTS)
    numbers = [await order_numbers(served, key, RATE * SECONDS // ACCOUNTS) for key in keys]
    times = Times()
    async with contextlib.AsyncExitStack() as listening:
        for key in keys:
            await listening.enter_async_context(channel(served, key, times.heard))
        await _send(served, keys, numbers, times.sent)
        await times.settled()
    assert len(times.took) == len(times.sent), f"{len(times.sent) - len(times.took)} messages never came"
    return list(times.took.values())


async def order_numbers(served: House, key: str, count: int) -> list[str]:
    """The numbers of fresh orders."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    numbers: list[str] = []
    while len(numbers) < count:
        wanted = [{"service": "telegram", "country": "GB"}] * min(BATCH, count - len(numbers))
        sent = request(
            "POST", "/api/v1/orders/batch", key, {"orders": wanted}, Idempotency_Key=f"{len(numbers)}"
        )
        status, answer = await exchange(reader, writer, sent)
        assert status == 201, answer
        numbers += [order["number"] for order in json.loads(answer)["orders"]]
    writer.close()
    return numbers


async def _send(served: House, keys: list[str], numbers: list[list[str]], sent: dict[str, float]) -> None:
    connections = [await asyncio.open_connection("127.0.0.1", served.port) for _ in keys]
    began = time.monotonic()
    answers = []
    for turn in range(RATE * SECONDS):
        await asyncio.sleep(max(began + turn / RATE - time.monotonic(), 0))
        at = turn % len(keys)
        code = f"{100000 + turn}"
        body = {
            "number": numbers[at][turn // len(keys)],
            "sender": "Telegram",
            "text": f"Telegram code: {code}",
        }
        sent[code] = time.monotonic()
        if len(answers) >= len(keys):
            assert (await answers[-len(keys)])[0] == 202  # a connection carries one request at a time
        answers.append(
            asyncio.create_task(
                exchange(*connections[at], request("POST", "/api/v1/test/messages", keys[at], body))
            )
        )
    assert {status for status, _ in await asyncio.gather(*answers)} == {202}
    for _, writer in connections:
        writer.close()


async def _ask(served: House, sent: bytes) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    status, answer = await exchange(reader, writer, sent)
    writer.close()
    assert status < 300, answer
    return json.loads(answer)


@asynccontextmanager
async def _while_it_runs(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _socket(served: House, key: str, heard: Heard) -> AsyncIterator[None]:
    ticket = await _ask(served, request("POST", "/api/v1/socket-tickets", key))
    async with connect(f"ws://127.0.0.1:{served.port}/api/v1/live", compression=None) as socket:
        await socket.send(json.dumps({"type": "auth", "ticket": ticket["ticket"]}))
        await socket.recv()
        async with _while_it_runs(_listen(socket, heard)):
            yield


async def _listen(socket: ClientConnection, heard: Heard) -> None:
    async for frame in socket:
        event = json.loads(frame)
        if event["type"] == "event":
            heard(event["event"])


@asynccontextmanager
async def _long_poll(served: House, key: str, heard: Heard) -> AsyncIterator[None]:
    found = await _ask(served, request("GET", "/api/v1/events?limit=1", key))
    async with _while_it_runs(_poll(served, key, found["seq"], heard)):
        yield


async def _poll(served: House, key: str, after: int, heard: Heard) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    while True:
        asked = request("GET", f"/api/v1/events?after={after}&wait={POLL_S}", key)
        status, answer = await exchange(reader, writer, asked)
        assert status == 200, answer
        for event in json.loads(answer)["events"]:
            after = event["seq"]
            heard(event["event"])


@asynccontextmanager
async def _webhook(served: House, key: str, heard: Heard) -> AsyncIterator[None]:
    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deliveries on a connection that is kept, each answered at once."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split()[0])
                body = json.loads(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                heard({"type": body["type"], "message": body["data"].get("message")})

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        wanted = {"url": f"http://127.0.0.1:{port}/hook", "concurrency": 16, "types": ["order.message"]}
        await _ask(served, request("POST", "/api/v1/webhooks", key, wanted))
        yield


CHANNELS = {"socket": _socket, "webhook": _webhook, "long poll": _long_poll}
