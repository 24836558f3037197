"""How the field names services: by codes of two or three letters, of which a service may have several. Pure."""

from __future__ import annotations

from functools import cache

from onceline.core.catalog.model import Service, load_services


def codes_of(slug: str) -> tuple[str, ...]:
    """The usual one first; none for a service that the field has no code for, or that is not served (promise A1)."""
    service = _sold().get(slug)
    return service.codes if service else ()


def service_of(code: str) -> str | None:
    """The slug; None for an unknown code and for a service that is not served (promise A1)."""
    return _by_code().get(code)


@cache
def _sold() -> dict[str, Service]:
    """What an activation can be for: rentals of all messages are no part of this protocol."""
    return {one.slug: one for one in load_services() if not one.prohibited and one.slug != "full"}


@cache
def _by_code() -> dict[str, str]:
    return {code: slug for slug, service in _sold().items() for code in service.codes}
