"""Both languages are whole: what a page says in Chinese holds no sentence that it says in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
from playwright.sync_api import expect

from onceline.core.catalog.model import load_countries, load_services
from tests.browser.conftest import Profiles
from tests.browser.crawl import Crawl, one_of_each
from tests.browser.furniture import KEYS, TEAM, WEBHOOKS
from tests.browser.residents import Residents

SPOKEN = {"aria-label", "placeholder", "title", "alt", "content", "data-say", "data-then"}
LIVE_DATA = {
    "data-live",
    "data-polling",
    "data-offline",
    "data-copied",
    "data-copy-failed",
    "data-title",
    "data-text",
}
SILENT = {"script", "style", "code", "pre", "bdi", "time"}
SILENT_CLASSES = {"outside", "mono", "number", "code", "money", "secret"}
VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "rect",
    "source",
    "track",
    "use",
    "wbr",
    "path",
}
KEPT = {
    "Onceline", "API", "CSV", "JSON", "HTTP", "HTTPS", "SMS", "URL", "UTC", "USD", "curl", "Python", "JavaScript",
    "WebSocket", "Webhooks", "Webhook", "English", "security.txt", "OpenAPI", "width=device-width, initial-scale=1",
    "Sandbox", "Stripe", "Cryptomus",
}  # fmt: skip
"""Names that are the same in every language."""


def test_the_language_is_changed_on_every_page(profiles: Profiles) -> None:
    page = profiles().open("/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator("footer button[name=language][value=zh-hans]").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    page.locator("footer button[name=language][value=en]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_nothing_is_left_in_english(residents: Residents, hers: Crawl, public: Crawl) -> None:
    session = residents.another_session("alice")
    left = set()
    for found, cookies in ((public, {}), (hers, {"session": session})):
        with httpx.Client(
            base_url=residents.house.base, cookies={**cookies, "language": "zh-hans"}, timeout=20
        ) as client:
            for page in one_of_each(found):
                chinese = client.get(page.path).text
                assert '<html lang="zh-hans"' in chinese, page.path
                left |= {one for one in {*_said(page.html)} & {*_said(chinese)} if _is_english(one)}
    assert sorted(left) == []


def _said(html: str) -> Iterator[str]:
    reader = _Reader()
    reader.feed(html)
    return (" ".join(text.split()) for text in reader.said)


def _is_english(text: str) -> bool:
    text = re.sub(r"https?://\S+", "", text)
    for name in _NAMES:
        text = text.replace(name, "")
    return bool(re.search(r"[A-Za-z]{2,}", text))


class _Reader(HTMLParser):
    """What is shown or read out, but for data of customers, samples and figures."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        classes = set(told.get("class", "").split())
        self.said += [value for name, value in told.items() if name in SPOKEN | LIVE_DATA and tag != "meta"]
        if tag not in VOID:
            quiet = tag in SILENT or bool(classes & SILENT_CLASSES) or told.get("lang") == "en"
            self._silent.append(quiet or bool(self._silent and self._silent[-1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Drawings: nothing to read."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._silent:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not (self._silent and self._silent[-1]):
            self.said.append(data)


_NAMES = sorted(
    {
        *KEPT,
        *KEYS,
        *TEAM,
        *WEBHOOKS,
        *(one.name for one in load_services()),
        *(one.name for one in load_countries()),
    },
    key=len,
    reverse=True,
)
