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
    if tx.one(store.Q.dispute, {"method": found.method, "id": said.id}) is None:
        _open(tx, found, said, now)
    known = _known(tx, found.method, said.id)
    if known.state == "open" and said.stage is not Stage.OPEN:
        _close(tx, store.deposit(tx, deposit_id), known, said.stage, now)
    elif known.state != "open" and said.stage is not Stage.OPEN and known.state != said.stage:
        store.note_exception(tx, found.method, "dispute_changed_its_end", said.id, now, deposit=deposit_id)


def take_what_came_back(tx: Transaction, deposit_id: str, now: datetime) -> None:
    """When it counts again: of what a payer's bank wanted while it was on its way back, or in another dispute."""
    found = store.locked(tx, deposit_id)
    known = tx.one(store.Q.dispute_without_money, {"deposit": deposit_id})
    if known is None or found.state != "credited":
        return
    known = _freeze(tx, found, known, now)
    if known.state == "lost":
        _lose(tx, found, known, now)


def _open(tx: Transaction, found: Deposit, said: Dispute, now: datetime) -> None:
    found = _stopped(tx, found, now)
    is_there = found.state == "credited"
    row = {"method": found.method, "id": said.id, "deposit": found.id, "claimed": said.amount, "now": now}
    tx.run(store.Q.open_dispute_row, row)
    if is_there:
        _freeze(tx, found, _known(tx, found.method, said.id), now)
    code = "dispute" if is_there else "dispute_of_what_is_gone"
    store.note_exception(tx, found.method, code, said.id, now, deposit=found.id, amount=said.amount)


def _freeze(tx: Transaction, found: Deposit, known: Row, now: datetime) -> Row:
    """Of the deposit what the bank wants, as far as it is there; the rest is owed. The account orders nothing any more."""
    assert found.credited is not None, "only what came is disputed"
    balance = ledger.lock(tx, found.side)
    amount = min(known.claimed, found.credited)
    frozen = min(balance.available, amount)
    bonus = min(balance.available - frozen, found.bonus)
    fee = min(known.claimed - amount, found.fee)
    row = {
        "method": found.method,
        "id": known.id,
        "amount": amount,
        "fee": fee,
        "owed": amount - frozen,
        "bonus": bonus,
    }
    tx.run(store.Q.freeze, row)
    store.become(tx, found.id, "disputed", None, None)
    access.stop_account(tx, found.account)
    moves = [
        Move("dispute", AVAILABLE, DISPUTED, frozen),
        Move("dispute_owed", DEBT, DISPUTED, amount - frozen),
        Move("bonus_undone", AVAILABLE, BONUS, bonus),
    ]
    _post(tx, found, moves, "deposit.disputed", now)
    return _known(tx, found.method, known.id)


def _stopped(tx: Transaction, found: Deposit, now: datetime) -> Deposit:
    """A refund that was not sent yet is not sent any more: the payer would have the money twice."""
    if found.state != "refunding":
        return found
    asked = refunds.of(tx, found.id)
    if asked.state in ("asked", "approved"):
        refunds.decline(tx, asked.id, "dispute", "the payer's bank takes the payment back", now)
    return store.deposit(tx, found.id)


def _close(tx: Transaction, found: Deposit, known: Row, stage: Stage, now: datetime) -> None:
    """One that took nothing, since another had or the deposit was gone, gives nothing back either."""
    tx.run(store.Q.close_dispute, {"method": known.method, "id": known.id, "state": stage.value, "now": now})
    if known.amount == 0 or found.state != "disputed":
        return
    if stage is Stage.LOST:
        _lose(tx, found, known, now)
    else:
        _win(tx, found, known, now)


def _lose(tx: Transaction, found: Deposit, known: Row, now: datetime) -> None:
    store.become(tx, found.id, "lost", None, now)
    _post(tx, found, [Move("dispute_lost", DISPUTED, found.method, known.amount)], "deposit.lost", now)
    if known.fee:
        ledger.post_house(tx, found.mode, Move("fee_undone", FEES, found.method, known.fee), now)


def _win(tx: Transaction, found: Deposit, known: Row, now: datetime) -> None:
    balance = ledger.lock(tx, found.side)
    store.become(tx, found.id, "credited", None, None)
    forgiven = min(known.owed, balance.debt)  # the rest was paid meanwhile, and is theirs again
    moves = [
        Move("debt_undone", DISPUTED, DEBT, forgiven),
        Move("dispute_won", DISPUTED, AVAILABLE, known.amount - forgiven),
        Move("bonus", BONUS, AVAILABLE, known.bonus),
    ]
    _post(tx, found, moves, "deposit.credited", now)
    take_what_came_back(tx, found.id, now)


def _post(tx: Transaction, found: Deposit, moves: list[Move], event: str, now: datetime) -> None:
    seq = ledger.post(tx, found.side, moves, 1, now)
    outbox.append(tx, found.side, seq, [Draft(event, subject=found.id)], now)


def _known(tx: Transaction, method: str, dispute_id: str) -> Row:
    row = tx.one(store.Q.dispute, {"method": method, "id": dispute_id})
    assert row is not None, "opened before"
    return row
