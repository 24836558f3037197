"""Money paid in and asked back in the browser: what it says before, what becomes of it by itself, and back again."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe, desk
from tests.browser.conftest import Profiles
from tests.browser.residents import PASSWORD, Residents

DEPOSIT = re.compile(r"/test/balance/deposits/dep_\w+/$")
CHIP = "#deposit .chip"
SIZES = [(1280, 800), (360, 740)]
COLOURS: list[Literal["light", "dark"]] = ["light", "dark"]


def begun(page: Page, amount: str = "20") -> None:
    """From the balance, by links and the form alone."""
    page.get_by_role("link", name="Try a deposit").click()
    page.locator("#pay-in input[type=radio][value=sandbox]").check()
    page.locator("#pay-in input[name=amount]").fill(amount)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(DEPOSIT)


def test_money_is_paid_in_and_asked_back(profiles: Profiles, residents: Residents) -> None:
    page = profiles(residents.person(balance=0).session).open("/test/balance/")
    begun(page)
    expect(page.locator(CHIP)).to_have_text("Waiting for payment")
    page.get_by_role("button", name="Pay it").click()
    expect(page.locator(CHIP)).to_have_text("Credited")
    page.get_by_role("link", name="Ask for it back").click()
    expect(page.locator("main")).to_contain_text("USD 20.00 is sent back")
    page.get_by_role("button", name="Have it sent back").click()
    expect(page.locator(CHIP)).to_have_text("Sent back", timeout=desk.POLLED_MS)
    page.goto(residents.house.base + "/test/balance/")
    expect(page.locator("#figures .money").first).to_have_text("USD 0.00")
    expect(page.locator("main tbody")).to_contain_text("Went back")


def test_who_has_not_just_logged_in_proves_who_they_are_and_is_where_they_were(
    profiles: Profiles, residents: Residents
) -> None:
    page = profiles(residents.person(balance=0, fresh=False).session).open("/test/balance/")
    begun(page)
    page.get_by_role("button", name="Pay it").click()
    page.get_by_role("link", name="Ask for it back").click()
    page.locator("input[name=password]").fill(PASSWORD)
    desk.send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Have this deposit sent back?")
    page.get_by_role("link", name="Keep it").click()
    expect(page.locator(CHIP)).to_have_text("Credited")


def test_a_page_that_is_open_hears_that_it_was_paid(profiles: Profiles, residents: Residents) -> None:
    """As after a callback of the processor, while the payer is elsewhere."""
    someone = residents.person(balance=0)
    page = profiles(someone.session).open("/test/balance/")
    begun(page)
    desk.expect_live(page)
    deposit = page.url.rstrip("/").rpartition("/")[2]
    someone.api.post(f"test/deposits/{deposit}/pay", {"outcome": "paid"})
    expect(page.locator(CHIP)).to_have_text("Credited", timeout=desk.POLLED_MS)


@pytest.mark.parametrize(
    ("button", "state"),
    [
        ("Pay half of it", "Credited"),
        ("Pay too much", "Credited"),
        ("Let it fail", "Payment failed"),
        ("Let it run out", "Not paid in time"),
    ],
)
def test_whatever_becomes_of_it_is_said(
    profiles: Profiles, residents: Residents, button: str, state: str
) -> None:
    page = profiles(residents.person(balance=0).session).open("/test/balance/")
    begun(page)
    page.get_by_role("button", name=button).click()
    expect(page.locator(CHIP)).to_have_text(state)
    expect(page.locator("#deposit")).to_contain_text(
        "another amount came" if state == "Credited" else "Pay in again"
    )


def test_a_wrong_amount_and_a_mistyped_voucher_stay_written(profiles: Profiles, residents: Residents) -> None:
    page = profiles(residents.person(balance=0).session).open("/test/balance/add/")
    page.locator("#pay-in input[type=radio][value=sandbox]").check()
    page.locator("#pay-in input[name=amount]").fill("0.5")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#pay-in input[name=amount]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#pay-in input[name=amount]")).to_have_value("0.5")
    page.locator("#voucher input[name=code]").fill("AAAA-BBBB")
    page.get_by_role("button", name="Redeem").click()
    expect(page.locator("#voucher")).to_contain_text("mistyped")
    expect(page.locator("#voucher input[name=code]")).to_have_value("AAAA-BBBB")


def test_the_keyboard_alone_pays_in(profiles: Profiles, residents: Residents) -> None:
    page = profiles(residents.person(balance=0).session).open("/test/balance/add/")
    page.locator("#pay-in input[type=radio]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("20")
    page.keyboard.press("Enter")
    page.wait_for_url(DEPOSIT)
    expect(page.locator(CHIP)).to_have_text("Waiting for payment")


def test_without_script_it_is_paid_in_and_asked_back(profiles: Profiles, residents: Residents) -> None:
    page = profiles(residents.person(balance=0).session, java_script_enabled=False).open("/test/balance/")
    begun(page)
    page.get_by_role("button", name="Pay it").click()
    page.get_by_role("link", name="Ask for it back").click()
    page.get_by_role("button", name="Have it sent back").click()
    expect(page.locator(CHIP)).to_have_text(re.compile("On its way back|Sent back"))


def test_every_page_of_a_payment_is_accessible(profiles: Profiles, residents: Residents) -> None:
    """The states that no furnished account has at once, and a refused form; the rest is in test_every_page.py."""
    page = profiles(residents.person(balance=0).session).open("/test/balance/")
    found: list[str] = []
    for button in ("Let it fail", "Pay half of it", "Pay it"):
        page.goto(residents.house.base + "/test/balance/")
        begun(page)
        found += _faults(page, "waiting")
        page.get_by_role("button", name=button).click()
        expect(page.locator(CHIP)).not_to_have_text("Waiting for payment")
        found += _faults(page, button)
    page.get_by_role("link", name="Ask for it back").click()
    found += _faults(page, "question")
    page.get_by_role("button", name="Have it sent back").click()
    expect(page.locator(CHIP)).to_have_text("Sent back", timeout=desk.POLLED_MS)
    found += _faults(page, "sent back")
    page.goto(residents.house.base + "/test/balance/add/")
    page.locator("#voucher input[name=code]").fill("AAAA-BBBB")
    page.get_by_role("button", name="Redeem").click()
    expect(page.locator("#voucher")).to_contain_text("mistyped")
    found += _faults(page, "refused voucher")
    assert not found, "\n".join(found)


def _faults(page: Page, what: str) -> list[str]:
    found: list[str] = []
    for colours in COLOURS:
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            found += [f"{what} {colours} {width} px is too wide"] * too_wide
            found += [f"{what} {colours} {width} px {fault}" for fault in axe.violations(page)]
    return found
