"""The API's documentation for people: how to begin, what holds everywhere, and examples that the tests run as they stand.

The reference of every route is the edge's own (/api/v1/docs), made from its code; nothing of it is told twice here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from onceline.core.access.commands import TICKET_S
from onceline.core.access.model import PROTOCOL_SCOPES, SCOPES
from onceline.core.errors import OncelineError
from onceline.core.webhooks.model import DISABLE_AFTER, SCHEDULE_S
from onceline.desk.house import house
from onceline.desk.pages import policies
from onceline.desk.pages.figures import exactly, figures
from onceline.desk.pages.views import public

BASE, KEY = "https://onceline.example", "ol_test_…"
"""What stands in the samples for the installation's address and for a key."""
_LANGUAGES = (("sh", "curl"), ("py", "Python"), ("js", "JavaScript"))
_SAMPLES = {
    "quickstart": ("sh", "py", "js"),
    "repeat": ("py",),
    "problem": ("json",),
    "webhook": ("py", "js"),
    "socket": ("py", "js"),
}


class Sample(NamedTuple):
    """One way to do something. `language` is a brand, never translated; empty for plain data."""

    language: str
    code: str


class Fault(NamedTuple):
    """A row of the table of errors. `again`: the very same request may work later."""

    code: str
    status: int
    again: bool
    meaning: Promise


FAULTS = (
    Fault("not_found", 404, False, _("Unknown, or not yours: the two look the same.")),
    Fault("invalid_input", 422, False, _("The request's shape or meaning is wrong; faults says where.")),
    Fault(
        "address_refused", 422, False, _("A webhook's address that is not called from here; detail says why.")
    ),
    Fault("invalid_key", 401, False, _("No key, a malformed one, or an unknown one.")),
    Fault("expired_key", 401, False, _("The key's end has come. Create or rotate one.")),
    Fault("revoked_key", 401, False, _("The key was ended. Create one.")),
    Fault("insufficient_scope", 403, False, _("This key lacks the scope that is named.")),
    Fault("wrong_mode", 403, False, _("A live key where only a test key works.")),
    Fault("account_suspended", 403, False, _("The account is suspended or closed.")),
    Fault("out_of_stock", 409, True, _("No number is free right now. Nothing was held.")),
    Fault("insufficient_balance", 402, False, _("So much is missing from the available balance.")),
    Fault("spend_cap_reached", 402, False, _("The price is above what the key's spending cap leaves.")),
    Fault("price_too_low", 409, False, _("The same order would have worked at lowest_price.")),
    Fault(
        "prohibited_service", 403, False, _("A service that is not offered: see the acceptable use policy.")
    ),
    Fault("limit_exceeded", 429, True, _("Too much at once; limit says of what, Retry-After until when.")),
    Fault("idempotency_conflict", 422, False, _("The key was used with another request. Take a new one.")),
    Fault("cancel_too_early", 409, True, _("Ask again from cancel_available_at on.")),
    Fault("cancel_too_late", 409, False, _("A rental after its first minutes.")),
    Fault("message_received", 409, False, _("A message was shown, so the order cannot be cancelled.")),
    Fault("no_message", 409, False, _("Finish and resend need a code first.")),
    Fault("confirmation_refused", 422, False, _("The code for an e-mail address is wrong or too old.")),
    Fault("number_pending", 409, True, _("The supplier has not named the number yet.")),
    Fault("order_closed", 409, False, _("The order is over; state says how.")),
    Fault("export_not_ready", 409, True, _("The file is still being made.")),
    Fault("export_gone", 410, False, _("The export failed, or its file was destroyed. Ask for a new one.")),
    Fault("link_refused", 403, False, _("The link is not ours, was changed, or has ended.")),
    Fault("deposit_not_refundable", 409, False, _("This deposit cannot go back; reason says why.")),
    Fault("voucher_redeemed", 409, False, _("You have redeemed this voucher already.")),
    Fault("resync", 410, False, _("The cursor cannot be served. Read your orders, go on from seq.")),
    Fault("database_away", 503, True, _("Ours to mend. The outcome is unknown: repeat under the same key.")),
    Fault("key_store_away", 503, True, _("Ours to mend. Nothing is erased.")),
    Fault("busy", 503, True, _("The same rows are being changed by another request.")),
    Fault("processor_away", 503, True, _("This way to pay does not answer. Repeat under the same key.")),
    Fault("restarting", 503, True, _("This process is going down. Ask again.")),
    Fault("erased", 410, False, _("The key that could open this was destroyed on purpose.")),
    Fault("malformed_body", 400, False, _("Not strict JSON; detail says why.")),
    Fault("body_too_large", 413, False, _("The body is too long.")),
    Fault("unsupported_media_type", 415, False, _("Send application/json.")),
    Fault("idempotency_key_required", 400, False, _("Send the header Idempotency-Key.")),
    Fault("unknown_route", 404, False, _("There is no such route.")),
    Fault("method_not_allowed", 405, False, _("The route exists, the method does not.")),
    Fault(
        "internal", 500, True, _("Our fault, and logged. The outcome is unknown: repeat under the same key.")
    ),
)
"""The first ones are core's tree; a test compares all with the tree and with what the API answers."""


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """One page; what an example needs of the installation (its address) is filled in."""
    facts = _facts(origin(request))
    body = render_to_string("pages/api/text.html", facts)
    return public(request, "pages/api.html", {"contents": policies.contents(body), "body": body})


def origin(request: HttpRequest) -> str:
    """How this installation is reached: as configured, else as the visitor reached it."""
    return house().settings.public_url or f"{request.scheme}://{request.get_host()}"


def samples(name: str, base: str = BASE, key: str = KEY) -> list[Sample]:
    """An example in every language that it is there in, for this address and this key."""
    known = dict(_LANGUAGES)
    return [
        Sample(known.get(one, ""), _text(name, one).replace(BASE, base).replace(KEY, key))
        for one in _SAMPLES[name]
    ]


def core_codes() -> set[str]:
    """Of every error that the core can raise."""
    return {kind.code for kind in _kinds(OncelineError) if "code" in vars(kind)}


def _kinds(root: type[OncelineError]) -> Iterator[type[OncelineError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


@cache
def _text(name: str, language: str) -> str:
    found = resources.files(__package__).joinpath("samples", f"{name}.{language}.txt")
    return found.read_text(encoding="utf-8").rstrip()


def _facts(base: str) -> dict[str, Any]:
    return {
        **figures(),
        "base": base,
        "samples": {name: samples(name, base) for name in _SAMPLES},
        "faults": FAULTS,
        "scopes": SCOPES,
        "protocol_scopes": PROTOCOL_SCOPES,
        "ticket_for": exactly(TICKET_S),
        "attempts": len(SCHEDULE_S) + 1,
        "first_retry": exactly(SCHEDULE_S[0]),
        "disabled_after": exactly(DISABLE_AFTER),
    }
