"""What was ordered and what came: orders and messages of one side, filtered, a page at a time."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from onceline.core.db import Transaction
from onceline.core.errors import NotFound
from onceline.core.orders import history as core
from onceline.core.orders import store, view
from onceline.core.orders.history import MessageFilter
from onceline.core.orders.model import CLOSED, LIVE
from onceline.core.orders.store import Wanted
from onceline.desk.dashboard import words
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.paging import PAGE, number_before, row_before
from onceline.desk.forms import LongSelect
from onceline.desk.house import house

_ANY = ("", _("Any"))
_STATES = {"live": sorted(LIVE), "closed": sorted(CLOSED)}
_DAYS = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2199, 12, 31))]
_NUMBER = re.compile(r"[0-9+() .-]{1,24}")
_REFERENCE = re.compile(r"[\x21-\x7e]{1,64}")


def _day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, validators=_DAYS, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )


class Period(forms.Form):
    """Days of the reader's own time zone, both of them within."""

    since = _day(_("From"))
    until = _day(_("To"))

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until and since > until:
            self.add_error("until", _("The last day lies before the first."))
        return found

    def begin(self) -> datetime | None:
        return _midnight(self.cleaned_data["since"])

    def end(self) -> datetime | None:
        last = self.cleaned_data["until"]
        return _midnight(last + timedelta(days=1)) if last else None


class Sought(Period):
    """What both lists can be narrowed by."""

    service = forms.CharField(label=_("Service"), required=False, max_length=80)
    number = forms.CharField(
        label=_("Number, or how it ends"),
        required=False,
        max_length=24,
        widget=forms.TextInput({"inputmode": "tel"}),
    )
    order = forms.IntegerField(
        label=_("Order"),
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=forms.TextInput({"inputmode": "numeric"}),
    )

    def clean_service(self) -> str | None:
        text: str = self.cleaned_data["service"].strip()
        found = words.services_like(text) if text else []
        if text and not found:
            raise forms.ValidationError(_("No service has this name."))
        if len(found) > 1:
            names = ", ".join(words.service_name(slug) for slug in found[:5])
            raise forms.ValidationError(
                _("Several services have it in their name: %(names)s. Write one of them out."),
                params={"names": names},
            )
        return found[0] if found else None

    def clean_number(self) -> str | None:
        text: str = self.cleaned_data["number"]
        if text and not (_NUMBER.fullmatch(text) and re.search("[0-9]", text)):
            raise forms.ValidationError(_("Write the whole number, or its last digits."))
        return text or None


class OrderFilters(Sought):
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            _ANY,
            ("live", _("All live ones")),
            ("closed", _("All ended ones")),
            *words.ORDER_STATES.items(),
        ],
    )
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[_ANY, *words.ORDER_KINDS.items()])
    country = forms.ChoiceField(
        label=_("Country"),
        required=False,
        choices=lambda: [_ANY, *words.country_names().items()],
        widget=LongSelect,
    )
    reference = forms.CharField(label=_("Your reference"), required=False, max_length=64)
    field_order = ("service", "country", "state", "kind", "number", "since", "until", "order", "reference")

    def clean_reference(self) -> str | None:
        text: str = self.cleaned_data["reference"]
        if text and not _REFERENCE.fullmatch(text):
            raise forms.ValidationError(
                _("A reference has letters, digits and signs of ASCII, and no spaces.")
            )
        return text or None

    def wanted(self) -> Wanted:
        found = self.cleaned_data
        state = found["state"]
        return Wanted(
            now=house().clock.now(),
            states=_STATES.get(state, [state] if state else None),
            service=found["service"],
            country=found["country"] or None,
            client_reference=found["reference"],
            kind=found["kind"] or None,
            number=found["number"],
            since=self.begin(),
            until=self.end(),
            order=found["order"],
        )


class MessageFilters(Sought):
    sender = forms.CharField(label=_("Sender"), required=False, max_length=100)
    text = forms.CharField(label=_("Text"), required=False, max_length=100)
    field_order = ("text", "sender", "service", "number", "since", "until", "order")

    def wanted(self) -> MessageFilter:
        found = self.cleaned_data
        return MessageFilter(
            sender=found["sender"] or None,
            text=found["text"] or None,
            service=found["service"],
            number=found["number"],
            since=self.begin(),
            until=self.end(),
            order=found["order"],
        )


@acts()
def history(request: Desked) -> HttpResponse:
    form = OrderFilters(request.GET)
    rows, older = _orders(request, form.wanted()) if form.is_valid() else ([], None)
    return render(
        request,
        "dashboard/history/orders.html",
        {"form": form, "orders": rows, "older": older, "filtered": _is_filtered(form)},
    )


@acts()
def messages(request: Desked) -> HttpResponse:
    form = MessageFilters(request.GET)
    facts: dict[str, Any] = {"form": form, "filtered": _is_filtered(form), "most": core.SEARCHED}
    if form.is_valid():
        facts |= _messages(request, form.wanted())
    return render(request, "dashboard/history/messages.html", facts)


def order_row(found: dict[str, Any]) -> dict[str, Any]:
    """An order as core shows it, in words for people."""
    return found | {
        "order": str(found["id"]),
        "service_name": words.service_name(found["service"]),
        "country_name": words.country_name(found["country"]),
        "state_name": words.ORDER_STATES[found["state"]],
    }


def _orders(request: Desked, wanted: Wanted) -> tuple[list[dict[str, Any]], str | None]:
    with house().db.transaction() as tx:
        before = _own_order(tx, request.acting, number_before(request))
        page = store.listed(tx, request.acting.side, wanted, before=before, limit=PAGE)
        views = view.order_views(tx, house().context, [row.id for row in page.rows])
    return [order_row(one) for one in views], str(page.next) if page.next else None


def _own_order(tx: Transaction, acting: Acting, order: int | None) -> int | None:
    """A cursor of this side; another's would say where in time that order lies."""
    try:
        return store.order(tx, order, acting.side).id if order else None
    except NotFound:
        return None


def _messages(request: Desked, wanted: MessageFilter) -> dict[str, Any]:
    ids = house().context.installation.message_ids
    with house().db.transaction() as tx:
        found = core.messages_of(
            tx, house().context, request.acting.side, wanted, row_before(request, ids), PAGE
        )
    rows = [
        one
        | {"service_name": words.service_name(one["order"]["service"]), "order_id": str(one["order"]["id"])}
        for one in found.views
    ]
    older = ids.public(found.next) if found.next else None
    return {"found": rows, "older": older, "searched": found.searched, "complete": found.complete}


def _is_filtered(form: forms.Form) -> bool:
    return any(form.data.get(name) for name in form.fields)


def _midnight(day: date | None) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None
