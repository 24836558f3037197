"""The typed contract of deposits: what requests must look like, what answers look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from onceline.edge.shapes import Asked

Method = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,31}$", examples=["stripe"])]


class BeginDeposit(Asked):
    method: Method = Field(description="One that GET /deposits/methods lists.")
    amount: Annotated[str, Field(max_length=40, examples=["25.00"])] = Field(
        description="Decimal text with two places at most, within the method's bounds; the fee comes on top."
    )
    return_url: Annotated[str, Field(max_length=500, pattern=r"^https://[\x21-\x7e]+$")] | None = Field(
        None, description="Where the payer is sent afterwards. Null: to this installation."
    )


class PayTestDeposit(Asked):
    outcome: Literal["paid", "under", "over", "fail", "expire"] = "paid"


class WayToPay(BaseModel):
    name: str
    kind: str
    least: str
    most: str
    fee: str = Field(description="Of each deposit, paid on top.")
    fee_percent: str = Field(description="Of the amount, paid on top.")
    bonus_percent: str = Field(description="Of the amount, given on top; it goes when the deposit goes back.")
    refunds: Literal["source", "origin", "never"] = Field(
        description="Whether an unspent deposit can go back within 14 days: to where it was paid from, to the address it came "
        "from, or not at all."
    )
    currency: str


class WaysToPay(BaseModel):
    methods: list[WayToPay]


class DepositRefund(BaseModel):
    id: str
    state: Literal["asked", "approved", "sending", "sent", "refused", "undone"]
    amount: str
    asked_at: str
    sent_at: str | None
    ended_at: str | None


class Deposit(BaseModel):
    id: str = Field(examples=["dep_7q2m5k3w4x6z2a4b"])
    method: str
    state: Literal[
        "created", "confirming", "review", "credited", "expired", "failed", "refunding", "refunded", "disputed", "lost"
    ]  # fmt: skip
    amount: str = Field(description="Asked for.")
    fee: str = Field(description="Paid on top.")
    bonus: str = Field(description="Given on top when all of it comes.")
    credited: str | None = Field(description="What came; null while nothing final did.")
    currency: str
    refunds: Literal["source", "origin", "never"]
    refundable_until: str | None = Field(description="If nothing of it was spent.")
    origin: str | None = Field(
        description="The ends of the address that it came from, where a network names one."
    )
    network: str | None
    asset: str | None = Field(description="What was paid, where that was something else: 0.00042 BTC.")
    created_at: str
    expires_at: str | None
    credited_at: str | None
    ended_at: str | None
    pay_url: str | None = Field(description="Where it is paid; null when it cannot be any more.")
    refund: DepositRefund | None


class Deposits(BaseModel):
    deposits: list[Deposit]
    next: str | None
