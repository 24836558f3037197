"""What a deposit is, what processors say of payments, and which deposits can go back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from onceline.core.ledger.model import Balance

REFUND_FOR = timedelta(days=14)
"""After the money came (M4), to the instant: 14 times 24 hours."""
LOOK_FIRST = timedelta(seconds=60)
LOOK_LAST = timedelta(hours=1)
LOOK_ON_FOR = timedelta(days=2)
"""After a payment expired; a late one is credited all the same."""
FLAGGED_TIMES = 2
"""So many times what was asked for is credited, and shown to staff."""

State = Literal[
    "created", "confirming", "review", "credited", "expired", "failed", "refunding", "refunded", "disputed", "lost"
]  # fmt: skip


class Refunds(StrEnum):
    """Whether, and where to, a deposit can go back; said before payment."""

    SOURCE = "source"
    """The processor sends it back where it came from."""
    ORIGIN = "origin"
    """To the address it came from, where the network defines one."""
    NEVER = "never"


class Paid(StrEnum):
    OPEN = "open"
    CONFIRMING = "confirming"
    """Seen, not final."""
    PAID = "paid"
    OVER = "over"
    UNDER = "under"
    EXPIRED = "expired"
    FAILED = "failed"
    FROZEN = "frozen"
    """Held back by the processor."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What a processor says when it is asked, never what a callback says."""

    processor_id: str
    deposit: str
    """Our id, as the processor has it."""
    state: Paid
    value: int
    """Micro-units that came, in the books' currency, fee included; 0 while nothing is final."""
    currency: str
    is_live: bool
    payment_id: str | None = None
    """Payment intent, or transaction hash."""
    origin: str | None = None
    """The address it came from, where the network defines one."""
    network: str | None = None
    asset: str | None = None
    """What was paid, to be read: `0.00042 BTC`."""


class Stage(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payer's bank wants the money back. `amount`: micro-units that left, without the processor's charge."""

    id: str
    payment_id: str
    amount: int
    currency: str
    stage: Stage


class Terms(NamedTuple):
    """Of one way to pay. Micro-units; parts of a million for what depends on the amount."""

    method: str
    least: int
    most: int
    fee: int
    fee_ppm: int
    bonus_ppm: int
    refunds: Refunds
    coin: int
    """The smallest that is paid with, and the step of amounts."""

    def fee_of(self, amount: int) -> int:
        """Rounded up to a coin."""
        return -(-(self.fee + amount * self.fee_ppm // 1_000_000) // self.coin) * self.coin

    def bonus_of(self, amount: int) -> int:
        return amount * self.bonus_ppm // 1_000_000


@dataclass(frozen=True, slots=True)
class Deposit:
    id: str
    side: int
    account: str
    mode: str
    method: str
    state: State
    amount: int
    fee: int
    bonus: int
    credited: int | None
    place: int | None
    refunds: Refunds
    processor_id: str | None
    payment_id: str | None
    origin: str | None
    network: str | None
    asset: str | None
    created_at: datetime
    expires_at: datetime | None
    credited_at: datetime | None
    ended_at: datetime | None
    look_at: datetime | None

    @property
    def given(self) -> int:
        """What it added to the available balance."""
        return (self.credited or 0) + (self.bonus if self.credited else 0)


class Bar(StrEnum):
    """Why a deposit cannot go back."""

    STATE = "state"
    """It never came, is on its way back, or is gone."""
    METHOD = "method"
    ORIGIN = "origin"
    """Nobody knows where it came from."""
    AGE = "age"
    DISPUTE = "dispute"
    DEBT = "debt"
    """What a payer's bank took back was spent: it is owed first."""
    SPENT = "spent"


def bar_to_refund(
    deposit: Deposit, balance: Balance, newer: Sequence[int], has_dispute: bool, now: datetime
) -> Bar | None:
    """Why a deposit cannot go back now; None when it can (M4).

    `newer`: what the side's later deposits that still count added to its balance. Spending uses the oldest first, so what is
    left is the newest: nothing of a deposit was spent, and no hold reaches into it, exactly when all of it and of all later
    ones is still available (docs/explain/money.md derives it).
    """
    if deposit.state != "credited" or deposit.credited_at is None:
        return Bar.STATE
    if deposit.refunds is Refunds.NEVER:
        return Bar.METHOD
    if deposit.refunds is Refunds.ORIGIN and not deposit.origin:
        return Bar.ORIGIN
    if now > deposit.credited_at + REFUND_FOR:
        return Bar.AGE
    if has_dispute:
        return Bar.DISPUTE
    if balance.debt:
        return Bar.DEBT
    if balance.available < deposit.given + sum(newer):
        return Bar.SPENT
    return None


def next_look(created_at: datetime, expires_at: datetime | None, now: datetime) -> datetime | None:
    """When to ask the processor again: as long after now as it is old, within bounds; None when nothing is awaited."""
    if expires_at is not None and now > expires_at + LOOK_ON_FOR:
        return None
    return now + min(max(now - created_at, LOOK_FIRST), LOOK_LAST)
