"""The watch itself: what no page may do is seen, or the other tests of this folder would prove nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser import axe
from tests.browser.chromium import watched
from tests.browser.residents import Residents

FAULTS = {
    "foreign origin": "fetch('http://elsewhere.invalid/').catch(() => 0)",
    "refused by policy": "new Image().src = 'http://elsewhere.invalid/x.png'",
    "console": "console.error('broken')",
    "script": "setTimeout(() => { throw new Error('broken') })",
    "dialog": "setTimeout(() => alert(1))",
    "cookie": "document.cookie = 'tracker=1'",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_no_page_may_do_is_seen(kind: str, browser: Browser, residents: Residents) -> None:
    profile = watched(browser, residents.house.base, bypass_csp=kind == "foreign origin")
    page = profile.open("/")
    page.evaluate(f"() => {{ {FAULTS[kind]} }}")
    page.wait_for_timeout(100)
    assert any(kind in fault for fault in profile.end())


def test_a_good_page_has_no_faults(browser: Browser, residents: Residents) -> None:
    profile = watched(browser, residents.house.base)
    profile.open("/")
    assert profile.end() == []


def test_what_is_not_accessible_is_seen(browser: Browser, residents: Residents) -> None:
    profile = watched(browser, residents.house.base)
    page = profile.open("/")
    page.evaluate("document.querySelector('main').innerHTML += '<h1><a href=\"/\"></a></h1>'")
    assert any(fault.startswith("link-name") for fault in axe.violations(page))
    profile.end()
