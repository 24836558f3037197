"""A BTCPay Server as its documentation describes it, in a process of its own: one store's invoices, payments, webhooks.

    python -m uvicorn tests.counterparts.btcpay.app:app --host 127.0.0.1 --port PORT

Written from the published API description alone; shares no line with Onceline. `/control` is the test's own door: GET tells
the books, POST pays, confirms, expires, marks, lies, and makes the next requests fail (`process.py` has the words).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from decimal import Decimal
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

KNOBS: dict[str, Any] = {
    "store": "9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776",
    "api_key": "greenfield-key",
    "webhook": "",
    "secret": "webhook-secret",
    "rate": "50000",
    "version": 2,  # 1: other names in payment methods
    "now": None,
    "hang_s": 30.0,
    # of callbacks
    "copies": 1,
    "delay_s": 0.0,
    "drop": False,
    "hold": False,
    "key": "right",
    "tamper": {},
    "again_s": 0.1,
    "tries": 3,
}


class Books:
    def __init__(self) -> None:
        self.knobs = dict(KNOBS)
        self.invoices: dict[str, dict[str, Any]] = {}
        self.payments: dict[str, list[dict[str, Any]]] = {}
        self.faults: list[dict[str, Any]] = []
        self.asked: dict[str, int] = {}
        self.requests: list[dict[str, Any]] = []
        self.held: list[dict[str, Any]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def now(self) -> int:
        return int(self.knobs["now"] if self.knobs["now"] is not None else time.time())


BOOKS = Books()


# What invoices become --------------------------------------------------------------------------------------------------


def weigh(invoice: dict[str, Any]) -> None:
    """Status and additional status by what was paid, as the documentation has them."""
    counted = [one for one in BOOKS.payments[invoice["id"]] if one["status"] != "Invalid"]
    worth = sum((Decimal(one["value"]) * Decimal(one["rate"]) for one in counted), Decimal(0))
    due = Decimal(invoice["amount"])
    invoice["paidAmount"] = str(worth)
    if invoice["additionalStatus"] == "Marked" or invoice["status"] == "Invalid":
        return
    is_late = invoice["status"] == "Expired"
    if worth < due:
        invoice["additionalStatus"] = "PaidPartial" if counted else "None"
    elif is_late:
        invoice["additionalStatus"] = "PaidLate"
    else:
        invoice["additionalStatus"] = "PaidOver" if worth > due else "None"
        is_settled = all(one["status"] == "Settled" for one in counted)
        become(invoice, "Settled" if is_settled else "Processing")


def become(invoice: dict[str, Any], status: str, **said: Any) -> None:
    if invoice["status"] != status:
        invoice["status"] = status
        tell(invoice, f"Invoice{status}", **said)


# Telling ---------------------------------------------------------------------------------------------------------------


def tell(invoice: dict[str, Any], kind: str, **said: Any) -> None:
    delivery = uuid.uuid4().hex
    event = {
        "deliveryId": delivery, "webhookId": "hook", "originalDeliveryId": delivery, "isRedelivery": False, "type": kind,
        "timestamp": BOOKS.now(), "storeId": invoice["storeId"], "invoiceId": invoice["id"], **said,
    }  # fmt: skip
    if BOOKS.knobs["hold"]:
        BOOKS.held.append(event)
    elif BOOKS.knobs["webhook"] and not BOOKS.knobs["drop"]:
        for _ in range(BOOKS.knobs["copies"]):
            task = asyncio.get_running_loop().create_task(deliver(event))
            BOOKS.tasks.add(task)
            task.add_done_callback(BOOKS.tasks.discard)


async def deliver(event: dict[str, Any]) -> None:
    """Failed ones come again, as deliveries of their own that name the first."""
    await asyncio.sleep(BOOKS.knobs["delay_s"])
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        for attempt in range(BOOKS.knobs["tries"]):
            again = {"deliveryId": uuid.uuid4().hex, "isRedelivery": True} if attempt else {}
            if await accepted(http, {**event, **again}):
                return
            await asyncio.sleep(BOOKS.knobs["again_s"])


async def accepted(http: httpx.AsyncClient, event: dict[str, Any]) -> bool:
    body = json.dumps(event, indent=2).encode()
    key = BOOKS.knobs["secret"] if BOOKS.knobs["key"] == "right" else "another"
    signature = f"sha256={hmac.new(key.encode(), body, 'sha256').hexdigest()}"
    body = json.dumps({**event, **BOOKS.knobs["tamper"]}, indent=2).encode()
    headers = {"content-type": "application/json", "BTCPay-Sig": signature}
    try:
        return (await http.post(BOOKS.knobs["webhook"], content=body, headers=headers)).is_success
    except httpx.HTTPError:
        return False


# The API ---------------------------------------------------------------------------------------------------------------


def missing() -> JSONResponse:
    return JSONResponse({"code": "invoice-not-found", "message": "The invoice was not found"}, 404)


def create(asked: dict[str, Any], url: str) -> Response:
    if Decimal(asked["amount"]) < 0:
        return JSONResponse([{"path": "amount", "message": "The amount should be 0 or more."}], 422)
    name = uuid.uuid4().hex[:22]
    minutes = int(asked["checkout"]["expirationMinutes"])
    BOOKS.payments[name] = []
    BOOKS.invoices[name] = {
        "id": name, "storeId": BOOKS.knobs["store"], "amount": asked["amount"], "paidAmount": "0", "currency": asked["currency"],
        "type": "Standard", "checkoutLink": f"{url}/i/{name}", "createdTime": BOOKS.now(),
        "expirationTime": BOOKS.now() + 60 * minutes, "monitoringExpiration": BOOKS.now() + 60 * minutes + 86_400,
        "status": "New", "additionalStatus": "None", "availableStatusesForManualMarking": ["Settled", "Invalid"],
        "archived": False, "metadata": asked["metadata"], "checkout": asked["checkout"],
    }  # fmt: skip
    tell(BOOKS.invoices[name], "InvoiceCreated")
    return JSONResponse(BOOKS.invoices[name])


def listed(request: Request) -> Response:
    query = request.query_params
    orders = query.getlist("orderId")
    first, last = int(query.get("startDate", 0)), int(query.get("endDate", 2**40))
    found = [
        one
        for one in BOOKS.invoices.values()
        if (not orders or one["metadata"].get("orderId") in orders) and first <= one["createdTime"] <= last
    ]
    found.sort(key=lambda one: -one["createdTime"])
    skip = int(query.get("skip", 0))
    return JSONResponse(found[skip : skip + int(query.get("take", 50))])


def methods(name: str) -> Response:
    old = BOOKS.knobs["version"] == 1
    kinds = sorted({(one["method"], one["asset"], one["rate"]) for one in BOOKS.payments[name]})
    return JSONResponse(
        [
            {
                ("paymentMethod" if old else "paymentMethodId"): method,
                ("cryptoCode" if old else "currency"): asset,
                "destination": "bc1qdestination", "rate": rate, "due": "0", "amount": "0", "activated": True,
                "payments": [
                    {key: one[key] for key in ("id", "receivedDate", "value", "fee", "status")}
                    for one in BOOKS.payments[name] if one["method"] == method
                ],
            }
            for method, asset, rate in kinds
        ]
    )  # fmt: skip


async def api(request: Request) -> Response:
    name, rest = request.path_params.get("invoice", ""), request.path_params.get("rest", "")
    what = f"{request.method} {rest or ('invoice' if name else 'invoices')}"
    BOOKS.asked[what] = BOOKS.asked.get(what, 0) + 1
    how = next_fault(what)
    if how.endswith("_before"):
        return await fail(how)
    if request.headers.get("authorization") != f"token {BOOKS.knobs['api_key']}":
        return JSONResponse({"code": "unauthenticated", "message": "Authentication is required"}, 401)
    if request.path_params["store"] != BOOKS.knobs["store"]:
        return JSONResponse({"code": "missing-permission", "message": "Insufficient API Permissions"}, 403)
    answer = await perform(request, name, rest)
    return await fail(how) if how else answer


async def perform(request: Request, name: str, rest: str) -> Response:
    if request.method == "POST":
        asked = await request.json()
        BOOKS.requests.append(asked)
        return create(asked, f"http://{request.headers['host']}")
    if not name:
        return listed(request)
    if name not in BOOKS.invoices:
        return missing()
    return methods(name) if rest else JSONResponse(BOOKS.invoices[name])


# Faults and the test's door --------------------------------------------------------------------------------------------


class Cut(Response):
    """An answer that breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})
        raise ConnectionError


