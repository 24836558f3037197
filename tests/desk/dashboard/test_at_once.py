"""Two requests at the same time, as two tabs send them: neither undoes what the other wrote, none waits for itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections
from django.urls import URLPattern, reverse

from onceline.core.db import Database
from onceline.desk.dashboard import urls, views
from onceline.desk.house import install
from onceline.desk.people import sessions
from onceline.desk.people.models import Session
from onceline.wiring import open_context
from tests.desk.dashboard.belongings import form
from tests.desk.dashboard.looking import proven, read
from tests.desk.dashboard.test_keys import secret_on
from tests.desk.dashboard.test_order_cards import HTMX, placed
from tests.desk.dashboard.test_routes import ids_of
from tests.desk.visitors import Pages, Visitor

ADDRESSES = {str(one.name): one for one in urls.urlpatterns if isinstance(one, URLPattern)}


def new_key() -> dict[str, Any]:
    return form(name="shop", kind="api", scopes=["orders:write"], spend_cap="", expires="0")


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], Any]) -> None:
    """Once, in the midst of a request that has read its session and not saved it yet, the other one comes and goes."""
    before = getattr(module, name)
    waiting = [act]

    def interrupted(*args: Any, **rest: Any) -> Any:
        while waiting:
            with ThreadPoolExecutor(1) as other:
                other.submit(_in_thread, waiting.pop()).result(20)
        return before(*args, **rest)

    monkeypatch.setattr(module, name, interrupted)


def _in_thread(act: Callable[[], Any]) -> None:
    try:
        act()
    finally:
        connections.close_all()


def other_tab(pages: Pages, who: Visitor) -> Visitor:
    browser = pages.browser()
    browser.cookies = who.browser.cookies
    return replace(who, browser=browser)


def stored(who: Visitor) -> dict[str, Any]:
    key = who.browser.cookies["session"].value
    return sessions.SessionStore(key).load()


def test_a_key_that_is_made_while_a_page_of_the_other_mode_loads_is_shown_and_made_once(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, asked = proven(pages.visitor()), new_key()
    tab = other_tab(pages, alice)
    meanwhile(monkeypatch, views, "_choice", lambda: alice.post("/test/keys/new/", asked))
    read(tab.get("/live/"))  # writes its mode when it is done
    assert stored(alice)["mode"] == "live"
    alice.post("/test/keys/new/", asked)
    assert pages.shop.rows("select count(*) from grants where kind = 'key'")[0][0] == 1
    assert secret_on(read(alice.get("/test/keys/")))


def test_old_grants_do_not_come_back_with_a_request_that_read_them(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = pages.visitor()
    tab = other_tab(pages, alice)

    def begin_anew() -> None:
        session = sessions.SessionStore(alice.browser.cookies["session"].value)
        sessions.begin(session, alice.person)
        session.save()

    before = stored(alice)["grants"]
    meanwhile(monkeypatch, views, "_choice", begin_anew)
    tab.get("/live/")
    after = stored(alice)
    assert after["grants"] != before
    assert after["mode"] == "live"
    assert Session.objects.get(person=alice.person).grants == [
        after["grants"]["test"],
        after["grants"]["live"],
    ]


def test_a_secret_that_was_shown_does_not_come_back_and_the_next_one_stays(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = proven(pages.visitor())
    alice.post("/test/keys/new/", new_key())
    tab = other_tab(pages, alice)
    meanwhile(monkeypatch, views, "_choice", lambda: alice.get("/test/keys/"))
    tab.get("/live/")
    assert "shown_once" not in stored(alice)
    alice.post("/test/keys/new/", new_key())
    late = sessions.SessionStore(alice.browser.cookies["session"].value)
    del late["shown_once"]
    alice.post("/test/keys/new/", new_key())
    late.save()
    assert secret_on(read(alice.get("/test/keys/")))


def test_a_session_that_ended_meanwhile_is_not_made_again(pages: Pages) -> None:
    alice = pages.visitor()
    key = alice.browser.cookies["session"].value
    late = sessions.SessionStore(key)
    late["mode"] = "live"
    sessions.end_others(alice.person, None)
    with pytest.raises(UpdateError):
        late.save()
    assert Session.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "rest"),
    [("figures", HTMX), ("orders/live", HTMX), ("", HTMX), ("", {"HTTP_HX_REQUEST": "false"})],
)
def test_parts_of_a_page_write_no_mode(pages: Pages, path: str, rest: dict[str, str]) -> None:
    alice = pages.visitor()
    alice.get("/test/")
    before = Session.objects.get(person=alice.person).session_data
    alice.get(f"/live/{path}", **rest)
    alice.post("/live/ticket", **HTMX)
    assert Session.objects.get(person=alice.person).session_data == before
    alice.get("/live/")
    assert stored(alice)["mode"] == "live"


@pytest.mark.parametrize("mode", ["test", "live"])
def test_every_page_makes_do_with_one_connection_of_cores(pages: Pages, mode: str) -> None:
    alice = proven(pages.visitor())
    ids = ids_of(pages, alice) | {"order_id": str(placed(pages, alice).id)}
    shop = pages.shop
    answers = {}
    with Database(shop.db.conninfo, size=1, name="one") as one:
        install(replace(pages.house, db=one, context=open_context(one, pages.house.settings, shop.clock)))
        for name, route in ADDRESSES.items():
            wanted = {"mode": mode} | {part: ids[part] for part in route.pattern.converters}
            answers[name] = alice.get(reverse(name, kwargs=wanted)).status_code
        install(pages.house)
    assert {name for name, status in answers.items() if status not in (200, 302, 404, 405)} == set()
    assert {answers[name] for name in ("order", "rentals", "live", "history", "balance", "figures")} == {200}
