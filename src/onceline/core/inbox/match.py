"""Which order a message belongs to, and whether its owner may see it. Pure.

A message is shown only to an order that covers its receive time, so a former lessee's messages never reach the next
one (promise P6). A prohibited sender, or one that is confidently another catalogue service, is withheld.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """An order of the number that the message came to. `closed_at` is None while it is live."""

    order: int
    service: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Match:
    """`order` is None when nobody's time covers the message; `late` says that it came or was found after the end."""

    verdict: Verdict
    order: int | None = None
    late: bool = False


def match(
    received_at: datetime,
    recognition: Recognition | None,
    prohibited: frozenset[str],
    candidates: Sequence[Candidate],
    grace_s: float,
    related: Callable[[str, str], bool],
) -> Match:
    """`related`: whether two services are of one family, whose messages may come under either name."""
    covering = [one for one in candidates if _covers(one, received_at, grace_s)]
    if not covering:
        return Match(Verdict.COUNT)
    owner = max(covering, key=lambda one: (one.closed_at is None, one.created_at))
    late = owner.closed_at is not None or received_at > owner.expires_at
    verdict = (
        Verdict.WITHHOLD if _is_withheld(owner.service, recognition, prohibited, related) else Verdict.SHOW
    )
    return Match(verdict, owner.order, late)


def confident_service(recognition: Recognition | None) -> str | None:
    """The recognised service, when it is sure enough to act on."""
    return recognition.service if recognition and recognition.confidence >= CONFIDENT else None


def _covers(order: Candidate, received_at: datetime, grace_s: float) -> bool:
    if received_at < order.created_at:
        return False
    end = order.closed_at if order.closed_at is not None else max(order.expires_at, received_at)
    return received_at <= end + timedelta(seconds=grace_s)


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
