"""Plivo's requests: their signature covers the address and a nonce alone, so the address holds a secret of its own.

`/in/{supplier}/{path_token}`: the token is what a stranger cannot know, the signature shows that Plivo called. Nothing signs
the message or its time: a replay is a duplicate by its MessageUUID and changes nothing.
https://www.plivo.com/docs/messaging/concepts/signature-validation
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
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
)
from onceline.suppliers.payload import Fields, named, only, read_form
from onceline.suppliers.signing import active, check_address, check_secrets, equals_any, public_url

_PATH_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")
_RIGHT_TOKEN = (
    "22 to 128 of A-Z, a-z, 0-9, - and _ that nobody can guess, as `openssl rand -hex 16` makes them"  # noqa: S105 - says what it is
)
_SIGNATURES = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2")


class PlivoSettings(KindSettings):
    """Nothing to set: what matters is secret."""


@dataclass(frozen=True, slots=True)
class PlivoInlet:
    auth_tokens: tuple[str, ...]
    path_tokens: tuple[str, ...]

    @property
    def answers_within_s(self) -> float:
        return ANSWERS_WITHIN_S

    def read(self, request: Request) -> Sequence[Arrival]:
        if not equals_any(request.rest, self.path_tokens):
            raise NotAuthentic("token")
        given = [value for name in _SIGNATURES if (value := request.headers.get(name))]
        nonce = request.headers.get("x-plivo-signature-v2-nonce")
        if not given or not nonce:
            raise NotAuthentic("missing")
        right = [_signature(token, request.url or "", nonce) for token in self.auth_tokens]
        if not any([equals_any(one, right) for one in given]):
            raise NotAuthentic("wrong")
        return _arrivals(read_form(request.query if request.method == "GET" else request.body))

    def answer(self, outcome: Outcome) -> Answer:
        return Answer(outcome.value)  # 200 with nothing in it: any XML would be a reply to the sender


def _signature(auth_token: str, url: str, nonce: str) -> str:
    """Of a subaccount's token or the main account's: whichever is known here will do."""
    base = re.split(r"[?#]", url, maxsplit=1)[0]
    digest = hmac.new(auth_token.encode(), f"{base}{nonce}".encode("utf-8", "replace"), sha256).digest()
    return base64.b64encode(digest).decode()


def _arrivals(fields: Fields) -> list[Arrival]:
    """Raises Unreadable."""
    if "Status" in fields and "Text" not in fields:
        return []  # a report about a message that was sent
    return [
        Arrival(
            message_id=named(only(fields, "MessageUUID"), "MessageUUID"),
            number=named(only(fields, "To"), "To"),
            sender=only(fields, "From", ""),
            text=only(fields, "Text", ""),
        )
    ]


def open_inlet(configured: Configured) -> PlivoInlet:
    """Raises NotConfigured."""
    public_url(configured)
    path_tokens = active(configured, "path_token")
    if not all(_PATH_TOKEN.fullmatch(one) for one in path_tokens):
        raise NotConfigured(f"a path_token of supplier {configured.name} is none; it is {_RIGHT_TOKEN}")
    return PlivoInlet(active(configured, "auth_token"), path_tokens)


def check(configured: Configured, _surroundings: Surroundings) -> Sequence[Finding]:
    right = "20 or more characters without a space: the auth token from the console's overview"
    return [
        check_address(configured),
        check_secrets(configured, "auth_token", lambda one: re.fullmatch(r"\S{20,}", one) is not None, right),
        check_secrets(
            configured, "path_token", lambda one: _PATH_TOKEN.fullmatch(one) is not None, _RIGHT_TOKEN
        ),
    ]


KIND = Kind(
    "plivo",
    PlivoSettings,
    secrets={
        "auth_token": "the account's auth token, or the subaccount's that owns the numbers",
        "path_token": "the unguessable last step of the address that Plivo is given",
    },
    inlet=open_inlet,
    check=check,
)
