"""When a payer's bank warns that a payment was fraud, and has taken nothing back: staff are told, and the account orders nothing more.

Never: a move of money. Whether it goes back to the payer before the bank takes it is for a person to decide.
"""

from __future__ import annotations

from datetime import datetime

from onceline.core.access import commands as access
from onceline.core.db import Transaction
from onceline.core.deposits import store

_COUNTS = frozenset({"credited", "refunding"})
"""Something of it can be spent, or can be again when its refund fails. With a dispute, the account was stopped by that."""


def warn(tx: Transaction, deposit_id: str, warning_id: str, method: str, now: datetime) -> None:
    """Raises NotFound."""
    found = store.locked(tx, deposit_id)
    store.note_exception(
        tx, method, "fraud_warning", warning_id, now, deposit=deposit_id, amount=found.credited
    )
    if found.state in _COUNTS:
        access.stop_account(tx, found.account)
