"""What the account was told, and what of it was read. "All" is all that was shown: what is told meanwhile stays unread."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from onceline.core.notices import commands as notices
from onceline.core.notices.commands import Reader
from onceline.desk import notice_texts
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.paging import PAGE, number_before
from onceline.desk.house import house

_NUMBER = re.compile(r"[0-9]{1,10}")
_ENDPOINT = re.compile(r"we_[a-z2-7]{16}")
_ABOUT = {"key": "keys", "webhook": "webhooks", "export": "exports", "balance": "balance"}
_ICONS = {
    "key": "key",
    "webhook": "webhook",
    "export": "download",
    "balance": "wallet",
    "policy": "info",
    "rental": "clock",
}


def unread_count(acting: Acting) -> int:
    """For the top bar of every page: counted up to a bound of core's."""
    with house().db.statement() as tx:
        return notices.unread_count(tx, _reader(acting))


@acts()
def notifications(request: Desked) -> HttpResponse:
    unread = request.GET.get("show") == "unread"
    before = number_before(request)
    with house().db.transaction() as tx:
        found = notices.notifications(tx, _reader(request.acting), unread=unread, before=before, limit=PAGE)
    shown = [_line(request.acting, one) for one in found["notifications"]]
    facts = {
        "notices": shown,
        "unread_only": unread,
        "older": str(found["next"]) if found["next"] else None,
        "any_unread": bool(found["unread"]),
        "newest": shown[0]["id"] if shown else None,
    }
    return render(request, "dashboard/notifications/notifications.html", facts)


@acts("buyer")
@require_POST
def read_notifications(request: Desked) -> HttpResponse:
    """One (`id`), or all up to the newest that was shown (`up_to`). The account reads as one, so who may only look marks nothing."""
    one, up_to = _number(request, "id"), _number(request, "up_to")
    with house().db.transaction() as tx:
        notices.mark_read(
            tx, _reader(request.acting), up_to=up_to, ids=[one] if one else [], now=house().clock.now()
        )
    if up_to:
        messages.success(request, _("All that was shown is marked as read."))
    return redirect("notifications", mode=request.acting.mode)


def _reader(acting: Acting) -> Reader:
    return Reader(acting.account, acting.mode)


def _number(request: Desked, name: str) -> int | None:
    text = request.POST.get(name, "")
    return min(int(text), 2**31 - 1) if _NUMBER.fullmatch(text) else None


def _line(acting: Acting, found: dict[str, Any]) -> dict[str, Any]:
    text = notice_texts.written(found["kind"], found["facts"])
    about = found["kind"].partition(".")[0]
    return {
        "id": str(found["id"]),
        "title": text.title,
        "body": text.body,
        "at": found["at"],
        "read": found["read_at"] is not None,
        "icon": _ICONS.get(about, "bell"),
        "address": _address(acting, about, found["facts"]),
    }


def _address(acting: Acting, about: str, facts: dict[str, Any]) -> str:
    """Where the reader can do something about it."""
    endpoint = str(facts.get("endpoint", ""))
    if _ENDPOINT.fullmatch(endpoint):
        return reverse("webhook", args=[acting.mode, endpoint])
    if about == "rental" and _NUMBER.fullmatch(str(facts.get("order", ""))):
        return reverse("order_detail", args=[acting.mode, int(facts["order"])])
    if about in _ABOUT:
        return reverse(_ABOUT[about], args=[acting.mode])
    return reverse("settings") if about == "mail" else ""
