"""Vonage's SMS API: signed parameters by GET or POST, as a form or JSON; every part of a long message is a request of its own.

`sig` covers every other parameter, `timestamp` among them; which function makes it is a setting of the account.
https://developer.vonage.com/messaging/sms/guides/inbound-sms and /getting-started/concepts/signing-messages
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from onceline.core.inbox.model import Encoded, Part
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
    Unreadable,
    plain_answer,
)
from onceline.suppliers.payload import MOST_FIELDS, Fields, is_json, named, only, read_form, read_json
from onceline.suppliers.signing import (
    FRESH_FOR_S,
    active,
    check_address,
    check_secrets,
    equals_any,
    require_fresh,
    unix_seconds,
)
from onceline.suppliers.vonage.header import part_of

Signature = Literal["md5-hash", "hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha512"]
SECRET = "the account's signature secret from the dashboard's API settings, without a space"  # noqa: S105 - says what it is
_MOST_PARTS = 255


class VonageSettings(KindSettings):
    """`signature`: as the account's settings name it. `fresh_for_s`: how old a signed `timestamp` may be."""

    signature: Signature = "md5-hash"
    fresh_for_s: Annotated[int, Field(ge=60, le=172_800)] = FRESH_FOR_S


@dataclass(frozen=True, slots=True)
class VonageInlet:
    secrets: tuple[str, ...]
    settings: VonageSettings

    @property
    def answers_within_s(self) -> float:
        return ANSWERS_WITHIN_S

    def read(self, request: Request) -> Sequence[Arrival]:
        fields = _fields(request)
        given = only(fields, "sig", "")
        if not given:
            raise NotAuthentic("missing")
        parameters = {name: only(fields, name) for name in fields if name != "sig"}
        signed = _signed(parameters)
        right = [_signature(signed, secret, self.settings.signature) for secret in self.secrets]
        if not equals_any(given.lower(), right):
            raise NotAuthentic("wrong")
        if "timestamp" not in parameters:
            raise NotAuthentic("missing")
        require_fresh(unix_seconds(parameters["timestamp"]), request.received_at, self.settings.fresh_for_s)
        return _arrivals(parameters)

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


def _fields(request: Request) -> Fields:
    """Raises Unreadable."""
    if request.method == "GET":
        return read_form(request.query)
    if not is_json(request.headers):
        return read_form(request.body)
    found = read_json(request.body, numbers_as_text=True)
    if len(found) > MOST_FIELDS:
        raise Unreadable(f"a message has at most {MOST_FIELDS} parameters")
    return {name: [_written(value)] for name, value in found.items()}


def _written(value: object) -> str:
    """A JSON value as it stands in what is signed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    raise Unreadable("a parameter is no text")


def _signed(parameters: Mapping[str, str]) -> bytes:
    """& and = inside a value become _, so that no text can pretend to be a parameter."""
    pairs = (f"&{name}={parameters[name].translate(_TAMED)}" for name in sorted(parameters))
    return "".join(pairs).encode("utf-8", "replace")


_TAMED = str.maketrans("&=", "__")


def _signature(signed: bytes, secret: str, method: Signature) -> str:
    if method == "md5-hash":
        return hashlib.md5(signed + secret.encode(), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), signed, method.removeprefix("hmac-")).hexdigest()


def _arrivals(parameters: Mapping[str, str]) -> list[Arrival]:
    """Raises Unreadable."""
    if "type" not in parameters and "status" in parameters:
        return []  # a delivery receipt
    message_id = named(parameters.get("messageId"), "messageId")
    text, part = _text_and_part(parameters)
    return [
        Arrival(
            message_id=f"{message_id}-{part.index}" if part else message_id,
            number=named(parameters.get("to"), "to"),
            sender=parameters.get("msisdn", ""),
            text=text,
            part=part,
        )
    ]


def _text_and_part(parameters: Mapping[str, str]) -> tuple[str | Encoded, Part | None]:
    part = _concatenated(parameters)
    if parameters.get("type") != "binary":
        return parameters.get("text", ""), part
    data, header = (_octets(parameters.get(name, ""), name) for name in ("data", "udh"))
    return Encoded(data, "octets"), part or part_of(header)


def _concatenated(parameters: Mapping[str, str]) -> Part | None:
    if parameters.get("concat", "").lower() != "true":
        return None
    names = ("concat-ref", "concat-part", "concat-total")
    reference, index, total = (_count(parameters.get(name, ""), name) for name in names)
    if not 0 < index <= total <= _MOST_PARTS:
        raise Unreadable("concat-part is not between 1 and concat-total, or that is above 255")
    return Part(reference, index, total) if total > 1 else None


def _count(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6:
        return int(text)
    raise Unreadable(f"{name} is no whole number from 0 to 65535")


def _octets(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Unreadable(f"{name} is not hexadecimal") from None


def open_inlet(configured: Configured) -> VonageInlet:
    """Raises NotConfigured."""
    return VonageInlet(active(configured, "signature_secret"), configured.settings)


def fits_secret(text: str) -> bool:
    return len(text) >= 8 and text.isprintable() and " " not in text


def check(configured: Configured, _surroundings: Surroundings) -> Sequence[Finding]:
    return [check_address(configured), check_secrets(configured, "signature_secret", fits_secret, SECRET)]


KIND = Kind(
    "vonage",
    VonageSettings,
    secrets={"signature_secret": "the account's signature secret (not the API secret)"},
    inlet=open_inlet,
    check=check,
)
