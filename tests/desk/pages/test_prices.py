"""Prices in public: those of core at this moment, or none; never the sandbox's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.utils import translation

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import OfferFilter
from onceline.core.errors import Busy
from onceline.core.money import MICROS
from onceline.desk import formats
from onceline.desk.pages import prices
from onceline.desk.pages.kept import Kept
from tests.desk.pages.readers import CHINESE, read, sell, words
from tests.desk.visitors import Pages


def test_with_nothing_for_sale_there_is_no_figure(pages: Pages) -> None:
    for page in ("/", "/prices/"):
        text = words(pages, page)
        assert "Nothing is for sale yet" in text
        assert "USD" not in text


def test_the_sandbox_is_never_shown_as_if_it_were_for_sale(pages: Pages) -> None:
    with pages.shop.db.transaction() as tx:
        assert catalog.offers(
            tx, OfferFilter("test"), after=("", "", ""), limit=1, now=pages.shop.clock.now()
        )
    assert "sandbox" not in read(pages, "/prices/")
    assert prices.board().lines == []


def test_the_board_shows_what_core_offers(pages: Pages) -> None:
    sell(pages, price=MICROS // 4)
    with pages.shop.db.transaction() as tx:
        offers = catalog.offers(
            tx,
            OfferFilter("live", service="telegram"),
            after=("", "", ""),
            limit=9,
            now=pages.shop.clock.now(),
        )
    board = prices.board()
    assert [(one.amount, one.stock) for one in offers] == [(MICROS // 4, 3)]
    assert [line.offer for line in board.lines if line.service == "Telegram"] == offers
    assert "Telegram United Kingdom 3 USD\u00a00.25" in words(pages, "/").replace("USD ", "USD\u00a0")


def test_the_cheapest_of_a_service_is_on_the_board(pages: Pages) -> None:
    sell(pages, "dear", price=3 * MICROS)
    sell(pages, "cheap", price=MICROS, first=10, country="FR")
    shown = next(line for line in prices.board().lines if line.service == "Telegram")
    assert (shown.offer.amount, shown.country) == (MICROS, "France")


def test_the_board_says_as_of_when(pages: Pages) -> None:
    sell(pages)
    assert "As of 12:00:00 (UTC)" in words(pages, "/")


def test_figures_are_no_older_than_five_seconds(pages: Pages) -> None:
    sell(pages)
    assert prices.board().lines[0].offer.stock == 3
    pages.shop.empty("GB", "eu")
    pages.shop.pass_time(4.9)
    assert prices.board().lines[0].offer.stock == 3
    pages.shop.pass_time(0.2)
    assert prices.board().lines == []


def test_a_flood_of_visitors_costs_one_query(pages: Pages) -> None:
    sell(pages)
    with _counted() as asked:
        visitors = [threading.Thread(target=prices.board) for _ in range(20)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join(20)
    assert asked[0] == OfferFilter("live")
    assert len(asked) == len(set(asked)) <= 1 + len(prices.WELL_KNOWN)


def test_who_asks_for_what_is_kept_waits_for_nobodys_reading(pages: Pages) -> None:
    kept, reading, go_on = _slow_for("slow")
    kept.get("kept")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(kept.get, "slow")
        assert reading.acquire(timeout=10)
        assert (kept.get("kept")[0], kept.get("other")[0]) == ("kept", "other")
        assert not slow.done()
        go_on.set()
        assert slow.result(10)[0] == "slow"


def test_many_who_ask_for_the_same_share_one_reading(pages: Pages) -> None:
    kept, reading, go_on = _slow_for("slow")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(kept.get, "slow") for _ in range(8)]
        assert reading.acquire(timeout=10)
        go_on.set()
        assert {one.result(10)[0] for one in asked} == {"slow"}
    assert not reading.acquire(blocking=False)
    assert kept._turns == {}


def test_who_waits_too_long_for_a_reading_is_told_so(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onceline.desk.pages.kept.WAIT_S", 0.05)
    kept, reading, go_on = _slow_for("slow")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(kept.get, "slow")
        assert reading.acquire(timeout=10)
        with pytest.raises(Busy):
            kept.get("slow")
        go_on.set()
        assert slow.result(10)[0] == "slow"


def test_a_clock_that_was_set_back_keeps_no_old_figure(pages: Pages) -> None:
    sell(pages)
    assert prices.board().lines
    pages.shop.empty("GB", "eu")
    pages.shop.pass_time(-3600)
    assert prices.board().lines == []


def test_the_cache_forgets_the_oldest_question(pages: Pages) -> None:
    sell(pages)
    for at in range(100):
        prices.search(prices.Asked(after=("telegram", "GB", f"p{at}")))
    assert len(prices._pages._values) == 64


def test_the_list_goes_on_page_by_page(pages: Pages) -> None:
    sell(pages)
    seen: list[str] = []
    asked = prices.Asked()
    while True:
        page = prices.search(asked)
        assert len(page.lines) <= prices.PAGE_ROWS
        seen += [line.offer.service for line in page.lines]
        if page.next is None:
            break
        asked = prices.Asked(after=prices.read_cursor(page.next))
    with pages.shop.db.transaction() as tx:
        offers = catalog.offers(
            tx, OfferFilter("live"), after=("", "", ""), limit=5000, now=pages.shop.clock.now()
        )
    assert seen == [one.service for one in offers]
    assert len(seen) > prices.PAGE_ROWS


def test_the_next_page_is_a_link(pages: Pages) -> None:
    sell(pages)
    browser = pages.browser()
    page = browser.get("/prices/").context["page"]
    following = browser.get("/prices/", {"after": page.next})
    assert following.status_code == 200
    assert following.context["page"].lines[0].offer.service > page.lines[-1].offer.service
    assert "From the start" in following.content.decode()


def test_a_cursor_that_is_none_begins_at_the_start(pages: Pages) -> None:
    sell(pages)
    strangers = ("nobody,GB,eu", "telegram,XX,eu", "telegram,GB,nowhere", "telegram,GB,eu,")
    for nonsense in ("x", "a,b", "a,b,c,d", "\x00,,", "é" * 500, *strangers):
        assert prices.read_cursor(nonsense) == ("", "", "")
        page = pages.browser().get("/prices/", {"after": nonsense}).context["page"]
        assert page.lines == prices.search(prices.Asked()).lines


def test_a_service_is_found_by_its_name(pages: Pages) -> None:
    sell(pages)
    page = pages.browser().get("/prices/", {"service": "tElegram"}).context["page"]
    assert [line.service for line in page.lines] == ["Telegram"]


def test_a_part_of_a_name_offers_a_choice(pages: Pages) -> None:
    sell(pages)
    answer = pages.browser().get("/prices/", {"service": "goo"})
    choices = answer.context["page"].choices
    assert 1 < len(choices) <= prices.MOST_CHOICES
    assert 'href="?service=google"' in answer.content.decode()


def test_a_country_is_chosen_from_those_with_numbers(pages: Pages) -> None:
    sell(pages)
    sell(pages, "fr", first=10, country="FR")
    answer = pages.browser().get("/prices/", {"service": "telegram", "country": "FR"})
    assert dict(answer.context["countries"]) == {"FR": "France", "GB": "United Kingdom"}
    assert [line.country for line in answer.context["page"].lines] == ["France"]


def test_what_nobody_knows_is_said_to_be_unknown(pages: Pages) -> None:
    sell(pages)
    assert "Nothing here is called zzqq" in words(pages, "/prices/?service=zzqq").replace("  ", " ")
    assert "Nothing here is called XX" in words(pages, "/prices/?country=XX").replace("  ", " ")


def test_a_prohibited_service_is_not_found(pages: Pages) -> None:
    sell(pages)
    page = pages.browser().get("/prices/", {"service": "paypal"}).context["page"]
    assert (page.lines, page.unknown) == ([], "paypal")


def test_a_record_is_shown_as_it_is(pages: Pages) -> None:
    sell(pages)
    pages.shop.run(
        "insert into offer_records (pool_id, service_id, country, closed, succeeded, median_s, as_of)"
        " select p.id, s.id, 'GB', 50, 47, 14.2, %(now)s from pools p, services s"
        " where p.slug = 'eu' and s.slug = 'telegram'",
        now=pages.shop.clock.now(),
    )
    text = words(pages, "/prices/?service=telegram")
    assert "94 %" in text
    assert "14 seconds" in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '" onclick="x', "\u202eevil\u2066", "x" * 80])
def test_a_hostile_name_of_a_pool_is_inert(pages: Pages, name: str) -> None:
    sell(pages, name=name)
    page = read(pages, "/prices/?service=telegram")
    assert "<script>alert" not in page
    assert 'onclick="x' not in page
    assert not {"\u202e", "\u2066"} & set(page)
    assert '<bdi class="outside" dir="auto">' in page


def test_hostile_questions_are_inert(pages: Pages) -> None:
    sell(pages)
    for hostile in ("<img src=x>", '"><script>', "%", "_", "\x00", "\u202e", "a" * 5000):
        answer = pages.browser().get("/prices/", {"service": hostile, "country": hostile, "after": hostile})
        assert answer.status_code == 200
        assert "<img src=x" not in answer.content.decode()
        assert '"><script' not in answer.content.decode()


def test_prices_speak_chinese_too(pages: Pages) -> None:
    sell(pages, price=1_234_500_000)
    with translation.override(CHINESE):
        price = formats.money(1_234_500_000)
    assert price in read(pages, "/prices/?service=telegram", CHINESE)


def _slow_for(slow: str) -> tuple[Kept[str, str], threading.Semaphore, threading.Event]:
    """What is read is the key; of `slow` each reading is counted, and waits until it may go on."""
    reading, go_on = threading.Semaphore(0), threading.Event()

    def read(key: str, _: datetime) -> str:
        if key == slow:
            reading.release()
            assert go_on.wait(10)
        return key

    return Kept(read, 8), reading, go_on


@contextmanager
def _counted() -> Iterator[list[Any]]:
    """Every reading of offers meanwhile, by its filter."""
    asked: list[Any] = []
    real = catalog.offers

    def counting(tx: Any, wanted: OfferFilter, **rest: Any) -> Any:
        asked.append(wanted)
        return real(tx, wanted, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "offers", counting)
        yield asked
