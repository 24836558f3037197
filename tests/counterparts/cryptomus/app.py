"""A Cryptomus as its documentation describes it, in a process of its own: invoices, read-backs, refunds, lists, callbacks.

    python -m uvicorn tests.counterparts.cryptomus.app:app --host 127.0.0.1 --port PORT

Written from the published rules alone; shares no line with Onceline. `/control` is the test's own door: GET tells the books,
POST changes them, lies, and makes the next requests fail (`process.py` has the words).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

ZONE = timezone(timedelta(hours=3))
KNOBS: dict[str, Any] = {
    "merchant": "8b03432e-385b-4670-8d06-064591096795",
    "payment_key": "pay-key-of-the-fake",
    "payout_key": "payout-key-of-the-fake",
    "refund_key": "payment",  # which of them has to sign refunds
    "refund_says": None,  # {"message": ..} or {"errors": ..}: why refunds are refused
    "refund_lags": False,  # an accepted refund does not show yet
    "per_page": 15,
    "overlap": 0,  # so many lines of a page come again on the next
    "now": None,  # seconds since 1970; else the machine's
    "hang_s": 30.0,
    # of callbacks
    "calls": "",  # goes there instead of where an invoice says
    "copies": 1,
    "delay_s": 0.0,
    "drop": False,
    "hold": False,  # kept until released
    "key": "payment",  # `wrong` signs with another
    "tamper": {},  # fields changed after signing
    "form": "php",  # how it travels: as signed, `escaped`, `loose`, `sign_first`
    "tries": 3,
    "again_s": 0.1,
}
FINAL = {"paid", "paid_over", "wrong_amount", "cancel", "fail", "system_fail", "refund_process", "refund_paid", "refund_fail"}  # fmt: skip


class Books:
    def __init__(self) -> None:
        self.knobs = dict(KNOBS)
        self.invoices: dict[str, dict[str, Any]] = {}
        self.callbacks: dict[str, str] = {}
        self.refunds: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.asked: dict[str, int] = {}
        self.requests: list[dict[str, Any]] = []
        self.held: list[tuple[str, bytes]] = []
        self.told: list[dict[str, Any]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def stamp(self) -> str:
        seconds = self.knobs["now"] if self.knobs["now"] is not None else time.time()
        return datetime.fromtimestamp(seconds, ZONE).isoformat(timespec="seconds")

    def find(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        if found := self.invoices.get(asked.get("uuid") or ""):
            return found
        return next((one for one in self.invoices.values() if one["order_id"] == asked.get("order_id")), None)


BOOKS = Books()


# The published signature -----------------------------------------------------------------------------------------------


def md5_sign(text: bytes, key: str) -> str:
    return hashlib.md5(base64.b64encode(text) + key.encode()).hexdigest()


def php(fields: dict[str, Any]) -> bytes:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    return text.encode()


def callback(fields: dict[str, Any]) -> bytes:
    """As it travels: signed in PHP's form, the signature last, unless a knob says otherwise."""
    knobs = BOOKS.knobs
    key = knobs["payment_key"] if knobs["key"] == "payment" else "another key"
    sign = md5_sign(php(fields), key)
    fields = {**fields, **knobs["tamper"]}
    if knobs["form"] == "sign_first":
        return php({"sign": sign, **fields})
    signed = {**fields, "sign": sign}
    if knobs["form"] == "escaped":
        return json.dumps(signed, separators=(",", ":")).encode()
    if knobs["form"] == "loose":
        return json.dumps(signed, ensure_ascii=False, indent=1).encode()
    return php(signed)


# Telling ---------------------------------------------------------------------------------------------------------------


def tell(invoice: dict[str, Any], lies: dict[str, Any]) -> None:
    url = BOOKS.knobs["calls"] or BOOKS.callbacks.get(invoice["uuid"])
    if not url:
        return
    names = ("uuid", "order_id", "amount", "payment_amount", "merchant_amount", "is_final", "from", "network", "currency",
             "payer_currency", "payer_amount", "additional_data", "txid")  # fmt: skip
    fields = {
        "type": "payment",
        **{name: invoice[name] for name in names},
        "status": invoice["payment_status"],
        **lies,
    }
    if fields["txid"] is None:
        del fields["txid"]
    body = callback(fields)
    if BOOKS.knobs["hold"]:
        BOOKS.held.append((url, body))
    elif not BOOKS.knobs["drop"]:
        for _ in range(BOOKS.knobs["copies"]):
            begin(url, body)


