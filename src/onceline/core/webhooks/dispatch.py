"""The deliverer's side: deliveries for new events, claims of what is due, what came of each attempt.

Promises: an event gets its deliveries in the statement that moves the endpoint's cursor, so none is skipped and none is
made twice; a claim is one worker's until its lease is over; an attempt is recorded once, and only while its claim stands.
Locks: endpoints in the order of their ids, then accounts' notices, then sides' rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from onceline.core.clock import rfc3339
from onceline.core.db import Row, Transaction
from onceline.core.notices import commands as notices
from onceline.core.outbox.store import Draft, emit
from onceline.core.webhooks import model
from onceline.core.webhooks.commands import columns
from onceline.core.webhooks.model import Health, Mark, Next, Outcome
from onceline.core.webhooks.store import Q

LEASE_S = 30
"""Longer than an attempt may take: only a worker that died or froze loses its claim."""
EVENTS_EACH, EVENTS_TOGETHER = 500, 4000


class Claim(NamedTuple):
    """A delivery that is ours to attempt until the lease is over; `number` is the attempt's and names the claim."""

    webhook: str
    id: int
    event: str
    seq: int | None
    type: str
    manual: bool
    number: int
    tries: int
    made_at: datetime
    side_id: int
    account: str
    url: bytes
    payload: str
    enabled: bool
    doubtful: bool
    """Failing, or never yet reached: one attempt at a time."""
    at: datetime | None
    """Of the event, None when it is no longer kept; what follows is the event's too."""
    order_id: int | None
    revision: int | None
    message_id: int | None
    subject: str | None
    secret_ids: list[str] | None
    secret_kinds: list[str] | None
    secrets: list[bytes] | None
    """Sealed, newest first."""

    @property
    def once(self) -> bool:
        """A test, or by hand to a disabled endpoint: not tried again."""
        return self.seq is None or not self.enabled


class Room(NamedTuple):
    """How many attempts may begin: in all, at endpoints in doubt, and of one side."""

    slots: int
    doubtful: int
    of_side: int


class Result(NamedTuple):
    claim: Claim
    at: datetime
    duration_ms: int
    outcome: Outcome
    next: Next
    sealed: bytes | None


class Taken(NamedTuple):
    claims: list[Claim]
    more: bool
    """Whether looking again at once makes sense."""


def take(
    tx: Transaction, sides: Sequence[int], room: Room, event_id: Callable[[int, int], str], now: datetime
) -> Taken:
    """Make deliveries for the sides' new events, and claim what is due; each statement stands by itself."""
    more = _fan_out(tx, sides, event_id, now)
    until = now + timedelta(seconds=LEASE_S)
    asked = {"sides": list(sides), "until": until, "now": now, **room._asdict()}
    claims = [Claim(*row) for row in tx.all(Q.claim, asked)]
    return Taken(claims, more or len(claims) >= room.slots)


def _fan_out(
    tx: Transaction, sides: Sequence[int], event_id: Callable[[int, int], str], now: datetime
) -> bool:
    """Returns whether there is more than one round takes."""
    rows = tx.all(Q.unsent, {"sides": list(sides), "each": EVENTS_EACH, "limit": EVENTS_TOGETHER})
    if not rows:
        return False
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row.id)]
    cut = len(rows) >= EVENTS_TOGETHER
    upto = [_upto(group, cut=cut and group is groups[-1]) for group in groups]
    wanted = [row for row in rows if row.seq is not None and _wants(row)]
    asked = {
        "endpoints": [group[0].id for group in groups],
        "since": [group[0].cursor for group in groups],
        "upto": upto,
        "webhooks": [row.id for row in wanted],
        "events": [event_id(row.side_id, row.seq) for row in wanted],
        "now": now,
        **columns(wanted),
    }
    whole = len(tx.all(Q.fan_out, asked)) == len(groups)
    return not whole or any(to < group[0].head for to, group in zip(upto, groups, strict=True))


def _wants(row: Row) -> bool:
    return model.wants(row.id, row.types, row.type, row.subject)


def _upto(group: list[Row], *, cut: bool) -> int:
    """How far an endpoint's events were read. What is missing below the side's newest was pruned."""
    whole = len(group) < EVENTS_EACH and not cut
    return int(group[0].head if whole else group[-1].seq)


def release(tx: Transaction, claims: Sequence[Claim]) -> None:
    """Claims of attempts that were not made; others may make them at once."""
    tx.run(Q.release, _keys(claims))


def sides_with_endpoints(tx: Transaction) -> set[int]:
    return {row.side_id for row in tx.all(Q.sides_with_endpoints)}


