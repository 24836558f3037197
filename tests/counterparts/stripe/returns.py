"""Money that goes back: refunds with their limits and every status, disputes with theirs, and the warnings before them."""

from __future__ import annotations

from tests.counterparts.stripe.forms import Refusal, Tree, need, only, whole
from tests.counterparts.stripe.realm import Object, Realm

REFUND = ("amount", "charge", "metadata", "payment_intent", "reason")
DISPUTE_FEE = 1500


def refund(realm: Realm, asked: Tree) -> Object:
    only(asked, REFUND)
    charge = _charge_of(realm, asked)
    left = charge["amount"] - charge["amount_refunded"]
    minor = whole(asked.get("amount", left or 1), "amount")
    _check_refund(realm, charge, minor, left)
    fields = {"failure_reason": None, "pending_reason": None, **realm.knobs["refunds"]}
    made = realm.add(
        "re", "refund", amount=minor, charge=charge["id"], currency=charge["currency"], payment_intent=charge["payment_intent"],
        metadata=asked.get("metadata", {}), reason=asked.get("reason"), failure_balance_transaction=None, **fields,
    )  # fmt: skip
    del made["livemode"]
    made["balance_transaction"] = realm.move("refund", "refund", made, -minor)["id"]
    charge["amount_refunded"] += minor
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    realm.emit("refund.created", made)
    realm.emit("charge.refunded", charge)
    if made["status"] in ("failed", "canceled"):
        _take_back(realm, made)
    return made


def _charge_of(realm: Realm, asked: Tree) -> Object:
    if "charge" in asked:
        return realm.get(asked["charge"], "charge")
    intent = realm.get(need(asked, "payment_intent"), "payment_intent")
    if intent["status"] != "succeeded":
        raise Refusal("This PaymentIntent does not have a successful charge to refund.", saved=True)
    return realm.get(intent["latest_charge"], "charge")


def _check_refund(realm: Realm, charge: Object, minor: int, left: int) -> None:
    if any(one["status"] not in ("won", "warning_closed") and one["balance_transactions"]
           for one in realm.all("dispute", charge=charge["id"])):  # fmt: skip
        raise Refusal(f"Charge {charge['id']} has been charged back.", "charge_disputed", saved=True)
    if not left:
        raise Refusal(
            f"Charge {charge['id']} has already been refunded.", "charge_already_refunded", saved=True
        )
    if minor > left:
        raise Refusal(
            f"Refund amount ({minor}) is greater than unrefunded amount on charge ({left})",
            param="amount",
            saved=True,
        )


def change_refund(realm: Realm, made: Object, status: str, reason: str | None = None) -> Object:
    """`failed` may come days after `succeeded`."""
    if made["status"] in ("failed", "canceled"):
        raise Refusal("This refund is over.")
    made |= {"status": status, "pending_reason": None}
    if status == "failed":
        made["failure_reason"] = reason or "unknown"
    if status in ("failed", "canceled"):
        _take_back(realm, made)
    realm.emit("refund.updated", made)
    if status == "failed":
        realm.emit("refund.failed", made)
    return made


def _take_back(realm: Realm, made: Object) -> None:
    moved = realm.move("refund_failure", "refund_failure", made, made["amount"])
    made["failure_balance_transaction"] = moved["id"]
    charge = realm.get(made["charge"], "charge")
    charge["amount_refunded"] -= made["amount"]
    charge["refunded"] = False


def dispute(realm: Realm, charge: Object, status: str = "needs_response", minor: int | None = None) -> Object:
    made = realm.add(
        "du", "dispute", amount=minor or charge["amount"], balance_transactions=[], charge=charge["id"],
        currency=charge["currency"], is_charge_refundable=status.startswith("warning_"), metadata={},
        payment_intent=charge["payment_intent"], reason="fraudulent", status=status,
    )  # fmt: skip
    charge["disputed"] = True
    realm.emit("charge.dispute.created", made)
    if not status.startswith("warning_"):
        _withdraw(realm, made)
    return made


def change_dispute(realm: Realm, made: Object, status: str) -> Object:
    if made["status"] in ("won", "lost", "warning_closed"):
        raise Refusal("This dispute is over.")
    made["status"] = status
    closed = status in ("won", "lost", "warning_closed", "prevented")
    realm.emit(f"charge.dispute.{'closed' if closed else 'updated'}", made)
    if status == "won":
        made["balance_transactions"].append(
            realm.move("adjustment", "dispute_reversal", made, made["amount"])
        )
        realm.emit("charge.dispute.funds_reinstated", made)
    elif status in ("needs_response", "lost") and not made["balance_transactions"]:
        _withdraw(realm, made)
    return made


def warning(realm: Realm, charge: Object, reason: str = "made_with_stolen_card") -> Object:
    """The card's bank takes the charge for fraud; it takes no money."""
    made = realm.add(
        "issfr", "radar.early_fraud_warning", actionable=not charge["refunded"] and not charge["disputed"], charge=charge["id"],
        fraud_type=reason, payment_intent=charge["payment_intent"],
    )  # fmt: skip
    realm.emit("radar.early_fraud_warning.created", made)
    return made


def _withdraw(realm: Realm, made: Object) -> None:
    made["is_charge_refundable"] = False
    made["balance_transactions"].append(
        realm.move("adjustment", "dispute", made, -made["amount"], DISPUTE_FEE)
    )
    realm.emit("charge.dispute.funds_withdrawn", made)
