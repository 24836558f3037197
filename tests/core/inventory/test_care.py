"""Numbers out of use and back: never from under an order, never against what was decided for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from onceline.core.errors import InvalidInput, NotFound, OutOfStock
from onceline.core.inventory import care
from onceline.core.inventory import store as inventory
from onceline.core.inventory.care import QUARANTINED, RETIRED, Place, Reason, Taken
from onceline.core.inventory.store import Provenance
from tests.personas import ALICE, BOB, OLGA
from tests.shop import COOLDOWN_S, DRAIN_S, WINDOW_S, Shop, numbers

DIGEST = bytes(range(32))
SERVICES = (
    "telegram",
    "whatsapp",
    "discord",
    "google",
    "instagram",
    "tiktok",
    "twitter",
    "viber",
    "wechat",
    "snapchat",
)


def out(shop: Shop, some: list[str], target: str = QUARANTINED, words: str = "complaints") -> Taken:
    with shop.db.transaction() as tx:
        return care.take_out(tx, some, target, Reason(words, OLGA), shop.clock.now())


def back(shop: Shop, some: list[str]) -> Taken:
    with shop.db.transaction() as tx:
        return care.take_back(tx, some)


def state(shop: Shop, number: str | None) -> tuple[str, str | None]:
    row = shop.rows("select state, leaving from numbers where e164 = %(e164)s", e164=number)[0]
    return row.state, row.leaving


def brought(shop: Shop, some: list[str], pool: str = "sandbox", **rest: str) -> set[str]:
    with shop.db.transaction() as tx:
        return inventory.import_numbers(
            tx,
            pool=pool,
            country="GB",
            network="",
            provenance=Provenance("C-1", "mobile", rest.get("consent", "signed"), DIGEST, OLGA),
            numbers=some,
            now=shop.clock.now(),
        )


def silent(shop: Shop, least: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    at: int | None = 0
    with shop.db.transaction() as tx:
        while at is not None:
            rows, at = care.silent(tx, Place("sandbox", "GB"), least=least, after=at)
            found += [(row.e164, row.orders) for row in rows]
    return found


def test_a_quarantined_number_is_not_sold_until_it_is_released(shop: Shop) -> None:
    alice, fresh = shop.customer(ALICE), shop.only("GB", 1)
    assert out(shop, fresh) == Taken(1, 0, {})
    with pytest.raises(OutOfStock):
        shop.place(alice)
    assert back(shop, fresh) == Taken(1, 0, {})
    assert shop.place(alice).e164 == fresh[0]


def test_a_number_that_an_order_holds_leaves_when_the_order_ends(shop: Shop) -> None:
    alice, fresh = shop.customer(ALICE), shop.only("GB", 1)
    order = shop.place(alice)
    assert out(shop, fresh) == Taken(1, 1, {})
    assert state(shop, order.e164) == ("leased", "quarantined")
    shop.assert_books_are_true()
    shop.sms(order.e164)
    assert shop.order(order).state == "received"
    shop.finish(alice, order)
    assert state(shop, order.e164) == ("quarantined", None)
    shop.assert_books_are_true()


def test_a_leased_number_that_is_retired_is_retired_when_its_order_expires(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    out(shop, [str(order.e164)], RETIRED)
    shop.wait(WINDOW_S + DRAIN_S + 1)
    assert (shop.order(order).state, state(shop, order.e164)) == ("expired", ("retired", None))


def test_a_decision_that_is_taken_back_in_time_changes_nothing(shop: Shop) -> None:
    alice, fresh = shop.customer(ALICE), shop.only("GB", 1)
    order = shop.place(alice)
    out(shop, fresh)
    back(shop, fresh)
    shop.outlive()
    assert state(shop, order.e164) == ("free", None)
    assert shop.place(shop.customer(BOB)).e164 == order.e164


@pytest.mark.promise("P6")
def test_a_released_number_rests_for_what_is_left_of_its_cool_down(shop: Shop) -> None:
    fresh = shop.only("GB", 1)
    shop.place(shop.customer(ALICE))
    out(shop, fresh)
    shop.wait(WINDOW_S + DRAIN_S + 1)
    back(shop, fresh)
    with pytest.raises(OutOfStock):
        shop.place(shop.customer(BOB))
    shop.pass_time(COOLDOWN_S)
    assert shop.place(shop.customer(BOB))


def test_a_retired_number_never_comes_back(shop: Shop) -> None:
    fresh = shop.only("GB", 1)
    out(shop, fresh, RETIRED)
    assert back(shop, fresh).left_alone == {fresh[0]: "not in quarantine"}
    assert out(shop, fresh, QUARANTINED).left_alone == {fresh[0]: "retired, which is for ever"}
    assert state(shop, fresh[0]) == ("retired", None)


def test_a_number_that_will_be_retired_is_not_only_quarantined(shop: Shop) -> None:
    order = shop.place(shop.customer(ALICE))
    out(shop, [str(order.e164)], RETIRED)
    assert out(shop, [str(order.e164)], QUARANTINED).done == 0
    assert back(shop, [str(order.e164)]).done == 0
    assert state(shop, order.e164) == ("leased", "retired")


def test_a_quarantined_number_may_be_retired(shop: Shop) -> None:
    fresh = shop.only("GB", 1)
    out(shop, fresh)
    assert out(shop, fresh, RETIRED).done == 1
    assert state(shop, fresh[0]) == ("retired", None)


def test_numbers_that_are_not_ours_are_named_and_the_others_taken(shop: Shop) -> None:
    fresh = shop.only("GB", 1)
    assert out(shop, [*fresh, "+447400123456"]) == Taken(1, 0, {"+447400123456": "not one of our numbers"})


@pytest.mark.parametrize("words", ["", "  ", "x" * 201])
def test_nothing_is_taken_out_without_a_reason(shop: Shop, words: str) -> None:
    with pytest.raises(InvalidInput):
        out(shop, shop.only("GB", 1), words=words)


def test_the_reason_stays_as_long_as_the_number_is_out(shop: Shop) -> None:
    fresh = shop.only("GB", 1)
    out(shop, fresh, words="complaints")
    out(shop, fresh, words="more complaints")
    with shop.db.transaction() as tx:
        row = care.standing(tx, fresh[0])
    assert (row.reason, row.reason_said_by, row.reason_said_at) == ("more complaints", OLGA, shop.clock.now())
    back(shop, fresh)
    with shop.db.transaction() as tx:
        assert care.standing(tx, fresh[0]).reason is None


def test_quarantine_while_orders_are_placed_and_end_never_leaves_an_order_without_its_number(
    shop: Shop,
) -> None:
    """I2: a number with a live order is leased, whoever decides what meanwhile."""
    fresh = shop.only("GB", 8)
    customers = [shop.customer(f"{ALICE} {one}") for one in range(4)]
    stop = threading.Event()

    def order_and_finish(who: int) -> int:
        placed = 0
        while not stop.is_set():
            with suppress(OutOfStock):
                made = shop.place(customers[who], SERVICES[placed % len(SERVICES)])
                placed += 1
                shop.sms(made.e164)
                shop.finish(customers[who], made)
                shop.run("update numbers set available_at = '2000-01-01' where state = 'free'")
        return placed

    def decide() -> None:
        for _ in range(30):
            out(shop, fresh)
            back(shop, fresh)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(order_and_finish, who) for who in range(3)]
        pool.submit(decide).result(timeout=50)
        stop.set()
        assert sum(one.result(timeout=20) for one in running) > 0
    shop.assert_books_are_true()
    assert {state(shop, number)[1] for number in fresh} == {None}


def test_numbers_of_a_file_know_all_of_their_provenance(shop: Shop) -> None:
    assert brought(shop, ["+447400123456"]) == {"+447400123456"}
    with shop.db.transaction() as tx:
        row = care.standing(tx, "+447400123456")
    assert (row.type, row.contract, row.consent, row.file_digest, row.said_by, row.supplier, row.country) == (
        "mobile", "C-1", "signed", DIGEST, OLGA, "sandbox", "GB",
    )  # fmt: skip


@pytest.mark.promise("A2")
def test_a_file_without_consent_cannot_be_stored_by_any_way(shop: Shop) -> None:
    with pytest.raises(Exception, match="batches_check"):
        brought(shop, ["+447400123456"], consent="")


def test_a_file_that_comes_twice_makes_one_batch(shop: Shop) -> None:
    brought(shop, numbers(3))
    assert brought(shop, numbers(5)) == set(numbers(2, first=3))
    assert shop.value("select count(*) from batches where file_digest is not null") == 1


def test_two_imports_of_the_same_numbers_at_once_add_each_once(shop: Shop) -> None:
    """The second waits where they meet, then passes over what the first has added."""
    shop.pool("ours", 1)
    some = numbers(600)
    start = threading.Barrier(4)

    def bring(turn: int) -> int:
        start.wait(10)
        with shop.db.transaction() as tx:
            return inventory.add_numbers(
                tx, pool="ours", country="GB", network=str(23400 + turn % 2), contract="c", numbers=some, now=shop.clock.now()
            )  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        added = [one.result(timeout=30) for one in [pool.submit(bring, turn) for turn in range(4)]]
    assert sum(added) == 600
    sizes = (
        "select coalesce(sum(c.size), 0) from chunks c join pools p on p.id = c.pool_id where p.slug = 'ours'"
    )
    assert shop.value(sizes) == 600


def test_a_slot_that_a_rivals_number_left_empty_is_never_used_twice(shop: Shop) -> None:
    shop.pool("ours", 1)
    ours, rival, later = numbers(3)
    with ThreadPoolExecutor(1) as pool:
        with shop.db.transaction() as tx:
            inventory.add_numbers(
                tx, pool="ours", country="GB", network="23415", contract="c", numbers=[rival], now=shop.clock.now()
            )  # fmt: skip
            waiting = pool.submit(shop.stock, "GB", [rival, ours], pool="ours", network="23430")
            time.sleep(0.3)
            assert not waiting.done()
        assert waiting.result(timeout=20) == 1
    assert shop.stock("GB", [later], pool="ours", network="23430") == 1


def test_numbers_are_counted_by_pool_country_and_state(shop: Shop) -> None:
    alice, fresh = shop.customer(ALICE), shop.only("GB", 4)
    shop.run("delete from numbers where state = 'retired'")
    order = shop.place(alice)
    shop.sms(order.e164)
    shop.finish(alice, order)
    shop.place(alice)
    out(
        shop,
        [number for number in fresh if state(shop, number) == ("free", None) and number != order.e164][:1],
    )
    with shop.db.transaction() as tx:
        (row,) = care.counts(tx, Place("sandbox", "GB"), now=shop.clock.now(), limit=10)
        late = care.lately(tx, Place("sandbox", "GB"), shop.clock.now())["sandbox", "GB"]
    assert (row.free, row.resting, row.leased, row.quarantined, row.retired) == (1, 1, 1, 1, 0)
    assert (late.closed, late.succeeded, late.message_at) == (1, 1, shop.clock.now())


def test_a_list_goes_on_where_the_page_before_ended(shop: Shop) -> None:
    shop.pool("ours", 1)
    shop.stock("GB", numbers(5), pool="ours")
    seen: list[str] = []
    with shop.db.transaction() as tx:
        for _ in range(3):
            after = seen[-1] if seen else None
            rows = care.listed(tx, Place("ours"), state="free", after=after, limit=2, now=shop.clock.now())
            seen += [row.e164 for row in rows]
    assert seen == numbers(5)


def test_a_number_that_was_ordered_often_and_never_got_a_message_is_dead(shop: Shop) -> None:
    dead, alive = shop.only("GB", 2)
    for turn, service in enumerate(SERVICES[:3]):
        for number in (dead, alive):
            shop.run(
                "update numbers set state = 'quarantined' where e164 <> %(e)s and state = 'free'", e=number
            )
            order = shop.place(shop.customer(f"{ALICE} {turn}"), service)
            if number == alive and turn == 0:
                shop.sms(order.e164)
            shop.outlive()
            shop.run("update numbers set state = 'free' where e164 = any(%(both)s)", both=[dead, alive])
    assert silent(shop, least=3) == [(dead, 3)]
    assert silent(shop, least=4) == []


def test_an_unknown_number_has_no_standing(shop: Shop) -> None:
    with shop.db.transaction() as tx, pytest.raises(NotFound):
        care.standing(tx, "+447400123456")
