"""Whether this process lives (/healthz), may be sent work (/readyz), and what it measured (/metrics)."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from onceline.core.errors import KeyRefused
from onceline.edge.house import AnyHouse

routes = APIRouter(include_in_schema=False)


@routes.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers; says nothing about the database."""
    return {"status": "ok"}


@routes.get("/readyz")
async def readyz(house: AnyHouse) -> Response:
    """200 when the database answers, else 503."""
    await house.commands.run_statement(lambda tx: tx.one("select 1 as one"))
    return JSONResponse({"status": "ready"})


@routes.get("/metrics")
async def metrics(request: Request, house: AnyHouse) -> Response:
    """Prometheus text. Keep it from the outside: by the proxy, or by ONCELINE_METRICS_TOKEN."""
    token = house.settings.metrics_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token and not secrets.compare_digest(token.encode(), given.encode()):
        raise KeyRefused("/metrics asks for its own bearer token.")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
