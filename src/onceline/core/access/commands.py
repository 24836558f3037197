"""Open accounts; create, rotate, revoke and check keys; issue and redeem socket tickets."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from onceline.core.access.keys import hash_of, is_well_formed, new_key
from onceline.core.access.model import Grant, as_grant, check_scopes
from onceline.core.clock import rfc3339
from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.errors import (
    AccountSuspended,
    InvalidInput,
    KeyExpired,
    KeyRefused,
    KeyRevoked,
    LimitExceeded,
    NotFound,
    ScopeMissing,
)
from onceline.core.ids import random_id
from onceline.core.money import LARGEST
from onceline.core.notices.commands import tell
from onceline.core.outbox.store import Draft, emit
from onceline.core.vault import Vault, account_key

_Q = load_queries(__package__)

KEYS_PER_SIDE = 100
LONGEST_NAME = 80
TICKET_S = 30
GRANTS_WORD = "grants"
"""The wake-up that tells every process to look at its grants again."""


def open_account(tx: Transaction, vault: Vault, name: str, now: datetime) -> str:
    """Open an account with both sides at zero; returns its id. Its data key is durable before the first row.

    Raises InvalidInput for a name that is empty or longer than 80 characters.
    """
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidInput(f"An account's name has 1 to {LONGEST_NAME} characters.")
    account = random_id("acc")
    vault.create(account_key(account))
    tx.run(_Q.open_account, {"account": account, "name": name, "now": now})
    for mode in ("test", "live"):
        tx.run(_Q.open_side, {"account": account, "mode": mode, "wallet": secrets.randbits(62)})
    return account


def find_account(tx: Transaction, text: str) -> Row:
    """The account of this id or unambiguous name. Raises NotFound, InvalidInput."""
    rows = tx.all(_Q.find_account, {"text": text})
    if not rows:
        raise NotFound("account", text)
    if len(rows) > 1:
        raise InvalidInput(f"several accounts are called {text!r}; name one by its id, such as {rows[0].id}.")
    return rows[0]


def accounts(tx: Transaction, *, after: str, limit: int) -> Listing:
    return page_of(tx.all(_Q.accounts, {"after": after, "limit": limit + 1}), limit)


def set_account_state(tx: Transaction, account: str, state: str) -> None:
    """Open, suspend or close; every socket of the account ends within a second. Raises NotFound."""
    if not tx.run(_Q.set_state, {"account": account, "state": state}):
        raise NotFound("account", account)
    tx.wake(GRANTS_WORD)


def stop_account(tx: Transaction, account: str) -> None:
    """Suspend one that is open; one that staff closed stays closed."""
    if tx.run(_Q.stop, {"account": account}):
        tx.wake(GRANTS_WORD)


def side_of(tx: Transaction, account: str, mode: str) -> int:
    row = tx.one(_Q.side_of, {"account": account, "mode": mode})
    if row is None:
        raise NotFound("account", account)
    return int(row.id)


def create_key(
    tx: Transaction,
    *,
    side: int,
    mode: str,
    kind: str,
    name: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    now: datetime,
    spend_cap: int | None = None,
    asker_cap: int | None = None,
) -> tuple[str, str]:
    """A new key; returns its id and the key itself, which is shown this once. Raises InvalidInput, LimitExceeded.

    `spend_cap`: what its orders may cost together, in micro-units; None is no cap. `asker_cap`: the cap of the key that
    asks (`Grant.cap`): what such a key makes shares its cap, or a cap could be left behind by making another key.
    The account is told, unless it is a side's only key: nobody else can have asked for that than who opened the account.
    """
    cap = asker_cap
    if spend_cap is not None:
        cap = _open_cap(tx, side, spend_cap, asker_cap)
    made, others = _make_key(
        tx, side=side, mode=mode, kind=kind, name=name, scopes=scopes, expires_at=expires_at, now=now, cap=cap
    )
    if others:
        _tell(tx, side, "key.created", made[0], {"name": name, "last4": made[1][-4:]}, now)
    return made


def _open_cap(tx: Transaction, side: int, amount: int, asker_cap: int | None) -> int:
    if asker_cap is not None:
        raise InvalidInput("The key that asks has a spend cap, and a new key shares it: leave spend_cap out.")
    if not 0 < amount <= LARGEST:
        raise InvalidInput("spend_cap is an amount above 0; leave it out for a key without a cap.")
    row = tx.one(_Q.open_cap, {"side": side, "amount": amount})
    assert row is not None
    return int(row.id)


def _make_key(
    tx: Transaction,
    *,
    side: int,
    mode: str,
    kind: str,
    name: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    now: datetime,
    cap: int | None,
) -> tuple[tuple[str, str], int]:
    """The new key with its id, and how many active ones there were before."""
    count = tx.one(_Q.active_keys, {"side": side, "now": now})
    if count and count.n >= KEYS_PER_SIDE:
        raise LimitExceeded("Revoke a key before creating another.", limit="keys", retry_after_s=3600)
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("expires_at lies in the past.")
    key, key_id = new_key(mode), random_id("key")
    tx.run(
        _Q.create_key,
        {
            "id": key_id,
            "side": side,
            "kind": kind,
            "name": name,
            "hash": hash_of(key),
            "last4": key[-4:],
            "scopes": list(check_scopes(scopes, kind)),
            "expires_at": expires_at,
            "cap": cap,
            "now": now,
        },
    )
    return (key_id, key), count.n if count else 0


def _tell(tx: Transaction, side: int, kind: str, key: str, facts: dict[str, str], now: datetime) -> None:
    """A notice, a mail where the account wants one, and an event; never the key itself."""
    owner = tx.one(_Q.owner_of, {"side": side})
    assert owner is not None, "a key names a side that exists"
    tell(tx, account=owner.account_id, kind=kind, facts={"key": key, **facts}, now=now, mode=owner.mode)
    emit(tx, side, [Draft(kind, subject=key)], now)


def rotate_key(
    tx: Transaction,
    *,
    side: int,
    mode: str,
    key: str,
    within: frozenset[str],
    overlap_s: int,
    now: datetime,
    asker_cap: int | None = None,
) -> tuple[str, str]:
    """A new key with the rights of the old one, which goes on working for `overlap_s`; the two share its spend cap.

    `within` and `asker_cap`: the rights and the cap of who asks; nobody rotates a key into more than they have.
    Raises NotFound, KeyRevoked, ScopeMissing, InvalidInput.
    """
    old = _key_of(tx, side, key)
    if old.revoked_at:
        raise KeyRevoked("A revoked key cannot be rotated; create a new one.")
    for scope in old.scopes:
        if scope not in within:
            raise ScopeMissing(scope)
    if asker_cap is not None and old.cap != asker_cap:
        raise InvalidInput("The key that asks has a spend cap, so it can rotate only keys that share it.")
    made, _ = _make_key(
        tx,
        side=side,
        mode=mode,
        kind=old.kind,
        name=old.name,
        scopes=tuple(old.scopes),
        expires_at=old.expires_at,
        now=now,
        cap=old.cap,
    )
    until = now + timedelta(seconds=overlap_s)
    tx.run(_Q.expire, {"grant": old.grant_id, "at": until})
    tx.wake(GRANTS_WORD)
    facts = {"name": old.name, "last4": old.last4, "replaced_by": made[0], "until": rfc3339(until)}
    _tell(tx, side, "key.rotated", key, facts, now)
    return made


def revoke_key(tx: Transaction, *, side: int, key: str, now: datetime) -> None:
    """End a key at once; a second call changes nothing. Raises NotFound."""
    found = _key_of(tx, side, key)
    if tx.run(_Q.revoke, {"grant": found.grant_id, "now": now}):
        tx.wake(GRANTS_WORD)
        _tell(tx, side, "key.revoked", key, {"name": found.name, "last4": found.last4}, now)


def keys(tx: Transaction, side: int) -> list[Row]:
    return tx.all(_Q.keys, {"side": side})


def authenticate(tx: Transaction, key: str, now: datetime) -> Grant:
    """Raises KeyRefused (malformed or unknown), KeyRevoked, KeyExpired, AccountSuspended."""
    if not is_well_formed(key):
        raise KeyRefused("This is not a key of this installation. Send it as: Authorization: Bearer ol_…")
    row = tx.one(_Q.authenticate, {"hash": hash_of(key)})
    if row is None:
        raise KeyRefused("This key is unknown here.")
    if row.revoked_at:
        raise KeyRevoked("This key was revoked.")
    if row.expires_at and row.expires_at <= now:
        raise KeyExpired("This key has expired.")
    if row.state != "open":
        raise AccountSuspended(f"This account is {row.state}.")
    if row.last_used_on != now.date():
        tx.run(_Q.used_today, {"key": row.key, "today": now.date()})
    return as_grant(row)


def ended_grants(tx: Transaction, grants: list[int], now: datetime) -> set[int]:
    """Which of these may not act any more."""
    return {row.id for row in tx.all(_Q.ended_grants, {"grants": grants, "now": now})}


def issue_tickets(tx: Transaction, grants: Sequence[Grant], now: datetime) -> list[str]:
    """A one-time proof for each, for the first frame of a socket, good for TICKET_S."""
    tickets = [f"tkt_{secrets.token_urlsafe(24)}" for _ in grants]
    tx.run(
        _Q.issue_tickets,
        {
            "hashes": [_ticket_hash(ticket) for ticket in tickets],
            "grants": [grant.id for grant in grants],
            "expires_at": now + timedelta(seconds=TICKET_S),
        },
    )
    return tickets


def redeem_tickets(tx: Transaction, tickets: Sequence[str], now: datetime) -> list[Grant | KeyRefused]:
    """Whom each lets in; KeyRefused where it is unknown, used, too old, or its key or session has ended."""
    hashes = [_ticket_hash(ticket) for ticket in tickets]
    rows = tx.all(_Q.redeem_tickets, {"hashes": hashes, "now": now})
    good: dict[bytes, Grant | KeyRefused] = {bytes(row.hash): as_grant(row) for row in rows}
    refused = "This ticket is unknown, used or too old; fetch a new one from socket-tickets."
    return [good.pop(one, KeyRefused(refused)) for one in hashes]


def prune_tickets(tx: Transaction, now: datetime) -> int:
    return tx.run(_Q.prune_tickets, {"now": now})


def _ticket_hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()


def _key_of(tx: Transaction, side: int, key: str) -> Row:
    row = tx.one(_Q.key, {"key": key, "side": side})
    if row is None:
        raise NotFound("key", key)
    return row
