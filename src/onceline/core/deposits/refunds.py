"""Deposits on their way back: asked for, approved, sent, confirmed or undone. Promise M4: in full, where they came from.

What is to go back is set aside under the side's row in the moment it is asked for, so that no order can spend it. It leaves
once: a refund has one id, which is the key at the processor however often it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.db import Row, Transaction
from onceline.core.deposits import model, store
from onceline.core.deposits.model import Bar, Deposit
from onceline.core.errors import DepositNotRefundable, InvalidInput, NotFound
from onceline.core.ids import random_id
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import AVAILABLE, BONUS, FEES, REFUND_PENDING, Move
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Draft

REFUNDS_WORD = "deposit_refunds"
"""The wake-up of the worker that sends them."""
AGAIN_AFTER = timedelta(minutes=5)
ACCOUNT = "account"
"""Who asked, when it was the customer."""


class Refund(NamedTuple):
    """`amount` goes to the payer: what was credited, and the fee. The bonus goes back to the house."""

    id: str
    deposit: str
    state: str
    amount: int
    asked_by: str
    approved_by: list[str]
    reason: str
    processor_id: str | None
    asked_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    look_at: datetime | None


def demand_refundable(tx: Transaction, found: Deposit, now: datetime) -> None:
    """Under the side's row. Raises DepositNotRefundable, which names the order that spent of it."""
    balance, newer = ledger.balance(tx, found.side), store.newer(tx, found.side, found.place or 0)
    bar = model.bar_to_refund(found, balance, newer, store.has_dispute(tx, found.side), now)
    if bar is not None:
        raise DepositNotRefundable(bar.value, store.spender(tx, found) if bar is Bar.SPENT else None)


def ask(
    tx: Transaction, deposit_id: str, asked_by: str, now: datetime, *, side: int | None, approvals: int
) -> Refund:
    """Set the deposit aside and have it sent, at once when it needs no approval. Asked again, the same refund.

    `side`: of the account that asks; None for staff. Raises NotFound, DepositNotRefundable.
    """
    found = store.locked(tx, deposit_id, side)
    if found.state in ("refunding", "refunded"):
        return of(tx, deposit_id)
    ledger.lock(tx, found.side)
    demand_refundable(tx, found, now)
    assert found.credited is not None, "only what came can go back"
    refund_id = random_id("rfd")
    moves = [
        Move("refund_asked", AVAILABLE, REFUND_PENDING, found.credited),
        Move("bonus_undone", AVAILABLE, BONUS, found.bonus),
    ]
    seq = ledger.post(tx, found.side, moves, 1, now)
    store.become(tx, deposit_id, "refunding", None, None)
    state, look_at = ("approved", now) if approvals == 0 else ("asked", None)
    tx.run(store.Q.ask_refund, {
        "id": refund_id, "deposit": deposit_id, "state": state, "amount": found.credited + found.fee,
        "asked_by": asked_by, "now": now, "look_at": look_at,
    })  # fmt: skip
    outbox.append(tx, found.side, seq, [Draft("deposit.refund_asked", subject=deposit_id)], now)
    tx.wake(REFUNDS_WORD)
    return refund(tx, refund_id)


def approve(tx: Transaction, refund_id: str, staff: str, now: datetime, *, approvals: int) -> Refund:
    """One person's yes; with as many as it needs, it is sent. Who asked for it as staff approves nothing.

    Raises NotFound, InvalidInput.
    """
    found = _locked(tx, refund_id)
    if found.state != "asked":
        return found
    if staff == found.asked_by or staff in found.approved_by:
        raise InvalidInput(f"{staff} has had a say in this refund; another person must approve it.")
    approved = [*found.approved_by, staff]
    is_enough = len(approved) >= approvals
    _become(tx, found, "approved" if is_enough else "asked", now if is_enough else None, approved_by=approved)
    tx.wake(REFUNDS_WORD)
    return refund(tx, refund_id)


def decline(tx: Transaction, refund_id: str, staff: str, reason: str, now: datetime) -> Refund:
    """A no: the money is available again. Nothing that may have been sent can be declined. Raises NotFound, InvalidInput."""
    found = _locked(tx, refund_id)
    if found.state not in ("asked", "approved"):
        raise InvalidInput(f"This refund is {found.state}; only one that was not sent can be declined.")
    _put_back(tx, found, "refused", reason, REFUND_PENDING, now, declined_by=staff)
    return refund(tx, refund_id)


def claim(tx: Transaction, now: datetime, limit: int) -> list[Refund]:
    """Those to send or to ask after; nobody else gets them for AGAIN_AFTER. They count as sent from now on.

    None while a check of the books has failed (`onceline.core.proofs.watch`): they stay due.
    """
    rows = tx.all(store.Q.claim_refunds, {"now": now, "until": now + AGAIN_AFTER, "limit": limit})
    return [refund(tx, row.id) for row in rows]


