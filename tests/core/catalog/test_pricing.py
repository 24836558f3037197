"""The most particular price wins, in Python and in SQL alike."""

from __future__ import annotations

import itertools

from onceline.core.catalog.pricing import EVERY_COUNTRY, EVERY_SERVICE, PriceList
from tests.shop import Shop

POOL, OURS, OTHERS = 1, 7, 8


def test_a_price_for_service_and_country_beats_all_others() -> None:
    prices = PriceList(
        [
            (POOL, EVERY_SERVICE, EVERY_COUNTRY, 1),
            (POOL, EVERY_SERVICE, "GB", 2),
            (POOL, OURS, "", 3),
            (POOL, OURS, "GB", 4),
        ]
    )
    assert prices.price(POOL, OURS, "social", "GB") == 4
    assert prices.price(POOL, OURS, "social", "FR") == 3
    assert prices.price(POOL, OTHERS, "social", "GB") == 2
    assert prices.price(POOL, OTHERS, "social", "FR") == 1


def test_a_test_service_needs_a_price_of_its_own() -> None:
    prices = PriceList([(POOL, EVERY_SERVICE, EVERY_COUNTRY, 1)])
    assert prices.price(POOL, OURS, "test", "GB") is None


def test_sql_and_python_decide_alike_for_every_combination_of_rows(shop: Shop) -> None:
    rows = [(0, "", 11), (0, "GB", 12), (None, "", 13), (None, "GB", 14)]
    with shop.db.transaction() as tx:
        service = tx.one("select id from services where slug = 'telegram'").id
        pool = tx.one("select id from pools where slug = 'sandbox'").id
        for chosen in itertools.chain.from_iterable(itertools.combinations(rows, n) for n in range(5)):
            tx.run("delete from prices where pool_id = %(pool)s", {"pool": pool})
            table = [
                (pool, service if own is None else own, country, amount) for own, country, amount in chosen
            ]
            for _, own, country, amount in table:
                tx.run(
                    "insert into prices (pool_id, kind, service_id, country, amount)"
                    " values (%(pool)s, 'activation', %(service)s, %(country)s, %(amount)s)",
                    {"pool": pool, "service": own, "country": country, "amount": amount},
                )
            for category, place in itertools.product(("social", "test"), ("GB", "FR")):
                decided = tx.one(
                    "select price_of(%(pool)s::smallint, 'activation', %(service)s::smallint, %(category)s, %(country)s, 0) as amount",
                    {"pool": pool, "service": service, "category": category, "country": place},
                )
                assert decided.amount == PriceList(table).price(pool, service, category, place)
