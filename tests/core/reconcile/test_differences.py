"""What they say against what we say, as pure figures: each difference has one code and one name, and nothing else has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onceline.core.reconcile.model import (
    AMOUNT,
    CURRENCY,
    NOT_OURS,
    NOT_THEIRS,
    Difference,
    Ours,
    Theirs,
    differences,
)

PAID = Theirs("payment", "pi_1", "dep_1", 10, "USD")
OURS = Ours("dep_1", "payment", 10, True)


def codes(theirs: list[Theirs], ours: list[Ours]) -> list[tuple[str, str]]:
    return [(one.code, one.object_id) for one in differences(theirs, ours, "USD")]


def test_what_agrees_is_no_difference() -> None:
    assert differences([PAID], [OURS], "USD") == []


def test_what_they_have_and_we_have_not_is_named_by_them() -> None:
    stranger = PAID._replace(deposit=None)
    assert differences([stranger], [], "USD") == [Difference(NOT_OURS, "payment:pi_1", None, 10, "USD")]


def test_a_payment_of_a_deposit_that_was_not_credited_is_named_by_the_deposit() -> None:
    assert differences([PAID], [], "USD") == [Difference(NOT_OURS, "payment:dep_1", "dep_1", 10, "USD")]


def test_what_we_have_and_they_have_not_is_said_with_our_figure() -> None:
    assert differences([], [OURS], "USD") == [Difference(NOT_THEIRS, "payment:dep_1", "dep_1", 10, "USD")]


def test_another_amount_is_said_with_theirs() -> None:
    assert differences([PAID._replace(amount=9)], [OURS], "USD") == [
        Difference(AMOUNT, "payment:dep_1", "dep_1", 9, "USD")
    ]


def test_a_deposit_that_was_paid_twice_is_one_difference() -> None:
    assert differences([PAID, PAID._replace(object_id="pi_2")], [OURS], "USD") == [
        Difference(AMOUNT, "payment:dep_1", "dep_1", 20, "USD")
    ]


def test_a_payment_of_which_they_cannot_say_the_amount_is_seen() -> None:
    unsaid = PAID._replace(amount=0)
    assert codes([unsaid], [OURS]) == [(AMOUNT, "payment:dep_1")]
    assert codes([unsaid], []) == [(NOT_OURS, "payment:dep_1")]


def test_a_refund_that_came_back_to_them_is_as_if_it_had_never_left() -> None:
    sent = Theirs("refund", "re_1", "dep_1", -10, "USD")
    assert codes([sent, sent._replace(amount=10)], []) == []
    assert codes([sent, sent._replace(amount=10)], [Ours("dep_1", "refund", -10, True)]) == [
        (NOT_THEIRS, "refund:dep_1")
    ]


def test_what_is_under_way_may_be_there_or_not() -> None:
    sending = Ours("dep_1", "refund", -10, False)
    assert codes([], [sending]) == []
    assert codes([Theirs("refund", "re_1", "dep_1", -10, "USD")], [sending]) == []
    assert codes([Theirs("refund", "re_1", "dep_1", -9, "USD")], [sending]) == [(AMOUNT, "refund:dep_1")]


@pytest.mark.attack(37)
def test_another_currency_is_never_counted() -> None:
    euros = PAID._replace(currency="EUR")
    assert codes([euros], [OURS]) == [(CURRENCY, "payment:pi_1"), (NOT_THEIRS, "payment:dep_1")]


lines = st.lists(
    st.builds(
        Theirs,
        st.sampled_from(("payment", "refund", "dispute")),
        st.sampled_from(("a", "b")),
        st.sampled_from((None, "dep_1", "dep_2")),
        st.integers(-3, 3).filter(bool),
        st.just("USD"),
    ),
    max_size=8,
)
entries = st.lists(
    st.builds(
        Ours,
        st.sampled_from(("dep_1", "dep_2")),
        st.sampled_from(("payment", "refund", "dispute")),
        st.integers(-3, 3).filter(bool),
        st.just(True),
    ),
    max_size=6,
)


@given(lines, entries)
def test_nothing_is_listed_exactly_when_every_sum_agrees(theirs: list[Theirs], ours: list[Ours]) -> None:
    """A naive model: sums per deposit and kind, and of what belongs to no deposit by its own name."""
    found = differences(theirs, ours, "USD")
    places = {(one.deposit, one.kind, one.deposit or one.object_id) for one in theirs}
    places |= {(one.deposit, one.kind, one.deposit) for one in ours}
    wrong = set()
    for deposit, kind, name in places:
        said = [
            one.amount
            for one in theirs
            if (one.deposit, one.kind) == (deposit, kind) and (one.deposit or one.object_id) == name
        ]
        have = sum(one.amount for one in ours if (one.deposit, one.kind) == (deposit, kind))
        is_unsaid = kind == "payment" and bool(said) and sum(said) == 0
        if sum(said) != have or is_unsaid:
            wrong.add(f"{kind}:{name}")
    assert sorted(one.object_id for one in found) == sorted(wrong)


@given(lines, entries, st.randoms())
def test_the_order_of_the_lines_is_no_matter(
    theirs: list[Theirs], ours: list[Ours], chance: st.DataObject
) -> None:
    shuffled = list(theirs)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random, as hypothesis draws it
    assert differences(shuffled, ours, "USD") == differences(theirs, ours, "USD")
