"""Makes the files that customers ask for: a page at a time, resting in between, so that no code waits for an export.

One export is worked on for a slice, then the one that waits longest has its turn. A worker that dies leaves a lease
behind; whoever claims the export after it goes on from the last page that was stored.
"""

from __future__ import annotations

import time
from dataclasses import replace

import structlog

from onceline.core.db import Database
from onceline.core.errors import Busy, Erased, NotFound, Unavailable
from onceline.core.exports import commands, pages
from onceline.core.exports.commands import ClaimLost
from onceline.core.exports.model import Export
from onceline.core.orders.context import Context

_LOG = structlog.get_logger(__name__)
INTERVAL_S = 1.0
SLICE_S = 2.0
REST = 1.0
"""Rest this many times as long as a page took, MOST_REST_S at most: a core is never ours alone."""
MOST_REST_S = 0.5


def export_round(db: Database, context: Context) -> int:
    """A slice of one export; returns 1 when there was one."""
    with db.transaction() as tx:
        export = commands.claim(tx, context.clock.now())
    if export is None:
        return 0
    try:
        _work(db, context, export)
    except (ClaimLost, NotFound):
        _LOG.info("export went on elsewhere, or was deleted", export=export.id)
    return 1


def _work(db: Database, context: Context, export: Export) -> None:
    """Raises ClaimLost, Unavailable."""
    try:
        if export.place is None:
            export = replace(export, rows_total=_total(db, context, export))
        export = _slice(db, context, export)
    except Erased:
        with db.transaction() as tx:
            commands.fail(tx, context, export, "erased")
    except ClaimLost:
        raise
    except Exception as error:
        if isinstance(error, Unavailable) and not isinstance(error, Busy):
            raise  # nothing is known to be wrong with the export; its lease ends by itself
        _LOG.warning("export failed a page", export=export.id, error=type(error).__qualname__)
        with db.transaction() as tx:
            commands.put_off(tx, context, export)


def _slice(db: Database, context: Context, export: Export) -> Export:
    """Pages until the export is made or the slice is over."""
    until = time.monotonic() + SLICE_S
    while True:
        began = time.monotonic()
        export = _page(db, context, export)
        if export.place is None:
            return export
        if time.monotonic() >= until:
            break
        time.sleep(min((time.monotonic() - began) * REST, MOST_REST_S))
    with db.transaction() as tx:
        commands.let_go(tx, context, export)
    return export


def _page(db: Database, context: Context, export: Export) -> Export:
    """Read without a snapshot, so that no row version is kept alive for us; store in a transaction of its own."""
    with db.statement() as tx:
        page = pages.read_page(tx, context, export)
    with db.transaction() as tx:
        return commands.keep(tx, context, export, page)


def _total(db: Database, context: Context, export: Export) -> int | None:
    """An estimate is not worth a failure."""
    try:
        with db.statement() as tx:
            return pages.total(tx, context, export)
    except Busy:
        return None
