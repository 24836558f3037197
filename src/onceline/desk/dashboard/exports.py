"""Exports: ask for a file, watch it being made, fetch it, hand a link to somebody, delete it.

The file itself comes by a link of the edge that lives a minute: a slow reader holds no thread of the pages, and the edge's
bounds on downloads hold for everybody. Whoever may not order sees exports and takes none; only an owner takes the whole account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from onceline.core.errors import LimitExceeded
from onceline.core.exports import commands, model, store
from onceline.core.exports.model import Export, Request
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.history import Period
from onceline.desk.dashboard.paging import PAGE, id_before
from onceline.desk.house import house

LINK = "export link"
FETCH_S = 60
KINDS: dict[str, Any] = {
    "orders": gettext_lazy("Orders"),
    "codes": gettext_lazy("Messages with their codes"),
    "statement": gettext_lazy("Statement"),
    "account": gettext_lazy("Everything about the account"),
}
FORMATS = (("csv", gettext_lazy("CSV, for spreadsheets")), ("json", gettext_lazy("JSON, for programs")))
STATES: dict[str, Any] = {
    "queued": gettext_lazy("Waiting its turn"),
    "running": gettext_lazy("Being made"),
    "ready": gettext_lazy("Ready"),
    "failed": gettext_lazy("Failed"),
    "expired": gettext_lazy("Gone"),
}
_CHIPS = {"queued": "pending", "running": "pending", "ready": "active"}
LIVES = (
    ("600", gettext_lazy("10 minutes")),
    ("3600", gettext_lazy("One hour")),
    ("86400", gettext_lazy("One day")),
)


class Ask(Period):
    kind = forms.ChoiceField(label=gettext_lazy("What"))
    format = forms.ChoiceField(label=gettext_lazy("As"), choices=FORMATS)
    field_order = ("kind", "format", "since", "until")

    def __init__(self, acting: Acting, data: Any = None) -> None:
        super().__init__(data)
        kinds = [(name, label) for name, label in KINDS.items() if _may_take(acting, name)]
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]  # it is a ChoiceField

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        if found.get("kind") == "account":
            if found.get("format") != "json":
                self.add_error("format", _("The whole account comes as JSON: it is more than one table."))
            if found.get("since") or found.get("until"):
                self.add_error("since", _("The whole account comes without dates."))
        return found

    def asked(self) -> Request:
        return Request(self.cleaned_data["kind"], self.cleaned_data["format"], self.begin(), self.end())


@acts()
def exports(request: Desked) -> HttpResponse:
    return _page(request, Ask(request.acting))


@acts("buyer")
@require_POST
@care.freshly_proven_for(lambda request: _takes_everything(request))
def ask_export(request: Desked) -> HttpResponse:
    form = Ask(request.acting, request.POST)
    if not form.is_valid():
        return _page(request, form)
    try:
        with care.doing(request) as is_new:
            if is_new:
                with house().db.transaction() as tx:
                    commands.ask(tx, request.acting.grant, form.asked(), house().clock.now())
    except LimitExceeded as full:
        form.add_error(None, _sentence(full))
        return _page(request, form)
    return redirect("exports", mode=request.acting.mode)


@acts()
@require_safe
def export_row(request: Desked, export: str) -> HttpResponse:
    """One row of the table, for the page that watches it."""
    with house().db.statement() as tx:
        found = store.export(tx, export, request.acting.side)
    return render(
        request, "dashboard/exports/row.html", {"export": _row(request.acting, found), "lives": LIVES}
    )


@acts("buyer")
@require_safe
def fetch_export(request: Desked, export: str) -> HttpResponse:
    address, _end = _link(request, export, FETCH_S)
    return redirect(address)


@acts("buyer")
@require_POST
@care.freshly_proven
def link_export(request: Desked, export: str) -> HttpResponse:
    life = request.POST.get("life", "")
    address, end = _link(request, export, int(life) if life in dict(LIVES) else FETCH_S)
    care.show_later(request, LINK, {"address": request.build_absolute_uri(address), "end": end.isoformat()})
    return redirect("exports", mode=request.acting.mode)


@acts("buyer")
@require_POST
def delete_export(request: Desked, export: str) -> HttpResponse:
    with house().db.transaction() as tx:
        _takeable(request.acting, store.export(tx, export, request.acting.side))
        commands.delete(tx, request.acting.grant, export)
    messages.success(request, _("The export was deleted, and its links with it."))
    return redirect("exports", mode=request.acting.mode)


def _page(request: Desked, form: Ask) -> HttpResponse:
    acting = request.acting
    with house().db.statement() as tx:
        page = store.listed(tx, acting.side, before=id_before(request, "exp"), limit=PAGE)
    rows = [_row(acting, one) for one in page.rows]
    facts = {
        "form": form,
        "exports": rows,
        "older": page.next,
        "running": any(row["live"] for row in rows),
        "lives": LIVES,
        "kept_days": model.KEPT_FOR.days,
        "mark": care.form_mark(),
        "link": care.shown_once(request, LINK),
    }
    return render(request, "dashboard/exports/exports.html", facts)


def _link(request: Desked, export: str, life_s: int) -> tuple[str, datetime]:
    acting = request.acting
    with house().db.statement() as tx:
        _takeable(acting, store.export(tx, export, acting.side))
        text, end = commands.make_link(tx, house().context, acting.grant, export, life_s)
    return f"/api/v1/downloads/{text}", end


def _takeable(acting: Acting, export: Export) -> None:
    if not _may_take(acting, export.kind):
        raise PermissionDenied


def _may_take(acting: Acting, kind: str) -> bool:
    return acting.may("owner" if kind == "account" else "buyer")


def _takes_everything(request: Desked) -> bool:
    """And may: who may not is refused without being asked who they are."""
    return request.POST.get("kind") == "account" and _may_take(request.acting, "account")


def _row(acting: Acting, export: Export) -> dict[str, Any]:
    state = model.state_at(export, house().clock.now())
    live = state in model.LIVE
    share = min(export.rows_done * 100 // export.rows_total, 99) if export.rows_total and live else None
    return {
        "id": export.id,
        "kind": KINDS[export.kind],
        "format": export.format.upper(),
        "since": export.since,
        "until": export.until,
        "asked_at": export.as_of,
        "expires_at": export.expires_at,
        "state": state,
        "chip": _CHIPS.get(state, state),
        "state_name": STATES[state],
        "live": live,
        "share": None if share is None else str(share),
        "rows": export.rows_done,
        "bytes": export.bytes,
        "takeable": _may_take(acting, export.kind),
    }


def _sentence(full: LimitExceeded) -> str:
    if full.facts["limit"] == "live exports":
        return _(
            "%(n)d exports of this account are being made, as many as can be at once. Wait, or delete one."
        ) % {"n": model.LIVE_EXPORTS}
    return _("%(n)d exports of this account are kept, as many as can be. Delete one.") % {
        "n": model.KEPT_EXPORTS
    }
