"""A TCP proxy that treats connections badly on a seeded schedule: cuts in the middle of a frame, resets, half-closes, delays,
and black holes that swallow everything for a while.

It knows no protocol: after so many bytes of a connection, whichever way they go, the next thing on its list happens to
it. `heal` ends that for connections to come and for those that are open.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

_READ = 512
"""Small, so that a cut falls into the middle of something."""


class Harm(StrEnum):
    CUT = "cut"
    RESET = "reset"
    HALF_CLOSE = "half-close"
    DELAY = "delay"
    BLACK_HOLE = "black hole"


class CuttingProxy:
    """Passes on to a port of this machine; `made` counts what was done to whom."""

    def __init__(self, target: int, seed: int, *, least: int, most: int) -> None:
        """Something happens to a connection whenever `least` to `most` bytes went through it."""
        self.made: Counter[Harm] = Counter()
        self._target = target
        self._seed = seed
        self._range = (least, most)
        self._count = 0
        self._healed = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    def heal(self) -> None:
        self._healed = True

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._closing.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connected(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self._count += 1
        wire = _Wire(self, random.Random(self._seed * 100_003 + self._count), self._range)
        with suppress(OSError, asyncio.CancelledError):
            far, far_out = await asyncio.open_connection("127.0.0.1", self._target)
            wire.ends = (near_out, far_out)
            ways = [
                asyncio.create_task(wire.pump(near, far_out)),
                asyncio.create_task(wire.pump(far, near_out)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        wire.drop()

    def may(self, harm: Harm) -> bool:
        self.made[harm] += not self._healed
        return not self._healed


class _Wire:
    """One connection through the proxy."""

    def __init__(self, proxy: CuttingProxy, dice: random.Random, among: tuple[int, int]) -> None:
        self.ends: tuple[asyncio.StreamWriter, ...] = ()
        self._proxy = proxy
        self._dice = dice
        self._among = among
        self._left = dice.randint(*among)
        self._open = asyncio.Event()
        self._open.set()

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Until the source ends or the wire is cut."""
        while data := await source.read(_READ):
            await self._open.wait()
            self._left -= len(data)
            if self._left <= 0:
                part = data[: self._dice.randrange(len(data))]
                if not await self._harm(sink, part):
                    return
            sink.write(data)
            await sink.drain()

    async def _harm(self, sink: asyncio.StreamWriter, part: bytes) -> bool:
        """Says whether the connection goes on, with nothing lost."""
        self._left = self._dice.randint(*self._among)
        harm = self._dice.choice(list(Harm))
        if not self._proxy.may(harm):
            return True
        if harm is Harm.DELAY:
            await asyncio.sleep(self._dice.uniform(0.05, 0.4))
            return True
        if harm is Harm.BLACK_HOLE:
            self._open.clear()
            await asyncio.sleep(self._dice.uniform(0.5, 2.5))
        sink.write(part)
        if harm is Harm.HALF_CLOSE:
            sink.write_eof()
            await asyncio.sleep(self._dice.uniform(0.1, 1))
        elif harm is Harm.RESET:
            self.drop(reset=True)
        else:
            await sink.drain()
        return False

    def drop(self, *, reset: bool = False) -> None:
        """Close both sides; a reset loses what is still on its way."""
        for end in self.ends:
            if reset:
                line = end.get_extra_info("socket")
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.transport.abort()
            end.close()


@contextmanager
def cutting(target: int, seed: int, *, least: int, most: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target, seed, least=least, most=most)
    try:
        yield proxy
    finally:
        proxy.close()
