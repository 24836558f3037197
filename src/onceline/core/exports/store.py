"""Read and write exports and their pieces. No decisions here."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from onceline.core.db import Listing, Row, Transaction, load_queries, page_of
from onceline.core.errors import NotFound
from onceline.core.exports.model import Export, Request
from onceline.core.vault import Place

_Q = load_queries(__package__)


def export(tx: Transaction, export_id: str, side: int | None = None) -> Export:
    """Raises NotFound, also for another side's."""
    row = tx.one(_Q.seen, {"id": export_id, "side": side})
    if row is None:
        raise NotFound("export", export_id)
    return Export(*row)


def listed(tx: Transaction, side: int, *, before: str | None, limit: int) -> Listing:
    """Exports newest first; the cursor is the id of the last one seen."""
    rows = tx.all(_Q.listed, {"side": side, "before": before, "limit": limit + 1})
    return page_of([Export(*row) for row in rows], limit)


def count(tx: Transaction, account: str, now: datetime) -> Row:
    """How many of an account are `live` and `kept`; whoever asks next waits until the transaction is over."""
    tx.send(_Q.lock_account, {"account": account})
    return tx.one(_Q.count, {"account": account, "now": now})


def add(tx: Transaction, export_id: str, side: int, request: Request, now: datetime) -> None:
    tx.send(_Q.add, {"id": export_id, "side": side, "now": now, **_columns(request)})


def delete(tx: Transaction, export_id: str, side: int) -> bool:
    return tx.run(_Q.delete, {"id": export_id, "side": side}) == 1


def claim(tx: Transaction, now: datetime, lease: datetime) -> Export | None:
    row = tx.one(_Q.claim, {"now": now, "lease": lease})
    return Export(*row) if row else None


def advance(tx: Transaction, after: Export, next_at: datetime) -> bool:
    """Write how far an export is; False when the claim was lost."""
    figures = {name: getattr(after, name) for name in ("rows_done", "rows_total", "bytes", "pieces")}
    place = json.dumps(after.place)
    return tx.run(_Q.advance, {**_claimed(after), **figures, "place": place, "next_at": next_at}) == 1


def let_go(tx: Transaction, export: Export, failures: int, next_at: datetime) -> None:
    tx.run(_Q.let_go, {**_claimed(export), "failures": failures, "next_at": next_at})


def finish(
    tx: Transaction,
    export: Export,
    state: str,
    now: datetime,
    *,
    reason: str | None,
    expires_at: datetime | None,
) -> bool:
    """False when the claim was lost."""
    ended = {"state": state, "now": now, "reason": reason, "expires_at": expires_at}
    return tx.run(_Q.finish, {**_claimed(export), **ended}) == 1


def add_piece(tx: Transaction, export: Export, n: int, sealed: bytes) -> None:
    tx.send(_Q.add_piece, {"export": export.serial, "n": n, "sealed": sealed})


def piece(tx: Transaction, export: Export, n: int, grant: int, now: datetime) -> bytes | None:
    """None when the file may not be read any more, or not by this grant."""
    row = tx.one(_Q.piece, {"export": export.serial, "n": n, "grant": grant, "now": now})
    return bytes(row.sealed) if row else None


def may_fetch(tx: Transaction, grant: int, side: int, now: datetime) -> bool:
    return tx.one(_Q.may_fetch, {"grant": grant, "side": side, "now": now}) is not None


def sides_of(tx: Transaction, account: str) -> list[Row]:
    """Test first."""
    return tx.all(_Q.sides_of, {"account": account})


def expire(tx: Transaction, now: datetime) -> int:
    return tx.run(_Q.expire, {"now": now})


def clear_pieces(tx: Transaction, limit: int) -> int:
    return tx.run(_Q.clear_pieces, {"limit": limit})


def clear_rows(tx: Transaction, before: datetime) -> int:
    """Rows without pieces: of deleted exports, and of those asked for before an instant."""
    return tx.run(_Q.clear_rows, {"before": before})


def place_of(export: Export, n: int) -> Place:
    return Place("export_pieces", "sealed", f"{export.id}/{n}")


def _claimed(export: Export) -> dict[str, Any]:
    return {"serial": export.serial, "claim": export.claim}


def _columns(request: Request) -> dict[str, Any]:
    return {"kind": request.kind, "format": request.format, "since": request.since, "until": request.until}
