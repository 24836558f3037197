"""Puts an installation together from its settings: database, key store, context. Doors and commands start here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from onceline import embedded
from onceline.config import Settings
from onceline.core import schema
from onceline.core.catalog import store as catalog
from onceline.core.catalog.model import load_services
from onceline.core.clock import Clock, SystemClock
from onceline.core.db import Database
from onceline.core.inbox.otp import find_code
from onceline.core.inbox.recognise import ServiceBook, recognise
from onceline.core.orders.context import Context, load_installation
from onceline.core.vault import FileKeyStore, Vault
from onceline.suppliers.base import Supplier
from onceline.suppliers.sandbox import stock, supplier

_FIRST_TEXT = "Your code is 123456"
"""Read once at the start, so that the tables are loaded before the first customer's message comes."""


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
    seed = hashlib.sha256(f"{catalog.seed_text()}{stock.seed_text()}".encode()).hexdigest()
    with Database(conninfo, size=1, name="onceline-prepare") as db, db.transaction() as tx:
        if catalog.is_seeded(tx, seed):
            return applied
        catalog.seed(tx, seed)
        stock.seed(tx)
        stock.stock_everywhere(tx, clock.now())
    return applied


def open_context(db: Database, settings: Settings, clock: Clock) -> Context:
    book = ServiceBook(load_services())
    recognise("Onceline", _FIRST_TEXT, book)
    find_code(_FIRST_TEXT)
    return Context(
        clock=clock,
        vault=Vault(FileKeyStore(settings.keystore)),
        terms=settings.terms,
        installation=load_installation(db),
        book=book,
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
