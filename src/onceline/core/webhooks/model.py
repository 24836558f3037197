"""What an endpoint wants, when it is tried again, when it is left alone, and when it is given up. Pure.

The promises in figures: first retry after 5 s, fourteen attempts over about three days; after five failures in a row an
endpoint is left alone, for 5 s at first and 5 min at most; after five days of nothing but failures it is disabled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from onceline.core.errors import InvalidInput

ENDPOINTS_PER_SIDE = 20
MOST_TYPES = 50
LONGEST_URL = 2000
MOST_CONCURRENCY = 16
MOST_SECRETS = 5
MOST_REPLAYED = 10_000
MOST_TESTS = 20
"""Of one endpoint, asked for and not done."""

SCHEDULE_S = (5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 86400)
"""Between one attempt and the next: a code lives minutes, so the first retries come soon."""
JITTER = 0.2
PATIENCE_S = 3600
"""A server may put us off for so long at least, or for twice what was planned."""

OPEN_AFTER = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 300
DISABLE_AFTER = timedelta(days=5)
DISABLE_ATTEMPTS = 20
NOTICE_AFTER = (timedelta(hours=24), timedelta(days=4))

TEST, FAILING, DISABLED = "webhook.test", "webhook.failing", "webhook.disabled"
_OWN = (FAILING, DISABLED)
_TYPE = re.compile(r"[a-z]{1,32}\.(?:\*|[a-z_]{1,32})")
_SECONDS = re.compile(r"[0-9]{1,9}")

Payload = Literal["full", "thin"]
Reason = Literal["customer", "failures", "gone"]


def check_types(types: Sequence[str] | None) -> list[str] | None:
    """The filter without doubles; None is every type. Raises InvalidInput."""
    if types is None:
        return None
    if not 1 <= len(types) <= MOST_TYPES:
        raise InvalidInput(f"types names 1 to {MOST_TYPES} types, or is null for all of them.")
    for one in types:
        if not _TYPE.fullmatch(one):
            raise InvalidInput(
                f"{one[:64]!r} is no type of event; write one such as order.message or order.*."
            )
    return list(dict.fromkeys(types))


def wants(endpoint: str, types: Sequence[str] | None, kind: str, subject: str | None) -> bool:
    """Whether an event goes to an endpoint: what it asked for, and never the news of its own failing."""
    if kind in _OWN and subject == endpoint:
        return False
    return types is None or kind in types or f"{kind.partition('.')[0]}.*" in types


# What is sent ---------------------------------------------------------------------------------------------------------


def body_of(event: dict[str, Any], seq: int | None, payload: str, now: str) -> dict[str, Any]:
    """The body for an event as `event_views` renders it. `now`: when this attempt begins, RFC 3339 in UTC."""
    order, message = event["order"], event["message"]
    expires_at = order["expires_at"] if order else None
    data = {
        "seq": seq,
        "revision": event["revision"],
        "subject": event["subject"],
        "expires_at": expires_at,
        "overdue": expires_at is not None and expires_at < now,
    }
    if payload == "thin":
        data |= {"order_id": order["id"] if order else None, "message_id": message["id"] if message else None}
    else:
        data |= {"order": order, "message": message}
    return {"type": event["type"], "timestamp": event["at"], "data": data}


def event_of_test(endpoint: str, at: str) -> dict[str, Any]:
    """What a test delivers: an event of no side."""
    return {"type": TEST, "at": at, "revision": None, "subject": endpoint, "order": None, "message": None}


# What came of it ------------------------------------------------------------------------------------------------------


ERASED, PRUNED, UNRENDERABLE = "erased", "pruned", "unrenderable"
OURS = (ERASED, PRUNED, UNRENDERABLE)
"""The account's key is destroyed; the event is no longer kept; a fault of ours."""


class Outcome(NamedTuple):
    """Of one attempt. `word`: delivered, status, or why there was no answer; `final`: trying again would not help."""

    word: str
    status: int | None = None
    retry_after_s: int | None = None
    final: bool = False

    @property
    def ok(self) -> bool:
        return self.word == "delivered"

    @property
    def gone(self) -> bool:
        return self.status == 410

    @property
    def ours(self) -> bool:
        """Nothing was sent, and the endpoint has no part in it."""
        return self.word in OURS


