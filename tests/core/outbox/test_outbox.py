"""Events are numbered without a gap, and a reader knows when its cursor has fallen off the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onceline.core.money import MICROS
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Draft, Horizon
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
        return [row.seq for row in outbox.after(tx, who.side, after, limit)]


def horizon(shop: Shop, who: Customer) -> Horizon:
    with shop.db.transaction() as tx:
        return outbox.horizon(tx, who.side)


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
        assert outbox.newest(tx, [alice.side, charlie.side]) == {alice.side: 1, charlie.side: 0}


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


@pytest.mark.parametrize(
    ("seq", "oldest", "after", "covered"),
    [
        (5, 3, 5, True), (5, 3, 2, True), (5, 3, 4, True), (5, 3, 1, False), (5, 3, 6, False), (0, None, 0, True),
        (5, None, 5, True), (5, None, 4, False),
    ],
)  # fmt: skip
def test_a_horizon_covers_what_can_be_read_without_a_gap(
    seq: int, oldest: int | None, after: int, covered: bool
) -> None:
    assert Horizon(seq, oldest, "epoch").covers(after) is covered


def test_old_events_are_forgotten_and_the_horizon_says_so(shop: Shop) -> None:
    alice = shop.customer(ALICE, balance=0)
    add(shop, alice, "old", "old")
    shop.pass_time(3600)
    add(shop, alice, "young")
    with shop.db.transaction() as tx:
        assert outbox.prune(tx, shop.clock.now() - timedelta(seconds=60), limit=1) == 1
        assert outbox.prune(tx, shop.clock.now() - timedelta(seconds=60), limit=10) == 1
    found = horizon(shop, alice)
    assert (found.seq, found.oldest) == (3, 3)
    assert found.covers(2)
    assert not found.covers(1)
