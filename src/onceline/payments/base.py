"""What a processor can do, and the words for what it says. One client per processor and mode; used from threads.

Every call ends in time. Amounts of money are micro-units of the books' currency; what was paid in another asset stays a
decimal text, for people to read and never to count with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from onceline.core.deposits.model import Dispute, Paid, Payment, Refunds, Stage

__all__ = (
    "Callback", "Configured", "Dispute", "Entry", "Hint", "NotAuthentic", "Opened", "Opening", "Paid", "Payment", "Processor",
    "ProcessorAway", "ProcessorRefused", "Refunds", "SendBack", "Sent", "SentBack", "Stage", "Unreadable", "Warned",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opening:
    """A deposit that a customer wants to pay. `id` is ours, and is the idempotency key of the call."""

    id: str
    amount: int
    """Micro-units that have to be paid, fee included."""
    currency: str
    description: str
    return_url: str
    expires_at: datetime
    is_first: bool
    """Of its account: strong authentication is asked for."""


@dataclass(frozen=True, slots=True)
class Opened:
    processor_id: str
    url: str


class Sent(StrEnum):
    """What became of money that was to go back."""

    DONE = "done"
    ON_ITS_WAY = "on its way"
    REFUSED = "refused"  # for good: it goes back to the balance
    UNKNOWN = "unknown"  # the same key is asked again


@dataclass(frozen=True, slots=True)
class SendBack:
    """Money that goes back. `id` is ours, and the idempotency key. There is no field for an address: it is where it came from."""

    id: str
    processor_id: str
    payment_id: str | None
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class SentBack:
    state: Sent
    refund_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """A request as it came; `body` are the raw bytes that were signed."""

    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Hint:
    """Something about this object changed: it has to be read. `event_id` makes a repeat known."""

    event_id: str
    about: str
    """`payment`, `refund` or `dispute`."""
    object_id: str
    """The processor's id of a payment (`processor_id`), of a refund, or of a dispute or what warns of one; it may not be one of
    ours."""
    is_live: bool


@dataclass(frozen=True, slots=True)
class Warned:
    """A payer's bank takes a payment for fraud, and has taken nothing back yet: often a dispute follows."""

    id: str
    payment_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the processor's own report, for reconciliation."""

    kind: str
    """`payment`, `refund`, `dispute`, `fee`, or `other`: what is none of these, such as a payout to the bank."""
    object_id: str
    deposit: str | None
    amount: int
    """Micro-units; what left is negative."""
    currency: str
    at: datetime


class NotAuthentic(Exception):
    """A callback that the processor did not sign; `reason` is one of a few words: missing, wrong, old."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreadable(Exception):
    """Authentic, or not signed by rule, but not what the processor's documentation says."""


class ProcessorAway(Exception):
    """No answer, or one that says to come again: nothing is known."""


class ProcessorRefused(Exception):
    """It understood, and will not: a wrong key, an amount below its least. The text is for staff."""


class Processor(Protocol):
    """Raises ProcessorAway and ProcessorRefused from every call to it."""

    def open(self, deposit: Opening) -> Opened:
        """Have the processor expect a payment; the same `deposit.id` gives the same page again."""
        ...

    def hint(self, callback: Callback) -> Hint | None:
        """None for what concerns nobody. Calls nothing. Raises NotAuthentic, Unreadable."""
        ...

    def payment(self, processor_id: str) -> Payment | None:
        """As it is now, by its own name or by the `payment_id` that a dispute has; None when there is no such payment."""
        ...

    def send_back(self, refund: SendBack) -> SentBack:
        """Ask for a refund in full, or ask again with the same key. Unknown outcomes are an answer, not an error."""
        ...

    def sent_back(self, refund: SendBack) -> SentBack | None:
        """What became of a refund that was asked for; None when the processor knows none for it."""
        ...

    def dispute(self, dispute_id: str) -> Dispute | Warned | None:
        """As it is now; None when there is no such dispute or warning."""
        ...

    def report(self, since: datetime, until: datetime) -> list[Entry]:
        """Every movement between two instants, at most a day apart."""
        ...


@dataclass(frozen=True, slots=True)
class Configured:
    """A processor as the operator set it up. `secrets`: values by name; `url`: where it is to call us, if anywhere."""

    name: str
    settings: Any
    secrets: Mapping[str, str]
    currency: str
    url: str | None = None
