"""Webhooks of one side: endpoints made, changed, tried, switched off and deleted by the owner; how they fare, for everybody.

Promises that a secret is shown to an owner alone who has just proven who they are; that what a server answered is text and
nothing else. Who is no owner sees of an address its host alone, for the rest may hold a password.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from onceline.core.db import Row, Transaction
from onceline.core.errors import Erased, LimitExceeded, OutboundRefused
from onceline.core.webhooks import commands, model, store
from onceline.core.webhooks.store import Owner
from onceline.desk import refusals
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.webhook_words import EVENTS, REASONS, Endpoint, NewEndpoint
from onceline.desk.house import house
from onceline.outbound import check_customer

NEW_SECRET = "new secret"  # noqa: S105 - the name under which one is kept
_EVER = 2**53


@acts()
def webhooks(request: Desked) -> HttpResponse:
    with house().db.statement() as tx:
        rows = store.endpoints(tx, request.acting.side)
    listed = [endpoint_line(request.acting, row) for row in rows]
    return render(request, "dashboard/webhooks/webhooks.html", {"endpoints": listed})


@acts("owner")
@care.freshly_proven
def create_webhook(request: Desked) -> HttpResponse:
    care.demand_open(request.acting)
    form = NewEndpoint(request.POST or None)
    if request.method == "POST" and form.is_valid() and _leads_out(form):
        try:
            with care.doing(request) as is_new:
                if is_new:
                    _make(request, form)
            return redirect("webhooks", mode=request.acting.mode)
        except LimitExceeded:
            full = _("There are %(n)d webhooks already, as many as can be. Delete one first.")
            form.add_error(None, full % {"n": model.ENDPOINTS_PER_SIDE})
    facts = {"form": form, "mark": care.form_mark(), "endpoint": None}
    return render(request, "dashboard/webhooks/edit.html", facts)


@acts("owner")
@care.freshly_proven
def edit_webhook(request: Desked, webhook: str) -> HttpResponse:
    acting = request.acting
    with house().db.statement() as tx:
        row = store.endpoint(tx, acting.side, webhook)
    form = Endpoint(request.POST or None, initial=_initial(acting, row), types=row.types)
    if request.method == "POST" and form.is_valid() and _leads_out(form):
        changes = form.wanted()._asdict()
        if changes["url"] == address_of(acting, row):
            del changes["url"]  # what an endpoint did is forgotten with its address, not with its description
        with house().db.transaction() as tx:
            commands.change(tx, house().context.vault, owner(acting), webhook, changes, house().clock.now())
        messages.success(request, _("The webhook was changed."))
        return redirect("webhook", mode=acting.mode, webhook=webhook)
    return render(
        request, "dashboard/webhooks/edit.html", {"form": form, "endpoint": endpoint_line(acting, row)}
    )


@acts("owner")
@require_POST
def switch_webhook(request: Desked, webhook: str) -> HttpResponse:
    """On (`state` enabled, with `missed` what it missed is sent first) or off."""
    acting, now = request.acting, house().clock.now()
    state = "enabled" if request.POST.get("state") == "enabled" else "disabled"
    if state == "enabled":
        care.demand_open(acting)
    with house().db.transaction() as tx:
        if state == "enabled" and request.POST.get("missed"):
            _send_missed(tx, acting, webhook)
        commands.change(tx, house().context.vault, owner(acting), webhook, {"state": state}, now)
    said = _("The webhook was switched on.") if state == "enabled" else _("The webhook was switched off.")
    messages.success(request, said)
    return redirect("webhook", mode=acting.mode, webhook=webhook)


@acts("owner")
@require_POST
def delete_webhook(request: Desked, webhook: str) -> HttpResponse:
    with house().db.transaction() as tx:
        commands.delete(tx, owner(request.acting), webhook, house().clock.now())
    messages.success(request, _("The webhook was deleted, with its secrets and its log."))
    return redirect("webhooks", mode=request.acting.mode)


def owner(acting: Acting) -> Owner:
    return Owner(acting.account, acting.side)


def address_of(acting: Acting, row: Row) -> str | None:
    try:
        return store.url_of(house().context.vault, acting.account, row, row.id)
    except Erased:
        return None


def endpoint_line(acting: Acting, row: Row) -> dict[str, Any]:
    """An endpoint with its health, as far as this person may see it."""
    address = address_of(acting, row)
    if address and not acting.may("owner"):
        address = urlsplit(address).hostname
    paused = row.open_until is not None and row.open_until > house().clock.now()
    state = "revoked" if row.state == "disabled" else "paused" if paused else "active"
    return {
        "id": row.id,
        "address": address,
        "description": row.description,
        "types": row.types and [EVENTS.get(one, one) for one in row.types],
        "payload": row.payload,
        "concurrency": row.concurrency,
        "state": "retrying" if state == "active" and row.failing_since else state,
        "enabled": row.state == "enabled",
        "reason": REASONS.get(row.disabled_reason or ""),
        "disabled_at": row.disabled_at,
        "failing_since": row.failing_since,
        "failed_attempts": row.failed_attempts,
        "paused_until": row.open_until if paused else None,
        "last_success_at": row.last_success_at,
        "last_attempt_at": row.last_attempt_at,
        "pending": row.pending,
        "created_at": row.created_at,
    }


def _make(request: Desked, form: NewEndpoint) -> None:
    acting, vault, now = request.acting, house().context.vault, house().clock.now()
    with house().db.transaction() as tx:
        kind = form.cleaned_data["secret_kind"]
        webhook, secret = commands.create(tx, vault, owner(acting), form.wanted(), kind, now)
    keep_secret(request, webhook, secret.shown() or secret.public() or "")


def keep_secret(request: Desked, webhook: str, shown: str) -> None:
    """For the page of the endpoint, or the list, that follows."""
    care.show_later(request, NEW_SECRET, {"webhook": webhook, "secret": shown})


def _leads_out(form: Endpoint) -> bool:
    """Whether the address may be called now; it is looked at again at every attempt. The form says what is wrong."""
    try:
        check_customer(form.cleaned_data["url"], loopback=house().settings.webhook_loopback)
    except OutboundRefused as refused:
        form.add_error("url", refusals.sentence(refused))
        return False
    return True


def _send_missed(tx: Transaction, acting: Acting, webhook: str) -> None:
    row = store.lock(tx, acting.side, webhook)
    if row.state == "disabled":
        event_id, now = house().context.installation.event_id, house().clock.now()
        commands.replay_range(tx, owner(acting), webhook, row.cursor, _EVER, event_id, now)


def _initial(acting: Acting, row: Row) -> dict[str, Any]:
    return {
        "url": address_of(acting, row) or "",
        "description": row.description,
        "every": row.types is None,
        "types": row.types or [],
        "payload": row.payload,
        "concurrency": row.concurrency,
    }
