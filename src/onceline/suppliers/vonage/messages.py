"""Vonage's Messages API: JSON by POST, with a signed token (JWT, HS256) that names the hash of the body.

The token's signature, its age (`iat`), the hash, and the application or key it was made for are all checked.
https://developer.vonage.com/getting-started/concepts/webhooks (signed webhooks) and RFC 7519
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeGuard

from onceline.suppliers.base import (
    ANSWERS_WITHIN_S,
    Answer,
    Arrival,
    Configured,
    Finding,
    Kind,
    KindSettings,
    NotAuthentic,
    Outcome,
    Request,
    Surroundings,
)
from onceline.suppliers.payload import named, read_json
from onceline.suppliers.signing import active, check_address, check_secrets, equals_any, require_fresh
from onceline.suppliers.vonage.sms import SECRET, fits_secret

_TOKEN = re.compile(r"([\w-]{2,1000})\.([\w-]{2,4000})\.([\w-]{43})", re.ASCII)
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class VonageMessagesSettings(KindSettings):
    """Set, they have to be those of the token; empty takes every one that the secret signs."""

    api_key: str = ""
    application_id: str = ""


@dataclass(frozen=True, slots=True)
class VonageMessagesInlet:
    secrets: tuple[str, ...]
    settings: VonageMessagesSettings

    @property
    def answers_within_s(self) -> float:
        return ANSWERS_WITHIN_S

    def read(self, request: Request) -> Sequence[Arrival]:
        bearer = _BEARER.fullmatch(request.headers.get("authorization", ""))
        if bearer is None:
            raise NotAuthentic("missing")
        claims = _claims(bearer[1], self.secrets)
        self._require_ours(claims)
        _require_hash(claims, request.body)
        _require_young(claims, request)
        return _arrivals(read_json(request.body))

    def answer(self, outcome: Outcome) -> Answer:
        return Answer(outcome.value)  # 200, not 204: what its documentation asks for

    def _require_ours(self, claims: Mapping[str, Any]) -> None:
        for name in ("api_key", "application_id"):
            wanted = getattr(self.settings, name)
            if wanted and claims.get(name) != wanted:
                raise NotAuthentic("wrong")


def _claims(token: str, secrets: Sequence[str]) -> Mapping[str, Any]:
    """What the token says, if one of the secrets signed it by HS256: the header chooses nothing. Raises NotAuthentic."""
    parts = _TOKEN.fullmatch(token)
    if parts is None or _section(parts[1]).get("alg") != "HS256":
        raise NotAuthentic("wrong")
    signed = f"{parts[1]}.{parts[2]}".encode()
    right = [_unpadded(hmac.new(secret.encode(), signed, sha256).digest()) for secret in secrets]
    if not equals_any(parts[3], right):
        raise NotAuthentic("wrong")
    return _section(parts[2])


def _unpadded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _section(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise NotAuthentic("wrong") from None
    if not isinstance(found, dict):
        raise NotAuthentic("wrong")
    return found


def _require_hash(claims: Mapping[str, Any], body: bytes) -> None:
    given = claims.get("payload_hash")
    if not isinstance(given, str):
        raise NotAuthentic("missing")
    if not equals_any(given.lower(), [sha256(body).hexdigest()]):
        raise NotAuthentic("wrong")


def _require_young(claims: Mapping[str, Any], request: Request) -> None:
    at, end = claims.get("iat"), claims.get("exp")
    if not _is_number(at):
        raise NotAuthentic("missing")
    require_fresh(at, request.received_at)
    if end is not None and not (_is_number(end) and end > int(request.received_at.timestamp())):
        raise NotAuthentic("stale")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _arrivals(message: Mapping[str, Any]) -> list[Arrival]:
    """Raises Unreadable."""
    if message.get("channel") != "sms" or "status" in message:
        return []  # another channel, or a report about a message that was sent
    return [
        Arrival(
            message_id=named(message.get("message_uuid"), "message_uuid"),
            number=named(message.get("to"), "to"),
            sender=_text(message.get("from")),
            text=_text(message.get("text")),
        )
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def open_inlet(configured: Configured) -> VonageMessagesInlet:
    """Raises NotConfigured."""
    return VonageMessagesInlet(active(configured, "signature_secret"), configured.settings)


def check(configured: Configured, _surroundings: Surroundings) -> Sequence[Finding]:
    return [check_address(configured), check_secrets(configured, "signature_secret", fits_secret, SECRET)]


KIND = Kind(
    "vonage-messages",
    VonageMessagesSettings,
    secrets={"signature_secret": "the account's signature secret (not the API secret)"},
    inlet=open_inlet,
    check=check,
)
