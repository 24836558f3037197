"""Add numbers with their provenance, take them back, burn them for services."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from onceline.core.db import Transaction, load_queries
from onceline.core.errors import NotFound

_Q = load_queries(__package__)

CHUNK_SIZE = 1024


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
    found = tx.one(_Q.pool_id, {"pool": pool})
    if found is None:
        raise NotFound("pool", pool)
    place = {"pool": found.id, "country": country, "network": network, "now": now}
    batch = tx.one(_Q.add_batch, place | {"contract": contract})
    assert batch is not None
    added, rest = 0, list(numbers)
    while rest:
        chunk = tx.one(_Q.open_chunk, place) or tx.one(_Q.new_chunk, place)
        assert chunk is not None
        room = CHUNK_SIZE - chunk.size
        taken, rest = rest[:room], rest[room:]
        filled = tx.one(
            _Q.fill_chunk,
            {"numbers": taken, "batch": batch.id, "chunk": chunk.id, "size": chunk.size, "now": now},
        )
        added += filled.added if filled else 0
    return added


def count(tx: Transaction, pool: str, country: str) -> int:
    row = tx.one(_Q.numbers_of, {"pool": pool, "country": country})
    return int(row.n) if row else 0


def lock(tx: Transaction, number: int) -> None:
    """Lock the number's row; always before its order's."""
    tx.send(_Q.lock, {"number": number})


def give_back(tx: Transaction, number: int, available_at: datetime) -> None:
    """Free again from `available_at` on; a number taken out for a reason stays out."""
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
    add_numbers(tx, pool=pool, country=country, network=network, contract=contract, numbers=[e164], now=now)
    row = tx.one(_Q.adoptable, {"e164": e164, "service": service, "pool": pool, "now": now})
    return int(row.id) if row else None


def lease(tx: Transaction, number: int, order: int) -> None:
    """To an order, which gets its messages from now on."""
    tx.run(_Q.lease, {"number": number, "order": order})
