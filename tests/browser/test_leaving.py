"""Log-out ends everything; a database that is away is said plainly."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser import desk
from tests.browser.conftest import Profiles
from tests.browser.residents import Residents


@pytest.fixture
def database_away(residents: Residents) -> Iterator[None]:
    """Every connection is cut and no new one let in, until the test is over."""
    elsewhere = psycopg.conninfo.make_conninfo(residents.conninfo, dbname="template1")
    name = psycopg.conninfo.conninfo_to_dict(residents.conninfo)["dbname"]
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(f"alter database {name} allow_connections false")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
        try:
            yield
        finally:
            connection.execute(f"alter database {name} allow_connections true")
    residents.house.await_ready()
    residents.recover()


@pytest.mark.promise("P14")
def test_log_out_ends_every_tab_its_socket_and_what_the_browser_kept(
    profiles: Profiles, residents: Residents
) -> None:
    someone = residents.person()
    profile = profiles(someone.session)
    profile.allow("status of 401", "status of 403")
    other = profile.context.new_page()
    with other.expect_websocket() as opened:
        other.goto(residents.house.base + "/test/")
    desk.expect_live(other)
    page = profile.open("/test/balance/")
    with opened.value.expect_event("close"):
        page.locator(".menu-user summary").click()
        page.locator(".menu-user form button").click()
    page.wait_for_url(lambda address: not urlsplit(address).path.startswith("/test/"))
    page.go_back()
    expect(page.locator("body.app")).to_have_count(0)
    other.reload()
    expect(other.locator("input[name=login]")).to_be_visible()
    replayed = httpx.get(f"{residents.house.base}/test/", cookies={"session": someone.session}, timeout=10)
    assert replayed.headers.get("location", "").startswith("/account/login/")


def test_a_database_that_is_away_is_said_plainly(
    profiles: Profiles, residents: Residents, database_away: None
) -> None:
    profile = profiles("somebody's")
    profile.allow("status of 503")
    page = profile.open("/test/")
    expect(page.locator("h1")).to_have_text("We will be back in a moment")
