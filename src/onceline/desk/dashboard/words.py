"""What core names by a slug or a state, in words for people. Names of services and countries are data, not translated."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from onceline.core.catalog.model import load_countries, load_services

ORDER_STATES: dict[str, Any] = {
    "placing": _("Placing"),
    "waiting": _("Waiting"),
    "received": _("Code received"),
    "resend_pending": _("Waiting for another code"),
    "finished": _("Finished"),
    "cancelled": _("Cancelled"),
    "expired": _("Expired"),
    "failed": _("Failed"),
}
ORDER_KINDS: dict[str, Any] = {"activation": _("One code"), "rental": _("Rental")}


@cache
def service_names() -> dict[str, str]:
    return {one.slug: one.name for one in load_services()}


@cache
def country_names() -> dict[str, str]:
    return {one.iso2: one.name for one in sorted(load_countries(), key=lambda one: one.name)}


def service_name(slug: str) -> str:
    return service_names().get(slug, slug)


def country_name(iso2: str) -> str:
    return country_names().get(iso2, iso2)


def services_like(text: str) -> list[str]:
    """The slugs that somebody may mean: the one of this slug or name, else all whose name holds the text."""
    wanted = text.strip().casefold()
    names = service_names()
    exact = [slug for slug, name in names.items() if wanted in (slug, name.casefold())]
    return exact or [slug for slug, name in names.items() if wanted in name.casefold()]
