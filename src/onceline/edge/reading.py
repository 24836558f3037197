"""What readers ask for together: stretches of streams written out once, and tickets redeemed with what they open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.db import Transaction
from onceline.core.errors import KeyRefused
from onceline.core.orders import view
from onceline.core.orders.context import Context
from onceline.core.outbox import store as outbox
from onceline.core.outbox.store import Ahead, Horizon


class Found(NamedTuple):
    """A stretch of a side's stream with its events written out, once for all who asked for it."""

    seq: int
    epoch: str
    events: list[dict[str, Any]]
    texts: list[str]
    whole: bool


def found_each(tx: Transaction, context: Context, asked: Sequence[Ahead]) -> list[Found]:
    """What each asked for; the many sockets of one side that ask for the same share one reading."""
    wanted = list(dict.fromkeys(asked))
    found = {
        one: Found(
            stretch.seq, stretch.epoch, stretch.events, list(map(written, stretch.events)), stretch.whole
        )
        for one, stretch in zip(wanted, view.stretches(tx, context, wanted), strict=True)
    }
    return [found[one] for one in asked]


def written(value: dict[str, Any]) -> str:
    """JSON as every channel sends it."""
    return json.dumps(value, separators=(",", ":"))


class Opened(NamedTuple):
    """Whom a ticket lets in, and where the stream of its side stands."""

    grant: Grant
    horizon: Horizon


def opened_each(tx: Transaction, tickets: Sequence[str], now: datetime) -> list[Opened | KeyRefused]:
    outcomes = access.redeem_tickets(tx, tickets, now)
    sides = sorted({outcome.side for outcome in outcomes if isinstance(outcome, Grant)})
    stand = outbox.newest(tx, sides)
    return [
        Opened(outcome, Horizon(stand.seqs[outcome.side], str(stand.epoch)))
        if isinstance(outcome, Grant)
        else outcome
        for outcome in outcomes
    ]
