"""Gammu's phones as staff see them, what `check` finds, and how a self-test is handed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest

from onceline.core.suppliers import store as suppliers
from onceline.suppliers.base import Configured
from onceline.suppliers.gammu import kind
from onceline.suppliers.gammu.kind import GammuSender, NoSuchPhone, check
from onceline.suppliers.gammu.session import GammuSession
from onceline.suppliers.gammu.settings import GammuSettings
from tests.suppliers.gammu.conftest import NUMBERS, Gammu
from tests.suppliers.gammu.daemon import Phone, await_true

Phones = Callable[[], Sequence[Phone]]


def seen(gammu: Gammu) -> dict[str, tuple[str, dict[str, object]]]:
    gammu.read_once()
    gammu.alerts()
    with gammu.shop.db.transaction() as tx:
        return {row.device: (row.warning, row.facts) for row in suppliers.devices(tx)}


def test_a_running_daemon_tells_how_its_phone_is(gammu: Gammu, phones: Phones) -> None:
    phones()
    await_true(lambda: gammu.rows("select count(*) from phones where \"NetCode\" <> ''")[0][0] == 1)
    [(warning, facts)] = [one for one in seen(gammu).values() if one[1]]
    assert (warning, facts["battery"], facts["signal"], facts["net_code"]) == ("", 100, 42, "999 99")
    assert "999999999999999" not in str(facts)


def test_a_phone_whose_daemon_never_came_is_silent(gammu: Gammu) -> None:
    assert {device: warning for device, (warning, _) in seen(gammu).items()} == dict.fromkeys(
        NUMBERS, "silent"
    )
    assert ("silent", "modem1") in gammu.alerts()


def failing(findings: Sequence[kind.Finding]) -> dict[str, str]:
    return {one.what: one.words for one in findings if not one.ok}


def test_check_finds_everything_well(gammu: Gammu, phones: Phones) -> None:
    phones()
    gammu.run("update phones set \"ID\" = 'modem1'")
    gammu.run(
        "insert into phones (\"ID\", \"IMEI\", \"IMSI\", \"Client\") values ('modem2', '1', '1', '') on conflict do nothing"
    )
    assert failing(check(gammu.configured)) == {}


def test_check_says_which_right_is_missing_and_which_phone_never_came(gammu: Gammu) -> None:
    with psycopg.connect(gammu.conninfo, autocommit=True) as connection:
        connection.execute("drop role if exists reader_of_gammu")
        connection.execute("create role reader_of_gammu login")
        connection.execute("grant select on gammu, phones, inbox to reader_of_gammu")
    try:
        dsn = gammu.configured.settings.dsn.replace("user=onceline", "user=reader_of_gammu")
        found = failing(check(Configured("modems", GammuSettings(dsn=dsn, phones=NUMBERS))))
    finally:
        with psycopg.connect(gammu.conninfo, autocommit=True) as connection:
            connection.execute("drop owned by reader_of_gammu")
            connection.execute("drop role reader_of_gammu")
    assert list(found) == ["inbox", "deleting", "sending", "daemons"]
    assert found["daemons"].endswith("modem1, modem2")


def test_the_rights_that_the_docs_list_are_all_that_it_takes(gammu: Gammu) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "howto" / "gammu.md").read_text()
    [listed] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    gammu.run(listed)
    try:
        dsn = gammu.configured.settings.dsn.replace("user=onceline", "user=onceline_reader")
        reader = Configured(
            "modems", gammu.configured.settings.model_copy(update={"dsn": dsn, "delete_after_s": 0})
        )
        gammu.wrote("Your code is 482913")
        await_true(lambda: not read_and_left(gammu, reader))
        GammuSender(reader).send(NUMBERS["modem1"], NUMBERS["modem2"], "hello")
        assert list(failing(check(reader))) == ["daemons"]
    finally:
        gammu.run("drop owned by onceline_reader; drop role onceline_reader")
    assert (len(gammu.kept()), len(gammu.rows("select * from outbox"))) == (1, 1)


def read_and_left(gammu: Gammu, reader: Configured) -> int:
    """Gammu's stamps are rounded to seconds: a row may be as old as nothing for half of one."""
    gammu.read_once(GammuSession(reader, gammu.around))
    return len(gammu.rows("select * from inbox"))


def test_check_says_when_nobody_answers(gammu: Gammu) -> None:
    dsn = "host=/nowhere port=5432 dbname=smsd user=smsd"
    found = failing(check(Configured("modems", GammuSettings(dsn=dsn, phones=NUMBERS))))
    assert list(found) == ["database"]
    assert "pgsql.sql" in found["database"]


def test_the_daemon_of_the_right_phone_sends_what_is_handed_over(gammu: Gammu, phones: Phones) -> None:
    phones()
    GammuSender(gammu.configured).send(NUMBERS["modem1"], NUMBERS["modem2"], "hello")
    sent = 'select "SenderID", "DestinationNumber", "TextDecoded" from sentitems'
    await_true(lambda: gammu.rows(sent) == [("modem1", NUMBERS["modem2"], "hello")])
    assert gammu.rows("select * from outbox") == []


def test_only_one_message_waits_for_a_phone_that_does_not_send(gammu: Gammu) -> None:
    gammu.run(
        'insert into outbox ("DestinationNumber", "TextDecoded", "CreatorID", "SenderID") '
        "values ('+447700900999', 'of somebody else', 'other', 'modem1')"
    )
    sender = GammuSender(gammu.configured)
    for text in ("first", "second"):
        sender.send(NUMBERS["modem1"], NUMBERS["modem2"], text)
    waiting = gammu.rows('select "TextDecoded" from outbox order by "ID"')
    assert waiting == [("of somebody else",), ("second",)]


def test_a_number_in_no_phone_sends_nothing(gammu: Gammu) -> None:
    with pytest.raises(NoSuchPhone):
        GammuSender(gammu.configured).send("+447700900999", NUMBERS["modem1"], "hello")
    assert gammu.rows("select * from outbox") == []
