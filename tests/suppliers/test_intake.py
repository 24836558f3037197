"""What sessions hand over: kept in one insert, matched at once, however many come together."""

from __future__ import annotations

from onceline.core.suppliers import store
from onceline.suppliers.base import Arrival, Heartbeat
from onceline.suppliers.intake import DirectIntake
from tests.suppliers.conftest import Gateway

NUMBERS = [f"+4477009001{one:02d}" for one in range(60)]


def arrival(number: str, name: str = "", **rest: str) -> Arrival:
    return Arrival(name, number, "Telegram", "Telegram code: 48291", **rest)  # type: ignore[arg-type]  # texts all


def test_a_burst_is_matched_at_once_and_leaves_nothing_waiting(
    gateway: Gateway, intake: DirectIntake
) -> None:
    gateway.supplier("box", kind="http", secrets={"signing_key": ["k" * 32]})
    for number in NUMBERS:
        gateway.own(number, supplier="box")
    orders = [gateway.order(number) for number in NUMBERS]
    intake.keep("box", [arrival(number, number) for number in NUMBERS])
    intake.settled()
    assert [len(gateway.shown(order)) for order in orders] == [1] * len(NUMBERS)


def test_what_has_no_name_is_known_by_its_words_and_its_stamp(gateway: Gateway, intake: DirectIntake) -> None:
    said = [arrival(NUMBERS[0], said_at=at) for at in ("12:00:00", "12:00:00", "12:05:00")]
    kept = [intake.keep("box", [one])[0] for one in said]
    assert [one.is_new for one in kept] == [True, False, True]


def test_without_name_and_stamp_the_same_words_count_once_a_minute(
    gateway: Gateway, intake: DirectIntake
) -> None:
    first, again = (intake.keep("box", [arrival(NUMBERS[0])])[0] for _ in range(2))
    gateway.clock.advance(60)
    [later] = intake.keep("box", [arrival(NUMBERS[0])])
    assert [one.is_new for one in (first, again, later)] == [True, False, True]


def test_a_stored_name_gives_no_code_away(gateway: Gateway, intake: DirectIntake) -> None:
    """Promise P10: whoever has a backup cannot try codes out against it when the day's key is gone."""
    intake.keep("box", [arrival(NUMBERS[0], said_at="12:00")])
    vault = gateway.shop.context.vault
    before = gateway.shop.value("select supplier_message_id from inbound")
    vault.destroy(f"intake/{gateway.clock.now():%Y-%m-%d}")
    intake.keep("box", [arrival(NUMBERS[0], said_at="12:00")])
    names = [row.supplier_message_id for row in gateway.shop.rows("select supplier_message_id from inbound")]
    assert (len(names), before in names) == (2, True)


def test_numbers_are_read_with_and_without_their_plus(gateway: Gateway, intake: DirectIntake) -> None:
    gateway.supplier("box", kind="http", secrets={"signing_key": ["k" * 32]})
    gateway.own(NUMBERS[0], supplier="box")
    bare = NUMBERS[0][1:]
    written = [NUMBERS[0], bare, f"00{bare}", f"+44 (7700) 900-1{NUMBERS[0][-2:]}", "not a number", ""]
    kept = intake.keep("box", [arrival(number, f"m{at}") for at, number in enumerate(written)])
    assert [one.number is not None for one in kept] == [True, True, True, True, False, False]


def test_devices_and_alerts_are_written_together_and_count_up(gateway: Gateway, intake: DirectIntake) -> None:
    gateway.supplier("box", kind="http", secrets={"signing_key": ["k" * 32]})
    for signal in (10, 20):
        intake.beat("box", Heartbeat("modem", {"signal": signal}, "not-registered"))
    intake.alert("box", "inbox_away")
    intake.flush()
    with gateway.shop.db.transaction() as tx:
        [device] = store.devices(tx)
        alerts = store.alerts(tx, since=gateway.clock.now())
    assert (device.device, device.facts, device.warning) == ("modem", {"signal": 20}, "not-registered")
    assert {(one.code, one.subject, one.times) for one in alerts} == {
        ("not-registered", "modem", 2),
        ("inbox_away", "", 1),
    }