def begin(url: str, body: bytes) -> None:
    task = asyncio.get_running_loop().create_task(deliver(url, body))
    BOOKS.tasks.add(task)
    task.add_done_callback(BOOKS.tasks.discard)


async def deliver(url: str, body: bytes) -> None:
    await asyncio.sleep(BOOKS.knobs["delay_s"])
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        for _ in range(BOOKS.knobs["tries"]):
            status = await attempt(http, url, body)
            BOOKS.told.append({"status": status})
            if 200 <= status < 300:
                return
            await asyncio.sleep(BOOKS.knobs["again_s"])


async def attempt(http: httpx.AsyncClient, url: str, body: bytes) -> int:
    try:
        return (await http.post(url, content=body, headers={"content-type": "application/json"})).status_code
    except httpx.HTTPError:
        return 0


# The API ---------------------------------------------------------------------------------------------------------------


def done(result: Any) -> JSONResponse:
    return JSONResponse({"state": 0, "result": result})


def refused(status: int, **why: Any) -> JSONResponse:
    return JSONResponse({"state": 1, **why}, status)


def create(asked: dict[str, Any]) -> Response:
    missing = {
        name: ["validation.required"] for name in ("amount", "currency", "order_id") if not asked.get(name)
    }
    if missing:
        return refused(422, errors=missing)
    if not str(asked["order_id"]).replace("-", "").replace("_", "").isalnum():
        return refused(422, errors={"order_id": ["validation.alpha_dash"]})
    if not 300 <= int(asked.get("lifetime", 3600)) <= 43_200:
        return refused(422, errors={"lifetime": ["validation.between"]})
    if found := BOOKS.find({"order_id": asked["order_id"]}):
        return done(found)
    name = str(uuid.uuid4())
    BOOKS.invoices[name] = {
        "uuid": name, "order_id": asked["order_id"], "amount": f"{asked['amount']}", "payment_amount": "0.00",
        "payer_amount": None, "discount_percent": None, "discount": "0.00", "payer_currency": None,
        "currency": asked["currency"], "merchant_amount": None, "network": None, "address": None, "from": None, "txid": None,
        "payment_status": "check", "status": "check", "url": f"https://pay.example/pay/{name}",
        "expired_at": int(time.time()) + int(asked.get("lifetime", 3600)), "is_final": False,
        "additional_data": asked.get("additional_data"), "created_at": BOOKS.stamp(), "updated_at": BOOKS.stamp(),
    }  # fmt: skip
    BOOKS.callbacks[name] = asked.get("url_callback", "")
    return done(BOOKS.invoices[name])


def info(asked: dict[str, Any]) -> Response:
    found = BOOKS.find(asked)
    return done(found) if found else refused(422, message="Payment was not found")


def refund(asked: dict[str, Any]) -> Response:
    if why := BOOKS.knobs["refund_says"]:
        return refused(422, **why)
    found = BOOKS.find(asked)
    if found is None:
        return refused(422, message="Payment was not found")
    if not asked.get("address"):
        return refused(422, errors={"address": ["validation.required"]})
    if found["payment_status"] not in ("paid", "paid_over", "wrong_amount") or any(
        one["uuid"] == found["uuid"] for one in BOOKS.refunds
    ):
        return refused(422, message="The refund is not possible")
    BOOKS.refunds.append({"uuid": found["uuid"], **asked})
    if not BOOKS.knobs["refund_lags"]:
        change(found, {"payment_status": "refund_process"})
        tell(found, {})
    return done([])


