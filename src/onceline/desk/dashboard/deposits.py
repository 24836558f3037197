"""Deposits of one side: the list, one with its facts, what became of it at its processor, and asking for it back.

Promises that a page shows of a payment what the API shows (M7), that nothing goes back unasked or by anybody but the owner, who has
just proven who they are; a refusal names the order that spent of it. Never takes a word from the address a payer returns by.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onceline.core.cash.commands import METHOD as CASH
from onceline.core.db import Transaction
from onceline.core.deposits import refunds, store
from onceline.core.deposits.model import Deposit
from onceline.core.deposits.view import deposit_views
from onceline.core.errors import DepositNotRefundable, InvalidInput, NotFound, ProcessorDown
from onceline.core.processors import store as processors
from onceline.desk import refusals, ways_to_pay
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.deposit_words import LAID_BY, REFUND_STATES, STATES
from onceline.desk.dashboard.paging import PAGE, id_before
from onceline.desk.dashboard.paying import at_a_processor
from onceline.desk.house import house
from onceline.payments.sandbox.paying import Outcome, pay
from onceline.payments.sandbox.processor import PATH

PREFIX = "dep"
ASKED_AGAIN_AFTER_S = 10
"""Who comes back twice has the processor asked once."""
OUTCOMES: dict[Outcome, Any] = {
    "paid": gettext_lazy("Pay it"),
    "under": gettext_lazy("Pay half of it"),
    "over": gettext_lazy("Pay too much"),
    "fail": gettext_lazy("Let it fail"),
    "expire": gettext_lazy("Let it run out"),
}
SUSPENDED = gettext_lazy(
    "This account is suspended, so its money is a matter of the staff. Write to the operator if it is to go back."
)
_WEB = ("https://", "http://")


class Stay(NamedTuple):
    """Why a deposit cannot go back. `order`: the one that spent of it, if one did."""

    sentence: str
    order: int | None
    is_by_method: bool


@acts()
def deposits(request: Desked) -> HttpResponse:
    acting = request.acting
    with house().db.transaction() as tx:
        before = _own(tx, acting, id_before(request, PREFIX))
        page = store.listed(tx, acting.side, before=before, limit=PAGE)
        listed = _shown(tx, page.rows)
    return render(request, "dashboard/deposits/deposits.html", {"deposits": listed, "older": page.next})


@acts()
def deposit(request: Desked, deposit: str) -> HttpResponse:
    acting = request.acting
    with house().db.transaction() as tx:
        found = store.deposit(tx, deposit, acting.side)
        shown, stay = _shown(tx, [found])[0], _stay(tx, acting, found)
    if stay and stay.is_by_method and shown["back"]:
        stay = stay._replace(sentence=shown["back"])
    facts = {"deposit": shown, "stay": stay, "outcomes": OUTCOMES.items()}
    return render(request, "dashboard/deposits/deposit.html", facts)


@acts()
@require_GET
def deposit_back(request: Desked, key: str) -> HttpResponse:
    """Where a processor sends the payer afterwards: it is asked now, once, and what it says is shown. `key` is the form's."""
    acting = request.acting
    with house().db.transaction() as tx:
        opening = processors.opening_of_key(tx, acting.side, key)
    if opening is None:  # forgotten after a while, or another account's
        return redirect("deposits", mode=acting.mode)
    if not _asked(opening.deposit):
        messages.warning(
            request,
            _("The processor does not answer at the moment. We go on asking it; you need do nothing."),
        )
    return redirect("deposit", mode=acting.mode, deposit=opening.deposit)


@acts("buyer")
@require_POST
def pay_test_deposit(request: Desked, deposit: str) -> HttpResponse:
    """Test money is paid by saying how it is to go. Read back as from any processor."""
    acting, outcome = request.acting, request.POST.get("outcome", "")
    if acting.mode != "test" or outcome not in OUTCOMES:
        raise Http404
    care.demand_open(acting)
    try:
        with house().db.transaction() as tx:
            pay(tx, acting.side, deposit, outcome, house().clock.now())
        house().till.ask(deposit)
    except InvalidInput:
        messages.warning(request, _("This deposit was paid already."))
    return redirect("deposit", mode=acting.mode, deposit=deposit)


