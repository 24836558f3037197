"""What Stripe's objects say, in the words of every processor. Pure.

A deposit is a session, its payment intent and the charge that paid it; what one says and another denies is refused, never weighed.
https://docs.stripe.com/api/checkout/sessions/object, …/payment_intents/object, …/refunds/object, …/disputes/object,
…/balance_transactions/object, …/radar/early_fraud_warnings/object
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from onceline.payments.base import (
    Dispute,
    Entry,
    Paid,
    Payment,
    ProcessorRefused,
    SendBack,
    Sent,
    SentBack,
    Stage,
    Warned,
)
from onceline.payments.stripe.currencies import as_text, to_micros, to_minor
from onceline.payments.stripe.transport import Answer

T = TypeVar("T")

DEPOSIT, REFUND = "deposit", "refund"
"""Names in Stripe's metadata under which our ids stand."""


# Payments ----------------------------------------------------------------------------------------------------------------


def payment(session: Answer) -> Payment:
    """Of a session with its payment intent and that one's latest charge expanded. Raises ProcessorRefused."""
    intent = _part(session, "payment_intent")
    charge = _part(intent, "latest_charge")
    currency = _agreed("currency", str, session, intent, charge).upper()
    state, came = _outcome(session, intent, charge)
    return Payment(
        processor_id=_text(session, "id"),
        deposit=_deposit(session, intent),
        state=state,
        value=to_micros(came, currency),
        currency=currency,
        is_live=_agreed("livemode", bool, session, intent, charge),
        payment_id=_text(intent, "id") if intent else None,
        asset=_presented(session),
    )


def _outcome(session: Answer, intent: Answer | None, charge: Answer | None) -> tuple[Paid, int]:
    """And how many minor units came. A payment that was made counts whatever else the session says. A page takes its own amount
    and no other: nothing is ever under or over, and what is not what we asked for is for core to notice."""
    if session.get("payment_status") == "paid":
        return Paid.PAID, _came(session, intent, charge)
    status = _word(intent, "status")
    if status in ("processing", "requires_capture", "succeeded"):
        return Paid.CONFIRMING, 0
    return _unpaid(_text(session, "status"), status), 0


def _unpaid(session: str, intent: str) -> Paid:
    """A card that was declined leaves the session open: another may be tried."""
    match session, intent:
        case "open", _:
            return Paid.OPEN
        case "expired", _:
            return Paid.EXPIRED
        case "complete", "requires_payment_method" | "canceled":
            return Paid.FAILED  # a slow method that came to nothing
        case "complete", _:
            return Paid.OPEN  # the payer has yet to do something, such as to pay a slip
    raise ProcessorRefused(f"The session's status is {session[:20]!r}, which nobody knows.")


def _came(session: Answer, intent: Answer | None, charge: Answer | None) -> int:
    """What was captured, as the session, the intent and its charge all say."""
    if not intent or not charge:
        raise ProcessorRefused("The session says paid, and names no payment.")
    if not (intent.get("status") == charge.get("status") == "succeeded" and charge.get("captured") is True):
        raise ProcessorRefused("The session says paid, and its payment does not.")
    came = _whole(charge, "amount_captured")
    if came <= 0 or {_whole(session, "amount_total"), _whole(intent, "amount_received")} != {came}:
        raise ProcessorRefused("Session, payment and charge do not agree on the amount.")
    return came


def _deposit(session: Answer, intent: Answer | None) -> str:
    """Ours, as all places say it; "" when one of them says something else, or nothing."""
    said = [session.get("client_reference_id"), _metadata(session).get(DEPOSIT)]
    said += [_metadata(intent).get(DEPOSIT)] if intent else []
    first = said[0]
    return first if isinstance(first, str) and all(one == first for one in said) else ""


def _presented(session: Answer) -> str | None:
    """What the payer saw, where Stripe changed the money itself. To be read only: what cannot be is left out."""
    try:
        found = _part(session, "presentment_details")
        if not found:
            return None
        return as_text(_whole(found, "presentment_amount"), _text(found, "presentment_currency").upper())
    except ProcessorRefused:
        return None


# Refunds ------------------------------------------------------------------------------------------------------------------

_SENT = {
    "succeeded": Sent.DONE,
    "pending": Sent.ON_ITS_WAY,
    "requires_action": Sent.ON_ITS_WAY,
    "failed": Sent.REFUSED,
    "canceled": Sent.REFUSED,
}


def is_for(refund: Answer, wanted: SendBack) -> bool:
    return bool(_metadata(refund).get(REFUND) == wanted.id)


