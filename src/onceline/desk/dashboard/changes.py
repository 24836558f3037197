"""What a person does to an order: cancel, finish, ask for another message, lengthen a rental, send a test message.

What loses a number or costs money is asked about first, if the person wants to be asked; the question is a page of its own
where no script asks it. Core decides, under the order's lock, whether it can still be done.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from onceline.core.catalog import store as catalog
from onceline.core.db import Transaction
from onceline.core.errors import InvalidInput, NotFound, OncelineError, PriceTooLow, Unavailable
from onceline.core.orders import commands, store
from onceline.core.orders.settle import settle
from onceline.desk import refusals
from onceline.desk.dashboard import cards
from onceline.desk.dashboard.acting import Desked, acts
from onceline.desk.formats import money
from onceline.desk.house import house
from onceline.suppliers.sandbox.inlet import Sending, send_each

_KEY = re.compile(r"desk-[0-9a-f]{32}")
_CHOICE = re.compile(r"([1-9][0-9]{0,8}):([0-9]{1,15})")
_MICROS = re.compile(r"[0-9]{1,15}")
"""Seconds, and the micro-units that the button named."""
LONGEST_SENDER, LONGEST_TEXT = 64, 10_000


class Question(NamedTuple):
    """What is asked before it is done."""

    title: str | Promise
    text: str | Promise
    yes: str | Promise
    no: str | Promise


QUESTIONS = {
    "cancel": Question(
        gettext_lazy("Cancel this order?"),
        gettext_lazy("You lose the number. What it cost returns to your balance."),
        gettext_lazy("Cancel the order"),
        gettext_lazy("Keep the number"),
    ),
    "finish": Question(
        gettext_lazy("Finish this order?"),
        gettext_lazy("You lose the number, and no further message is shown."),
        gettext_lazy("Finish the order"),
        gettext_lazy("Keep the number"),
    ),
}


@require_http_methods(["GET", "POST"])
@acts("buyer")
def cancel(request: Desked, order_id: int) -> HttpResponse:
    return _end(request, order_id, "cancel", commands.cancel)


@require_http_methods(["GET", "POST"])
@acts("buyer")
def finish(request: Desked, order_id: int) -> HttpResponse:
    return _end(request, order_id, "finish", commands.finish)


@require_POST
@acts("buyer")
def resend(request: Desked, order_id: int) -> HttpResponse:
    return _do(request, order_id, commands.resend)


@require_http_methods(["GET", "POST"])
@acts("buyer")
def extend(request: Desked, order_id: int) -> HttpResponse:
    """A page with what each duration costs; pressing one is the confirmation, of that price or a lower one."""
    found = cards.card_of(request.acting, order_id)
    if not found.is_rental:
        raise Http404
    refusal = ""
    if request.method == "POST":
        try:
            _extended(request, order_id)
        except Unavailable:
            raise
        except OncelineError as error:
            refusal = _said(error)
        else:
            messages.success(request, _("The rental was extended."))
            return redirect("order_detail", mode=request.acting.mode, order_id=order_id)
    with house().db.statement() as tx:
        durations = catalog.rental_durations(tx, request.acting.mode)
        prices = store.extension_prices(tx, order_id, durations)
        ordered_s = commands.ordered_s(store.order(tx, order_id))
    each_time = {"duration_s": ordered_s, "price": prices[ordered_s]} if ordered_s in prices else None
    context = {
        "card": found,
        "prices": prices,
        "each_time": each_time,
        "key": cards.new_key(),
        "refusal": refusal,
        "acting": request.acting,
    }
    return render(request, "dashboard/extend.html", context, status=409 if refusal else 200)


@require_POST
@acts("buyer")
def auto_extend(request: Desked, order_id: int) -> HttpResponse:
    """A switch: on spends by itself later, so it takes the price that was shown, and a suspended account can only turn it off."""
    on = request.POST.get("on") == "1"
    if on and request.acting.suspended:
        raise PermissionDenied
    shown = _MICROS.fullmatch(request.POST.get("price", "")) if on else None

    def switch(tx: Transaction, context: Any, side: int, order: int) -> object:
        if on and shown is None:
            raise InvalidInput("Say at which price.")
        return commands.set_auto_extend(
            tx, context, side, order, on, max_price=int(shown[0]) if shown else None
        )

    return _do(request, order_id, switch)


@require_POST
@acts("buyer")
def send_test_message(request: Desked, order_id: int) -> HttpResponse:
    """An SMS to the order's number, read at once. Test numbers exist nowhere, so this is for the test side alone."""
    acting = request.acting
    if acting.mode != "test":
        raise Http404
    number = cards.card_of(acting, order_id).view["number"]
    sender = request.POST.get("sender", "")[:LONGEST_SENDER]
    text = request.POST.get("text", "")[:LONGEST_TEXT]
    key = request.POST.get("key", "")
    if not text.strip():
        return _answer(request, order_id, _("Write a message first."), 422)
    sending = Sending(acting.side, number or "", sender, text, key if _KEY.fullmatch(key) else None)
    with house().db.transaction() as tx:
        kept = send_each(tx, house().context, [sending])[0]
    if isinstance(kept, NotFound):
        return _answer(
            request, order_id, _("This number takes no messages any more. Order another one."), 409
        )
    with house().db.transaction() as tx:
        settle(tx, house().context, kept.id)
    return _answer(request, order_id)


