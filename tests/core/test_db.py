"""Transactions, their refusals, and the wake-ups that follow a commit."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from onceline.core import db as db_module
from onceline.core.db import Database, Transaction, load_queries, page_of
from onceline.core.errors import Busy, DatabaseAway, NotFound
from onceline.core.wake import _payloads

COUNT = "select count(*) as n from accounts"


def count(db: Database) -> int:
    with db.transaction() as tx:
        row = tx.one(COUNT)
    assert row is not None
    return int(row.n)


def add_account(tx: Transaction, name: str) -> None:
    tx.run("insert into accounts (id, name, opened_at) values (%(id)s, %(id)s, now())", {"id": name})


def refuse_after(db: Database, work: Callable[[Transaction], None]) -> None:
    with db.transaction() as tx:
        work(tx)
        raise NotFound("thing")


def want_account(db: Database) -> None:
    with db.transaction() as tx:
        tx.run("set local lock_timeout = '50ms'")
        tx.run("update accounts set name = 'wanted'")


def lose_connection(db: Database, conninfo: str) -> None:
    with db.transaction() as tx:
        row = tx.one("select pg_backend_pid() as pid")
        assert row is not None
        with psycopg.connect(conninfo, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", (row.pid,))
        tx.one("select 1")


def hang(db: Database) -> None:
    with db.transaction() as tx:
        tx.run("set local idle_in_transaction_session_timeout = '100ms'")
        tx.one("select 1")
        time.sleep(0.5)
        tx.one("select 1")


def test_named_statements_are_loaded_by_their_names() -> None:
    queries = load_queries("onceline.core.ledger")
    assert queries.balance.startswith("select s.available")
    assert "-- name" not in queries.balance


def test_a_package_without_that_statement_says_so() -> None:
    with pytest.raises(AttributeError):
        _ = load_queries("onceline.core.ledger").no_such_statement


def test_every_statement_of_core_has_its_own_name() -> None:
    core = Path(db_module.__file__).parent
    for file in core.glob("*/queries.sql"):
        names = db_module._NAME.findall(file.read_text("utf-8"))
        assert len(names) == len(set(names)) > 0, file


def test_a_transaction_commits_at_its_end(db: Database) -> None:
    with db.transaction() as tx:
        add_account(tx, "acc_one")
    assert count(db) == 1


def test_a_refusal_rolls_everything_back(db: Database) -> None:
    with pytest.raises(NotFound):
        refuse_after(db, lambda tx: add_account(tx, "acc_one"))
    assert count(db) == 0


def test_a_lock_that_is_not_given_in_time_is_busy(db: Database) -> None:
    with db.transaction() as tx:
        add_account(tx, "acc_one")
    with db.transaction() as holder:
        holder.run("update accounts set name = 'held'")
        with pytest.raises(Busy) as refused:
            want_account(db)
    assert refused.value.facts["retry_after_s"] == 1


def test_every_wait_has_a_deadline(db: Database) -> None:
    with db.transaction() as tx:
        shown = {
            name: tx.all(f"show {name}")[0][0]
            for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        }
    assert shown == {
        "lock_timeout": "2s",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "20s",
    }


def test_a_transaction_that_hangs_between_statements_is_ended_by_the_server(db: Database) -> None:
    with pytest.raises(DatabaseAway):
        hang(db)


def test_a_server_that_is_not_there_is_away_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        Database(f"host={tmp_path} dbname=nothing", size=1) as nowhere,
        pytest.raises(DatabaseAway),
        nowhere.transaction() as tx,
    ):
        tx.one("select 1")
    assert time.monotonic() - began < 5


def test_a_lost_connection_is_away_and_the_next_one_works(db: Database, conninfo: str) -> None:
    with pytest.raises(DatabaseAway):
        lose_connection(db, conninfo)
    assert count(db) == 0


def test_listeners_hear_a_word_only_after_the_commit(db: Database) -> None:
    heard: list[tuple[str, int]] = []
    db.bell.listen(lambda words: heard.extend((word, count(db)) for word in words))
    with db.transaction() as tx:
        add_account(tx, "acc_one")
        tx.wake("side:1")
        assert heard == []
    assert heard[0] == ("side:1", 1)


def test_a_rolled_back_transaction_wakes_nobody(db: Database) -> None:
    heard: list[str] = []
    db.bell.listen(heard.extend)
    with pytest.raises(NotFound):
        refuse_after(db, lambda tx: tx.wake("side:1"))
    assert heard == []


def test_a_word_reaches_every_process_on_the_database(db: Database, conninfo: str) -> None:
    heard: queue.Queue[str] = queue.Queue()
    with Database(conninfo, size=1, name="other") as other:
        other.bell.listen(lambda words: [heard.put(word) for word in words] and None)
        deadline = time.monotonic() + 5
        while heard.empty() and time.monotonic() < deadline:  # it may still be learning to listen
            with db.transaction() as tx:
                tx.wake("grants")
            time.sleep(0.02)
        assert heard.get(timeout=1) == "grants"


def test_who_rings_hears_a_word_once(db: Database, conninfo: str) -> None:
    """At once, and not a second time when PostgreSQL brings it round."""
    heard: list[str] = []
    elsewhere: queue.Queue[str] = queue.Queue()
    db.bell.listen(heard.extend)
    with Database(conninfo, size=1, name="other") as other:
        other.bell.listen(lambda words: [elsewhere.put(word) for word in words] and None)
        rung = 0
        deadline = time.monotonic() + 5
        while elsewhere.empty() and time.monotonic() < deadline:  # it may still be learning to listen
            db.bell.ring(["side:1"])
            rung += 1
            time.sleep(0.05)
        assert elsewhere.get(timeout=1) == "side:1"
        time.sleep(0.1)
    assert heard == ["side:1"] * rung


def test_the_bell_falls_silent_at_once(conninfo: str) -> None:
    heard: list[str] = []
    database = Database(conninfo, size=1)
    database.open()
    database.bell.listen(heard.extend)
    threads = {thread.name for thread in threading.enumerate()}
    time.sleep(0.1)
    began = time.monotonic()
    database.close()
    assert time.monotonic() - began < 0.4
    assert "bell_receive" in threads
    assert heard == []


def test_many_words_travel_in_payloads_that_postgresql_takes() -> None:
    words = {f"side:{number}" for number in range(3000)}
    payloads = _payloads(words)
    assert len(payloads) > 1
    assert all(0 < len(payload) <= 7000 for payload in payloads)
    assert {word for payload in payloads for word in payload.split(",")} == words


def test_no_words_make_no_payload() -> None:
    assert _payloads(set()) == []


def test_a_long_result_is_cut_into_a_page_with_a_cursor(db: Database) -> None:
    with db.transaction() as tx:
        rows = tx.all("select id from generate_series(1, 4) id")
    assert page_of(rows, 3).next == 3
    assert [row.id for row in page_of(rows, 3).rows] == [1, 2, 3]
    assert page_of(rows, 4).next is None
