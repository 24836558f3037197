"""The balance of one side: what can be spent, what is held and for which orders, and every move of money in plain words.

Promises that test money is added on the test side alone, and never above MOST_TEST_MONEY.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from onceline.core.db import Row, Transaction
from onceline.core.deposits import commands as deposits
from onceline.core.errors import LimitExceeded, Unavailable
from onceline.core.ledger import store as ledger
from onceline.core.ledger.model import AVAILABLE, SANDBOX, Move, change_of
from onceline.core.money import MICROS
from onceline.core.orders import store, view
from onceline.core.orders.model import LIVE
from onceline.core.orders.store import Wanted
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.deposit_words import MEANINGS, Meaning
from onceline.desk.dashboard.history import order_row
from onceline.desk.dashboard.paging import PAGE, row_before
from onceline.desk.formats import money
from onceline.desk.house import house

TEST_MONEY, MOST_TEST_MONEY = 100 * MICROS, 1000 * MICROS
HOLDING_SHOWN = 10
_LIVE_COUNTED = 100


@acts()
def balance(request: Desked) -> HttpResponse:
    acting, context = request.acting, house().context
    before = row_before(request, context.installation.transfer_ids)
    with house().db.transaction() as tx:
        figures = ledger.balance(tx, acting.side)
        page = ledger.statement(tx, acting.side, before=before, limit=PAGE)
        live, holding = _holding(tx, acting) if figures.held else (0, [])
    facts = {
        "balance": figures,
        "transfers": [_line(row) for row in page.rows],
        "older": context.installation.transfer_ids.public(page.next) if page.next else None,
        "live": live,
        "live_counted": _LIVE_COUNTED,
        "holding": holding,
        "test_money": TEST_MONEY,
        "most_test_money": MOST_TEST_MONEY,
        "mark": care.form_mark(),
        "payable": _payable(acting),
    }
    return render(request, "dashboard/balance/balance.html", facts)


@acts("buyer")
@require_POST
def add_test_money(request: Desked) -> HttpResponse:
    acting = request.acting
    if acting.mode != "test":
        raise Http404
    care.demand_open(acting)
    with care.doing(request) as is_new:
        if is_new:
            try:
                with house().db.transaction() as tx:
                    _credit(tx, acting.side)
                messages.success(
                    request, _("%(amount)s of test money was added.") % {"amount": money(TEST_MONEY)}
                )
            except LimitExceeded:
                full = _("You have enough test money: it is added up to %(most)s.")
                messages.warning(request, full % {"most": money(MOST_TEST_MONEY)})
    return redirect("balance", mode=acting.mode)


def _payable(acting: Acting) -> bool:
    """Whether there is a way to pay. The balance can be read also while nobody can say."""
    try:
        return bool(house().till.ways(acting.mode))
    except Unavailable:
        return False


def _credit(tx: Transaction, side: int) -> None:
    """Looked at under the side's lock, after the deposit: two at once cannot both be the last. Raises LimitExceeded."""
    now = house().clock.now()
    deposits.give(tx, side, TEST_MONEY, SANDBOX, now)
    if ledger.balance(tx, side).available > MOST_TEST_MONEY:
        raise LimitExceeded("So much test money is enough.", limit="test money", retry_after_s=3600)


def _holding(tx: Transaction, acting: Acting) -> tuple[int, list[dict[str, Any]]]:
    """How many live orders there are (counted to a bound), and the newest that money is held for."""
    wanted = Wanted(house().clock.now(), sorted(LIVE))
    ids = [row.id for row in store.listed(tx, acting.side, wanted, before=None, limit=_LIVE_COUNTED).rows]
    views = view.order_views(tx, house().context, ids)
    held = [order_row(one) for one in views if not one["charged"]]
    return len(held), held[:HOLDING_SHOWN]


def _line(row: Row) -> dict[str, Any]:
    """A kind that this page does not know yet is shown by its name."""
    move = Move(row.kind, row.debit, row.credit, row.amount)
    meaning = MEANINGS.get(row.kind) or Meaning(row.kind, "")
    order = row.order_id
    return {
        "title": meaning.title,
        "sentence": meaning.sentence,
        "amount": row.amount,
        "effect": change_of([move], AVAILABLE),
        "at": row.made_at,
        "order": str(order) if order else None,
    }
