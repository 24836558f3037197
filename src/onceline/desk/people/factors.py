"""Second factors: a code of an app works once whatever process sees it, a short password keeps the last one, passkeys.

allauth remembers used codes in the memory of a process alone; here the newest accepted time step of a person is a row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as base
from allauth.mfa.base.internal.flows import check_rate_limit
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp
from allauth.mfa.totp import views as totp_views
from allauth.mfa.totp.internal import auth as codes
from allauth.mfa.webauthn import forms as webauthn
from allauth.mfa.webauthn import views as webauthn_views
from allauth.mfa.webauthn.internal import auth as passkeys
from cryptography.exceptions import InvalidSignature
from django import forms
from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from qrcode.main import QRCode

from onceline.desk.people.adapter import MOST_PASSKEYS
from onceline.desk.people.models import Person, UsedCode

_LONGEST_CREDENTIAL = 20_000
_MALFORMED = (InvalidSignature, AttributeError, KeyError, IndexError, TypeError, ValueError)
"""What reading an answer that no browser sent may raise beyond what allauth expects."""


# Codes of an app -----------------------------------------------------------------------------------------------------


def step_of(authenticator: Authenticator, code: str) -> int | None:
    """The newest time step, of those that are accepted now, whose code this is."""
    secret = get_adapter().decrypt(authenticator.data["secret"])
    digits = "".join(code.split())
    steps = sorted(codes.yield_hotp_counters_from_time(), reverse=True)
    return next((at for at in steps if codes.format_hotp_value(codes.hotp_value(secret, at)) == digits), None)


def was_used(person: Person, code: str) -> bool:
    app = Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).first()
    step = step_of(app, code) if app else None
    return step is not None and UsedCode.objects.filter(person=person, step__gte=step).exists()


def use(person: Person, authenticator: Authenticator, code: str) -> bool:
    """Whether this is the first use; of two at once one is. The person's row is the lock."""
    step = step_of(authenticator, code)
    if step is None:
        return False
    with transaction.atomic():
        Person.objects.select_for_update().get(pk=person.pk)
        if UsedCode.objects.filter(person=person, step__gte=step).exists():
            return False
        UsedCode.objects.update_or_create(person=person, defaults={"step": step})
    return True


def _say_code(form: forms.Form, label: Any, help_text: Any = "") -> None:
    field = form.fields["code"]
    field.label, field.help_text = label, help_text
    field.widget = forms.TextInput(
        attrs={
            "autocomplete": "one-time-code",
            "class": "input-code",
            "maxlength": "20",
            "autocapitalize": "none",
        }
    )
    field.max_length = 20  # type: ignore[attr-defined]  # a CharField's


