"""What the script asks for: a ticket for the socket, the live list, one card, the figures of the top bar; and an order's page.

Every part is HTML of our own templates, where outside text is escaped. The live list answers 304 while nothing in it changed,
so that looking every few seconds makes nothing flicker.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import render
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from onceline.core.access import commands as access
from onceline.core.errors import InvalidInput
from onceline.core.ledger import store as ledger
from onceline.core.orders import store, view
from onceline.core.orders.model import RENTAL
from onceline.desk import formats
from onceline.desk.dashboard import cards
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.changes import QUESTIONS
from onceline.desk.dashboard.modes import LARGEST_ID
from onceline.desk.dashboard.notifications import unread_count
from onceline.desk.house import house

MESSAGES_PER_PAGE = 20


@require_POST
@acts()
def ticket(request: Desked) -> HttpResponse:
    """Good once, for half a minute; the socket it opens ends with this session."""
    with house().db.transaction() as tx:
        made = access.issue_tickets(tx, [request.acting.grant], house().clock.now())
    return JsonResponse({"ticket": made[0]})


@require_GET
@acts()
def live_orders(request: Desked) -> HttpResponse:
    """The live list by itself, or as a page. Its tag is of what it says, not of its bytes: every form carries its own token."""
    before = _whole(request.GET.get("before", ""))
    kind = RENTAL if request.GET.get("kind") == RENTAL else None
    listed = cards.live_list(request.acting, kind=kind, before=before)
    tag = f'"{listed.tag}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    context = {"listed": listed, "cards": listed.cards, "acting": request.acting, "questions": QUESTIONS}
    part = bool(request.htmx)
    response = render(request, "dashboard/live_list.html" if part else "dashboard/live.html", context)
    response["ETag"] = tag
    return response


@require_GET
@acts()
def figures(request: Desked) -> HttpResponse:
    """As they are written in the top bar and beside the form."""
    acting = request.acting
    with house().db.statement() as tx:
        balance = ledger.balance(tx, acting.side)
    unread = unread_count(acting)
    label = ngettext("Notifications, %(n)d unread", "Notifications, %(n)d unread", unread) % {"n": unread}
    return JsonResponse(
        {
            "available": formats.money(balance.available),
            "held": formats.money(balance.held),
            "unread": unread,
            "bell": label,
        }
    )


@require_GET
@acts()
def card(request: Desked, order_id: int) -> HttpResponse:
    found = cards.card_of(request.acting, order_id)
    return render(request, "dashboard/card.html", {"card": found, "acting": request.acting})


@require_GET
@acts()
def order_detail(request: Desked, order_id: int) -> HttpResponse:
    """Everything about one order: its card, all of its messages, its facts."""
    return render(request, "dashboard/order_detail.html", _detail(request, order_id))


def _detail(request: Desked, order_id: int) -> dict[str, Any]:
    acting = request.acting
    found = cards.card_of(acting, order_id)
    after = request.GET.get("after", "")
    messages, following = _messages(acting, order_id, after)
    return {
        "card": found,
        "messages_here": messages,
        "next": following,
        "after": after,
        "acting": acting,
        "questions": QUESTIONS,
    }


def _messages(acting: Acting, order_id: int, after: str) -> tuple[list[dict[str, Any]], str | None]:
    """A page of them, oldest first, and the cursor of the next one. Raises InvalidInput for a cursor of others."""
    ids = house().context.installation.message_ids
    start = ids.row(after) if after else 0
    if start is None:
        raise InvalidInput("This page of the list does not exist; begin at its first one.")
    with house().db.statement() as tx:
        found = store.messages(
            tx, house().context.vault, acting.account, order_id, after=start, limit=MESSAGES_PER_PAGE + 1
        )
    shown = found[:MESSAGES_PER_PAGE]
    following = ids.public(shown[-1].id) if len(found) > MESSAGES_PER_PAGE else None
    return [view.message_view(house().context, one) for one in shown], following


def _whole(text: str) -> int | None:
    is_id = text.isascii() and text.isdigit() and len(text) < 11 and 0 < int(text) <= LARGEST_ID
    return int(text) if is_id else None
