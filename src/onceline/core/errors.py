"""Every refusal of the product, as one tree. A code never changes its meaning once published.

OncelineError
├── Refusal                     the asker can do something about it; nothing was changed
│   ├── NotFound                not_found
│   ├── InvalidInput            invalid_input
│   ├── OutboundRefused         address_refused
│   ├── KeyRefused              invalid_key
│   │   ├── KeyExpired          expired_key
│   │   └── KeyRevoked          revoked_key
│   ├── ScopeMissing            insufficient_scope
│   ├── WrongMode               wrong_mode
│   ├── AccountSuspended        account_suspended
│   ├── OutOfStock              out_of_stock
│   ├── InsufficientBalance     insufficient_balance
│   ├── SpendCapReached         spend_cap_reached
│   ├── PriceTooLow             price_too_low
│   ├── ProhibitedService       prohibited_service
│   ├── LimitExceeded           limit_exceeded
│   ├── IdempotencyConflict     idempotency_conflict
│   ├── CancelTooEarly          cancel_too_early
│   ├── CancelTooLate           cancel_too_late
│   ├── MessageReceived         message_received
│   ├── NoMessage               no_message
│   ├── ConfirmationRefused     confirmation_refused
│   ├── NumberPending           number_pending
│   ├── OrderClosed             order_closed
│   ├── ExportNotReady          export_not_ready
│   ├── ExportGone              export_gone
│   ├── LinkRefused             link_refused
│   ├── DepositNotRefundable    deposit_not_refundable
│   ├── VoucherRedeemed         voucher_redeemed
│   └── Resync                  resync
├── Unavailable                 ours to mend; the same request may be sent again
│   ├── DatabaseAway            database_away
│   ├── KeyStoreAway            key_store_away
│   ├── Busy                    busy
│   ├── ProcessorDown           processor_away
│   └── Restarting              restarting
└── Erased                      erased: the key that could open this was destroyed on purpose
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, ClassVar


class OncelineError(Exception):
    """Root of the tree. `facts` holds what a client needs to act, ready for JSON but for money and instants."""

    code: ClassVar[str]

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class Refusal(OncelineError):
    """What was asked cannot be done, and nothing was changed."""


class NotFound(Refusal):
    """Unknown, or of another account: the two look the same from outside."""

    code = "not_found"

    def __init__(self, what: str, value: object = None) -> None:
        shown = "" if value is None else f" {str(value)[:64]!r}"
        super().__init__(f"There is no {what}{shown} here.", what=what)


class InvalidInput(Refusal):
    code = "invalid_input"


class OutboundRefused(Refusal):
    """An address that we call for nobody; `detail` says what is wrong with it and what would be right."""

    code = "address_refused"


class KeyRefused(Refusal):
    code = "invalid_key"


class KeyExpired(KeyRefused):
    code = "expired_key"


class KeyRevoked(KeyRefused):
    code = "revoked_key"


class ScopeMissing(Refusal):
    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This key lacks the scope {scope!r}; create one that has it.", scope=scope)


class WrongMode(Refusal):
    """A test key where only a live one works, or the reverse."""

    code = "wrong_mode"


class AccountSuspended(Refusal):
    code = "account_suspended"


class OutOfStock(Refusal):
    code = "out_of_stock"

    def __init__(self) -> None:
        super().__init__("No number is leasable for this service and country right now. Nothing was held.")


class InsufficientBalance(Refusal):
    """`missing`: micro-units that the available balance is short of the price."""

    code = "insufficient_balance"

    def __init__(self, missing: int) -> None:
        super().__init__("The available balance does not cover the price.", missing=missing)


class SpendCapReached(Refusal):
    """`left`: micro-units that the key may still spend."""

    code = "spend_cap_reached"

    def __init__(self, left: int) -> None:
        super().__init__(
            "The price is above what this key's spend cap leaves. What is released counts no more.", left=left
        )


class PriceTooLow(Refusal):
    """`lowest_price`: micro-units at which the same order would have worked."""

    code = "price_too_low"

    def __init__(
        self, lowest_price: int, detail: str = "No number is leasable at max_price; lowest_price would work."
    ) -> None:
        super().__init__(detail, lowest_price=lowest_price)


class ProhibitedService(Refusal):
    code = "prohibited_service"

    def __init__(self, service: str) -> None:
        super().__init__(
            f"{service!r} belongs to a category that is not served here (acceptable use, A1).",
            service=service,
        )


class LimitExceeded(Refusal):
    """`limit` names which one; `retry_after_s` is when asking again makes sense."""

    code = "limit_exceeded"

    def __init__(self, detail: str, *, limit: str, retry_after_s: int) -> None:
        super().__init__(detail, limit=limit, retry_after_s=retry_after_s)


class IdempotencyConflict(Refusal):
    code = "idempotency_conflict"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another request body; use a new key.")


class CancelTooEarly(Refusal):
    code = "cancel_too_early"

    def __init__(self, cancel_available_at: datetime) -> None:
        super().__init__(
            "A fresh order cannot be cancelled yet; cancel_available_at says from when.",
            cancel_available_at=cancel_available_at,
        )


class CancelTooLate(Refusal):
    code = "cancel_too_late"

    def __init__(self, cancel_available_until: datetime) -> None:
        super().__init__(
            "A rental can be cancelled only in its first minutes; cancel_available_until is past.",
            cancel_available_until=cancel_available_until,
        )


class MessageReceived(Refusal):
    code = "message_received"

    def __init__(self) -> None:
        super().__init__("A message has been shown for this order, so it cannot be cancelled any more.")


class NoMessage(Refusal):
    code = "no_message"

    def __init__(self) -> None:
        super().__init__("No code has come for this order yet.")


class ConfirmationRefused(Refusal):
    """Which of the reasons it was, is not said: whoever guesses learns nothing."""

    code = "confirmation_refused"

    def __init__(self) -> None:
        super().__init__(
            "This code is wrong or too old; after five wrong ones, ask for another with PUT /api/v1/notices."
        )


class NumberPending(Refusal):
    code = "number_pending"

    def __init__(self) -> None:
        super().__init__("The supplier has not named the number yet; ask again in a moment.", retry_after_s=1)


class OrderClosed(Refusal):
    """`state`: how the order ended."""

    code = "order_closed"

    def __init__(self, state: str) -> None:
        super().__init__(f"This order is {state}.", state=state)


class ExportNotReady(Refusal):
    """`state`: queued or running."""

    code = "export_not_ready"

    def __init__(self, state: str) -> None:
        super().__init__("The file is not made yet; ask again in a moment.", state=state, retry_after_s=2)


class ExportGone(Refusal):
    """`state`: failed or expired."""

    code = "export_gone"

    def __init__(self, state: str) -> None:
        super().__init__(f"This export is {state} and has no file; ask for a new one.", state=state)


class LinkRefused(Refusal):
    """One answer for every reason, so that nobody learns anything by trying."""

    code = "link_refused"

    def __init__(self) -> None:
        super().__init__("This link opens nothing: it is not ours, it has ended, or its key or file has.")


class DepositNotRefundable(Refusal):
    """`reason`: state, method, origin, age, dispute, debt or spent; `order`: the one that spent of it, or holds of it."""

    code = "deposit_not_refundable"

    def __init__(self, reason: str, order: int | None = None) -> None:
        super().__init__(_NOT_REFUNDABLE[reason], reason=reason, order=order)


_NOT_REFUNDABLE = {
    "state": "This deposit has not come, is on its way back, or is gone.",
    "method": "Deposits of this method cannot be sent back, as was said before the payment.",
    "origin": "The address that this deposit came from is not known, so there is nowhere to send it.",
    "age": "Deposits can be sent back within 14 days.",
    "dispute": "A payment of this account is disputed at its processor; nothing can be sent back until that has ended.",
    "debt": "This account owes what a payer's bank took back; the next money that comes in pays it, and then deposits can go back.",
    "spent": "Something of this deposit was spent, or is held for an order; only whole deposits go back.",
}


class VoucherRedeemed(Refusal):
    """By who asks: `deposit` is what it became. Nobody else learns that it was redeemed."""

    code = "voucher_redeemed"

    def __init__(self, deposit: str) -> None:
        super().__init__(
            "You have redeemed this voucher already; its value was credited then.", deposit=deposit
        )


class Resync(Refusal):
    """A cursor points to events that are no longer kept, or to another epoch: read the orders afresh, then go on."""

    code = "resync"

    def __init__(self, epoch: str, seq: int) -> None:
        super().__init__(
            "Events after this cursor are gone; read your orders, then go on from seq.", epoch=epoch, seq=seq
        )


class Unavailable(OncelineError):
    """Ours to mend. The outcome may be unknown: send the same request again under the same Idempotency-Key."""


class DatabaseAway(Unavailable):
    code = "database_away"

    def __init__(self) -> None:
        super().__init__("The database does not answer. Send the same request again.", retry_after_s=2)


class KeyStoreAway(Unavailable):
    """Never Erased: whether the key is there is not known."""

    code = "key_store_away"

    def __init__(self) -> None:
        super().__init__("The key store does not answer. Send the same request again.", retry_after_s=2)


class Busy(Unavailable):
    code = "busy"

    def __init__(self) -> None:
        super().__init__(
            "The same rows are being changed by another request. Send it again.", retry_after_s=1
        )


class ProcessorDown(Unavailable):
    """A processor of payments gives no answer, or none that can be used. Nothing is lost: the same request goes on."""

    code = "processor_away"

    def __init__(self) -> None:
        super().__init__(
            "This way to pay does not answer at the moment. Send the same request again.", retry_after_s=10
        )


class Restarting(Unavailable):
    """The process ends for another one to start; `back_in_s` spreads those who were sent away together."""

    code = "restarting"

    def __init__(self, back_in_s: float) -> None:
        super().__init__(
            "This process is being restarted. Ask again.", retry_after_s=max(math.ceil(back_in_s), 1)
        )
        self.back_in_s = back_in_s


class Erased(OncelineError):
    code = "erased"

    def __init__(self, key_name: str) -> None:
        super().__init__(f"The key {key_name} is not in the key store; what it sealed is erased.")
