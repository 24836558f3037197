"""Where allauth asks us: mail, addresses of clients (in memory alone), secrets of second factors, what passwords leave behind."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from prometheus_client import Counter

from onceline.core.errors import InvalidInput
from onceline.core.notices import letters
from onceline.core.notices.letters import BY_STRANGERS, NEWS, RESETS, Budget, Letter
from onceline.core.notices.model import check_address
from onceline.core.vault import Place
from onceline.desk import secret
from onceline.desk.house import house
from onceline.desk.people.models import Person
from onceline.desk.people.passwords import LONG, second_factors

_LOG = structlog.get_logger(__name__)
_HELD_BACK = Counter("onceline_letters_held_back", "Letters that were dropped: their address had enough.")
_SECRETS = Place("mfa_authenticator", "data", "")


_LINKS = ("activate_url", "password_reset_url", "signup_url", "link")
MOST_PASSKEYS = 10


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("This does not fit. Check the address or username, and the password."),
        "username_password_mismatch": _(
            "This does not fit. Check the address or username, and the password."
        ),
        "enter_current_password": _("This is not your current password."),
        "incorrect_password": _("This is not your password."),
        "incorrect_code": _("This code is wrong or too old. Use the one your app shows now."),
        "invalid_password_reset": _("This link has ended or was used before."),
        "too_many_login_attempts": _("Too many tries. Wait ten minutes, or reset your password."),
        "rate_limited": _("Too many tries. Wait ten minutes and try again."),
        "username_taken": _("Somebody else has this username. Choose another."),
        "duplicate_email": _("This is your address already."),
        "email_taken": _("This address cannot be used here."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return house().settings.sign_up == "open"

    def get_client_ip(self, request: HttpRequest) -> str:
        """For rate limits in memory; the server has dealt with proxies."""
        return str(request.META.get("REMOTE_ADDR", "-"))

    def get_http_user_agent(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth's signature
        """Goes into allauth's mails, where we do not want it."""
        return ""

    def new_user(self, request: HttpRequest) -> Person:  # noqa: ARG002 - allauth's signature
        return Person(joined_on=house().clock.now().date())

    def clean_email(self, email: str) -> str:
        """Only what a letter can be sent to."""
        try:
            return check_address(email)
        except InvalidInput:
            raise ValidationError(
                _("We cannot write to this address. One looks like name@example.com."), code="invalid"
            ) from None

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth's signature
        return reverse("mfa_index")

    def set_password(self, user: Person, password: str) -> None:
        user.password_is_long = len(password) >= LONG
        super().set_password(user, password)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """What anybody can have sent to any address, unless it is a reset that was asked for."""
        asked = template_prefix == "account/email/password_reset_key"
        self._post(template_prefix, email, context, RESETS if asked else BY_STRANGERS)

    def _post(self, template_prefix: str, email: str, context: dict[str, Any], budget: Budget) -> None:
        """Queued, so that neither a slow mail server nor a missing one shows in how long a page takes."""
        reader = context.get("user")
        context = {**context, **{name: public(context[name]) for name in _LINKS if name in context}}
        with translation.override((reader.language if reader else "") or translation.get_language()):
            subject = " ".join(render_to_string(f"{template_prefix}_subject.txt", context).split())
            body = (
                render_to_string(f"{template_prefix}_message.txt", {**context, "email": email}).strip() + "\n"
            )
        with house().db.transaction() as tx:
            posted = letters.post(
                tx, house().context.vault, Letter(email, subject, body), house().clock.now(), budget
            )
        if not posted:
            _HELD_BACK.inc()
            _LOG.warning("letter was held back", most_an_hour=budget.an_hour)

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Person,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """News of somebody's security, to the address that was theirs when it happened."""
        to = email or user.email
        if to:
            self._post(template_prefix, to, {**(context or {}), "user": user}, NEWS)


def public(link: str) -> str:
    """A link of a mail: under the installation's own address where it has one, whatever the request called it."""
    ours, asked = house().settings.public_url, urlsplit(link)
    return f"{ours.rstrip('/')}{asked._replace(scheme='', netloc='').geturl()}" if ours else link


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages: ClassVar = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "used_code": _("This code was used before. Wait until your app shows the next one."),
        "refused_passkey": _("This passkey was not accepted. Try again, or use another way."),
        "too_many_passkeys": _("You have as many passkeys as are possible. Remove one first."),
        "cannot_delete_authenticator": _(
            "Your password is short, so you need a second step. Choose a password of at least 15 characters first, "
            "or add another second step."
        ),
        "cannot_generate_recovery_codes": _("Set up an authenticator app or a passkey first."),
    }

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """A short password stands on its second factor."""
        person = authenticator.user
        return bool(person.password_is_long or second_factors(person).exclude(pk=authenticator.pk).exists())

    def generate_authenticator_name(self, user: Person, type: str) -> str:
        return str(_("Passkey %(n)d")) % {"n": 1 + Authenticator.objects.filter(user=user, type=type).count()}

    def _get_user_identifier(self, user: Person) -> str:
        """In an authenticator app; the address stays out of it."""
        return user.username

    def encrypt(self, text: str) -> str:
        return secret.seal(text.encode(), _SECRETS).hex()

    def decrypt(self, encrypted_text: str) -> str:
        return secret.open_sealed(bytes.fromhex(encrypted_text), _SECRETS).decode()

    def _get_site_name(self) -> str:
        return "Onceline"
