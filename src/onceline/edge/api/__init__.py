"""/api/v1, one file per resource."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from onceline.edge.body import StrictRoute
from onceline.edge.problems import Problem

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "A refusal; `code` says which (docs: problems)."},
    "503": {"model": Problem, "description": "Ours to mend; send the same request again after Retry-After."},
}


def router(tag: str) -> APIRouter:
    return APIRouter(prefix="/api/v1", tags=[tag], route_class=StrictRoute, responses=PROBLEMS)
