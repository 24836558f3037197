"""A batch: made by one person, in force by the word of another, void when staff say so; the books say what is owed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from onceline.core.errors import InvalidInput, NotFound
from onceline.core.money import MICROS
from onceline.core.vouchers import commands, store
from onceline.core.vouchers.model import MOST_VALUE, MOST_VOUCHERS, Wanted, printed
from tests.core.vouchers.kiosk import ANN, BEN, Kiosk
from tests.personas import ALICE


def outcome(action: object) -> str:
    try:
        action()  # type: ignore[operator]  # a step of a race
    except (InvalidInput, NotFound) as refused:
        return type(refused).__name__
    return "done"


def test_a_batch_is_owed_from_the_moment_a_second_person_approves_it(kiosk: Kiosk) -> None:
    made = kiosk.draft(3, dollars=10)
    assert (kiosk.look(made).state, kiosk.owed()) == ("draft", 0)
    found = kiosk.approve(made)
    assert (found.state, found.created_by, found.approved_by, kiosk.owed()) == ("active", "ann", "ben", 30)
    kiosk.shop.assert_books_are_true()


def test_codes_are_kept_nowhere(kiosk: Kiosk) -> None:
    made = kiosk.draft(2)
    rows = kiosk.shop.rows(
        "select v::text as text from vouchers v union all select b::text from voucher_batches b"
    )
    stored = " ".join(row.text for row in rows).upper()
    assert len(rows) == 3
    for code in made.codes:
        assert code not in stored
        assert printed(code) not in stored
        assert code.encode().hex().upper() not in stored


@pytest.mark.parametrize("staff", ["Ann", " ann ", "ANN", "Ａnn"])
def test_nobody_approves_their_own_batch(kiosk: Kiosk, staff: str) -> None:
    made = kiosk.draft()
    with pytest.raises(InvalidInput, match="another person"):
        kiosk.approve(made, staff)
    assert (kiosk.look(made).state, kiosk.owed()) == ("draft", 0)


def test_the_table_itself_refuses_one_person_twice(kiosk: Kiosk) -> None:
    made = kiosk.draft()
    with pytest.raises(psycopg.errors.CheckViolation):
        kiosk.shop.run(
            "update voucher_batches set state = 'active', approved_by = created_by, approved_at = created_at"
        )
    assert kiosk.look(made).state == "draft"


def test_a_batch_is_approved_once_however_many_say_so(kiosk: Kiosk) -> None:
    made = kiosk.draft(5)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: outcome(lambda: kiosk.approve(made)), range(16)))
    assert sorted(outcomes) == ["InvalidInput"] * 15 + ["done"]
    assert kiosk.owed() == 50
    kiosk.shop.assert_books_are_true()


def test_a_void_batch_is_owed_no_more(kiosk: Kiosk) -> None:
    made = kiosk.draft(3)
    kiosk.approve(made)
    kiosk.try_code(kiosk.shop.customer(ALICE, balance=0), made.codes[0])
    assert kiosk.void(made) == 2
    assert (kiosk.look(made).state, kiosk.owed()) == ("void", 0)
    kiosk.shop.assert_books_are_true()


def test_a_single_voucher_is_made_void(kiosk: Kiosk) -> None:
    made = kiosk.draft(3)
    kiosk.approve(made)
    assert kiosk.void(made, 2) == 1
    assert (kiosk.look(made).state, kiosk.owed()) == ("active", 20)
    kiosk.shop.assert_books_are_true()


def test_a_redeemed_voucher_cannot_be_made_void(kiosk: Kiosk) -> None:
    made, alice = kiosk.draft(2), kiosk.shop.customer(ALICE, balance=0)
    kiosk.approve(made)
    kiosk.try_code(alice, made.codes[0])
    with pytest.raises(InvalidInput, match="redeemed"):
        kiosk.void(made, 1)
    assert (kiosk.dollars(alice), kiosk.owed()) == (10, 10)


@pytest.mark.parametrize("number", [0, 3, 2**31 - 1])
def test_a_number_that_is_not_there_is_refused(kiosk: Kiosk, number: int) -> None:
    made = kiosk.draft(2)
    kiosk.approve(made)
    with pytest.raises(InvalidInput, match="not there"):
        kiosk.void(made, number)


def test_a_draft_is_made_void_as_a_whole_and_nothing_is_booked(kiosk: Kiosk) -> None:
    made = kiosk.draft(2)
    with pytest.raises(InvalidInput, match="draft"):
        kiosk.void(made, 1)
    assert kiosk.void(made) == 2
    with pytest.raises(InvalidInput, match="void"):
        kiosk.approve(made)
    assert kiosk.owed() == 0
    kiosk.shop.assert_books_are_true()


def test_what_is_void_stays_void(kiosk: Kiosk) -> None:
    made = kiosk.draft()
    kiosk.void(made)
    with pytest.raises(InvalidInput, match="void"):
        kiosk.void(made)


def test_a_batch_is_approved_or_void_never_half_of_both(kiosk: Kiosk) -> None:
    for _ in range(10):
        made = kiosk.draft(3)
        with ThreadPoolExecutor(2) as pool:
            yes = pool.submit(outcome, lambda made=made: kiosk.approve(made))
            no = pool.submit(outcome, lambda made=made: kiosk.void(made))
            assert (yes.result() in ("done", "InvalidInput"), no.result()) == (True, "done")
        assert kiosk.owed() == 0
        kiosk.shop.assert_books_are_true()


def test_vouchers_that_expired_are_not_put_in_force(kiosk: Kiosk) -> None:
    made = kiosk.draft(days=1)
    kiosk.shop.pass_time(86_400)
    with pytest.raises(InvalidInput, match="expired"):
        kiosk.approve(made)


def test_expired_vouchers_are_owed_until_they_are_made_void(kiosk: Kiosk) -> None:
    made = kiosk.draft(2, days=1)
    kiosk.approve(made)
    kiosk.shop.pass_time(86_400)
    assert kiosk.owed() == 20
    kiosk.void(made)
    assert kiosk.owed() == 0


def test_live_and_test_vouchers_have_books_of_their_own(kiosk: Kiosk) -> None:
    kiosk.codes(1, 10)
    kiosk.codes(1, 7, mode="live")
    assert (kiosk.owed("test"), kiosk.owed("live")) == (10, 7)
    kiosk.shop.assert_books_are_true()


@pytest.mark.parametrize(
    "wrong",
    [
        {"face_value": 0}, {"face_value": -MICROS}, {"face_value": MICROS // 2}, {"face_value": MICROS + 1},
        {"face_value": MOST_VALUE + 10_000}, {"face_value": 2**63}, {"size": 0}, {"size": -1},
        {"size": MOST_VOUCHERS + 1}, {"issuer": ""}, {"issuer": " \n "}, {"issuer": "x" * 81}, {"issuer": "a\x00b"},
    ],
)  # fmt: skip
def test_a_batch_that_makes_no_sense_is_refused(kiosk: Kiosk, wrong: dict[str, object]) -> None:
    wanted = Wanted("test", "Corner shop", 10 * MICROS, 1)._replace(**wrong)  # type: ignore[arg-type]  # that is the point
    with kiosk.shop.db.transaction() as tx, pytest.raises(InvalidInput):
        commands.create(tx, kiosk.secret, wanted, ANN, kiosk.shop.clock.now())


def test_a_batch_cannot_expire_before_it_is_made(kiosk: Kiosk) -> None:
    wanted = Wanted("test", "Corner shop", 10 * MICROS, 1, kiosk.shop.clock.now())
    with kiosk.shop.db.transaction() as tx, pytest.raises(InvalidInput, match="expire"):
        commands.create(tx, kiosk.secret, wanted, ANN, kiosk.shop.clock.now())


@pytest.mark.parametrize("staff", ["", " ", "x" * 81, "a\x07b"])
def test_staff_have_names(kiosk: Kiosk, staff: str) -> None:
    wanted = Wanted("test", "Corner shop", 10 * MICROS, 1)
    with kiosk.shop.db.transaction() as tx, pytest.raises(InvalidInput, match="name of staff"):
        commands.create(tx, kiosk.secret, wanted, staff, kiosk.shop.clock.now())


def test_an_unknown_batch_is_not_found(kiosk: Kiosk) -> None:
    made = kiosk.draft()._replace(batch="vbt_aaaaaaaaaaaaaaaa")
    for action in (lambda: kiosk.approve(made), lambda: kiosk.void(made), lambda: kiosk.void(made, 1)):
        with pytest.raises(NotFound):
            action()


def test_batches_and_their_vouchers_are_listed_page_by_page(kiosk: Kiosk) -> None:
    alice, batches = kiosk.shop.customer(ALICE, balance=0), []
    for _ in range(3):
        batches.append(kiosk.draft(3))
        kiosk.shop.clock.advance(1)
    kiosk.approve(batches[0])
    redeemed = kiosk.try_code(alice, batches[0].codes[1])
    kiosk.void(batches[0], 3, BEN)
    with kiosk.shop.db.transaction() as tx:
        first = store.batches(tx, before=None, limit=2)
        second = store.batches(tx, before=str(first.next), limit=2)
        vouchers = store.vouchers(tx, batches[0].batch, after=0, limit=2)
        rest = store.vouchers(tx, batches[0].batch, after=int(vouchers.next or 0), limit=2)
    assert [row.id for row in [*first.rows, *second.rows]] == [one.batch for one in reversed(batches)]
    assert ([(row.redeemed, row.void) for row in second.rows], second.next) == ([(1, 1)], None)
    assert [row.redeemed_deposit for row in vouchers.rows] == [None, redeemed.deposit]
    assert ([(row.number, row.voided_by) for row in rest.rows], rest.next) == ([(3, "ben")], None)


def test_ten_thousand_vouchers_are_one_batch(kiosk: Kiosk) -> None:
    made = kiosk.draft(MOST_VOUCHERS, dollars=1)
    kiosk.approve(made)
    assert kiosk.owed() == MOST_VOUCHERS
    assert kiosk.void(made) == MOST_VOUCHERS
    assert kiosk.owed() == 0
