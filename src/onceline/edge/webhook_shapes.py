"""The typed contract of /api/v1/webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from onceline.core.webhooks.model import LONGEST_URL, MOST_CONCURRENCY, MOST_TYPES
from onceline.edge.shapes import Asked

Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, examples=["https://example.com/onceline"])]
Description = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
EventType = Annotated[str, Field(max_length=65, examples=["order.message"])]
Types = Annotated[list[EventType], Field(min_length=1, max_length=MOST_TYPES)]
Concurrency = Annotated[int, Field(ge=1, le=MOST_CONCURRENCY)]
Payload = Literal["full", "thin"]
SecretKind = Literal["v1", "v1a"]
Seq = Annotated[int, Field(ge=0, le=2**53)]
Instant = Annotated[
    str, Field(max_length=40, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T", examples=["2026-11-21T00:00:00Z"])
]
State = Literal["pending", "delivered", "failed", "dropped"]


class CreateWebhook(Asked):
    url: Url = Field(description="https, port 443 or 8443, a name or address that leads to public addresses.")
    types: Types | None = Field(None, description="Such as order.message or order.*; null: every type.")
    payload: Payload = Field("full", description="thin: ids instead of the order and the message.")
    concurrency: Concurrency = Field(4, description="Attempts at once.")
    description: Description = ""
    secret_kind: SecretKind = Field("v1", description="v1: HMAC-SHA256; v1a: Ed25519.")


class ChangeWebhook(Asked):
    """What is left out stays."""

    url: Url | None = None
    types: Types | None = Field(None, description="null: every type.")
    payload: Payload | None = None
    concurrency: Concurrency | None = None
    description: Description | None = None
    state: Literal["enabled", "disabled"] | None = None


class RotateSecret(Asked):
    kind: SecretKind | None = Field(None, description="That of the newest secret when left out.")
    overlap_s: int = Field(
        86400,
        ge=0,
        le=7 * 86400,
        description="How long the secrets before this one go on signing; 0 ends them now.",
    )


class Replay(Asked):
    """Either a range of seqs, or what failed since an instant."""

    after_seq: Seq | None = Field(None, description="Events after this one …")
    until_seq: Seq | None = Field(None, description="… up to this one.")
    failed_only: bool = Field(False, description="Only what failed for good, wherever its seq lies.")
    since: Instant | None = Field(None, description="Of failed_only: events from this instant on.")


class Health(BaseModel):
    failing_since: str | None = Field(description="Nothing but failures since then; null when all is well.")
    failed_attempts: int
    last_success_at: str | None
    last_attempt_at: str | None
    paused_until: str | None = Field(description="After failures in a row nothing is attempted before this.")
    pending: int = Field(description="Deliveries that wait; counted up to 1,000.")


class Webhook(BaseModel):
    id: str
    url: str | None = Field(description="Null when erased.")
    description: str
    types: list[str] | None
    payload: Payload
    concurrency: int
    state: Literal["enabled", "disabled"]
    disabled_reason: Literal["customer", "failures", "gone"] | None
    disabled_at: str | None
    created_at: str
    health: Health


class Webhooks(BaseModel):
    webhooks: list[Webhook]


class Secret(BaseModel):
    id: str
    kind: SecretKind
    public_key: str | None = Field(description="whpk_… of a v1a: checks signatures, makes none.")
    created_at: str
    expires_at: str | None = Field(description="When it stops signing.")


class Secrets(BaseModel):
    secrets: list[Secret] = Field(description="What signs now, newest first.")


class NewSecret(Secret):
    secret: str | None = Field(description="whsec_… of a v1, shown this once.")


class NewWebhook(BaseModel):
    webhook: Webhook
    secret: NewSecret


class Delivery(BaseModel):
    id: str = Field(description="The event's, as in webhook-id.")
    seq: int | None = Field(description="Null of a test.")
    type: str
    order: int | None
    state: State
    by_hand: bool = Field(description="A test or a replay: not counted in the endpoint's health.")
    attempts: int
    next_attempt_at: str | None
    event_at: str


class Deliveries(BaseModel):
    deliveries: list[Delivery]
    next: str | None


class SentRequest(BaseModel):
    headers: dict[str, str]
    body: str


class ReceivedAnswer(BaseModel):
    headers: list[tuple[str, str]]
    text: str = Field(description="The first 2 KB, written by a stranger.")
    truncated: bool


class Attempt(BaseModel):
    number: int
    at: str
    status: int | None
    outcome: str = Field(description="delivered, status, or why there was no answer.")
    duration_ms: int
    request: SentRequest | None = Field(description="Null when nothing was sent, or erased.")
    answer: ReceivedAnswer | None


class DeliveryWithAttempts(BaseModel):
    delivery: Delivery
    attempts: list[Attempt] = Field(description="Oldest first, at most 100.")


class Underway(BaseModel):
    event: str = Field(description="Look at deliveries/{event} for what came of it.")


class Replayed(BaseModel):
    sent: int
    until_seq: int | None = Field(
        description="How far a range was read: go on from there when it is below yours. Null of failed_only."
    )
