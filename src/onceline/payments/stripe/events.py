"""What a signed event is about: which object has to be read again. Nothing else of it is believed. Pure.

An event's own data may be old by the time it comes, and events come in any order and more than once.
https://docs.stripe.com/webhooks, https://docs.stripe.com/api/events/types
"""

from __future__ import annotations

import json
import re
from typing import Any

from onceline.payments.base import Hint, Unreadable

ABOUT = {
    "checkout.session.completed": "payment",
    "checkout.session.async_payment_succeeded": "payment",
    "checkout.session.async_payment_failed": "payment",
    "checkout.session.expired": "payment",
    "payment_intent.processing": "payment",
    "payment_intent.succeeded": "payment",
    "payment_intent.payment_failed": "payment",
    "payment_intent.canceled": "payment",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.refund.updated": "refund",
    "charge.dispute.created": "dispute",
    "charge.dispute.updated": "dispute",
    "charge.dispute.closed": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.funds_reinstated": "dispute",
    "radar.early_fraud_warning.created": "dispute",
}
"""What an endpoint at Stripe should be subscribed to. `charge.refunded` says nothing that `refund.created` does not, and a warning
that is `updated` nothing that staff have not been told."""

_OBJECTS = {
    "payment": ("checkout.session", "payment_intent"),
    "refund": ("refund",),
    "dispute": ("dispute", "radar.early_fraud_warning"),
}
_ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)


def read(body: bytes) -> Hint | None:
    """None for another type, and for an account that is connected to ours and not ours. Raises Unreadable."""
    event = _parsed(body)
    kind = event.get("type")
    if not isinstance(kind, str):
        raise Unreadable("an event without a type")
    if kind not in ABOUT or event.get("account") is not None:
        return None
    return _hint(event, ABOUT[kind])


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None
    if not isinstance(event, dict):
        raise Unreadable("no JSON object")
    return event


def _hint(event: dict[str, Any], about: str) -> Hint:
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict) or found.get("object") not in _OBJECTS[about]:
        raise Unreadable("an event without the object that its type names")
    if not isinstance(event.get("livemode"), bool):
        raise Unreadable("an event of no mode")
    return Hint(_id(event), about, _id(found), event["livemode"])


def _id(of: dict[str, Any]) -> str:
    found = of.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise Unreadable("an event or object without an id")
    return found