def listed(asked: dict[str, Any], cursor: str) -> Response:
    first, last = (datetime.strptime(asked[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE) for name in ("date_from", "date_to"))  # fmt: skip
    inside = [
        one for one in BOOKS.invoices.values() if first <= datetime.fromisoformat(one["created_at"]) <= last
    ]
    start, size = int(cursor or 0), BOOKS.knobs["per_page"]
    following = str(start + size - BOOKS.knobs["overlap"]) if start + size < len(inside) else None
    paginate = {"count": len(inside[start : start + size]), "hasPages": len(inside) > size, "perPage": size,
                "nextCursor": following, "previousCursor": None}  # fmt: skip
    return done({"items": inside[start : start + size], "paginate": paginate})


async def api(request: Request) -> Response:
    path, body = request.url.path.strip("/"), await request.body()
    BOOKS.asked[path] = BOOKS.asked.get(path, 0) + 1
    how = next_fault(path)
    if how.endswith("_before"):
        return await fail(how)
    key = BOOKS.knobs[f"{BOOKS.knobs['refund_key'] if path == 'v1/payment/refund' else 'payment'}_key"]
    signed = md5_sign(body, key) == request.headers.get("sign")
    if not signed or request.headers.get("merchant") != BOOKS.knobs["merchant"]:
        return JSONResponse({"message": "Unauthenticated."}, 401)
    asked = json.loads(body) if body else {}
    BOOKS.requests.append({"path": path, **asked})
    answer = perform(path, asked, request.query_params.get("cursor", ""))
    return await fail(how) if how else answer


def perform(path: str, asked: dict[str, Any], cursor: str) -> Response:
    if path == "v1/payment/list":
        return listed(asked, cursor)
    routes = {"v1/payment": create, "v1/payment/info": info, "v1/payment/refund": refund}
    return routes[path](asked) if path in routes else refused(404, message="Not found")


# Faults and the test's door --------------------------------------------------------------------------------------------


class Cut(Response):
    """An answer that breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b'{"state":0,', "more_body": True})
        raise ConnectionError


def next_fault(path: str) -> str:
    for fault in BOOKS.faults:
        if fault["path"] == path and fault["times"] > 0:
            fault["times"] -= 1
            return str(fault["how"])
    return ""


async def fail(how: str) -> Response:
    """What `_before` names happens instead of the work, the rest after it."""
    kind = how.removesuffix("_before")
    if kind == "hang":
        await asyncio.sleep(BOOKS.knobs["hang_s"])
    if kind == "cut":
        return Cut()
    if kind == "html":
        return HTMLResponse("<h1>Just a moment</h1>", 403)
    return JSONResponse({"message": "Server Error"}, int(kind) if kind.isdigit() else 500)


def change(found: dict[str, Any], fields: dict[str, Any]) -> None:
    found.update(fields)
    if "payment_status" in fields:
        found["status"] = found["payment_status"]
        found["is_final"] = fields.get("is_final", found["payment_status"] in FINAL)
    found["updated_at"] = fields.get("updated_at") or BOOKS.stamp()


async def control(request: Request) -> Response:
    wanted = await request.json() if request.method == "POST" else {}
    if wanted.get("forget"):
        for task in BOOKS.tasks:
            task.cancel()
        BOOKS.__init__()  # type: ignore[misc]  # everybody holds this one
    BOOKS.knobs.update(wanted.get("set", {}))
    BOOKS.faults += wanted.get("faults", [])
    for one in wanted.get("change", []):
        found = BOOKS.find(one["of"])
        assert found
        change(found, one["fields"])
        if not one.get("quiet"):
            tell(found, {})
    for one in wanted.get("tell", []):
        found = BOOKS.find(one["of"])
        assert found
        tell(found, one.get("lies", {}))
    if wanted.get("release"):
        BOOKS.held, held = [], BOOKS.held
        for url, body in reversed(held):
            await deliver(url, body)
    return JSONResponse(
        {"invoices": list(BOOKS.invoices.values()), "refunds": BOOKS.refunds, "asked": BOOKS.asked,
         "requests": BOOKS.requests, "told": BOOKS.told}
    )  # fmt: skip


app = Starlette(
    routes=[
        Route("/control", control, methods=["GET", "POST"]),
        Route("/{path:path}", api, methods=["POST"]),
    ]
)
