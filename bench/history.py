"""Placing and polling with ten thousand orders behind us, and with ten million: two databases of one server, in turns."""

from __future__ import annotations

import itertools
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from bench.rows import Row
from onceline import embedded
from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.clock import SystemClock
from onceline.core.db import Database
from onceline.core.deposits import commands as deposits
from onceline.core.orders.commands import Asking, OrderRequest, Placed, place_each
from onceline.core.orders.context import Context
from onceline.core.orders.view import OfSide, views_of
from onceline.suppliers.sandbox import stock
from onceline.wiring import open_context, prepare

SMALL, LARGE = 10_000, 10_000_000
RECENT = 0.03
"""Share of the orders of the last 30 days: those still name their number."""
BUYER_SHARE = 10
"""One order in so many belongs to the buyer who is measured."""
TURNS = 2000
_TURN = itertools.count()
_INDEXES = "select indexdef from pg_indexes where tablename = 'orders' and indexdef not like '%UNIQUE%'"


@dataclass(frozen=True, slots=True)
class Place:
    db: Database
    context: Context
    side: int
    polled: Sequence[int]
    """Orders of the buyer's, of all ages."""


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="onceline-bench-") as name, ExitStack() as stack:
        settings = Settings(data_dir=Path(name), limits="off")
        conninfo = stack.enter_context(embedded.serving(settings.data_dir))
        prepare(conninfo, settings, SystemClock())
        places = [_open(stack, conninfo, settings, orders) for orders in (SMALL, LARGE)]
        for what, step in (("place", _place), ("poll", _poll)):
            small, large = _in_turns(places, step)
            note = f"p50 {small * 1e6:.0f} -> {large * 1e6:.0f} µs"
            yield Row(f"{what} with 10 thousand -> 10 million orders", large / small, 1.2, False, note=note)


def _open(stack: ExitStack, conninfo: str, settings: Settings, orders: int) -> Place:
    """A database of its own with a buyer, stock, and that many closed orders."""
    with psycopg.connect(conninfo, autocommit=True, dbname="postgres") as server:
        source = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
        server.execute(f"create database history_{orders} template {source}")
    db = stack.enter_context(Database(psycopg.conninfo.make_conninfo(conninfo, dbname=f"history_{orders}")))
    context = open_context(db, settings, SystemClock())
    now = context.clock.now()
    with db.transaction() as tx:
        account = access.open_account(tx, context.vault, "buyer", now)
        side = access.side_of(tx, account, "test")
        deposits.give(tx, side, 10**12, "sandbox", now)
        stock.add(tx, stock.PLAIN, "GB", 20_000, now)
    _fill(db.conninfo, side, orders)
    with db.transaction() as tx:
        some = tx.all(
            "select id from orders where side_id = %(side)s order by random() limit 1000", {"side": side}
        )
    return Place(db, context, side, [row.id for row in some])


def _fill(conninfo: str, side: int, orders: int) -> None:
    """Closed orders in bulk: the secondary indexes are made afterwards."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        definitions = [row[0] for row in connection.execute(_INDEXES)]
        for name in connection.execute(_INDEXES.replace("indexdef from", "indexname from")).fetchall():
            connection.execute(f"drop index {name[0]}")
        connection.execute(
            "insert into orders (id, serial, side_id, kind, state, service_id, country, pool_id, network, number_id,"
            " e164, price, hold_id, money, created_at, ends_at, expires_at, cancel_from, cancel_until, closed_at, revision)"
            " select order_id(n, i.order_key), n, case when n %% %(share)s = 0 then %(side)s else 1000 + n %% 5000 end,"
            " 'activation', 'expired', 1 + n %% 800, 'GB', 1, '', case when n > %(old)s then 1 + n %% 20000 end, null,"
            " 250000, -n, 'released', t, t + interval '20 min', t + interval '20 min', t, t, t + interval '20 min', 2"
            " from installation i, generate_series(1, %(orders)s) n,"
            " lateral (select now() - interval '1 year' * (1 - n / (%(orders)s + 1.0)) as t) at",
            {"share": BUYER_SHARE, "side": side, "old": int(orders * (1 - RECENT)), "orders": orders},
        )
        connection.execute("select setval('order_serials', %s)", (orders,))
        for definition in definitions:
            connection.execute(definition)
        connection.execute("vacuum analyze")


def _in_turns(places: Sequence[Place], step: Callable[[Place], None]) -> list[float]:
    """The median of each, measured in turns, so that the machine's moods meet both alike."""
    times: list[list[float]] = [[] for _ in places]
    for turn in range(TURNS + 100):
        for place, kept in zip(places, times, strict=True):
            began = time.perf_counter()
            step(place)
            if turn >= 100:
                kept.append(time.perf_counter() - began)
    return [median(one) for one in times]


def _place(place: Place) -> None:
    asked = Asking(place.side, OrderRequest("telegram", "GB"), secrets.token_hex(8))
    with place.db.statement() as tx:
        (outcome,) = place_each(tx, place.context, [asked])
    assert isinstance(outcome, Placed), outcome


def _poll(place: Place) -> None:
    """Some order of the buyer's, of any age."""
    with place.db.statement() as tx:
        (found,) = views_of(
            tx, place.context, [OfSide(place.polled[next(_TURN) % len(place.polled)], place.side)]
        )
    assert isinstance(found, dict), found
