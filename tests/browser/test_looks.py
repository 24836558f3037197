"""Two languages, two colour modes, and what a first visit weighs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Profiles
from tests.browser.residents import Residents

MOST_BYTES = 100_000


def _paper(page: Page) -> int:
    """How light the ground is, of 765."""
    return int(page.evaluate("getComputedStyle(document.documentElement).backgroundColor.match(/[\\d.]+/g).slice(0, 3)"
                             ".reduce((sum, one) => sum + Number(one), 0)"))  # fmt: skip


def test_the_colours_follow_the_system(profiles: Profiles) -> None:
    page = profiles(color_scheme="light").open("/")
    light = _paper(page)
    page.emulate_media(color_scheme="dark")
    assert _paper(page) < 200 < 600 < light


def test_a_person_chooses_their_colours(profiles: Profiles, residents: Residents) -> None:
    page = profiles(residents.person().session, color_scheme="light").open("/account/settings/appearance/")
    page.locator("select[name=colour_mode]").select_option("dark")
    page.locator("main form .button-primary").first.click()
    expect(page.locator("html")).to_have_attribute("data-mode", "dark")
    assert _paper(page) < 200


@pytest.mark.parametrize("path", ["/", "/test/"])
def test_a_first_visit_is_light(path: str, profiles: Profiles, residents: Residents) -> None:
    profile = profiles(residents.another_session("alice") if path != "/" else None)
    asked: list[Request] = []
    page = profile.context.new_page()
    page.on("requestfinished", lambda one: asked.append(one))
    page.goto(residents.house.base + path, wait_until="networkidle")
    sizes = {one.url: one.sizes()["responseBodySize"] for one in asked}
    assert sum(sizes.values()) < MOST_BYTES, sizes
