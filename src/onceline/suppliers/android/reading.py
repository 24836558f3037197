"""What a phone says: messages, and that it lives. Pure.

Shapes as the app writes them (github.com/capcom6/android-sms-gateway, modules/webhooks and modules/health): an envelope {id,
webhookId, event, deviceId, payload}. Promised: no message goes to a number that was guessed. A phone with two SIM cards does
not always know which of them a message came to; such a message is handed on without a number, so that it is kept apart, and
staff are told.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from onceline.core.inbox.model import Encoded
from onceline.suppliers.android.settings import TOO_NEW, TOO_NEW_API, AndroidSettings, Phone
from onceline.suppliers.base import LONGEST_FACT, Arrival, Heartbeat, Unreadable
from onceline.suppliers.payload import read_json

MOST_IN_A_BATCH = 500
MOST_CHECKS = 16
RECEIVED = ("sms:received", "sms:data-received")
RECEIVED_TOGETHER = ("sms:batch:received", "sms:batch:data-received")
PING = "system:ping"

AMBIGUOUS = "ambiguous-sim"
UNKNOWN_DEVICE = "unknown-device"
ANDROID_TOO_NEW = "android-too-new"

Object = Mapping[str, Any]


def read_body(settings: AndroidSettings, body: bytes, app: str) -> list[Arrival | Heartbeat]:
    """`app` is how the phone names the program that calls us. Raises Unreadable."""
    envelope = read_json(body)
    event = envelope.get("event")
    if event == PING:
        return [_heartbeat(settings, envelope, app)]
    if event in RECEIVED:
        return _messages(settings, envelope, [envelope.get("payload")])
    if event in RECEIVED_TOGETHER:
        return _messages(settings, envelope, _batch(envelope.get("payload")))
    if not isinstance(event, str):
        raise Unreadable("the envelope names no event")
    return []


# Messages --------------------------------------------------------------------------------------------------------------


def _batch(payload: Any) -> list[Any]:
    found = payload.get("messages") if isinstance(payload, dict) else None
    if not isinstance(found, list) or len(found) > MOST_IN_A_BATCH:
        raise Unreadable(f"the payload has no messages, or more than {MOST_IN_A_BATCH}")
    return found


def _messages(settings: AndroidSettings, envelope: Object, payloads: list[Any]) -> list[Arrival | Heartbeat]:
    """A message's own `messageId` is made of its content and names nothing; the envelope's id is its name."""
    name, device = envelope.get("id"), _device(envelope)
    if not isinstance(name, str) or not name:
        raise Unreadable("the envelope has no id")
    phone = settings.devices.get(device)
    together = len(payloads) > 1
    arrivals = [
        _arrival(phone, device, f"{name}/{at}" if together else name, payload)
        for at, payload in enumerate(payloads)
    ]
    if all(arrival.number for arrival in arrivals):
        return [*arrivals]
    return [*arrivals, Heartbeat(device, warning=AMBIGUOUS if phone else UNKNOWN_DEVICE)]


def _arrival(phone: Phone | None, device: str, name: str, payload: Any) -> Arrival:
    if not isinstance(payload, dict):
        raise Unreadable("a message is no JSON object")
    return Arrival(
        message_id=name,
        number=_number(phone, payload) if phone else "",
        sender=_text(payload, "sender") or _text(payload, "phoneNumber"),
        text=_content(payload),
        said_at=_text(payload, "receivedAt"),
        device=device,
    )


def _content(payload: Object) -> str | Encoded:
    """`message`, or `data` of a message to a port: octets in base64."""
    text, data = payload.get("message"), payload.get("data")
    if isinstance(text, str):
        return text
    if not isinstance(data, str):
        raise Unreadable("a message has neither message nor data")
    try:
        return Encoded(base64.b64decode(data, validate=True), "octets")
    except ValueError:
        raise Unreadable("the data of a message is no base64") from None


def _number(phone: Phone, payload: Object) -> str:
    """The phone's own word for its number, and its slot, each say one of the registered numbers or nothing; they must agree.

    Without either, the only number of a phone with one SIM card.
    """
    said = _digits(_text(payload, "recipient"))
    by_recipient = {number for number in phone.sims.values() if said and _digits(number) == said}
    slot = payload.get("simNumber")
    by_slot = {phone.sims.get(str(slot), "")} if slot is not None else set()
    found = by_recipient | by_slot or set(phone.sims.values())
    return found.pop() if len(found) == 1 else ""


def _digits(number: str) -> str:
    return number.replace(" ", "").removeprefix("+").removeprefix("00")


# Life ------------------------------------------------------------------------------------------------------------------


def _heartbeat(settings: AndroidSettings, envelope: Object, app: str) -> Heartbeat:
    device = _device(envelope)
    phone = settings.devices.get(device)
    checks = dict(_checks(envelope.get("payload")))
    facts = {"app": _fact(app), **checks} | ({"android": phone.android} if phone and phone.android else {})
    if phone is None:
        return Heartbeat(device, facts, UNKNOWN_DEVICE)
    return Heartbeat(device, facts, ANDROID_TOO_NEW if _is_too_new(phone, checks) else "")


def _checks(payload: Any) -> Iterable[tuple[str, str | int | bool | None]]:
    """{"health": {"status", "checks": {"battery:level": {"status", "observedValue", "observedUnit", "description"}}}}; old
    versions of the app say nothing but that they live."""
    health = payload.get("health") if isinstance(payload, dict) else None
    if not isinstance(health, dict):
        return
    yield "health", _fact(health.get("status"))
    checks = health.get("checks")
    for name, check in list(checks.items() if isinstance(checks, dict) else ())[:MOST_CHECKS]:
        if isinstance(check, dict):
            yield str(_fact(name)), _fact(check.get("observedValue"))


def _is_too_new(phone: Phone, checks: Mapping[str, Any]) -> bool:
    """Today's app says nothing of its Android; should it begin to, as a check like the others, that counts too."""
    said = {name: value for name, value in checks.items() if isinstance(value, int)}
    return (
        (phone.android or 0) >= TOO_NEW
        or said.get("android:version", 0) >= TOO_NEW
        or said.get("android:api", 0) >= TOO_NEW_API
    )


# Fields ----------------------------------------------------------------------------------------------------------------


def _device(envelope: Object) -> str:
    found = _printable(_text(envelope, "deviceId"))
    if not 0 < len(found) <= 64:
        raise Unreadable("the envelope has no deviceId")
    return found


def _text(found: Object, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _fact(value: Any) -> str | int | bool | None:
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return _printable(str(value))[:LONGEST_FACT] if isinstance(value, str | int | float) else None


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))
