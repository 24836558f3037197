"""The key store in a second PostgreSQL: keys as durable, as private and as gone as in files; away is never erased."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from onceline import wiring
from onceline.config import Settings
from onceline.core.db import Database
from onceline.core.errors import Erased, KeyStoreAway
from onceline.core.orders.context import Context
from onceline.core.vault import (
    FileKeyStore,
    KeyStoreRefused,
    Place,
    PostgresKeyStore,
    Vault,
    account_key,
    intake_key,
    postgres,
)
from onceline.core.vault.master import KeyStoreDamaged
from onceline.core.vault.postgres import Beside
from onceline.wiring import move_keys, open_context, open_keys
from tests.conftest import KeyServer, switched_off
from tests.personas import ALICE
from tests.shop import DRAIN_S, WINDOW_S, Shop

KEY = account_key("acc_alice")
PLACE = Place("messages", "sealed", "1")
NEW = Beside("another server", has_accounts=False)
OLD = Beside("another server", has_accounts=True)
Opener = Callable[..., PostgresKeyStore]


@pytest.fixture
def master(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "master.key"


@pytest.fixture
def opened(keys_url: str, master: Path) -> Iterator[Opener]:
    """Opens the store as one machine more."""
    with ExitStack() as stack:

        def another(master: Path = master, beside: Beside = NEW) -> PostgresKeyStore:
            return stack.enter_context(closing(PostgresKeyStore(keys_url, master, beside)))

        yield another


@pytest.fixture
def store(opened: Opener) -> PostgresKeyStore:
    return opened()


@pytest.fixture
def away(key_server: KeyServer, keys_url: str) -> Iterator[Callable[[bool], None]]:
    """Of the key store."""
    with switched_off(key_server.conninfo, keys_url) as switch:
        yield switch


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def test_a_key_of_one_machine_is_had_by_the_other(opened: Opener) -> None:
    here, there = opened(), opened(beside=OLD)
    secret = here.create(KEY)
    assert (len(secret), there.get(KEY), there.create(KEY)) == (32, secret, secret)
    assert there.get(account_key("acc_nobody")) is None
    here.create("intake/2026-03-01")
    assert there.names("intake") == ["intake/2026-03-01"]


def test_machines_that_create_the_same_key_at_once_get_one_key(opened: Opener) -> None:
    machines = [opened() for _ in range(4)]
    for turn in range(10):
        start, name = threading.Barrier(8), account_key(f"acc_{turn}")

        def create(machine: PostgresKeyStore, start: threading.Barrier = start, name: str = name) -> bytes:
            start.wait(10)
            return machine.create(name)

        with ThreadPoolExecutor(8) as hands:
            assert len(set(hands.map(create, machines * 2))) == 1


def test_the_first_machines_make_one_store(keys_url: str, master: Path) -> None:
    start = threading.Barrier(4)

    def first(_: int) -> bytes:
        start.wait(10)
        with closing(PostgresKeyStore(keys_url, master, NEW)) as machine:
            return machine.create(KEY)

    with ThreadPoolExecutor(4) as hands:
        assert len(set(hands.map(first, range(4)))) == 1


def test_a_stored_key_is_wrapped_by_the_master_key(
    store: PostgresKeyStore, keys_url: str, master: Path
) -> None:
    secret = store.create(KEY)
    [(wrapped,)] = rows(keys_url, "select wrapped from data_keys")
    assert isinstance(wrapped, bytes)
    assert secret not in wrapped
    everything = str(
        rows(keys_url, "select t::text from data_keys t union all select t::text from keystore t")
    )
    assert master.read_bytes().hex() not in everything


@pytest.mark.promise("P10")
def test_what_a_destroyed_key_sealed_is_erased_on_every_machine(opened: Opener) -> None:
    here, there = Vault(opened()), Vault(opened())
    here.create(KEY)
    sealed = here.seal(KEY, b"482913", PLACE)
    here.destroy(KEY)
    here.destroy(KEY)
    for machine in (here, there):
        with pytest.raises(Erased):
            machine.open(KEY, sealed, PLACE)
        with pytest.raises(Erased):
            machine.seal(KEY, b"more", PLACE)


def test_a_destroyed_key_is_not_in_the_stores_files(
    store: PostgresKeyStore, keys_url: str, key_server: KeyServer
) -> None:
    """The table's file is a new one. The server's log (WAL) is another matter: nothing here reaches it."""
    store.create(account_key("acc_bob"))
    store.create(KEY)
    [(wrapped,)] = rows(keys_url, f"select wrapped from data_keys where name = '{KEY}'")
    assert isinstance(wrapped, bytes)
    assert len(_files_with(key_server, wrapped)) == 1, "the scan must see"
    store.destroy(KEY)
    assert _files_with(key_server, wrapped) == []
    assert rows(keys_url, "select name from data_keys") == [("account/acc_bob",)]


def _files_with(server: KeyServer, secret: bytes) -> list[str]:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("checkpoint")
    files = (path for path in (server.folder / "pg" / "data" / "base").rglob("*") if path.is_file())
    return [path.name for path in files if secret in path.read_bytes()]


def test_a_key_whose_destruction_was_cut_off_is_gone_and_destroyed_again(
    store: PostgresKeyStore, keys_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(KEY)
    monkeypatch.setattr(postgres, "REWRITE_S", 0.2)
    with psycopg.connect(keys_url) as reader:
        reader.execute("select from data_keys")  # a lock that the rewriting waits for
        with pytest.raises(KeyStoreAway):
            store.destroy(KEY)
    assert store.get(KEY) is None
    assert store.names("account") == [KEY], "so that whoever looks for old keys finds it again"
    monkeypatch.undo()
    store.destroy(KEY)
    assert store.names("account") == []


@pytest.mark.parametrize("name", ["account/../master", "account", "Account/one", "a/b/c"])
def test_what_is_no_name_is_refused(store: PostgresKeyStore, name: str) -> None:
    for method in (store.create, store.get, store.destroy):
        with pytest.raises(ValueError, match="not a key name"):
            method(name)


def test_a_key_under_another_name_does_not_open(store: PostgresKeyStore, keys_url: str) -> None:
    store.create(KEY)
    with psycopg.connect(keys_url) as intruder:
        intruder.execute("update data_keys set name = 'account/acc_bob'")
    with pytest.raises(KeyStoreDamaged):
        store.get(account_key("acc_bob"))


def test_another_master_key_is_refused_at_the_start(
    store: PostgresKeyStore, opened: Opener, tmp_path: Path
) -> None:
    FileKeyStore(tmp_path / "another")
    with pytest.raises(KeyStoreRefused, match="does not fit"):
        opened(tmp_path / "another" / "master.key")


def test_a_machine_without_the_master_key_is_refused_and_makes_none(
    store: PostgresKeyStore, opened: Opener, tmp_path: Path
) -> None:
    with pytest.raises(KeyStoreRefused, match="there is no master key"):
        opened(tmp_path / "nowhere" / "master.key")
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_store_is_refused_where_accounts_have_keys(opened: Opener, keys_url: str) -> None:
    """It is the wrong one, and everything would seem erased."""
    with pytest.raises(KeyStoreRefused, match="is empty"):
        opened(beside=OLD)
    assert rows(keys_url, "select from pg_tables where schemaname = 'public'") == []


def test_a_later_versions_store_is_refused(store: PostgresKeyStore, opened: Opener, keys_url: str) -> None:
    with psycopg.connect(keys_url) as connection:
        connection.execute("update keystore set version = version + 1")
    with pytest.raises(KeyStoreRefused, match="later version"):
        opened()


def test_a_store_on_the_main_databases_server_is_refused(
    server: str, db: Database, settings: Settings
) -> None:
    for database in ("onceline", "postgres"):
        url = psycopg.conninfo.make_conninfo(server, dbname=database)
        with pytest.raises(KeyStoreRefused, match="server of the main database"):
            open_keys(db, settings.model_copy(update={"keystore_url": url}))


def test_a_store_that_is_away_is_never_erased(store: PostgresKeyStore, away: Callable[[bool], None]) -> None:
    safe = Vault(store)
    safe.create(KEY)
    sealed = safe.seal(KEY, b"482913", PLACE)
    away(True)
    assert safe.open(KEY, sealed, PLACE) == b"482913", "the key is remembered"
    safe.forget(KEY)
    for ask in (
        lambda: safe.open(KEY, sealed, PLACE),
        lambda: safe.seal(KEY, b"more", PLACE),
        lambda: safe.seal("intake/2026-03-01", b"more", PLACE),
        lambda: safe.create(account_key("acc_bob")),
        safe.intake_keys,
    ):
        with pytest.raises(KeyStoreAway):
            ask()
    away(False)
    assert safe.open(KEY, sealed, PLACE) == b"482913"


def test_a_store_that_is_away_keeps_only_the_money_of_orders_that_need_it(
    shop: Shop, db: Database, settings: Settings, keys_url: str, away: Callable[[bool], None]
) -> None:
    context = open_context(db, settings.model_copy(update={"keystore_url": keys_url}), shop.clock)
    with closing(context.vault):
        here = Shop(db, context, shop.clock)
        alice = here.customer(ALICE)
        coded, silent = here.place(alice), here.place(alice)
        here.keep(coded.e164, "Your code is 482913")
        away(True)
        for key in (account_key(alice.account), intake_key(shop.clock.now())):
            context.vault.forget(key)
        here.wait(WINDOW_S + DRAIN_S + 1)
        assert (here.order(coded).money, here.order(silent).money) == ("held", "released")
        away(False)
        here.wait(1)
        assert here.order(coded).money == "captured"
        here.assert_books_are_true()


def test_while_the_store_is_away_one_waits_and_the_others_are_refused_at_once(
    store: PostgresKeyStore, keys_url: str
) -> None:
    def ask(_: int) -> float:
        began = time.monotonic()
        with pytest.raises(KeyStoreAway):
            store.get(KEY)
        return time.monotonic() - began

    with psycopg.connect(keys_url) as rival:
        rival.execute("lock table data_keys")
        assert ask(0) > 1, "the way to it is long"
        with ThreadPoolExecutor(8) as hands:
            waited = sorted(hands.map(ask, range(8)))
    assert (waited[6] < 0.5, waited[7] > 1) == (True, True)
    assert store.get(KEY) is None


def test_a_key_store_that_was_restarted_is_asked_again_without_a_failure(
    store: PostgresKeyStore, away: Callable[[bool], None]
) -> None:
    secret = store.create(KEY)
    away(True)
    away(False)
    assert store.get(KEY) == secret


def test_a_frozen_store_is_answered_for_in_time(
    store: PostgresKeyStore, keys_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked stands for frozen: the server takes the question and says nothing."""
    store.create(KEY)
    with psycopg.connect(keys_url) as rival:
        rival.execute("lock table data_keys")
        began = time.monotonic()
        with pytest.raises(KeyStoreAway):
            store._ask(lambda connection: connection.execute("select from data_keys"), 0.3)
        assert time.monotonic() - began < 0.6
    assert store.get(KEY)


