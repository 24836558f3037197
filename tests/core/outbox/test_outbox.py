"""Events are numbered without a gap, and a reader knows when its cursor has fallen off the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onceline.core.money import MICROS
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import LEAP, Draft, Page, Stand
from tests.personas import ALICE, CHARLIE
from tests.shop import Customer, Shop


def add(shop: Shop, who: Customer, *types: str) -> None:
    """As commands do: the numbers come from the side's row, in the same transaction."""
    with shop.db.transaction() as tx:
        row = tx.one(
            "update sides set seq = seq + %(n)s where id = %(side)s returning seq",
            {"n": len(types), "side": who.side},
        )
        assert row is not None
        outbox.append(tx, who.side, row.seq, [Draft(one) for one in types], shop.clock.now())


def seqs(shop: Shop, who: Customer, after: int = 0, limit: int = 100) -> list[int]:
    with shop.db.transaction() as tx:
        return [row.seq for row in outbox.page(tx, who.side, after, limit).rows]


def page(shop: Shop, who: Customer, after: int, limit: int = 100) -> Page:
    with shop.db.transaction() as tx:
        return outbox.page(tx, who.side, after, limit)


def forget(shop: Shop, who: Customer, *seqs: int) -> None:
    shop.run(
        "delete from events where side_id = %(side)s and seq = any(%(seqs)s)", side=who.side, seqs=list(seqs)
    )


def test_events_are_numbered_without_a_gap(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, "one", "two")
    add(shop, alice, "three")
    assert seqs(shop, alice) == [1, 2, 3]
    assert shop.events(alice) == ["one", "two", "three"]


def test_a_reader_goes_on_after_its_cursor_one_page_at_a_time(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, "one", "two", "three")
    assert seqs(shop, alice, after=1, limit=1) == [2]
    assert seqs(shop, alice, after=3) == []


def test_a_stranger_reads_none_of_it(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE, balance=0), shop.customer(CHARLIE, balance=0)
    add(shop, alice, "one")
    assert seqs(shop, charlie) == []
    with shop.db.transaction() as tx:
        assert outbox.newest(tx, [alice.side, charlie.side]) == Stand(
            outbox.epoch(tx), {alice.side: 1, charlie.side: 0}
        )


def test_appending_wakes_the_side_after_the_commit(shop: Shop) -> None:
    heard: list[str] = []
    shop.db.bell.listen(heard.extend)
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, "one")
    assert outbox.wake_word(alice.side) in heard


def test_a_number_is_given_once(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=MICROS)
    with pytest.raises(Exception, match="duplicate key"), shop.db.transaction() as tx:
        outbox.append(tx, alice.side, 1, [Draft("again")], shop.clock.now())


@pytest.mark.parametrize("limit", [2, 100])
@pytest.mark.parametrize(
    ("gone", "after", "whole"),
    [
        ((1, 2), 5, True), ((1, 2), 2, True), ((1, 2), 4, True), ((1, 2), 1, False), ((1, 2), 6, False),
        ((), 0, True), ((1, 2, 3, 4, 5), 5, True), ((1, 2, 3, 4, 5), 4, False), ((4, 5), 3, False),
    ],
)  # fmt: skip
def test_a_page_is_whole_where_it_can_be_read_without_a_gap(
    shop: Shop, gone: tuple[int, ...], after: int, whole: bool, limit: int
) -> None:
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, *"12345")
    forget(shop, alice, *gone)
    found = page(shop, alice, after, limit)
    assert (found.seq, found.whole) == (5, whole)


def test_a_page_says_where_the_stream_of_a_silent_side_stands(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    with shop.db.transaction() as tx:
        assert page(shop, alice, 0) == (0, outbox.epoch(tx), [], True)


def test_a_new_epoch_gives_no_seq_and_no_event_id_again_and_covers_no_old_cursor(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, "one", "two")
    with shop.db.transaction() as tx:
        before = outbox.epoch(tx)
        after = outbox.new_epoch(tx)
    assert before != after == page(shop, alice, 2).epoch
    assert not page(shop, alice, 2).whole
    assert not page(shop, alice, 3).whole, "a seq of the history that was lost"
    add(shop, alice, "three")
    assert seqs(shop, alice, after=2 + LEAP) == [3 + LEAP]
    shop.assert_books_are_true()


def test_old_events_are_forgotten_and_the_page_says_so(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, "old", "old")
    shop.pass_time(3600)
    add(shop, alice, "young")
    with shop.db.transaction() as tx:
        assert outbox.prune(tx, shop.clock.now() - timedelta(seconds=60), limit=1) == 1
        assert outbox.prune(tx, shop.clock.now() - timedelta(seconds=60), limit=10) == 1
    assert [row.seq for row in page(shop, alice, 2).rows] == [3]
    assert page(shop, alice, 2).whole
    assert not page(shop, alice, 1).whole
