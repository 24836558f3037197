"""A Stripe of our own, as a process of its own: what deposits by Checkout need of the API, answered to the official SDK.

    python -m uvicorn tests.counterparts.stripe.app:app --host 127.0.0.1 --port PORT

Written from Stripe's public documentation alone; shares no line with Onceline. The account's keys are sk_test_onceline and
sk_live_onceline, of which each sees its own mode. `/control/…` is the test's own door (control.py); `/c/pay/…` the page of a payer.
Promised: a POST with a key is done once and answered alike for a day, also with a 500 (https://docs.stripe.com/api/idempotent_requests).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.counterparts.stripe import payments, returns
from tests.counterparts.stripe.control import control, state
from tests.counterparts.stripe.forms import Refusal, Tree, tree, whole
from tests.counterparts.stripe.realm import KEPT_S, Object, Realm, Saved

FILTERS = {
    "checkout/sessions": ("checkout.session", ("payment_intent", "status")),
    "payment_intents": ("payment_intent", ()),
    "charges": ("charge", ("payment_intent",)),
    "refunds": ("refund", ("payment_intent", "charge")),
    "disputes": ("dispute", ("payment_intent", "charge")),
    "radar/early_fraud_warnings": ("radar.early_fraud_warning", ("payment_intent", "charge")),
    "balance_transactions": ("balance_transaction", ("source", "type")),
    "events": ("event", ("type",)),
}
"""What can be read and listed, and by what."""

Answer = tuple[int, Object]


# Done once for a key.


async def api(request: Request) -> Response:
    path, text = request.path_params["path"], (await request.body()).decode()
    realm = _realm(request)
    if realm is None:
        return _answer(
            401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
        )
    realm.asked.append(f"{request.method} {path}")
    realm.headers = dict(request.headers)
    if any(path.startswith(one) for one in realm.knobs["forbidden"]):
        return _answer(
            403, {"error": {"type": "invalid_request_error", "message": "The key may not do that."}}
        )
    how = _fault(realm, f"{request.method} {path}")
    if how in BEFORE:
        return BEFORE[how]()
    asked = tree(text if request.method == "POST" else str(request.url.query))
    key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
    (status, body), replayed = _once(realm, key, (path, text), lambda: _do(request, realm, path, asked, how))
    state.deliveries.take(realm)
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return await _spoil(how, realm, _answer(status, body, headers | realm.knobs["headers"]))


def _realm(request: Request) -> Realm | None:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    realm = state.realms.get(key)
    return None if realm is None or realm.knobs["key_revoked"] else realm


def _once(
    realm: Realm, key: str, asked: tuple[str, str], work: Callable[[], tuple[Answer, bool]]
) -> tuple[Answer, bool]:
    """The answer, and whether it is an old one."""
    if len(key) > 255:
        return (
            400,
            {"error": Refusal("Idempotency keys can only be up to 255 characters in length").error},
        ), False
    found = realm.saved.get(key) if key else None
    if found and found.at + KEPT_S < realm.now():
        found = None
    if found and found.asked != asked:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return (400, {"error": {"type": "idempotency_error", "message": message}}), False
    if found:
        return (found.status, found.body), True
    answer, is_saved = work()
    if key and is_saved:
        realm.saved[key] = Saved(asked, realm.now(), *answer)
    return answer, False


def _do(request: Request, realm: Realm, path: str, asked: Tree, how: str) -> tuple[Answer, bool]:
    """The answer, and whether the work had begun, so that it is kept."""
    fault: Answer = (500, {"error": {"type": "api_error", "message": "An unknown error occurred"}})
    if how == "500_before":
        return fault, True
    try:
        payments.run_out(realm)
        found = (
            _post(realm, path, asked, str(request.base_url))
            if request.method == "POST"
            else _get(realm, path, asked)
        )
        answer = realm.show(found, _expanded(asked)) if found["object"] != "list" else found
    except Refusal as refused:
        return (refused.status, {"error": refused.error}), refused.saved
    return (fault if how == "500" else (200, answer | realm.knobs["body"])), True


def _post(realm: Realm, path: str, asked: Tree, origin: str) -> Object:
    match path.split("/"):
        case ["checkout", "sessions"]:
            return payments.open_session(realm, asked, origin.rstrip("/"))
        case ["checkout", "sessions", id, "expire"]:
            return payments.expire(realm, realm.get(id, "checkout.session"))
        case ["payment_intents"]:
            return payments.open_intent(realm, asked)
        case ["refunds"]:
            return returns.refund(realm, asked)
    raise Refusal(f"Unrecognized request URL (POST: /v1/{path}).", status=404)


def _get(realm: Realm, path: str, asked: Tree) -> Object:
    if path in FILTERS:
        return _listed(realm, path, asked)
    folder, _, id = path.rpartition("/")
    if folder not in FILTERS:
        raise Refusal(f"Unrecognized request URL (GET: /v1/{path}).", status=404)
    return realm.get(id, FILTERS[folder][0])


def _listed(realm: Realm, path: str, asked: Tree) -> Object:
    kind, names = FILTERS[path]
    found = realm.all(kind, **{name: asked[name] for name in names if name in asked})
    for side, holds in (("gte", int.__ge__), ("gt", int.__gt__), ("lte", int.__le__), ("lt", int.__lt__)):
        bound = asked["created"].get(side) if isinstance(asked.get("created"), dict) else None
        found = [one for one in found if bound is None or holds(one["created"], int(bound))]
    if after := asked.get("starting_after"):
        found = found[[one["id"] for one in found].index(after) + 1 :]
    most = whole(asked.get("limit", 10), "limit")
    expand = [path.removeprefix("data.") for path in _expanded(asked)]
    data = [realm.show(one, expand) for one in found[:most]]
    return {"object": "list", "url": f"/v1/{path}", "has_more": len(found) > most, "data": data}


def _expanded(asked: Tree) -> list[str]:
    found = asked.get("expand", [])
    return list(found.values()) if isinstance(found, dict) else list(found)


# Faults.


class _Cut(Response):
    """An answer of which nothing comes but its head."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9999")]})


