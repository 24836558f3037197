"""What an operator sees of numbers, and how they are taken out of use and back.

A number that an order holds stays leased until that order ends, whatever is decided meanwhile: the decision is written
beside it (`leaving`), and `give_back` carries it out. So no order loses its number, and a number with a live order is
always leased (I2). Never touches an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onceline.core.db import Row, Transaction, load_queries
from onceline.core.errors import InvalidInput, NotFound

_Q = load_queries(__package__)

QUARANTINED, RETIRED = "quarantined", "retired"
STATES = ("free", "resting", "leased", QUARANTINED, RETIRED)
LATELY = timedelta(days=7)
LONGEST_REASON = 200
_TURN = 5_000
"""Numbers that one statement looks at for silence."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of which pool and country; None means any."""

    pool: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    words: str
    said_by: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of numbers. `later`: those of the done whose orders have to end first. `left_alone`: which, and why."""

    done: int
    later: int
    left_alone: dict[str, str]


def take_out(tx: Transaction, numbers: Sequence[str], target: str, reason: Reason, now: datetime) -> Taken:
    """Quarantine or retire numbers; those that are leased, when their orders end.

    Raises InvalidInput when the reason is empty or too long.
    """
    if not 0 < len(reason.words.strip()) <= LONGEST_REASON:
        raise InvalidInput(f"Give a reason of 1 to {LONGEST_REASON} characters.")
    said = {"target": target, "reason": reason.words.strip(), "said_by": reason.said_by, "now": now}
    rows = tx.all(_Q.take_out, {"ids": _locked(tx, numbers), **said})
    return _taken(tx, numbers, rows, "retired, which is for ever")


def take_back(tx: Transaction, numbers: Sequence[str]) -> Taken:
    """End quarantines: free after what is left of the rest."""
    return _taken(tx, numbers, tx.all(_Q.take_back, {"ids": _locked(tx, numbers)}), "not in quarantine")


def _locked(tx: Transaction, numbers: Sequence[str]) -> list[int]:
    return [row.id for row in tx.all(_Q.lock_each, {"numbers": list(numbers)})]


def _taken(tx: Transaction, numbers: Sequence[str], rows: Sequence[Row], why: str) -> Taken:
    done = {row.e164 for row in rows}
    rest = [number for number in numbers if number not in done]
    known = {row.e164 for row in tx.all(_Q.pools_of, {"numbers": rest})} if rest else set()
    left = {number: why if number in known else "not one of our numbers" for number in rest}
    return Taken(len(rows), sum(row.later for row in rows), left)


def standing(tx: Transaction, e164: str) -> Row:
    """Raises NotFound."""
    row = tx.one(_Q.standing, {"e164": e164})
    if row is None:
        raise NotFound("number", e164)
    return row


def listed(
    tx: Transaction, place: Place, *, state: str | None, after: str | None, limit: int, now: datetime
) -> list[Row]:
    wanted = {"pool": place.pool, "country": place.country, "state": state}
    return tx.all(_Q.listed, {**wanted, "after": after, "limit": limit, "now": now})


def counts(
    tx: Transaction, place: Place, *, now: datetime, after: tuple[str, str] = ("", ""), limit: int
) -> list[Row]:
    wanted = {"pool": place.pool, "country": place.country, "limit": limit, "now": now}
    return tx.all(_Q.counts, {**wanted, "after_pool": after[0], "after_country": after[1]})


def pool_counts(tx: Transaction, pools: Sequence[str], now: datetime) -> dict[str, dict[str, int]]:
    """Pool to state to how many; a pool without numbers has zeros."""
    rows = {row.pool: row for row in tx.all(_Q.pool_counts, {"pools": list(pools), "now": now})}
    return {
        pool: {state: getattr(rows[pool], state) if pool in rows else 0 for state in STATES} for pool in pools
    }


def lately(tx: Transaction, place: Place, now: datetime) -> dict[tuple[str, str], Row]:
    """How the orders that closed in the last LATELY went, by pool and country."""
    rows = tx.all(_Q.lately, {"pool": place.pool, "country": place.country, "since": now - LATELY})
    return {(row.pool, row.country): row for row in rows}


def silent(tx: Transaction, place: Place, *, least: int, after: int) -> tuple[list[Row], int | None]:
    """Of the next numbers, those that were ordered `least` times or more and never got a message; and where to go on."""
    wanted = {"pool": place.pool, "country": place.country, "least": least}
    rows = tx.all(_Q.silent, {**wanted, "after": after, "turn": _TURN})
    return [row for row in rows if row.dead], rows[-1].id if len(rows) == _TURN else None


def last_messages(tx: Transaction) -> dict[str, datetime]:
    """Supplier to the time of its newest message, among the last 50,000 of all."""
    return {row.supplier: row.at for row in tx.all(_Q.last_messages)}
