"""Watches the books: every few minutes what moved lately and what is open, once a night everything.

Promised: what a check finds is kept and told to staff; while one has failed no refund is sent (`onceline.core.proofs.watch`).
Never: a check that stops an order, or one that mends what it finds.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from onceline.core.books import store as books
from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.core.proofs import watch
from onceline.core.proofs.checks import look, prove

_LOG = structlog.get_logger(__name__)
INTERVAL_S = 180.0
PROOF_INTERVAL_S = 600.0
"""How often it is asked whether the night's proof is due."""


class Patient:
    """Lets the first round of a process pass: after a standstill the other workers catch up first."""

    def __init__(self, work: Callable[[], int]) -> None:
        self._work = work
        self._is_first = True

    def round(self) -> int:
        if self._is_first:
            self._is_first = False
            return 0
        return self._work()


def look_now(db: Database, clock: Clock) -> int:
    """Returns how many checks failed."""
    with db.transaction() as tx:
        after, through = watch.place(tx, clock.now())
    with db.transaction() as tx:
        proofs = look(tx, clock.now(), after)
    with db.transaction() as tx:
        return _told(watch.record(tx, proofs, clock.now(), through))


def proof_round(db: Database, clock: Clock) -> int:
    """Sum the house's accounts by day, then prove everything, when it is due. Returns how many checks failed."""
    with db.transaction() as tx:
        if not watch.is_proof_due(tx, clock.now()):
            return 0
    _roll(db, clock)
    with db.transaction() as tx:
        proofs = prove(tx, clock.now())
    with db.transaction() as tx:
        return _told(watch.record(tx, proofs, clock.now()))


def _roll(db: Database, clock: Clock) -> None:
    done = 1
    while done:
        with db.transaction() as tx:
            done = books.roll(tx, clock.now())


def _told(names: list[str]) -> int:
    if names:
        _LOG.error("the books are broken; refunds wait", checks=names)
    return len(names)
