"""Grants of a person's session: a door for people opens them at log-in, acts by them, and ends them at log-out.

A session has one grant for each side of its account, with the rights that a key can have, and always an end. It opens
sockets by tickets as a key does; no bearer text belongs to it, so it authenticates no request of a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from onceline.core.access.commands import GRANTS_WORD
from onceline.core.access.model import Grant, as_grant
from onceline.core.db import Transaction, load_queries
from onceline.core.errors import AccountSuspended, KeyRefused, NotFound

_Q = load_queries(__package__)


class SessionGrants(NamedTuple):
    test: int
    live: int


def open_session(tx: Transaction, account: str, now: datetime, ends_at: datetime) -> SessionGrants:
    """A grant for each side, good until `ends_at` unless it is ended before. Raises NotFound."""
    rows = tx.all(_Q.open_session, {"account": account, "now": now, "ends_at": ends_at})
    if not rows:
        raise NotFound("account", account)
    return SessionGrants(**{row.mode: row.id for row in rows})


def end_grants(tx: Transaction, grants: Sequence[int], now: datetime) -> int:
    """End sessions at once, and their sockets within a second; returns how many grants still went on. Keys stay."""
    ended = tx.run(_Q.end_sessions, {"grants": list(grants), "now": now})
    if ended:
        tx.wake(GRANTS_WORD)
    return ended


def session_grant(tx: Transaction, grant: int, now: datetime) -> Grant:
    """What a session's grant allows. Raises KeyRefused (unknown or ended), AccountSuspended."""
    found, state = session_of(tx, grant, now)
    if state != "open":
        raise AccountSuspended(f"This account is {state}.")
    return found


def session_of(tx: Transaction, grant: int, now: datetime) -> tuple[Grant, str]:
    """A session's grant with its account's state: who is suspended still sees what is theirs. Raises KeyRefused."""
    row = tx.one(_Q.session_grant, {"grant": grant})
    if row is None or row.revoked_at or row.expires_at <= now:
        raise KeyRefused("This session has ended; log in again.")
    return as_grant(row), row.state


def prune_sessions(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget grants of sessions that ended before an instant; those of keys stay."""
    return tx.run(_Q.prune_sessions, {"before": before, "limit": limit})
