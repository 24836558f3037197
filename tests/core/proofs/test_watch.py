"""A check that failed stops refunds, never orders, until it passes and staff have seen it; each check names its damage."""

from __future__ import annotations

from functools import partial

import pytest

from onceline.core.deposits import store
from onceline.core.deposits.model import Stage
from onceline.core.proofs import watch
from onceline.core.proofs.checks import Proof, prove
from onceline.workers import check
from tests.core.deposits.till import CARD, Till
from tests.personas import ALICE, CHARLIE
from tests.shop import ONE_DAY, Shop

MORE = "update sides set available = available + 1 where available > 0"
LESS = "update sides set available = available - 1 where available > 0"


@pytest.fixture
def till(shop: Shop) -> Till:
    """Alice's: a deposit that is spent of, disputed and partly owed, one that went back, orders that hold; Charlie has money."""
    till = Till(shop, shop.customer(ALICE, balance=0))
    first = till.paid(10, CARD._replace(bonus_ppm=100_000))
    shop.sms(shop.place(till.who).e164)
    gone = till.paid(20)
    asked = till.ask_back(gone)
    till.claimed()
    till.confirm(asked)
    shop.place(till.who)
    shop.place(till.who, kind="rental", duration_s=ONE_DAY)
    till.dispute(first)
    Till(shop, shop.customer(CHARLIE, balance=0)).paid(30)
    return till


def look(shop: Shop) -> set[str]:
    """What stops refunds after the watch has looked."""
    check.look_now(shop.db, shop.clock)
    return stopped(shop)


def stopped(shop: Shop) -> set[str]:
    with shop.db.transaction() as tx:
        return {row.name for row in watch.failed(tx)}


def resume(shop: Shop) -> list[str]:
    with shop.db.transaction() as tx:
        return watch.resume(tx, "ann", shop.clock.now())


def broken(shop: Shop) -> set[str]:
    with shop.db.transaction() as tx:
        return {one.id for one in prove(tx, shop.clock.now()) if one.broken}


def test_books_in_order_stop_nothing(till: Till) -> None:
    till.shop.assert_books_are_true()
    assert look(till.shop) == set()
    assert till.dollars == (0, 0, 10, 1.5)


def test_a_check_that_failed_stops_refunds_and_no_order(shop: Shop) -> None:
    till = Till(shop, shop.customer(ALICE, balance=0))
    asked = till.ask_back(till.paid())
    till.paid()
    shop.run(MORE)
    assert "i1_recent" in look(shop)
    assert till.claimed() == []
    assert shop.place(till.who).state == "waiting"
    assert ("books", "check_failed", "i1_recent") in shop.rows(
        "select method, code, object_id from payment_exceptions where resolved_at is null"
    )
    shop.run(LESS)
    look(shop)
    assert till.claimed() == []
    assert resume(shop) == []
    assert [one.id for one in till.claimed()] == [asked.id]


def test_a_check_that_passes_again_is_not_enough(till: Till) -> None:
    till.shop.run(MORE)
    assert look(till.shop) != set()
    till.shop.run(LESS)
    assert look(till.shop) != set()
    assert resume(till.shop) == []
    assert stopped(till.shop) == set()


def test_a_word_of_staff_alone_is_not_enough(till: Till) -> None:
    till.shop.run(MORE)
    failed = look(till.shop)
    assert set(resume(till.shop)) == failed
    till.shop.run(LESS)
    assert look(till.shop) == set()


def test_a_failure_that_grew_needs_another_word(till: Till) -> None:
    with till.shop.db.transaction() as tx:
        watch.record(tx, [Proof("i2_numbers", "", 9, 1)], till.shop.clock.now())
    resume(till.shop)
    for found in (1, 2, 0):
        with till.shop.db.transaction() as tx:
            watch.record(tx, [Proof("i2_numbers", "", 9, found)], till.shop.clock.now())
    assert stopped(till.shop) == {"i2_numbers"}
    assert resume(till.shop) == []


def test_a_look_does_not_clear_what_only_the_whole_can_show(till: Till) -> None:
    till.shop.run("update deposits set credited = credited + 1 where state = 'refunded'")
    check.proof_round(till.shop.db, till.shop.clock)
    assert stopped(till.shop) == {"i8_deposits"}
    assert resume(till.shop) == ["i8_deposits"]
    assert look(till.shop) == {"i8_deposits"}
    till.shop.run("update deposits set credited = credited - 1 where state = 'refunded'")
    till.shop.wait(3601)
    check.proof_round(till.shop.db, till.shop.clock)
    assert stopped(till.shop) == set()


