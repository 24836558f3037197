"""Debian's Chromium, and what every page in it is watched for: foreign origins, errors, refusals by the page's own policy."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
    WebSocket,
    sync_playwright,
)

from tests.browser import axe

PROGRAM = "chromium"
OURS = {"session", "csrf", "language"}
"""Every cookie that the desk may set (promise P4)."""
WAIT_MS = 10_000
_OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_TELL_REFUSALS = """
document.addEventListener("securitypolicyviolation", found =>
    console.error(`refused by policy: ${found.violatedDirective} ${found.blockedURI} ${found.sourceFile}:${found.lineNumber}`));
"""


def missing() -> str | None:
    """What these tests lack on this machine, in one sentence; none if they can run."""
    if not shutil.which(PROGRAM):
        return f"{PROGRAM} is not installed (.ci/install brings it)"
    if not axe.SCRIPT.is_file():
        return "axe-core is not installed (.ci/install brings it)"
    return None


@contextmanager
def launched() -> Iterator[Browser]:
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(PROGRAM), args=[*_OPTIONS, *as_root]
        )
        yield browser
        browser.close()


@dataclass
class Watched:
    """A browser's own profile, with its own cookies. `faults` is what no page of ours may do."""

    context: BrowserContext
    base: str
    faults: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(WAIT_MS)
        self.context.add_init_script(_TELL_REFUSALS)
        self.context.on("request", self._asked)
        self.context.on("requestfailed", self._failed)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self._note(f"script: {error.error}"))
        self.context.on("dialog", self._opened)
        self.context.on("page", lambda page: page.on("websocket", self._connected))

    def allow(self, *patterns: str) -> None:
        """This test causes these on purpose."""
        self.allowed += patterns

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.goto(self.base + path)
        return page

    def become(self, session: str) -> None:
        """Logged in, without the way there."""
        self.context.add_cookies([{"name": "session", "value": session, "url": self.base}])

    def end(self) -> list[str]:
        """Closes it; returns what was wrong."""
        strangers = {str(cookie["name"]) for cookie in self.context.cookies()} - OURS
        self.faults += [f"cookie: {name}" for name in sorted(strangers)]
        self.context.close()
        return [one for one in self.faults if not any(re.search(known, one) for known in self.allowed)]

    def _note(self, fault: str) -> None:
        self.faults.append(fault)

    def _asked(self, request: Request) -> None:
        if origin(request.url) != self.base:
            self._note(f"foreign origin: {request.url[:200]}")

    def _connected(self, socket: WebSocket) -> None:
        if origin(socket.url).replace("ws:", "http:") != self.base:
            self._note(f"foreign origin: {socket.url[:200]}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that was left
            self._note(f"failed: {request.method} {request.url} {request.failure}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text[:300]} ({message.location.get('url', '')})")

    def _opened(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.type} {dialog.message[:100]}")
        try:
            dialog.dismiss()
        except Error:
            return  # its page has gone


def origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def watched(browser: Browser, base: str, **options: Any) -> Watched:
    return Watched(browser.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options}), base)
