"""The queue of mails: what is due, who has it, how it ended. Content is made when a mail is sent.

A claim counts an attempt and moves the mail on by a lease; whoever dies with it leaves it to the next. So a mail is
sent at least once, and twice only if we die between the server's answer and our note of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.notices.commands import MAILS_WORD, tell
from onceline.core.notices.model import CODE, CODE_MAILS_A_DAY, CONFIRM, is_too_late

_Q = load_queries(__package__)

LEASE = timedelta(minutes=5)
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720))
GIVE_UP_AFTER = timedelta(hours=24)
"""As old as this, a mail that no server took yet is given up; what it says is in the house."""
_EVENTS = 500
_MOST_COUNTED = 10_000


def due(tx: Transaction, now: datetime) -> int:
    """How many mails and letters wait to be sent, counted up to 10,000."""
    row = tx.one(_Q.mails_due, {"now": now, "most": _MOST_COUNTED})
    return int(row.n) if row else 0


def claim(tx: Transaction, now: datetime) -> Row | None:
    """The mail that waits longest, for the time of a lease."""
    return tx.one(_Q.claim_mail, {"now": now, "until": now + LEASE})


def recipient(tx: Transaction, side: int) -> Row | None:
    """The settings of the side that a mail goes to, as they are now."""
    return tx.one(_Q.settings, {"side": side})


def end(tx: Transaction, mail: Row, state: str) -> bool:
    """Sent, failed or dropped; False if the claim was over and somebody else has it."""
    return bool(tx.run(_Q.end_mail, {"id": mail.id, "attempts": mail.attempts, "state": state}))


def retry(tx: Transaction, mail: Row, now: datetime) -> bool:
    """Later again, or failed when it was tried often enough; True if it will be tried again."""
    if mail.attempts > len(RETRIES):
        end(tx, mail, "failed")
        return False
    at = now + RETRIES[mail.attempts - 1]
    return bool(tx.run(_Q.retry_mail, {"id": mail.id, "attempts": mail.attempts, "at": at}))


def refuse_address(tx: Transaction, mail: Row, settings: Row, now: datetime) -> None:
    """The server says for good that nobody lives there: use the address no more, and say so in the house."""
    tell(tx, account=mail.account_id, kind="mail.refused", facts={}, now=now, mode=settings.mode)
    if mail.kind == CONFIRM:
        tx.run(_Q.drop_pending, {"side": mail.side_id, "pending_at": settings.pending_at})
    else:
        tx.run(_Q.unconfirm, {"side": mail.side_id, "mailbox": settings.mailbox})


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune_mails, {"before": before, "limit": limit})


# Mails about codes ----------------------------------------------------------------------------------------------------


def sides_with_news(tx: Transaction, limit: int) -> list[Row]:
    """Sides (with their account) that chose mails about codes, and whose events have not all been looked at."""
    return tx.all(_Q.sides_with_news, {"limit": limit})


def mail_codes(tx: Transaction, account: str, side: int, now: datetime) -> int:
    """A mail for each code among the side's next events; returns how many events were looked at.

    The cursor moves in the same transaction, and an event has one mail at most: none is lost, none is made twice.
    """
    tx.run(_Q.lock_account, {"account": account})
    cursor = tx.one(_Q.code_cursor, {"side": side})
    if cursor is None:
        return 0  # switched off meanwhile, or in another worker's hands
    rows = tx.all(_Q.events_with_codes, {"side": side, "seq": cursor.seq, "limit": _EVENTS})
    wanted = [row for row in rows if row.has_code and not is_too_late(row.expires_at, now)]
    if cursor.confirmed_at:
        _mail(tx, cursor, wanted, now)
    # Without rows, what lay up to `newest` is kept no more, or was leapt over after a restore.
    tx.run(_Q.move_code_cursor, {"side": side, "seq": rows[-1].seq if rows else cursor.newest})
    return len(rows)


def _mail(tx: Transaction, cursor: Row, wanted: list[Row], now: datetime) -> None:
    if not wanted:
        return
    owner = {"account": cursor.account_id, "side": cursor.side_id, "mode": cursor.mode}
    day = now - timedelta(days=1)
    sent = tx.one(_Q.code_mails_since, {**owner, "kind": CODE, "day": day})
    room = max(0, CODE_MAILS_A_DAY - (sent.n if sent else 0))
    if len(wanted) > room and not tx.one(_Q.told_since, {**owner, "kind": "mail.limited", "day": day}):
        facts = {"limit": CODE_MAILS_A_DAY}
        tell(tx, account=cursor.account_id, kind="mail.limited", facts=facts, now=now, mode=cursor.mode)
    chosen = wanted[:room]
    values = {"seqs": [row.seq for row in chosen], "orders": [row.order_id for row in chosen]}
    tx.run(_Q.code_mails, {**owner, **values, "kind": CODE, "now": now})
    tx.wake(MAILS_WORD)
