"""From nobody to the first code, as a person with a mouse, with a keyboard alone, without script, without cookies."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import Page, expect

from tests.browser import desk
from tests.browser.conftest import Profiles
from tests.browser.residents import PASSWORD, Residents

CLIPBOARD = ["clipboard-read", "clipboard-write"]
MOST_STOPS = 120
_FOCUSED = """() => {
    const one = document.activeElement, look = getComputedStyle(one), box = one.getBoundingClientRect();
    return {tag: one.tagName, name: one.getAttribute("name") || "", text: (one.innerText || one.ariaLabel || "").trim(),
        classes: one.className.toString(), id: one.id,
        seen: (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0) || look.boxShadow !== "none",
        within: box.bottom > 0 && box.top < innerHeight && box.width > 0 && box.height > 0};
}"""


@pytest.mark.promise("D1")
def test_a_newcomer_has_a_code_after_three_clicks(profiles: Profiles, residents: Residents) -> None:
    profile, name = profiles(permissions=CLIPBOARD), f"new{secrets.token_hex(4)}"
    page = profile.open("/account/signup/")
    desk.sign_up(page, name)
    desk.follow_mail(page, residents, f"{name}@example.com")
    desk.send(page)
    if page.locator("input[name=login]").count():
        desk.log_in(page, name)
    page.goto(residents.house.base + "/test/")
    desk.expect_live(page)
    page.locator("#steps button.button-primary").click()
    page.locator("#live .order-card button.button-primary", has_text="Send").click()
    desk.code(page).wait_for()
    page.locator("#live .order-code .copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == desk.code(page).inner_text().replace(" ", "")
    assert re.fullmatch(r"\d{4,8}", copied)


def test_the_keyboard_alone_leads_from_log_in_to_the_copied_code(
    profiles: Profiles, residents: Residents
) -> None:
    alone = residents.person()
    page = profiles(permissions=CLIPBOARD).open("/account/login/?next=/test/")
    _tab_to(page, name="login")
    page.keyboard.type(alone.username)
    _tab_to(page, name="password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/test/")
    desk.expect_live(page)
    _tab_to(page, name="offer")
    page.keyboard.press("Enter")
    page.locator("#live .order-card").wait_for()
    _tab_to(page, text="Send")
    page.keyboard.press("Enter")
    desk.code(page).wait_for()
    _tab_to(page, text="Copy", classes="copy button-primary")
    page.keyboard.press("Enter")
    assert page.evaluate("navigator.clipboard.readText()") == desk.code(page).inner_text().replace(" ", "")


def test_nothing_holds_the_focus(profiles: Profiles, residents: Residents) -> None:
    """From the first stop of the page to its last and round again, each visible."""
    page = profiles(residents.person().session).open("/test/")
    page.locator("#connection").wait_for(state="attached")
    stops = [page.evaluate(_FOCUSED) for _ in range(MOST_STOPS) if not page.keyboard.press("Tab")]
    assert [stop for stop in stops if not stop["seen"] and stop["tag"] != "BODY"] == []
    assert any(stop["tag"] == "BODY" or "skip-link" in stop["classes"] for stop in stops[1:])


def test_without_script_a_code_comes_by_reloading(profiles: Profiles, residents: Residents) -> None:
    someone = residents.person()
    page = profiles(someone.session, java_script_enabled=False).open("/test/?service=telegram&country=GB")
    page.locator(".offer button[name=offer]").first.click()
    order = desk.card(page).get_attribute("data-order")
    number = desk.card(page).locator(".number").inner_text()
    desk.sent(someone, "+" + re.sub(r"\D", "", number), "Telegram code: 48291")
    someone.api.get(f"orders/{order}/wait")
    page.reload()
    expect(desk.code(page)).to_have_text(re.compile("48 ?291"))


def test_an_order_form_sent_twice_is_one_order(profiles: Profiles, residents: Residents) -> None:
    """As a browser sends it again after a broken line."""
    someone = residents.person()
    page = profiles(someone.session, java_script_enabled=False).open("/test/?service=telegram&country=GB")
    form = {
        str(one.get_attribute("name")): one.input_value() for one in page.locator("#order-form input").all()
    }
    form["offer"] = str(page.locator(".offer button[name=offer]").first.get_attribute("value"))
    for _ in range(2):
        answer = page.request.post(
            f"{residents.house.base}/test/orders/new", form=form, headers={"Referer": page.url}
        )
        assert answer.ok
    page.reload()
    expect(page.locator("#live .order-card")).to_have_count(1)


def test_two_clicks_are_one_order(profiles: Profiles, residents: Residents) -> None:
    someone = residents.person()
    page = profiles(someone.session).open("/test/?service=telegram&country=GB")
    desk.expect_live(page)
    page.locator(".offer button[name=offer]").first.dblclick()
    desk.card(page).wait_for()
    page.reload()
    expect(page.locator("#live .order-card")).to_have_count(1)


def test_without_cookies_a_form_says_what_is_wrong(profiles: Profiles) -> None:
    profile = profiles()
    profile.allow("status of 403")
    page = profile.open("/account/login/")
    profile.context.clear_cookies()
    desk.log_in(page, "alice")
    expect(page.locator("main")).to_contain_text("cookies")


def _tab_to(page: Page, **wanted: str) -> None:
    """Every stop on the way can be seen, and lies within the window."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        assert stop["tag"] == "BODY" or (stop["seen"] and stop["within"]), stop
        if all(_holds(stop[name], value, name) for name, value in wanted.items()):
            return
    raise AssertionError(f"the keyboard does not come to {wanted}")


def _holds(found: str, value: str, name: str) -> bool:
    return set(value.split()) <= set(found.split()) if name == "classes" else found == value
