"""What holds for every page: reachable, our own origin alone, no inline code, accessible in both modes and on small screens."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import Page as Tab

from tests.browser import axe
from tests.browser.chromium import OURS
from tests.browser.conftest import Profiles
from tests.browser.crawl import Crawl, one_of_each, route_of, routes
from tests.browser.residents import Residents

_OVERFLOW = """() => document.documentElement.scrollWidth <= innerWidth ? [] : ["is too wide: " +
    [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 3).map(one => `${one.tagName}.${one.className}`).join(" ")]"""
_CUT_OFF = """() => [...document.querySelectorAll(":is(.card, .order-card, .offer) :is(.button, .icon-button, input, select)")]
    .filter(one => one.offsetParent && !one.closest(".table-wrap")
        && one.getBoundingClientRect().right > one.closest(".card, .order-card, .offer").getBoundingClientRect().right + 1)
    .slice(0, 3).map(one => `cuts off ${one.innerText || one.name}`)"""
SIZES = [(1280, 800), (360, 740)]
UNREACHED = {
    "account_confirm_email": "its key comes by mail",
    "account_reset_password_from_key": "its key comes by mail",
    "join": "its key comes by mail",
    "account_inactive": "nobody is made inactive by a page",
    "account_set_password": "everybody has a password",
    "mfa_authenticate": "in the middle of a log-in",
    "mfa_reauthenticate": "only with a second factor",
    "mfa_reauthenticate_webauthn": "only with a passkey",
    "mfa_remove_webauthn": "only with a passkey",
    "mfa_edit_webauthn": "only with a passkey",
    "card": "its address is put together by the script",
    "export_row": "only while an export is made",
    "deposit_back": "a processor sends whoever paid there",
}
"""Routes with a part that no page of Alice's leads to, each with its reason."""


def test_every_link_leads_to_a_page(hers: Crawl, public: Crawl) -> None:
    wrong = [f"{page.status} {page.path}" for page in hers.pages + public.pages if page.status >= 400]
    assert len(hers.pages) > 20
    assert wrong == []


def test_no_page_has_inline_code_or_loads_from_elsewhere(hers: Crawl, public: Crawl) -> None:
    assert sorted({*hers.faults, *public.faults}) == []


def test_no_cookie_is_set_but_for_session_forms_and_language(hers: Crawl, public: Crawl) -> None:
    names = {name for page in hers.pages + public.pages for name in page.cookies}
    assert names <= OURS


def test_visitors_get_no_cookie_before_a_form(public: Crawl) -> None:
    told = {page.route.name for page in public.pages if page.cookies}
    assert "home" not in told


def test_the_crawl_comes_to_every_route_with_a_part(hers: Crawl, public: Crawl) -> None:
    reached = hers.addresses.keys() | public.addresses.keys()
    unreached = [
        f"{name} {pattern}"
        for pattern, name in routes().items()
        if ("<" in pattern.replace("<mode:mode>", "")) and pattern not in reached and name not in UNREACHED
    ]
    assert unreached == []


def test_every_page_is_accessible(
    profiles: Profiles, residents: Residents, hers: Crawl, public: Crawl
) -> None:
    alice, nobody = profiles(residents.another_session("alice")), profiles()
    found: list[str] = []
    for who, pages in ((nobody, one_of_each(public)), (alice, one_of_each(hers))):
        tab = who.context.new_page()
        for one in pages:
            tab.goto(who.base + one.path)
            for width, height in SIZES:
                tab.set_viewport_size({"width": width, "height": height})
                found += [f"{one.path} {width} px {fault}" for fault in _wide(tab)]
                found += [f"{one.path} {width} px {fault}" for fault in axe.violations(tab)]
                tab.emulate_media(color_scheme="dark", reduced_motion="reduce")
                found += [
                    f"{one.path} {width} px dark {fault}" for fault in axe.violations(tab, axe.OF_COLOUR)
                ]
                tab.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert not found, "\n".join(found)


def test_another_persons_addresses_are_not_found(residents: Residents, hers: Crawl) -> None:
    """By the pages' own links and forms, so that no address is forgotten; read, and sent with what is in the form."""
    charlie = residents.person()
    private = {path for path in hers.addresses.values() if _is_somebodys(path)}
    assert len(private) > 15
    with httpx.Client(
        base_url=residents.house.base, cookies={"session": charlie.session}, timeout=20
    ) as client:
        token = _token(client)
        answers = [
            answer
            for path in sorted(private)
            for answer in (
                client.get(path),
                client.post(path, data={**hers.forms.get(path, {}), "csrfmiddlewaretoken": token}),
            )
        ]
    assert [
        f"{one.request.method} {one.url.path} {one.status_code}" for one in answers if _is_open(one)
    ] == []


def _wide(tab: Tab) -> list[str]:
    """What sticks out to the side, so that a phone would have to scroll, or could not reach it."""
    found: list[str] = tab.evaluate(_OVERFLOW) + tab.evaluate(_CUT_OFF)
    return found


def _token(client: httpx.Client) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/test/").text)
    assert found
    return found[1]


def _is_open(answer: httpx.Response) -> bool:
    route = route_of(answer.url.path)
    assert route is not None
    return answer.status_code not in (404, 405)


def _is_somebodys(path: str) -> bool:
    route = route_of(path)
    return route is not None and any(name not in ("mode", "slug", "version") for name, _ in route.kwargs)