@acts("owner")
@require_http_methods(["GET", "POST"])
@care.freshly_proven
def ask_back(request: Desked, deposit: str) -> HttpResponse:
    """Asked first: a GET is the question. Who is suspended reads that this is a matter of the staff, and asks nothing."""
    acting, stay = request.acting, None
    with house().db.statement() as tx:
        store.deposit(tx, deposit, acting.side)  # a stranger's form finds nothing, however it is filled in
    if request.method == "POST" and not acting.suspended:
        try:
            with care.doing(request) as is_new:
                if is_new:
                    house().till.send_back(acting.side, deposit)
            return redirect("deposit", mode=acting.mode, deposit=deposit)
        except DepositNotRefundable as error:
            stay = _why(error)
    with house().db.transaction() as tx:
        found = store.deposit(tx, deposit, acting.side)
        shown, seen = _shown(tx, [found])[0], _stay(tx, acting, found)
    whole = (found.credited or 0) + found.fee
    facts = {
        "deposit": shown,
        "stay": stay or seen,
        "whole": whole,
        "persons": house().till.limits.approvals(whole),
        "mark": care.form_mark(),
    }
    status = 403 if acting.suspended else 409 if stay else 200
    return render(request, "dashboard/deposits/ask_back.html", facts, status=status)


def _asked(deposit_id: str) -> bool:
    """False when its processor could not say anything."""
    if not cache.add(f"deposit-asked:{deposit_id}", True, ASKED_AGAIN_AFTER_S):
        return True
    try:
        with at_a_processor():
            house().till.ask(deposit_id)
    except (NotFound, ProcessorDown):
        return False
    return True


def _stay(tx: Transaction, acting: Acting, found: Deposit) -> Stay | None:
    """As it is at this moment, for whoever looks; it is looked at again under the locks when it is asked for."""
    if found.state != "credited":
        return None
    try:
        refunds.demand_refundable(tx, found, house().clock.now())
    except DepositNotRefundable as error:
        return _why(error)
    return Stay(str(SUSPENDED), None, False) if acting.suspended else None


def _why(error: DepositNotRefundable) -> Stay:
    return Stay(refusals.sentence(error), error.facts["order"], error.facts["reason"] == "method")


def _own(tx: Transaction, acting: Acting, before: str | None) -> str | None:
    """A cursor of others is the first page."""
    if before is None:
        return None
    try:
        return store.deposit(tx, before, acting.side).id
    except NotFound:
        return None


def _shown(tx: Transaction, found: list[Deposit]) -> list[dict[str, Any]]:
    """As the API shows them, with the words and sums of the pages."""
    context, now = house().context, house().clock.now()
    views = deposit_views(tx, found, context.installation.currency, now)
    kinds = {row.name: row.kind for row in processors.records(tx)} if found else {}
    return [_dressed(view, one, kinds.get(one.method)) for view, one in zip(views, found, strict=True)]


def _dressed(view: dict[str, Any], found: Deposit, kind: str | None) -> dict[str, Any]:
    page, refund, state = view["pay_url"] or "", view["refund"], STATES[found.state]
    return view | {
        "title": ways_to_pay.title_of(found.method, kind),
        "back": ways_to_pay.back_of(found.method, kind),
        "state_name": state.title,
        "sentence": LAID_BY if (found.method, found.state) == (CASH, "review") else state.sentence,
        "look": state.look,
        "sum": view["credited"] or view["amount"],
        "differs": found.credited not in (None, found.amount),
        "due": found.amount + found.fee,
        "has_fee": found.fee > 0,
        "has_bonus": found.bonus > 0,
        "page": page if page.startswith(_WEB) else "",
        "is_test": page == PATH.format(deposit=found.id),
        "can_go_back": view["refundable_until"] is not None,
        "refund_sentence": REFUND_STATES[refund["state"]] if refund else "",
    }