def _fault(realm: Realm, asked: str) -> str:
    for fault in realm.faults:
        if asked.startswith(fault["asked"]) and fault["times"] > 0:
            fault["times"] -= 1
            return str(fault["how"])
    return ""


BEFORE: dict[str, Callable[[], Response]] = {
    "cut_before": _Cut,
    "409": lambda: _answer(
        409, {"error": {"type": "invalid_request_error", "code": "idempotency_key_in_use", "message": "x"}}
    ),
    "429": lambda: _answer(
        429, {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "x"}}
    ),
    "html": lambda: HTMLResponse("<h1>502 Bad Gateway</h1>", 502),
    "odd": lambda: JSONResponse(["what", "is", "this"]),
    "odd_error": lambda: JSONResponse({"error": 7}, 500),
    "large": lambda: Response(b" " * 3_000_000, media_type="application/json"),
}
"""Nothing is done and nothing kept. `500_before` is neither: it is kept, as `500` is, which comes when the work is done."""


async def _spoil(how: str, realm: Realm, answer: Response) -> Response:
    """Faults when the work is done and its answer kept."""
    if how in ("hang", "slow"):
        await asyncio.sleep(realm.knobs[f"{how}_s"])
    return _Cut() if how in ("cut", "hang") else answer


def _answer(status: int, body: Any, more: dict[str, str] | None = None) -> Response:
    headers = {
        "Request-Id": "req_onceline",
        **(more or {}),
    }
    return Response(json.dumps(body), status, headers, "application/json")


# The page of a payer.


async def page(request: Request) -> Response:
    """Buttons for what a payer can do. A card that works leads back to the shop."""
    id = request.path_params["id"]
    realm = next((one for one in state.realms.values() if id in one.objects), None)
    if realm is None or realm.objects[id]["status"] != "open":
        return HTMLResponse("<!doctype html><title>Stripe</title><p>This page has expired.", 404)
    session = realm.objects[id]
    if request.method == "POST":
        payments.pay(realm, session, tree((await request.body()).decode())["card"])
        state.deliveries.take(realm)
    if session["status"] == "complete":
        return RedirectResponse(session["success_url"], 303)
    buttons = "".join(
        f"<button name=card value={card}>{card}</button>" for card in ("ok", "declined", "3ds_fails", "slow")
    )
    return HTMLResponse(
        f"<!doctype html><title>Stripe</title><h1>{session['amount_total']} {session['currency']}</h1>"
        f"<form method=post>{buttons}</form><a href='{session['cancel_url']}'>Back</a>"
    )


Handler = Callable[[Request], Awaitable[Response]]

app = Starlette(
    routes=[
        Route("/v1/{path:path}", api, methods=["GET", "POST"]),
        Route("/c/pay/{id}", page, methods=["GET", "POST"]),
        Route("/control/{verb}", control, methods=["POST"]),
    ]
)
