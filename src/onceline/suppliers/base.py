"""What a supplier of numbers looks like to the rest of Onceline.

Two ways for messages and orders to meet a supplier:
- messages come in through the supplier's own door (a callback, a session, a poll) and enter at `orders.receive`;
- orders go out through `Supplier`, fed from the outbox of supplier calls, one call at a time and in order, under a
  reference of ours. The same call may come twice (a worker died, an answer was lost): a supplier must answer it as it
  did the first time, so nothing is ever bought twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """`reference` names the order and nobody's account. `number` is None when the supplier has to choose one."""

    reference: str
    service: str
    country: str
    network: str | None
    number: str | None


@dataclass(frozen=True, slots=True)
class Acquired:
    """The number in E.164, and its network as MCC+MNC when the supplier says it."""

    number: str
    network: str = ""


class NoNumbers(Exception):
    """A definite answer: the supplier has nothing for this call, and charged nothing."""


class OutcomeUnknown(Exception):
    """No definite answer came. The call is repeated under the same reference until one does."""


class Supplier(Protocol):
    """Each verb raises OutcomeUnknown when the supplier did not answer for certain."""

    def acquire(self, call: Call) -> Acquired:
        """A number for a new order, or the acknowledgement of the one we chose. Raises NoNumbers."""

    def finish(self, call: Call) -> None: ...

    def cancel(self, call: Call) -> None: ...

    def resend(self, call: Call) -> None: ...
