"""Puts an installation together from its settings: database, key store, context. Doors and commands start here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

from onceline import embedded
from onceline.config import Settings
from onceline.core import schema
from onceline.core.access import commands as access
from onceline.core.catalog import store as catalog
from onceline.core.clock import Clock, SystemClock
from onceline.core.db import Database
from onceline.core.inbox.otp import find_code
from onceline.core.inbox.recognise import recognise
from onceline.core.inbox.service_book import load_book
from onceline.core.orders.context import Context, load_installation
from onceline.core.vault import FileKeyStore, KeyStore, KeyStoreRefused, PostgresKeyStore, Vault
from onceline.core.vault.master import write_once
from onceline.core.vault.postgres import Beside, adopt, doors_running, server_of
from onceline.post import FolderPost, Post, SmtpPost
from onceline.suppliers.sandbox import stock

_MOVED = "moved-to-postgresql"
"""The file in a key folder that says so."""
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
    """Its vault is the caller's to close. Raises KeyStoreRefused, psycopg.Error, Unavailable."""
    book = load_book()
    recognise("Onceline", _FIRST_TEXT, book)
    find_code(_FIRST_TEXT)
    vault = Vault(open_keys(db, settings), db.bell.ring)
    db.bell.listen(vault.hear)
    return Context(
        clock=clock,
        vault=vault,
        terms=settings.terms,
        installation=load_installation(db),
        book=book,
    )


def open_keys(db: Database, settings: Settings) -> KeyStore:
    """The key store of this installation, and no other: an absent key would mean that what it sealed is erased."""
    beside = _beside(db)
    if settings.keystore_url:
        return PostgresKeyStore(settings.keystore_url, settings.master_key, beside)
    folder = settings.keystore
    if (folder / _MOVED).exists():
        raise KeyStoreRefused(f"the keys of {folder} were moved to PostgreSQL: set ONCELINE_KEYSTORE_URL")
    if beside.has_accounts and not (folder / "master.key").exists():
        raise KeyStoreRefused(
            f"there is no key store at {folder}, and the database has accounts whose keys must be somewhere: set "
            "ONCELINE_KEYSTORE_DIR or ONCELINE_KEYSTORE_URL to where they are"
        )
    return FileKeyStore(folder)


def move_keys(db: Database, settings: Settings, url: str) -> int:
    """From files to PostgreSQL: copied, read back, then destroyed as files. Returns how many.

    Raises KeyStoreRefused while doors run, and as PostgresKeyStore does. Safe to repeat after it was cut off.
    """
    with db.transaction() as tx:
        if doors_running(tx):
            raise KeyStoreRefused(
                "an edge or a worker is running, and may make keys meanwhile: stop them all first"
            )
    folder = settings.keystore
    if not (folder / "master.key").exists():
        raise KeyStoreRefused(f"there is no key store at {folder}")
    files = FileKeyStore(folder)
    keys = dict(files.wrapped())
    if not (folder / _MOVED).exists():
        adopt(url, settings.master_key, _beside(db), keys)
        write_once(folder / _MOVED, b"The keys are in PostgreSQL; master.key is still needed.\n")
    for name in keys:
        files.destroy(name)
    return len(keys)


def _beside(db: Database) -> Beside:
    with db.transaction() as tx:
        return Beside(server_of(tx), bool(access.accounts(tx, after="", limit=1).rows))


def open_post(settings: Settings) -> Post:
    """The configured mail server, or a folder of files."""
    server = settings.mail_server
    return SmtpPost(server, settings.mail_sender.domain) if server else FolderPost(settings.mail_folder)


@contextmanager
def installation(
    settings: Settings, *, size: int = 4, name: str = "onceline"
) -> Iterator[tuple[Database, Context]]:
    """An open database, migrated, with its context: what a command line needs."""
    clock = SystemClock()
    with database(settings) as conninfo:
        prepare(conninfo, settings, clock)
        with Database(conninfo, size=size, name=name) as db:
            context = open_context(db, settings, clock)
            with closing(context.vault):
                yield db, context
