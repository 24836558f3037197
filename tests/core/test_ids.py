"""Outside names: permuted, reversible by us alone, and silent about how many there are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.db import Database
from onceline.core.ids import OpaqueIds, random_id

IDS = OpaqueIds("msg_", b"a key of sixteen")
ROWS = st.integers(min_value=0, max_value=2**63 - 1)


@given(ROWS)
def test_a_public_id_leads_back_to_its_row(row: int) -> None:
    assert IDS.row(IDS.public(row)) == row


def test_neighbours_share_nothing_visible() -> None:
    one, two = IDS.public(1), IDS.public(2)
    assert one.startswith("msg_")
    assert sum(a == b for a, b in zip(one[4:], two[4:], strict=True)) < 8


def test_another_installation_writes_other_ids() -> None:
    assert OpaqueIds("msg_", b"another key 1234").public(1) != IDS.public(1)


@pytest.mark.parametrize(
    "text",
    ["", "msg_", "tr_0123456789abcdef", "msg_0123456789abcde", "msg_0123456789ABCDEF", "msg_-00000000000001f",
     "msg_0x0123456789abcd", "msg_ 123456789abcdef", "msg_0123_56789abcdef", "msg_０１２３４５６７８９abcdef", "msg_zzzzzzzzzzzzzzzz"],
)  # fmt: skip
def test_a_text_that_is_not_one_of_ours_is_no_row(text: str) -> None:
    assert IDS.row(text) is None


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading(text: str) -> None:
    row = IDS.row("msg_" + text)
    assert row is None or IDS.public(row) == "msg_" + text


def test_random_ids_have_a_prefix_and_do_not_repeat() -> None:
    made = {random_id("acc") for _ in range(1000)}
    assert len(made) == 1000
    assert all(one.startswith("acc_") and len(one) == 20 for one in made)


def test_order_ids_are_positive_integers_of_31_bits_and_never_meet(db: Database) -> None:
    with db.transaction() as tx:
        found = tx.one(
            "with made as (select order_id(n, 4611686018427387904 - 12345) as id from ("
            " select generate_series(1, 30000) as n"
            " union all select generate_series(2147470000, 2147483647)"
            " union all select generate_series(65000, 66000)) sample)"
            " select count(*) as n, count(distinct id) as kinds, min(id) as low, max(id) as high from made"
        )
    assert found is not None
    assert found.n == found.kinds
    assert found.low >= 1
    assert found.high <= 2**31 - 1


def test_order_ids_do_not_count_orders(db: Database) -> None:
    with db.transaction() as tx:
        ids = [row.id for row in tx.all("select order_id(n, 99) as id from generate_series(1, 200) n")]
    assert max(ids) > 2**29
    assert sum(abs(a - b) < 1000 for a, b in itertools.pairwise(ids)) < 5


def test_another_key_permutes_otherwise(db: Database) -> None:
    with db.transaction() as tx:
        row = tx.one("select order_id(1, 123456789) as one, order_id(1, 987654321987) as other")
    assert row is not None
    assert row.one != row.other
