"""Twilio's requests: `X-Twilio-Signature` checked by Twilio's own validator, then one message of each.

Signed is the address as Twilio was told it, rebuilt from configuration, and every form field; a JSON body by its hash in the
query (`bodySHA256`). There is no time in what is signed, so a replay is a duplicate by its MessageSid and changes nothing.
https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from twilio.request_validator import RequestValidator

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
    plain_answer,
)
from onceline.suppliers.payload import Fields, is_json, named, only, read_form, read_json
from onceline.suppliers.signing import active, check_address, check_secrets, equals_any, public_url

_ALGORITHM = re.compile(r"(?:^|,)\s*algorithm\s*=\s*([A-Za-z0-9_]{1,40})\s*(?:,|$)")
_KNOWN = frozenset({"HMAC_SHA1", "HMAC_SHA256"})


class TwilioSettings(KindSettings):
    """`account_sid`: only this account's messages; empty takes what the auth token signs."""

    account_sid: str = ""


@dataclass(frozen=True, slots=True)
class TwilioInlet:
    validators: tuple[RequestValidator, ...]
    account_sid: str

    @property
    def answers_within_s(self) -> float:
        return ANSWERS_WITHIN_S

    def read(self, request: Request) -> Sequence[Arrival]:
        signature = request.headers.get("x-twilio-signature")
        if not signature:
            raise NotAuthentic("missing")
        fields, signed = _contents(request)
        algorithm = _algorithm(request)
        if not any([_fits(one, request, signed, signature, algorithm) for one in self.validators]):
            raise NotAuthentic("wrong")
        if self.account_sid and fields.get("AccountSid") != [self.account_sid]:
            raise NotAuthentic("wrong")
        return _arrivals(fields)

    def answer(self, outcome: Outcome) -> Answer:
        return plain_answer(outcome)


class _Signed(dict[str, Sequence[str]]):
    """Fields as the validator reads those of web frameworks: all values of a name."""

    def getlist(self, name: str) -> Sequence[str]:
        return self[name]


def _contents(request: Request) -> tuple[Fields, _Signed]:
    """What is to be read, and what of it is signed beside the address. Raises NotAuthentic, Unreadable."""
    if request.method == "GET":
        return read_form(request.query), _Signed()
    if is_json(request.headers):
        _require_hash(request)
        return _texts(request.body), _Signed()
    fields = read_form(request.body)
    return fields, _Signed(fields)


def _require_hash(request: Request) -> None:
    hashes = read_form(request.query).get("bodySHA256", ())
    if len(hashes) != 1:
        raise NotAuthentic("missing")
    if not equals_any(hashes[0].lower(), [sha256(request.body).hexdigest()]):
        raise NotAuthentic("wrong")


def _texts(body: bytes) -> Fields:
    return {name: [value] for name, value in read_json(body).items() if isinstance(value, str)}


def _algorithm(request: Request) -> str:
    """Twilio names another than HMAC_SHA1 when it signs with a shared key. Raises NotAuthentic for one that is unknown."""
    found = _ALGORITHM.search(request.headers.get("x-twilio-webhooks-signature-settings", ""))
    algorithm = found[1].upper() if found else "HMAC_SHA1"
    if algorithm not in _KNOWN:
        raise NotAuthentic("wrong")
    return algorithm


def _fits(
    validator: RequestValidator, request: Request, signed: _Signed, signature: str, algorithm: str
) -> bool:
    try:
        return bool(validator.validate(request.url or "", signed, signature, algorithm))
    except ValueError:  # an address that cannot be taken apart or encoded was signed by nobody
        return False


def _arrivals(fields: Fields) -> list[Arrival]:
    """Pictures of an MMS stay with Twilio; its text arrives as any other. Raises Unreadable."""
    status = only(fields, "SmsStatus", "") or only(fields, "MessageStatus", "")
    if status not in ("", "received", "receiving"):
        return []  # a report about a message that was sent
    return [
        Arrival(
            message_id=named(only(fields, "MessageSid"), "MessageSid"),
            number=named(only(fields, "To"), "To"),
            sender=only(fields, "From", ""),
            text=only(fields, "Body", ""),
        )
    ]


def open_inlet(configured: Configured) -> TwilioInlet:
    """Raises NotConfigured."""
    public_url(configured)
    validators = tuple(RequestValidator(token) for token in active(configured, "auth_token"))
    return TwilioInlet(validators, configured.settings.account_sid)


def check(configured: Configured, _surroundings: Surroundings) -> Sequence[Finding]:
    sid = configured.settings.account_sid
    fits = not sid or re.fullmatch(r"AC[0-9a-f]{32}", sid) is not None
    words = "" if fits else "not an account's; it is AC and 32 of 0-9 and a-f, from the console's first page"
    right = "32 or more characters without a space: the account's auth token from the console, or a webhook shared key"
    return [
        check_address(configured),
        check_secrets(configured, "auth_token", lambda one: re.fullmatch(r"\S{32,}", one) is not None, right),
        Finding("account_sid", ok=fits, words=words),
    ]


KIND = Kind(
    "twilio",
    TwilioSettings,
    secrets={"auth_token": "the account's auth token (or a webhook shared key)"},
    inlet=open_inlet,
    check=check,
)
