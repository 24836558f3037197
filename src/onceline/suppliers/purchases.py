"""What we ask of suppliers that have to be asked first: written down before the question, so that none is asked twice.

    asking ──► bought ──► ended           a number of ours until it is finished or cancelled
       │  └──► none                       a definite no
       ├─────► unwanted ──► ended         bought, but of no use: to be cancelled over there
       └─────► unknown ──► any of these   no answer came, or none that makes sense

Promises: one row for each reference, whatever is repeated; what a supplier calls by one name belongs to one purchase; two
workers never ask about the same purchase at once. Never asks a supplier anything: that is its kind's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.db import Database, Transaction, load_queries

_Q = load_queries(__package__)

KEPT_FOR = timedelta(days=30)
_KEPT_AT_MOST = timedelta(days=365)
_BATCH = 1000
_MOST_BATCHES = 200
LARGEST_COUNT = 1_000_000
"""What a supplier says to have beyond that is not believed, and of no use."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """A row of `purchases`. `heard` messages were fetched; `heard_sealed` is the last one, `heard_kept` once it is ours."""

    reference: str
    supplier: str
    state: str
    supplier_order_id: str | None
    number: str | None
    network: str | None
    service: str
    country: str
    asked_at: datetime
    polled_at: datetime
    ends_at: datetime
    heard: int
    heard_sealed: bytes | None
    heard_kept: bool


class Begun(NamedTuple):
    """`is_new`: nobody has asked the supplier under this reference before."""

    purchase: Purchase
    is_new: bool


@dataclass(frozen=True, slots=True)
class Stock:
    """How many numbers a supplier says it has; country as ISO code, service by slug."""

    country: str
    service: str
    count: int


def begin(
    tx: Transaction,
    reference: str,
    *,
    supplier: str,
    service: str,
    country: str,
    now: datetime,
    ends_at: datetime,
) -> Begun:
    """Commit it before asking. `ends_at`: when whatever is bought now will be over at the supplier."""
    made = tx.one(
        _Q.begin,
        {
            "reference": reference,
            "supplier": supplier,
            "service": service,
            "country": country,
            "now": now,
            "ends_at": ends_at,
        },
    )
    if made is not None:
        return Begun(Purchase(*made), is_new=True)
    known = find(tx, reference)
    assert known is not None, "a rival's row is visible once its insert made ours wait"
    return Begun(known, is_new=False)


def find(tx: Transaction, reference: str) -> Purchase | None:
    row = tx.one(_Q.purchase, {"reference": reference})
    return Purchase(*row) if row else None


def bought(
    tx: Transaction,
    reference: str,
    *,
    supplier_order_id: str,
    number: str,
    network: str,
    now: datetime,
    ends_at: datetime,
    wanted: bool = True,
) -> bool:
    """The supplier named a number. False when the purchase was decided before, or another has that remote id.

    Not `wanted`: the number is of no use to us, and has to be cancelled over there.
    """
    return (
        tx.run(
            _Q.bought,
            {
                "reference": reference,
                "state": "bought" if wanted else "unwanted",
                "supplier_order_id": supplier_order_id,
                "number": number,
                "network": network,
                "now": now,
                "ends_at": ends_at,
            },
        )
        == 1
    )


def none(tx: Transaction, reference: str) -> bool:
    """For certain: nothing was bought."""
    return _move(tx, reference, "none", "asking", "unknown")


def unknown(tx: Transaction, reference: str) -> bool:
    return _move(tx, reference, "unknown", "asking")


def ended(tx: Transaction, reference: str) -> bool:
    """It is closed over there: finished, cancelled, or run out."""
    return _move(tx, reference, "ended", "bought", "unwanted")


def known_remotes(tx: Transaction, supplier: str, supplier_order_ids: Iterable[str]) -> frozenset[str]:
    """Which of these a purchase has, whatever its state."""
    rows = tx.all(_Q.known_remotes, {"supplier": supplier, "supplier_order_ids": list(supplier_order_ids)})
    return frozenset(row.supplier_order_id for row in rows)


def in_doubt(tx: Transaction, like: Purchase) -> int:
    """How many purchases of the same supplier, service and country have no certain outcome."""
    row = tx.one(_Q.in_doubt, {"supplier": like.supplier, "service": like.service, "country": like.country})
    return int(row.n) if row else 0


def lease_due(tx: Transaction, supplier: str, now: datetime, limit: int) -> list[Purchase]:
    """What the supplier is to be asked about now; leased until it is due again, 3 to 15 seconds by its age."""
    rows = tx.all(_Q.lease_due, {"supplier": supplier, "now": now, "limit": limit})
    return sorted((Purchase(*row) for row in rows), key=lambda purchase: purchase.asked_at)


def hear(tx: Transaction, purchase: Purchase, sealed: bytes) -> bool:
    """Note one more message before it is kept; False when somebody noted one meanwhile."""
    return tx.run(_Q.hear, {"reference": purchase.reference, "heard": purchase.heard, "sealed": sealed}) == 1


def kept(tx: Transaction, reference: str, heard: int) -> None:
    """The message is in the inbox, committed."""
    tx.run(_Q.kept, {"reference": reference, "heard": heard})


def awaits_again(tx: Transaction, purchase: Purchase) -> None:
    """The supplier said that it waits for one more: an equal answer is a new message from now on."""
    tx.run(_Q.awaits_again, {"reference": purchase.reference, "heard": purchase.heard})


def feeds(tx: Transaction, supplier: str, pool: str) -> bool:
    """Whether the pool is this supplier's, and one that is asked: no supplier writes the stock of another's."""
    row = tx.one(_Q.pool_of, {"pool": pool})
    return row is not None and row.asks and row.supplier == supplier


def set_stock(tx: Transaction, pool: str, rows: Iterable[Stock], now: datetime) -> int:
    """All that a pool has; what is not named has none. Returns how many counts changed.

    Call it again within a minute, or the offers go: a count older than that is not shown and nobody is asked.
    """
    stock = [row for row in rows if row.count > 0]
    return tx.run(
        _Q.set_stock,
        {
            "pool": pool,
            "countries": [row.country for row in stock],
            "services": [row.service for row in stock],
            "counts": [min(row.count, LARGEST_COUNT) for row in stock],
            "now": now,
        },
    )


def prune(db: Database, now: datetime) -> int:
    """Forget purchases that were asked for 30 days ago and are over; what never ended, after a year."""
    total = 0
    for _ in range(_MOST_BATCHES):
        with db.transaction() as tx:
            gone = tx.run(
                _Q.prune, {"before": now - KEPT_FOR, "long_before": now - _KEPT_AT_MOST, "limit": _BATCH}
            )
        total += gone
        if gone < _BATCH:
            break
    return total


def _move(tx: Transaction, reference: str, state: str, *of: str) -> bool:
    return tx.run(_Q.set_state, {"reference": reference, "state": state, "of": list(of)}) == 1
