"""What notifications and mails say, in English; a table, so that other languages can stand beside it. Pure.

Facts may hold what a customer or a stranger wrote: they are put on one line, cut, and freed of characters that do not
show or that turn the writing round. A mail is plain text, and what it quotes comes from here alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

LONGEST_FACT = 200
_UNKNOWN = "–"
_HIDDEN = "\ufffd"
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Text(NamedTuple):
    title: str
    body: str


TEXTS = MappingProxyType(
    {
        "key.created": Text(
            "A key was created", "The API key {name} (…{last4}) was created. If that was not you, revoke it."
        ),
        "key.rotated": Text(
            "A key was rotated",
            "The API key {name} (…{last4}) was replaced; it works until {until}. If that was not you, revoke both keys.",
        ),
        "key.revoked": Text("A key was revoked", "The API key {name} (…{last4}) was revoked."),
        "webhook.failing": Text(
            "A webhook fails", "Deliveries to the endpoint {endpoint} fail; they are tried again."
        ),
        "webhook.disabled": Text(
            "A webhook was disabled",
            "Deliveries to the endpoint {endpoint} failed for too long, so it was disabled. Nothing is lost: "
            "events are kept for 30 days.",
        ),
        "export.ready": Text("An export is ready", "The export {export} can be fetched."),
        "export.failed": Text("An export failed", "The export {export} could not be made; ask for it again."),
        "balance.low": Text(
            "The balance is low",
            "{available} {currency} are available, less than the {threshold} {currency} you asked to be told of.",
        ),
        "rental.extension_failed": Text(
            "A rental could not be extended",
            "The rental {order} for {service} is to go on by itself, but could not be extended ({reason}). It ends at "
            "{end}; until then it is tried again every few minutes.",
        ),
        "policy.changed": Text(
            "{policy} changes on {effective}", "Version {version} takes effect on {effective}. {summary}"
        ),
        "policy.edited": Text(
            "{policy} was edited", "Version {version} takes effect on {effective}. {summary}"
        ),
        "mail.asked": Text(
            "A mail address waits for confirmation",
            "Somebody with a key of yours asked for another address for notices. It is used once it is confirmed. "
            "If that was not you, revoke the key.",
        ),
        "mail.confirmed": Text("A mail address was confirmed", "Notices are mailed there from now on."),
        "mail.removed": Text(
            "Mail was switched off", "The address and the choices for notices were removed."
        ),
        "mail.refused": Text(
            "Your mail address was refused",
            "The mail server says that the address for notices does not take mail. Nothing more is sent "
            "there until you confirm it again.",
        ),
        "mail.limited": Text(
            "Too many code mails",
            "More than {limit} codes were to be mailed within a day, so some are not. They are in the API as always.",
        ),
        "mail.confirm": Text(
            "Confirm your address",
            "Somebody asked us to send notices to this address. If that was you, confirm it with this code:\n\n"
            "    {code}\n\n"
            "It is good for one hour. If it was not you, do nothing: without the code, nothing is sent here.",
        ),
        "code.received": Text(
            "A code for {service} arrived",
            "Order {order}\nService: {service}\nCountry: {country}\nNumber: {number}\n{code_line}",
        ),
    }
)
REASONS = MappingProxyType(
    {
        "insufficient_balance": "the balance is too low",
        "spend_cap_reached": "the spend cap of its key is reached",
        "account_suspended": "the account is suspended",
        "price_too_low": "it costs more now than when this was switched on; to agree to the new price, switch it off and "
        "on again",
    }
)
"""What the codes of refusals say; others show as they are."""
CODE_LINE = "Code: {code}"
NO_CODE_LINE = "Read the code where you ordered it; this address was not chosen to receive codes."


def written(kind: str, facts: Mapping[str, Any]) -> Text:
    """Title and body of a notice. A fact that is missing shows as a dash."""
    text = TEXTS[kind]
    values = _Facts({name: clean(_word(name, str(value))) for name, value in facts.items()})
    return Text(text.title.format_map(values), text.body.format_map(values))


def code_written(facts: Mapping[str, Any], code: str | None) -> Text:
    """A mail about a code; without the code itself where it was not chosen."""
    line = NO_CODE_LINE if code is None else CODE_LINE.format(code=clean(code))
    return written("code.received", {**facts, "code_line": line})


def clean(text: str) -> str:
    """On one line, cut, with everything unseen replaced by a mark that is seen: controls, bidi, zero width."""
    return "".join(_seen(one) for one in text[:LONGEST_FACT])


def _word(name: str, value: str) -> str:
    return REASONS.get(value, value) if name == "reason" else value


def _seen(one: str) -> str:
    if one.isspace():
        return " "
    return _HIDDEN if unicodedata.category(one) in _UNSEEN else one


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return _UNKNOWN
