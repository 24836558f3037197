"""Promise M4: a deposit of which nothing was spent goes back in full within 14 days, once, where it came from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest

from onceline.core.deposits import commands, refunds
from onceline.core.errors import DepositNotRefundable, InsufficientBalance, InvalidInput, NotFound
from tests.core.deposits.till import CARD, COIN, NO_WAY_BACK, Till
from tests.personas import CHARLIE
from tests.shop import PRICE, Shop

DAY = 86_400


def barred(till: Till, found: object) -> dict[str, object]:
    with pytest.raises(DepositNotRefundable) as refused:
        till.ask_back(found)  # type: ignore[arg-type]  # a Deposit; object keeps the callers short
    return refused.value.facts


@pytest.mark.promise("M4")
def test_an_unspent_deposit_goes_back_in_full(till: Till) -> None:
    found = till.hear(till.begin(10, CARD._replace(fee=500_000)))
    asked = till.ask_back(found)
    assert (asked.state, asked.amount, till.dollars) == ("approved", 10_500_000, (0, 10, 0, 0))
    (claimed,) = till.claimed()
    till.confirm(claimed)
    assert (till.look(found).state, till.refund(found).state, till.dollars) == (
        "refunded",
        "sent",
        (0, 0, 0, 0),
    )
    till.shop.assert_books_are_true()


@pytest.mark.promise("M4")
def test_the_newer_of_two_goes_back_while_the_older_is_spent(till: Till, shop: Shop) -> None:
    older, newer = till.paid(10), till.paid(10)
    order = shop.place(till.who, "telegram")
    shop.sms(order.e164, "Telegram code: 48291", "Telegram")
    assert barred(till, older) == {"reason": "spent", "order": order.id}
    assert till.ask_back(newer).state == "approved"
    shop.assert_books_are_true()


@pytest.mark.promise("M4")
@pytest.mark.attack(19)
def test_a_hold_that_is_still_pending_blocks_and_one_that_was_released_does_not(
    till: Till, shop: Shop
) -> None:
    found = till.paid(10)
    order = shop.place(till.who, "telegram")
    assert barred(till, found) == {"reason": "spent", "order": order.id}
    shop.outlive()
    assert till.ask_back(found).state == "approved"


@pytest.mark.promise("M4")
@pytest.mark.attack(20)
def test_after_fourteen_days_to_the_second_it_is_too_late(till: Till) -> None:
    last, late = till.paid(10), till.paid(10)
    till.shop.clock.advance(14 * DAY)
    assert till.ask_back(last).state == "approved"
    till.shop.clock.advance(1)
    assert barred(till, late)["reason"] == "age"


@pytest.mark.attack(20)
@pytest.mark.parametrize(
    "came_at",
    [
        datetime(2026, 3, 20, 9, 30, tzinfo=ZoneInfo("Europe/Berlin")),  # summer time begins meanwhile
        datetime(2026, 10, 20, 9, 30, tzinfo=ZoneInfo("America/New_York")),  # and ends
        datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2024, 2, 20, tzinfo=UTC),  # a day more in February
    ],
)
def test_fourteen_days_are_so_many_seconds_whatever_the_calendar_says(till: Till, came_at: datetime) -> None:
    """The boundary is 14 times 24 hours after the money came, in UTC, to the microsecond: no clock on a wall has a say, and a day
    in that time may have 23 or 25 hours. The last instant is in, the next one is out."""
    clock, found = till.shop.clock, till.paid(10)
    till.shop.run("update deposits set credited_at = %(at)s where id = %(id)s", at=came_at, id=found.id)
    until = came_at.astimezone(UTC) + timedelta(seconds=14 * DAY)
    clock.advance((until - clock.now()).total_seconds() + 0.000001)
    assert clock.now() - until == timedelta(microseconds=1)
    assert barred(till, found)["reason"] == "age"
    clock.advance(-0.000001)
    assert till.ask_back(found).state == "approved"


@pytest.mark.attack(20)
def test_a_leap_second_in_the_databases_clock_is_the_second_after(till: Till) -> None:
    """PostgreSQL reads 23:59:60 as the midnight that follows, so the fourteen days end at a midnight."""
    found = till.paid(10)
    till.shop.run("update deposits set credited_at = '2016-12-31 23:59:60+00' where id = %(id)s", id=found.id)
    until = datetime(2017, 1, 15, tzinfo=UTC)
    till.shop.clock.advance((until - till.shop.clock.now()).total_seconds() + 1)
    assert barred(till, found)["reason"] == "age"
    till.shop.clock.advance(-1)
    assert till.ask_back(found).state == "approved"


@pytest.mark.attack(18)
@pytest.mark.parametrize(("older", "goes_back"), [(PRICE, True), (PRICE - 1, False)])
def test_one_micro_unit_of_a_deposit_that_was_spent_is_enough_to_keep_it(
    till: Till, shop: Shop, older: int, goes_back: bool
) -> None:
    with shop.db.transaction() as tx:
        commands.give(tx, till.who.side, older, "sandbox", shop.clock.now())
    newer = till.paid(10)
    order = shop.place(till.who, "telegram")
    shop.sms(order.e164, "Telegram code: 48291", "Telegram")
    if goes_back:
        assert till.ask_back(newer).state == "approved"
    else:
        assert barred(till, newer) == {"reason": "spent", "order": order.id}
    shop.assert_books_are_true()


@pytest.mark.promise("M5")
def test_crypto_whose_origin_nobody_knows_does_not_go_back(till: Till) -> None:
    known, unknown = till.hear(till.begin(10, COIN)), till.hear(till.begin(10, COIN), origin=None)
    assert barred(till, unknown)["reason"] == "origin"
    assert till.ask_back(known).state == "approved"


def test_what_was_said_before_the_payment_holds(till: Till) -> None:
    assert barred(till, till.paid(10, NO_WAY_BACK))["reason"] == "method"


def test_a_deposit_that_never_came_does_not_go_back(till: Till) -> None:
    assert barred(till, till.begin(10))["reason"] == "state"


def test_somebody_elses_deposit_is_not_found(till: Till, shop: Shop) -> None:
    charlie = Till(shop, shop.customer(CHARLIE, balance=0))
    with pytest.raises(NotFound):
        charlie.ask_back(till.paid(10))


@pytest.mark.attack(49)
def test_the_bonus_goes_back_to_the_house_and_must_be_unspent(till: Till, shop: Shop) -> None:
    found = till.hear(till.begin(10, CARD._replace(bonus_ppm=100_000)))
    order = shop.place(till.who, "telegram")
    assert barred(till, found)["reason"] == "spent"
    shop.outlive()
    assert order is not None
    till.ask_back(found)
    assert till.dollars == (0, 10, 0, 0)
    shop.assert_books_are_true()


def test_asked_twenty_times_at_once_it_goes_back_once(till: Till) -> None:
    found = till.paid(10)
    with ThreadPoolExecutor(8) as pool:
        asked = {one.id for one in pool.map(lambda _: till.ask_back(found), range(20))}
    assert (len(asked), till.dollars) == (1, (0, 10, 0, 0))


def test_a_refund_and_an_order_never_both_have_the_money(till: Till, shop: Shop) -> None:
    """Whichever comes first wins, every time."""
    for _ in range(20):
        found, gate = till.paid(10), Barrier(2)

        def back(found: object = found, gate: Barrier = gate) -> bool:
            gate.wait()
            try:
                till.ask_back(found)  # type: ignore[arg-type]  # bound early, as the loop needs
            except DepositNotRefundable:
                return False
            return True

        def buy(gate: Barrier = gate) -> bool:
            gate.wait()
            try:
                shop.place(till.who, "telegram")
            except InsufficientBalance:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            outcomes = pool.submit(back), pool.submit(buy)
            assert sorted(one.result() for one in outcomes) == [False, True]
        shop.assert_books_are_true()
        shop.outlive()
        if till.look(found).state == "credited":
            till.ask_back(found)


def test_what_the_processor_will_not_send_is_available_again(till: Till) -> None:
    found = till.paid(10)
    till.ask_back(found)
    (claimed,) = till.claimed()
    till.undo(claimed)
    assert (till.look(found).state, till.dollars, till.exceptions()) == (
        "credited",
        (10, 0, 0, 0),
        ["refund_undone"],
    )
    assert till.ask_back(found).id != claimed.id
    till.shop.assert_books_are_true()


def test_what_comes_back_days_after_it_was_sent_is_available_again(till: Till) -> None:
    found = till.hear(till.begin(10, CARD._replace(fee=500_000, bonus_ppm=100_000)))
    till.ask_back(found)
    (claimed,) = till.claimed()
    till.confirm(claimed)
    till.shop.clock.advance(3 * DAY)
    till.undo(claimed)
    assert (till.look(found).state, till.dollars) == ("credited", (11, 0, 0, 0))
    till.shop.assert_books_are_true()


def test_words_about_a_refund_may_come_twice_and_late(till: Till) -> None:
    found = till.paid(10)
    till.ask_back(found)
    (claimed,) = till.claimed()
    for _ in range(3):
        till.confirm(claimed)
    for _ in range(3):
        till.undo(claimed)
    till.confirm(claimed)
    assert till.dollars == (10, 0, 0, 0)
    till.shop.assert_books_are_true()


def test_a_refund_is_claimed_by_one_worker_at_a_time(till: Till) -> None:
    till.ask_back(till.paid(10))
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: till.claimed(), range(4)))
    assert sum(len(one) for one in claims) == 1


def test_a_large_refund_needs_two_others(till: Till) -> None:
    found = till.paid(10)
    asked = till.ask_back(found, approvals=2, asked_by="olga")
    assert (asked.state, till.claimed()) == ("asked", [])
    with till.shop.db.transaction() as tx, pytest.raises(InvalidInput, match="another person"):
        refunds.approve(tx, asked.id, "olga", till.shop.clock.now(), approvals=2)
    for staff, state in (("nina", "asked"), ("omar", "approved")):
        with till.shop.db.transaction() as tx:
            assert refunds.approve(tx, asked.id, staff, till.shop.clock.now(), approvals=2).state == state
    assert [one.id for one in till.claimed()] == [asked.id]


def test_a_refund_that_is_declined_leaves_the_money_here(till: Till) -> None:
    found = till.paid(10)
    asked = till.ask_back(found, approvals=1)
    with till.shop.db.transaction() as tx:
        declined = refunds.decline(tx, asked.id, "olga", "asked for by mistake", till.shop.clock.now())
    assert (declined.state, declined.reason, till.dollars) == (
        "refused",
        "asked for by mistake",
        (10, 0, 0, 0),
    )
    assert till.shop.value("select declined_by from deposit_refunds") == "olga"
    till.shop.assert_books_are_true()


def test_what_may_have_been_sent_cannot_be_declined(till: Till) -> None:
    asked = till.ask_back(till.paid(10))
    till.claimed()
    with till.shop.db.transaction() as tx, pytest.raises(InvalidInput, match="sending"):
        refunds.decline(tx, asked.id, "olga", "too late", till.shop.clock.now())