def next_fault(what: str) -> str:
    for fault in BOOKS.faults:
        if fault["what"] == what and fault["times"] > 0:
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
        return HTMLResponse("<h1>Bad gateway</h1>", 404)
    return JSONResponse({"message": "Internal error"}, int(kind) if kind.isdigit() else 500)


def pay(invoice: dict[str, Any], value: str, **given: Any) -> None:
    count = sum(map(len, BOOKS.payments.values()))
    payment = {
        "id": f"{'ab' * 31}{count:02d}-0", "receivedDate": BOOKS.now(), "value": value, "fee": "0", "status": "Settled",
        "method": "BTC-CHAIN", "asset": "BTC", "rate": BOOKS.knobs["rate"], **given,
    }  # fmt: skip
    is_late = invoice["status"] == "Expired"
    BOOKS.payments[invoice["id"]].append(payment)
    tell(invoice, "InvoiceReceivedPayment", afterExpiration=is_late, paymentMethod=payment["method"])
    if payment["status"] == "Settled":
        tell(invoice, "InvoicePaymentSettled", afterExpiration=is_late, paymentMethod=payment["method"])
    weigh(invoice)


def confirm(invoice: dict[str, Any], status: str) -> None:
    for one in BOOKS.payments[invoice["id"]]:
        if one["status"] == "Processing":
            one["status"] = status
            tell(invoice, "InvoicePaymentSettled")
    weigh(invoice)


