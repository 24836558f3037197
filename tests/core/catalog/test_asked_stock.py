"""Offers of suppliers that have to be asked first: as many as they say, for a minute; and orders only where they have any."""

from __future__ import annotations

import pytest

from onceline.core.catalog import store
from onceline.core.catalog.store import OfferFilter
from onceline.core.errors import OutOfStock
from onceline.core.money import MICROS
from onceline.suppliers import purchases
from onceline.suppliers.purchases import Stock
from tests.personas import ALICE
from tests.shop import Shop

PRICES = {("GB", "telegram"): 300_000, ("DE", "telegram"): 200_000, ("GB", "whatsapp"): 400_000}


@pytest.fixture(autouse=True)
def pool(shop: Shop) -> int:
    pool = shop.pool("hub", supplier="hub", asks=True, tells=True)
    set_prices(shop, PRICES)
    return pool


def set_prices(shop: Shop, amounts: dict[tuple[str, str], int]) -> int:
    with shop.db.transaction() as tx:
        return store.set_prices(tx, "hub", amounts)


def say(shop: Shop, **counts: int) -> None:
    rows = [Stock(country, "telegram", count) for country, count in counts.items()]
    with shop.db.transaction() as tx:
        purchases.set_stock(tx, "hub", rows, shop.clock.now())


def offered(shop: Shop, **wanted: str) -> list[tuple[str, str, int, int]]:
    with shop.db.transaction() as tx:
        found = store.offers(
            tx,
            OfferFilter("test", pool="hub", **wanted),  # type: ignore[arg-type]  # only texts are named here
            after=("", "", ""),
            limit=100,
            now=shop.clock.now(),
        )
    return [(one.service, one.country, one.amount, one.stock) for one in found]


def test_what_a_supplier_says_is_offered_at_its_price(shop: Shop) -> None:
    say(shop, GB=7, DE=2)

    assert offered(shop) == [("telegram", "DE", 200_000, 2), ("telegram", "GB", 300_000, 7)]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"country": "GB"}, 1),
        ({"service": "telegram"}, 2),
        ({"service": "whatsapp"}, 0),
        ({"network": "23415"}, 0),
    ],
)
def test_offers_are_filtered_as_all_are(shop: Shop, wanted: dict[str, str], count: int) -> None:
    say(shop, GB=7, DE=2)

    assert len(offered(shop, **wanted)) == count


def test_asked_offers_stand_among_the_others_in_one_order(shop: Shop) -> None:
    say(shop, GB=7)
    with shop.db.transaction() as tx:
        page = store.offers(
            tx,
            OfferFilter("test", service="telegram", country="GB"),
            after=("", "", ""),
            limit=9,
            now=shop.clock.now(),
        )
        rest = store.offers(
            tx,
            OfferFilter("test", service="telegram", country="GB"),
            after=("telegram", "GB", "hub"),
            limit=9,
            now=shop.clock.now(),
        )

    assert [one.pool for one in page] == ["hub", "sandbox"]
    assert [one.pool for one in rest] == ["sandbox"]


def test_what_was_said_more_than_a_minute_ago_is_not_offered(shop: Shop) -> None:
    say(shop, GB=7)
    shop.pass_time(59)
    assert len(offered(shop)) == 1
    shop.pass_time(1)

    assert offered(shop) == []


def test_numbers_that_were_bought_before_are_no_stock(shop: Shop) -> None:
    say(shop, GB=7)
    shop.stock("FR", ["+33612345678"], pool="hub")

    assert [one[1] for one in offered(shop)] == ["GB"]


def test_an_order_is_placed_where_the_supplier_has_some(shop: Shop) -> None:
    say(shop, GB=1)
    order = shop.place(shop.customer(ALICE), "telegram", "GB", pool="hub")

    assert (order.state, order.price) == ("placing", 300_000)


@pytest.mark.parametrize("what", ["none there", "none of the service", "stale", "gone"])
def test_without_fresh_stock_nothing_is_asked_and_nothing_held(shop: Shop, what: str) -> None:
    alice = shop.customer(ALICE)
    say(shop, **({"DE": 3} if what == "none there" else {"GB": 3}))
    if what == "stale":
        shop.pass_time(60)
    elif what == "gone":
        say(shop, GB=0)
    service = "whatsapp" if what == "none of the service" else "telegram"

    with pytest.raises(OutOfStock):
        shop.place(alice, service, "GB", pool="hub")

    assert shop.balance(alice).available == 100 * MICROS
    assert shop.value("select count(*) from supplier_calls") == 0


def test_an_order_goes_to_the_next_pool_that_has_some(shop: Shop) -> None:
    set_prices(shop, {("GB", "telegram"): 100_000})
    say(shop, DE=3)

    assert shop.place(shop.customer(ALICE), "telegram", "GB").pool == "sandbox"


def test_a_pool_whose_supplier_says_nothing_of_stock_is_always_asked(shop: Shop) -> None:
    assert shop.place(shop.customer(ALICE), "telegram", "GB", pool="hub").state == "placing"


def test_thousands_of_prices_are_set_and_only_changes_written(shop: Shop) -> None:
    countries = [row.iso2 for row in shop.rows("select iso2 from countries")]
    services = [row.slug for row in shop.rows("select slug from services where not prohibited limit 40")]
    prices = {(country, service): 1000 for country in countries for service in services}

    assert set_prices(shop, prices) == len(prices)
    assert set_prices(shop, prices) == 0
    assert set_prices(shop, prices | {("GB", services[0]): 2000}) == 1


def test_prices_of_what_is_not_served_are_passed_over(shop: Shop) -> None:
    assert set_prices(shop, {("GB", "paypal"): 1000, ("XX", "telegram"): 1000, ("GB", "nothing"): 1000}) == 0


def test_the_pool_names_the_countries_its_supplier_has(shop: Shop) -> None:
    say(shop, GB=7, DE=2, FR=0)
    with shop.db.transaction() as tx:
        rows = {row.slug: row.countries for row in store.pools(tx, "test")}

    assert rows["hub"] == ["DE", "GB"]
