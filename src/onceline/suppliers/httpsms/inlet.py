"""The webhook of httpSMS: messages that phones received, and which phones were heard of.

Events are CloudEvents in JSON, {specversion, id, source, type, time, data} (docs.httpsms.com/webhooks/events). httpSMS waits
five seconds and calls once: what we could not keep is in its own list of messages alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onceline.suppliers.base import (
    Answer,
    Arrival,
    Configured,
    Finding,
    Heartbeat,
    KindSettings,
    Outcome,
    Request,
    Surroundings,
    Unreadable,
    plain_answer,
)
from onceline.suppliers.httpsms.token import verify
from onceline.suppliers.payload import dated, read_json
from onceline.suppliers.signing import active, check_address, check_secrets

SIGNING_KEY = "signing_key"
SHORTEST_KEY = 20
OFFLINE = "phone-offline"


class HttpSmsSettings(KindSettings):
    """There is nothing to set but the key: every event names its number."""


class HttpSmsInlet:
    """Raises NotConfigured without a key."""

    answers_within_s = 4.0

    def __init__(self, configured: Configured) -> None:
        self._keys = active(configured, SIGNING_KEY)

    def read(self, request: Request) -> Sequence[Arrival | Heartbeat]:
        verify(request, self._keys)
        return dated(read_body(request.body), request.received_at)

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


def read_body(body: bytes) -> list[Arrival | Heartbeat]:
    """Raises Unreadable."""
    event = read_json(body)
    kind, data = event.get("type"), event.get("data")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise Unreadable("the event has no type or no data")
    if kind == "message.phone.received":
        return [_arrival(event, data)]
    if kind in ("phone.heartbeat.online", "phone.heartbeat.offline"):
        return [_heartbeat(data, is_online=kind.endswith("online"))]
    return []


def _arrival(event: Mapping[str, Any], data: Mapping[str, Any]) -> Arrival:
    if data.get("encrypted") is True:
        raise Unreadable(
            "the message is encrypted; switch the encryption of received messages off in the app"
        )
    owner, content = _text(data, "owner"), data.get("content")
    if not owner or not isinstance(content, str):
        raise Unreadable("the message has no owner or no content")
    return Arrival(
        message_id=_text(data, "message_id") or _text(data, "id") or _text(event, "id"),
        number=owner,
        sender=_text(data, "contact"),
        text=content,
        said_at=_text(data, "timestamp"),
        device=_device(owner),
    )


def _heartbeat(data: Mapping[str, Any], *, is_online: bool) -> Heartbeat:
    """The server tells of a change alone: a phone that is well says nothing."""
    owner = _text(data, "owner")
    if not owner:
        raise Unreadable("the heartbeat has no owner")
    heard = _printable(_text(data, "last_heartbeat_timestamp"))[:40]
    return Heartbeat(_device(owner), {"online": is_online, "last_heard": heard}, "" if is_online else OFFLINE)


def _device(owner: str) -> str:
    """A phone is known by its number, of which staff's lists show the ends."""
    digits = _printable(owner)
    return f"{digits[:4]}…{digits[-4:]}" if len(digits) > 8 else digits


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))


def check(configured: Configured, _: Surroundings) -> Sequence[Finding]:
    right = f"the webhook's signing key, of at least {SHORTEST_KEY} characters"
    return [
        check_secrets(configured, SIGNING_KEY, lambda key: len(key) >= SHORTEST_KEY, right),
        check_address(configured),
    ]
