"""Sessions, payment intents and charges, and what a payer does with them."""

from __future__ import annotations

from typing import Any

from tests.counterparts.stripe import returns
from tests.counterparts.stripe.forms import Refusal, Tree, amount, need, only, whole
from tests.counterparts.stripe.realm import Object, Realm

SESSION = ("adaptive_pricing", "cancel_url", "client_reference_id", "customer_email", "expires_at", "line_items", "metadata",
           "mode", "payment_intent_data", "payment_method_options", "payment_method_types", "success_url")  # fmt: skip
INTENT = ("amount", "automatic_payment_methods", "confirm", "currency", "description", "metadata", "payment_method",
          "payment_method_types", "return_url")  # fmt: skip
CARDS = {
    "pm_card_visa": "ok",
    "pm_card_createDispute": "disputed",
    "pm_card_visa_chargeDeclined": "declined",
    "pm_card_threeDSecureRequired": "3ds_waits",
}
"""Stripe's own test cards, as far as they are played here."""
DECLINES = {"declined": "card_declined", "3ds_fails": "payment_intent_authentication_failure"}


def open_session(realm: Realm, asked: Tree, origin: str) -> Object:
    only(asked, SESSION)
    if need(asked, "mode") != "payment":
        raise Refusal("Only payments are played here.", param="mode")
    need(asked, "success_url")
    lines = need(asked, "line_items")
    currency = str(need(lines[0], "price_data", "currency")).lower()
    need(lines[0], "price_data", "product_data", "name")
    each = amount(
        need(lines[0], "price_data", "unit_amount"), currency, "line_items[0][price_data][unit_amount]"
    )
    total = each * whole(lines[0].get("quantity", 1), "line_items[0][quantity]")
    ends = whole(asked.get("expires_at", realm.now() + 86_400), "expires_at")
    if not realm.now() + 1_800 <= ends <= realm.now() + 86_400:
        raise Refusal(
            "The `expires_at` timestamp must be 30 minutes to 24 hours from now.", param="expires_at"
        )
    session = realm.add(
        "cs_live" if realm.live else "cs_test", "checkout.session", amount_subtotal=total, amount_total=total, currency=currency,
        adaptive_pricing={"enabled": asked.get("adaptive_pricing", {}).get("enabled") == "true"}, expires_at=ends,
        client_reference_id=asked.get("client_reference_id"), metadata=asked.get("metadata", {}), mode="payment",
        payment_intent=None, payment_method_options=asked.get("payment_method_options", {}), payment_method_types=["card"],
        payment_status="unpaid", presentment_details=None, status="open", customer=None, customer_email=None,
        success_url=asked["success_url"], cancel_url=asked.get("cancel_url"),
        _intent_metadata=asked.get("payment_intent_data", {}).get("metadata", {}),
    )  # fmt: skip
    session["url"] = f"{origin}/c/pay/{session['id']}"
    return session


def expire(realm: Realm, session: Object) -> Object:
    if session["status"] != "open":
        raise Refusal('Only Checkout Sessions with a status in ["open"] can be expired.', saved=True)
    session |= {"status": "expired", "url": None}
    realm.emit("checkout.session.expired", session)
    return session


def run_out(realm: Realm) -> None:
    for session in realm.all("checkout.session", status="open"):
        if session["expires_at"] <= realm.now():
            expire(realm, session)


def pay(realm: Realm, session: Object, card: str = "ok", minor: int | None = None) -> Object:
    """`slow` is a method that is final later. Another `minor` than what was asked for is a fault that Stripe never made."""
    if session["status"] != "open":
        raise Refusal("This session cannot be paid any more.")
    if session["payment_intent"] is None:
        wanted = {"amount": session["amount_total"], "currency": session["currency"]}
        session["payment_intent"] = _intent(realm, wanted, session["_intent_metadata"])["id"]
    intent = realm.get(session["payment_intent"], "payment_intent")
    asks = session["payment_method_options"].get("card", {}).get("request_three_d_secure") in (
        "any",
        "challenge",
    )
    confirm(realm, intent, card, minor, asks)
    if intent["status"] in ("succeeded", "processing"):
        session |= {"status": "complete", "url": None}
        session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
        realm.emit("checkout.session.completed", session)
    return session


