"""Hubs, what they could buy now, what they have to be sent, and what they cancelled too early. No decisions here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from onceline.core.access.model import PROTOCOL_SCOPES, Grant
from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import AccountSuspended, InvalidInput, NotFound
from onceline.core.vault import Place, Vault, account_key

_Q = load_queries(__package__)

SHORTEST_KEY, LONGEST_KEY = 16, 256
MOST_PAIRS = 20_000
"""Of country and service, in one answer."""
_EVENTS_AT_ONCE = 1000


class Hub(NamedTuple):
    """A row of `hubs`, with its account and mode; `waiting`: messages on their way."""

    side: int
    account: str
    mode: str
    url: str
    countries: str
    sealed: bytes
    cursor: int
    added_at: datetime
    waiting: int


class Push(NamedTuple):
    message: int
    order: int


class InStock(NamedTuple):
    country: str
    service: str
    numbers: int


def add(
    tx: Transaction,
    vault: Vault,
    *,
    account: str,
    side: int,
    url: str,
    key: str,
    countries: str,
    now: datetime,
) -> None:
    """A side becomes a hub, or a hub gets another address or key. Raises InvalidInput."""
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            f"A hub's key has {SHORTEST_KEY} to {LONGEST_KEY} printable ASCII characters; it is the hub that gives it."
        )
    rival = tx.one(_Q.by_key, {"key_hash": _hash(key)})
    if rival is not None and rival.side != side:
        raise InvalidInput("Another hub here has this key already; every hub needs its own.")
    sealed = vault.seal(account_key(account), key.encode(), _place(side))
    told = {
        "side": side,
        "url": url,
        "countries": countries,
        "sealed": sealed,
        "key_hash": _hash(key),
        "now": now,
    }
    tx.run(_Q.add, told)


def remove(tx: Transaction, side: int) -> None:
    """With all that waits for it; its orders go on to their ends. Raises NotFound."""
    if not tx.run(_Q.remove, {"side": side}):
        raise NotFound("hub")


def hubs(tx: Transaction) -> list[Hub]:
    return [Hub(*row) for row in tx.all(_Q.hubs, {"side": None})]


def key_of(vault: Vault, hub: Hub) -> str:
    """What the hub knows us by. Raises Erased, Forged."""
    return vault.open(account_key(hub.account), hub.sealed, _place(hub.side)).decode()


def authenticate(tx: Transaction, key: str) -> Grant | None:
    """Who says the key that a hub gave us; None when no hub did. Raises AccountSuspended."""
    row = tx.one(_Q.by_key, {"key_hash": _hash(key)})
    if row is None:
        return None
    if row.state != "open":
        raise AccountSuspended(f"This account is {row.state}.")
    name = f"hub-{row.side}"
    return Grant(0, row.account, row.side, row.mode, "protocol", name, frozenset(PROTOCOL_SCOPES), None)


def hub(tx: Transaction, side: int) -> Hub:
    """Raises NotFound."""
    row = tx.one(_Q.hubs, {"side": side})
    if row is None:
        raise NotFound("hub")
    return Hub(*row)


def stock(tx: Transaction, side: int, live_orders: int, now: datetime) -> list[InStock]:
    """What the side could get now; no more of anything than it may have `live_orders`."""
    asked = {"side": side, "live_orders": live_orders, "now": now, "limit": MOST_PAIRS}
    return [InStock(*row) for row in tx.all(_Q.stock, asked)]


def pools_selling(tx: Transaction, side: int, service: str, country: str) -> list[Row]:
    """Slugs and amounts in micro-units, the cheapest first."""
    return tx.all(_Q.pools_selling, {"side": side, "service": service, "country": country})


def before_try(tx: Transaction) -> None:
    tx.run(_Q.before_try)


def undo_try(tx: Transaction) -> None:
    """All since `before_try`."""
    tx.run(_Q.undo_try)


def set_aside(tx: Transaction, like: int, prefixes: Sequence[str]) -> list[int]:
    """Numbers beside this one that begin with one of these digits: nobody is given them until they are brought back."""
    patterns = [f"+{prefix}%" for prefix in prefixes]
    return [row.id for row in tx.all(_Q.set_aside, {"number": like, "patterns": patterns})]


def bring_back(tx: Transaction, numbers: Sequence[int], now: datetime) -> None:
    """Before the commit: what was set aside was never anybody's."""
    if numbers:
        chunks = [row.chunk_id for row in tx.all(_Q.bring_back, {"numbers": list(numbers)})]
        tx.all(_Q.look_again, {"chunks": chunks, "now": now})


def fan_out(tx: Transaction, now: datetime) -> int:
    """Shown messages become pushes; returns how many."""
    return tx.run(_Q.fan_out, {"most": _EVENTS_AT_ONCE, "now": now})


def claim(tx: Transaction, side: int, limit: int, until: datetime, now: datetime) -> list[Push]:
    """Pushes that are ours to make until the lease is over."""
    rows = tx.all(_Q.claim, {"side": side, "limit": limit, "until": until, "now": now})
    return [Push(*row) for row in rows]


def end_push(tx: Transaction, message: int) -> None:
    tx.run(_Q.end_push, {"message": message})


def retry_push(tx: Transaction, message: int, next_at: datetime) -> None:
    tx.run(_Q.retry_push, {"message": message, "next_at": next_at})


def cancel_later(tx: Transaction, side: int, order: int, due_at: datetime) -> None:
    tx.run(_Q.cancel_later, {"side": side, "order": order, "due_at": due_at})


def due_cancels(tx: Transaction, limit: int, now: datetime) -> list[Row]:
    return tx.all(_Q.due_cancels, {"limit": limit, "now": now})


def _hash(key: str) -> bytes:
    """A hub's key is long and not of our making; what is known by heart is refused for its length."""
    return hashlib.sha256(b"hub " + key.encode("utf-8", "surrogatepass")).digest()


def _place(side: int) -> Place:
    return Place("hubs", "sealed", str(side))
