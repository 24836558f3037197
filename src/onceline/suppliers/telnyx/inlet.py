"""Telnyx's requests: Ed25519 over "timestamp|raw body", fresh for five minutes, then a message for each of its recipients.

Telnyx waits 2 s. https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from onceline.suppliers.base import (
    Answer,
    Arrival,
    Configured,
    Finding,
    Kind,
    KindSettings,
    NotAuthentic,
    NotConfigured,
    Outcome,
    Request,
    Surroundings,
    Unreadable,
    plain_answer,
)
from onceline.suppliers.payload import named, read_json
from onceline.suppliers.signing import active, check_address, check_secrets, require_fresh, unix_seconds

MOST_RECIPIENTS = 50
_RIGHT = "the account's public key in base64, 32 bytes, from Account settings, Keys & credentials, Public key"


class TelnyxSettings(KindSettings):
    """Nothing to set: the public key says it all."""


@dataclass(frozen=True, slots=True)
class TelnyxInlet:
    keys: tuple[Ed25519PublicKey, ...]

    @property
    def answers_within_s(self) -> float:
        return 1.8

    def read(self, request: Request) -> Sequence[Arrival]:
        signature = request.headers.get("telnyx-signature-ed25519")
        timestamp = request.headers.get("telnyx-timestamp")
        if not signature or not timestamp:
            raise NotAuthentic("missing")
        at = unix_seconds(timestamp)
        signed = f"{timestamp}|".encode() + request.body
        if not any(_fits(key, signed, signature) for key in self.keys):
            raise NotAuthentic("wrong")
        require_fresh(at, request.received_at)
        return _arrivals(read_json(request.body))

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


def _fits(key: Ed25519PublicKey, signed: bytes, signature: str) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _arrivals(event: Mapping[str, Any]) -> list[Arrival]:
    """Raises Unreadable."""
    data = _object(event.get("data"), "data")
    if data.get("event_type") != "message.received":
        return []
    payload = _object(data.get("payload"), "data.payload")
    message_id, recipients = named(payload.get("id"), "data.payload.id"), _recipients(payload)
    sender, text = payload.get("from"), payload.get("text")
    return [
        Arrival(
            message_id=message_id if len(recipients) == 1 else f"{message_id}|{number}",
            number=number,
            sender=_text(sender.get("phone_number")) if isinstance(sender, dict) else "",
            text=_text(text),
        )
        for number in recipients
    ]


def _recipients(payload: Mapping[str, Any]) -> list[str]:
    """Each once. A group message names several, and some may be nobody's here."""
    listed = payload.get("to")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_RECIPIENTS:
        raise Unreadable(f"data.payload.to is no list of 1 to {MOST_RECIPIENTS} recipients")
    what = "data.payload.to[].phone_number"
    return list(dict.fromkeys(named(_object(one, what).get("phone_number"), what) for one in listed))


def _object(value: object, what: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise Unreadable(f"{what} is no object")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _key(text: str) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError):
        return None


def open_inlet(configured: Configured) -> TelnyxInlet:
    """Raises NotConfigured."""
    keys = [_key(text) for text in active(configured, "public_key")]
    known = tuple(key for key in keys if key)
    if len(known) < len(keys):
        raise NotConfigured(f"a public_key of supplier {configured.name} is none; it is {_RIGHT}")
    return TelnyxInlet(known)


def check(configured: Configured, _surroundings: Surroundings) -> Sequence[Finding]:
    fits = check_secrets(configured, "public_key", lambda text: _key(text) is not None, _RIGHT)
    return [check_address(configured), fits]


KIND = Kind(
    "telnyx",
    TelnyxSettings,
    secrets={"public_key": "the account's public key"},
    inlet=open_inlet,
    check=check,
)
