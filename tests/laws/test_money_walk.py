"""Random walks over everything that moves money: whatever comes in, is spent, goes back or is taken, in whatever order.

After each step of the walk
- `prove` finds nothing (but I12, exactly while an order is overdue that no worker has looked at);
- what is available, less what is owed, is what a model says that pours each order through the deposits, oldest first;
- every deposit that is here can go back, or cannot for the reason that the model gives; what was spent names the order that
  the model names;
- what a payer's bank wants of a deposit that is here was taken of it: payer and customer never both have the money;
- what each processor has for the house, and what was given on top, is what came less what left.

The clock is set back by up to an hour and forward by weeks.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from onceline.core.cash import commands as cash
from onceline.core.cash.commands import Receipt
from onceline.core.db import Transaction
from onceline.core.deposits import commands as deposits
from onceline.core.deposits import disputes, refunds, store
from onceline.core.deposits.model import Deposit, Dispute, Paid, Payment, Refunds, Stage, Terms
from onceline.core.deposits.refunds import Refund
from onceline.core.errors import DepositNotRefundable, Refusal
from onceline.core.money import MICROS
from onceline.core.orders import commands as orders
from onceline.core.orders import store as order_store
from onceline.core.orders.commands import OrderRequest
from onceline.core.proofs.checks import LATE
from onceline.workers.expire import expire_round
from onceline.workers.sweep import sweep_round
from tests.core.deposits import till
from tests.core.vouchers.kiosk import Kiosk
from tests.laws.conftest import FreshShop
from tests.laws.lots import Lot, Lots, Spend, spends
from tests.personas import ALICE, BOB
from tests.shop import FOUR_HOURS, PRICE, Customer, Shop

CARD = till.CARD._replace(least=1, most=10**9)
WAYS = (
    CARD,
    CARD._replace(fee=20_000, fee_ppm=29_000, bonus_ppm=100_000),
    CARD._replace(method="cryptomus", refunds=Refunds.ORIGIN, bonus_ppm=50_000),
    CARD._replace(method="btcpay", refunds=Refunds.NEVER),
)
AMOUNTS = (PRICE - 1, PRICE, PRICE + 1, 2 * PRICE, MICROS, MICROS + 10_000, 3 * MICROS)
"""Around what orders cost, to the micro-unit."""
JUMPS = (-3600, -600, 1, 60, 130, 600, 1203, 3600, 5 * 3600, 86_400, 13 * 86_400, 14 * 86_400)
CASH_A_DAY = 10**9
VOUCHERS = 8
_ANY = st.integers(0, 10**6)
_T = TypeVar("_T")
_WHO = st.integers(0, 1)
_DEPOSIT = st.tuples(_WHO, st.sampled_from(WAYS), st.sampled_from(AMOUNTS))


class MoneyWalk(RuleBasedStateMachine):
    shop: Shop

    @initialize()
    def open_the_shop(self) -> None:
        self.shop.only("GB", 6)
        self.customers = [self.shop.customer(name, 0) for name in (ALICE, BOB)]
        self.lots = {who.side: Lots() for who in self.customers}
        self.house: Counter[str] = Counter()
        self.bonuses: Counter[str] = Counter()
        self.redeemed: set[int] = set()
        self.begun: list[Deposit] = []
        self.paid: list[Deposit] = []
        self.laid_by: list[tuple[Customer, str, int]] = []
        self.placed: list[tuple[Customer, int, str]] = []
        self.refunds: dict[str, Refund] = {}
        self.disputes: dict[str, tuple[Deposit, int]] = {}
        self.kiosk = Kiosk(self.shop)
        self.codes = self.kiosk.codes(VOUCHERS, dollars=1)

    # Money comes in

    @rule(wanted=_DEPOSIT, origin=st.sampled_from([None, "bc1qsender", "bc1qsender"]))
    def a_deposit_is_paid(self, wanted: tuple[int, Terms, int], origin: str | None) -> None:
        begun = self._begin(*wanted)
        self._hear(begun, Paid.PAID, begun.amount + begun.fee, origin)

    @rule(wanted=_DEPOSIT, off=st.sampled_from([-1, 1, 70_000]))
    def more_or_less_is_paid(self, wanted: tuple[int, Terms, int], off: int) -> None:
        begun = self._begin(*wanted)
        self._hear(begun, Paid.OVER if off > 0 else Paid.UNDER, begun.amount + begun.fee + off, "bc1qsender")

    @rule(wanted=_DEPOSIT)
    def a_deposit_is_begun(self, wanted: tuple[int, Terms, int]) -> None:
        self.begun.append(self._begin(*wanted))

    @precondition(lambda self: self.begun)
    @rule(
        any_=_ANY, state=st.sampled_from([Paid.CONFIRMING, Paid.EXPIRED, Paid.FAILED, Paid.PAID, Paid.PAID])
    )
    def something_is_heard_of_it(self, any_: int, state: Paid) -> None:
        begun = _one(self.begun, any_)
        self._hear(begun, state, begun.amount + begun.fee, "bc1qsender")

    @rule(who=_WHO, amount=st.sampled_from(AMOUNTS))
    def goodwill_is_shown(self, who: int, amount: int) -> None:
        buyer = self.customers[who]
        with self.shop.db.transaction() as tx:
            deposits.give(tx, buyer.side, amount, "sandbox", self.shop.clock.now())
        self._came(buyer.side, self._newest(buyer), amount, can_return=False)

    @rule(who=_WHO, which=st.integers(0, VOUCHERS - 1))
    def a_voucher_is_redeemed(self, who: int, which: int) -> None:
        buyer = self.customers[who]
        try:
            redeemed = self.kiosk.try_code(buyer, self.codes[which])
        except Refusal:
            return
        assert which not in self.redeemed, "a voucher is worth something once"
        self.redeemed.add(which)
        self._came(buyer.side, redeemed.deposit, MICROS, can_return=False)

    @rule(who=_WHO, dollars=st.integers(1, 3))
    def cash_is_taken(self, who: int, dollars: int) -> None:
        buyer, amount = self.customers[who], dollars * MICROS
        receipt = Receipt(buyer.side, amount, secrets.token_hex(8))
        with self.shop.db.transaction() as tx:
            found = cash.record(tx, receipt, "ann", CASH_A_DAY, self.shop.clock.now())
        self.laid_by.append((buyer, found, amount))

    @precondition(lambda self: self.laid_by)
    @rule(any_=_ANY, staff=st.sampled_from(["ann", "ben"]), yes=st.booleans())
    def somebody_decides_about_the_cash(self, any_: int, staff: str, yes: bool) -> None:
        buyer, found, amount = _one(self.laid_by, any_)
        try:
            with self.shop.db.transaction() as tx:
                now = self.shop.clock.now()
                if yes:
                    cash.approve(tx, found, staff, CASH_A_DAY, now)
                else:
                    cash.decline(tx, found, staff, now)
        except Refusal:
            return
        assert staff == "ben" or not yes, "nobody approves what they recorded"
        self.laid_by.remove((buyer, found, amount))
        if yes:
            self._came(buyer.side, found, amount, can_return=False)

    # Money is spent

    @rule(who=_WHO, service=st.sampled_from(["telegram", "whatsapp", "other"]))
    def place(self, who: int, service: str) -> None:
        self._place(who, OrderRequest(service, "GB"))

    @rule(who=_WHO)
    def rent(self, who: int) -> None:
        self._place(who, OrderRequest("full", "GB", kind="rental", duration_s=FOUR_HOURS))

    @precondition(lambda self: self.placed)
    @rule(
        any_=_ANY, text=st.sampled_from(["Telegram code: 48291", "Your code is 482913", "No code in here."])
    )
    def an_sms_comes(self, any_: int, text: str) -> None:
        self.shop.sms(_one(self.placed, any_)[2], text, "Telegram")

    @precondition(lambda self: self.placed)
    @rule(any_=_ANY, step=st.sampled_from(["cancel", "finish", "resend", "extend"]))
    def the_customer_acts(self, any_: int, step: str) -> None:
        buyer, order, _ = _one(self.placed, any_)
        try:
            with self.shop.db.transaction() as tx:
                if step == "extend":
                    orders.extend(tx, self.shop.context, buyer.side, order, FOUR_HOURS, None)
                else:
                    getattr(orders, step)(tx, self.shop.context, buyer.side, order)
        except Refusal:
            return

    @rule(seconds=st.sampled_from(JUMPS))
    def the_clock_jumps(self, seconds: int) -> None:
        self.shop.clock.advance(seconds)

    @rule()
    def the_workers_come_by(self) -> None:
        expire_round(self.shop.db, self.shop.context)
        sweep_round(self.shop.db, self.shop.context)

    # Money goes back

    @precondition(lambda self: self.paid)
    @rule(
        any_=_ANY, asked_by=st.sampled_from([refunds.ACCOUNT, "olga"]), approvals=st.sampled_from([0, 0, 2])
    )
    def a_refund_is_asked_for(self, any_: int, asked_by: str, approvals: int) -> None:
        found = _one(self.paid, any_)
        lot, side = self.lots[found.side].find(found.id), found.side if asked_by == refunds.ACCOUNT else None
        expected = self.lots[found.side].bar(lot, *self._judged(found.side)) if lot.is_here else None
        asked, reason = self._ask(found.id, asked_by, side, approvals)
        assert reason == expected
        if asked is None:
            return
        if not lot.is_here:
            assert asked.id == self.refunds[found.id].id, "asked again, it is the same refund"
            return
        lot.is_here, self.refunds[found.id] = False, asked

    @precondition(lambda self: self.refunds)
    @rule(
        any_=_ANY, staff=st.sampled_from(["olga", "nina", "omar"]), yes=st.sampled_from([True, True, False])
    )
    def staff_decide_about_a_refund(self, any_: int, staff: str, yes: bool) -> None:
        asked = _one(list(self.refunds.values()), any_)
        try:
            with self.shop.db.transaction() as tx:
                now = self.shop.clock.now()
                if yes:
                    refunds.approve(tx, asked.id, staff, now, approvals=2)
                else:
                    refunds.decline(tx, asked.id, staff, "a slip", now)
        except Refusal:
            return
        if not yes:
            self._put_back(asked)

    @rule()
    def refunds_are_claimed(self) -> None:
        with self.shop.db.transaction() as tx:
            for one in refunds.claim(tx, self.shop.clock.now(), 100):
                assert self.refunds[one.deposit].id == one.id, "only what is on its way back is sent"

    @precondition(lambda self: self.refunds)
    @rule(any_=_ANY, word=st.sampled_from(["confirm", "confirm", "undo", "later"]))
    def the_processor_says_what_became_of_a_refund(self, any_: int, word: str) -> None:
        asked = _one(list(self.refunds.values()), any_)
        with self.shop.db.transaction() as tx:
            before, now = refunds.refund(tx, asked.id).state, self.shop.clock.now()
            if word == "confirm":
                refunds.confirm(tx, asked.id, f"re_{asked.id}", now)
            elif word == "later":
                refunds.later(tx, asked.id, now)
            else:
                refunds.undo(tx, asked.id, "expired card", now)
                disputes.take_what_came_back(tx, asked.deposit, now)
        method = self._found(asked.deposit).method
        if word == "confirm" and before == "sending":
            self.house[method] -= asked.amount
        if word == "undo" and before in ("sending", "sent"):
            self._put_back(asked)
            self.house[method] += asked.amount * (before == "sent")

    # Money is taken

    @precondition(lambda self: self.paid)
    @rule(any_=_ANY, part=st.sampled_from([1, 2, 3, 3]), stage=st.sampled_from(Stage), again=st.booleans())
    def a_payers_bank_wants_it_back(self, any_: int, part: int, stage: Stage, again: bool) -> None:
        found = _one(self.paid, any_)
        claimed = (found.amount + found.fee) * part // 3
        name = f"dp_{found.id}{'_again' * again}"
        if name not in self.disputes:
            self._stop_its_refund(found)
            self.disputes[name] = found, claimed
        self._hear_of_dispute(name, stage)

    @precondition(lambda self: self.disputes)
    @rule(any_=_ANY, stage=st.sampled_from(Stage))
    def a_dispute_ends(self, any_: int, stage: Stage) -> None:
        self._hear_of_dispute(_one(sorted(self.disputes), any_), stage)

    # What always holds

    @invariant()
    def the_books_are_true(self) -> None:
        if hasattr(self, "customers"):
            self._note_what_was_taken()
            self.shop.assert_books_are_true(
                frozenset({"i12_ends"}) if self._is_any_overdue() else frozenset()
            )

    @invariant()
    def what_is_available_is_what_was_poured(self) -> None:
        for who in getattr(self, "customers", ()):
            balance = self.shop.balance(who)
            assert balance.available - balance.debt == self.lots[who.side].left(spends(self.shop, who))

    @invariant()
    def what_can_go_back_is_what_nobody_touched(self) -> None:
        for who in getattr(self, "customers", ()):
            spent = spends(self.shop, who)
            lots, judged = self.lots[who.side], self._judged(who.side)
            with self.shop.db.transaction() as tx:
                said = {lot.id: _refused(tx, lot, self.shop) for lot in lots.lots if lot.is_here}
            for lot in (one for one in lots.lots if one.is_here):
                expected = lots.bar(lot, *judged)
                assert said[lot.id].get("reason") == expected, f"{lot} of {lots} after {spent}"
                if expected == "spent":
                    assert said[lot.id].get("order") == lots.first_to_touch(lot, spent), lot

    @invariant()
    def payer_and_customer_never_both_have_it(self) -> None:
        if not hasattr(self, "customers"):
            return
        wanted = self.shop.rows(
            "select d.id, max(x.claimed) as claimed, sum(x.amount) as taken, d.credited"
            " from disputes x join deposits d on d.id = x.deposit_id"
            " where x.state <> 'won' and d.state not in ('refunding', 'refunded') group by d.id"
        )
        for row in wanted:
            assert 0 < row.taken <= row.credited or not row.claimed, row

    @invariant()
    def the_house_has_what_came_less_what_left(self) -> None:
        if not hasattr(self, "customers"):
            return
        lost = {
            row.method: row.amount
            for row in self.shop.rows(
                "select method, sum(amount + fee) as amount from disputes where state = 'lost' group by method"
            )
        }
        for method in ("stripe", "cryptomus", "btcpay"):
            assert self._account(method) == self.house[method] - lost.get(method, 0), method
        given = sum(self.bonuses[one.id] for lots in self.lots.values() for one in lots.lots if one.is_here)
        taken = self.shop.value("select coalesce(sum(bonus), 0)::bigint from disputes where state <> 'won'")
        assert self._account("bonus") == given - taken, "a bonus stays with its deposit"

    # How

    def _account(self, name: str) -> int:
        """What the house has there, or gave from there."""
        return int(self.shop.value(
            "select coalesce(sum(amount * ((debit = %(name)s)::int - (credit = %(name)s)::int)), 0)::bigint from transfers"
            " where %(name)s in (debit, credit)",
            name=name,
        ))  # fmt: skip

    def _begin(self, who: int, terms: Terms, amount: int) -> Deposit:
        with self.shop.db.transaction() as tx:
            side, now = self.customers[who].side, self.shop.clock.now()
            begun = deposits.begin(tx, side, terms, amount, till.FAST, now)
            store.name_at_processor(tx, begun.id, f"cs_{begun.id}")
            return store.deposit(tx, begun.id)

    def _hear(self, begun: Deposit, state: Paid, value: int, origin: str | None) -> None:
        """The model's own arithmetic: what came is credited as it came, and whoever pays in full has the bonus."""
        said = Payment(
            str(begun.processor_id), begun.id, state, value, "USD", False, f"pi_{begun.id}", origin
        )
        was_credited = self._found(begun.id).credited is not None
        with self.shop.db.transaction() as tx:
            heard = deposits.hear(tx, begun.id, said, 1, self.shop.clock.now())
        if was_credited or state not in (Paid.PAID, Paid.OVER, Paid.UNDER):
            return
        came = value - begun.fee
        self.bonuses[begun.id] = begun.bonus if came >= begun.amount else 0
        self.house[begun.method] += value
        lot = self._came(
            heard.side, begun.id, came + self.bonuses[begun.id], begun.refunds is not Refunds.NEVER
        )
        lot.has_origin = begun.refunds is not Refunds.ORIGIN or origin is not None
        self.paid.append(heard)

    def _came(self, side: int, deposit: str, given: int, can_return: bool) -> Lot:
        lot = Lot(deposit, given, can_return, self.shop.clock.now())
        self.lots[side].lots.append(lot)
        return lot

    def _newest(self, who: Customer) -> str:
        return str(self.shop.value(
            "select id from deposits where side_id = %(side)s and place is not null order by place desc limit 1",
            side=who.side,
        ))  # fmt: skip

    def _found(self, deposit: str) -> Deposit:
        with self.shop.db.transaction() as tx:
            return store.deposit(tx, deposit)

    def _place(self, who: int, wanted: OrderRequest) -> None:
        buyer = self.customers[who]
        try:
            with self.shop.db.transaction() as tx:
                made = orders.place(tx, self.shop.context, buyer.side, [wanted], None).made[0]
        except Refusal:
            return
        assert made.e164
        self.placed.append((buyer, made.id, made.e164))

    def _judged(self, side: int) -> tuple[list[Spend], int, bool, datetime]:
        """What the model wants to know beside the deposits."""
        buyer = next(one for one in self.customers if one.side == side)
        is_any_open = self.shop.value(
            "select exists (select from disputes x join deposits d on d.id = x.deposit_id"
            " where d.side_id = %(side)s and x.state = 'open')",
            side=side,
        )
        debt = self.shop.balance(buyer).debt
        return spends(self.shop, buyer), debt, bool(is_any_open), self.shop.clock.now()

    def _ask(
        self, deposit: str, asked_by: str, side: int | None, approvals: int
    ) -> tuple[Refund | None, str | None]:
        """The refund, or why not."""
        try:
            with self.shop.db.transaction() as tx:
                now = self.shop.clock.now()
                return refunds.ask(tx, deposit, asked_by, now, side=side, approvals=approvals), None
        except DepositNotRefundable as refused:
            return None, str(refused.facts["reason"])

    def _put_back(self, asked: Refund) -> None:
        self.lots[self._found(asked.deposit).side].find(asked.deposit).is_here = True
        del self.refunds[asked.deposit]

    def _stop_its_refund(self, found: Deposit) -> None:
        """A dispute does, while it was not sent."""
        asked = self.refunds.get(found.id)
        if asked is None:
            return
        with self.shop.db.transaction() as tx:
            state = refunds.refund(tx, asked.id).state
        if state in ("asked", "approved"):
            self._put_back(asked)

    def _hear_of_dispute(self, name: str, stage: Stage) -> None:
        found, claimed = self.disputes[name]
        said = Dispute(name, f"pi_{found.id}", claimed, "USD", stage)
        with self.shop.db.transaction() as tx:
            disputes.hear(tx, found.id, said, self.shop.clock.now())

    def _note_what_was_taken(self) -> None:
        taken = {
            row.id: row.taken
            for row in self.shop.rows(
                "select deposit_id as id, sum(amount + bonus)::bigint as taken from disputes where state <> 'won' group by 1"
            )
        }
        for lot in (one for lots in self.lots.values() for one in lots.lots):
            lot.taken, lot.is_disputed = taken.get(lot.id, 0), bool(taken.get(lot.id))

    def _is_any_overdue(self) -> bool:
        now = self.shop.clock.now()
        with self.shop.db.transaction() as tx:
            made = [order_store.order(tx, order) for _, order, _ in self.placed]
        return any(one.money == "held" and one.is_live and one.expires_at < now - LATE for one in made)


def _refused(tx: Transaction, lot: Lot, shop: Shop) -> dict[str, Any]:
    """Why the product would not send a deposit back; empty when it would."""
    try:
        refunds.demand_refundable(tx, store.deposit(tx, lot.id), shop.clock.now())
    except DepositNotRefundable as refused:
        return refused.facts
    return {}


def _one(all_: Sequence[_T], any_: int) -> _T:
    return all_[any_ % len(all_)]


@pytest.mark.attack(18, 19, 41, 49)
def test_the_laws_of_money_hold_on_every_walk(fresh_shop: FreshShop, soak: bool) -> None:
    walk(fresh_shop, walks=400 if soak else 8, steps=60 if soak else 30)


def walk(fresh_shop: FreshShop, *, walks: int, steps: int) -> None:
    class WalkOnAFreshDatabase(MoneyWalk):
        def __init__(self) -> None:
            super().__init__()
            self.opened = fresh_shop()
            self.shop = self.opened.shop

        def teardown(self) -> None:
            self.opened.close()

    run_state_machine_as_test(
        WalkOnAFreshDatabase,
        settings=settings(
            max_examples=walks,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
