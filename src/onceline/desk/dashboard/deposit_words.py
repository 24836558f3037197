"""What deposits, their way back, and transfers are called on the pages, and what each means for whoever reads it."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _


class State(NamedTuple):
    """`look` is one of the chips' own states."""

    title: Any
    sentence: Any
    look: str


STATES: dict[str, State] = {
    "created": State(_("Waiting for payment"), _("Nothing has come so far."), "pending"),
    "confirming": State(
        _("Not final yet"), _("The payment was seen. It is credited as soon as it is final."), "waiting"
    ),
    "review": State(
        _("Being looked at"),
        _("Something about this payment does not fit, so a person looks at it. What you paid is not lost."),
        "paused",
    ),
    "credited": State(_("Credited"), _("It was added to your balance."), "active"),
    "expired": State(
        _("Not paid in time"),
        _("Nothing came in time. If you did pay, it is credited as soon as it arrives."),
        "expired",
    ),
    "failed": State(
        _("Payment failed"), _("The payment did not go through. Nothing was credited."), "failed"
    ),
    "refunding": State(
        _("On its way back"), _("It was taken out of your balance and is being sent back."), "retrying"
    ),
    "refunded": State(_("Sent back"), _("It was sent back to where it came from."), "finished"),
    "disputed": State(
        _("Disputed"),
        _("The payer's bank wants this payment back. What was left of it is frozen until that has ended."),
        "paused",
    ),
    "lost": State(_("Taken back"), _("The payer's bank has taken this payment back."), "failed"),
}
LAID_BY = _("It was recorded. It is added to your balance as soon as a second person has approved it.")
"""Of cash in review: nothing about it is wrong."""
REFUND_STATES: dict[str, Any] = {
    "asked": _("Two persons of the staff look at it first, because of its amount."),
    "approved": _("It is about to be sent."),
    "sending": _("It was handed to the processor, whose answer is awaited."),
    "sent": _("The processor has sent it. Banks and networks may take days to show it."),
    "refused": _("It was not sent back. It is in your balance again."),
    "undone": _("It could not be sent back. It is in your balance again."),
}


class Meaning(NamedTuple):
    """Of a kind of transfer."""

    title: Any
    sentence: Any


MEANINGS = {
    "deposit": Meaning(_("Deposit"), _("Money came in. You can spend it.")),
    "bonus": Meaning(_("Bonus"), _("Given on top of a deposit. You can spend it.")),
    "hold": Meaning(
        _("Held"), _("Set aside for an order. It is taken when a code comes, and returned when none does.")
    ),
    "capture": Meaning(
        _("Charged"), _("The order did its work, so what was set aside for it was taken.")
    ),
    "release": Meaning(
        _("Returned"), _("The order ended without a code, so what was set aside is yours again.")
    ),
    "refund_asked": Meaning(
        _("Set aside to go back"), _("A deposit that is to go back. It cannot be spent meanwhile.")
    ),
    "refund_sent": Meaning(_("Went back"), _("The deposit was sent back to where it came from.")),
    "refund_undone": Meaning(
        _("Did not go back"), _("The deposit could not be sent back, so it is yours again.")
    ),
    "bonus_undone": Meaning(
        _("Bonus taken back"), _("A bonus belongs to its deposit and goes when the deposit does.")
    ),
    "dispute": Meaning(
        _("Frozen"), _("The payer's bank wants a payment back. What was left of it cannot be spent meanwhile.")
    ),
    "dispute_owed": Meaning(
        _("Owed"), _("The payer's bank wants a payment back of which this much was spent already.")
    ),
    "dispute_lost": Meaning(_("Taken by the bank"), _("The payer's bank has taken the payment back.")),
    "dispute_won": Meaning(_("Freed"), _("The dispute ended in your favour. You can spend it again.")),
    "debt_paid": Meaning(
        _("Debt paid"), _("Part of a deposit that went to what this account owed.")
    ),
    "debt_undone": Meaning(
        _("Debt gone"), _("The dispute ended in your favour, so this much is not owed any more.")
    ),
}  # fmt: skip
"""Of the kinds that a customer's statement can have; others move between accounts of the house alone."""
