"""The inbox of a real gammu-smsd: each row is kept once and then marked, whoever is killed or away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from onceline.core.errors import Unavailable
from onceline.core.inbox.store import Kept
from onceline.suppliers.base import Arrival, Intake
from onceline.suppliers.gammu import line, session
from onceline.suppliers.gammu.session import GammuSession
from onceline.workers.sessions import Sessions
from onceline.workers.sweep import sweep_round
from tests.personas import ALICE, BOB
from tests.shop import COOLDOWN_S
from tests.suppliers.gammu.conftest import NUMBERS, Gammu, running
from tests.suppliers.gammu.daemon import Phone, await_true, kill_9, parts, sms

Phones = Callable[[], Sequence[Phone]]
CODE = "Telegram code: 48291"
ARABIC = "رمز التحقق الخاص بك هو ٤٨٢٩١"
LONG = "x" * 66 + "😀 your code is 48291"
"""Cut after 67 units, in the middle of its emoji."""


def test_fifty_messages_of_two_phones_are_kept_once_each_and_marked(gammu: Gammu, phones: Phones) -> None:
    for at, phone in enumerate(phones()):
        phone.receive(*(sms(f"Bank{at}", f"Your code is {one:06}") for one in range(25)))
    with running(gammu.session()):
        await_true(lambda: gammu.processed == 50)
    kept = gammu.kept()
    assert (len(kept), len({row.supplier_message_id for row in kept}), gammu.unprocessed) == (50, 50, 0)
    assert {row.number_id for row in kept} == {
        row.id
        for row in gammu.shop.rows("select id from numbers where e164 = any(%(e)s)", e=list(NUMBERS.values()))
    }


def test_senders_scripts_and_split_emoji_reach_the_customer_as_they_were_sent(
    gammu: Gammu, phones: Phones
) -> None:
    shop = gammu.shop
    order, name = gammu.order(ALICE, "other")
    [phone] = [one for one in phones() if one.name == name]
    phone.receive(sms("Parcel", "hello"), sms("+447700900999", ARABIC), *parts("Bank", LONG, cut=67))
    with running(gammu.session()):
        await_true(lambda: gammu.processed == 4)
    sweep_round(shop.db, shop.context)
    shown = [(message["sender"], message["text"]) for message in shop.view(order)["messages"]]
    assert sorted(shown) == sorted([("Parcel", "hello"), ("+447700900999", ARABIC), ("Bank", LONG)])


def test_a_reader_killed_between_keeping_and_marking_loses_nothing_and_doubles_nothing(
    gammu: Gammu, phones: Phones, tmp_path: Any
) -> None:
    phone, _ = phones()
    phone.receive(*(sms("Bank", f"Your code is {one:06}") for one in range(30)))
    await_true(lambda: gammu.unprocessed == 30)
    reader = [sys.executable, "-m", "tests.suppliers.gammu.reader", gammu.shop.db.conninfo, str(tmp_path)]
    settings = gammu.configured.settings.model_dump_json()
    with subprocess.Popen([*reader, settings], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        kill_9(process)
    assert (len(gammu.kept()), gammu.unprocessed) == (30, 30)
    gammu.read_once()
    assert (len(gammu.kept()), gammu.unprocessed) == (30, 0)


@contextmanager
def closed(server: str, conninfo: str) -> Iterator[None]:
    """A database that nobody can reach."""
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"alter database {name} allow_connections false")
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        yield
        admin.execute(f"alter database {name} allow_connections true")


def test_while_our_database_is_away_rows_stay_unprocessed(gammu: Gammu, server: str) -> None:
    gammu.wrote(CODE)
    around = gammu.around
    noted = Noting(around.intake)
    with (
        closed(server, gammu.shop.db.conninfo),
        running(GammuSession(gammu.configured, replace(around, intake=noted))),
    ):
        await_true(lambda: noted.away >= 2)
        assert gammu.processed == 0
    with running(gammu.session()):
        await_true(lambda: gammu.processed == 1)
    assert len(gammu.kept()) == 1


class Noting:
    """Counts how often ours was away."""

    def __init__(self, real: Intake) -> None:
        self._real, self.away = real, 0

    def keep(self, supplier: str, arrivals: Sequence[Arrival]) -> list[Kept]:
        try:
            return self._real.keep(supplier, arrivals)
        except Unavailable:
            self.away += 1
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Poisoned(Noting):
    """One message cannot be kept."""

    def keep(self, supplier: str, arrivals: Sequence[Arrival]) -> list[Kept]:
        if any(one.text == "poison" for one in arrivals):
            raise RuntimeError("cannot be kept")
        return super().keep(supplier, arrivals)


def test_a_message_that_cannot_be_kept_holds_up_no_other(gammu: Gammu) -> None:
    for text in ("one", "poison", "two"):
        gammu.wrote(text)
    around = replace(gammu.around, intake=Poisoned(gammu.around.intake))
    poisoned = GammuSession(gammu.configured, around)
    gammu.read_once(poisoned)
    gammu.read_once(poisoned)
    assert (len(gammu.kept()), gammu.unprocessed) == (2, 1)
    assert ("not_kept", "modem1") in gammu.alerts()


def test_a_session_that_is_stopping_marks_nothing(gammu: Gammu) -> None:
    gammu.wrote(CODE)
    gammu.read_once(stopping=True)
    assert (len(gammu.kept()), gammu.unprocessed) == (1, 1)


def test_a_phone_that_nobody_told_us_of_is_told_to_staff_once_and_its_messages_are_kept_apart(
    gammu: Gammu,
) -> None:
    reader = gammu.session()
    for _ in range(2):
        gammu.wrote(CODE, phone="+447700900555")
        gammu.read_once(reader)
    assert [(row.number_id, row.state) for row in gammu.kept()] == [(None, "unowned")] * 2
    assert ("unknown_device", "…0555") in gammu.alerts()
    assert gammu.shop.value("select times from supplier_alerts where code = 'unknown_device'") == 1


def test_gammus_database_made_anew_counts_from_one_and_nothing_is_lost(gammu: Gammu) -> None:
    gammu.wrote("before")
    gammu.read_once()
    gammu.run("truncate inbox restart identity")
    gammu.wrote("after")
    gammu.run("update inbox set \"ReceivingDateTime\" = '2026-03-02 12:00:00'")
    gammu.read_once()
    assert len(gammu.kept()) == 2


def test_gammus_database_back_from_a_backup_brings_nothing_twice(gammu: Gammu) -> None:
    gammu.wrote(CODE)
    gammu.read_once()
    gammu.run('update inbox set "Processed" = false')
    gammu.read_once()
    assert (len(gammu.kept()), gammu.unprocessed) == (1, 0)


def test_a_message_that_lay_there_while_the_number_changed_hands_reaches_nobody(gammu: Gammu) -> None:
    """Promise P6: it was sent to whoever had the number before."""
    shop = gammu.shop
    order, phone = gammu.order(BOB)
    gammu.wrote(CODE, phone=phone, ago_s=COOLDOWN_S + 60)
    gammu.read_once()
    sweep_round(shop.db, shop.context)
    assert shop.view(order)["messages"] == []
    assert len(gammu.kept()) == 1


def test_a_message_that_lay_there_while_its_order_lived_reaches_the_order(gammu: Gammu) -> None:
    shop = gammu.shop
    order, phone = gammu.order(ALICE)
    shop.clock.advance(COOLDOWN_S + 120)
    gammu.wrote(CODE, phone=phone, ago_s=COOLDOWN_S + 60)
    gammu.read_once()
    sweep_round(shop.db, shop.context)
    assert [message["code"] for message in shop.view(order)["messages"]] == ["48291"]


def test_texts_that_were_read_leave_gammus_table_after_their_time(gammu: Gammu) -> None:
    gammu.wrote("read")
    gammu.read_once()
    gammu.run("alter table inbox disable trigger all")
    gammu.run("update inbox set \"UpdatedInDB\" = localtimestamp - interval '3601 seconds'")
    gammu.read_once(gammu.session(delete_after_s=3700))
    assert gammu.processed == 1
    gammu.read_once(gammu.session(delete_after_s=3600))
    assert gammu.processed == 0


def test_texts_stay_in_gammus_table_where_the_operator_wants_that(gammu: Gammu) -> None:
    gammu.wrote("read", ago_s=10 * 86400)
    gammu.read_once(gammu.session(delete_after_s=None))
    gammu.read_once(gammu.session(delete_after_s=None))
    assert gammu.processed == 1


def test_a_gammu_database_that_is_away_is_waited_for_and_told_to_staff(
    gammu: Gammu, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "AWAY_ALERT_S", 0.2)
    with running(gammu.session()):
        with closed(server, gammu.conninfo):
            await_true(lambda: ("inbox_away", "") in gammu.alerts())
        gammu.wrote(CODE)
        await_true(lambda: gammu.processed == 1)
    assert len(gammu.kept()) == 1


def test_a_gammu_server_that_is_frozen_holds_a_session_only_so_long(
    gammu: Gammu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "DEADLINE_S", 1)
    with closing(line.Line(gammu.configured)) as to_gammu:
        [backend] = to_gammu.all("select pg_backend_pid() as pid")
        os.kill(backend.pid, signal.SIGSTOP)
        try:
            with pytest.raises(line.LineAway):
                to_gammu.all("select 1 as one")
        finally:
            os.kill(backend.pid, signal.SIGCONT)
        assert to_gammu.all("select 1 as one")[0].one == 1


def test_the_worker_reads_what_an_operator_configured(gammu: Gammu) -> None:
    stopping, sessions = threading.Event(), Sessions(gammu.around, None)
    thread = threading.Thread(target=sessions.run, args=(stopping,))
    thread.start()
    try:
        gammu.wrote(CODE)
        await_true(lambda: gammu.processed == 1)
    finally:
        stopping.set()
        sessions.wake()
        thread.join(timeout=15)
    assert len(gammu.kept()) == 1
