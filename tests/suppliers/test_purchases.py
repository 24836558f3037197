"""What is written down of suppliers that have to be asked first: once each, whatever is repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.suppliers import store
from onceline.suppliers import purchases
from onceline.suppliers.purchases import Begun, Purchase, Stock
from tests.conftest import NOON
from tests.shop import Shop


@pytest.fixture(autouse=True)
def hub(shop: Shop) -> None:
    with shop.db.transaction() as tx:
        store.add(tx, shop.context.vault, "hub", "handler-api", {}, NOON)
    shop.pool("hub", mode="live", supplier="hub", asks=True, tells=True)


def begin(shop: Shop, reference: str = "ol-1") -> Begun:
    now = shop.clock.now()
    with shop.db.transaction() as tx:
        return purchases.begin(
            tx,
            reference,
            supplier="hub",
            service="telegram",
            country="GB",
            now=now,
            ends_at=now + timedelta(minutes=20),
        )


def bought(shop: Shop, reference: str = "ol-1", supplier_order_id: str = "7", **rest: Any) -> bool:
    now = shop.clock.now()
    with shop.db.transaction() as tx:
        return purchases.bought(
            tx,
            reference,
            supplier_order_id=supplier_order_id,
            number="+447465000000",
            network="",
            now=now,
            ends_at=now + timedelta(minutes=20),
            **rest,
        )


def found(shop: Shop, reference: str = "ol-1") -> Purchase:
    with shop.db.transaction() as tx:
        purchase = purchases.find(tx, reference)
    assert purchase is not None
    return purchase


def lease(shop: Shop, limit: int = 10) -> list[str]:
    with shop.db.transaction() as tx:
        return [one.reference for one in purchases.lease_due(tx, "hub", shop.clock.now(), limit)]


def set_stock(shop: Shop, *rows: Stock, pool: str = "hub") -> int:
    with shop.db.transaction() as tx:
        return purchases.set_stock(tx, pool, rows, shop.clock.now())


def counts(shop: Shop) -> dict[tuple[str, str], int]:
    rows = shop.rows(
        "select k.country, s.slug, k.count from supplier_stock k join services s on s.id = k.service_id"
    )
    return {(row.country, row.slug): row.count for row in rows}


def test_a_reference_is_written_down_once(shop: Shop) -> None:
    first, second = begin(shop), begin(shop)

    assert (first.is_new, second.is_new) == (True, False)
    assert first.purchase == second.purchase
    assert first.purchase.state == "asking"


def test_of_rivals_with_one_reference_one_asks(shop: Shop) -> None:
    with ThreadPoolExecutor(8) as threads:
        begun = list(threads.map(lambda _: begin(shop), range(8)))

    assert sorted(one.is_new for one in begun) == [False] * 7 + [True]


def test_what_is_bought_is_remembered(shop: Shop) -> None:
    begin(shop)

    assert bought(shop)
    purchase = found(shop)
    assert (purchase.state, purchase.supplier_order_id, purchase.number) == ("bought", "7", "+447465000000")


def test_one_supplier_order_id_belongs_to_one_purchase(shop: Shop) -> None:
    begin(shop)
    begin(shop, "ol-2")

    assert bought(shop)
    assert not bought(shop, "ol-2")
    assert found(shop, "ol-2").state == "asking"


@pytest.mark.parametrize("decide", [purchases.none, purchases.ended])
def test_what_is_decided_stays_decided(shop: Shop, decide: Any) -> None:
    begin(shop)
    if decide is purchases.ended:
        bought(shop)
    with shop.db.transaction() as tx:
        assert decide(tx, "ol-1")
    state = found(shop).state
    with shop.db.transaction() as tx:
        assert not purchases.unknown(tx, "ol-1")
        assert not purchases.none(tx, "ol-1")

    assert not bought(shop, supplier_order_id="8")
    assert found(shop).state == state


def test_what_turns_up_after_a_no_is_unwanted(shop: Shop) -> None:
    begin(shop)
    with shop.db.transaction() as tx:
        purchases.none(tx, "ol-1")

    assert bought(shop, wanted=False)
    assert found(shop).state == "unwanted"


def test_doubts_are_counted_by_what_was_asked_for(shop: Shop) -> None:
    for reference in ("ol-1", "ol-2", "ol-3"):
        begin(shop, reference)
    bought(shop, "ol-2")
    with shop.db.transaction() as tx:
        purchases.unknown(tx, "ol-1")
        doubts = purchases.in_doubt(tx, found(shop))

    assert doubts == 2


def test_a_purchase_is_due_every_three_seconds_and_later_more_rarely(shop: Shop) -> None:
    begin(shop)
    bought(shop)

    assert lease(shop) == []
    shop.pass_time(3)
    assert lease(shop) == ["ol-1"]
    shop.pass_time(600)
    assert lease(shop) == ["ol-1"]
    shop.pass_time(9)
    assert lease(shop) == []
    shop.pass_time(1)
    assert lease(shop) == ["ol-1"]


def test_two_workers_never_ask_about_the_same_purchase_at_once(shop: Shop) -> None:
    for number in range(20):
        begin(shop, f"ol-{number}")
        bought(shop, f"ol-{number}", str(number))
    shop.pass_time(3)
    with shop.db.transaction() as tx:
        first = [one.reference for one in purchases.lease_due(tx, "hub", shop.clock.now(), 10)]
        second = lease(shop, 20)  # while the first worker's lease is not committed

    assert (len(first), len(second)) == (10, 10)
    assert not set(first) & set(second)


def test_a_message_is_noted_once_and_before_it_is_kept(shop: Shop) -> None:
    begin(shop)
    bought(shop)
    purchase = found(shop)
    with shop.db.transaction() as tx:
        assert purchases.hear(tx, purchase, b"sealed")
        assert not purchases.hear(tx, purchase, b"sealed")

    assert (found(shop).heard, found(shop).heard_kept) == (1, False)
    with shop.db.transaction() as tx:
        purchases.kept(tx, "ol-1", 1)
    assert found(shop).heard_kept


def test_waiting_that_was_seen_before_the_last_message_forgets_nothing(shop: Shop) -> None:
    begin(shop)
    bought(shop)
    old = found(shop)
    with shop.db.transaction() as tx:
        purchases.hear(tx, old, b"sealed")
        purchases.kept(tx, "ol-1", 1)
        purchases.awaits_again(tx, old)

    assert found(shop).heard_sealed == b"sealed"


def test_stock_is_all_that_is_named_and_nothing_else(shop: Shop) -> None:
    set_stock(shop, Stock("GB", "telegram", 5), Stock("DE", "telegram", 2))
    changed = set_stock(shop, Stock("GB", "telegram", 5), Stock("FR", "telegram", 1))

    assert counts(shop) == {("GB", "telegram"): 5, ("DE", "telegram"): 0, ("FR", "telegram"): 1}
    assert changed == 1


@pytest.mark.parametrize(
    "row",
    [
        Stock("XX", "telegram", 5),
        Stock("GB", "nothing", 5),
        Stock("GB", "paypal", 5),
        Stock("GB", "telegram", -3),
    ],
)
def test_stock_that_cannot_be_is_passed_over(shop: Shop, row: Stock) -> None:
    set_stock(shop, row, Stock("GB", "whatsapp", 10**12), Stock("GB", "whatsapp", 1))

    assert counts(shop) == {("GB", "whatsapp"): purchases.LARGEST_COUNT}


def test_a_pool_of_our_own_numbers_gets_no_asked_stock(shop: Shop) -> None:
    shop.pool("own", mode="live", supplier="hub")

    assert set_stock(shop, Stock("GB", "telegram", 5), pool="own") == 0
    assert shop.value("select stock_as_of from pools where slug = 'own'") is None


def test_a_pool_is_fed_by_its_own_supplier_alone(shop: Shop) -> None:
    with shop.db.transaction() as tx:
        assert purchases.feeds(tx, "hub", "hub")
        assert not purchases.feeds(tx, "other", "hub")
        assert not purchases.feeds(tx, "sandbox", "sandbox")
        assert not purchases.feeds(tx, "hub", "nowhere")


def test_old_purchases_are_forgotten_but_none_that_is_open(shop: Shop) -> None:
    for reference in ("ol-1", "ol-2"):
        begin(shop, reference)
    bought(shop, "ol-2")
    shop.pass_time(29 * 86400)
    assert purchases.prune(shop.db, shop.clock.now()) == 0
    shop.pass_time(2 * 86400)

    assert purchases.prune(shop.db, shop.clock.now()) == 1
    assert found(shop, "ol-2").state == "bought"
    shop.pass_time(366 * 86400)
    assert purchases.prune(shop.db, shop.clock.now()) == 1
