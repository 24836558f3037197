"""The worker reads each processor's report of the day before, once, catches up in order, and says when it cannot."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from onceline.core.deposits.model import Terms
from onceline.payments.base import Entry, Processor, ProcessorAway
from onceline.payments.till import Till as Counter
from onceline.workers import reconcile
from onceline.workers.reconcile import Reporter
from tests.core.deposits.till import CARD, Till
from tests.core.reconcile.desk import DAY_S, Desk
from tests.personas import ALICE
from tests.shop import Shop

SANDBOX: Terms = CARD._replace(method="sandbox")


class Bank:
    """A processor of which only its report is asked."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.is_away = False
        self.asked: list[date] = []

    def report(self, since: datetime, until: datetime) -> list[Entry]:
        self.asked.append(since.date())
        if self.is_away:
            raise ProcessorAway("no answer")
        return [one for one in self.entries if since <= one.at < until]


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop)


def reporter(shop: Shop, bank: Bank | None) -> Reporter:
    """Of a processor that was made today."""
    processor: Processor | None = bank  # type: ignore[assignment]  # asked for its report alone
    return Reporter("stripe", "test", shop.clock.now(), processor)


def run(shop: Shop, one: Reporter) -> bool:
    return reconcile.reconcile(shop.db, one, "USD", shop.clock.now())


def test_the_day_before_is_compared_once_it_has_settled(shop: Shop, desk: Desk) -> None:
    paid = Till(shop, shop.customer(ALICE, balance=0)).paid()
    bank = Bank([Entry("payment", str(paid.payment_id), paid.id, 10_000_000, "USD", shop.clock.now())])
    one = reporter(shop, bank)
    shop.pass_time(12 * 3600)
    assert not run(shop, one)
    shop.pass_time(3 * 3600)
    assert [run(shop, one), run(shop, one)] == [True, False]
    assert bank.asked == [date(2026, 3, 1)]
    assert desk.listed() == []
    assert shop.value("select lines from reports") == 1


def test_days_that_could_not_be_read_are_caught_up_with_in_order(shop: Shop) -> None:
    bank = Bank([])
    one = reporter(shop, bank)
    bank.is_away = True
    shop.pass_time(4 * DAY_S)
    assert not run(shop, one)
    bank.is_away = False
    assert [run(shop, one) for _ in range(5)] == [True, True, True, True, False]
    assert bank.asked == [date(2026, 3, day) for day in (1, 1, 2, 3, 4)]


def test_a_report_that_stays_away_is_told_to_staff_once(shop: Shop, desk: Desk) -> None:
    one = reporter(shop, None)
    shop.pass_time(2 * DAY_S)
    assert not run(shop, one)
    assert desk.listed() == []
    shop.pass_time(2 * DAY_S)
    for _ in range(3):
        assert not run(shop, one)
    assert shop.rows("select code, object_id, times from payment_exceptions") == [
        ("report_late", "2026-03-01", 1)
    ]
    assert run(shop, one._replace(processor=reporter(shop, Bank([])).processor))
    assert desk.listed() == []


def test_a_report_that_no_table_can_hold_is_told_to_staff_and_books_nothing(shop: Shop, desk: Desk) -> None:
    when = shop.clock.now()
    fee = Entry("fee", "txn_1", None, -500_000, "USD", when)
    one = reporter(shop, Bank([fee, Entry("payment", "pi_\x00", None, 10_000_000, "USD", when)]))
    shop.pass_time(4 * DAY_S)
    assert not run(shop, one)
    assert desk.listed() == [("report_late", "2026-03-01")]
    assert shop.value("select count(*) from transfers") == 0


def test_the_sandbox_reports_what_was_paid_in_it(shop: Shop) -> None:
    """Through the registry, as the process runs it."""
    shop.run("update processors set made_at = %(at)s", at=shop.clock.now())
    who = shop.customer(ALICE, balance=0)
    counter = Counter(shop.db, shop.context, None)
    counter.begin(who.side, "sandbox", 10_000_000, "first", "https://shop.example/")
    shop.run(
        "update sandbox_payments set state = 'paid', paid = amount, paid_at = %(at)s", at=shop.clock.now()
    )
    shop.pass_time(15 * 3600)
    assert reconcile.reconcile_round(counter) == 1
    desk = Desk(shop, "sandbox")
    assert [code for code, _ in desk.listed()] == ["report_not_ours"]
    counter.ask(str(shop.value("select id from deposits where method = 'sandbox'")))
    shop.pass_time(DAY_S)
    assert reconcile.reconcile_round(counter) == 1
    assert desk.listed() == []


def test_a_processor_that_is_new_is_not_asked_for_what_was_before(shop: Shop) -> None:
    bank = Bank([])
    one = reporter(shop, bank)._replace(made_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert run(shop, one)
    assert bank.asked == [(shop.clock.now() - timedelta(days=30)).date()]
