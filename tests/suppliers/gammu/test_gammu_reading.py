"""What gammu's rows and an operator's settings mean."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from onceline.core.inbox.model import Encoded, Part
from onceline.suppliers.gammu.reading import SILENT_AFTER_S, arrival, heartbeat, part_of
from onceline.suppliers.gammu.settings import GammuSettings

DSN = "host=127.0.0.1 port=5432 dbname=smsd user=onceline"
PHONES = {"modem1": "+447700900123"}


def row(**changed: Any) -> Any:
    whole = {
        "id": 7,
        "phone": "modem1",
        "sender": "Bank",
        "hex": "00480069",
        "text": "Hi",
        "coding": "Default_No_Compression",
        "udh": "",
        "said_at": "2026-03-01 12:00:00",
        "age_s": 0.0,
    }
    return SimpleNamespace(**whole | changed)


def phone(**changed: Any) -> Any:
    whole = {
        "phone": "modem1",
        "signal": 42,
        "net_code": "999 99",
        "net_name": "Net",
        "battery": 100,
        "received": 5,
        "timeout": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "silent_s": -5.0,
    }
    return SimpleNamespace(**whole | changed)


def test_a_whole_message_is_text() -> None:
    found = arrival(row(), "+447700900123")
    assert (found.number, found.sender, found.text, found.part) == ("+447700900123", "Bank", "Hi", None)


def test_a_part_is_its_own_octets_although_gammu_writes_the_whole_text_beside_the_first() -> None:
    found = arrival(row(hex="0061D83D", text="a😀 and all the rest", udh="050003A20201"), "")
    assert (found.text, found.part) == (Encoded(b"\x00a\xd8\x3d", "ucs2"), Part(0xA2, 1, 2))


def test_octets_are_given_as_octets() -> None:
    assert arrival(row(coding="8bit", hex="0102"), "").text == Encoded(b"\x01\x02", "octets")


def test_a_row_without_hex_is_read_from_its_text() -> None:
    assert arrival(row(hex="no hex"), "").text == "Hi"


def test_the_same_row_has_the_same_name_and_another_time_stamp_another() -> None:
    names = {arrival(one, "").message_id for one in (row(), row(), row(said_at="2026-03-02 12:00:00"))}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("udh", "part"),
    [
        ("050003A20201", Part(0xA2, 1, 2)),
        ("06080412340302", Part(0x11234, 2, 3)),
        ("0605040B8423F0", None),
        ("0B05040B8423F00003060201", Part(6, 1, 2)),
        ("0B0504158200000003070402", Part(7, 2, 4)),
        ("", None),
        ("zz", None),
        ("00", None),
        ("0500", None),
        ("050003A20200", None),
        ("050003A20203", None),
        ("050003A20101", None),
        ("FF0003A20201", Part(0xA2, 1, 2)),
    ],
)
def test_concatenation_is_read_where_it_can_be(udh: str, part: Part | None) -> None:
    assert part_of(udh) == part


@given(st.binary(max_size=140))
def test_no_header_breaks_the_reading(header: bytes) -> None:
    found = part_of(header.hex())
    assert found is None or 1 <= found.index <= found.total <= 255


def test_a_phone_that_lives_warns_of_nothing_and_names_no_device() -> None:
    beat = heartbeat(phone())
    assert (beat.warning, beat.facts["signal"], beat.facts["net_name"]) == ("", 42, "Net")
    assert not {"imei", "imsi"} & {name.lower() for name in beat.facts}


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        ({"silent_s": SILENT_AFTER_S - 1.0}, ""),
        ({"silent_s": SILENT_AFTER_S + 1.0}, "silent"),
        ({"net_code": "ERROR"}, "not-registered"),
        ({"net_code": None}, "not-registered"),
    ],
)
def test_a_phone_that_is_ill_says_so(changed: dict[str, Any], warning: str) -> None:
    assert heartbeat(phone(**changed)).warning == warning


def test_settings_are_read() -> None:
    assert GammuSettings(dsn=DSN, phones=PHONES).poll_s == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"dsn": "no dsn at all"}, "write host"),
        ({"dsn": "host=a dbname=b"}, "user is missing"),
        ({"dsn": DSN + " password=x"}, "as the secret"),
        ({"dsn": DSN + " options=x"}, "options cannot be set"),
        ({"phones": {}}, "at least 1"),
        ({"phones": {"modem1": "07700900123"}}, "E.164"),
        ({"phones": {"a": "+447700900123", "b": "+447700900123"}}, "one phone only"),
        ({"poll_s": 0}, "greater than"),
        ({"imei": True}, "not permitted"),
    ],
)
def test_wrong_settings_say_what_would_be_right(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GammuSettings.model_validate({"dsn": DSN, "phones": PHONES} | changed)
