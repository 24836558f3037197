"""What can be ordered: priced by the most particular rule, and only what is leasable now."""

from __future__ import annotations

from typing import Any

import pytest

from onceline.core.catalog import store as catalog
from onceline.core.catalog.store import OfferCursor, OfferFilter
from onceline.core.db import Row
from onceline.core.money import MICROS
from onceline.suppliers.sandbox import stock
from tests.personas import ALICE, CHARLIE
from tests.shop import COOLDOWN_S, FOUR_HOURS, ONE_DAY, PRICE, Shop, numbers

START: OfferCursor = ("", "", "")


def offers(
    shop: Shop, after: OfferCursor = START, limit: int = 1000, *, mode: str = "test", **wanted: Any
) -> list[Row]:
    with shop.db.transaction() as tx:
        return catalog.offers(
            tx,
            OfferFilter(mode, **wanted),
            after=after,
            limit=limit,
            now=shop.clock.now(),
        )


def stock_of(shop: Shop, service: str, country: str = "GB") -> int:
    return sum(row.stock for row in offers(shop, service=service, country=country))


def price(shop: Shop, pool: int, amount: int, **rule: Any) -> None:
    with shop.db.transaction() as tx:
        catalog.set_price(tx, pool, amount, **rule)


def test_seeding_again_changes_nothing(shop: Shop) -> None:
    tables = ("countries", "services", "pools", "prices")

    def seeded() -> list[list[Row]]:
        return [shop.rows(f"select * from {table} order by 1") for table in tables]

    before = seeded()
    with shop.db.transaction() as tx:
        catalog.seed(tx, "again")
        stock.seed(tx)
        assert stock.stock_everywhere(tx, shop.clock.now()) == 0
    assert seeded() == before
    assert len(before[1]) >= 150


def test_seeding_keeps_what_the_operator_priced(shop: Shop) -> None:
    pool = shop.pool("ours", 3 * MICROS)
    with shop.db.transaction() as tx:
        catalog.seed(tx, "again")
    assert shop.value("select amount from prices where pool_id = %(pool)s", pool=pool) == 3 * MICROS


def test_the_most_particular_price_wins(shop: Shop) -> None:
    pool = shop.pool("ours", 5 * MICROS)
    shop.stock("GB", numbers(1), pool="ours")
    shop.stock("DE", numbers(1, first=1), pool="ours")
    price(shop, pool, 4 * MICROS, country="GB")
    price(shop, pool, 3 * MICROS, service="telegram")
    price(shop, pool, 2 * MICROS, service="telegram", country="GB")
    found = {
        (row.service, row.country): row.amount // MICROS
        for service in ("telegram", "whatsapp")
        for row in offers(shop, service=service, pool="ours")
    }
    assert found == {
        ("telegram", "GB"): 2,
        ("telegram", "DE"): 3,
        ("whatsapp", "GB"): 4,
        ("whatsapp", "DE"): 5,
    }


def test_what_has_no_price_is_not_offered(shop: Shop) -> None:
    shop.pool("ours")
    shop.stock("GB", numbers(1), pool="ours")
    assert offers(shop, pool="ours") == []
    assert offers(shop, service="test-no-numbers") == []


def test_stock_is_what_is_leasable_now(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 3)
    assert stock_of(shop, "telegram") == 3
    order = shop.place(alice)
    assert stock_of(shop, "telegram") == 2
    shop.wait(1203)
    assert shop.view(order)["state"] == "expired"
    assert stock_of(shop, "telegram") == 2  # it cools down
    shop.pass_time(COOLDOWN_S)
    assert stock_of(shop, "telegram") == 3
    shop.run("update numbers set state = 'quarantined' where e164 = %(e164)s", e164=order.e164)
    assert stock_of(shop, "telegram") == 2


def test_a_burnt_number_is_no_stock_for_its_service_alone(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 2)
    order = shop.place(alice)
    shop.sms(order.e164, "Telegram code: 48291", sender="Telegram")
    shop.finish(alice, order)
    shop.pass_time(COOLDOWN_S)
    assert (stock_of(shop, "telegram"), stock_of(shop, "whatsapp")) == (1, 2)


@pytest.mark.promise("M3")
def test_nothing_without_stock_is_listed(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 1)
    shop.place(alice)
    assert offers(shop, country="GB", pool="sandbox") == []


@pytest.mark.promise("A1")
def test_prohibited_services_are_not_listed_anywhere(shop: Shop) -> None:
    prohibited = {row.slug for row in shop.rows("select slug from services where prohibited")}
    with shop.db.transaction() as tx:
        listed = {row.slug for row in catalog.services(tx, search=None, after="", limit=10_000)}
    assert prohibited
    assert not prohibited & listed
    assert not prohibited & {row.service for row in offers(shop, country="GB", limit=10_000)}
    assert offers(shop, service=min(prohibited)) == []


