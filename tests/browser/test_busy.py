"""A busy account: however much happens, the page asks its server a few times a second, and the first news comes at once."""

from __future__ import annotations

import time
from collections import Counter
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request

from tests.browser import desk
from tests.browser.conftest import Profiles
from tests.browser.residents import Residents

ORDERS = 12
FIGURES_S = 1.0
LEAST_GAP_S = 0.25
_NOTE_ORDER = """window.order = [];
const ask = window.fetch, { set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
window.fetch = (...all) => { window.order.push("asked"); return ask(...all); };
Object.defineProperty(WebSocket.prototype, "onmessage", { set(act) {
  set.call(this, (message) => {
    if (JSON.parse(message.data).type === "event") setTimeout(() => window.order.push("a pause"), 250);
    act(message);
  });
} });"""


class Asked:
    """What the page's script asked for from now on, and when."""

    def __init__(self, page: Page) -> None:
        self.at: list[tuple[str, float]] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.resource_type == "fetch":
            self.at.append((urlsplit(request.url).path.rstrip("/").rpartition("/")[2], time.monotonic()))

    def times(self, name: str) -> list[float]:
        return [at for what, at in self.at if what == name]


def test_a_burst_of_news_is_a_few_requests_and_the_last_of_it_is_shown(
    profiles: Profiles, residents: Residents
) -> None:
    someone = residents.person()
    page = profiles(someone.session).open("/test/")
    desk.expect_live(page)
    page.wait_for_timeout(1500)
    asked, began = Asked(page), time.monotonic()
    for _ in range(ORDERS):
        last, _number = desk.ordered(someone)
    desk.card(page, last).wait_for()
    page.wait_for_timeout(1500)
    took, counts = time.monotonic() - began, Counter(what for what, _ in asked.at)
    assert page.locator("#live-list [data-order]").count() == ORDERS
    assert counts["figures"] <= took / FIGURES_S + 1
    assert counts["live"] + counts["card"] / 2 <= took / LEAST_GAP_S + 1
    assert counts["card"] + counts["live"] < ORDERS
    gaps = [
        after - before
        for before, after in zip(asked.times("figures"), asked.times("figures")[1:], strict=False)
    ]
    assert all(gap > FIGURES_S * 0.9 for gap in gaps), gaps


def test_the_first_news_after_a_quiet_while_is_asked_for_at_once(
    profiles: Profiles, residents: Residents
) -> None:
    """By the page's own timers: before as long has gone by as there is between two requests."""
    someone = residents.person()
    page = profiles(someone.session).context.new_page()
    page.add_init_script(_NOTE_ORDER)
    page.goto(residents.house.base + "/test/")
    desk.expect_live(page)
    page.wait_for_timeout(1500)
    page.evaluate("window.order.length = 0")
    order, _number = desk.ordered(someone)
    desk.card(page, order).wait_for()
    assert page.evaluate("window.order[0]") == "asked"
