"""How much an account may pay in within a day, and from when on a refund needs two persons. Pure.

None of it looks at where a request came from (A3): an account's age alone decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from onceline.core.deposits.commands import Velocity
from onceline.core.money import LARGEST, MICROS

PERSONS = 2
"""Who must agree to a refund above the limit; whoever asked for it as staff does not count."""


class Limits(NamedTuple):
    """Micro-units where it is money. `begun` and `credited` are of a new account and a day, `begun_later` of every other one."""

    new_for: timedelta = timedelta(days=30)
    begun: int = 10
    credited: int = 200 * MICROS
    begun_later: int = 100
    approval_above: int = 100 * MICROS

    def velocity(self, opened_at: datetime, now: datetime) -> Velocity:
        """Of an account that was opened then. An older one may bring in whatever a method allows."""
        if now < opened_at + self.new_for:
            return Velocity(self.begun, self.credited)
        return Velocity(max(self.begun, self.begun_later), LARGEST)

    def approvals(self, amount: int) -> int:
        """How many persons must agree before so much goes back."""
        return PERSONS if amount > self.approval_above else 0
