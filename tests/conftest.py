"""Real PostgreSQL for every test: one embedded server a run, one fresh database a test, copied from a seeded template."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from onceline import embedded
from onceline.accesslog import AccessLog
from onceline.config import Settings
from onceline.core.clock import ManualClock
from onceline.core.db import Database
from onceline.core.orders.context import Context
from onceline.desk.door import migrate
from onceline.desk.house import House, install
from onceline.wiring import open_context, prepare
from tests.shop import Shop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_NAMES = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long forms of the laws")


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long forms were asked for (`make soak`)."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Conninfo of the run's server, in memory where the machine offers that: a test is a database of its own."""
    with _served() as (conninfo, _):
        yield conninfo


@dataclass(frozen=True, slots=True)
class KeyServer:
    """A second PostgreSQL server, for key stores, which must not be on the first one."""

    conninfo: str
    folder: Path


@pytest.fixture(scope="session")
def key_server() -> Iterator[KeyServer]:
    with _served() as (conninfo, folder):
        yield KeyServer(conninfo, folder)


@pytest.fixture
def keys_url(key_server: KeyServer) -> Iterator[str]:
    """An empty database of the second server."""
    name = f"keys_{next(_NAMES)}"
    with psycopg.connect(key_server.conninfo, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield _named(key_server.conninfo, name)
    with psycopg.connect(key_server.conninfo, autocommit=True) as connection:
        connection.execute(f"drop database {name} (force)")


@contextmanager
def _served() -> Iterator[tuple[str, Path]]:
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**31
    with tempfile.TemporaryDirectory(prefix="onceline-", dir=memory if roomy else None) as folder:
        with embedded.serving(Path(folder), {"fsync": "off", "full_page_writes": "off"}) as conninfo:
            yield conninfo, Path(folder)
        _await_end(Path(folder))


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """A database that is migrated and seeded; tests get copies."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create database seeded")
    prepare(_named(server, "seeded"), Settings(), ManualClock(NOON))
    return "seeded"


@pytest.fixture(scope="session")
def desk_template(server: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """As `template`, with the desk's own tables."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database desk_seeded template {template}")
    folder = tmp_path_factory.mktemp("desk")
    settings, clock = Settings(data_dir=folder, keystore_dir=folder / "keys"), ManualClock(NOON)
    with (
        Database(_named(server, "desk_seeded"), size=2, name="test") as db,
        closing(AccessLog(settings.logs, clock)) as log,
    ):
        migrate(House(settings, db, open_context(db, settings, clock), log))
    install(None)
    return "desk_seeded"


@pytest.fixture
def conninfo(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_NAMES)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    yield _named(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} (force)")


@pytest.fixture
def away(server: str, conninfo: str) -> Iterator[Callable[[bool], None]]:
    with switched_off(server, conninfo) as switch:
        yield switch


@contextmanager
def switched_off(server: str, conninfo: str) -> Iterator[Callable[[bool], None]]:
    """Cuts every connection of a database and refuses new ones, or lets them in again, as at the end."""
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]

    def switch(is_away: bool) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"alter database {name} allow_connections {not is_away}")
            if is_away:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
                )

    yield switch
    switch(False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, keystore_dir=tmp_path / "keys")


@pytest.fixture
def db(conninfo: str) -> Iterator[Database]:
    with Database(conninfo, size=8, name="test") as database:
        yield database


@pytest.fixture
def context(db: Database, settings: Settings, clock: ManualClock) -> Context:
    return open_context(db, settings, clock)


@pytest.fixture
def shop(db: Database, context: Context, clock: ManualClock) -> Shop:
    """The core as tests speak of it."""
    return Shop(db, context, clock)


def _named(conninfo: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(conninfo, dbname=name)


def _await_end(folder: Path) -> None:
    """Until the server is down, so that its folder can go."""
    deadline = time.monotonic() + 30
    while (folder / "pg" / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
