"""What several hands reach for at the same instant: two words of a processor, staff and the worker that sends, two workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from onceline.core.deposits import refunds
from onceline.core.errors import InvalidInput
from onceline.core.ledger import store as ledger
from tests.core.deposits.till import Till
from tests.edge.door import eventually

WAITING = (
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


def test_what_a_worker_takes_while_it_is_declined_is_never_both(till: Till) -> None:
    """Staff have read that it was not sent, and wait for the side's row; the worker takes it meanwhile."""
    found = till.paid(10)
    asked = till.ask_back(found)

    def decline() -> bool:
        with till.shop.db.transaction() as tx:
            try:
                refunds.decline(tx, asked.id, "olga", "by mistake", till.shop.clock.now())
            except InvalidInput:
                return False
        return True

    with ThreadPoolExecutor(1) as staff:
        with till.shop.db.transaction() as tx:
            ledger.lock(tx, till.who.side)
            declined = staff.submit(decline)
            eventually(lambda: till.shop.value(WAITING) == 1, 10)
            taken = bool(till.claimed())
        assert sorted([declined.result(), taken]) == [False, True]
    till.shop.assert_books_are_true()


def test_two_words_that_wait_for_the_same_side_are_one_credit(till: Till) -> None:
    begun = till.begin(10)
    with ThreadPoolExecutor(2) as workers:
        with till.shop.db.transaction() as tx:
            ledger.lock(tx, till.who.side)
            heard = [workers.submit(till.hear, begun) for _ in range(2)]
            eventually(lambda: till.shop.value(WAITING) == 2, 10)
        assert [one.result().state for one in heard] == ["credited"] * 2
    assert till.dollars == (10, 0, 0, 0)
    till.shop.assert_books_are_true()


def test_what_one_worker_claims_the_next_does_not_wait_for(till: Till) -> None:
    till.ask_back(till.paid(10))
    with ThreadPoolExecutor(1) as other, till.shop.db.transaction() as tx:
        mine = refunds.claim(tx, till.shop.clock.now(), 100)
        theirs = other.submit(till.claimed).result(10)
    assert (len(mine), theirs) == (1, [])
