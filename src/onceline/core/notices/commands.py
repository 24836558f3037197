"""Tell an account something, in the transaction that makes it true; read and mark what it was told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction, load_queries, page_of
from onceline.core.errors import InvalidInput
from onceline.core.money import format_amount
from onceline.core.notices.model import (
    KINDS,
    LOW_AGAIN_AFTER,
    MAILS_A_DAY,
    MOST_UNREAD,
    check_effective,
)
from onceline.core.notices.texts import written
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Draft

_Q = load_queries(__package__)

MAILS_WORD = "mails"
"""The wake-up of the worker that sends mail."""


class Reader(NamedTuple):
    """Who reads: a key sees what its own side was told, and what the account as a whole was told."""

    account: str
    mode: str


def tell(
    tx: Transaction, *, account: str, kind: str, facts: dict[str, Any], now: datetime, mode: str | None = None
) -> None:
    """A notification in the house, and a mail if an address is confirmed and the kind not switched off.

    `facts`: names and figures ready for JSON, never a secret; `mode`: of which side. None is the account as a whole:
    mailed to the live side's address, or the test side's where there is no other.
    Call it before `outbox.emit`: it locks the account's counter, and the side's row is everybody's last lock.
    """
    ways = KINDS[kind]
    row = tx.one(
        _Q.tell,
        {
            "account": account,
            "kind": kind,
            "mode": mode,
            "facts": json.dumps(facts),
            "mail": ways.mail,
            "most": MAILS_A_DAY,
            "day": now - timedelta(days=1),
            "now": now,
        },
    )
    if row and row.mailed:
        tx.wake(MAILS_WORD)


def notifications(
    tx: Transaction, reader: Reader, *, unread: bool, before: int | None, limit: int
) -> dict[str, Any]:
    """A page, newest first, and how many are unread (counted up to 100)."""
    rows = tx.all(
        _Q.notifications, {**reader._asdict(), "unread": unread, "before": before, "limit": limit + 1}
    )
    page = page_of(rows, limit, "seq")
    return {
        "notifications": [_view(row) for row in page.rows],
        "unread": unread_count(tx, reader),
        "next": page.next,
    }


def unread_count(tx: Transaction, reader: Reader) -> int:
    row = tx.one(_Q.unread, {**reader._asdict(), "most": MOST_UNREAD})
    return int(row.n) if row else 0


def mark_read(
    tx: Transaction, reader: Reader, *, up_to: int | None, ids: Sequence[int], now: datetime
) -> None:
    """Those named, or everything up to one: what was told after that one stays unread (H3)."""
    tx.run(_Q.mark_read, {**reader._asdict(), "up_to": up_to or 0, "ids": list(ids), "now": now})


def _view(row: Row) -> dict[str, Any]:
    text = written(row.kind, row.facts)
    return {
        "id": row.seq,
        "kind": row.kind,
        "mode": row.mode,
        "title": text.title,
        "body": text.body,
        "facts": row.facts,
        "at": rfc3339(row.at),
        "read_at": rfc3339(row.read_at) if row.read_at else None,
    }


# A balance below its threshold ----------------------------------------------------------------------------------------


def low_balances(tx: Transaction, now: datetime, limit: int) -> list[Row]:
    """Sides (with their account) whose balance crossed their threshold since somebody last looked, either way."""
    return tx.all(_Q.low_balances, {"again": now - LOW_AGAIN_AFTER, "limit": limit})


def tell_low_balance(tx: Transaction, account: str, side: int, now: datetime) -> bool:
    """Tell once that the balance is below its threshold, or note that it is not any more."""
    tx.run(_Q.lock_account, {"account": account})
    row = tx.one(_Q.cross_threshold, {"side": side, "again": now - LOW_AGAIN_AFTER, "now": now})
    if row is None or not row.low_told:
        return False
    facts = {
        "available": format_amount(row.available),
        "threshold": format_amount(row.low_balance),
        "currency": row.currency,
    }
    tell(tx, account=row.account_id, kind="balance.low", facts=facts, now=now, mode=row.mode)
    outbox.emit(tx, side, [Draft("balance.low")], now)
    return True


# Policies (P15) -------------------------------------------------------------------------------------------------------


def announce(
    tx: Transaction,
    *,
    policy: str,
    version: str,
    effective_on: date,
    significant: bool,
    summary: str,
    now: datetime,
) -> None:
    """Announce a version to every account that is open now; a worker tells them. Raises InvalidInput.

    A significant change is mailed too, and needs 14 days between announcement and effect.
    """
    check_effective(effective_on, significant, now.date())
    if not (1 <= len(policy) <= 80 and 1 <= len(version) <= 40 and 1 <= len(summary) <= 500):
        raise InvalidInput("A policy has 1 to 80 characters, its version 1 to 40, the summary 1 to 500.")
    made = tx.run(
        _Q.announce,
        {
            "policy": policy,
            "version": version,
            "effective_on": effective_on,
            "significant": significant,
            "summary": summary,
            "now": now,
        },
    )
    if not made:
        raise InvalidInput(f"{policy} {version} was announced before.")


def announcements(tx: Transaction, policy: str) -> list[Row]:
    """Version and first day of each version of a policy that was announced."""
    return tx.all(_Q.announcements, {"policy": policy})


def tell_policy(tx: Transaction, now: datetime, limit: int) -> int:
    """Tell the next accounts of the oldest announcement that is not through; each exactly once."""
    change = tx.one(_Q.policy_to_tell)
    if change is None:
        return 0
    kind = "policy.changed" if change.significant else "policy.edited"
    facts = {
        "policy": change.policy,
        "version": change.version,
        "effective": change.effective_on.isoformat(),
        "summary": change.summary,
    }
    accounts = tx.all(
        _Q.accounts_to_tell, {"after": change.told_to, "opened": change.announced_at, "limit": limit}
    )
    for account in accounts:
        tell(tx, account=account.id, kind=kind, facts=facts, now=now)
    last = accounts[-1].id if accounts else change.told_to
    done = now if len(accounts) < limit else None
    tx.run(_Q.policy_told, {"id": change.id, "told_to": last, "told_at": done})
    return len(accounts)


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    return tx.run(_Q.prune_notifications, {"before": before, "limit": limit})
