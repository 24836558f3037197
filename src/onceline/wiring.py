"""Puts an installation together from its settings: database, key store, context. Doors and commands start here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from onceline import embedded
from onceline.config import Settings
from onceline.core import schema
from onceline.core.catalog import store as catalog
from onceline.core.catalog.model import load_services
from onceline.core.clock import Clock, SystemClock
from onceline.core.db import Database
from onceline.core.inbox.recognise import ServiceBook
from onceline.core.orders.context import Context, load_installation
from onceline.core.vault import FileKeyStore, Vault
from onceline.suppliers.base import Supplier
from onceline.suppliers.sandbox import stock, supplier


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The configured server, or the embedded one for as long as somebody uses it."""
    if settings.database_url:
        yield settings.database_url
    else:
        with embedded.serving(settings.data_dir) as conninfo:
            yield conninfo


def prepare(conninfo: str, settings: Settings, clock: Clock) -> list[str]:
    """Bring schema and seed data up to this version; returns the migrations applied. Safe to repeat."""
    applied = schema.migrate(conninfo, currency=settings.currency, now=clock.now())
    with Database(conninfo, size=2, name="onceline-prepare") as db, db.transaction() as tx:
        catalog.seed(tx)
        stock.seed(tx)
        stock.stock_everywhere(tx, clock.now())
    return applied


def open_context(db: Database, settings: Settings, clock: Clock) -> Context:
    return Context(
        clock=clock,
        vault=Vault(FileKeyStore(settings.keystore)),
        terms=settings.terms,
        installation=load_installation(db),
        book=ServiceBook(load_services()),
    )


def open_suppliers(db: Database, clock: Clock) -> dict[str, Supplier]:
    """Every supplier by the name that pools know it by."""
    return {supplier.NAME: supplier.Sandbox(db, clock)}


@contextmanager
def installation(
    settings: Settings, *, size: int = 4, name: str = "onceline"
) -> Iterator[tuple[Database, Context]]:
    """An open database, migrated, with its context: what a command line needs."""
    clock = SystemClock()
    with database(settings) as conninfo:
        prepare(conninfo, settings, clock)
        with Database(conninfo, size=size, name=name) as db:
            yield db, open_context(db, settings, clock)
