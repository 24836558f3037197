"""Begin a deposit, hear what became of it, credit it: once, with what the processor says when it is asked.

What does not fit (another amount, currency, mode, deposit) moves nothing and is written down for staff.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.db import Transaction
from onceline.core.deposits import model, store
from onceline.core.deposits.model import Deposit, Paid, Payment, Refunds, Terms
from onceline.core.errors import InvalidInput, LimitExceeded
from onceline.core.ids import random_id
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import AVAILABLE, BONUS, DEBT, FEES, Move
from onceline.core.money import format_amount
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Draft

PAY_WITHIN = timedelta(hours=1)
GIVEN = "given"
"""Method of money that nobody paid: test money, goodwill. It never goes back."""
CREDITED = "deposit.credited"
_CAME = (Paid.PAID, Paid.OVER, Paid.UNDER)


class Velocity(NamedTuple):
    """What an account may begin and bring in within a day (A3). Micro-units."""

    begun: int
    credited: int


def begin(
    tx: Transaction, side: int, terms: Terms, amount: int, velocity: Velocity, now: datetime
) -> Deposit:
    """A deposit that waits to be paid. Raises InvalidInput with the bounds, LimitExceeded."""
    if not terms.least <= amount <= terms.most:
        bounds = f"{format_amount(terms.least)} and {format_amount(terms.most)}"
        raise InvalidInput(
            f"An amount between {bounds} can be paid in by {terms.method}.",
            field="amount", least=terms.least, most=terms.most,
        )  # fmt: skip
    ledger.lock(tx, side)  # two at once are counted one after the other
    _demand_slow(tx, side, amount, velocity, now)
    deposit_id = random_id("dep")
    store.add(tx, {
        "id": deposit_id, "side": side, "method": terms.method, "amount": amount, "fee": terms.fee_of(amount),
        "bonus": terms.bonus_of(amount), "refunds": terms.refunds.value, "now": now, "expires_at": now + PAY_WITHIN,
        "look_at": now + model.LOOK_FIRST,
    })  # fmt: skip
    return store.deposit(tx, deposit_id)


def give(tx: Transaction, side: int, amount: int, source: str, now: datetime) -> None:
    """Money that nobody paid, from a house account. Raises NotFound, InvalidInput."""
    bring(tx, random_id("dep"), side, amount, GIVEN, source, now)


def bring(
    tx: Transaction, deposit_id: str, side: int, amount: int, method: str, source: str, now: datetime
) -> None:
    """Money by a way of the house's own, from a house account, credited at once. It never goes back. Raises InvalidInput."""
    _add_ours(tx, deposit_id, side, amount, method, now)
    _credit(tx, store.deposit(tx, deposit_id), source, amount, None, now)


def lay_by(tx: Transaction, deposit_id: str, side: int, amount: int, method: str, now: datetime) -> None:
    """As `bring`, but it counts only once it is accepted. Raises InvalidInput."""
    _add_ours(tx, deposit_id, side, amount, method, now)
    store.become(tx, deposit_id, "review", None, None)


def accept(tx: Transaction, found: Deposit, source: str, now: datetime) -> None:
    """What was laid by counts. The caller has locked it and looked at its state."""
    _credit(tx, found, source, found.amount, None, now)


def hear(tx: Transaction, deposit_id: str, said: Payment, least: int, now: datetime) -> Deposit:
    """Take note of what the processor says now; credits at most once, whatever it says how often. Raises NotFound.

    `least`: below it nothing is credited by itself; staff see it.
    """
    found = store.locked(tx, deposit_id)
    misfit = _misfit(found, said)
    if misfit:
        _report(tx, found, said, misfit, now)
    elif found.credited is not None:
        _hear_after_credit(tx, found, said, now)
    else:
        _hear_before_credit(tx, found, said, least, now)
    return store.deposit(tx, deposit_id)


def credit_by_hand(tx: Transaction, deposit_id: str, said: Payment, now: datetime) -> Deposit:
    """Staff looked into a deposit under review: what came is credited, be it less than the least or another amount.

    Only what the processor itself says came, and once. Raises NotFound, InvalidInput.
    """
    found = store.locked(tx, deposit_id)
    if found.state != "review":
        raise InvalidInput(f"This deposit is {found.state}; only one under review can be credited by hand.")
    value = said.value - found.fee
    if _misfit(found, said) or said.state not in _CAME or value <= 0 or _paid_another(tx, found, said):
        raise InvalidInput("Its processor says of no money of this deposit that it came.")
    _credit(tx, found, found.method, value, said, now)
    return store.deposit(tx, deposit_id)


def _add_ours(tx: Transaction, deposit_id: str, side: int, amount: int, method: str, now: datetime) -> None:
    if amount <= 0:
        raise InvalidInput("The amount must be above 0.")
    store.add(tx, {
        "id": deposit_id, "side": side, "method": method, "amount": amount, "fee": 0, "bonus": 0, "refunds": Refunds.NEVER.value,
        "now": now, "expires_at": None, "look_at": None,
    })  # fmt: skip


