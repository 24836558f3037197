"""What every template knows beside its own: who acts in which mode, where the navigation leads, what waits to be read."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from onceline.desk.dashboard.acting import Acting, last_mode
from onceline.desk.dashboard.modes import MODES
from onceline.desk.dashboard.notifications import unread_count
from onceline.desk.house import house
from onceline.desk.people.models import Person

_NAVIGATION = (
    ("order", pgettext_lazy("verb", "Order")),
    ("rentals", _("Rentals")),
    ("history", _("History")),
    ("balance", _("Balance")),
    ("developers", _("Developers")),
)
_MODE_NAMES = {"test": _("Test"), "live": pgettext_lazy("mode", "Live")}
_POLICIES = (
    ("terms", _("Terms")),
    ("privacy", _("Privacy")),
    ("acceptable-use", _("Acceptable use")),
    ("delivery", pgettext_lazy("policy", "Delivery")),
    ("refunds", _("Refunds")),
)


class Entry(NamedTuple):
    address: str
    label: str | Promise
    here: bool


def page(request: HttpRequest) -> dict[str, Any]:
    shared = {
        "sign_up_open": house().settings.sign_up == "open",
        "currency": house().context.installation.currency,
        "footer_policies": _POLICIES,
        "colour_mode": "system",
    }
    person = getattr(request, "user", None)
    return shared | _of(request, person) if isinstance(person, Person) else shared


def _of(request: HttpRequest, person: Person) -> dict[str, Any]:
    acting: Acting | None = getattr(request, "acting", None)
    mode = last_mode(request)
    return {
        "signed_in": True,
        "acting": acting,
        "mode": mode,
        "colour_mode": person.colour_mode,
        "navigation": [
            Entry(address := reverse(name, args=[mode]), label, _is_at(request, address, name))
            for name, label in _NAVIGATION
        ],
        "modes": [Entry(_same_page(request, one), _MODE_NAMES[one], one == mode) for one in MODES],
        "unread": unread_count(acting) if acting else 0,
    }


def _is_at(request: HttpRequest, address: str, name: str) -> bool:
    return request.path == address if name == "order" else request.path.startswith(address)


def _same_page(request: HttpRequest, mode: str) -> str:
    """Where the page stands in the other mode; what belongs to one side (an order, an endpoint) has no twin."""
    match = request.resolver_match
    plain = match is not None and match.url_name and match.kwargs.keys() == {"mode"}
    return (
        reverse(match.url_name, args=[mode])
        if match and plain and match.url_name
        else reverse("order", args=[mode])
    )
