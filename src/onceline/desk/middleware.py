"""The outermost layer of the desk: the access log's line, the figures, and no private page in a cache."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

from onceline.desk.house import house

PAGES = Histogram(
    "onceline_page_seconds",
    "Time to answer a page of the desk, by route template and status class.",
    ["route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
UNMATCHED = "(unmatched)"
_STATIC = "/static/"


class Door:
    """Writes who asked for what kind of page, never which one (promise P1), and lets no private page into a cache."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        response = self._answer(request)
        if not request.path.startswith(_STATIC):
            response.headers.setdefault("Cache-Control", "no-store")
        self._record(request, response.status_code, time.monotonic() - started)
        return response

    def _record(self, request: HttpRequest, status: int, seconds: float) -> None:
        match = request.resolver_match
        route = f"/{match.route}" if match else _STATIC if request.path.startswith(_STATIC) else UNMATCHED
        PAGES.labels(route, f"{status // 100}xx").observe(seconds)
        address = request.META.get("REMOTE_ADDR", "-")
        house().log.write(
            address=address, method=request.method or "-", route=route, status=status, seconds=seconds
        )
