"""A shop on a fresh database for every walk, so that a breach shrinks to its shortest story."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

import psycopg
import pytest

from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.wiring import open_context
from tests.conftest import NOON
from tests.shop import Shop

_NAMES = itertools.count()
FreshShop = Callable[[], "ShopOfOneWalk"]


class JumpyClock(ManualClock):
    """Jumps before it answers, once for each of `jumps`."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.jumps: list[int] = []

    def now(self) -> datetime:
        if self.jumps:
            self.advance(self.jumps[0])
            self.jumps = self.jumps[1:]
        return super().now()


class ShopOfOneWalk:
    """Opens when made, closes (and drops its database) when told."""

    def __init__(self, stack: ExitStack, shop: Shop) -> None:
        self.shop = shop
        self.close = stack.close


@pytest.fixture
def fresh_shop(server: str, template: str, settings: Settings) -> FreshShop:
    def make() -> ShopOfOneWalk:
        stack = ExitStack()
        conninfo = stack.enter_context(_database(server, template))
        db = stack.enter_context(Database(conninfo, size=4, name="walk"))
        clock = JumpyClock(NOON)
        return ShopOfOneWalk(stack, Shop(db, open_context(db, settings, clock), clock))

    return make


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"walk_{next(_NAMES)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    yield psycopg.conninfo.make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} (force)")
