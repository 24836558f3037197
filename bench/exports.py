"""A million orders as a file: how fast, in how much memory, and what a poll at the same time notices of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.rows import Row
from onceline import embedded
from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.clock import SystemClock
from onceline.core.db import Database
from onceline.core.exports import commands, store
from onceline.core.exports.model import Export, Request
from onceline.core.orders.context import Context
from onceline.core.orders.view import OfSide, views_of
from onceline.wiring import open_context, prepare

SMALL, LARGE = 100_000, 1_000_000
POLLS_BEFORE_S = 15.0
POLL_EVERY_S = 0.002
_FILL = (
    "insert into orders (id, serial, side_id, kind, state, service_id, country, pool_id, network, e164, price, hold_id,"
    " money, created_at, ends_at, expires_at, cancel_from, cancel_until, closed_at, revision)"
    " select order_id(n, i.order_key), n, %(side)s, 'activation', 'expired', 1 + n %% 800, 'GB', 1, '', '+44770' || n,"
    " 250000, -n, 'released', t, t, t, t, t, t, 2"
    " from (select nextval('order_serials') as n from generate_series(1, %(orders)s)) serials, installation i,"
    " lateral (select now() - interval '1 year' + n * interval '10 s' as t) at"
)


@dataclass(frozen=True, slots=True)
class Shop:
    db: Database
    context: Context
    grant: Grant
    polled: Sequence[int]
    worker: int
    """Process id of the one that makes exports."""

    def ask(self, kind: str, format: str) -> Export:
        with self.db.transaction() as tx:
            return commands.ask(tx, self.grant, Request(kind, format), self.context.clock.now())

    def see(self, export: Export) -> Export:
        with self.db.statement() as tx:
            return store.export(tx, export.id)


def run() -> Iterator[Row]:
    with _shop() as shop:
        quiet = _p99(_polls(shop, until=time.monotonic() + POLLS_BEFORE_S))
        _orders(shop, SMALL)
        _made(shop, "csv")
        small = _peak(shop)
        _orders(shop, LARGE - SMALL)
        for format in ("csv", "json"):
            took, export, polls = _made(shop, format)
            note = f"{export.bytes / 1e6:.0f} MB in {took:.0f} s, resting half of it"
            yield Row(f"{LARGE:,} orders as {format}, rows a second", LARGE / took, None, True, "/s", note)
            busy = _p99(polls)
            note = f"p99 {quiet * 1e3:.2f} -> {busy * 1e3:.2f} ms, {len(polls)} polls"
            yield Row(f"poll while orders are exported as {format}", busy / quiet, 2, False, note=note)
        note = f"{small / 1024:.0f} -> {_peak(shop) / 1024:.0f} MiB"
        yield Row(
            "worker's peak memory, 100 thousand -> 1 million orders",
            _peak(shop) / small,
            1.2,
            False,
            note=note,
        )


@contextmanager
def _shop() -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="onceline-bench-") as name:
        settings = Settings(data_dir=Path(name), limits="off")
        with embedded.serving(settings.data_dir) as conninfo, Database(conninfo, size=2) as db:
            prepare(conninfo, settings, SystemClock())
            context = open_context(db, settings, SystemClock())
            grant = _customer(db, context)
            worker = subprocess.Popen(
                [sys.executable, "-m", "onceline", "work"], env={**os.environ, "ONCELINE_DATA_DIR": name}
            )
            try:
                shop = Shop(db, context, grant, [], worker.pid)
                _orders(shop, 1000)
                yield Shop(db, context, grant, _ids(db, grant.side), worker.pid)
            finally:
                worker.terminate()
                worker.wait(timeout=60)


def _customer(db: Database, context: Context) -> Grant:
    now = context.clock.now()
    with db.transaction() as tx:
        account = access.open_account(tx, context.vault, "buyer", now)
        side = access.side_of(tx, account, "test")
        _, key = access.create_key(
            tx, side=side, mode="test", kind="api", name="bench", scopes=(), expires_at=None, now=now
        )
        return access.authenticate(tx, key, now)


def _orders(shop: Shop, orders: int) -> None:
    with psycopg.connect(shop.db.conninfo, autocommit=True) as connection:
        connection.execute(_FILL, {"side": shop.grant.side, "orders": orders})
        connection.execute("vacuum analyze orders")


def _ids(db: Database, side: int) -> list[int]:
    with db.statement() as tx:
        return [row.id for row in tx.all("select id from orders where side_id = %(side)s", {"side": side})]


def _made(shop: Shop, format: str) -> tuple[float, Export, list[float]]:
    """Seconds, the export, and how long each poll meanwhile took."""
    began = time.monotonic()
    export = shop.ask("orders", format)
    polls: list[float] = []
    while (seen := shop.see(export)).state in ("queued", "running"):
        polls += _polls(shop, until=time.monotonic() + 0.5)
    assert seen.state == "ready", seen.reason
    return time.monotonic() - began, seen, polls


def _polls(shop: Shop, until: float) -> list[float]:
    times = []
    while time.monotonic() < until:
        one = OfSide(shop.polled[len(times) % len(shop.polled)], shop.grant.side)
        began = time.perf_counter()
        with shop.db.statement() as tx:
            views_of(tx, shop.context, [one])
        times.append(time.perf_counter() - began)
        time.sleep(POLL_EVERY_S)
    return times


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def _peak(shop: Shop) -> int:
    """KiB that the worker had at most."""
    lines = Path(f"/proc/{shop.worker}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