class OneUse(base.BaseAuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """A code of the app or a recovery code. A replay is counted as a wrong try."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say_code(
            self,
            pgettext_lazy("authenticator", "Code"),
            _("From your authenticator app, or one of your recovery codes."),
        )

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if was_used(self.user, code):
            check_rate_limit(self.user)
            raise get_adapter().validation_error("used_code")
        super().clean_code()
        if self.authenticator.type == Authenticator.Type.TOTP and not use(
            self.user, self.authenticator, code
        ):
            raise get_adapter().validation_error("used_code")
        return code


class SecondStep(OneUse, base.AuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """At log-in."""


class SecondStepAgain(OneUse, base.ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Before something that matters is changed."""


class AddApp(totp.ActivateTOTPForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say_code(self, _("Code that the app shows"), _("Six digits. It proves that the app works."))


class AddAppView(totp_views.ActivateTOTPView):  # type: ignore[misc]  # allauth has no types
    """The code that sets an app up logs nobody in afterwards."""

    def get_context_data(self, **rest: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**rest)
        secret = found["form"].secret
        shown = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        return {**found, "qr": qr_path(found["totp_url"]), "secret": secret, "secret_shown": shown}

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        person = self.request.user
        app = Authenticator.objects.get(user=person, type=Authenticator.Type.TOTP)
        use(person, app, form.cleaned_data["code"])
        return answer


def qr_path(text: str) -> dict[str, Any]:
    """A QR code as the path of an SVG, a square for each dark module; `size` is the side of the whole."""
    code = QRCode(border=4)
    code.add_data(text)
    rows = code.get_matrix()
    dark = [(x, y) for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark]
    return {"size": len(rows), "path": "".join(f"M{x} {y}h1v1h-1z" for x, y in dark)}


# Taking one away -----------------------------------------------------------------------------------------------------


def _with_person_locked(request: Any, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Two removals at once in two tabs are judged one after the other."""
    with transaction.atomic():
        Person.objects.select_for_update().get(pk=request.user.pk)
        return act()


class RemoveAppView(totp_views.DeactivateTOTPView):  # type: ignore[misc]  # allauth has no types
    def post(self, request: Any, *args: Any, **rest: Any) -> HttpResponse:
        return _with_person_locked(request, lambda: super(RemoveAppView, self).post(request, *args, **rest))


class RemovePasskeyView(webauthn_views.RemoveWebAuthnView):  # type: ignore[misc]  # allauth has no types
    def get_form_class(self) -> type[forms.Form]:
        return forms.Form

    def get_context_data(self, **rest: Any) -> dict[str, Any]:
        return {**super().get_context_data(**rest), "refusal": self._refusal()}

    def post(self, request: Any, *args: Any, **rest: Any) -> HttpResponse:
        return _with_person_locked(request, lambda: self._removed(request, *args, **rest))

    def _removed(self, request: Any, *args: Any, **rest: Any) -> HttpResponse:
        self.object = self.get_object()
        if self._refusal():
            answer: HttpResponse = self.render_to_response(self.get_context_data())
            return answer
        removed: HttpResponse = super().post(request, *args, **rest)
        return removed

    def _refusal(self) -> str:
        adapter = get_adapter()
        allowed = adapter.can_delete_authenticator(self.object)
        return "" if allowed else str(adapter.error_messages["cannot_delete_authenticator"])


# Passkeys ------------------------------------------------------------------------------------------------------------


def _read(clean: Callable[[], Any]) -> Any:
    """What a browser answered, or a refusal: never a fault of ours."""
    try:
        return clean()
    except _MALFORMED:
        raise get_adapter().validation_error("refused_passkey") from None
    except forms.ValidationError as refused:
        if refused.code == "incorrect_code":  # allauth's word for every kind of proof
            raise get_adapter().validation_error("refused_passkey") from None
        raise


class Credential(forms.CharField):
    """What a browser's authenticator answered: an object of a few hundred bytes. Nothing else reaches a parser of it."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> Any:
        try:
            read = json.loads(value) if len(value or "") <= _LONGEST_CREDENTIAL else None
        except (TypeError, ValueError, RecursionError):  # also a number without end, a nest without end
            read = None
        if not isinstance(read, dict) or not read:  # allauth would take an empty one for a passkey
            raise get_adapter().validation_error("refused_passkey")
        return read

    def bound_data(self, data: Any, initial: Any) -> Any:  # noqa: ARG002 - Django's signature
        """It answers one challenge, so a page that is shown again asks for another."""
        return ""


class AddPasskey(webauthn.AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Always one that logs in by itself: kept by the device and opened by a face, a finger or a PIN."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.fields["name"] = forms.CharField(
            label=_("Name"), max_length=60, required=False, help_text=_("Such as the device it is on.")
        )
        self.fields["credential"] = Credential()
        self.fields["passwordless"] = forms.BooleanField(initial=True, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        kept = Authenticator.objects.filter(user=self.user, type=Authenticator.Type.WEBAUTHN).count()
        if kept >= MOST_PASSKEYS:
            raise get_adapter().validation_error("too_many_passkeys")
        cleaned: dict[str, Any] = _read(super().clean)
        return cleaned


class AddPasskeyView(webauthn_views.AddWebAuthnView):  # type: ignore[misc]  # allauth has no types
    def get_context_data(self, **rest: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**rest)
        return {
            **found,
            "js_data": {"creation_options": passkeys.begin_registration(self.request.user, True)},
        }


class _Credential:
    """Mixed into allauth's forms that take a passkey's answer."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.fields["credential"] = Credential()

    def clean_credential(self) -> Any:
        return _read(super().clean_credential)  # type: ignore[misc]  # as above


class PasskeyStep(_Credential, webauthn.AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """At log-in, after the password."""


class PasskeyLogIn(_Credential, webauthn.LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """At log-in, instead of the password."""


class PasskeyAgain(_Credential, webauthn.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Before something that matters is changed."""


class RenamePasskey(webauthn.EditWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.fields["name"] = forms.CharField(label=_("Name"), max_length=60)
