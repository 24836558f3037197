"""The chart of accounts and what a transfer of each kind does. Pure."""

from __future__ import annotations

from dataclasses import dataclass

AVAILABLE, HELD = "available", "held"
REVENUE = "revenue"
SANDBOX = "sandbox"
"""Where test money comes from."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Micro-units of one side."""

    available: int
    held: int
    currency: str
    mode: str


@dataclass(frozen=True, slots=True)
class Movement:
    """What one command does to a side's row: micro-units held, captured, released; orders closed; events written."""

    hold: int = 0
    capture: int = 0
    release: int = 0
    closed: int = 0
    events: int = 0
