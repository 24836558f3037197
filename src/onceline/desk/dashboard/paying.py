"""How money is paid in: choose a way and an amount, with everything said before payment; or redeem a voucher.

Promises that the same form sent again, also at the same instant, is the same deposit, and with other figures another one; that
what was typed survives each refusal; that few threads at once wait for a processor. Never sees what a payer pays with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from onceline.core.errors import (
    IdempotencyConflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OncelineError,
    ProcessorDown,
    VoucherRedeemed,
)
from onceline.core.money import parse_amount
from onceline.core.processors import store as processors
from onceline.core.vouchers import commands as vouchers
from onceline.core.vouchers.commands import Asking, Redeemed
from onceline.desk import refusals, ways_to_pay
from onceline.desk.dashboard import care
from onceline.desk.dashboard.acting import Acting, Desked, acts
from onceline.desk.dashboard.cards import digest
from onceline.desk.formats import money, seconds
from onceline.desk.house import house
from onceline.payments.till import Way

_LONGEST = 40
_BACK = "deposit_back"
_WAIT_S = 1.0


class PayIn(forms.Form):
    method = forms.ChoiceField(
        label=gettext_lazy("Way to pay"),
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Choose a way to pay."),
            "invalid_choice": gettext_lazy("This way to pay is not there any more. Choose another one."),
        },
    )
    amount = forms.CharField(
        label=gettext_lazy("Amount"),
        max_length=_LONGEST,
        error_messages={"required": gettext_lazy("Write how much you want to pay in.")},
        widget=forms.TextInput({"inputmode": "decimal", "autocomplete": "off", "class": "input-short"}),
    )

    def __init__(self, data: Any, ways: Sequence[Way]) -> None:
        super().__init__(data, initial={"method": ways[0].name} if len(ways) == 1 else None)
        currency = {"currency": house().context.installation.currency}
        self.fields["amount"].help_text = (
            _("In %(currency)s: what you want to have in your balance, such as 25 or 25.50.") % currency
        )
        self.ways = {way.name: way for way in ways}
        self.shown = [ways_to_pay.shown(way.name, way.kind, way.terms) for way in ways]
        method: Any = self.fields["method"]
        method.choices = [(way.name, way.name) for way in ways]

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        way = self.ways.get(found.get("method", ""))
        if way is not None and "amount" in found:
            found["amount"] = self._amount(way, found["amount"])
        return found

    def _amount(self, way: Way, text: str) -> int | None:
        try:
            amount = parse_amount(text)
        except InvalidInput:
            amount = 0
        if way.terms.least <= amount <= way.terms.most and amount % way.terms.coin == 0:
            return amount
        bounds = {name: money(getattr(way.terms, name)) for name in ("least", "most", "coin")}
        wrong = _("Write an amount from %(least)s to %(most)s, in steps of %(coin)s.")
        self.add_error("amount", wrong % bounds)
        return None


class Voucher(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Voucher code"),
        max_length=64,
        error_messages={"required": gettext_lazy("Write the code of your voucher.")},
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
        help_text=gettext_lazy("20 letters and digits. Dashes, spaces and small letters do not matter."),
    )


@acts("buyer")
def add_money(request: Desked) -> HttpResponse:
    """What is begun is paid on its own page, which says once more what was chosen."""
    care.demand_open(request.acting)
    form = PayIn(request.POST or None, house().till.ways(request.acting.mode))
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("deposit", mode=request.acting.mode, deposit=_begun(request, form.cleaned_data))
        except NotFound:
            form.add_error("method", _("This way to pay is not there any more. Choose another one."))
        except (InvalidInput, IdempotencyConflict):
            form.add_error(None, _("This page is too old. Look at the figures and send it again."))
            return _page(request, form, Voucher(), care.form_mark())
        except (LimitExceeded, ProcessorDown) as error:
            form.add_error(None, _said(error))
            return _page(request, form, Voucher(), _mark(request), refusals.status_of(error))
    return _page(request, form, Voucher(), _mark(request) if request.POST else care.form_mark())


@acts("buyer")
@require_http_methods(["GET", "POST"])
def redeem_voucher(request: Desked) -> HttpResponse:
    """A GET is somebody who reloads a refused form, or reads it in another language: it leads to the fresh one."""
    acting = request.acting
    if request.method == "GET":
        return redirect(f"{reverse('add_money', args=[acting.mode])}#voucher")
    care.demand_open(acting)
    form, own, status = Voucher(request.POST), "", 200
    if form.is_valid():
        try:
            made = _redeemed(request, form.cleaned_data["code"])
            if made is not None:
                return redirect("deposit", mode=acting.mode, deposit=made.deposit)
            form.add_error("code", _("No voucher can be redeemed with this code."))
        except InvalidInput:
            form.add_error("code", _("Something in this code is mistyped. Nothing was counted."))
        except VoucherRedeemed as error:
            own, status = error.facts["deposit"], refusals.status_of(error)
            form.add_error("code", refusals.sentence(error))
        except LimitExceeded as error:
            status = refusals.status_of(error)
            form.add_error("code", _said(error))
    ways = house().till.ways(acting.mode)
    return _page(request, PayIn(None, ways), form, _mark(request), status, own=own)


@contextmanager
def at_a_processor() -> Iterator[None]:
    """Around what may wait for a processor. Raises ProcessorDown when as many as may wait already, and go on doing so."""
    waiting = house().waiting
    if not waiting.acquire(timeout=_WAIT_S):
        raise ProcessorDown
    try:
        yield
    finally:
        waiting.release()


def _begun(request: Desked, wanted: dict[str, Any]) -> str:
    """The key is of the form and of what it says, so that other figures are another deposit and no conflict."""
    acting, method, amount = request.acting, wanted["method"], wanted["amount"]
    key = f"desk-{digest([_mark(request), method, amount])}"
    path = reverse(_BACK, args=[acting.mode, key])
    public = house().settings.public_url
    back = f"{public.rstrip('/')}{path}" if public else request.build_absolute_uri(path)
    with at_a_processor():
        return house().till.begin(acting.side, method, amount, key, back).deposit.id


def _redeemed(request: Desked, code: str) -> Redeemed | None:
    """Committed also where there is no such voucher: the guess counts."""
    acting, now = request.acting, house().clock.now()
    key = f"desk-{digest([_mark(request), code])}"
    asking = Asking(acting.account, acting.side, code, key)
    with house().db.transaction() as tx:
        return vouchers.redeem(tx, house().context.installation.secret, asking, now)


def _page(
    request: Desked, form: PayIn, voucher: Voucher, mark: str, status: int = 200, *, own: str = ""
) -> HttpResponse:
    if voucher.errors:  # it is the second form of the page, below what a screen shows at first
        voucher.fields["code"].widget.attrs["autofocus"] = True
    facts = {"form": form, "voucher": voucher, "mark": mark, "own": own, "limits": _limits(request.acting)}
    return render(request, "dashboard/deposits/add.html", facts, status=status)


def _limits(acting: Acting) -> dict[str, Any] | None:
    """Of an account that is still new; None for every other one."""
    limits, now = house().till.limits, house().clock.now()
    with house().db.statement() as tx:
        opened_at = processors.opened_at(tx, acting.side)
    if now >= opened_at + limits.new_for:
        return None
    return {"new_for": limits.new_for.total_seconds(), "most": limits.credited, "begun": limits.begun}


def _said(error: OncelineError) -> str:
    """Limits with their figures."""
    limit, limits = error.facts.get("limit"), house().till.limits
    if limit == "paid in a day":
        text = _("A new account can pay in up to %(most)s within a day. Pay in less, or come back tomorrow.")
        return text % {"most": money(limits.credited)}
    if limit == "deposits a day":
        return _("So many deposits were begun within a day that no other can be for now. Come back later.")
    if limit == "voucher codes":
        wait = seconds(error.facts["retry_after_s"])
        return _("Too many wrong codes. No code is looked at for %(wait)s.") % {"wait": wait}
    return refusals.sentence(error)


def _mark(request: Desked) -> str:
    """Raises BadRequest for a form without one."""
    mark = request.POST.get(care.FIELD, "")
    if not 0 < len(mark) <= care.LONGEST:
        raise BadRequest
    return mark
