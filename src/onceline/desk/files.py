"""Static files under addresses that carry their content's digest, so that a browser may keep them for a year."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage


class Versioned(StaticFilesStorage):
    """/static/desk/desk.css?v=… - nothing has to be collected, and a changed file has another address."""

    def url(self, name: str | None) -> str:
        return f"{super().url(name)}?v={_digest(name)}" if name else super().url(name)


@cache
def _digest(name: str) -> str:
    found = finders.find(name)
    assert found, f"no static file {name}"
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()[:12]
