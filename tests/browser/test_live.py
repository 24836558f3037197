"""Codes that arrive while somebody looks: by the socket, by polling when it is cut, in every tab, and nothing moves."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser import desk
from tests.browser.conftest import Profiles
from tests.browser.residents import Residents

_WATCH_SHIFTS = """window.shifts = [];
new PerformanceObserver(list => window.shifts.push(...list.getEntries().map(one => one.value)))
    .observe({type: "layout-shift", buffered: true});"""
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><b>bold</b> {{7*7}} &amp; \u202e482913\u202c \u2066x\u2069 "
    "שלום رمز 48 29 \"'` javascript:alert(3) "
)
LONG = HOSTILE + "x" * (10_000 - len(HOSTILE))


class Line:
    """Sockets of a page go through here, and can be cut, or swallow what the server says."""

    def __init__(self, page: Page) -> None:
        self.is_cut = False
        self.is_deaf = False
        self._open: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/live"), self._route)

    def cut(self) -> None:
        self.is_cut = True
        for socket in self._open:
            socket.close()
        self._open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def _route(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            socket.close()
            return
        server = socket.connect_to_server()
        server.on_message(lambda frame: None if self.is_deaf else socket.send(frame))
        self._open.append(socket)


@pytest.mark.promise("D4")
def test_a_code_comes_by_the_socket_and_by_polling_when_it_is_cut(
    profiles: Profiles, residents: Residents
) -> None:
    someone = residents.person()
    page = profiles(someone.session).context.new_page()
    line = Line(page)
    page.goto(residents.house.base + "/test/")
    desk.expect_live(page)
    order, number = desk.ordered(someone)
    desk.card(page, order).wait_for()
    desk.sent(someone, number, "Telegram code: 48291")
    expect(desk.code(page, order)).to_have_text(re.compile("48 ?291"))
    line.cut()
    desk.expect_live(page, "polling")
    another, number = desk.ordered(someone, "discord")
    desk.card(page, another).wait_for(timeout=desk.POLLED_MS)
    desk.sent(someone, number, "Your Discord security code is 771204", "Discord")
    expect(desk.code(page, another)).to_have_text(re.compile("771 ?204"), timeout=desk.POLLED_MS)
    line.mend()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=40_000)


@pytest.mark.promise("D4")
def test_a_line_that_falls_silent_is_noticed(profiles: Profiles, residents: Residents) -> None:
    someone = residents.person()
    page = profiles(someone.session).context.new_page()
    line = Line(page)
    page.goto(residents.house.base + "/test/")
    desk.expect_live(page)
    line.is_deaf = True
    desk.expect_live(page, "polling")
    order, number = desk.ordered(someone)
    desk.sent(someone, number, "Telegram code: 48291")
    expect(desk.code(page, order)).to_have_text(re.compile("48 ?291"), timeout=desk.POLLED_MS)
    line.is_deaf = False
    expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=40_000)


def test_two_tabs_say_the_same(profiles: Profiles, residents: Residents) -> None:
    someone = residents.person()
    profile = profiles(someone.session)
    one, other = profile.open("/test/?service=telegram&country=GB"), profile.open("/test/")
    desk.expect_live(one)
    desk.expect_live(other)
    one.locator(".offer button[name=offer]").first.click()
    order = str(desk.card(one).get_attribute("data-order"))
    desk.card(other, order).wait_for()
    number = "+" + re.sub(r"\D", "", desk.card(other, order).locator(".number").inner_text())
    desk.sent(someone, number, "Telegram code: 48291")
    for tab in (one, other):
        expect(desk.code(tab, order)).to_have_text(re.compile("48 ?291"))
    desk.card(other, order).get_by_role("button", name="Finish").click()
    other.locator("#ask-yes").click()
    for tab in (one, other):
        expect(tab.locator(f"#order-{order}[data-state=received]")).to_have_count(0)


def test_nothing_moves_when_a_code_arrives(profiles: Profiles, residents: Residents) -> None:
    someone = residents.person()
    order, number = desk.ordered(someone)
    _, below = desk.ordered(someone, "discord")
    page = profiles(someone.session, viewport={"width": 360, "height": 740}).open("/test/orders/live")
    desk.expect_live(page)
    page.evaluate("document.fonts.ready")
    page.evaluate(_WATCH_SHIFTS)
    page.evaluate("window.shifts.length = 0")
    before = desk.card(page, order).bounding_box()
    desk.sent(someone, number, "Telegram code: 48291")
    desk.sent(someone, below, "Your Discord security code is 771204. " + "Do not share it. " * 20, "Discord")
    desk.code(page, order).wait_for()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = desk.card(page, order).bounding_box()
    assert before is not None
    assert after is not None
    assert (before["y"], before["height"]) == (after["y"], after["height"])
    assert page.evaluate("window.shifts") == []


def test_a_hostile_message_is_text_on_every_page(profiles: Profiles, residents: Residents) -> None:
    """The watch fails the test for a dialog, a script's error, a foreign request."""
    someone = residents.person()
    order, number = desk.ordered(someone, "other")
    profile = profiles(someone.session, viewport={"width": 360, "height": 740})
    page = profile.open("/test/")
    desk.expect_live(page)
    desk.sent(someone, number, LONG, "<img src=x onerror=alert(4)>")
    text = desk.card(page, order).locator(".order-message p.outside")
    text.wait_for()
    for path in (None, "/test/", "/test/orders/live", f"/test/orders/{order}/", "/test/history/messages/"):
        if path:
            page.goto(residents.house.base + path)
        _assert_inert(page, path)
    assert page.evaluate("document.querySelectorAll('img, script:not([src]):not([type])').length") == 0


def _assert_inert(page: Page, path: str | None) -> None:
    shown = [one.inner_text() for one in page.locator(".outside").all()]
    assert any("<script>alert(1)</script>" in one for one in shown), path
    assert page.locator(".outside *").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
