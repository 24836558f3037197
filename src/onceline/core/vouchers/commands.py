"""Make a batch, put it in force, redeem a voucher, make void what was not redeemed.

Nothing is booked while a batch is a draft. Then the house owes its whole value, until each voucher is redeemed or void.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.deposits import commands as deposits
from onceline.core.deposits import store as deposit_rows
from onceline.core.deposits.staff import demand_another, folded
from onceline.core.errors import (
    IdempotencyConflict,
    InvalidInput,
    LimitExceeded,
    VoucherRedeemed,
)
from onceline.core.ids import random_id
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import Move
from onceline.core.vouchers import model, store
from onceline.core.vouchers.model import VOUCHERS, VOUCHERS_SOLD, Wanted
from onceline.core.vouchers.store import Batch

MOST_GUESSES = 5
GUESSES_WITHIN = timedelta(hours=1)
MOST_GUESSING = 100
"""Wrong codes of the whole house in an hour; beyond it, staff are told."""
NO_VOUCHER = "voucher that can be redeemed with this code"


class Made(NamedTuple):
    """`codes`, by number from 1: shown now and never again."""

    batch: str
    codes: list[str]


class Asking(NamedTuple):
    """Who types a code in. `key`: the Idempotency-Key, if there is one."""

    account: str
    side: int
    code: str
    key: str | None = None


class Redeemed(NamedTuple):
    """`replayed`: by an earlier request with the same key."""

    deposit: str
    amount: int
    replayed: bool = False


def create(tx: Transaction, secret: bytes, wanted: Wanted, staff: str, now: datetime) -> Made:
    """A draft, worth nothing until another person approves it. Raises InvalidInput."""
    model.check(wanted, now)
    row = wanted._asdict() | {"issuer": _issuer(wanted.issuer), "staff": folded(staff), "now": now}
    made = Made(random_id("vbt"), [model.new_code() for _ in range(wanted.size)])
    tx.run(store.Q.add_batch, row | {"id": made.batch})
    hashes = [model.hash_of(secret, code) for code in made.codes]
    tx.run(store.Q.add_vouchers, {"batch": made.batch, "hashes": hashes})
    return made


def approve(tx: Transaction, batch_id: str, staff: str, now: datetime) -> Batch:
    """In force from now on: the house owes its value. Raises NotFound, InvalidInput."""
    found, staff = store.locked(tx, batch_id), folded(staff)
    if found.state != "draft":
        raise InvalidInput(f"This batch is {found.state}; only a draft can be approved.")
    if found.expires_at is not None and found.expires_at <= now:
        raise InvalidInput("These vouchers have expired; nobody could redeem one.")
    demand_another(found.created_by, staff)
    tx.run(store.Q.approve, {"id": batch_id, "staff": staff, "now": now})
    _book(tx, found, "voucher_sold", found.size, now)
    return store.batch(tx, batch_id)


def void(tx: Transaction, batch_id: str, staff: str, now: datetime, number: int | None = None) -> int:
    """What nobody has redeemed, of a batch or of one number of it, is worth nothing from now on; how many those were.

    Raises NotFound, InvalidInput.
    """
    found, staff = store.locked(tx, batch_id), folded(staff)
    if found.state == "void":
        raise InvalidInput("This batch is void.")
    if found.state == "draft" and number is not None:
        raise InvalidInput("This batch is a draft: void it as a whole, or approve it first.")
    row = {"batch": batch_id, "number": number, "staff": staff, "now": now}
    voided = tx.run(store.Q.void_vouchers, row)
    if number is None:
        tx.run(store.Q.void_batch, {"id": batch_id, "staff": staff, "now": now})
    elif not voided:
        raise InvalidInput(f"Voucher {number} of this batch is not there, is redeemed, or is void.")
    if found.state == "active":
        _book(tx, found, "voucher_void", voided, now)
    return voided


def redeem(tx: Transaction, secret: bytes, asking: Asking, now: datetime) -> Redeemed | None:
    """The voucher's value is the side's, once; a debt is paid first. None: no such voucher, for whatever reason.

    Commit also after None, then refuse with NotFound(NO_VOUCHER): the guess counts. Which codes exist, or were another's,
    nobody learns. Raises InvalidInput (mistyped), LimitExceeded, VoucherRedeemed (by this side), IdempotencyConflict.
    """
    code_hash = model.hash_of(secret, model.read(asking.code))
    _demand_few_guesses(tx, asking.account, now)
    if known := _known(tx, asking, code_hash):
        return known
    deposit_id = random_id("dep")
    won = tx.one(store.Q.redeem, {
        "hash": code_hash, "side": asking.side, "deposit": deposit_id, "key": asking.key, "now": now,
    })  # fmt: skip
    if won is None:
        _note_guess(tx, asking, code_hash, now)
        return None
    deposits.bring(tx, deposit_id, asking.side, won.face_value, model.METHOD, VOUCHERS, now)
    return Redeemed(deposit_id, won.face_value)


def _known(tx: Transaction, asking: Asking, code_hash: bytes) -> Redeemed | None:
    """What this key was used for. Under the account's row, so two at once with one key do not both miss it."""
    if asking.key is None:
        return None
    row = tx.one(store.Q.redeemed_under, {"side": asking.side, "key": asking.key})
    if row is None:
        return None
    if bytes(row.code_hash) != code_hash:
        raise IdempotencyConflict
    return Redeemed(row.id, row.amount, replayed=True)


def _demand_few_guesses(tx: Transaction, account: str, now: datetime) -> None:
    row = tx.one(store.Q.guesses, {"account": account, "since": now - GUESSES_WITHIN})
    assert row is not None
    if len(row.at) >= MOST_GUESSES:
        wait = row.at[0] + GUESSES_WITHIN - now
        raise LimitExceeded(
            f"{MOST_GUESSES} wrong codes within an hour; no code is looked at for now.",
            limit="voucher codes", retry_after_s=max(1, -(-wait // timedelta(seconds=1))),
        )  # fmt: skip


def _note_guess(tx: Transaction, asking: Asking, code_hash: bytes, now: datetime) -> None:
    """Counted, unless it is a code of their own that they send again."""
    own = tx.one(store.Q.redeemed_by, {"hash": code_hash, "side": asking.side})
    if own is not None:
        raise VoucherRedeemed(own.id)
    tx.run(store.Q.note_guess, {"account": asking.account, "now": now})
    hour = now.replace(minute=0, second=0, microsecond=0)
    row = tx.one(store.Q.note_guessing, {"hour": hour})
    assert row is not None
    if row.wrong > MOST_GUESSING:
        deposit_rows.note_exception(tx, model.METHOD, "guessing", rfc3339(hour), now)


def _book(tx: Transaction, batch: Batch, kind: str, count: int, now: datetime) -> None:
    if not count:
        return
    debit, credit = (VOUCHERS_SOLD, VOUCHERS) if kind == "voucher_sold" else (VOUCHERS, VOUCHERS_SOLD)
    ledger.post_house(tx, batch.mode, Move(kind, debit, credit, batch.face_value * count), now)


def _issuer(text: str) -> str:
    folded(text, "An issuer's name")
    return " ".join(text.split())
