"""SMPP in: from deliver_sm to its acknowledgement after the commit, beside Kannel on the same SMSC and machine, and what kill -9
of either loses.

Kannel acknowledges before it has called anybody, so it is measured until its receiver had the last message; ours is done when
the SMSC has the last acknowledgement.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.house import House, house
from bench.rows import Row
from onceline.config import Settings
from onceline.core.suppliers import store
from onceline.wiring import installation
from tests.suppliers.smpp.kannel import CONFIGURATION, box, kannel
from tests.suppliers.smpp.smsc import Event, Smsc, smsc
from tests.suppliers.smpp.vectors import Pdu, addressed, sms

COUNT = 4000
"""Messages at each window; a tenth of it at a window of 1."""
WINDOWS = (1, 10, 50)
LOST_OF = 300
PASSWORD = "secret"
GOAL = 0.5
_LEASE_S = 60
"""How long a killed worker's lease and its successor may take."""


def run() -> Iterator[Row]:
    ours, theirs = _ours(), _kannels()
    for window in WINDOWS:
        mine, other = ours[window], theirs[window]
        note = f"{mine['rate']:,.0f} a second against {other['rate']:,.0f} through Kannel to its receiver"
        yield Row(
            f"SMPP in, committed, window {window}, of Kannel",
            mine["rate"] / other["rate"],
            GOAL,
            True,
            "×",
            note,
        )
        yield Row(f"SMPP in, deliver_sm to its answer, window {window}, p50", mine["p50"], unit="ms")
    yield Row(
        "acknowledged and lost at kill -9 of our worker", ours[0]["lost"], 0, unit="", note=f"of {LOST_OF}"
    )
    lost = theirs[0]["lost"]
    yield Row(
        "acknowledged and lost at kill -9 of Kannel's smsbox", lost, unit="", note=f"of {LOST_OF}, spool on"
    )


_Figures = dict[int, dict[str, float]]
"""By window; what kill -9 lost is at 0."""


def _ours() -> _Figures:
    with smsc(password=PASSWORD, telling=False) as carrier, house() as served:
        _configure(served, carrier.port)
        carrier.wait("bind", lambda event: event["status"] == 0, seconds=60)
        figures: _Figures = {}
        for window in WINDOWS:
            drained = _sent(carrier, window, first=window * 10_000_000)
            figures[window] = {"rate": drained["count"] / drained["seconds"], "p50": drained["p50"]}
        figures[0] = {"lost": _lost_of_ours(carrier, served)}
        return figures


def _configure(served: House, port: int) -> None:
    settings = Settings(data_dir=served.folder, database_url=served.conninfo)
    given = {"host": "127.0.0.1", "port": port, "system_id": "onceline"}
    with installation(settings) as (db, context), db.transaction() as tx:
        now = context.clock.now()
        store.add(tx, context.vault, "carrier", "smpp", given, now)
        store.add_secret(tx, context.vault, "carrier", "password", PASSWORD, now)


def _lost_of_ours(carrier: Smsc, served: House) -> float:
    """Killed while messages are on their way; the successor gets what was not acknowledged."""
    before = _stored(served)
    carrier.queue(_messages(LOST_OF, 900_000_000), window=50)
    while _stored(served) < before + LOST_OF // 4:
        time.sleep(0.005)
    _kill_worker(served)
    carrier.wait("drained", seconds=_LEASE_S)
    return before + LOST_OF - _stored(served)


def _stored(served: House) -> int:
    """Messages, not rows: each goes to a number of its own."""
    with psycopg.connect(served.conninfo) as connection:
        row = connection.execute("select count(distinct e164) from inbound").fetchone()
    assert row is not None
    return int(row[0])


def _kill_worker(served: House) -> None:
    """Our worker is the child of `onceline up` that runs `work`."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(served.edge)], capture_output=True, text=True, check=True
    )
    worker = next(line for line in found.stdout.splitlines() if re.search(r"onceline work\b", line))
    os.kill(int(worker.split()[0]), signal.SIGKILL)


def _kannels() -> _Figures:
    figures: _Figures = {}
    with (
        tempfile.TemporaryDirectory(prefix="onceline-kannel-") as name,
        smsc(password=PASSWORD, telling=False) as carrier,
        _receiver() as received,
        kannel(Path(name), smsc=carrier.port, http=received.port, password=PASSWORD, retry=_RETRY) as (
            _,
            smsbox,
        ),
    ):
        carrier.wait("bind", lambda event: event["status"] == 0, seconds=60)
        for window in WINDOWS:
            count = _count(window)
            before, began = len(received.numbers), time.monotonic()
            _sent(carrier, window, first=window * 10_000_000)
            received.await_count(before + count)
            figures[window] = {"rate": count / (time.monotonic() - began)}
        figures[0] = {"lost": _lost_of_kannel(carrier, received, smsbox, Path(name) / CONFIGURATION)}
    return figures


_RETRY = "http-request-retry = 100\nhttp-queue-delay = 1"


def _lost_of_kannel(carrier: Smsc, received: _Receiver, smsbox: int, configuration: Path) -> float:
    """Killed while its receiver is away; the spool is on, and a successor starts."""
    before = len(received.numbers)
    received.status = b"503 Service Unavailable"
    carrier.queue(_messages(LOST_OF, 900_000_000), window=50)
    carrier.wait("drained", seconds=60)
    os.kill(smsbox, signal.SIGKILL)
    received.status = b"200 OK"
    with box("smsbox", configuration):
        with contextlib.suppress(AssertionError):
            received.await_count(before + LOST_OF, seconds=10)
        return before + LOST_OF - len(received.numbers)


class _Receiver:
    """The least that Kannel can call: a GET, an answer, on connections that are kept."""

    def __init__(self) -> None:
        self.numbers: set[bytes] = set()
        self.status = b"200 OK"
        self.port = 0

    def await_count(self, count: int, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while len(self.numbers) < count:
            assert time.monotonic() < deadline, f"Kannel called {len(self.numbers)} of {count} times"
            time.sleep(0.005)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if self.status.startswith(b"200"):
                    self.numbers.add(head.partition(b"to=")[2].partition(b"&")[0])
                writer.write(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def _receiver() -> Iterator[_Receiver]:
    made, ready = _Receiver(), threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        ready.set()

    def turn() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)


def _sent(carrier: Smsc, window: int, first: int) -> Event:
    carrier.queue(_messages(_count(window), first), window=window)
    return carrier.wait("drained", seconds=300)


def _count(window: int) -> int:
    return max(COUNT // 10, 1) if window == 1 else COUNT


def _messages(count: int, first: int) -> list[Pdu]:
    """Each to a number of its own, none of them ours: what is measured is T1."""
    return [
        addressed(sms(b"Your code is 123456", digits=f"44{one:010d}".encode()), [""], str(one))
        for one in range(first, first + count)
    ]
