"""The ways in and out that are more than allauth's: sign-up, a mail once more, a proven address, log-out."""

from __future__ import annotations

from typing import Any

from allauth.account import views as allauth
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.email_verification import (
    consume_email_verification_rate_limit,
    send_verification_email_to_address,
)
from allauth.account.internal.flows.signup import send_unknown_account_mail
from allauth.account.models import EmailAddress
from allauth.decorators import rate_limit
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from onceline.desk.people.forms import Resend
from onceline.desk.people.models import Person

_MAILED = "mailed_to"
CLEAR = '"cache", "storage"'
"""Cookies are ended one by one: the language that somebody chose outlives a log-out."""


class SignUpView(allauth.SignupView):  # type: ignore[misc]  # allauth has no types
    def form_valid(self, form: Any) -> HttpResponse:
        self.request.session[_MAILED] = form.cleaned_data["email"]
        try:
            answer: HttpResponse = super().form_valid(form)
        except ValidationError as late:
            form.add_error(None, late)
            answer = self.form_invalid(form)
        return answer


class LogOutView(allauth.LogoutView):  # type: ignore[misc]  # allauth has no types
    def post(self, *args: Any, **rest: Any) -> HttpResponse:
        answer: HttpResponse = super().post(*args, **rest)
        answer.headers["Clear-Site-Data"] = CLEAR
        return answer


class ConfirmEmailView(allauth.ConfirmEmailView):  # type: ignore[misc]  # allauth has no types
    """A link that has ended is a page that says so, for who follows it and for who sends its form."""

    def logout_other_user(self, confirmation: Any) -> None:
        """Nothing: a link that somebody sends around logs nobody out."""

    def post(self, *args: Any, **rest: Any) -> HttpResponse:
        found = allauth.get_emailconfirmation_model().from_key(self.kwargs["key"])
        if found is None:
            ended: HttpResponse = self.get(*args, **rest)
            return ended
        make_way(found.email_address)
        try:
            answer: HttpResponse = super().post(*args, **rest)
        except IntegrityError:  # somebody proved the same address in this moment
            answer = self.get(*args, **rest)
        return answer


def make_way(proven: EmailAddress) -> None:
    """Who signed up with this address and never proved it gives way to who proves it now."""
    make_way_for(proven.email, keep=proven.user_id)


def make_way_for(email: str, keep: int | None = None) -> None:
    unproven = Person.objects.filter(email=email, account="", removed=False).exclude(pk=keep or 0)
    unproven.exclude(emailaddress__verified=True).delete()


@require_http_methods(["GET", "POST"])
@rate_limit(action="signup")  # type: ignore[untyped-decorator]  # allauth has no types
def check_mail(request: HttpRequest) -> HttpResponse:
    """What to do when no mail comes; sends it again. The answer is the same whoever has the address."""
    form = Resend(request.POST or None, initial={"email": request.session.get(_MAILED, "")})
    if request.method == "POST" and form.is_valid():
        send_again(request, form.cleaned_data["email"])
        request.session[_MAILED] = form.cleaned_data["email"]
        return redirect(f"{request.path}?again")
    return render(request, "account/verification_sent.html", {"form": form, "again": "again" in request.GET})


def send_again(request: HttpRequest, email: str) -> None:
    """One mail in any case: the link, or what else there is to know."""
    unproven = EmailAddress.objects.filter(email=email, verified=False, user__email=email).first()
    if unproven is not None:
        send_verification_email_to_address(request, unproven, signup=True)
    elif not consume_email_verification_rate_limit(request, email):
        return
    elif Person.objects.filter(email=email, removed=False).exists():
        get_adapter(request).send_account_already_exists_mail(email)
    else:
        send_unknown_account_mail(request, email)
