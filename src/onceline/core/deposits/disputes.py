"""When a payer's bank takes a payment back: what is left of it is frozen, what was spent becomes a debt, never a negative balance.

Law: a deposit leaves once. One that was sent back already is not taken a second time; staff are told.
"""

from __future__ import annotations

from datetime import datetime

from onceline.core.access import commands as access
from onceline.core.db import Row, Transaction
from onceline.core.deposits import refunds, store
from onceline.core.deposits.model import Deposit, Dispute, Stage
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import AVAILABLE, BONUS, DEBT, DISPUTED, FEES, Move
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Draft


def hear(tx: Transaction, deposit_id: str, said: Dispute, now: datetime) -> None:
    """In whatever order the words come: an end that comes first opens and closes. Raises NotFound."""
    found = store.locked(tx, deposit_id)
    known = _known(tx, found.method, said.id)
    if known is None:
        _open(tx, found, said, now)
        known = _known(tx, found.method, said.id)
        assert known is not None
    if known.state == "open" and said.stage is not Stage.OPEN:
        _close(tx, store.deposit(tx, deposit_id), known, said.stage, now)
    elif known.state != "open" and said.stage is not Stage.OPEN and known.state != said.stage:
        store.note_exception(tx, found.method, "dispute_changed_its_end", said.id, now, deposit=deposit_id)


def _open(tx: Transaction, found: Deposit, said: Dispute, now: datetime) -> None:
    found = _stopped(tx, found, now)
    balance = ledger.lock(tx, found.side)
    is_there = found.state == "credited"
    amount = min(said.amount, found.credited or 0) if is_there else 0
    frozen = min(balance.available, amount)
    bonus = min(balance.available - frozen, found.bonus) if is_there else 0
    tx.run(store.Q.open_dispute_row, {
        "method": found.method, "id": said.id, "deposit": found.id, "amount": amount, "owed": amount - frozen,
        "bonus": bonus, "now": now,
    })  # fmt: skip
    if not is_there:
        store.note_exception(
            tx, found.method, "dispute_of_what_is_gone", said.id, now, deposit=found.id, amount=said.amount
        )
        return
    store.become(tx, found.id, "disputed", None, None)
    access.set_account_state(tx, found.account, "suspended")
    moves = [
        Move("dispute", AVAILABLE, DISPUTED, frozen),
        Move("dispute_owed", DEBT, DISPUTED, amount - frozen),
        Move("bonus_undone", AVAILABLE, BONUS, bonus),
    ]
    _post(tx, found, moves, "deposit.disputed", now)
    store.note_exception(tx, found.method, "dispute", said.id, now, deposit=found.id, amount=said.amount)


def _stopped(tx: Transaction, found: Deposit, now: datetime) -> Deposit:
    """A refund that was not sent yet is not sent any more: the payer would have the money twice."""
    if found.state != "refunding":
        return found
    asked = refunds.of(tx, found.id)
    if asked.state in ("asked", "approved"):
        refunds.decline(tx, asked.id, "dispute", "the payer's bank takes the payment back", now)
    return store.deposit(tx, found.id)


def _close(tx: Transaction, found: Deposit, known: Row, stage: Stage, now: datetime) -> None:
    balance = ledger.lock(tx, found.side)
    tx.run(store.Q.close_dispute, {"method": known.method, "id": known.id, "state": stage.value, "now": now})
    if found.state != "disputed":
        return
    if stage is Stage.LOST:
        store.become(tx, found.id, "lost", None, now)
        _post(tx, found, [Move("dispute_lost", DISPUTED, found.method, known.amount)], "deposit.lost", now)
        if found.fee:
            ledger.post_house(tx, found.mode, Move("fee_undone", FEES, found.method, found.fee), now)
        return
    store.become(tx, found.id, "credited", None, None)
    forgiven = min(known.owed, balance.debt)  # the rest was paid meanwhile, and is theirs again
    moves = [
        Move("debt_undone", DISPUTED, DEBT, forgiven),
        Move("dispute_won", DISPUTED, AVAILABLE, known.amount - forgiven),
        Move("bonus", BONUS, AVAILABLE, known.bonus),
    ]
    _post(tx, found, moves, "deposit.credited", now)


def _post(tx: Transaction, found: Deposit, moves: list[Move], event: str, now: datetime) -> None:
    seq = ledger.post(tx, found.side, moves, 1, now)
    outbox.append(tx, found.side, seq, [Draft(event, subject=found.id)], now)


def _known(tx: Transaction, method: str, dispute_id: str) -> Row | None:
    return tx.one(store.Q.dispute, {"method": method, "id": dispute_id})