def _end(request: Desked, order_id: int, verb: str, command: Callable[..., object]) -> HttpResponse:
    """Asked first: a GET is the question, and so is a POST that nobody has confirmed."""
    found = cards.card_of(request.acting, order_id)
    sure = request.POST.get("sure") == "1" or not request.user.confirms
    if request.method == "GET" or not sure:
        context = {"card": found, "verb": verb, "question": QUESTIONS[verb], "acting": request.acting}
        return render(request, "dashboard/question.html", context)
    return _do(request, order_id, command)


def _do(request: Desked, order_id: int, command: Callable[..., object]) -> HttpResponse:
    try:
        with house().db.transaction() as tx:
            command(tx, house().context, request.acting.side, order_id)
    except NotFound:
        raise
    except Unavailable:
        raise
    except OncelineError as error:
        return _answer(request, order_id, _said(error), refusals.status_of(error))
    return _answer(request, order_id)


def _extended(request: Desked, order_id: int) -> None:
    if request.acting.suspended:
        raise PermissionDenied
    choice, key = _CHOICE.fullmatch(request.POST.get("choice", "")), request.POST.get("key", "")
    if choice is None or not _KEY.fullmatch(key):
        raise InvalidInput("Choose for how long.")
    duration_s, seen = (int(figure) for figure in choice.groups())
    with house().db.transaction() as tx:
        commands.extend(tx, house().context, request.acting.side, order_id, duration_s, key, max_price=seen)


def _said(error: OncelineError) -> str:
    if isinstance(error, InvalidInput):
        return _("This is not offered for this order. Reload the page and choose again.")
    if isinstance(error, PriceTooLow):
        price = money(error.facts["lowest_price"])
        return _("This costs %(price)s now. Nothing was charged. Look at the prices and choose again.") % {
            "price": price
        }
    return refusals.sentence(error)


def _answer(request: Desked, order_id: int, refusal: str = "", status: int = 200) -> HttpResponse:
    """The card as it is now, with what went wrong on it; for a plain form the order's page."""
    found = cards.card_of(request.acting, order_id)
    context = {"card": found, "acting": request.acting, "trouble": refusal, "questions": QUESTIONS}
    if request.htmx:
        return render(request, "dashboard/card.html", context, status=status)
    if not refusal:
        return redirect("order_detail", mode=request.acting.mode, order_id=order_id)
    return render(
        request,
        "dashboard/order_detail.html",
        {**context, "messages_here": found.view["messages"]},
        status=status,
    )
