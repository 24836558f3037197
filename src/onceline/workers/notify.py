"""Turns what happened into notices: codes of sides that chose mail, balances below their threshold, new policies.

It reads events behind a cursor and figures as they stand, so whoever places orders or receives codes waits for nothing
here; and looks twice a second, which is less than a mail takes.
"""

from __future__ import annotations

import structlog

from onceline.core.clock import Clock
from onceline.core.db import Database
from onceline.core.errors import Busy
from onceline.core.notices import commands, queue

_LOG = structlog.get_logger(__name__)
INTERVAL_S = 0.5
BATCH = 200


def notify_round(db: Database, clock: Clock) -> int:
    """Returns how much it did; each side and each batch of accounts in a transaction of its own."""
    return _codes(db, clock) + _balances(db, clock) + _policies(db, clock)


def _codes(db: Database, clock: Clock) -> int:
    with db.statement() as tx:
        sides = queue.sides_with_news(tx, BATCH)
    done = 0
    for side in sides:
        try:
            with db.transaction() as tx:
                done += bool(queue.mail_codes(tx, side.account_id, side.side_id, clock.now()))
        except Busy:
            _LOG.info("side is busy, its codes are mailed next time")
    return done


def _balances(db: Database, clock: Clock) -> int:
    with db.statement() as tx:
        sides = commands.low_balances(tx, clock.now(), BATCH)
    done = 0
    for side in sides:
        try:
            with db.transaction() as tx:
                done += commands.tell_low_balance(tx, side.account_id, side.side_id, clock.now())
        except Busy:
            _LOG.info("side is busy, its balance is looked at next time")
    return done


def _policies(db: Database, clock: Clock) -> int:
    with db.transaction() as tx:
        return commands.tell_policy(tx, clock.now(), BATCH)