def test_everything_is_proved_once_a_night(till: Till) -> None:
    def is_due() -> bool:
        with till.shop.db.transaction() as tx:
            return watch.is_proof_due(tx, till.shop.clock.now())

    assert is_due()
    check.proof_round(till.shop.db, till.shop.clock)
    assert not is_due()
    till.shop.pass_time(13 * 3600)  # it was noon
    assert not is_due()
    till.shop.pass_time(3600)
    assert is_due()


def test_a_wallet_that_moved_is_looked_at_until_its_transfers_are_settled(till: Till) -> None:
    assert look(till.shop) == set()
    till.shop.pass_time(180)
    assert look(till.shop) == set()
    assert till.shop.value("select checked from money_checks where name = 'i1_recent'") == 2
    till.shop.pass_time(180)
    assert look(till.shop) == set()
    assert till.shop.value("select checked from money_checks where name = 'i1_recent'") == 0
    till.paid(5)
    till.shop.run(MORE)
    assert "i1_recent" in look(till.shop)


def test_a_transfer_that_may_not_be_the_last_of_its_time_is_looked_at_again(till: Till) -> None:
    """One with a smaller number may be committed after it."""
    for _ in range(2):
        till.shop.pass_time(30)
        assert look(till.shop) == set()
    assert till.shop.value("select checked from money_checks where name = 'i1_recent'") == 2


def test_the_first_look_of_a_process_waits_for_the_others(till: Till) -> None:
    patient = check.Patient(partial(check.look_now, till.shop.db, till.shop.clock))
    till.shop.run(MORE)
    assert patient.round() == 0
    assert stopped(till.shop) == set()
    assert patient.round() > 0


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        pytest.param(MORE, {"i1_sums", "i13_lots", "i14_trial"}, id="money from nowhere"),
        pytest.param(
            "update sides set held = held + 1 where held > 0", {"i1_sums", "i11_held", "i13_lots", "i14_trial"},
            id="a hold from nowhere",
        ),
        pytest.param(
            "update sides set debt = debt + 1 where debt > 0", {"i1_sums", "i13_lots", "i14_trial"}, id="a debt from nowhere"
        ),
        pytest.param(
            "update sides set disputed = disputed - 1 where disputed > 0", {"i1_sums", "i13_lots", "i14_trial"},
            id="disputed money that is gone",
        ),
        pytest.param(
            "update transfers set amount = amount - 1 where debit = 'debt'", {"i1_sums"}, id="a debt that was changed"
        ),
        pytest.param(
            "update deposits set bonus = bonus + 1 where bonus > 0", {"i13_lots"}, id="a bonus that nobody was given"
        ),
        pytest.param(
            "update disputes set amount = amount + 1", {"i13_lots"}, id="a dispute of more than what was taken"
        ),
        pytest.param(
            "update orders set expires_at = expires_at - interval '1 day' where money = 'held'", {"i12_ends"},
            id="a hold that was forgotten",
        ),
        pytest.param(
            "update orders set price = price + 1 where money = 'held'", {"i11_held"},
            id="an order that holds less than its price",
        ),
        pytest.param(
            "update orders set price = price + 1 where money = 'captured'", {"i13_lots"},
            id="an order that cost less than its price",
        ),
        pytest.param(
            "insert into transfers (mode, kind, debit, credit, amount, made_at)"
            " values ('test', 'processor_fee', 'available', 'stripe', 1, '2026-03-01')",
            {"i14_trial"}, id="a customer's money that is booked as the house's",
        ),
        pytest.param(
            "delete from deposits where state = 'credited'", {"i8_deposits", "i13_lots"}, id="a deposit that is gone"
        ),
    ],
)  # fmt: skip
def test_each_check_names_its_damage(till: Till, damage: str, reported: set[str]) -> None:
    assert broken(till.shop) == set()
    assert till.shop.tamper(damage) > 0
    assert broken(till.shop) == reported


def test_what_is_left_of_a_won_dispute_is_derived_too(till: Till) -> None:
    deposit = till.shop.value("select id from deposits where state = 'disputed'")
    with till.shop.db.transaction() as tx:
        disputed = store.deposit(tx, deposit)
    till.dispute(disputed, Stage.WON)
    assert broken(till.shop) == set()
    assert till.dollars == (8.5, 0, 0, 0)
