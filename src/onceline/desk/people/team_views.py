"""Pages for an account's people: the owner invites, chooses roles and removes; who is invited follows a link."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.decorators import rate_limit
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onceline.desk.people import sessions, team
from onceline.desk.people.forms import ChooseRole, Invite, Joining
from onceline.desk.people.models import Invitation, Person, Role
from onceline.desk.people.team import Refused
from onceline.desk.people.views import Personal

View = Callable[..., HttpResponse]


def for_owners(view: View) -> View:
    """Logged in, and an owner at this moment."""

    @login_required
    @wraps(view)
    def owned(request: Personal, *args: Any, **rest: Any) -> HttpResponse:
        if not request.user.may(Role.OWNER):
            raise PermissionDenied
        return view(request, *args, **rest)

    return owned


@login_required
@require_GET
def people(request: Personal) -> HttpResponse:
    return _people(request, Invite())


def _people(request: Personal, form: Invite, status: int = 200) -> HttpResponse:
    may_manage = request.user.may(Role.OWNER)
    seen = {
        "tab": "settings_people",
        "people": team.people_of(request.user.account),
        "invitations": team.open_invitations(request.user.account) if may_manage else [],
        "may_manage": may_manage,
        "roles": Role.choices,
        "form": form,
    }
    return render(request, "people/people.html", seen, status=status)


@for_owners
@reauthentication_required(app="allauth.account")  # type: ignore[untyped-decorator]  # allauth has no types
@require_POST
def invite(request: Personal) -> HttpResponse:
    form = Invite(request.POST)
    if form.is_valid():
        try:
            team.invite(request, request.user, form.cleaned_data["email"], form.cleaned_data["role"])
        except Refused as refused:
            form.add_error(None, str(refused))
    if not form.is_valid():
        return _people(request, form, 400)
    messages.success(request, _("The invitation is on its way. Its link works for seven days."))
    return redirect("settings_people")


@for_owners
@require_POST
def withdraw(request: Personal, pk: int) -> HttpResponse:
    get_object_or_404(Invitation, account=request.user.account, pk=pk)
    said = _("The invitation is withdrawn; its link opens nothing any more.")
    _try(request, lambda: team.withdraw(request.user.account, request.user.pk, pk), said)
    return redirect("settings_people")


@for_owners
@reauthentication_required(app="allauth.account")  # type: ignore[untyped-decorator]  # allauth has no types
@require_POST
def choose_role(request: Personal, pk: int) -> HttpResponse:
    get_object_or_404(Person, account=request.user.account, pk=pk)
    form = ChooseRole(request.POST)
    if form.is_valid():
        who, role = request.user, form.cleaned_data["role"]
        _try(request, lambda: team.choose_role(who.account, who.pk, pk, role), _("The role is changed."))
    return redirect("settings_people")


@for_owners
@reauthentication_required(app="allauth.account")  # type: ignore[untyped-decorator]  # allauth has no types
@require_http_methods(["GET", "POST"])
def remove(request: Personal, pk: int) -> HttpResponse:
    """Asks once more, for it ends their sessions at once."""
    found = get_object_or_404(Person.objects.exclude(pk=request.user.pk), account=request.user.account, pk=pk)
    if request.method == "GET":
        return render(request, "people/remove.html", {"tab": "settings_people", "person": found})
    said = _("This person is removed and logged out everywhere.")
    _try(request, lambda: team.remove(request.user.account, request.user.pk, pk), said)
    return redirect("settings_people")


@login_required
@reauthentication_required(app="allauth.account")  # type: ignore[untyped-decorator]  # allauth has no types
@require_http_methods(["GET", "POST"])
def leave(request: Personal) -> HttpResponse:
    if request.method == "GET":
        return render(request, "people/leave.html", {"tab": "settings_people"})
    person = request.user
    try:
        team.leave(person.account, person.pk)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("settings_people")
    logout(request)
    return redirect("account_inactive")


def _try(request: HttpRequest, act: Callable[[], None], said: str) -> None:
    try:
        act()
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)


# Who follows the link ------------------------------------------------------------------------------------------------


@rate_limit(action="reset_password_from_key")  # type: ignore[untyped-decorator]  # allauth has no types
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, key: str) -> HttpResponse:
    """Somebody new chooses a name and a password; somebody known joins as who they are."""
    invitation = team.invited(key)
    if invitation is None:
        return render(request, "people/join_over.html", status=404)
    if isinstance(request.user, Person):
        joined: HttpResponse = _join_as(request, request.user, invitation, key)
        return joined
    known = Person.objects.filter(email=invitation.email, emailaddress__verified=True).first()
    if known is not None:
        return _join_known(request, known, invitation, key)
    return _join_as_new(request, invitation, key)


@reauthentication_required(app="allauth.account", allow_get=True)  # type: ignore[untyped-decorator]  # allauth has no types
def _join_as(request: HttpRequest, person: Person, invitation: Invitation, key: str) -> HttpResponse:
    seen: dict[str, Any] = {"invitation": invitation}
    if request.method == "POST":
        before = sessions.grants_of(request.session)
        try:
            team.join_as(key, person, request.session.session_key)
        except Refused as refused:
            seen["refusal"] = str(refused)
        else:
            sessions.end([*before] if before else [])
            sessions.begin(request.session, person)
            messages.success(request, _("You belong to the account now."))
            return redirect("home")
    return render(request, "people/join_as.html", seen, status=409 if "refusal" in seen else 200)


def _join_known(request: HttpRequest, known: Person, invitation: Invitation, key: str) -> HttpResponse:
    """The address has a person: one who was removed comes back by the link, any other logs in first."""
    seen = {"invitation": invitation, "known": known, "next": request.path}
    if request.method == "POST" and known.removed:
        try:
            team.rejoin(key)
        except Refused as refused:
            return render(request, "people/join_known.html", {**seen, "refusal": str(refused)}, status=409)
        messages.success(request, _("You belong to the account now. Log in."))
        return redirect("account_login")
    return render(request, "people/join_known.html", seen)


def _join_as_new(request: HttpRequest, invitation: Invitation, key: str) -> HttpResponse:
    form = Joining(request.POST or None, email=invitation.email)
    if request.method == "POST" and form.is_valid():
        try:
            person = team.join_as_new(key, form.cleaned_data["username"], form.cleaned_data["password"])
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            get_adapter(request).login(request, person)
            messages.success(request, _("You belong to the account now."))
            return redirect("home")
    return render(request, "people/join.html", {"form": form, "invitation": invitation})