def sent_back(refund: Answer, wanted: SendBack) -> SentBack:
    """Raises ProcessorRefused for one that is not what was asked for."""
    fits = (_whole(refund, "amount"), _text(refund, "currency").upper(), is_for(refund, wanted))
    if fits != (to_minor(wanted.amount, wanted.currency), wanted.currency, True):
        raise ProcessorRefused("The refund at Stripe is not the one that was asked for.")
    reason = _word(refund, "failure_reason") or _word(refund, "pending_reason")
    return SentBack(_SENT.get(_word(refund, "status"), Sent.UNKNOWN), _text(refund, "id"), reason[:64])


# Disputes -----------------------------------------------------------------------------------------------------------------


def dispute(found: Answer) -> Dispute:
    """A bank that only asks (`warning_…`) has taken nothing yet; it counts as one that has, so that the money is there if it does."""
    currency = _text(found, "currency").upper()
    return Dispute(
        id=_text(found, "id"),
        payment_id=_id(found.get("payment_intent")) or _id(found.get("charge")) or "",
        amount=to_micros(_whole(found, "amount"), currency),
        currency=currency,
        stage=_stage(found),
    )


def warning(found: Answer) -> Warned:
    """Of an early fraud warning with its charge expanded: only that one always says what it is about."""
    charge = _part(found, "charge") or {}
    payment = _id(found.get("payment_intent")) or _id(charge.get("payment_intent")) or _id(charge) or ""
    return Warned(_text(found, "id"), payment)


def _stage(found: Answer) -> Stage:
    """A status that is new to us stays open: that freezes, and loses nothing."""
    match _text(found, "status"):
        case "won" | "warning_closed":
            return Stage.WON
        case "lost":
            return Stage.LOST
        case "prevented":  # by giving the money back at once, or by its never leaving
            return Stage.LOST if _net(found) < 0 else Stage.WON
    return Stage.OPEN


def _net(found: Answer) -> int:
    return sum(_whole(one, "amount") for one in _rows(found, "balance_transactions"))


# The report ---------------------------------------------------------------------------------------------------------------

_KINDS = {"charge": "payment", "refund": "refund", "dispute": "dispute"}
"""By the object that a movement comes from. A failed refund is a refund's second movement, with the opposite sign."""
_FEES = frozenset(("stripe_fee", "stripe_fx_fee", "tax_fee"))


def entries(movement: Answer) -> list[Entry]:
    """Of a balance transaction with its source expanded: what moved, and what Stripe kept of it. In the currency of the balance."""
    source = _part(movement, "source") or {}
    kind = "fee" if _word(movement, "type") in _FEES else _KINDS.get(_word(source, "object"), "other")
    about = _text(movement, "id") if kind in ("fee", "other") else _subject(source)
    moved = [(kind, _whole(movement, "amount")), ("fee", -_whole(movement, "fee"))]
    currency = _text(movement, "currency").upper()
    at = _instant(movement, "created")
    deposit = _word(_metadata(source), DEPOSIT) or None
    return [
        Entry(kind, about, deposit, to_micros(minor, currency), currency, at)
        for kind, minor in moved
        if minor
    ]


def _subject(source: Answer) -> str:
    """A charge goes by its payment intent, as `Payment.payment_id` does."""
    intent = _id(source.get("payment_intent")) if source.get("object") == "charge" else None
    return intent or _text(source, "id")


# Fields -------------------------------------------------------------------------------------------------------------------


def _part(of: Answer | None, name: str) -> Answer | None:
    """An object that was asked for in full; None where there is none yet."""
    found = of.get(name) if of else None
    if found is not None and not isinstance(found, dict):
        raise ProcessorRefused(f"Stripe left out the {name} that was asked for.")
    return found


def _agreed(name: str, kind: type[T], *objects: Answer | None) -> T:
    """What all of them say under one name."""
    first, *others = [one.get(name) for one in objects if one is not None]
    if not isinstance(first, kind) or any(one != first for one in others):
        raise ProcessorRefused(f"Session, payment and charge do not agree on {name}.")
    return first


def _metadata(of: Answer) -> Answer:
    found = of.get("metadata")
    return found if isinstance(found, dict) else {}


def _id(reference: object) -> str | None:
    """Of an object that may be expanded."""
    found = reference.get("id") if isinstance(reference, dict) else reference
    return found if isinstance(found, str) else None


def _word(of: Answer | None, name: str) -> str:
    """Empty where there is none."""
    found = of.get(name) if of else None
    return found if isinstance(found, str) else ""


def _text(of: Answer, name: str) -> str:
    found = _word(of, name)
    if not found:
        raise ProcessorRefused(f"What Stripe answered has no {name}.")
    return found


def _whole(of: Answer, name: str) -> int:
    found = of.get(name)
    if type(found) is not int:
        raise ProcessorRefused(f"What Stripe answered has no {name}.")
    return found


def _instant(of: Answer, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(_whole(of, name), UTC)
    except (ValueError, OverflowError, OSError):
        raise ProcessorRefused(f"What Stripe answered has no {name}.") from None


def _rows(of: Answer, name: str) -> list[Answer]:
    found = of.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
