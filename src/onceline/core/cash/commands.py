"""Record cash, approve or decline it. A member of staff records, and approves, so much a day and no more.

Locks: the deposit's row, then the member of staff, then the side's row, which is always the last.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.deposits import commands as deposits
from onceline.core.deposits import store
from onceline.core.deposits.model import Deposit
from onceline.core.deposits.staff import CENT, demand_another, folded
from onceline.core.errors import InvalidInput, LimitExceeded, NotFound
from onceline.core.ids import random_id
from onceline.core.money import format_amount

METHOD = "cash"
CASH = "cash"
"""House account: what lies in the box."""
LONGEST_DOCUMENT = 64
_DAY = timedelta(days=1)
_Q = load_queries(__package__)


class Receipt(NamedTuple):
    """What was taken, and the paper that says so: each has a number of its own."""

    side: int
    amount: int
    document: str


def record(tx: Transaction, receipt: Receipt, staff: str, limit: int, now: datetime) -> str:
    """A deposit that waits for another person; its id. Raises InvalidInput, LimitExceeded.

    `limit`: micro-units that one member of staff may record within a day.
    """
    staff, document = folded(staff), _document(receipt.document)
    if receipt.amount <= 0 or receipt.amount % CENT or receipt.amount > limit:
        raise InvalidInput(f"Cash comes in whole cents, between 0.0100 and {format_amount(limit)}.")
    _demand_within(_of_staff(tx, staff, now).recorded + receipt.amount, limit, "recorded")
    deposit_id = random_id("dep")
    deposits.lay_by(tx, deposit_id, receipt.side, receipt.amount, METHOD, now)
    row = {"deposit": deposit_id, "document": document, "staff": staff, "now": now}
    if not tx.run(_Q.add_receipt, row):
        raise InvalidInput(f"The document {document!r} is recorded already.")
    return deposit_id


def approve(tx: Transaction, deposit_id: str, staff: str, limit: int, now: datetime) -> Deposit:
    """Credited. Raises NotFound, InvalidInput, LimitExceeded."""
    found, staff = _waiting(tx, deposit_id), folded(staff)
    demand_another(_recorded_by(tx, deposit_id), staff)
    _demand_within(_of_staff(tx, staff, now).approved + found.amount, limit, "approved")
    _decide(tx, deposit_id, "approved", staff, now)
    deposits.accept(tx, found, CASH, now)
    return store.deposit(tx, deposit_id)


def decline(tx: Transaction, deposit_id: str, staff: str, now: datetime) -> Deposit:
    """Never credited: a slip of the pen. Anybody may say so. Raises NotFound, InvalidInput."""
    _waiting(tx, deposit_id)
    _decide(tx, deposit_id, "declined", folded(staff), now)
    store.become(tx, deposit_id, "failed", None, now)
    return store.deposit(tx, deposit_id)


def receipts(tx: Transaction, *, before: str | None, limit: int) -> Listing:
    """Newest first; `before` is the id that the page before this one ended with."""
    return page_of(tx.all(_Q.receipts, {"before": before, "limit": limit + 1}), limit)


def _waiting(tx: Transaction, deposit_id: str) -> Deposit:
    found = store.locked(tx, deposit_id)
    if found.method != METHOD:
        raise NotFound("cash deposit", deposit_id)
    if found.state != "review":
        raise InvalidInput(f"This deposit is {found.state}; nothing is to be decided about it.")
    return found


def _recorded_by(tx: Transaction, deposit_id: str) -> str:
    row = tx.one(_Q.receipt, {"deposit": deposit_id})
    assert row is not None, "cash is laid by together with its receipt"
    return str(row.recorded_by)


def _of_staff(tx: Transaction, staff: str, now: datetime) -> Row:
    """What one member of staff recorded and approved within a day; two at once are counted one after the other."""
    tx.send(_Q.lock_staff, {"staff": staff})
    row = tx.one(_Q.of_staff, {"staff": staff, "since": now - _DAY})
    assert row is not None
    return row


def _demand_within(total: int, limit: int, what: str) -> None:
    if total > limit:
        raise LimitExceeded(
            f"At most {format_amount(limit)} can be {what} by one member of staff within a day.",
            limit="cash a day", retry_after_s=3600,
        )  # fmt: skip


def _decide(tx: Transaction, deposit_id: str, verdict: str, staff: str, now: datetime) -> None:
    tx.run(_Q.decide, {"deposit": deposit_id, "verdict": verdict, "staff": staff, "now": now})


def _document(text: str) -> str:
    document = " ".join(text.split()).casefold()
    if not 1 <= len(document) <= LONGEST_DOCUMENT or not document.isprintable():
        raise InvalidInput(f"A document's number has 1 to {LONGEST_DOCUMENT} printable characters.")
    return document
