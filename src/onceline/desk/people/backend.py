"""Who is behind a name and a password: one person at most, and exactly one hash whether there is such a person or not."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from onceline.desk.people.models import Person


class OneHash(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """By username or by the person's own address; an address that they have yet to prove opens nothing.

    What allauth does where nobody was found, a hash for nothing, goes on here.
    """

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> Person | None:  # noqa: ARG002 - allauth's signature
        found: Person | None = self._check_password(_named(credentials), credentials.get("password") or "")
        return found


def _named(credentials: dict[str, Any]) -> Person | None:
    """A username holds no @, so no text names two people."""
    text = (credentials.get("username") or credentials.get("email") or "").lower()
    if not text:
        return None
    by = "email" if "@" in text else "username"
    return Person.objects.filter(**{by: text}).first()
