"""Keys of one side: made, rotated, revoked by its owner; seen, without the keys themselves, by everybody of the account.

Promises that a new key is shown once, on a page that is in no cache, and stands in no address; that one form makes one
key; that whoever makes or rotates one has just proven who they are.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from onceline.core.access import commands as access
from onceline.core.access.commands import KEYS_PER_SIDE, LONGEST_NAME
from onceline.core.access.model import PROTOCOL_SCOPES, SCOPES
from onceline.core.db import Row
from onceline.core.errors import InvalidInput, LimitExceeded
from onceline.core.money import parse_amount
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Desked, acts
from onceline.desk.house import house

NEW_KEY = "new key"
SCOPE_SENTENCES: dict[str, Any] = {
    "orders:read": gettext_lazy("See orders, messages and codes, and the catalogue."),
    "orders:write": gettext_lazy("Order numbers and change orders. Spends the balance, up to the cap."),
    "balance:read": gettext_lazy("See the balance and the statement."),
    "deposits:write": gettext_lazy(
        "Pay money in, redeem vouchers, and ask for deposits back. Money goes back only to where it came from."
    ),
    "events:read": gettext_lazy("Follow what happens, live and afterwards."),
    "keys:manage": gettext_lazy("Make, rotate and revoke keys with at most its own rights."),
    "webhooks:manage": gettext_lazy("Manage webhooks, and read what was sent to them."),
    "notices:manage": gettext_lazy("Read notifications, and change what is mailed where."),
    "exports:manage": gettext_lazy("Take the data out as files."),
    "test:messages": gettext_lazy("Send messages to test numbers."),
}
KINDS = (
    ("api", gettext_lazy("For our API")),
    ("protocol", gettext_lazy("For programs that speak the field's old protocols")),
)
_NEVER = "0"
EXPIRIES = (
    (_NEVER, pgettext_lazy("expiry", "Never")),
    ("30", gettext_lazy("In 30 days")),
    ("90", gettext_lazy("In 90 days")),
    ("365", gettext_lazy("In a year")),
)
OVERLAPS = (
    ("0", gettext_lazy("It ends now")),
    ("3600", gettext_lazy("It works for one more hour")),
    ("86400", gettext_lazy("It works for one more day")),
    ("604800", gettext_lazy("It works for seven more days")),
)
_UNSEEN = RegexValidator(r"\A[^\x00-\x1f\x7f]+\Z", gettext_lazy("A name is one line of visible characters."))


class NewKey(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=LONGEST_NAME,
        validators=[_UNSEEN],
        help_text=gettext_lazy("So that you know it again: where it is used, or by whom."),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=KINDS,
        initial="api",
        widget=forms.RadioSelect,
        help_text=gettext_lazy(
            "The old protocols carry keys in addresses. A key for them can read and place orders and see the balance, "
            "whatever else is ticked below."
        ),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=list(SCOPE_SENTENCES.items()),
        initial=["orders:read", "orders:write", "balance:read"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Tick at least one thing that the key may do.")},
    )
    spend_cap = forms.CharField(
        label=gettext_lazy("Spending cap"),
        required=False,
        max_length=18,
        widget=forms.TextInput({"inputmode": "decimal", "class": "input-short"}),
        help_text=gettext_lazy("What its orders may cost in all, such as 25 or 25.50. Empty: no cap."),
    )
    expires = forms.ChoiceField(label=gettext_lazy("Ends"), choices=EXPIRIES, initial=_NEVER)

    def clean_spend_cap(self) -> int | None:
        text: str = self.cleaned_data["spend_cap"]
        try:
            cap = parse_amount(text) if text else None
        except InvalidInput:
            cap = 0
        if cap == 0:
            raise forms.ValidationError(
                _("Write an amount above 0 with a point, such as 25 or 25.50, with at most six places.")
            )
        return cap

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if found.get("kind") == "protocol" and "scopes" in found:
            found["scopes"] = [scope for scope in found["scopes"] if scope in PROTOCOL_SCOPES]
            if not found["scopes"]:
                self.add_error("scopes", _("A key of this kind can do nothing of what is ticked."))
        return found


class Listed(NamedTuple):
    """A key as the page shows it. `share`: of the cap, in whole percent, as text."""

    row: Row
    scopes: list[Any]
    state: str
    share: str | None


@acts()
def keys(request: Desked) -> HttpResponse:
    with house().db.statement() as tx:
        rows = access.keys(tx, request.acting.side)
    listed = [_listed(row) for row in rows]
    facts = {
        "working": [one for one in listed if one.state == "active"],
        "over": [one for one in listed if one.state != "active"],
        "most": KEYS_PER_SIDE,
        "overlaps": OVERLAPS,
        "mark": care.form_mark(),
        "shown": care.shown_once(request, NEW_KEY),
    }
    return render(request, "dashboard/keys/keys.html", facts)


@acts("owner")
@care.freshly_proven
def create_key(request: Desked) -> HttpResponse:
    care.demand_open(request.acting)
    form = NewKey(request.POST or None)
    if request.method == "POST" and form.is_valid() and _created(request, form):
        return redirect("keys", mode=request.acting.mode)
    return render(request, "dashboard/keys/create.html", {"form": form, "mark": care.form_mark()})


@acts("owner")
@require_POST
@care.freshly_proven
def rotate_key(request: Desked, key: str) -> HttpResponse:
    acting, overlap = request.acting, request.POST.get("overlap", "")
    care.demand_open(acting)
    if overlap not in dict(OVERLAPS):
        messages.error(request, _("Choose how long the old key goes on working."))
        return redirect("keys", mode=acting.mode)
    with care.doing(request) as is_new:
        if is_new:
            with house().db.transaction() as tx:
                made = access.rotate_key(
                    tx,
                    side=acting.side,
                    mode=acting.mode,
                    key=key,
                    within=acting.grant.scopes,
                    overlap_s=int(overlap),
                    now=house().clock.now(),
                )
            care.show_later(request, NEW_KEY, {"id": made[0], "key": made[1]})
    return redirect("keys", mode=acting.mode)


@acts("owner")
@require_POST
def revoke_key(request: Desked, key: str) -> HttpResponse:
    """A second time changes nothing."""
    with house().db.transaction() as tx:
        access.revoke_key(tx, side=request.acting.side, key=key, now=house().clock.now())
    messages.success(request, _("The key was revoked. Whatever used it is refused from now on."))
    return redirect("keys", mode=request.acting.mode)


def _created(request: Desked, form: NewKey) -> bool:
    """False when there are too many; the form says so then."""
    try:
        with care.doing(request) as is_new:
            if is_new:
                care.show_later(request, NEW_KEY, _make(request, form.cleaned_data))
    except LimitExceeded:
        full = _("There are %(n)d working keys already, as many as can be. Revoke one first.")
        form.add_error(None, full % {"n": KEYS_PER_SIDE})
        return False
    return True


def _make(request: Desked, wanted: dict[str, Any]) -> dict[str, str]:
    acting, now = request.acting, house().clock.now()
    days = int(wanted["expires"])
    with house().db.transaction() as tx:
        key_id, key = access.create_key(
            tx,
            side=acting.side,
            mode=acting.mode,
            kind=wanted["kind"],
            name=wanted["name"],
            scopes=tuple(scope for scope in SCOPES if scope in wanted["scopes"]),
            spend_cap=wanted["spend_cap"],
            expires_at=now + timedelta(days=days) if days else None,
            now=now,
        )
    return {"id": key_id, "key": key}


def _listed(row: Row) -> Listed:
    state = "revoked" if row.revoked_at else "active"
    if state == "active" and row.expires_at and row.expires_at <= house().clock.now():
        state = "expired"
    share = str(min(row.spent * 100 // row.spend_cap, 100)) if row.spend_cap else None
    return Listed(row, [SCOPE_SENTENCES.get(scope, scope) for scope in row.scopes], state, share)