def test_offers_come_in_pages_that_miss_nothing(shop: Shop) -> None:
    whole = [(row.service, row.country, row.pool) for row in offers(shop, country="GB", limit=300)]
    paged: list[tuple[str, str, str]] = []
    for _ in range(3):
        after = paged[-1] if paged else START
        paged += [(row.service, row.country, row.pool) for row in offers(shop, after, 100, country="GB")]
    assert len(paged) == 300
    assert paged == whole == sorted(set(whole))


def test_the_network_filter_counts_that_network_alone(shop: Shop) -> None:
    shop.only("GB", 1)
    shop.stock("GB", numbers(2, first=1), network="23415")
    assert [row.stock for row in offers(shop, service="telegram", country="GB", network="23415")] == [2]
    assert offers(shop, service="telegram", country="GB", network="23430") == []


def test_the_live_side_sees_no_sandbox(shop: Shop) -> None:
    assert offers(shop, mode="live") == []
    shop.pool("real", PRICE, mode="live")
    shop.stock("GB", numbers(1), pool="real")
    assert {row.pool for row in offers(shop, mode="live", limit=5)} == {"real"}


def test_all_messages_are_sold_as_a_rental_alone(shop: Shop) -> None:
    assert offers(shop, service="full", country="GB") == []
    rental = offers(shop, service="full", country="GB", kind="rental", duration_s=FOUR_HOURS)
    assert [row.amount for row in rental] == [MICROS]


def test_rentals_are_sold_for_named_durations(shop: Shop) -> None:
    with shop.db.transaction() as tx:
        assert catalog.rental_durations(tx, "test")[:2] == [FOUR_HOURS, ONE_DAY]
        assert catalog.rental_durations(tx, "live") == []
    assert offers(shop, service="telegram", country="GB", kind="rental", duration_s=3600) == []


def test_services_are_found_by_name_and_slug(shop: Shop) -> None:
    def found(search: str) -> list[str]:
        with shop.db.transaction() as tx:
            return [row.slug for row in catalog.services(tx, search=search, after="", limit=10)]

    assert "telegram" in found("Teleg")
    assert found("no such service at all") == []


def test_countries_come_in_pages(shop: Shop) -> None:
    with shop.db.transaction() as tx:
        first = catalog.countries(tx, after="", limit=100)
        second = catalog.countries(tx, after=first[-1].iso2, limit=1000)
    assert len(first) == 100
    assert len({row.iso2 for row in [*first, *second]}) == len(first) + len(second) >= 240


def test_pools_are_listed_for_their_mode_while_enabled(shop: Shop) -> None:
    shop.pool("real", PRICE, mode="live")
    shop.stock("GB", numbers(1), pool="real")

    def listed() -> list[tuple[str, list[str]]]:
        with shop.db.transaction() as tx:
            return [(row.slug, row.countries) for row in catalog.pools(tx, "live")]

    assert listed() == [("real", ["GB"])]
    shop.run("update pools set enabled = false where slug = 'real'")
    assert listed() == []
    assert offers(shop, mode="live") == []


def test_an_offer_tells_how_well_it_did_lately(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    placed = [shop.place(who) for who in (alice, alice, charlie, charlie)]
    for order, seconds in zip(placed, (10, 20, 60), strict=False):
        shop.pass_time(seconds)
        shop.sms(order.e164)
    assert offers(shop, service="telegram", country="GB")[0].success_rate is None
    shop.wait(1203)
    with shop.db.transaction() as tx:
        assert catalog.record_offers(tx, shop.clock.now()) == 1
    row = offers(shop, service="telegram", country="GB")[0]
    assert (row.success_rate, row.median_s) == (0.75, 30)
    assert row.seconds == (0, 1, 0, 1, 0, 1, 0)


def test_the_seconds_to_the_first_code_are_counted_in_steps(shop: Shop) -> None:
    """The end of a step is within it."""
    alice = shop.customer(ALICE)
    for seconds in (0, 5, 6, 10, 20, 21, 160, 161):
        order = shop.place(alice)
        shop.pass_time(seconds)
        shop.sms(order.e164)
        shop.sms(order.e164)
        shop.finish(alice, order)
    with shop.db.transaction() as tx:
        catalog.record_offers(tx, shop.clock.now())
    assert offers(shop, service="telegram", country="GB")[0].seconds == (2, 2, 1, 1, 0, 1, 1)


def test_an_offer_without_a_code_has_no_steps(shop: Shop) -> None:
    shop.place(shop.customer(ALICE))
    assert offers(shop, service="telegram", country="GB")[0].seconds is None
    shop.wait(1203)
    with shop.db.transaction() as tx:
        catalog.record_offers(tx, shop.clock.now())
    row = offers(shop, service="telegram", country="GB")[0]
    assert (row.success_rate, row.median_s, row.seconds) == (0, None, None)


def test_an_order_that_never_got_a_number_is_no_record(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice, "test-success", pool="sandbox-asked")
    shop.run(
        "update orders set state = 'failed', money = 'released', closed_at = now() where id = %(id)s",
        id=order.id,
    )
    with shop.db.transaction() as tx:
        assert catalog.record_offers(tx, shop.clock.now()) == 0