def confirm(tx: Transaction, refund_id: str, processor_id: str | None, now: datetime) -> None:
    """The processor has sent it. Said again, nothing happens."""
    found = _locked(tx, refund_id)
    if found.state != "sending":
        return
    deposit = store.deposit(tx, found.deposit)
    ledger.lock(tx, deposit.side)
    _become(tx, found, "sent", None, processor_id=processor_id, sent_at=now)
    store.become(tx, deposit.id, "refunded", None, now)
    move = Move("refund_sent", REFUND_PENDING, deposit.method, found.amount - deposit.fee)
    seq = ledger.post(tx, deposit.side, [move], 1, now)
    if deposit.fee:
        ledger.post_house(tx, deposit.mode, Move("fee_undone", FEES, deposit.method, deposit.fee), now)
    outbox.append(tx, deposit.side, seq, [Draft("deposit.refunded", subject=deposit.id)], now)


def undo(tx: Transaction, refund_id: str, reason: str, now: datetime) -> None:
    """The processor will not send it, or it came back to us, even days later: it is available again."""
    found = _locked(tx, refund_id)
    if found.state not in ("sending", "sent"):
        return
    deposit = store.deposit(tx, found.deposit)
    source = deposit.method if found.state == "sent" else REFUND_PENDING
    if found.state == "sent" and deposit.fee:
        ledger.post_house(tx, deposit.mode, Move("fee", deposit.method, FEES, deposit.fee), now)
    _put_back(tx, found, "undone", reason, source, now)
    store.note_exception(
        tx, deposit.method, "refund_undone", found.id, now, deposit=deposit.id, amount=found.amount
    )


def later(tx: Transaction, refund_id: str, at: datetime, processor_id: str | None = None) -> None:
    """Nothing is known yet but, perhaps, what the processor calls it: the same is asked again at that time."""
    found = _locked(tx, refund_id)
    if found.state == "sending":
        _become(tx, found, "sending", at, processor_id=processor_id)


def refund(tx: Transaction, refund_id: str) -> Refund:
    """Raises NotFound."""
    return _read(tx.one(store.Q.refund, {"id": refund_id}), refund_id)


def of(tx: Transaction, deposit_id: str) -> Refund:
    """The refund of a deposit that counts, else the newest. Raises NotFound."""
    return _read(tx.one(store.Q.refund_of, {"deposit": deposit_id}), deposit_id)


def newest(tx: Transaction, deposits: Sequence[str]) -> dict[str, Refund]:
    """As `of`, for each deposit that had one, by deposit. Index deposit_refunds_by_deposit."""
    rows = tx.all(store.Q.newest_refunds, {"deposits": list(deposits)}) if deposits else []
    return {row.deposit: Refund(*row) for row in rows}


def _locked(tx: Transaction, refund_id: str) -> Refund:
    """Under its deposit's row, and its own, which a worker takes alone that claims it. Raises NotFound."""
    store.locked(tx, refund(tx, refund_id).deposit)
    tx.send(store.Q.lock_refund, {"id": refund_id})
    return refund(tx, refund_id)


def _put_back(
    tx: Transaction,
    found: Refund,
    state: str,
    reason: str,
    source: str,
    now: datetime,
    *,
    declined_by: str | None = None,
) -> None:
    """The deposit counts again, at its old place."""
    deposit = store.deposit(tx, found.deposit)
    ledger.lock(tx, deposit.side)
    _become(tx, found, state, None, reason=reason[:200], declined_by=declined_by, ended_at=now)
    store.become(tx, deposit.id, "credited", None, None)
    moves = [
        Move("refund_undone", source, AVAILABLE, found.amount - deposit.fee),
        Move("bonus", BONUS, AVAILABLE, deposit.bonus),
    ]
    seq = ledger.post(tx, deposit.side, moves, 1, now)
    outbox.append(tx, deposit.side, seq, [Draft("deposit.refund_undone", subject=deposit.id)], now)


def _become(tx: Transaction, found: Refund, state: str, look_at: datetime | None, **changed: object) -> None:
    row = {
        "id": found.id, "state": state, "look_at": look_at, "approved_by": found.approved_by, "reason": found.reason,
        "processor_id": None, "declined_by": None, "sent_at": found.sent_at, "ended_at": found.ended_at,
    }  # fmt: skip
    tx.run(store.Q.refund_becomes, row | changed)


def _read(row: Row | None, what: str) -> Refund:
    if row is None:
        raise NotFound("deposit refund", what)
    return Refund(*row)
