"""Self-tests between our own numbers: when they are sent, what arrives, and what staff hear of those that do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onceline.core.errors import InvalidInput, NotFound
from onceline.core.inventory import care
from onceline.core.retention.commands import SELF_TESTS_FOR, destroy_and_prune
from onceline.core.selftests import commands
from onceline.core.selftests.model import LONGEST_S, POSTPONED, PREFIX, SHORTEST_S, WAIT, Due, token_of
from tests.personas import ALICE
from tests.shop import PRICE, Shop

FIRST, SECOND, THIRD = "+447700900123", "+447700900124", "+447700900125"
DAY_S = 86400


@pytest.fixture(autouse=True)
def modems(shop: Shop) -> None:
    shop.pool("modems", PRICE, mode="live", supplier="modems", asks=False, tells=False)
    shop.stock("GB", [FIRST, SECOND, THIRD], pool="modems")


def added(shop: Shop, number_from: str = FIRST, number_to: str = SECOND, **terms: Any) -> int:
    every_s = terms.pop("every_s", DAY_S)
    with shop.db.transaction() as tx:
        return commands.add(
            tx,
            number_from,
            number_to,
            every_s,
            quarantine=terms.get("quarantine", False),
            now=shop.clock.now(),
        )


def begun(shop: Shop) -> list[Due]:
    with shop.db.transaction() as tx:
        return commands.begin(tx, shop.clock.now(), 10)


def came(shop: Shop, number: str, text: str) -> bool:
    with shop.db.transaction() as tx:
        return commands.arrived(tx, number, text, shop.clock.now())


def given_up(shop: Shop) -> int:
    with shop.db.transaction() as tx:
        return commands.fail_overdue(tx, shop.clock.now(), 10)


def failed(shop: Shop, times: int = 1) -> None:
    for _ in range(times):
        assert len(begun(shop)) == 1
        shop.clock.advance(DAY_S)
        assert given_up(shop) == 1


def one(shop: Shop) -> Any:
    with shop.db.transaction() as tx:
        [row] = commands.listed(tx)
    return row


def alerts(shop: Shop) -> dict[str, int]:
    return {row.code: row.times for row in shop.rows("select code, times from supplier_alerts")}


def state_of(shop: Shop, number: str) -> str:
    return str(shop.value("select state from numbers where e164 = %(e)s", e=number))


def test_a_self_test_is_sent_at_once_and_then_every_so_often(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    assert (due.supplier, due.number_from, due.number_to) == ("modems", FIRST, SECOND)
    assert due.text.startswith(PREFIX)
    assert came(shop, SECOND, due.text)
    assert begun(shop) == []
    shop.clock.advance(DAY_S)
    assert len(begun(shop)) == 1


def test_its_arrival_is_noted_with_the_seconds_that_it_took(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    shop.clock.advance(3.5)
    assert came(shop, SECOND, due.text)
    row = one(shop)
    assert (row.seconds, row.arrived_at, row.failed_at, row.failures) == (3.5, shop.clock.now(), None, 0)


def test_it_is_no_order_s_whoever_has_the_number_when_it_arrives(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    for number in (FIRST, THIRD):
        with shop.db.transaction() as tx:
            care.take_out(tx, [number], "quarantined", care.Reason("test", "test"), shop.clock.now())
    order = shop.place(shop.customer(ALICE, mode="live"), pool="modems")
    assert order.e164 == SECOND
    assert came(shop, SECOND, due.text)


def test_a_second_copy_is_ours_too_and_counts_nothing(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    assert came(shop, SECOND, due.text)
    shop.clock.advance(5)
    assert came(shop, SECOND, due.text)
    assert one(shop).seconds == 0


@pytest.mark.parametrize(
    "text", ["Your code is 482913", PREFIX, PREFIX + "0" * 32, PREFIX + "short", "x" + PREFIX + "0" * 32]
)
def test_what_only_looks_like_a_self_test_goes_its_usual_way(shop: Shop, text: str) -> None:
    added(shop)
    begun(shop)
    assert not came(shop, SECOND, text)


def test_the_database_does_not_hold_what_is_sent(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    assert due.token.encode() not in bytes(shop.value("select token_hash from self_test_runs"))


def test_a_number_that_a_customer_has_takes_no_part(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE, mode="live"), pool="modems")
    assert order.e164 is not None
    idle = next(number for number in (FIRST, SECOND, THIRD) if number != order.e164)
    added(shop, order.e164, idle)
    added(shop, idle, order.e164)
    assert begun(shop) == []
    shop.clock.advance(POSTPONED.total_seconds())
    assert begun(shop) == []
    assert shop.rows("select id from self_test_runs") == []


def test_a_quarantined_number_is_tested_and_a_retired_one_is_not(shop: Shop) -> None:
    added(shop)
    for target, runs in (("quarantined", 1), ("retired", 0)):
        with shop.db.transaction() as tx:
            care.take_out(tx, [SECOND], target, care.Reason("test", "test"), shop.clock.now())
        assert len(due := begun(shop)) == runs
        assert all(came(shop, SECOND, run.text) for run in due)
        shop.clock.advance(DAY_S)


def test_an_order_that_is_being_placed_is_not_waited_for(shop: Shop) -> None:
    added(shop)
    with shop.db.transaction() as tx:
        tx.all("select id from numbers where e164 = %(e)s for no key update", {"e": SECOND})
        assert begun(shop) == []


def test_one_that_does_not_arrive_alarms_nobody(shop: Shop) -> None:
    added(shop)
    begun(shop)
    shop.clock.advance(WAIT.total_seconds())
    assert given_up(shop) == 0
    shop.clock.advance(1)
    assert given_up(shop) == 1
    assert (one(shop).failures, one(shop).reason, alerts(shop)) == (1, "no_arrival", {})


def test_the_third_failure_in_a_row_is_told_to_staff(shop: Shop) -> None:
    added(shop)
    failed(shop, 2)
    assert alerts(shop) == {}
    failed(shop)
    assert alerts(shop) == {"self_test_failed": 1}
    assert state_of(shop, SECOND) == "free"


def test_an_arrival_between_failures_ends_the_row(shop: Shop) -> None:
    added(shop)
    failed(shop, 2)
    [due] = begun(shop)
    assert came(shop, SECOND, due.text)
    shop.clock.advance(DAY_S)
    failed(shop, 2)
    assert (alerts(shop), one(shop).failures) == ({}, 2)


def test_one_that_arrives_too_late_is_ours_and_says_that_the_sim_lives(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    shop.clock.advance(DAY_S - 1)
    given_up(shop)
    assert came(shop, SECOND, due.text)
    row = one(shop)
    assert (row.failures, row.seconds, row.reason) == (0, DAY_S - 1, "no_arrival")


def test_a_number_is_quarantined_at_the_third_failure_where_the_operator_wants_that(shop: Shop) -> None:
    added(shop, quarantine=True)
    failed(shop, 2)
    assert state_of(shop, SECOND) == "free"
    failed(shop)
    assert (state_of(shop, SECOND), state_of(shop, FIRST)) == ("quarantined", "free")


def test_a_number_that_a_customer_has_by_then_is_quarantined_when_the_order_ends(shop: Shop) -> None:
    added(shop, quarantine=True)
    failed(shop, 2)
    begun(shop)
    shop.run("update numbers set state = 'leased' where e164 = %(e)s", e=SECOND)
    shop.clock.advance(DAY_S)
    given_up(shop)
    assert state_of(shop, SECOND) == "leased"
    assert shop.value("select leaving from numbers where e164 = %(e)s", e=SECOND) == "quarantined"


def test_one_that_was_never_sent_says_nothing_about_a_sim(shop: Shop) -> None:
    added(shop, quarantine=True)
    for _ in range(4):
        [due] = begun(shop)
        with shop.db.transaction() as tx:
            commands.not_sent(tx, due, shop.clock.now())
        shop.clock.advance(DAY_S)
    assert (one(shop).failures, one(shop).reason) == (0, "not_sent")
    assert (alerts(shop), state_of(shop, SECOND)) == ({"self_test_not_sent": 4}, "free")


def test_one_that_arrives_at_another_number_says_that_numbers_are_mixed_up(shop: Shop) -> None:
    added(shop)
    [due] = begun(shop)
    assert came(shop, THIRD, due.text)
    assert (one(shop).reason, alerts(shop)) == ("wrong_number", {"self_test_wrong_number": 1})


def test_a_test_can_be_sent_now_changed_and_removed(shop: Shop) -> None:
    test = added(shop)
    [due] = begun(shop)
    assert came(shop, SECOND, due.text)
    assert added(shop, every_s=SHORTEST_S, quarantine=True) == test
    assert (one(shop).every_s, one(shop).quarantine) == (SHORTEST_S, True)
    with shop.db.transaction() as tx:
        commands.hasten(tx, test, shop.clock.now())
    assert len(begun(shop)) == 1
    with shop.db.transaction() as tx:
        commands.remove(tx, test)
    assert shop.rows("select id from self_test_runs") == []


@pytest.mark.parametrize(
    ("numbers", "every_s", "words"),
    [
        ((FIRST, FIRST), DAY_S, "one number to another"),
        ((FIRST, SECOND), SHORTEST_S - 1, "costs"),
        ((FIRST, SECOND), LONGEST_S + 1, "costs"),
    ],
)
def test_a_test_that_makes_no_sense_is_refused(
    shop: Shop, numbers: tuple[str, str], every_s: int, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        added(shop, *numbers, every_s=every_s)


def test_a_number_that_is_not_ours_is_refused(shop: Shop) -> None:
    with pytest.raises(NotFound, match="number of ours"):
        added(shop, FIRST, "+447700900999")


def test_a_number_of_test_mode_is_refused(shop: Shop) -> None:
    [fictional] = shop.only("GB", 1)
    with pytest.raises(InvalidInput, match="test mode"):
        added(shop, FIRST, fictional)


def test_a_test_that_is_not_there_is_refused(shop: Shop) -> None:
    with shop.db.transaction() as tx, pytest.raises(NotFound):
        commands.hasten(tx, 99, shop.clock.now())
    with shop.db.transaction() as tx, pytest.raises(NotFound):
        commands.remove(tx, 99)


def test_runs_are_forgotten_after_thirty_days(shop: Shop) -> None:
    added(shop)
    begun(shop)
    shop.clock.advance(SELF_TESTS_FOR.total_seconds())
    assert destroy_and_prune(shop.db, shop.context)["self_test_runs"] == 0
    shop.clock.advance(timedelta(seconds=1).total_seconds())
    assert destroy_and_prune(shop.db, shop.context)["self_test_runs"] == 1


def test_a_network_that_adds_something_changes_no_token() -> None:
    assert token_of(f"{PREFIX}{'ab' * 16} sent by X") == "ab" * 16
