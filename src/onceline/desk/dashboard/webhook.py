"""One webhook: how it fares, its secrets, a test call, what was sent and what came back, and sending again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from onceline.core.db import Row
from onceline.core.errors import Erased, LimitExceeded
from onceline.core.ids import OpaqueIds
from onceline.core.webhooks import commands, model, store
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.paging import PAGE, row_before
from onceline.desk.dashboard.webhook_words import (
    DELIVERY_STATES,
    EVENTS,
    OUTCOMES,
    OVERLAPS,
    REPLAYS,
    SECRET_KINDS,
)
from onceline.desk.dashboard.webhooks import NEW_SECRET, endpoint_line, keep_secret, owner
from onceline.desk.house import house

_CHIPS = {"delivered": "delivered", "pending": "pending", "failed": "failed", "dropped": "expired"}


class _Sealed(NamedTuple):
    """A secret's row as `signers` reads it."""

    secret_ids: list[str]
    secret_kinds: list[str]
    secrets: list[bytes]


@acts()
def webhook(request: Desked, webhook: str) -> HttpResponse:
    return _page(request, webhook)


@acts("owner")
@require_POST
@care.freshly_proven
def add_secret(request: Desked, webhook: str) -> HttpResponse:
    acting, overlap = request.acting, request.POST.get("overlap", "")
    kind = request.POST.get("kind", "")
    if overlap not in dict(OVERLAPS) or kind not in dict(SECRET_KINDS):
        messages.error(request, _("Choose a signature, and how long the old secrets go on signing."))
        return redirect("webhook", mode=acting.mode, webhook=webhook)
    now = house().clock.now()
    try:
        with care.doing(request) as is_new:
            if is_new:
                with house().db.transaction() as tx:
                    _id, secret = commands.rotate(
                        tx, house().context.vault, owner(acting), webhook, kind, int(overlap), now
                    )
                keep_secret(request, webhook, secret.shown() or secret.public() or "")
    except LimitExceeded:
        full = _("%(n)d secrets sign at once already, as many as can. Add one that ends the old ones now.")
        messages.error(request, full % {"n": model.MOST_SECRETS})
    return redirect("webhook", mode=acting.mode, webhook=webhook)


@acts("owner")
@require_POST
@care.freshly_proven
def reveal_secrets(request: Desked, webhook: str) -> HttpResponse:
    """On the answer to this form alone: going back, reloading or linking shows nothing."""
    acting, vault = request.acting, house().context.vault
    with house().db.statement() as tx:
        store.endpoint(tx, acting.side, webhook)
        rows = store.secrets(tx, [webhook], house().clock.now())
    opened = {}
    for row in rows:
        (secret,) = store.signers(vault, acting.account, _Sealed([row.id], [row.kind], [row.sealed]))
        opened[row.id] = secret.shown()
    return _page(request, webhook, opened)


@acts("owner")
@require_POST
def test_webhook(request: Desked, webhook: str) -> HttpResponse:
    acting = request.acting
    care.demand_open(acting)
    with care.doing(request) as is_new:
        if not is_new:
            return redirect("webhook", mode=acting.mode, webhook=webhook)
        try:
            with house().db.transaction() as tx:
                event = commands.send_test(tx, owner(acting), webhook, house().clock.now())
        except LimitExceeded:
            full = _(
                "%(n)d tests of this webhook wait already, as many as can. Try again when they are done."
            )
            messages.error(request, full % {"n": model.MOST_TESTS})
            return redirect("webhook", mode=acting.mode, webhook=webhook)
    return redirect("delivery", mode=acting.mode, webhook=webhook, event=event)


@acts("owner")
@require_POST
def replay_failed(request: Desked, webhook: str) -> HttpResponse:
    acting, now = request.acting, house().clock.now()
    care.demand_open(acting)
    age = request.POST.get("age", "")
    if age not in dict(REPLAYS):
        messages.error(request, _("Choose how far back."))
        return redirect("webhook", mode=acting.mode, webhook=webhook)
    with care.doing(request) as is_new:
        if is_new:
            since = now - timedelta(seconds=int(age))
            with house().db.transaction() as tx:
                sent = commands.replay_failed(tx, owner(acting), webhook, since, now)
            said = ngettext("%(n)d delivery is sent again.", "%(n)d deliveries are sent again.", sent)
            messages.success(request, said % {"n": sent})
    return redirect("webhook", mode=acting.mode, webhook=webhook)