def _misfit(found: Deposit, said: Payment) -> str:
    """Why these words cannot be of this deposit; the currency was compared by the processor's client."""
    if said.deposit != found.id or said.processor_id != found.processor_id:
        return "foreign_payment"
    return "" if said.is_live == (found.mode == "live") else "wrong_mode"


def _hear_after_credit(tx: Transaction, found: Deposit, said: Payment, now: datetime) -> None:
    if said.state is Paid.FROZEN:
        _report(tx, found, said, "frozen_after_credit", now)
    elif said.value > (found.credited or 0) + found.fee:
        _report(tx, found, said, "came_again", now)


def _hear_before_credit(tx: Transaction, found: Deposit, said: Payment, least: int, now: datetime) -> None:
    look_at = model.next_look(found.created_at, found.expires_at, now)
    match said.state:
        case Paid.OPEN:
            store.become(tx, found.id, found.state, look_at, found.ended_at)
        case Paid.CONFIRMING:
            store.become(tx, found.id, "confirming", look_at, None)
        case Paid.EXPIRED | Paid.FAILED:
            store.become(tx, found.id, "expired" if said.state is Paid.EXPIRED else "failed", look_at, now)
        case Paid.FROZEN:
            _review(tx, found, said, "frozen", now)
        case Paid.PAID | Paid.OVER | Paid.UNDER:
            _hear_money(tx, found, said, least, now)


def _hear_money(tx: Transaction, found: Deposit, said: Payment, least: int, now: datetime) -> None:
    due, value = found.amount + found.fee, said.value - found.fee
    fits = {Paid.PAID: said.value == due, Paid.OVER: said.value > due, Paid.UNDER: said.value < due}
    if not fits[said.state]:
        _review(tx, found, said, "wrong_amount", now)
    elif _paid_another(tx, found, said):
        _review(tx, found, said, "payment_of_another", now)
    elif value < min(least, found.amount):
        _review(tx, found, said, "too_little", now)
    else:
        if value >= found.amount * model.FLAGGED_TIMES:
            _report(tx, found, said, "far_too_much", now)
        _credit(tx, found, found.method, value, said, now)


def _paid_another(tx: Transaction, found: Deposit, said: Payment) -> bool:
    return bool(said.payment_id and store.by_payment(tx, found.method, said.payment_id))


def _credit(
    tx: Transaction, found: Deposit, source: str, value: int, said: Payment | None, now: datetime
) -> None:
    """The whole of it under the side's row: place, transfers, event. A debt is paid first."""
    before = ledger.lock(tx, found.side)
    bonus = found.bonus if value >= found.amount else 0
    tx.run(store.Q.credit, {
        "id": found.id, "credited": value, "bonus": bonus, "now": now,
        "payment_id": said.payment_id if said else None, "origin": said.origin if said else None,
        "network": said.network if said else None, "asset": said.asset if said else None,
    })  # fmt: skip
    moves = [
        Move("deposit", source, AVAILABLE, value),
        Move("bonus", BONUS, AVAILABLE, bonus),
        Move("debt_paid", AVAILABLE, DEBT, min(before.debt, value)),
    ]
    seq = ledger.post(tx, found.side, moves, 1, now)
    if found.fee:
        ledger.post_house(tx, found.mode, Move("fee", source, FEES, found.fee), now)
    outbox.append(tx, found.side, seq, [Draft(CREDITED, subject=found.id)], now)


def _review(tx: Transaction, found: Deposit, said: Payment, code: str, now: datetime) -> None:
    """Money, or a word about it, that a person has to look at. The processor is asked on."""
    look_at = model.next_look(found.created_at, found.expires_at, now)
    store.become(tx, found.id, "review", look_at, None)
    _report(tx, found, said, code, now)


def _report(tx: Transaction, found: Deposit, said: Payment, code: str, now: datetime) -> None:
    store.note_exception(
        tx, found.method, code, said.processor_id, now,
        deposit=found.id, amount=said.value, currency=said.currency,
    )  # fmt: skip


def _demand_slow(tx: Transaction, side: int, amount: int, velocity: Velocity, now: datetime) -> None:
    row = tx.one(store.Q.recent, {"side": side, "since": now - timedelta(days=1), "given": GIVEN})
    assert row is not None
    if row.begun >= velocity.begun:
        raise LimitExceeded(
            f"At most {velocity.begun} deposits can be begun within a day.",
            limit="deposits a day",
            retry_after_s=3600,
        )
    if row.credited + amount > velocity.credited:
        raise LimitExceeded(
            f"At most {format_amount(velocity.credited)} can be paid in within a day.",
            limit="paid in a day", retry_after_s=3600,
        )  # fmt: skip
