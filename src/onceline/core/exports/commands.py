"""Ask for exports, make them page by page, fetch them with a key or a link, destroy what nobody may read any more."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from onceline.core.access.model import Grant
from onceline.core.db import Database, Transaction
from onceline.core.errors import Erased, LimitExceeded, LinkRefused, NotFound
from onceline.core.exports import links, model, store
from onceline.core.exports.links import Link
from onceline.core.exports.model import Export, Request
from onceline.core.exports.pages import Page
from onceline.core.ids import random_id
from onceline.core.notices import commands as notices
from onceline.core.orders.context import Context
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Draft
from onceline.core.vault import account_key

EXPORTS_WORD = "exports"
"""The wake-up of the worker that makes them."""
_PACKING = 3
"""Of zlib: JSON gets about six times smaller, in a third of the time of its default."""
_BATCH = 200
_MOST_BATCHES = 50


class ClaimLost(Exception):
    """Another worker has the export, or it was deleted: whoever finds this out has written nothing."""


# For customers ---------------------------------------------------------------------------------------------------


def ask(tx: Transaction, grant: Grant, request: Request, now: datetime) -> Export:
    """Raises InvalidInput, LimitExceeded."""
    model.check(request)
    count = store.count(tx, grant.account, now)
    if count.live >= model.LIVE_EXPORTS:
        detail = f"At most {model.LIVE_EXPORTS} exports of an account are made at once; wait, or delete one."
        raise LimitExceeded(detail, limit="live exports", retry_after_s=10)
    if count.kept >= model.KEPT_EXPORTS:
        detail = f"At most {model.KEPT_EXPORTS} exports of an account are kept; delete one."
        raise LimitExceeded(detail, limit="kept exports", retry_after_s=3600)
    export_id = random_id("exp")
    store.add(tx, export_id, grant.side, request, now)
    tx.wake(EXPORTS_WORD)
    return store.export(tx, export_id)


def delete(tx: Transaction, grant: Grant, export_id: str) -> None:
    """Gone for every reader at once; a worker destroys the pieces within minutes. Raises NotFound."""
    if not store.delete(tx, export_id, grant.side):
        raise NotFound("export", export_id)


def make_link(
    tx: Transaction, context: Context, grant: Grant, export_id: str, life_s: int
) -> tuple[str, datetime]:
    """The text of a link and its end, which is also the file's end at the latest.

    Raises NotFound, ExportNotReady, ExportGone, Erased.
    """
    now = context.clock.now()
    export = fetchable(tx, context, grant, export_id)
    ends = [now + timedelta(seconds=life_s), export.expires_at, grant.expires_at]
    expires_at = min(end for end in ends if end is not None).replace(microsecond=0)
    return links.sign(context.vault, export.account, export.id, Link(grant.id, expires_at)), expires_at


def fetchable(tx: Transaction, context: Context, grant: Grant, export_id: str) -> Export:
    """Raises NotFound, ExportNotReady, ExportGone."""
    export = store.export(tx, export_id, grant.side)
    model.demand_file(export, context.clock.now())
    return export


def follow(tx: Transaction, context: Context, text: str) -> tuple[Export, int]:
    """The export of a link, and the grant that it acts with. Raises LinkRefused, the same whatever is wrong."""
    now = context.clock.now()
    export = _linked(tx, text)
    link = _opened(context, export, text)
    if link.expires_at <= now or model.state_at(export, now) != "ready":
        raise LinkRefused
    if not store.may_fetch(tx, link.grant, export.side, now):
        raise LinkRefused
    return export, link.grant


def piece(tx: Transaction, context: Context, export: Export, n: int, grant: int) -> bytes | None:
    """A piece of the file; None when it may not be read any more. Raises Erased."""
    sealed = store.piece(tx, export, n, grant, context.clock.now())
    if sealed is None:
        return None
    return zlib.decompress(context.vault.open(account_key(export.account), sealed, store.place_of(export, n)))


def _linked(tx: Transaction, text: str) -> Export:
    export_id = links.named(text)
    try:
        if export_id is not None:
            return store.export(tx, export_id)
    except NotFound:
        pass
    raise LinkRefused


def _opened(context: Context, export: Export, text: str) -> Link:
    try:
        link = links.opened(context.vault, export.account, export.id, text)
    except Erased:
        link = None
    if link is None:
        raise LinkRefused
    return link


# For the worker --------------------------------------------------------------------------------------------------


def claim(tx: Transaction, now: datetime) -> Export | None:
    """The export that waits longest, for the caller alone as long as its lease is renewed."""
    return store.claim(tx, now, now + model.LEASE)


def keep(tx: Transaction, context: Context, export: Export, page: Page) -> Export:
    """Store a page and how far the export is, in one transaction. Raises ClaimLost, Erased."""
    now = context.clock.now()
    texts = list(_cut(page.text))
    after = replace(
        export,
        rows_done=export.rows_done + page.rows,
        bytes=export.bytes + len(page.text),
        pieces=export.pieces + len(texts),
        place=page.place,
        failures=0,
    )
    if not store.advance(tx, after, now + model.LEASE):
        raise ClaimLost
    for n, text in enumerate(texts, start=export.pieces):
        packed = zlib.compress(text, _PACKING)
        sealed = context.vault.seal(account_key(export.account), packed, store.place_of(export, n))
        store.add_piece(tx, export, n, sealed)
    if page.place is None:
        _finish(tx, after, "ready", now)
    return after


def fail(tx: Transaction, context: Context, export: Export, reason: str) -> None:
    """Nothing helps. `reason` is stable: `erased` or `internal`."""
    _finish(tx, export, "failed", context.clock.now(), reason)


def put_off(tx: Transaction, context: Context, export: Export) -> None:
    """After a failure: try again later, or give up after some. Raises NotFound when it was deleted meanwhile."""
    failures = store.export(tx, export.id).failures + 1
    if failures >= model.MOST_FAILURES:
        fail(tx, context, export, "internal")
    else:
        store.let_go(tx, export, failures, context.clock.now() + model.pause_after(failures))


def let_go(tx: Transaction, context: Context, export: Export) -> None:
    """Let others have their turn; it goes on when they had theirs."""
    store.let_go(tx, export, export.failures, context.clock.now())


def destroy(db: Database, now: datetime) -> int:
    """The pieces of files that are over, in bounded batches, and then their rows; returns how many pieces."""
    with db.transaction() as tx:
        store.expire(tx, now)
    total = 0
    for _ in range(_MOST_BATCHES):
        with db.transaction() as tx:
            cleared = store.clear_pieces(tx, _BATCH)
        total += cleared
        if cleared < _BATCH:
            break
    with db.transaction() as tx:
        store.clear_rows(tx, now - model.ROWS_FOR)
    return total


def _finish(tx: Transaction, export: Export, state: str, now: datetime, reason: str | None = None) -> None:
    """Say so in the house and in the side's events. The side's row is the last lock."""
    expires_at = now + model.KEPT_FOR if state == "ready" else None
    if not store.finish(tx, export, state, now, reason=reason, expires_at=expires_at):
        raise ClaimLost
    draft = (
        Draft("export.ready", subject=export.id)
        if state == "ready"
        else Draft("export.failed", subject=export.id)
    )
    facts = {"export": export.id, "kind": export.kind}
    notices.tell(tx, account=export.account, kind=draft.type, facts=facts, now=now, mode=export.mode)
    outbox.emit(tx, export.side, [draft], now)


def _cut(text: bytes) -> Iterator[bytes]:
    return (text[at : at + model.PIECE_BYTES] for at in range(0, len(text), model.PIECE_BYTES))
