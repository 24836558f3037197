"""The test's own door to the fake: what payers, banks and Stripe itself do, faults to come, and what was asked.

    POST /control/{verb}, JSON in and out; `key` names the account's mode, sk_test_onceline where it is left out.

`knobs` (realm.KNOBS), `fault` (asked, how, times), `endpoint` (url, secrets), `pay` (session, card, minor), `settle` (session, ok),
`expire` (session), `refund` (refund, status, reason), `dispute` (intent, status, minor), `dispute_change` (dispute, status),
`warn` (intent; an early fraud warning, of which `radar.early_fraud_warning.created` tells),
`set` (id, fields), `payout` (minor), `prune`, `advance` (seconds), `sign` (event, secret, at), `events` (kind, most), `send` (event), `flush`,
`idle`, `deliveries`, `asked`, `headers`, `reset`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.counterparts.stripe import payments, returns
from tests.counterparts.stripe.deliveries import Deliveries, envelope
from tests.counterparts.stripe.forms import Refusal
from tests.counterparts.stripe.realm import Realm, shown

TEST, LIVE = "sk_test_onceline", "sk_live_onceline"
Told = dict[str, Any]


class State:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.realms = {TEST: Realm(live=False), LIVE: Realm(live=True)}
        self.deliveries = Deliveries()


state = State()


async def control(request: Request) -> JSONResponse:
    verb, told = request.path_params["verb"], await request.json()
    realm = state.realms[told.get("key", TEST)]
    try:
        answer = await _waiting(verb) if verb in ("flush", "idle") else VERBS[verb](realm, told)
    except Refusal as refused:
        return JSONResponse({"error": refused.error}, 400)
    state.deliveries.take(realm)
    return JSONResponse(answer)


async def _waiting(verb: str) -> Any:
    await (state.deliveries.flush() if verb == "flush" else state.deliveries.idle())
    return state.deliveries.log


def _knobs(realm: Realm, told: Told) -> Any:
    realm.knobs |= told["set"]
    return realm.knobs


def _fault(realm: Realm, told: Told) -> Any:
    realm.faults.append({"asked": told["asked"], "how": told["how"], "times": told.get("times", 1)})
    return realm.faults


def _endpoint(realm: Realm, told: Told) -> Any:
    realm.endpoints.append({"url": told["url"], "secrets": told["secrets"]})
    return realm.endpoints


def _pay(realm: Realm, told: Told) -> Any:
    session = realm.get(told["session"], "checkout.session")
    return shown(payments.pay(realm, session, told.get("card", "ok"), told.get("minor")))


def _settle(realm: Realm, told: Told) -> Any:
    return shown(payments.settle(realm, realm.get(told["session"], "checkout.session"), told["ok"]))


def _expire(realm: Realm, told: Told) -> Any:
    return shown(payments.expire(realm, realm.get(told["session"], "checkout.session")))


def _refund(realm: Realm, told: Told) -> Any:
    made = realm.get(told["refund"], "refund")
    return shown(returns.change_refund(realm, made, told["status"], told.get("reason")))


def _dispute(realm: Realm, told: Told) -> Any:
    intent = realm.get(told["intent"], "payment_intent")
    charge = realm.get(intent["latest_charge"], "charge")
    return shown(returns.dispute(realm, charge, told.get("status", "needs_response"), told.get("minor")))


def _dispute_change(realm: Realm, told: Told) -> Any:
    return shown(returns.change_dispute(realm, realm.get(told["dispute"], "dispute"), told["status"]))


def _warn(realm: Realm, told: Told) -> Any:
    intent = realm.get(told["intent"], "payment_intent")
    return shown(returns.warning(realm, realm.get(intent["latest_charge"], "charge")))


def _set(realm: Realm, told: Told) -> Any:
    """A lie: fields of an object as they never were."""
    realm.objects[told["id"]] |= told["fields"]
    return shown(realm.objects[told["id"]])


def _payout(realm: Realm, told: Told) -> Any:
    made = realm.add("po", "payout", amount=told["minor"], currency=told.get("currency", "usd"))
    return shown(realm.move("payout", "payout", made, -told["minor"]))


def _prune(realm: Realm, _: Told) -> Any:
    realm.saved.clear()
    return {}


def _advance(realm: Realm, told: Told) -> Any:
    realm.shift += told["seconds"]
    payments.run_out(realm)
    return realm.now()


def _sign(realm: Realm, told: Told) -> Any:
    """As it would be delivered now, or at another instant, or by somebody who knows another secret."""
    event = realm.get(told["event"], "event")
    headers, body = envelope(event, told["secrets"], int(told.get("at", realm.now())))
    return {"headers": headers, "body": body.decode()}


def _events(realm: Realm, told: Told) -> Any:
    """The oldest first; of those whose type begins so, and of these the last so many."""
    found = [one for one in reversed(realm.all("event")) if one["type"].startswith(told.get("kind", ""))]
    return [shown(one) for one in found[-told.get("most", len(found)) :]]


def _send(realm: Realm, told: Told) -> Any:
    state.deliveries.send(realm, realm.get(told["event"], "event"))
    return {}


def _reset(_: Realm, __: Told) -> Any:
    state.reset()
    return {}


VERBS: dict[str, Callable[[Realm, Told], Any]] = {
    "knobs": _knobs, "fault": _fault, "endpoint": _endpoint, "pay": _pay, "settle": _settle, "expire": _expire, "refund": _refund,
    "dispute": _dispute, "dispute_change": _dispute_change, "warn": _warn, "set": _set, "payout": _payout, "prune": _prune,
    "advance": _advance, "sign": _sign, "events": _events, "send": _send, "reset": _reset,
    "deliveries": lambda realm, told: state.deliveries.log,
    "asked": lambda realm, told: realm.asked,
    "headers": lambda realm, told: realm.headers,
}  # fmt: skip