def settle(realm: Realm, session: Object, ok: bool) -> Object:
    """What became of a slow method."""
    intent = realm.get(session["payment_intent"], "payment_intent")
    if intent["status"] != "processing":
        raise Refusal("Nothing is on its way.")
    if ok:
        _succeed(realm, intent, "ok", intent["amount"], None)
        session["payment_status"] = "paid"
    else:
        _decline(realm, intent, "card_declined")
    realm.emit(f"checkout.session.async_payment_{'succeeded' if ok else 'failed'}", session)
    return session


def open_intent(realm: Realm, asked: Tree) -> Object:
    only(asked, INTENT)
    currency = str(need(asked, "currency")).lower()
    wanted = {"amount": amount(need(asked, "amount"), currency, "amount"), "currency": currency}
    intent = _intent(realm, wanted, asked.get("metadata", {}))
    if asked.get("confirm") == "true":
        card = CARDS.get(str(need(asked, "payment_method")))
        if not card:
            raise Refusal("No such PaymentMethod", "resource_missing", param="payment_method")
        confirm(realm, intent, card, None, asks=False)
        if card in DECLINES:
            raise Refusal(
                "Your card was declined.", DECLINES[card], status=402, kind="card_error", saved=True
            )
    return intent


def _intent(realm: Realm, wanted: Tree, metadata: Tree) -> Object:
    intent = realm.add(
        "pi", "payment_intent", **wanted, amount_received=0, metadata=dict(metadata), status="requires_payment_method",
        latest_charge=None, last_payment_error=None, capture_method="automatic_async",
    )  # fmt: skip
    realm.emit("payment_intent.created", intent)
    return intent


def confirm(realm: Realm, intent: Object, card: str, minor: int | None, asks: bool) -> None:
    match card:
        case "declined" | "3ds_fails":
            _decline(realm, intent, DECLINES[card])
        case "3ds_waits":
            intent["status"] = "requires_action"
            realm.emit("payment_intent.requires_action", intent)
        case "slow":
            intent["status"] = "processing"
            realm.emit("payment_intent.processing", intent)
        case "ok" | "disputed":
            secure = {"result": "authenticated", "version": "2.2.0"} if asks else None
            _succeed(realm, intent, card, minor or intent["amount"], secure)
        case _:
            raise Refusal(f"No such card is played here: {card}")


def _decline(realm: Realm, intent: Object, code: str) -> None:
    charge = _charge(
        realm, intent, intent["amount"], status="failed", paid=False, captured=False, failure_code=code
    )
    intent |= {"status": "requires_payment_method", "latest_charge": charge["id"]}
    intent["last_payment_error"] = {"type": "card_error", "code": code}
    realm.emit("charge.failed", charge)
    realm.emit("payment_intent.payment_failed", intent)


def _succeed(realm: Realm, intent: Object, card: str, minor: int, secure: Any) -> None:
    charge = _charge(realm, intent, minor, status="succeeded", paid=True, captured=True, secure=secure)
    fee = minor * 29 // 1000 + 30
    charge["balance_transaction"] = realm.move("charge", "charge", charge, minor, fee)["id"]
    intent |= {"status": "succeeded", "latest_charge": charge["id"], "amount_received": minor}
    realm.emit("charge.succeeded", charge)
    realm.emit("payment_intent.succeeded", intent)
    if card == "disputed":
        returns.dispute(realm, charge)


def _charge(
    realm: Realm, intent: Object, minor: int, *, status: str, paid: bool, captured: bool,
    failure_code: str | None = None, secure: Any = None,
) -> Object:  # fmt: skip
    return realm.add(
        "ch", "charge", amount=minor, amount_captured=minor if captured else 0, amount_refunded=0, balance_transaction=None,
        captured=captured, currency=intent["currency"], disputed=False, failure_code=failure_code, metadata=dict(intent["metadata"]),
        paid=paid, payment_intent=intent["id"], refunded=False, status=status, review=None,
        payment_method_details={"type": "card", "card": {"brand": "visa", "three_d_secure": secure}},
    )  # fmt: skip
