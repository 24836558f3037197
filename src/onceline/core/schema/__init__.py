"""The schema, forward only: numbered files, each applied once, all in one transaction under one lock."""

from __future__ import annotations

import secrets
from datetime import datetime
from importlib import resources

import psycopg

_LOCK = 0x0ACE11E  # any number that is ours alone among advisory locks


class SchemaRefused(Exception):
    """This database must not be used by this version with these settings."""


class SchemaTooNew(SchemaRefused):
    """The database was migrated by a later version of Onceline; run that one."""


class CurrencyDiffers(SchemaRefused):
    """The installation keeps its books in another currency than the settings say."""


def migrate(conninfo: str, *, currency: str, now: datetime) -> list[str]:
    """Apply what is missing and return the names applied. Safe to call from several processes at once."""
    with psycopg.connect(conninfo, connect_timeout=5) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "create table if not exists migrations (name text primary key, applied_at timestamptz not null)"
        )
        done = {row[0] for row in connection.execute("select name from migrations")}
        files = _files()
        if unknown := sorted(done - files.keys()):
            raise SchemaTooNew(f"the database knows {unknown[-1]}, this version does not")
        missing = [name for name in files if name not in done]
        for name in missing:
            connection.execute(files[name].encode())
            connection.execute("insert into migrations (name, applied_at) values (%s, %s)", (name, now))
        _install(connection, currency, now)
        return missing


def _files() -> dict[str, str]:
    """Name to text, in order."""
    folder = resources.files(__package__)
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def _install(connection: psycopg.Connection[tuple[str, ...]], currency: str, now: datetime) -> None:
    connection.execute(
        "insert into installation (epoch, order_key, message_key, currency, created_at) values (%s, %s, %s, %s, %s)"
        " on conflict do nothing",
        (secrets.token_hex(8), secrets.randbits(62), secrets.token_bytes(16), currency, now),
    )
    row = connection.execute("select currency from installation").fetchone()
    if row and row[0] != currency:
        raise CurrencyDiffers(
            f"the books are kept in {row[0]}, the setting ONCELINE_CURRENCY says {currency}"
        )