@acts()
def delivery(request: Desked, webhook: str, event: str) -> HttpResponse:
    """With every attempt in a line, and one of them (`attempt`, else the last) in full."""
    acting = request.acting
    with house().db.statement() as tx:
        endpoint = store.endpoint(tx, acting.side, webhook)
        row = store.delivery(tx, webhook, event)
        attempts = store.attempts(tx, row.id)
    asked = request.GET.get("attempt", "")
    chosen = next((one for one in attempts if str(one.number) == asked), attempts[-1] if attempts else None)
    facts = {
        "endpoint": endpoint_line(acting, endpoint),
        "delivery": _delivery(row),
        "attempts": [_attempt(one) for one in attempts],
        "chosen": _attempt(chosen) | _content(acting, chosen) if chosen else None,
        "mark": care.form_mark(),
    }
    return render(request, "dashboard/webhooks/delivery.html", facts)


@acts("owner")
@require_POST
def replay_delivery(request: Desked, webhook: str, event: str) -> HttpResponse:
    acting = request.acting
    care.demand_open(acting)
    with care.doing(request) as is_new:
        if is_new:
            with house().db.transaction() as tx:
                commands.replay(tx, owner(acting), webhook, event, house().clock.now())
    return redirect("delivery", mode=acting.mode, webhook=webhook, event=event)


def _page(request: Desked, webhook: str, opened: dict[str, str | None] | None = None) -> HttpResponse:
    acting, ids = request.acting, OpaqueIds("dlv_", house().context.installation.secret)
    state = request.GET.get("state", "")
    with house().db.statement() as tx:
        row = store.endpoint(tx, acting.side, webhook)
        secrets = store.secrets(tx, [webhook], house().clock.now())
        page = store.deliveries(
            tx,
            webhook,
            state=state if state in DELIVERY_STATES else None,
            kind=None,
            before=row_before(request, ids),
            limit=PAGE,
        )
    new = care.shown_once(request, NEW_SECRET)
    facts = {
        "endpoint": endpoint_line(acting, row),
        "secrets": [_secret(one, opened) for one in secrets],
        "has_hidden": opened is None and any(one.kind == "v1" for one in secrets),
        "deliveries": [_delivery(one) for one in page.rows],
        "older": ids.public(page.next) if page.next else None,
        "state": state if state in DELIVERY_STATES else "",
        "states": DELIVERY_STATES.items(),
        "kinds": SECRET_KINDS,
        "overlaps": OVERLAPS,
        "replays": REPLAYS,
        "new": new["secret"] if new and new["webhook"] == webhook else None,
        "mark": care.form_mark(),
    }
    return render(request, "dashboard/webhooks/webhook.html", facts)


def _secret(row: Row, opened: dict[str, str | None] | None) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "public": row.public,
        "opened": (opened or {}).get(row.id),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


def _delivery(row: Row) -> dict[str, Any]:
    return {
        "event": row.event,
        "type": row.type,
        "what": EVENTS.get(row.type, row.type),
        "is_test": row.type == model.TEST,
        "order": str(row.order_id) if row.order_id else None,
        "state": row.state,
        "chip": _CHIPS[row.state],
        "state_name": DELIVERY_STATES[row.state],
        "by_hand": row.manual,
        "attempts": row.attempts,
        "next_at": row.next_at,
        "at": row.made_at,
    }


def _attempt(row: Row) -> dict[str, Any]:
    return {
        "number": str(row.number),
        "at": row.at,
        "status": str(row.status) if row.status is not None else None,
        "ok": row.outcome == "delivered",
        "outcome": OUTCOMES.get(row.outcome, row.outcome),
        "duration_ms": row.duration_ms,
    }


def _content(acting: Acting, row: Row) -> dict[str, Any]:
    """What was sent and what a stranger answered; None of both when nothing was sent, or it was erased."""
    try:
        said = store.open_attempt(house().context.vault, acting.account, row) if row.sealed else None
    except Erased:
        said = None
    if said is None:
        return {"sent": None, "answer": None}
    answer = {"headers": said["answer_headers"], "text": said["answer_text"], "cut": said["truncated"]}
    return {
        "sent": {"headers": list(said["request_headers"].items()), "body": said["request_body"]},
        "answer": answer if row.status is not None else None,
    }
