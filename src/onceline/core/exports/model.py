"""What can be exported, and the rules of an export's life. Pure.

queued ──claimed──► running ──last page──► ready ──7 days──► expired
   └──────────────────┴── five failures ──► failed
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onceline.core.errors import ExportGone, ExportNotReady, InvalidInput

KINDS = ("orders", "codes", "statement", "account")
FORMATS = ("csv", "json")
LIVE = frozenset({"queued", "running"})

LIVE_EXPORTS = 3
"""Of one account at once."""
KEPT_EXPORTS = 20
"""Of one account: those that are live, ready or failed."""
KEPT_FOR = timedelta(days=7)
"""A file; the row about it stays for ROWS_FOR."""
ROWS_FOR = timedelta(days=30)
LEASE = timedelta(seconds=30)
MOST_FAILURES = 5
LINK_S, SHORTEST_LINK_S, LONGEST_LINK_S = 600, 60, 86400
PIECE_BYTES = 256 * 1024
"""Of text in one stored piece, at most."""
PAGE_BYTES = 256 * 1024
"""A page ends as soon as its text is as long as this."""
PAGE_ROWS = 1000
_YEARS = range(2000, 2200)
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a customer asks for. `since` is within, `until` is not."""

    kind: str
    format: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A row of `exports`, with its account and mode."""

    serial: int
    id: str
    side: int
    account: str
    mode: str
    kind: str
    format: str
    since: datetime | None
    until: datetime | None
    as_of: datetime
    state: str
    rows_done: int
    rows_total: int | None
    bytes: int
    pieces: int
    place: dict[str, Any] | None
    claim: int
    failures: int
    reason: str | None
    finished_at: datetime | None
    expires_at: datetime | None

    @property
    def file_name(self) -> str:
        return f"onceline-{self.kind}-{self.as_of:%Y-%m-%d}.{self.format}"

    @property
    def media_type(self) -> str:
        return _TYPES[self.format]


def check(request: Request) -> None:
    """Raises InvalidInput for a request that makes no sense."""
    if request.kind == "account" and request.format != "json":
        raise InvalidInput("The whole account comes as JSON alone: it is more than one table.")
    if request.kind == "account" and (request.since or request.until):
        raise InvalidInput("The whole account comes without from and until.")
    if request.since and request.until and request.since >= request.until:
        raise InvalidInput("from must lie before until.")


def parse_instant(text: str | None) -> datetime | None:
    """An RFC 3339 instant with its offset. Raises InvalidInput."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or instant.year not in _YEARS:
        raise InvalidInput(
            "from and until are RFC 3339 instants with an offset, such as 2026-01-31T00:00:00Z."
        )
    return instant


def state_at(export: Export, now: datetime) -> str:
    """What readers see: from `expires_at` on a file is gone, whether or not a worker has come by."""
    if export.state == "ready" and export.expires_at is not None and export.expires_at <= now:
        return "expired"
    return export.state


def demand_file(export: Export, now: datetime) -> None:
    """Raises ExportNotReady, ExportGone."""
    state = state_at(export, now)
    if state in LIVE:
        raise ExportNotReady(state)
    if state != "ready":
        raise ExportGone(state)


def pause_after(failures: int) -> timedelta:
    """2, 4, 8, 16 s."""
    return timedelta(seconds=2**failures)
