"""Static files under addresses that carry their content's digest, so that a browser may keep them for a year.

What is asked for by another digest is kept by nobody: while two versions run side by side, a process of the old one is
asked for files of the new one.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]  # it has no types


class Versioned(StaticFilesStorage):
    """/static/desk/desk.css?v=… - nothing has to be collected, and a changed file has another address."""

    def url(self, name: str | None) -> str:
        return f"{super().url(name)}?v={_digest(name)}" if name else super().url(name)


class Served(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    """WhiteNoise with its long time to keep, where the digest in the address is that of the file."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._digests: dict[str, str] = {}
        super().__init__(*given, **named)

    def add_file_to_dictionary(self, url: str, path: str, stat_cache: Any = None) -> None:
        super().add_file_to_dictionary(url, path, stat_cache)
        self._digests[url] = _digest_of(path)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = super().__call__(request)
        asked, known = request.GET.get("v"), self._digests.get(request.path_info)
        if request.path_info.startswith(self.static_prefix) and (known is None or asked != known):
            response.headers["Cache-Control"] = "no-store"
        return response


@cache
def _digest(name: str) -> str:
    found = finders.find(name)
    assert found, f"no static file {name}"
    return _digest_of(found)


def _digest_of(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