def sides_with_work(tx: Transaction, now: datetime) -> set[int]:
    return {row.side_id for row in tx.all(Q.sides_with_work, {"now": now})}


def record(tx: Transaction, results: Sequence[Result], now: datetime) -> list[Result]:
    """Write what came of attempts and what follows for their endpoints; returns those whose claim still stood."""
    unwell = sorted({one.claim.webhook for one in results if one.claim.doubtful or not one.outcome.ok})
    rows = tx.all(Q.lock_health, {"ids": unwell}) if unwell else []
    written = {row.delivery_id for row in tx.all(Q.record, _told(results, set(unwell)))}
    recorded = [result for result in results if result.claim.id in written]
    if rows:
        _follow_up(tx, rows, recorded, now)
    return recorded


def is_simple(results: Sequence[Result]) -> bool:
    """Whether recording these is one statement."""
    return all(one.outcome.ok and not one.claim.doubtful for one in results)


def _told(results: Sequence[Result], unwell: set[str]) -> dict[str, list[Any]]:
    well = {
        one.claim.webhook: one.at
        for one in results
        if not one.claim.manual and one.claim.webhook not in unwell
    }
    return {
        "well": list(well),
        "well_at": list(well.values()),
        **_keys([result.claim for result in results]),
        "states": [result.next.state for result in results],
        "tries": [result.next.tries for result in results],
        "next_at": [result.next.next_at for result in results],
        "at": [result.at for result in results],
        "status": [result.outcome.status for result in results],
        "outcomes": [result.outcome.word for result in results],
        "durations": [result.duration_ms for result in results],
        "sealed": [result.sealed for result in results],
    }


def _keys(claims: Sequence[Claim]) -> dict[str, list[Any]]:
    return {
        "webhooks": [claim.webhook for claim in claims],
        "ids": [claim.id for claim in claims],
        "numbers": [claim.number for claim in claims],
    }


def _marks(results: Sequence[Result]) -> dict[str, list[Mark]]:
    """Per endpoint, in the order of time; what was our own doing counts for nobody."""
    marks: dict[str, list[Mark]] = defaultdict(list)
    for result in sorted(results, key=lambda one: one.at):
        if not result.outcome.ours:
            ended = result.at + timedelta(milliseconds=result.duration_ms)
            marks[result.claim.webhook].append(Mark(ended, result.outcome.ok, not result.claim.manual))
    return marks


def _health(row: Row) -> Health:
    return Health(*(getattr(row, name) for name in Health._fields))


def _follow_up(tx: Transaction, rows: Sequence[Row], recorded: Sequence[Result], now: datetime) -> None:
    """Write health, disable who is hopeless or gone, and tell the owners; accounts and sides in their order."""
    marks = _marks(recorded)
    health = {row.id: model.judged(_health(row), marks[row.id]) for row in rows if row.id in marks}
    gone = {one.claim.webhook for one in recorded if one.outcome.gone and not one.claim.manual}
    news: list[tuple[Row, str]] = []
    for row in (row for row in rows if row.id in health and row.state == "enabled"):
        if row.id in gone or model.is_hopeless(health[row.id]):
            reason = "gone" if row.id in gone else "failures"
            tx.send(Q.disable, {"id": row.id, "reason": reason, "now": now})
            news.append((row, model.DISABLED))
        elif (due := model.notices_due(health[row.id])) > row.noticed:
            health[row.id] = health[row.id]._replace(noticed=due)
            news.append((row, model.FAILING))
    if health:
        tx.send(Q.write_health, {"ids": list(health), **_columns(list(health.values()))})
    if news:
        _tell(tx, news, health, now)


def _tell(tx: Transaction, news: Sequence[tuple[Row, str]], health: dict[str, Health], now: datetime) -> None:
    """Notices and events are kept before anybody reads them."""
    tx.send(Q.sure_commit)
    for row, kind in sorted(news, key=lambda one: str(one[0].account)):
        facts = _facts(health[row.id], row)
        notices.tell(tx, account=row.account, kind=kind, facts=facts, now=now, mode=row.mode)
    for row, kind in sorted(news, key=lambda one: int(one[0].side)):
        emit(tx, row.side, [Draft(kind, subject=row.id)], now)


def _columns(found: Sequence[Health]) -> dict[str, list[Any]]:
    return {name: [getattr(one, name) for one in found] for name in Health._fields}


def _facts(health: Health, row: Row) -> dict[str, str | None]:
    since = health.failing_since
    return {"endpoint": row.id, "since": rfc3339(since) if since else None}
