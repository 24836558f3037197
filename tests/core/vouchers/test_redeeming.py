"""A voucher is redeemed once, by one account; who guesses learns nothing and is stopped."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from onceline.core.db import Database
from onceline.core.deposits import refunds
from onceline.core.deposits import store as deposits
from onceline.core.errors import (
    DepositNotRefundable,
    IdempotencyConflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OncelineError,
    VoucherRedeemed,
)
from onceline.core.proofs.checks import prove
from onceline.core.retention.commands import destroy_and_prune
from onceline.core.vouchers import commands
from onceline.core.vouchers.model import new_code
from tests.core.deposits.till import Till
from tests.core.vouchers.kiosk import Kiosk
from tests.personas import ALICE, CHARLIE
from tests.shop import Customer, Shop


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE, balance=0)


@pytest.fixture
def charlie(shop: Shop) -> Customer:
    return shop.customer(CHARLIE, balance=0)


def outcome(action: Callable[[], Any]) -> str:
    try:
        action()
    except OncelineError as refused:
        return type(refused).__name__
    return "done"


def guess(kiosk: Kiosk, who: Customer, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(NotFound):
            kiosk.try_code(who, new_code())


# What it brings ---------------------------------------------------------------------------------------------------------


def test_a_voucher_is_money_at_once(kiosk: Kiosk, alice: Customer) -> None:
    (code,) = kiosk.codes(1, 10)
    redeemed = kiosk.try_code(alice, code)
    with kiosk.shop.db.transaction() as tx:
        deposit = deposits.deposit(tx, redeemed.deposit)
    assert (deposit.method, deposit.state, deposit.credited, deposit.account) == (
        "voucher",
        "credited",
        redeemed.amount,
        alice.account,
    )
    assert (kiosk.dollars(alice), kiosk.owed()) == (10, 0)
    assert kiosk.shop.events(alice) == ["deposit.credited"]
    kiosk.shop.assert_books_are_true()


def test_a_debt_is_paid_first(kiosk: Kiosk, alice: Customer) -> None:
    till = Till(kiosk.shop, alice)
    found = till.paid(10)
    for _ in range(4):
        kiosk.shop.sms(kiosk.shop.place(alice).e164)
    till.dispute(found)
    assert till.dollars == (0, 0, 10, 1)
    kiosk.try_code(alice, kiosk.codes(1, 5)[0])
    assert till.dollars == (4, 0, 10, 0)
    kiosk.shop.assert_books_are_true()


def test_what_a_voucher_brought_never_goes_back(kiosk: Kiosk, alice: Customer) -> None:
    redeemed = kiosk.try_code(alice, kiosk.codes()[0])
    with kiosk.shop.db.transaction() as tx, pytest.raises(DepositNotRefundable) as refused:
        refunds.ask(tx, redeemed.deposit, "account", kiosk.shop.clock.now(), side=alice.side, approvals=0)
    assert refused.value.facts["reason"] == "method"


def test_a_balance_outlives_its_voucher(kiosk: Kiosk, alice: Customer) -> None:
    made = kiosk.draft(days=1)
    kiosk.approve(made)
    kiosk.try_code(alice, made.codes[0])
    kiosk.shop.pass_time(400 * 86_400)
    kiosk.void(made)
    assert (kiosk.dollars(alice), kiosk.owed()) == (10, 0)


# Once -------------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("M10")
@pytest.mark.attack(34)
def test_a_hundred_accounts_at_once_and_one_wins(kiosk: Kiosk, conninfo: str) -> None:
    """A hundred connections, all let go at the same moment."""
    (code,) = kiosk.codes()
    everybody = [kiosk.shop.customer(f"customer {one}", balance=0) for one in range(100)]
    gate = Barrier(len(everybody))
    with Database(conninfo, size=len(everybody), name="crowd") as db:
        crowd = Kiosk(Shop(db, kiosk.shop.context, kiosk.shop.clock))

        def redeem(who: Customer) -> str:
            gate.wait(60)
            return outcome(lambda: crowd.try_code(who, code))

        with ThreadPoolExecutor(len(everybody)) as pool:
            outcomes = list(pool.map(redeem, everybody))
    assert outcomes.count("done") == 1
    # One that waited too long for a lock is told to come again, and has guessed nothing.
    assert set(outcomes) - {"Busy", "DatabaseAway"} == {"done", "NotFound"}
    assert sorted(kiosk.dollars(who) for who in everybody) == [0] * 99 + [10]
    assert kiosk.owed() == 0
    kiosk.shop.assert_books_are_true()


@pytest.mark.attack(34)
def test_however_often_codes_are_guessed_five_an_hour_of_each_account_are_looked_at(
    kiosk: Kiosk, soak: bool
) -> None:
    """A million guesses of 20 accounts (2,000 in the ordinary run), while 1,000 vouchers are in force: none is found, all but five
    an hour of each account are turned away unread, and staff have it once, with how often.

    For all accounts together there is no lock: whoever had twenty of them could shut the counter for everybody. What stands
    in the way there is the code itself: of 2^90, ten thousand accounts find one of a thousand in some 10^15 years.
    """
    kiosk.codes(1000)
    crowd = [kiosk.shop.customer(f"customer {one}", balance=0) for one in range(20)]
    rounds, each = (10, 5000) if soak else (2, 50)

    def storm(who: Customer) -> list[str]:
        return [outcome(lambda: kiosk.try_code(who, new_code())) for _ in range(each)]

    for turn in range(1, rounds + 1):
        with ThreadPoolExecutor(8) as pool:
            told = [word for words in pool.map(storm, crowd) for word in words]
        assert (told.count("NotFound"), told.count("LimitExceeded")) == (5 * 20, (each - 5) * 20)
        guess(kiosk, kiosk.shop.customer(f"late {turn}", balance=0))
        assert kiosk.exceptions() == [("voucher", "guessing", 1)] * turn
        kiosk.shop.pass_time(3600)
    assert [kiosk.dollars(who) for who in crowd] == [0] * 20
    assert kiosk.owed() == 10_000


@pytest.mark.promise("M10")
def test_one_account_fifty_times_at_once_has_it_once(kiosk: Kiosk, alice: Customer) -> None:
    (code,) = kiosk.codes()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: outcome(lambda: kiosk.try_code(alice, code)), range(50)))
    assert sorted(outcomes) == ["VoucherRedeemed"] * 49 + ["done"]
    assert kiosk.dollars(alice) == 10
    kiosk.shop.assert_books_are_true()


def test_a_voucher_is_redeemed_or_void_never_both(kiosk: Kiosk, alice: Customer) -> None:
    for turn in range(20):
        made, gate = kiosk.draft(), Barrier(2)
        kiosk.approve(made)
        before = kiosk.dollars(alice)

        def redeem(code: str = made.codes[0], gate: Barrier = gate) -> str:
            gate.wait()
            return outcome(lambda: kiosk.try_code(alice, code))

        def void(
            made: commands.Made = made, gate: Barrier = gate, number: int | None = turn % 2 or None
        ) -> str:
            gate.wait()
            return outcome(lambda: kiosk.void(made, number))

        with ThreadPoolExecutor(2) as pool:
            both = pool.submit(redeem), pool.submit(void)
            redeemed, voided = both[0].result(), both[1].result()
        assert kiosk.dollars(alice) - before == (10 if redeemed == "done" else 0)
        assert (redeemed, voided) != ("done", "done") or kiosk.look(made).state == "void"
        assert kiosk.owed() == 0
        kiosk.shop.assert_books_are_true()
        kiosk.shop.pass_time(3601)


def test_sent_again_under_its_key_it_is_the_same_answer(kiosk: Kiosk, alice: Customer) -> None:
    (code,) = kiosk.codes()
    first = kiosk.try_code(alice, code, key="k")
    again = kiosk.try_code(alice, code.lower(), key="k")
    assert again == first._replace(replayed=True)
    assert kiosk.dollars(alice) == 10


def test_a_key_is_of_one_code(kiosk: Kiosk, alice: Customer) -> None:
    first, second = kiosk.codes(2)
    kiosk.try_code(alice, first, key="k")
    with pytest.raises(IdempotencyConflict):
        kiosk.try_code(alice, second, key="k")
    assert kiosk.try_code(alice, second, key="l").replayed is False
    assert kiosk.dollars(alice) == 20


def test_two_codes_at_once_under_one_key_are_one_and_a_conflict(kiosk: Kiosk, alice: Customer) -> None:
    pair = kiosk.codes(2)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda code: outcome(lambda: kiosk.try_code(alice, code, key="k")), pair))
    assert sorted(outcomes) == ["IdempotencyConflict", "done"]


def test_a_key_of_somebody_else_is_another_key(kiosk: Kiosk, alice: Customer, charlie: Customer) -> None:
    first, second = kiosk.codes(2)
    kiosk.try_code(alice, first, key="k")
    kiosk.try_code(charlie, second, key="k")
    assert (kiosk.dollars(alice), kiosk.dollars(charlie)) == (10, 10)


# What is told -----------------------------------------------------------------------------------------------------------


def test_whoever_has_it_already_is_told_so_and_has_guessed_nothing(kiosk: Kiosk, alice: Customer) -> None:
    (code,) = kiosk.codes()
    redeemed = kiosk.try_code(alice, code)
    for _ in range(10):
        with pytest.raises(VoucherRedeemed) as refused:
            kiosk.try_code(alice, code)
        assert refused.value.facts == {"deposit": redeemed.deposit}


def test_unknown_used_void_expired_and_not_in_force_are_one_answer(
    kiosk: Kiosk, alice: Customer, charlie: Customer
) -> None:
    (used,), (live,) = kiosk.codes(), kiosk.codes(mode="live")
    kiosk.try_code(charlie, used)
    voided, whole, expired, draft = kiosk.draft(2), kiosk.draft(), kiosk.draft(days=1), kiosk.draft()
    for made in (voided, whole, expired):
        kiosk.approve(made)
    kiosk.void(voided, 1)
    kiosk.void(whole)
    kiosk.shop.pass_time(86_400)
    told = set()
    for code in (new_code(), used, live, voided.codes[0], whole.codes[0], expired.codes[0], draft.codes[0]):
        kiosk.shop.pass_time(3600)
        with pytest.raises(NotFound) as refused:
            kiosk.try_code(alice, code)
        told.add((refused.value.detail, str(refused.value.facts)))
    assert len(told) == 1
    assert kiosk.dollars(alice) == 0


def test_until_its_last_moment_a_voucher_is_taken(kiosk: Kiosk, alice: Customer) -> None:
    made = kiosk.draft(2, days=1)
    kiosk.approve(made)
    kiosk.shop.pass_time(86_399)
    kiosk.try_code(alice, made.codes[0])
    kiosk.shop.pass_time(1)
    with pytest.raises(NotFound):
        kiosk.try_code(alice, made.codes[1])


def test_a_mistyped_code_is_told_and_not_counted(kiosk: Kiosk, alice: Customer) -> None:
    (code,) = kiosk.codes()
    for _ in range(20):
        with pytest.raises(InvalidInput, match="mistyped"):
            kiosk.try_code(alice, code[:-1] + ("0" if code[-1] != "0" else "1"))
    assert kiosk.try_code(alice, code).amount > 0


# Guessing ---------------------------------------------------------------------------------------------------------------


@pytest.mark.attack(34)
def test_five_wrong_codes_an_hour_and_then_none_is_looked_at(kiosk: Kiosk, alice: Customer) -> None:
    (code,) = kiosk.codes()
    guess(kiosk, alice, 4)
    kiosk.shop.pass_time(600)
    guess(kiosk, alice)
    with pytest.raises(LimitExceeded) as refused:
        kiosk.try_code(alice, code)
    assert refused.value.facts == {"limit": "voucher codes", "retry_after_s": 3000}
    kiosk.shop.pass_time(2999)
    with pytest.raises(LimitExceeded):
        kiosk.try_code(alice, code)
    kiosk.shop.pass_time(1)
    assert kiosk.try_code(alice, code).amount > 0


@pytest.mark.attack(34)
def test_guesses_at_once_are_counted_one_after_the_other(kiosk: Kiosk, alice: Customer) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: outcome(lambda: kiosk.try_code(alice, new_code())), range(40)))
    assert sorted(outcomes) == ["LimitExceeded"] * 35 + ["NotFound"] * 5


def test_another_account_is_not_stopped(kiosk: Kiosk, alice: Customer, charlie: Customer) -> None:
    guess(kiosk, alice, 5)
    assert kiosk.try_code(charlie, kiosk.codes()[0]).amount > 0


@pytest.mark.attack(34)
def test_many_wrong_codes_of_many_accounts_are_told_to_staff(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MOST_GUESSING", 6)
    crowd = [kiosk.shop.customer(f"customer {one}", balance=0) for one in range(4)]
    for who in crowd[:3]:
        guess(kiosk, who, 2)
    assert kiosk.exceptions() == []
    guess(kiosk, crowd[3], 2)
    assert kiosk.exceptions() == [("voucher", "guessing", 2)]
    kiosk.shop.pass_time(3600)
    guess(kiosk, crowd[3])
    assert kiosk.exceptions() == [("voucher", "guessing", 2)]


def test_old_guesses_are_forgotten(kiosk: Kiosk, alice: Customer, charlie: Customer) -> None:
    guess(kiosk, alice)
    kiosk.shop.pass_time(3601)
    guess(kiosk, charlie)
    assert destroy_and_prune(kiosk.shop.db, kiosk.shop.context)["voucher_guesses"] == 1
    assert [row.account_id for row in kiosk.shop.rows("select account_id from voucher_guesses")] == [
        charlie.account
    ]


# What the books would tell ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "update vouchers set redeemed_at = null, redeemed_deposit = null where redeemed_at is not null",
        "update vouchers set voided_at = now(), voided_by = 'x' where redeemed_at is null",
        "update voucher_batches set face_value = face_value + 1",
        "update transfers set amount = amount + 1 where kind = 'voucher_sold'",
        "delete from vouchers where redeemed_at is not null",
    ],
)
def test_the_books_tell_a_voucher_that_was_tampered_with(kiosk: Kiosk, alice: Customer, damage: str) -> None:
    kiosk.try_code(alice, kiosk.codes(2)[0])
    kiosk.shop.assert_books_are_true()
    assert kiosk.shop.tamper(damage) == 1
    with kiosk.shop.db.transaction() as tx:
        broken = {proof.id for proof in prove(tx, kiosk.shop.clock.now()) if proof.broken}
    assert "i9_vouchers" in broken
