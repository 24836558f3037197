"""How the journeys speak of the pages: sign up, log in, the card of an order, its code."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.browser.residents import PASSWORD, Resident, Residents

POLLED_MS = 7_000
"""Within 5 s, and the time to fetch and draw it."""


def sign_up(page: Page, username: str, password: str = PASSWORD) -> None:
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=email]").fill(f"{username}@example.com")
    page.locator("input[name=password1]").fill(password)
    for box in page.locator("main form input[type=checkbox][required]").all():
        box.check()
    send(page)


def log_in(page: Page, username: str, password: str = PASSWORD) -> None:
    page.locator("input[name=login]").fill(username)
    page.locator("input[name=password]").fill(password)
    send(page)


def send(page: Page) -> None:
    page.locator("main form .button-primary").first.click()


def follow_mail(page: Page, people: Residents, recipient: str) -> None:
    """To where the link in the newest mail leads."""
    found = re.search(r"https?://\S+", people.letter(recipient))
    assert found
    page.goto(people.house.base + urlsplit(found[0]).path)


def card(page: Page, order: str | None = None) -> Locator:
    return page.locator(f"#order-{order}") if order else page.locator("#live .order-card").first


def code(page: Page, order: str | None = None) -> Locator:
    return card(page, order).locator(".order-code .code")


def ordered(resident: Resident, service: str = "telegram") -> tuple[str, str]:
    """By the API: the order's id and its number."""
    made = resident.api.order(service)
    return str(made["id"]), str(made["number"])


def sent(resident: Resident, number: str, text: str, sender: str = "Telegram") -> None:
    answer = resident.api.sms(number, text, sender)
    assert answer.status_code < 300, answer.text


def expect_live(page: Page, state: str = "live") -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", state)
