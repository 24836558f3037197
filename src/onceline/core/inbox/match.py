"""Which order a message belongs to, and whether its owner may see it. Pure.

A message is shown only to the order that held its number when it came, so a former lessee's messages never reach the
next one (promise P6), and to that only until its grace is over. A prohibited sender, or one that is confidently another
catalogue service, is withheld.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from onceline.core.inbox.recognise import Recognition

CONFIDENT = 0.8
"""From here on a recognition may withhold a message. A wrong one costs somebody a code."""
ANY_OTHER, ALL_MESSAGES = "other", "full"


class Verdict(Enum):
    SHOW = "shown"
    WITHHOLD = "withheld"
    COUNT = "counted"


@dataclass(frozen=True, slots=True)
class Candidate:
    """The order that held the number when the message came. `closed_at` is None while it is live."""

    order: int
    service: str
    expires_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Match:
    """`order` is None when nobody may have the message; `late` says that it came or was found after the end."""

    verdict: Verdict
    order: int | None = None
    late: bool = False


def match(
    received_at: datetime,
    recognition: Recognition | None,
    prohibited: frozenset[str],
    holder: Candidate | None,
    grace_s: float,
    related: Callable[[str, str], bool],
) -> Match:
    """`related`: whether two services are of one family, whose messages may come under either name."""
    if holder is None or not _covers(holder, received_at, grace_s):
        return Match(Verdict.COUNT)
    late = holder.closed_at is not None or received_at > holder.expires_at
    verdict = (
        Verdict.WITHHOLD if _is_withheld(holder.service, recognition, prohibited, related) else Verdict.SHOW
    )
    return Match(verdict, holder.order, late)


def confident_service(recognition: Recognition | None) -> str | None:
    """The recognised service, when it is sure enough to act on."""
    return recognition.service if recognition and recognition.confidence >= CONFIDENT else None


def _covers(holder: Candidate, received_at: datetime, grace_s: float) -> bool:
    return holder.closed_at is None or received_at <= holder.closed_at + timedelta(seconds=grace_s)


def _is_withheld(
    ordered: str,
    recognition: Recognition | None,
    prohibited: frozenset[str],
    related: Callable[[str, str], bool],
) -> bool:
    service = confident_service(recognition)
    if service is None:
        return False
    if service in prohibited:
        return True
    return ordered != ALL_MESSAGES and service != ordered and not related(service, ordered)
