"""The edge as its clients meet it: a real server on a loopback port, started once, and customers who talk to it.

All tests share one town (database, clock, server) and open accounts of their own in it; a test that breaks things or
wants other settings starts a server of its own with `serving`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.suppliers.sandbox import stock
from onceline.wiring import open_context
from tests.conftest import NOON
from tests.edge.door import Client, Town, serving
from tests.personas import ALICE, CHARLIE
from tests.shop import Shop

STOCK = 3000


@pytest.fixture(scope="session")
def town(server: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database town template {template}")
    folder = tmp_path_factory.mktemp("town")
    settings = Settings(data_dir=folder, keystore_dir=folder / "keys")
    clock = ManualClock(NOON)
    with Database(psycopg.conninfo.make_conninfo(server, dbname="town"), size=8, name="town") as db:
        context = open_context(db, settings, clock)
        with db.transaction() as tx:
            stock.add(tx, stock.PLAIN, "GB", STOCK, clock.now())
        with serving(settings, db, context) as url, httpx.Client(timeout=20) as http:
            yield Town(Shop(db, context, clock), settings, url, http)


@pytest.fixture
def alice(town: Town) -> Client:
    return town.customer(ALICE)


@pytest.fixture
def charlie(town: Town) -> Client:
    """A stranger to Alice."""
    return town.customer(CHARLIE)


@pytest.fixture
def logs(town: Town) -> Path:
    return town.settings.logs
