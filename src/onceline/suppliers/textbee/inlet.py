"""The webhook of textbee: messages that phones received.

The server signs its JSON, {smsId, sender, message, receivedAt, deviceId, webhookSubscriptionId, webhookEvent, idempotencyKey},
by `X-Signature` (github.com/vernu/textbee, api/src/webhook). It signs no time, so a request may be repeated by whoever saw it;
the message's own id makes that harmless. It names no recipient: each device has the number that was set for it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from onceline.core.errors import InvalidInput
from onceline.core.phone import parse_e164
from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
    Answer,
    Arrival,
    Configured,
    Finding,
    Heartbeat,
    KindSettings,
    NotAuthentic,
    Outcome,
    Request,
    Surroundings,
    Unreadable,
    plain_answer,
)
from onceline.suppliers.payload import dated, read_json
from onceline.suppliers.signing import active, check_address, check_secrets, equals_any

SIGNING_SECRET = "signing_secret"  # noqa: S105 - the name of a secret, not one
SHORTEST_SECRET = 20
"""textbee takes no shorter one."""
RECEIVED = "MESSAGE_RECEIVED"
UNKNOWN_DEVICE = "unknown-device"


def _number(text: str) -> str:
    try:
        return parse_e164(text)
    except InvalidInput as bad:
        raise ValueError(str(bad)) from None


class TextbeeSettings(KindSettings):
    """`devices`: the number of each phone by the id that textbee gives it. A phone with two SIM cards cannot be told apart: use
    one card in each."""

    devices: Annotated[
        dict[
            Annotated[str, StringConstraints(min_length=1, max_length=64)],
            Annotated[str, AfterValidator(_number)],
        ],
        Field(min_length=1, max_length=500),
    ]


class TextbeeInlet:
    """Raises NotConfigured without a secret."""

    answers_within_s = ANSWERS_WITHIN_S

    def __init__(self, configured: Configured) -> None:
        self._secrets = active(configured, SIGNING_SECRET)
        self._settings: TextbeeSettings = configured.settings

    def read(self, request: Request) -> Sequence[Arrival | Heartbeat]:
        verify(request, self._secrets)
        return dated(read_body(self._settings.devices, request.body), request.received_at)

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


def verify(request: Request, secrets: Sequence[str]) -> None:
    """Hex of HMAC-SHA-256 over the raw body. Raises NotAuthentic."""
    sent = request.headers.get("x-signature", "").strip().lower()
    if not sent:
        raise NotAuthentic("missing")
    if not equals_any(sent, [_signature(secret, request.body) for secret in secrets]):
        raise NotAuthentic("wrong")


def _signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).hexdigest()


def read_body(devices: Mapping[str, str], body: bytes) -> list[Arrival | Heartbeat]:
    """A message of a phone that was not set has no number, is kept apart, and staff are told. Raises Unreadable."""
    event = read_json(body)
    if event.get("webhookEvent") != RECEIVED:
        return []
    device, text = _text(event, "deviceId"), event.get("message")
    name = _text(event, "smsId") or _text(event, "idempotencyKey")
    if not name or not isinstance(text, str):
        raise Unreadable("the message has no smsId or no message")
    shown = "".join(filter(str.isprintable, device))[:64]
    arrival = Arrival(
        message_id=name,
        number=devices.get(device, ""),
        sender=_text(event, "sender"),
        text=text,
        said_at=_text(event, "receivedAt"),
        device=shown,
    )
    return [arrival] if arrival.number else [arrival, Heartbeat(shown, warning=UNKNOWN_DEVICE)]


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def check(configured: Configured, _: Surroundings) -> Sequence[Finding]:
    right = f"the webhook's signing secret, of at least {SHORTEST_SECRET} characters"
    return [
        check_secrets(configured, SIGNING_SECRET, lambda secret: len(secret) >= SHORTEST_SECRET, right),
        check_address(configured),
    ]
