"""Exports in the words of the tests: ask, have them made, read the file."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.exports import commands, store
from onceline.core.exports.model import Export, Request
from onceline.workers.export import export_round
from tests.shop import Customer, Shop


def grant_of(shop: Shop, who: Customer, key: str | None = None) -> Grant:
    with shop.db.transaction() as tx:
        return access.authenticate(tx, key or who.key, shop.clock.now())


def ask(shop: Shop, who: Customer, kind: str = "orders", format: str = "json", **span: Any) -> Export:
    grant = grant_of(shop, who)
    with shop.db.transaction() as tx:
        return commands.ask(tx, grant, Request(kind, format, **span), shop.clock.now())


def see(shop: Shop, export: Export) -> Export:
    with shop.db.transaction() as tx:
        return store.export(tx, export.id)


def make(shop: Shop) -> None:
    """Every export that can be made now."""
    while export_round(shop.db, shop.context):
        pass


def file_of(shop: Shop, who: Customer, export: Export) -> bytes:
    made, grant = see(shop, export), grant_of(shop, who)
    pieces = []
    for n in range(made.pieces):
        with shop.db.transaction() as tx:
            piece = commands.piece(tx, shop.context, made, n, grant.id)
        assert piece is not None
        pieces.append(piece)
    assert sum(map(len, pieces)) == made.bytes
    return b"".join(pieces)


def exported(shop: Shop, who: Customer, kind: str = "orders", format: str = "json", **span: Any) -> bytes:
    """The file of a new export."""
    export = ask(shop, who, kind, format, **span)
    make(shop)
    assert see(shop, export).state == "ready"
    return file_of(shop, who, export)


def as_json(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def as_table(text: bytes) -> list[dict[str, str]]:
    """Rows as Python's own reader sees them, each leading apostrophe taken away again."""
    rows = list(csv.DictReader(io.StringIO(text.decode(), newline=""), strict=True))
    return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in rows]
