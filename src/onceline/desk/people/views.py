"""A person's own settings: who they are, how the desk looks and sounds, what keeps others out."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onceline.desk.people import sessions
from onceline.desk.people.adapter import MOST_PASSKEYS
from onceline.desk.people.forms import Appearance, Label, SessionName, Username, zones
from onceline.desk.people.models import Person


class Personal(HttpRequest):
    """A request of somebody who is logged in."""

    user: Person


@login_required
@require_GET
def settings(request: Personal) -> HttpResponse:
    return render(request, "people/settings.html", {"tab": "settings"})


@login_required
@reauthentication_required(app="allauth.account")  # type: ignore[untyped-decorator]  # allauth has no types
@require_http_methods(["GET", "POST"])
def username(request: Personal) -> HttpResponse:
    person = Person.objects.get(
        pk=request.user.pk
    )  # the form writes into it, and the page names the present one
    form = Username(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your username is changed. Log in with the new one from now on."))
        return redirect("settings")
    return render(request, "people/username.html", {"tab": "settings", "form": form})


@login_required
@require_http_methods(["GET", "POST"])
def appearance(request: Personal) -> HttpResponse:
    person = Person.objects.get(pk=request.user.pk)
    form = Appearance(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("settings_appearance")
    seen = {"tab": "settings_appearance", "form": form, "zones": sorted(zones())}
    return render(request, "people/appearance.html", seen)


@login_required
@require_GET
def security(request: Personal) -> HttpResponse:
    """Password, second factors and sessions."""
    kinds: dict[str, list[Authenticator]] = {"totp": [], "webauthn": [], "recovery_codes": []}
    for one in Authenticator.objects.filter(user=request.user).order_by("pk"):
        kinds[one.type].append(one)
    codes = kinds["recovery_codes"]
    seen = {
        "tab": "mfa_index",
        "app": kinds["totp"],
        "passkeys": kinds["webauthn"],
        "may_add_passkey": len(kinds["webauthn"]) < MOST_PASSKEYS,
        "codes_left": len(codes[0].wrap().get_unused_codes()) if codes else None,
        "sessions": sessions.listed(request.user),
        "here": sessions.hashed(request.session.session_key or ""),
    }
    return render(request, "people/security.html", seen)


@login_required
@require_POST
def rename_session(request: Personal) -> HttpResponse:
    form = Label(request.POST)
    if not form.is_valid():
        messages.error(request, _("A name has 60 characters at most."))
    elif sessions.rename(request.user, _named(request), form.cleaned_data["label"]):
        messages.success(request, _("The name is saved."))
    else:
        messages.info(request, _("This session has ended already."))
    return redirect("mfa_index")


@login_required
@require_POST
def end_session(request: Personal) -> HttpResponse:
    """Another one; for this one there is the log-out."""
    name = _named(request)
    if name == sessions.hashed(request.session.session_key or ""):
        return redirect("account_logout")
    if sessions.end_one(request.user, name):
        messages.success(request, _("That browser is logged out."))
    else:
        messages.info(request, _("This session has ended already."))
    return redirect("mfa_index")


@login_required
@require_POST
def end_other_sessions(request: Personal) -> HttpResponse:
    ended = sessions.end_others(request.user, request.session.session_key)
    text = ngettext("%(n)d other browser is logged out.", "%(n)d other browsers are logged out.", ended)
    messages.success(request, text % {"n": ended})
    return redirect("mfa_index")


def _named(request: HttpRequest) -> str:
    """The session that the form says; what cannot be the name of one is the name of none."""
    form = SessionName(request.POST)
    return str(form.cleaned_data["session"]) if form.is_valid() else ""
