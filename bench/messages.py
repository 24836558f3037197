"""A message in over HTTP until its event is on the owner's socket, 200 a second, each the first of a fresh order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from bench.client import exchange, request
from bench.house import House, house
from bench.rows import Row

RATE = 200
SECONDS = 15
ACCOUNTS = 8
BATCH = 50


def run() -> Iterator[Row]:
    with house() as served:
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "4000")
        seconds = sorted(uvloop.run(_measure(served)))
        note = f"{len(seconds)} messages, {RATE} a second for {SECONDS} s, one process"
        yield Row(
            "message in -> event on the socket, p50", seconds[len(seconds) // 2] * 1000, 5, False, "ms", note
        )
        yield Row(
            "message in -> event on the socket, p99",
            seconds[int(len(seconds) * 0.99)] * 1000,
            25,
            False,
            "ms",
        )


async def _measure(served: House) -> list[float]:
    keys = [served.account(f"owner {n}") for n in range(ACCOUNTS)]
    numbers = [await _order(served, key, RATE * SECONDS // ACCOUNTS) for key in keys]
    sockets = [await _open(served, key) for key in keys]
    sent: dict[str, float] = {}
    took: list[float] = []
    listeners = [asyncio.create_task(_listen(socket, sent, took)) for socket in sockets]
    await _send(served, keys, numbers, sent)
    await asyncio.sleep(2)
    for listener in listeners:
        listener.cancel()
    for socket in sockets:
        await socket.close()
    assert len(took) == len(sent), f"{len(sent) - len(took)} messages never came"
    return took


async def _order(served: House, key: str, count: int) -> list[str]:
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


async def _open(served: House, key: str) -> ClientConnection:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    _, ticket = await exchange(reader, writer, request("POST", "/api/v1/socket-tickets", key))
    writer.close()
    socket = await connect(f"ws://127.0.0.1:{served.port}/api/v1/live", compression=None)
    await socket.send(json.dumps({"type": "auth", "ticket": json.loads(ticket)["ticket"]}))
    await socket.recv()
    return socket


async def _listen(socket: ClientConnection, sent: dict[str, float], took: list[float]) -> None:
    async for frame in socket:
        event = json.loads(frame)
        if event["type"] == "event" and event["event"]["type"] == "order.message":
            took.append(time.monotonic() - sent[event["event"]["message"]["code"]])


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
