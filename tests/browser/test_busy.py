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
    someone = residents.person()
    page = profiles(someone.session).open("/test/")
    desk.expect_live(page)
    page.wait_for_timeout(1500)
    page.evaluate(
        """() => { const was = window.fetch; window.asked = [];
        window.fetch = (...all) => { window.asked.push(performance.now()); return was(...all); }; }"""
    )
    order, _number = desk.ordered(someone)
    began = time.monotonic()
    desk.card(page, order).wait_for()
    assert time.monotonic() - began < 1
    assert page.evaluate("window.asked.length") >= 1
