"""Deposits in the words of the tests: begin one, let the processor say something, spend, ask for it back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from onceline.core.deposits import commands, disputes, refunds, store
from onceline.core.deposits.commands import Velocity
from onceline.core.deposits.model import Deposit, Dispute, Paid, Payment, Refunds, Stage, Terms
from onceline.core.deposits.refunds import Refund
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import Balance
from onceline.core.money import MICROS
from tests.shop import Customer, Shop

CARD = Terms(
    "stripe",
    least=5 * MICROS,
    most=500 * MICROS,
    fee=0,
    fee_ppm=0,
    bonus_ppm=0,
    refunds=Refunds.SOURCE,
    coin=MICROS // 100,
)
COIN = CARD._replace(method="cryptomus", refunds=Refunds.ORIGIN)
NO_WAY_BACK = CARD._replace(method="btcpay", refunds=Refunds.NEVER)
FAST = Velocity(begun=10_000, credited=10**15)


@dataclass(frozen=True, slots=True)
class Till:
    """Of one customer's side."""

    shop: Shop
    who: Customer

    def begin(self, dollars: int = 10, terms: Terms = CARD, velocity: Velocity = FAST) -> Deposit:
        with self.shop.db.transaction() as tx:
            now = self.shop.clock.now()
            begun = commands.begin(tx, self.who.side, terms, dollars * MICROS, velocity, now)
            store.name_at_processor(tx, begun.id, f"cs_{secrets.token_hex(8)}")
            return store.deposit(tx, begun.id)

    def hear(
        self, found: Deposit, state: Paid = Paid.PAID, value: int | None = None, **said: object
    ) -> Deposit:
        """What the processor says of a deposit: that it was paid, if nothing else is told."""
        payment = self.words(found, state, value, **said)
        with self.shop.db.transaction() as tx:
            return commands.hear(tx, found.id, payment, 1 * MICROS, self.shop.clock.now())

    def credit_by_hand(
        self, found: Deposit, state: Paid = Paid.PAID, value: int | None = None, **said: object
    ) -> Deposit:
        payment = self.words(found, state, value, **said)
        with self.shop.db.transaction() as tx:
            return commands.credit_by_hand(tx, found.id, payment, self.shop.clock.now())

    def words(self, found: Deposit, state: Paid, value: int | None, **said: object) -> Payment:
        """What a processor says when it is asked."""
        words = {
            "processor_id": found.processor_id, "deposit": found.id, "state": state, "currency": "USD",
            "value": found.amount + found.fee if value is None else value, "is_live": False,
            "payment_id": f"pi_{found.id}", "origin": "bc1qsender",
        }  # fmt: skip
        return Payment(**{**words, **said})  # type: ignore[arg-type]  # each word is of its field's type

    def paid(self, dollars: int = 10, terms: Terms = CARD) -> Deposit:
        return self.hear(self.begin(dollars, terms))

    def ask_back(self, found: Deposit, approvals: int = 0, asked_by: str = refunds.ACCOUNT) -> Refund:
        with self.shop.db.transaction() as tx:
            now, side = self.shop.clock.now(), self.who.side
            return refunds.ask(tx, found.id, asked_by, now, side=side, approvals=approvals)

    def claimed(self) -> list[Refund]:
        with self.shop.db.transaction() as tx:
            return refunds.claim(tx, self.shop.clock.now(), 100)

    def confirm(self, asked: Refund) -> None:
        with self.shop.db.transaction() as tx:
            refunds.confirm(tx, asked.id, "re_1", self.shop.clock.now())

    def undo(self, asked: Refund) -> None:
        with self.shop.db.transaction() as tx:
            refunds.undo(tx, asked.id, "expired card", self.shop.clock.now())
            disputes.take_what_came_back(tx, asked.deposit, self.shop.clock.now())

    def dispute(
        self, found: Deposit, stage: Stage = Stage.OPEN, dollars: int = 10, name: str = "dp_1"
    ) -> None:
        said = Dispute(name, str(found.payment_id), dollars * MICROS, "USD", stage)
        with self.shop.db.transaction() as tx:
            disputes.hear(tx, found.id, said, self.shop.clock.now())

    def look(self, found: Deposit) -> Deposit:
        with self.shop.db.transaction() as tx:
            return store.deposit(tx, found.id)

    def refund(self, found: Deposit) -> Refund:
        with self.shop.db.transaction() as tx:
            return refunds.of(tx, found.id)

    @property
    def balance(self) -> Balance:
        with self.shop.db.transaction() as tx:
            return ledger.balance(tx, self.who.side)

    @property
    def dollars(self) -> tuple[float, ...]:
        """Available, to go back, disputed, owed; in whole and quarter dollars, which are exact."""
        found = self.balance
        return tuple(
            one / MICROS for one in (found.available, found.refund_pending, found.disputed, found.debt)
        )

    def exceptions(self) -> list[str]:
        with self.shop.db.transaction() as tx:
            return [row.code for row in tx.all("select code from payment_exceptions order by id", {})]
