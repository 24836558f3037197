"""Core's refusals as sentences for people, one for each code of the error tree; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from onceline.core.deposits.model import REFUND_FOR
from onceline.core.errors import DepositNotRefundable, Erased, NotFound, OncelineError, Unavailable
from onceline.desk.formats import clock_time, money, seconds

SENTENCES: dict[str, Any] = {
    "not_found": _("There is no such thing here, or it is not yours."),
    "address_refused": _("This address cannot be called: it is not a public https address."),
    "invalid_key": _("This key is unknown, or you have been logged out."),
    "expired_key": _("This key has expired."),
    "revoked_key": _("This key was revoked. Create a new one."),
    "insufficient_scope": _("This key lacks a right that is needed for this."),
    "wrong_mode": _("This works in the other mode only: switch between test and live."),
    "account_suspended": _("This account is suspended. You can see everything, but not order."),
    "out_of_stock": _("No number is free for this service and country right now. Nothing was charged."),
    "insufficient_balance": _("Your balance is %(missing)s short of the price. Nothing was charged."),
    "price_too_low": _(
        "No number is free at your highest price. The lowest that works now is %(lowest_price)s."
    ),
    "prohibited_service": _("Services of this kind are not offered here. See the acceptable use policy."),
    "spend_cap_reached": _("This key has reached its spending cap."),
    "limit_exceeded": _("That is more than is allowed at once. Try again in %(retry_after_s)s."),
    "idempotency_conflict": _(
        "This form was sent before with other contents. Reload the page and try again."
    ),
    "cancel_too_early": _("A fresh order cannot be cancelled yet. You can from %(cancel_available_at)s on."),
    "cancel_too_late": _(
        "A rental can be cancelled in its first minutes only; that was until %(cancel_available_until)s."
    ),
    "message_received": _("A message has come for this order, so it cannot be cancelled any more."),
    "no_message": _("No code has come for this order yet."),
    "confirmation_refused": _("This code is wrong or too old. Ask for another after five wrong ones."),
    "number_pending": _("The number is still being fetched. Try again in a moment."),
    "order_closed": _("This order is over."),
    "export_not_ready": _("The file is not made yet. Try again in a moment."),
    "export_gone": _("This export has no file any more. Ask for a new one."),
    "link_refused": _("This link opens nothing: it is not ours, or it has ended."),
    "deposit_not_refundable": _("This deposit cannot go back."),
    "voucher_redeemed": _("You have redeemed this voucher already. Its value is in your balance."),
    "resync": _("This page is too old. Reload it."),
    "database_away": _("Our database does not answer at the moment. Try again in a few seconds."),
    "key_store_away": _("Our key store does not answer at the moment. Try again in a few seconds."),
    "busy": _("Somebody else is changing the same thing. Try again."),
    "processor_away": _(
        "This way to pay does not answer at the moment. Nothing is lost: send the same form again in a few seconds."
    ),
    "restarting": _("We are restarting. Try again in a few seconds."),
    "erased": _("This was erased for good."),
}
NOT_REFUNDABLE: dict[str, Any] = {
    "state": _("This deposit has not come, is on its way back already, or is gone."),
    "method": _("What came in this way cannot go back."),
    "origin": _(
        "It cannot go back: the network names no single address that it came from, and it goes nowhere else."
    ),
    "age": _("It came more than %(period)s ago. Deposits can go back within that time."),
    "dispute": _("A payment of this account is disputed. Nothing can go back until that has ended."),
    "debt": _(
        "This account owes what a bank took back. The next deposit pays it, and then others can go back."
    ),
    "spent": _(
        "Something of this deposit was spent, or is held for an order. Only a whole deposit can go back."
    ),
}
"""Why a deposit stays, by core's reason."""
_FIGURES: dict[str, Callable[[Any], Any]] = {
    "missing": money,
    "lowest_price": money,
    "retry_after_s": seconds,
    "cancel_available_at": clock_time,
    "cancel_available_until": clock_time,
}
_STATUS = {"limit_exceeded": 429, "account_suspended": 403, "prohibited_service": 403, "erased": 410}


def sentence(error: OncelineError) -> str:
    """What a person should read. What is wrong with an input, core says itself."""
    if isinstance(error, DepositNotRefundable):
        return str(NOT_REFUNDABLE[error.facts["reason"]]) % {"period": seconds(REFUND_FOR.total_seconds())}
    text: str | Promise | None = SENTENCES.get(error.code)
    if text is None:
        return error.detail
    figures = {name: _FIGURES[name](value) for name, value in error.facts.items() if name in _FIGURES}
    return str(text) % figures if figures else str(text)


def status_of(error: OncelineError) -> int:
    match error:
        case NotFound():
            return 404
        case Unavailable():
            return 503
        case Erased():
            return 410
    return _STATUS.get(error.code, 409)
