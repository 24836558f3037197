"""A day's report of a processor against deposits, refunds and disputes: what does not fit is listed, nothing is credited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from onceline.core.deposits import disputes
from onceline.core.deposits.model import Dispute, Stage
from onceline.core.money import MICROS
from tests.core.deposits.till import Till
from tests.core.reconcile.desk import DAY_S, Desk, reported
from tests.personas import ALICE
from tests.shop import Shop


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop, shop.customer(ALICE, balance=0))


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop)


def test_a_day_that_agrees_lists_nothing_and_the_account_is_what_they_report(till: Till, desk: Desk) -> None:
    desk.paid(till.paid(10), 10, fee=0.59)
    desk.paid(till.paid(20), 20, fee=0.88)
    assert desk.compare().differences == []
    assert desk.listed() == []
    assert -desk.account("stripe") == pytest.approx(reported(desk)) == pytest.approx(28.53)
    assert -desk.account("fees:stripe") == pytest.approx(1.47)
    till.shop.assert_books_are_true()


def test_fees_are_booked_once_however_often_a_day_is_compared(till: Till, desk: Desk) -> None:
    desk.paid(till.paid(), fee=0.59)
    assert [desk.compare().fees for _ in range(3)] == [590_000, 0, 0]
    desk.says("fee", "txn_late", -0.01)
    assert desk.compare().fees == 10_000
    desk.lines.pop()
    assert desk.compare().fees == -10_000
    assert -desk.account("fees:stripe") == pytest.approx(0.59)
    assert -desk.account("stripe") == pytest.approx(reported(desk))


def test_two_workers_at_once_book_the_fees_once(till: Till, desk: Desk) -> None:
    desk.paid(till.paid(), fee=0.59)
    with ThreadPoolExecutor(3) as threads:
        booked = [one.result().fees for one in [threads.submit(desk.compare) for _ in range(3)]]
    assert sorted(booked) == [0, 0, 590_000]
    assert desk.shop.value("select count(*) from transfers where kind = 'processor_fee'") == 1


def test_a_payment_that_we_missed_is_listed_and_not_credited(till: Till, desk: Desk) -> None:
    begun = till.begin()
    desk.paid(begun)
    desk.says("payment", "pi_stranger", 5)
    desk.compare()
    assert desk.listed() == [
        ("report_not_ours", f"payment:{begun.id}"),
        ("report_not_ours", "payment:pi_stranger"),
    ]
    assert till.dollars == (0, 0, 0, 0)


def test_a_credit_that_they_know_nothing_of_is_listed(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.compare()
    assert desk.listed() == [("report_not_theirs", f"payment:{paid.id}")]
    assert till.dollars == (10, 0, 0, 0)


def test_another_amount_is_listed_with_theirs(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid, 9.5)
    desk.compare()
    assert desk.listed() == [("report_amount", f"payment:{paid.id}")]
    assert desk.shop.value("select amount from payment_exceptions where code = 'report_amount'") == 9_500_000


@pytest.mark.attack(37)
def test_another_currency_is_listed_and_its_fee_not_booked(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    desk.says("payment", "pi_euro", 10, currency="EUR")
    desk.says("fee", "txn_euro", -1, currency="EUR")
    assert desk.compare().fees == 0
    assert desk.listed() == [("report_currency", "fee:txn_euro"), ("report_currency", "payment:pi_euro")]


def test_a_refund_and_its_return_agree_with_their_report(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    asked = till.ask_back(paid)
    till.claimed()
    till.confirm(asked)
    desk.says("refund", "re_1", -10)
    assert desk.compare().differences == []
    assert desk.account("stripe") == reported(desk) == 0
    desk.sleep()
    till.undo(asked)
    desk.says("refund", "re_1", 10)
    assert desk.compare().differences == []
    assert -desk.account("stripe") == reported(desk) == 10


def test_a_refund_that_they_never_sent_is_listed(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    asked = till.ask_back(paid)
    till.claimed()
    till.confirm(asked)
    desk.compare()
    assert desk.listed() == [("report_not_theirs", f"refund:{paid.id}")]


def test_a_refund_that_nobody_here_asked_for_is_listed(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    desk.says("refund", "re_stolen", -10, paid.id)
    desk.compare()
    assert desk.listed() == [("report_not_ours", f"refund:{paid.id}")]
    assert till.dollars == (10, 0, 0, 0)


def test_a_refund_on_its_way_may_be_in_the_report_or_not(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    till.ask_back(paid)
    till.claimed()
    assert desk.compare().differences == []
    desk.says("refund", "re_1", -10, paid.id)
    assert desk.compare().differences == []


def test_a_dispute_agrees_when_it_opens_and_when_it_ends(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    till.dispute(paid)
    desk.says("dispute", "dp_1", -10)
    desk.says("fee", "dp_1", -15)
    assert desk.compare().differences == []
    desk.sleep()
    till.dispute(paid, Stage.WON)
    desk.says("dispute", "dp_1", 10)
    assert desk.compare().differences == []
    assert -desk.account("stripe") == reported(desk) == -5


def test_a_dispute_that_we_did_not_hear_of_is_listed_until_we_do(till: Till, desk: Desk) -> None:
    paid = till.paid()
    desk.paid(paid)
    desk.says("dispute", "dp_1", -10)
    desk.compare()
    assert desk.listed() == [("report_not_ours", "dispute:dp_1")]
    said = Dispute("dp_1", str(paid.payment_id), 10 * MICROS, "USD", Stage.OPEN)
    with till.shop.db.transaction() as tx:
        disputes.hear(tx, paid.id, said, till.shop.clock.now())
    desk.sleep()
    desk.compare()
    assert desk.listed() == []


def test_a_difference_goes_by_itself_when_it_is_gone(till: Till, desk: Desk) -> None:
    begun = till.begin()
    desk.paid(begun)
    desk.compare()
    assert desk.listed() != []
    desk.sleep()
    till.hear(begun)
    desk.compare()
    assert desk.listed() == []
    resolved = "select resolved_by from payment_exceptions where code = 'report_not_ours'"
    assert desk.shop.value(resolved) == "reconciliation"


def test_a_difference_that_comes_back_is_listed_again(till: Till, desk: Desk) -> None:
    desk.says("payment", "pi_stranger", 5)
    desk.compare()
    gone = desk.lines.pop()
    desk.compare()
    assert desk.listed() == []
    desk.lines.append(gone)
    desk.compare()
    assert desk.listed() == [("report_not_ours", "payment:pi_stranger")]


def test_what_staff_resolved_stays_resolved_while_it_is_the_same(till: Till, desk: Desk) -> None:
    desk.says("payment", "pi_stranger", 5)
    desk.compare()
    desk.shop.run("update payment_exceptions set resolved_at = first_at, resolved_by = 'ann'")
    desk.compare()
    assert desk.listed() == []
    desk.says("payment", "pi_stranger", 5)
    desk.compare()
    assert desk.listed() == [("report_not_ours", "payment:pi_stranger")]


def test_the_same_day_again_says_the_same_once(till: Till, desk: Desk) -> None:
    desk.says("payment", "pi_stranger", 5)
    for _ in range(3):
        desk.compare()
    assert desk.shop.rows("select object_id, times from payment_exceptions") == [("payment:pi_stranger", 1)]
    assert desk.shop.value("select count(*) from report_lines") == 1


def test_what_they_booked_before_midnight_and_we_after_it_is_no_difference(till: Till, desk: Desk) -> None:
    begun = till.begin()
    desk.paid(begun)
    yesterday = desk.today
    desk.sleep()
    till.hear(begun)
    assert desk.compare(yesterday).differences == []
    assert desk.compare().differences == []
    assert desk.listed() == []


def test_what_was_begun_before_the_first_report_need_not_be_in_one(till: Till, desk: Desk) -> None:
    begun = till.begin()
    desk.sleep()
    till.hear(begun)
    assert desk.compare().differences == []


def test_what_went_to_the_bank_of_the_house_is_kept_apart(till: Till, desk: Desk) -> None:
    desk.paid(till.paid())
    desk.says("other", "po_1", -9)
    assert desk.compare().differences == []
    assert desk.shop.rows("select lines, fees, others from reports") == [(2, 0, -9_000_000)]


def test_days_are_compared_one_after_the_other_and_none_before_it_has_settled(desk: Desk) -> None:
    made_at = desk.shop.clock.now()
    assert desk.next_day(made_at) is None
    first = desk.today
    desk.shop.pass_time(3 * DAY_S)
    assert desk.next_day(made_at) == first
    for _ in range(2):
        desk.compare(desk.next_day(made_at))
    assert desk.next_day(made_at) == first + timedelta(days=2)
    desk.compare(desk.next_day(made_at))
    assert desk.next_day(made_at) is None


@pytest.mark.attack(45)
def test_after_yesterdays_backup_every_gap_is_listed_and_nothing_credited_twice(
    till: Till, desk: Desk
) -> None:
    """What happened since the backup is gone here, and stays true at the processor."""
    kept = till.paid()
    desk.paid(kept, fee=0.5)
    waiting = till.begin()
    desk.compare()
    desk.sleep()
    snapshot = _counts(desk.shop)
    # Since the backup: one deposit was begun and paid, one that waited was paid, one went back.
    lost = till.begin()
    desk.paid(lost)
    desk.paid(waiting, fee=0.5)
    desk.says("refund", "re_1", -10, kept.id)
    desk.shop.run("delete from openings where deposit_id = %(id)s", id=lost.id)
    desk.shop.run("delete from deposits where id = %(id)s", id=lost.id)
    assert _counts(desk.shop) == snapshot
    for _ in range(2):
        desk.compare()
        assert desk.listed() == [
            ("report_not_ours", f"payment:{waiting.id}"),
            ("report_not_ours", f"payment:pi_{lost.id}"),
            ("report_not_ours", f"refund:{kept.id}"),
        ]
        assert till.dollars == (10, 0, 0, 0)
    till.hear(
        waiting
    )  # as the worker asks for what is awaited: credited once, however often the report says it
    till.hear(waiting)
    assert till.dollars == (20, 0, 0, 0)
    desk.compare()
    assert desk.listed() == [
        ("report_not_ours", f"payment:pi_{lost.id}"),
        ("report_not_ours", f"refund:{kept.id}"),
    ]
    assert -desk.account("fees:stripe") == 1
    till.shop.assert_books_are_true()


def _counts(shop: Shop) -> list[object]:
    return [shop.value(f"select count(*) from {table}") for table in ("deposits", "transfers", "events")]
