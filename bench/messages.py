"""A message in over HTTP until its event is on the owner's socket, 200 a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

from websockets.asyncio.client import ClientConnection, connect

from bench.client import exchange, request
from bench.house import House, house
from bench.rows import Row

RATE = 200
SECONDS = 15
ACCOUNTS = 8


def run() -> Iterator[Row]:
    with house() as served:
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "1000")
        seconds = sorted(asyncio.run(_measure(served)))
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
    opened = [await _open(served, key) for key in keys]
    sent: dict[str, float] = {}
    took: list[float] = []
    listeners = [asyncio.create_task(_listen(socket, sent, took)) for socket, _ in opened]
    await _send(served, keys, [number for _, number in opened], sent)
    await asyncio.sleep(2)
    for listener in listeners:
        listener.cancel()
    for socket, _ in opened:
        await socket.close()
    assert len(took) == len(sent), f"{len(sent) - len(took)} messages never came"
    return took


async def _open(served: House, key: str) -> tuple[ClientConnection, str]:
    """A socket, and the number of a fresh order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    _, ticket = await exchange(reader, writer, request("POST", "/api/v1/socket-tickets", key))
    body = {"service": "telegram", "country": "GB"}
    _, order = await exchange(
        reader, writer, request("POST", "/api/v1/orders", key, body, Idempotency_Key="one")
    )
    writer.close()
    socket = await connect(f"ws://127.0.0.1:{served.port}/api/v1/live", compression=None)
    await socket.send(json.dumps({"type": "auth", "ticket": json.loads(ticket)["ticket"]}))
    await socket.recv()
    return socket, json.loads(order)["number"]


async def _listen(socket: ClientConnection, sent: dict[str, float], took: list[float]) -> None:
    async for frame in socket:
        event = json.loads(frame)
        if event["type"] == "event" and event["event"]["type"] == "order.message":
            took.append(time.monotonic() - sent[event["event"]["message"]["code"]])


async def _send(served: House, keys: list[str], numbers: list[str], sent: dict[str, float]) -> None:
    connections = [await asyncio.open_connection("127.0.0.1", served.port) for _ in keys]
    began = time.monotonic()
    for turn in range(RATE * SECONDS):
        await asyncio.sleep(max(began + turn / RATE - time.monotonic(), 0))
        at = turn % len(keys)
        code = f"{100000 + turn}"
        body = {"number": numbers[at], "sender": "Telegram", "text": f"Telegram code: {code}"}
        sent[code] = time.monotonic()
        status, _ = await exchange(*connections[at], request("POST", "/api/v1/test/messages", keys[at], body))
        assert status == 202
    for _, writer in connections:
        writer.close()