def mark(invoice: dict[str, Any], status: str) -> None:
    invoice["additionalStatus"] = "Marked"
    become(invoice, status, manuallyMarked=True)


def obey(wanted: dict[str, Any]) -> None:
    BOOKS.knobs.update(wanted.get("set", {}))
    BOOKS.faults += wanted.get("faults", [])
    invoice = BOOKS.invoices.get(wanted.get("of", ""))
    if not invoice:
        return
    match wanted["do"]:
        case "pay":
            pay(invoice, **wanted["with"])
        case "confirm":
            confirm(invoice, wanted["with"].get("status", "Settled"))
        case "mark":
            mark(invoice, wanted["with"]["status"])
        case "become":
            become(invoice, wanted["with"]["status"])
        case "alter":
            invoice.update(wanted["with"])
        case "lie":
            tell(invoice, wanted["with"].pop("type"), **wanted["with"])


async def control(request: Request) -> Response:
    wanted = await request.json() if request.method == "POST" else {}
    if wanted.get("forget"):
        for task in BOOKS.tasks:
            task.cancel()
        BOOKS.__init__()  # type: ignore[misc]  # everybody holds this one
    obey(wanted)
    if wanted.get("release"):
        BOOKS.held, held = [], BOOKS.held
        for event in reversed(held):
            await deliver(event)
    return JSONResponse(
        {"invoices": list(BOOKS.invoices.values()), "asked": BOOKS.asked, "requests": BOOKS.requests}
    )


STORE = "/api/v1/stores/{store}/invoices"
app = Starlette(
    routes=[
        Route("/control", control, methods=["GET", "POST"]),
        Route(STORE, api, methods=["GET", "POST"]),
        Route(STORE + "/{invoice}", api, methods=["GET"]),
        Route(STORE + "/{invoice}/{rest}", api, methods=["GET"]),
    ]
)
