"""The desk in this process, on a database of the test's own, and people who use it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from django.core.cache import cache
from django.db import connections
from django.test.utils import setup_test_environment, teardown_test_environment

from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.desk import door
from onceline.desk.house import House, install
from onceline.desk.people import passwords
from onceline.wiring import open_context
from tests.desk.visitors import Pages
from tests.shop import Shop

_NAMES = itertools.count()


@pytest.fixture(scope="session")
def _for_tests() -> Iterator[None]:
    """Django tells its tests more; and passwords are hashed cheaply."""
    cost, passwords.KeyedBcrypt.cost = passwords.KeyedBcrypt.cost, 4
    setup_test_environment()
    yield
    teardown_test_environment()
    passwords.KeyedBcrypt.cost = cost


@pytest.fixture
def pages(
    server: str, desk_template: str, _for_tests: None, settings: Settings, clock: ManualClock
) -> Iterator[Pages]:
    name = f"desk_{next(_NAMES)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {desk_template}")
    conninfo = psycopg.conninfo.make_conninfo(server, dbname=name)
    with Database(conninfo, size=8, name="test") as db, closing(AccessLog(settings.logs, clock)) as log:
        context = open_context(db, settings, clock)
        house = House(settings, db, context, log)
        door.open_desk(house)
        cache.clear()
        yield Pages(Shop(db, context, clock), house)
        connections.close_all()
        install(None)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} (force)")
