"""Add numbers with their provenance, take them back, burn them for services."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from onceline.core.db import Transaction, load_queries
from onceline.core.errors import NotFound

_Q = load_queries(__package__)

CHUNK_SIZE = 1024
TYPES = ("mobile", "virtual", "fixed", "toll-free", "unknown")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where numbers come from (promise A2). `consent` says how their holder agreed; `file_digest` is the SHA-256 of the file
    that says all this, `said_by` who imported it: a file needs both words."""

    contract: str
    type: str = "unknown"
    consent: str = ""
    file_digest: bytes | None = None
    said_by: str = ""


def add_numbers(
    tx: Transaction,
    *,
    pool: str,
    country: str,
    network: str,
    contract: str,
    numbers: Sequence[str],
    now: datetime,
) -> int:
    """Add a batch (promise A2: pool, country and contract are named first); returns how many were new to us."""
    return sum(
        len(added)
        for added in _add(tx, pool, country, network, Provenance(contract), numbers=numbers, now=now)
    )


def import_numbers(
    tx: Transaction,
    *,
    pool: str,
    country: str,
    network: str,
    provenance: Provenance,
    numbers: Sequence[str],
    now: datetime,
) -> set[str]:
    """Add numbers of a file; returns those that were new to us. Safe to repeat, and beside others. Raises NotFound."""
    added = _add(tx, pool, country, network, provenance, numbers=numbers, now=now)
    return {number for some in added for number in some}


def _add(
    tx: Transaction,
    pool: str,
    country: str,
    network: str,
    provenance: Provenance,
    *,
    numbers: Sequence[str],
    now: datetime,
) -> Iterator[list[str]]:
    """Chunk by chunk."""
    found = tx.one(_Q.pool_id, {"pool": pool})
    if found is None:
        raise NotFound("pool", pool)
    place: Mapping[str, Any] = {"pool": found.id, "country": country, "network": network, "now": now}
    batch = tx.one(_Q.add_batch, {**place, **asdict(provenance)})
    assert batch is not None
    rest = list(numbers)
    while rest:
        chunk = tx.one(_Q.open_chunk, place) or tx.one(_Q.new_chunk, place)
        assert chunk is not None
        room = CHUNK_SIZE - chunk.size
        taken, rest = rest[:room], rest[room:]
        filled = tx.one(
            _Q.fill_chunk,
            {"numbers": taken, "batch": batch.id, "chunk": chunk.id, "size": chunk.size, "now": now},
        )
        yield filled.added if filled else []


def pools_of(tx: Transaction, numbers: Sequence[str]) -> dict[str, str]:
    """Number to pool, of those that are ours."""
    return {row.e164: row.pool for row in tx.all(_Q.pools_of, {"numbers": list(numbers)})}


def count(tx: Transaction, pool: str, country: str) -> int:
    row = tx.one(_Q.numbers_of, {"pool": pool, "country": country})
    return int(row.n) if row else 0


def lock(tx: Transaction, number: int) -> None:
    """Lock the number's row; always before its order's."""
    tx.send(_Q.lock, {"number": number})


def give_back(tx: Transaction, number: int, available_at: datetime) -> None:
    """Free again from `available_at` on, or out of use if that was decided meanwhile; one that is out stays out."""
    tx.send(_Q.give_back, {"number": number, "available_at": available_at})


def burn(tx: Transaction, burnt: Collection[tuple[int, str]]) -> None:
    """Never sell these numbers again for these services to another side (promise P6): pairs of number and service."""
    if burnt:
        numbers, services = zip(*burnt, strict=True)
        tx.send(_Q.burn, {"numbers": list(numbers), "services": list(services)})


def adopt(
    tx: Transaction,
    *,
    pool: str,
    country: str,
    service: str,
    e164: str,
    network: str,
    contract: str,
    now: datetime,
) -> int | None:
    """A number that a supplier chose, locked; None when somebody holds it, it rests, or it is burnt for the service."""
    wanted = {"e164": e164, "service": service, "pool": pool, "now": now}
    row = tx.one(_Q.adoptable, wanted)
    if row is None:
        place = {"pool": pool, "country": country, "network": network, "contract": contract}
        if add_numbers(tx, **place, numbers=[e164], now=now):
            row = tx.one(_Q.adoptable, wanted)
    return int(row.id) if row else None


def lease(tx: Transaction, number: int, order: int) -> None:
    """To an order, which gets its messages from now on."""
    tx.run(_Q.lease, {"number": number, "order": order})
