"""The schema moves forward only, once, and never waits long for a lock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import resources

import psycopg
import pytest

from onceline.core import schema

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILES = sorted(item.name for item in resources.files(schema).iterdir() if item.name.endswith(".sql"))
_NAMES = itertools.count()


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    name = f"empty_{next(_NAMES)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield psycopg.conninfo.make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} (force)")


def migrate(conninfo: str, currency: str = "USD") -> list[str]:
    return schema.migrate(conninfo, currency=currency, now=NOW)


def test_an_empty_database_gets_every_file_and_then_none(empty: str) -> None:
    assert migrate(empty) == FILES
    assert migrate(empty) == []


def test_two_processes_that_start_together_migrate_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty] * 4))
    assert sorted(map(len, applied)) == [0, 0, 0, len(FILES)]


def test_a_database_of_a_later_version_is_left_alone(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute("insert into migrations (name, applied_at) values ('9999_future.sql', now())")
    with pytest.raises(schema.SchemaTooNew, match="9999_future"):
        migrate(empty)


def test_books_in_another_currency_are_not_opened(empty: str) -> None:
    migrate(empty, "USD")
    with pytest.raises(schema.CurrencyDiffers, match="USD"):
        migrate(empty, "EUR")


def test_a_second_migration_keeps_the_epoch_and_the_keys(empty: str) -> None:
    def installation() -> object:
        with psycopg.connect(empty) as connection:
            return connection.execute("select epoch, order_key, message_key from installation").fetchall()

    migrate(empty)
    first = installation()
    migrate(empty)
    assert installation() == first


@pytest.mark.parametrize("name", FILES)
def test_every_file_first_says_how_long_it_waits_for_a_lock(name: str) -> None:
    text = resources.files(schema).joinpath(name).read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    assert lines[0].startswith("set local lock_timeout = ")


@pytest.mark.parametrize("name", FILES)
def test_every_file_has_a_number_of_its_own(name: str) -> None:
    assert name[:4].isdigit()
    assert sum(other.startswith(name[:4]) for other in FILES) == 1
