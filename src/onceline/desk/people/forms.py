"""The forms of sign-up, log-in and a person's own data: allauth's where it has them, in our words."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from allauth.account.forms import (
    AddEmailForm,
    ChangePasswordForm,
    LoginForm,
    ReauthenticateForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
    SignupForm,
)
from django import forms
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from onceline.desk.people.models import USERNAME_VALIDATORS, ColourMode, Person, Role
from onceline.desk.people.passwords import LONG, LONGEST, SHORT

SHORTEST_USERNAME, LONGEST_USERNAME = 3, 32
_TAKEN = _("Somebody else has this username. Choose another.")
_PASSWORD_HELP = _("At least %(long)d characters. A few words that only you put together are easy to keep.")


def _say(form: forms.Form, name: str, label: Any, help_text: Any = "", autocomplete: str = "") -> None:
    """A field of allauth's in our words, without a placeholder: it would hide what is asked while one types."""
    field = form.fields[name]
    field.label, field.help_text = label, help_text
    field.widget.attrs.pop("placeholder", None)
    if isinstance(field.widget, forms.PasswordInput):
        field.widget.attrs["maxlength"] = str(LONGEST)
    if autocomplete:
        field.widget.attrs["autocomplete"] = autocomplete


def _one_password(form: forms.Form) -> None:
    """A new password is typed once: who mistypes it can look at it, or reset it."""
    del form.fields["password2"]
    text = _("At least %(long)d characters, or %(short)d with a second step at log-in.")
    _say(form, "password1", _("New password"), str(text) % {"long": LONG, "short": SHORT}, "new-password")


class SignUp(SignupForm):  # type: ignore[misc]  # allauth has no types
    """Username, e-mail address, one password. An address that is taken costs one hash, as a free one does."""

    account_already_exists: bool

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say(self, "username", _("Username"), _("Small letters, digits, dots, dashes and underscores."))
        _say(
            self,
            "email",
            _("E-mail address"),
            _("We send a link there. It is for logging in and for nothing else."),
        )
        _say(self, "password1", _("Password"), str(_PASSWORD_HELP) % {"long": LONG}, "new-password")
        self.fields["username"].widget.attrs["autocapitalize"] = "none"

    def clean_username(self) -> str:
        self.cleaned_data["username"] = self.cleaned_data["username"].lower()
        return str(super().clean_username())

    def try_save(self, request: HttpRequest) -> Any:
        """As allauth's; who was a moment later with the same address gets the answer of an address that is taken.

        Raises ValidationError where somebody else was quicker with the username.
        """
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
            return super().try_save(request)
        try:
            with transaction.atomic():
                return super().try_save(request)
        except IntegrityError:
            if Person.objects.filter(username=self.cleaned_data["username"]).exists():
                raise forms.ValidationError({"username": _TAKEN}) from None
            self.account_already_exists = True
            return super().try_save(request)


class LogIn(LoginForm):  # type: ignore[misc]  # allauth has no types
    """Username or e-mail address, and password."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say(self, "login", _("Username or e-mail address"), autocomplete="username webauthn")
        self.fields["login"].max_length = 254
        self.fields["login"].widget.attrs.update(autocapitalize="none", maxlength="254")
        _say(self, "password", _("Password"))


class AskReset(ResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """For a person's own address; one that they have yet to prove could be a stranger's."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say(self, "email", _("E-mail address"))

    def clean_email(self) -> str:
        email = get_adapter().clean_email(self.cleaned_data["email"].lower())
        self.users = list(Person.objects.filter(email=email, removed=False))
        return str(email)


class ResetPassword(ResetPasswordKeyForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _one_password(self)


class ChangePassword(ChangePasswordForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say(self, "oldpassword", _("Current password"))
        _one_password(self)


class Again(ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The password, before something that matters is changed."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say(self, "password", _("Password"))


class ChangeAddress(AddEmailForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        _say(
            self,
            "email",
            _("New e-mail address"),
            _("It takes the place of the old one once you follow our link."),
        )


class Resend(forms.Form):
    """Where a mail that never came should go once more."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)

    def clean_email(self) -> str:
        return str(get_adapter().clean_email(self.cleaned_data["email"].lower()))


class Username(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    class Meta:
        model = Person
        fields: ClassVar = ["username"]
        error_messages: ClassVar = {"username": {"unique": _TAKEN}}
        help_texts: ClassVar = {"username": _("Small letters, digits, dots, dashes and underscores.")}

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.fields["username"].min_length = SHORTEST_USERNAME  # type: ignore[attr-defined]  # a CharField's
        self.fields["username"].widget.attrs.update(autocapitalize="none", autocomplete="username")


class Joining(forms.Form):
    """An invited person: their address is proven by the link, the rest they choose."""

    username = forms.CharField(
        label=_("Username"),
        min_length=SHORTEST_USERNAME,
        max_length=LONGEST_USERNAME,
        validators=USERNAME_VALIDATORS,
        help_text=_("Small letters, digits, dots, dashes and underscores."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "maxlength": str(LONGEST)}),
    )

    def __init__(self, *args: Any, email: str, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self._email = email
        self.fields["password"].help_text = str(_PASSWORD_HELP) % {"long": LONG}

    def clean_username(self) -> str:
        return str(get_adapter().clean_username(self.cleaned_data["username"]))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "password" in data:
            person = Person(username=data.get("username", ""), email=self._email)
            try:
                get_adapter().clean_password(data["password"], user=person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data


class Invite(forms.Form):
    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.BUYER)

    def clean_email(self) -> str:
        return str(get_adapter().clean_email(self.cleaned_data["email"].lower()))


class ChooseRole(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class Label(forms.Form):
    label = forms.CharField(label=_("Name"), max_length=60, required=False)


class SessionName(forms.Form):
    """As the list of sessions has it: what is stored in place of the key."""

    session = forms.RegexField(r"\A[0-9a-f]{40}\Z", max_length=40)


def _languages() -> list[tuple[str, Any]]:
    """Each in its own words, so that it is found by who reads no other."""
    return [("", _("As the browser")), ("en", "English"), ("zh-hans", "简体中文")]


class Appearance(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    language = forms.ChoiceField(label=_("Language"), choices=_languages, required=False)
    colour_mode = forms.ChoiceField(label=_("Colours"), choices=ColourMode.choices)
    time_zone = forms.CharField(
        label=_("Time zone"),
        max_length=64,
        help_text=_("Such as Asia/Shanghai. All times are shown in it."),
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
    )

    class Meta:
        model = Person
        fields: ClassVar = ["language", "colour_mode", "time_zone", "sound", "confirms"]
        labels: ClassVar = {
            "sound": _("Play a sound when a code arrives"),
            "confirms": _("Ask before an order is cancelled or finished"),
        }

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"])
        if name not in zones():
            raise forms.ValidationError(
                _("We know no such time zone. Choose one from the list."), code="invalid"
            )
        return name


def zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
