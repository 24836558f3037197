"""Stripe's SDK on our own way to the outside, and its errors as ours.

Promised: every call goes through ConfiguredDoor, once, with its deadline and its size; Stripe learns of us what a call needs, and
no name of a machine, its system or what runs on it. Never: a retry (core asks again with the same key), an error that holds what
was sent or answered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import stripe
from stripe import StripeObject

from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, OutboundFailed
from onceline.payments.base import ProcessorAway, ProcessorRefused

Answer = dict[str, Any]
"""An object of Stripe's as plain data."""

LONGEST_REASON = 200
_SENT = frozenset(("authorization", "content-type", "idempotency-key", "stripe-version"))
_HEARD = frozenset(("request-id", "idempotent-replayed"))

logging.getLogger("stripe").setLevel(logging.WARNING)
"""Its lines below that hold addresses, parameters and answers."""


class Missing(ProcessorRefused):
    """Stripe has no such object under this key."""


class Unwilling(ProcessorRefused):
    """A definite no to what was asked, and nothing was done by this call."""


class DoorClient(stripe.HTTPClient):
    """What the SDK takes for its HTTP client. Used from threads."""

    name = "onceline"

    def __init__(self, door: ConfiguredDoor) -> None:
        super().__init__()
        self._door = door

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        try:
            body = (post_data or "").encode()
            reply = self._door.request(method.upper(), _spelt(url), _sent(headers or {}), body)
        except OutboundFailed as failed:
            raise ProcessorAway(failed.reason) from None
        except OutboundRefused as refused:
            raise ProcessorRefused(refused.detail) from None
        if reply.truncated:
            raise ProcessorAway("too_large")
        return (
            reply.body,
            reply.status,
            {name.lower(): value for name, value in reply.headers if name.lower() in _HEARD},
        )

    def close(self) -> None:
        """Nothing is kept open."""


def _spelt(url: str) -> str:
    """The SDK leaves brackets in a query as they are, which RFC 3986 has encoded there."""
    where, mark, query = url.partition("?")
    return where + mark + query.replace("[", "%5B").replace("]", "%5D")


def _sent(headers: Mapping[str, str]) -> dict[str, str]:
    """The SDK adds the machine's name, its system and guesses about who runs it: those stay here."""
    needed = {name: value for name, value in headers.items() if name.lower() in _SENT}
    return {**needed, "User-Agent": f"Onceline Stripe/v1 PythonBindings/{stripe.VERSION}"}


def asked(call: Callable[[], object]) -> Answer:
    """What a call of the SDK brings. Raises ProcessorAway, Missing, Unwilling, ProcessorRefused."""
    try:
        answer = call()
    except stripe.StripeError as error:
        raise _ours(error) from None
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        raise ProcessorAway("what came back is no answer of Stripe's") from None  # the SDK trips over such
    if not isinstance(answer, StripeObject):
        raise ProcessorAway("what came back is no object of Stripe's")
    return answer.to_dict()


def _ours(error: stripe.StripeError) -> ProcessorAway | ProcessorRefused:
    match error:
        case stripe.AuthenticationError():
            return ProcessorRefused("Stripe does not accept the API key.")
        case stripe.PermissionError():
            return ProcessorRefused("The API key may not do this; look at its permissions.")
        case stripe.IdempotencyError():
            return ProcessorRefused("Stripe knows that key of ours with other parameters.")
        case stripe.InvalidRequestError(code="resource_missing"):
            return Missing("Stripe has no such object under this key.")
        case stripe.InvalidRequestError() | stripe.CardError():
            return Unwilling(_reason(error))
        case _:  # its own faults, a key in use, too many calls: what was done is not known
            return ProcessorAway(f"status {error.http_status}")


def _reason(error: stripe.StripeError) -> str:
    return f"{error.code or 'invalid_request'}: {error.user_message or ''}"[:LONGEST_REASON]