def test_a_key_is_durable_and_every_wait_has_a_deadline_whatever_the_server_says(
    store: PostgresKeyStore, opened: Opener, keys_url: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(keys_url)["dbname"]
    with psycopg.connect(keys_url, autocommit=True) as connection:
        connection.execute(f"alter database {name} set synchronous_commit = off")
        connection.execute(f"alter database {name} set statement_timeout = 0")
    names = ("synchronous_commit", "statement_timeout", "lock_timeout")
    found = opened()._ask(
        lambda connection: [connection.execute(f"show {name}").fetchone()[0] for name in names]
    )
    assert found == ["on", "3s", "2s"]


def test_a_destroyed_key_is_forgotten_by_the_other_processes_at_once(
    opened: Opener, conninfo: str, settings: Settings, context: Context
) -> None:
    with Database(conninfo, size=1) as one, Database(conninfo, size=1) as other:
        here, there = Vault(opened(), one.bell.ring), Vault(opened(), other.bell.ring)
        one.bell.listen(here.hear)
        other.bell.listen(there.hear)
        _until_it_hears(one, other)
        here.create(KEY)
        sealed = there.seal(KEY, b"482913", PLACE)
        here.destroy(KEY)
        deadline = time.monotonic() + 2
        while True:
            try:
                there.open(KEY, sealed, PLACE)
            except Erased:
                break
            assert time.monotonic() < deadline, "not to wait for the minute to pass"
            time.sleep(0.005)


def _until_it_hears(one: Database, other: Database) -> None:
    heard = threading.Event()
    other.bell.listen(lambda words: heard.set() if "hello" in words else None)
    deadline = time.monotonic() + 5
    while not heard.wait(0.05):
        one.bell.ring(["hello"])
        assert time.monotonic() < deadline


def test_a_key_destroyed_while_it_was_fetched_is_not_remembered(store: PostgresKeyStore) -> None:
    class Slow(PostgresKeyStore):
        """Its answer travels so long that the key is destroyed meanwhile."""

        def __init__(self) -> None:
            pass

        def get(self, name: str) -> bytes | None:
            found = store.get(name)
            if not store.names("intake"):
                store.create("intake/2026-03-01")
                store.destroy(name)
                safe.hear(frozenset({f"key:{name}"}))
            return found

    store.create(KEY)
    safe = Vault(Slow())
    safe.seal(KEY, b"the last one", PLACE)
    with pytest.raises(Erased):
        safe.seal(KEY, b"one too many", PLACE)


def test_files_move_to_postgresql_with_all_that_they_sealed(
    shop: Shop, db: Database, settings: Settings, keys_url: str
) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.sms(order.e164)
    assert move_keys(db, settings, keys_url) == 2
    folder = settings.keystore
    assert list(folder.glob("*/*.key")) == []
    with pytest.raises(KeyStoreRefused, match="set ONCELINE_KEYSTORE_URL"):
        open_keys(db, settings)
    context = open_context(db, settings.model_copy(update={"keystore_url": keys_url}), shop.clock)
    with closing(context.vault):
        assert Shop(db, context, shop.clock).view(order)["code"] == "482913"
    assert move_keys(db, settings, keys_url) == 0


def test_a_move_that_was_cut_off_is_repeated(
    shop: Shop, db: Database, settings: Settings, keys_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = shop.customer(ALICE).account
    monkeypatch.setattr(wiring, "write_once", _no_room)
    with pytest.raises(OSError):
        move_keys(db, settings, keys_url)
    monkeypatch.undo()
    assert open_keys(db, settings).get(account_key(account)), "until it is done the files count"
    assert move_keys(db, settings, keys_url) == 1


def _no_room(*_: object) -> bytes:
    raise OSError("no space left on device")


def test_a_move_brings_no_destroyed_key_back(
    shop: Shop, db: Database, settings: Settings, keys_url: str, opened: Opener
) -> None:
    """The files of an old backup, moved into a store that is in use."""
    shop.customer(ALICE)
    opened(settings.master_key)
    with pytest.raises(KeyStoreRefused, match="in use already"):
        move_keys(db, settings, keys_url)
    assert rows(keys_url, "select from data_keys") == []


def test_keys_are_not_moved_while_a_door_runs(
    shop: Shop, conninfo: str, db: Database, settings: Settings, keys_url: str
) -> None:
    shop.customer(ALICE)
    with Database(conninfo, size=1, name="onceline-edge") as door:
        with door.statement() as tx:
            tx.one("select 1")
        with pytest.raises(KeyStoreRefused, match="stop them all first"):
            move_keys(db, settings, keys_url)
    assert settings.master_key.parent.joinpath("account").is_dir()


def test_a_folder_without_keys_is_refused_where_accounts_have_keys(
    shop: Shop, db: Database, settings: Settings, tmp_path: Path
) -> None:
    shop.customer(ALICE)
    with pytest.raises(KeyStoreRefused, match="whose keys must be somewhere"):
        open_keys(db, settings.model_copy(update={"keystore_dir": tmp_path / "elsewhere"}))
    assert not (tmp_path / "elsewhere").exists()
