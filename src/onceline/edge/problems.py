"""Errors on the wire: RFC 9457 problems with a stable `code`, `retryable`, and the figures a client needs."""

from __future__ import annotations

import traceback
from datetime import datetime
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from onceline.core.clock import rfc3339
from onceline.core.errors import OncelineError, Unavailable
from onceline.core.money import format_amount

_LOG = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"

STATUS = {
    "not_found": 404,
    "invalid_input": 422,
    "address_refused": 422,
    "invalid_key": 401,
    "expired_key": 401,
    "revoked_key": 401,
    "insufficient_scope": 403,
    "wrong_mode": 403,
    "account_suspended": 403,
    "out_of_stock": 409,
    "insufficient_balance": 402,
    "spend_cap_reached": 402,
    "price_too_low": 409,
    "prohibited_service": 403,
    "limit_exceeded": 429,
    "idempotency_conflict": 422,
    "cancel_too_early": 409,
    "cancel_too_late": 409,
    "message_received": 409,
    "no_message": 409,
    "confirmation_refused": 422,
    "number_pending": 409,
    "order_closed": 409,
    "export_not_ready": 409,
    "export_gone": 410,
    "link_refused": 403,
    "deposit_not_refundable": 409,
    "voucher_redeemed": 409,
    "resync": 410,
    "database_away": 503,
    "key_store_away": 503,
    "busy": 503,
    "processor_away": 503,
    "restarting": 503,
    "erased": 410,
}
"""Domain code to status. A test holds this table, the error tree and docs/reference/errors.md together."""

DOOR_CODES = {
    "malformed_body": 400,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_key_required": 400,
    "unknown_route": 404,
    "method_not_allowed": 405,
    "internal": 500,
}
"""What only the HTTP door can say."""

_RETRYABLE = {
    "out_of_stock",
    "limit_exceeded",
    "number_pending",
    "cancel_too_early",
    "export_not_ready",
    "database_away",
    "key_store_away",
    "busy",
    "processor_away",
    "restarting",
    "internal",
}
_AMOUNTS = {"missing", "left", "lowest_price", "least", "most"}
_KEY_HEADER = ("header", "Idempotency-Key")
MOST_FAULTS = 20


class Problem(BaseModel):
    """RFC 9457. `code` never changes its meaning; some codes bring figures of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool


class BadRequest(Exception):
    """A request that HTTP itself lets us refuse; `code` is one of DOOR_CODES."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def problem(code: str, detail: str, facts: dict[str, Any] | None = None) -> JSONResponse:
    status = STATUS.get(code) or DOOR_CODES[code]
    figures = {name: _figure(name, value) for name, value in (facts or {}).items()}
    body = {
        "type": f"/api/v1/problems#{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "retryable": code in _RETRYABLE,
        **figures,
    }
    headers = {}
    if "retry_after_s" in figures:
        headers["Retry-After"] = str(figures["retry_after_s"])
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(OncelineError, _domain)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def unforeseen(error: Exception, request_id: str) -> JSONResponse:
    """The answer to a fault of ours. Logged is where it happened, never what the error says: that may quote data."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    _LOG.error("request failed", request_id=request_id, error=type(error).__qualname__, places=places[-12:])
    return problem("internal", "This is our fault; it was logged. Send the same request again.")


async def _domain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OncelineError)
    return of_domain(error)


def of_domain(error: OncelineError) -> JSONResponse:
    """The answer to a command that was refused, or could not be run."""
    if isinstance(error, Unavailable):
        _LOG.warning("request could not be served", code=error.code, cause=type(error.__cause__).__name__)
    return problem(error.code, error.detail, error.facts)


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadRequest)
    return problem(error.code, error.detail)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Every fault with its place; the offending values are not repeated, they may be secrets."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()[:MOST_FAULTS]
    if any(fault["type"] == "missing" and fault["loc"] == _KEY_HEADER for fault in found):
        detail = "Send an Idempotency-Key header, a fresh random one for every new order."
        return problem("idempotency_key_required", detail)
    faults = [{"field": _place(fault["loc"]), "fault": str(fault["msg"])[:200]} for fault in found]
    return problem("invalid_input", f"{faults[0]['field']}: {faults[0]['fault']}.", {"faults": faults})


def _place(steps: tuple[str | int, ...]) -> str:
    """`orders.3.service`; where it names the header, body or query alone, that. Long names are the client's own."""
    return (".".join(str(step) for step in steps[1:]) or str(steps[0]))[:200]


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = problem("method_not_allowed", "This route does not take that method.")
    elif error.status_code == 404:
        answer = problem("unknown_route", "There is no such route; /api/v1/openapi.json lists them all.")
    else:
        answer = problem("malformed_body", str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _figure(name: str, value: Any) -> Any:
    if name in _AMOUNTS:
        return format_amount(value)
    return rfc3339(value) if isinstance(value, datetime) else value
