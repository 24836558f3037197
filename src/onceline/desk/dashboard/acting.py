"""Who acts in a view of the dashboard: a person, on one side of their account, with a role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from onceline.core.access import sessions as access
from onceline.core.access.model import Grant
from onceline.core.errors import KeyRefused
from onceline.desk.house import house
from onceline.desk.people import sessions
from onceline.desk.people.models import Person

_MODE = "mode"


@dataclass(frozen=True, slots=True)
class Acting:
    """`grant` is the session's own on this side; what it says of account and side is checked with every request."""

    person: Person
    grant: Grant
    suspended: bool

    @property
    def side(self) -> int:
        return self.grant.side

    @property
    def account(self) -> str:
        return self.grant.account

    @property
    def mode(self) -> str:
        return self.grant.mode

    def may(self, role: str) -> bool:
        return self.person.may(role)


class Desked(HttpRequest):
    """A request that `acts` let through."""

    acting: Acting
    user: Person
    htmx: HtmxDetails


View = Callable[..., HttpResponse]


def acts(role: str = "viewer") -> Callable[[View], View]:
    """For views under `<mode:mode>/`: logged in, in this role or above; the view finds `request.acting`.

    A session whose grant has ended (log-out elsewhere, age) or is another account's than the person's is logged out here.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def acting(request: HttpRequest, mode: str, **rest: Any) -> HttpResponse:
            person = request.user
            if not isinstance(person, Person):
                return _to_log_in(request, mode)
            found = _acting(request, person, mode)
            if found is None:
                logout(request)
                return _to_log_in(request, mode)
            request.acting = found  # type: ignore[attr-defined]  # Desked is a request that has it
            if request.method == "GET" and not _is_part(request):
                remember_mode(request, mode)
            if not found.may(role):
                raise PermissionDenied
            return view(request, **rest)

        return acting

    return decorate


def last_mode(request: HttpRequest) -> str:
    """The mode of the address; elsewhere the one that was used last."""
    match = request.resolver_match
    here = match.kwargs.get("mode") if match else None
    return str(here or request.session.get(_MODE, "test"))


def remember_mode(request: HttpRequest, mode: str) -> None:
    if request.session.get(_MODE) != mode:
        request.session[_MODE] = mode


def _is_part(request: HttpRequest) -> bool:
    """Asked for by a script, for a page that is open already."""
    return "HX-Request" in request.headers


def _to_log_in(request: HttpRequest, mode: str) -> HttpResponse:
    """And from there back to this page; to the order page from an address that is no page to come back to."""
    is_page = request.method == "GET" and not _is_part(request)
    answer = redirect_to_login(request.get_full_path() if is_page else reverse("order", args=[mode]))
    if request.headers.get("HX-Request") == "true":  # or the log-in page were put into a corner of this one
        return HttpResponse(status=204, headers={"HX-Redirect": answer.url})
    return answer


def _acting(request: HttpRequest, person: Person, mode: str) -> Acting | None:
    grants = sessions.grants_of(request.session)
    if grants is None:
        return None
    try:
        with house().db.statement() as tx:
            grant, state = access.session_of(tx, getattr(grants, mode), house().clock.now())
    except KeyRefused:
        return None
    if grant.account != person.account:  # they moved on; the role that they have now is another account's
        return None
    return Acting(person, grant, state != "open")
