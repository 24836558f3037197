"""Settings of a side's mails: where they go, once the address is confirmed, and what they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from onceline.core.db import Transaction
from onceline.core.errors import InvalidInput, Refusal
from onceline.core.money import parse_amount
from onceline.core.notices import settings
from onceline.core.notices.model import OPTIONAL, check_address
from onceline.core.notices.settings import Owner, Wanted
from onceline.desk import refusals
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.house import house

T = TypeVar("T")
_KINDS = {
    "balance.low": gettext_lazy("The balance is low"),
    "webhook.failing": gettext_lazy("Deliveries to an endpoint fail"),
    "export.ready": gettext_lazy("An export is ready"),
    "export.failed": gettext_lazy("An export failed"),
    "rental.extension_failed": gettext_lazy("A rental could not be extended"),
}
"""What may be switched off, each with its name; a test holds it against core's list."""
_CODES = (
    ("off", gettext_lazy("Never")),
    ("without_code", gettext_lazy("Say that a code arrived")),
    ("with_code", gettext_lazy("Send the code itself")),
)


class Notices(forms.Form):
    address = forms.CharField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("A new address is sent a code first; until then mails go to the old one."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    codes = forms.ChoiceField(
        label=gettext_lazy("When a code arrives"), choices=_CODES, widget=forms.RadioSelect
    )
    low_balance = forms.CharField(
        label=gettext_lazy("Tell me when the balance falls below"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "input-short"}),
    )
    wanted = forms.MultipleChoiceField(
        label=gettext_lazy("Mail me when"),
        choices=[(kind, _KINDS[kind]) for kind in OPTIONAL],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean_address(self) -> Any:
        return _checked(
            check_address, self.cleaned_data["address"] or None, _("One looks like name@example.com.")
        )

    def clean_low_balance(self) -> Any:
        return (
            _checked(parse_amount, self.cleaned_data["low_balance"] or None, _("An amount looks like 5.00."))
            or None
        )


class Code(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code from the mail"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "class": "input-code"}),
    )


def _checked(check: Callable[[str], Any], text: str | None, right: str) -> Any:
    try:
        return check(text) if text else None
    except InvalidInput:
        raise forms.ValidationError(right, code="invalid") from None


@acts("owner")
@require_http_methods(["GET", "POST"])
@care.freshly_proven_for(lambda request: request.method == "POST")
def notices(request: Desked) -> HttpResponse:
    owner = _owner(request.acting)
    form = Notices(request.POST or None, initial=_initial(owner))
    if request.method == "POST" and form.is_valid():
        try:
            _in(
                lambda tx: settings.change(
                    tx, house().context.vault, owner, _wanted(form), house().clock.now()
                )
            )
        except Refusal as refusal:
            form.add_error(None, refusals.sentence(refusal))
        else:
            messages.success(request, _("Saved."))
            return redirect("settings_notices", mode=owner.mode)
    return _page(request, form, Code())


@acts("owner")
@require_POST
@care.freshly_proven
def confirm(request: Desked) -> HttpResponse:
    owner, form = _owner(request.acting), Code(request.POST)
    if form.is_valid():
        code = form.cleaned_data["code"]
        if _in(lambda tx: _confirmed(tx, owner, code)):
            messages.success(request, _("The address is confirmed."))
            return redirect("settings_notices", mode=owner.mode)
        form.add_error(
            "code", _("This code is wrong or too old. After five wrong ones, save the address again.")
        )
    return _page(request, Notices(initial=_initial(owner)), form)


@acts("owner")
@require_POST
def forget(request: Desked) -> HttpResponse:
    owner = _owner(request.acting)
    _in(lambda tx: settings.remove(tx, owner, house().clock.now()))
    messages.success(request, _("The address and the choices are forgotten."))
    return redirect("settings_notices", mode=owner.mode)


def _confirmed(tx: Transaction, owner: Owner, code: str) -> bool:
    """A wrong try counts, so it is committed and not raised."""
    if settings.overview(tx, house().context.vault, owner)["pending_address"] is None:
        return False
    return settings.confirm(tx, house().context.vault, owner, code, house().clock.now())


def _page(request: HttpRequest, form: Notices, code: Code) -> HttpResponse:
    owner = _owner(request.acting)  # type: ignore[attr-defined]  # put there by `acts`
    seen = {
        "tab": "settings_notices",
        "form": form,
        "code_form": code,
        "overview": _overview(owner),
        "other": "live" if owner.mode == "test" else "test",
    }
    return render(request, "people/notices.html", seen)


def _initial(owner: Owner) -> dict[str, Any]:
    now = _overview(owner)
    return {
        "address": now["address"] or "",
        "codes": now["codes"],
        "low_balance": now["low_balance"] or "",
        "wanted": [kind for kind in OPTIONAL if kind not in now["muted"]],
    }


def _wanted(form: Notices) -> Wanted:
    data = form.cleaned_data
    muted = [kind for kind in OPTIONAL if kind not in data["wanted"]]
    return Wanted(data["address"], data["codes"], data["low_balance"], muted)


def _overview(owner: Owner) -> dict[str, Any]:
    return _in(lambda tx: settings.overview(tx, house().context.vault, owner))


def _owner(acting: Acting) -> Owner:
    return Owner(acting.account, acting.side, acting.mode)


def _in(act: Callable[[Transaction], T]) -> T:
    with house().db.transaction() as tx:
        return act(tx)