def answered(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """2xx is success, everything else is failure, a redirect too."""
    if 200 <= status < 300:
        return Outcome("delivered", status)
    return Outcome("status", status, _wait_asked_for(retry_after, now))


def _wait_asked_for(retry_after: str | None, now: datetime) -> int | None:
    """Retry-After in seconds (RFC 9110 10.2.3: seconds or a date); None where it makes no sense."""
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(text := retry_after.strip()):
        return int(text)
    try:
        until = parsedate_to_datetime(text[:64])
    except ValueError:
        return None
    return max(int((until.astimezone(UTC) - now).total_seconds()), 0)


class Next(NamedTuple):
    """How a delivery goes on: its state, how far the schedule has gone, when it is tried again."""

    state: str
    tries: int
    next_at: datetime | None


def after(outcome: Outcome, tries: int, *, once: bool, now: datetime, dice: float) -> Next:
    """`dice`: from 0 to 1. `once`: a test, or what is sent by hand to a disabled endpoint."""
    if outcome.ok:
        return Next("delivered", tries + 1, None)
    if outcome.final:
        return Next("dropped", tries + 1, None)
    if outcome.gone or once or tries >= len(SCHEDULE_S):
        return Next("failed", tries + 1, None)
    wait = wait_s(tries, outcome.retry_after_s, dice)
    return Next("pending", tries + 1, now + timedelta(seconds=wait))


def wait_s(tries: int, asked_s: int | None, dice: float) -> float:
    """Until the next attempt, after `tries` retries and one more failure."""
    planned = SCHEDULE_S[tries] * (1 - JITTER + 2 * JITTER * dice)
    return min(max(planned, asked_s or 0), max(2 * planned, PATIENCE_S))


# Health ---------------------------------------------------------------------------------------------------------------


class Health(NamedTuple):
    """`strikes`: failures in a row; `failed_attempts`: since `failing_since`; `noticed`: notices written since then."""

    strikes: int = 0
    open_until: datetime | None = None
    failing_since: datetime | None = None
    failed_attempts: int = 0
    noticed: int = 0
    last_success_at: datetime | None = None
    last_attempt_at: datetime | None = None


class Mark(NamedTuple):
    """One attempt as health sees it; one that somebody asked for by hand is not `counted`."""

    at: datetime
    ok: bool
    counted: bool = True


def judged(health: Health, marks: Iterable[Mark]) -> Health:
    for mark in marks:
        health = _braked(health, mark)
        health = _counted(health, mark) if mark.counted else health
    return health


def _braked(health: Health, mark: Mark) -> Health:
    """The circuit breaker. Failures that were under way when it opened do not lengthen the pause."""
    if mark.ok:
        return health._replace(strikes=0, open_until=None)
    if health.open_until is not None and health.open_until > mark.at:
        return health
    strikes = health.strikes + 1
    if strikes < OPEN_AFTER:
        return health._replace(strikes=strikes)
    pause = min(FIRST_PAUSE_S * 2 ** min(strikes - OPEN_AFTER, 16), LONGEST_PAUSE_S)
    return health._replace(strikes=strikes, open_until=mark.at + timedelta(seconds=pause))


def _counted(health: Health, mark: Mark) -> Health:
    """A success forgets all failures; so does a time as long as the one to be given up in without any attempt."""
    if mark.ok:
        return health._replace(
            failing_since=None, failed_attempts=0, noticed=0, last_success_at=mark.at, last_attempt_at=mark.at
        )
    last = health.last_attempt_at
    if health.failing_since is None or (last is not None and mark.at - last > DISABLE_AFTER):
        return health._replace(failing_since=mark.at, failed_attempts=1, noticed=0, last_attempt_at=mark.at)
    return health._replace(failed_attempts=health.failed_attempts + 1, last_attempt_at=mark.at)


def is_hopeless(health: Health) -> bool:
    """Nothing but failures for days, and not merely a few."""
    return _failing_for(health) >= DISABLE_AFTER and health.failed_attempts >= DISABLE_ATTEMPTS


def notices_due(health: Health) -> int:
    """How many notices should have been written by now."""
    return sum(_failing_for(health) >= age for age in NOTICE_AFTER)


def _failing_for(health: Health) -> timedelta:
    if health.failing_since is None or health.last_attempt_at is None:
        return timedelta(0)
    return health.last_attempt_at - health.failing_since
