"""Law: whatever happens to deposits in whatever order, what can be derived of the books holds, and an honest report of every day
lists nothing; the account of the processor is what it reported, but for disputes that are open."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field

import pytest

from onceline.core.deposits import disputes, refunds, store
from onceline.core.deposits.model import Deposit, Dispute, Stage
from onceline.core.deposits.refunds import Refund
from onceline.core.errors import DepositNotRefundable, InsufficientBalance
from onceline.core.money import MICROS
from tests.core.deposits.till import CARD, Till
from tests.core.reconcile.desk import DAY_S, Desk, reported
from tests.personas import ALICE
from tests.shop import ONE_DAY, Shop

STEPS = 40
TERMS = CARD._replace(fee=MICROS // 2, bonus_ppm=100_000)


@dataclass
class Walk:
    till: Till
    desk: Desk
    chance: random.Random
    sent: list[Refund] = field(default_factory=list)
    open: list[tuple[Deposit, Dispute]] = field(default_factory=list)
    taken: int = 0

    def step(self) -> None:
        steps = (self.pay, self.pay, self.spend, self.rent, self.ask, self.send, self.fail, self.dispute, self.decide, self.night)  # fmt: skip
        self.chance.choice(steps)()

    def pay(self) -> None:
        found = self.till.paid(self.chance.randint(5, 30), self.chance.choice((CARD, TERMS)))
        self.desk.says("payment", str(found.payment_id), self._whole(found) / MICROS)
        self.desk.says("fee", str(found.payment_id), -0.25)

    def spend(self) -> None:
        with contextlib.suppress(InsufficientBalance):
            self.till.shop.sms(self.till.shop.place(self.till.who).e164)

    def rent(self) -> None:
        with contextlib.suppress(InsufficientBalance):
            self.till.shop.place(self.till.who, kind="rental", duration_s=ONE_DAY)

    def ask(self) -> None:
        if found := self._credited():
            with contextlib.suppress(DepositNotRefundable):
                self.till.ask_back(found, approvals=self.chance.choice((0, 0, 1)))

    def send(self) -> None:
        for asked in self.till.claimed():
            self._tell(asked, -asked.amount)
            with self.till.shop.db.transaction() as tx:
                refunds.confirm(tx, asked.id, f"re_{asked.id}", self.till.shop.clock.now())
            self.sent.append(asked)

    def fail(self) -> None:
        if self.sent:
            asked = self.sent.pop()
            self._tell(asked, asked.amount)
            self.till.undo(asked)

    def dispute(self) -> None:
        if found := self._credited():
            self.taken += 1
            said = Dispute(f"dp_{self.taken}", str(found.payment_id), self._whole(found), "USD", Stage.OPEN)
            self._hear(found, said)
            self.desk.says("dispute", said.id, -said.amount / MICROS)
            self.open.append((found, said))
            self.till.shop.run("update accounts set state = 'open'")

    def decide(self) -> None:
        if self.open:
            found, said = self.open.pop(self.chance.randrange(len(self.open)))
            stage = self.chance.choice((Stage.WON, Stage.LOST))
            self._hear(found, Dispute(said.id, said.payment_id, said.amount, "USD", stage))
            if stage is Stage.WON:
                self.desk.says("dispute", said.id, said.amount / MICROS)

    def night(self) -> None:
        assert self.desk.compare().differences == []
        self.till.shop.wait(DAY_S)

    def _credited(self) -> Deposit | None:
        rows = self.till.shop.rows("select id from deposits where state = 'credited' order by place")
        if not rows:
            return None
        with self.till.shop.db.transaction() as tx:
            return store.deposit(tx, self.chance.choice(rows).id)

    def _hear(self, found: Deposit, said: Dispute) -> None:
        with self.till.shop.db.transaction() as tx:
            disputes.hear(tx, found.id, said, self.till.shop.clock.now())

    def _tell(self, asked: Refund, amount: int) -> None:
        self.desk.says("refund", f"re_{asked.id}", amount / MICROS)

    def _whole(self, found: Deposit) -> int:
        return (found.credited or 0) + found.fee


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_books_can_be_derived_and_an_honest_report_agrees(shop: Shop, seed: int) -> None:
    walk = Walk(Till(shop, shop.customer(ALICE, balance=0)), Desk(shop), random.Random(seed))
    for step in range(STEPS):
        walk.step()
        if step % 5 == 0:
            shop.assert_books_are_true()
    assert walk.desk.compare().differences == []
    open_ = sum(said.amount for _, said in walk.open)
    assert -walk.desk.account("stripe") == pytest.approx(reported(walk.desk) + open_ / MICROS)
    shop.assert_books_are_true()
