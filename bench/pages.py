"""The desk's pages while orders come in: each page's time at 20 a second beside 50 orders a second, and what a first visit weighs."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import re
import secrets
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from statistics import median

import uvloop

from bench.client import Result, exchange, request
from bench.house import House, house
from bench.rows import Row
from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.deposits import commands as deposits
from onceline.core.ledger.model import SANDBOX
from onceline.core.orders import commands
from onceline.core.orders.commands import OrderRequest
from onceline.desk import door
from onceline.desk.house import House as Desk
from onceline.wiring import installation

PAGES_A_SECOND, ORDERS_A_SECOND, SECONDS = 20, 50, 20.0
CONNECTIONS = 16
BUYERS = 4
OVER, LIVE = 60, 5
ALONE = 20
MOST_MS, MOST_KB = 100, 100
PAGES = (
    "/",
    "/prices/",
    "/test/",
    "/test/?service=telegram",
    "/test/rentals/",
    "/test/orders/live",
    "/test/history/",
    "/test/balance/",
    "/test/developers/",
    "/account/settings/",
)
FIRST = ("/", "/test/")

Exchange = Callable[[], bytes]


def run() -> Iterator[Row]:
    with house() as served:
        keys = [served.account(f"buyer {n}") for n in range(BUYERS)]
        served.cli("sandbox", "numbers", "--country", "GB", "--count", "20000")
        session = _person(served)
        asked = [_page(path, session) for path in PAGES]
        _load(served, [], asked * 2, 2 * len(PAGES) / PAGES_A_SECOND)
        alone = [median(uvloop.run(_one_by_one(served, one))) * 1000 for one in asked]
        times = _load(served, [_order(one) for one in keys], asked, SECONDS)
        for path, result, ms in zip(PAGES, times, alone, strict=True):
            assert not result.refused, f"{path}: {result.refused} answers above 299"
            note = f"p95 {result.at(0.95) * 1000:.0f} ms of {len(result.seconds)}; with nothing beside it {ms:.1f} ms"
            yield Row(
                f"page {path}, 20 pages and 50 orders a second",
                median(result.seconds) * 1000,
                MOST_MS,
                False,
                "ms",
                note,
            )
        for path in FIRST:
            yield Row(
                f"first visit of {path}, compressed",
                _weight(served, path, session) / 1000,
                MOST_KB,
                False,
                "kB",
            )


def _person(served: House) -> str:
    """The session of an owner with test money, orders that are over and some that wait."""
    settings = Settings(data_dir=served.folder, database_url=served.conninfo, cancel_lock_s=0)
    with installation(settings) as (db, context), closing(AccessLog(settings.logs, context.clock)) as log:
        door.open_desk(Desk(settings, db, context, log))
        session, account = _session()
        with db.transaction() as tx:
            side = access.side_of(tx, account, "test")
            deposits.give(tx, side, 10**12, SANDBOX, context.clock.now())
        for one in range(OVER + LIVE):
            with db.transaction() as tx:
                wanted = [OrderRequest("telegram", "GB")]
                placed = commands.place(tx, context, side, wanted, secrets.token_hex(8)).ids[0]
            if one < OVER:
                with db.transaction() as tx:
                    commands.cancel(tx, context, side, placed)
    return session


async def _one_by_one(served: House, one: Exchange) -> list[float]:
    line, times = await asyncio.open_connection("127.0.0.1", served.port, limit=2**20), []
    for _ in range(ALONE):
        began = time.monotonic()
        await exchange(*line, one())
        times.append(time.monotonic() - began)
    return times


def _session() -> tuple[str, str]:
    from allauth.account.models import EmailAddress  # noqa: PLC0415 - models exist only once Django is set up
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.test import Client  # noqa: PLC0415 - as above

    from onceline.desk.people.models import Person  # noqa: PLC0415 - as above

    person = Person(username="somebody", email="somebody@example.com", joined_on="2026-01-01")
    person.set_unusable_password()
    person.save()
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(person)
    return browser.cookies[settings.SESSION_COOKIE_NAME].value, person.account


def _page(path: str, session: str) -> Exchange:
    sent = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: session={session}\r\nAccept-Encoding: gzip\r\n\r\n"
    return lambda: (sent if path != "/" else re.sub("Cookie.*\r\n", "", sent)).encode()


def _order(key: str) -> Exchange:
    body = {"service": "telegram", "country": "GB"}
    return lambda: request("POST", "/api/v1/orders", key, body, Idempotency_Key=secrets.token_hex(8))


def _load(served: House, orders: list[Exchange], pages: list[Exchange], seconds: float) -> list[Result]:
    """Both at their own pace, whatever the answers take; returns the times of each page."""
    results = {id(one): Result() for one in pages}

    async def both() -> None:
        idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            idle.put_nowait(await asyncio.open_connection("127.0.0.1", served.port, limit=2**20))

        async def ask(one: Exchange, due: float) -> None:
            line = await idle.get()
            status, _ = await exchange(*line, one())
            idle.put_nowait(line)
            if id(one) in results:
                results[id(one)].seconds.append(time.monotonic() - due)
                results[id(one)].refused += status > 299

        async def pace(asked: list[Exchange], rate: int) -> None:
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for n, one in enumerate(itertools.islice(itertools.cycle(asked), int(seconds * rate))):
                    await asyncio.sleep(max(0.0, (due := began + n / rate) - time.monotonic()))
                    group.create_task(ask(one, due))

        await asyncio.gather(pace(orders or [], ORDERS_A_SECOND), pace(pages or [], PAGES_A_SECOND))

    uvloop.run(both())
    return list(results.values())


def _weight(served: House, path: str, session: str) -> int:
    """Bytes of the page and of all that it loads, as they are sent."""
    html, size = _fetched(served, path, session if path != "/" else "")
    static = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', gzip.decompress(html).decode()))
    return size + sum(_fetched(served, one, "")[1] for one in static)


def _fetched(served: House, path: str, session: str) -> tuple[bytes, int]:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{served.port}{path}", headers={"Accept-Encoding": "gzip"}
    )
    if session:
        asked.add_header("Cookie", f"session={session}")
    with urllib.request.urlopen(asked, timeout=10) as answer:
        body = answer.read()
    return body, len(body)
