"""The statement of a month on the pages: opening, what moved, closing, and nothing of anybody else."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from tests.desk.dashboard.belongings import message, order
from tests.desk.dashboard.looking import read
from tests.desk.visitors import Pages

MONTH = "/test/balance/month/"


def words(text: str) -> str:
    return " ".join(text.split())


def name(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m")


def test_a_month_says_where_the_figures_stood_what_moved_and_where_they_stand(pages: Pages) -> None:
    alice = pages.visitor()
    order(pages, alice)
    message(pages, alice)
    text = words(read(alice.get(MONTH)).text)
    assert "AvailableUSD 0.00USD 99.50" in text
    assert "HeldUSD 0.00USD 0.25" in text
    assert "So far" in text
    for line in ("1USD 100.00USD 100.00", "2USD 0.50USD -0.50", "1USD 0.25unchanged"):
        assert line in text
    assert "Owed" not in text


def test_the_end_of_a_month_is_the_beginning_of_the_next(pages: Pages) -> None:
    alice = pages.visitor()
    order(pages, alice)
    before = pages.shop.clock.now()
    pages.shop.pass_time(31 * 86400)
    alice = pages.visitor(alice.person)
    assert "USD\u00a00.00USD\u00a099.75" in "".join(
        read(alice.get(f"{MONTH}?month={name(before)}")).text.split("\n")
    )
    later = read(alice.get(MONTH))
    assert "USD\u00a099.75USD\u00a099.75" in "".join(later.text.split("\n"))
    assert "No money moved in this month" in later.text
    assert f"{MONTH}?month={name(before)}" in later.links()


def test_no_month_before_the_account_and_none_to_come_is_offered(pages: Pages) -> None:
    links = read(pages.visitor().get(MONTH)).links()
    assert not [link for link in links if "month=" in link]


def test_a_month_is_of_ones_own_side(pages: Pages) -> None:
    alice, charlie = pages.visitor(), pages.visitor()
    order(pages, alice)
    assert "Set aside for an order" in read(alice.get(MONTH)).text
    assert "Set aside for an order" not in read(charlie.get(MONTH)).text
    assert "No money moved" in read(alice.get("/live/balance/month/")).text


@pytest.mark.parametrize(
    "month", ["", "x", "2026-13", "0000-01", "9999-12", "2999-01", "２０２６-03", "9" * 40]
)
def test_what_is_no_month_is_this_one(pages: Pages, month: str) -> None:
    assert "So far" in read(pages.visitor().get(f"{MONTH}?{urlencode({'month': month})}")).text


def test_the_statement_leads_to_its_month(pages: Pages) -> None:
    assert MONTH in read(pages.visitor().get("/test/balance/")).links()
