"""The shapes of a month's statement, for the contract."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Figures(BaseModel):
    """What a balance is made of."""

    available: str = Field(examples=["12.5000"])
    held: str
    refund_pending: str
    disputed: str
    debt: str


class MonthSum(BaseModel):
    """All transfers of one kind between two accounts."""

    kind: str = Field(examples=["deposit"])
    debit: str = Field(examples=["stripe"])
    credit: str = Field(examples=["available"])
    transfers: int
    amount: str


class Month(BaseModel):
    month: str = Field(examples=["2026-03"])
    mode: Literal["test", "live"]
    currency: str
    is_over: bool
    since: str
    until: str
    opening: Figures
    sums: list[MonthSum]
    closing: Figures
