"""Numbers: where they came from, and that the picking never gives what must not be given."""

from __future__ import annotations

import pytest

from onceline.core.errors import NotFound, OutOfStock
from onceline.core.inventory import store as inventory
from onceline.core.orders.commands import OrderRequest
from onceline.core.orders.model import Order
from tests.personas import ALICE, BOB, CHARLIE
from tests.shop import COOLDOWN_S, Customer, Shop, numbers

CHUNKS = "select c.size, c.network from chunks c join pools p on p.id = c.pool_id where p.slug = 'ours' order by c.id"


def take_all(shop: Shop, who: Customer, service: str = "telegram", **rest: object) -> set[str | None]:
    """Order until nothing is left."""
    taken: set[str | None] = set()
    while True:
        try:
            taken.add(shop.place(who, service, **rest).e164)
        except OutOfStock:
            return taken


def adopt(shop: Shop, e164: str, service: str = "telegram") -> int | None:
    with shop.db.transaction() as tx:
        return inventory.adopt(
            tx, pool="sandbox", country="GB", service=service, e164=e164, network="23415", contract="asked",
            now=shop.clock.now(),
        )  # fmt: skip


def used_up(
    shop: Shop, who: Customer, order: Order, text: str = "Telegram code: 48291", sender: str = "Telegram"
) -> None:
    """The order got its code, ended, and its number has rested."""
    shop.sms(order.e164, text, sender)
    shop.finish(who, order)
    shop.pass_time(COOLDOWN_S)


@pytest.mark.promise("A2")
def test_every_number_knows_its_supplier_contract_and_country(shop: Shop) -> None:
    shop.stock("GB", numbers(2))
    row = shop.rows(
        "select p.supplier, b.contract, b.country from numbers n join batches b on b.id = n.batch_id"
        " join pools p on p.id = b.pool_id where n.e164 = %(e164)s",
        e164=numbers(1)[0],
    )[0]
    assert tuple(row) == ("sandbox", "test contract", "GB")


@pytest.mark.promise("A2")
def test_a_batch_without_a_known_pool_is_refused(shop: Shop) -> None:
    with pytest.raises(NotFound):
        shop.stock("GB", numbers(1), pool="nobody")


def test_chunks_fill_to_1024_numbers_and_roll_over(shop: Shop) -> None:
    shop.pool("ours", 1)
    assert shop.stock("GB", numbers(1000), pool="ours") == 1000
    assert shop.stock("GB", numbers(1500, first=1000), pool="ours") == 1500
    assert [row.size for row in shop.rows(CHUNKS)] == [1024, 1024, 452]
    assert (
        shop.value(
            "select count(*) from (select n.chunk_id from numbers n join chunks c on c.id = n.chunk_id join pools p on"
            " p.id = c.pool_id where p.slug = 'ours' group by n.chunk_id having max(slot) + 1 <> count(distinct slot)) odd"
        )
        == 0
    )


def test_each_network_has_chunks_of_its_own(shop: Shop) -> None:
    shop.pool("ours", 1)
    shop.stock("GB", numbers(1), pool="ours", network="23415")
    shop.stock("GB", numbers(1, first=1), pool="ours", network="23430")
    assert [tuple(row) for row in shop.rows(CHUNKS)] == [(1, "23415"), (1, "23430")]


def test_known_numbers_are_passed_over(shop: Shop) -> None:
    assert shop.stock("GB", numbers(3)) == 3
    assert shop.stock("GB", numbers(5)) == 2
    assert shop.stock("DE", numbers(5)) == 0
    with shop.db.transaction() as tx:
        assert inventory.count(tx, "sandbox", "GB") == 20 + 5


def test_every_free_number_is_found_over_several_chunks(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.pool("ours", 1)
    for first in range(0, 30, 10):
        shop.stock("GB", numbers(10, first), pool="ours", network=str(23400 + first))
    assert take_all(shop, alice, pool="ours") == set(numbers(30))
    shop.assert_books_are_true()


@pytest.mark.parametrize("state", ["leased", "quarantined", "retired"])
def test_a_number_that_is_taken_out_is_never_given(shop: Shop, state: str) -> None:
    fresh = shop.only("GB", 3)
    shop.run("update numbers set state = %(state)s where e164 = %(e164)s", state=state, e164=fresh[1])
    assert take_all(shop, shop.customer(ALICE)) == {fresh[0], fresh[2]}


@pytest.mark.promise("P6")
def test_a_number_rests_before_somebody_else_gets_it(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    order = shop.place(alice)
    shop.wait(1203)
    shop.pass_time(COOLDOWN_S - 1)
    with pytest.raises(OutOfStock):
        shop.place(charlie)
    shop.pass_time(1)
    assert shop.place(charlie).e164 == order.e164


@pytest.mark.promise("P6")
def test_a_number_that_got_a_message_for_a_service_is_never_sold_for_it_again(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    used_up(shop, alice, shop.place(alice))
    with pytest.raises(OutOfStock):
        shop.place(charlie)
    shop.pass_time(365 * 86400)
    with pytest.raises(OutOfStock):
        shop.place(charlie)
    assert shop.place(charlie, "whatsapp")


@pytest.mark.promise("P6")
def test_a_code_burns_its_number_whoever_sent_it(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    used_up(shop, alice, shop.place(alice), "Your code is 482913", "Nobody Knows")
    with pytest.raises(OutOfStock):
        shop.place(charlie)


def test_a_number_that_got_nothing_serves_others_but_never_the_same_side_for_that_service(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    shop.place(alice)
    shop.outlive()
    with pytest.raises(OutOfStock):
        shop.place(alice)
    assert shop.place(charlie)


def test_only_numbers_of_the_wanted_network_are_given(shop: Shop) -> None:
    shop.only("GB", 2)
    shop.stock("GB", numbers(2, first=2), network="23415")
    order = shop.place(shop.customer(ALICE), network="23415")
    assert (order.e164 in numbers(2, first=2), order.network) == (True, "23415")
    with pytest.raises(OutOfStock):
        shop.place(shop.customer(BOB), network="23430")


@pytest.mark.parametrize("last", [0, 511, 1023])
def test_the_last_free_number_is_found_among_a_thousand(shop: Shop, last: int) -> None:
    """Half of the others are burnt for the service, half are leased."""
    shop.pool("ours", 1)
    fresh = numbers(1024)
    shop.stock("GB", fresh, pool="ours")
    where = "from chunks c join pools p on p.id = c.pool_id where p.slug = 'ours'"
    shop.run(
        f"update numbers set state = 'quarantined' where chunk_id = (select c.id {where}) and slot %% 2 = 0 and slot <> %(last)s",
        last=last,
    )
    bits = "".join("1" if slot % 2 and slot != last else "0" for slot in range(1024))
    shop.run(
        f"insert into burns select c.id, s.id, %(bits)s::bit(1024), bit_count(%(bits)s::bit(1024)) from services s,"
        f" (select c.id {where}) c where s.slug = 'telegram'",
        bits=bits,
    )
    assert take_all(shop, shop.customer(ALICE), pool="ours") == {fresh[last]}


def test_a_chunk_that_is_burnt_whole_is_passed_over(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 2)
    shop.run(
        "insert into burns select n.chunk_id, s.id, ~ repeat('0', 1024)::bit(1024), 1024 from numbers n, services s"
        " where n.e164 = %(e164)s and s.slug = 'telegram'",
        e164=numbers(1)[0],
    )
    with pytest.raises(OutOfStock):
        shop.place(alice)


def test_a_side_takes_its_own_number_again_also_while_it_rests(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    shop.only("GB", 2)
    order = shop.place(alice)
    shop.sms(order.e164, "Telegram code: 48291", sender="Telegram")
    shop.finish(alice, order)
    again = shop.place(alice, number=order.e164)
    assert (again.e164, again.id == order.id) == (order.e164, False)
    shop.assert_books_are_true()


def test_a_number_for_another_service_is_not_taken_again(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.outlive()
    with pytest.raises(OutOfStock):
        shop.place(alice, "whatsapp", number=order.e164)


@pytest.mark.promise("P6")
def test_a_number_of_a_stranger_is_not_taken_again(shop: Shop) -> None:
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    order = shop.place(alice)
    shop.outlive()
    with pytest.raises(OutOfStock):
        shop.place(charlie, number=order.e164)


@pytest.mark.promise("P6")
def test_a_number_that_somebody_else_had_since_is_not_taken_again(shop: Shop) -> None:
    """Their late messages, and their account at the service, would be the taker's."""
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    shop.only("GB", 1)
    order = shop.place(alice)
    shop.outlive()
    theirs = shop.place(charlie)
    shop.sms(theirs.e164, "Telegram code: 48291", sender="Telegram")
    shop.finish(charlie, theirs)
    with pytest.raises(OutOfStock):
        shop.place(alice, number=order.e164)
    shop.pass_time(COOLDOWN_S)
    with pytest.raises(OutOfStock):
        shop.place(alice, number=order.e164)


def test_a_number_in_use_is_not_taken_again(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    with pytest.raises(OutOfStock):
        shop.place(alice, number=order.e164)


def test_a_number_that_a_supplier_names_becomes_ours(shop: Shop) -> None:
    fresh = numbers(1)[0]
    number = adopt(shop, fresh)
    assert shop.rows("select id, e164, state from numbers where e164 = %(e164)s", e164=fresh)[0] == (
        number,
        fresh,
        "free",
    )
    assert adopt(shop, fresh) == number


@pytest.mark.parametrize("state", ["leased", "quarantined", "retired"])
def test_a_named_number_that_is_not_free_is_refused(shop: Shop, state: str) -> None:
    fresh = shop.only("GB", 1)[0]
    shop.run("update numbers set state = %(state)s where e164 = %(e164)s", state=state, e164=fresh)
    assert adopt(shop, fresh) is None


def test_a_named_number_that_rests_or_is_burnt_is_refused(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    fresh = shop.only("GB", 1)[0]
    order = shop.place(alice)
    shop.sms(order.e164, "Telegram code: 48291", sender="Telegram")
    shop.finish(alice, order)
    assert adopt(shop, fresh, "whatsapp") is None
    shop.pass_time(COOLDOWN_S)
    assert adopt(shop, fresh, "telegram") is None
    assert adopt(shop, fresh, "whatsapp") is not None


def test_a_quarantined_number_stays_out_when_its_order_ends(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    order = shop.place(alice)
    shop.run("update numbers set state = 'quarantined' where id = %(id)s", id=order.number_id)
    shop.wait(1203)
    assert shop.value("select state from numbers where id = %(id)s", id=order.number_id) == "quarantined"


def test_a_batch_of_orders_never_shares_a_number(shop: Shop) -> None:
    alice = shop.customer(ALICE)
    fresh = shop.only("GB", 5)
    placed = shop.place_all(alice, *[OrderRequest("telegram", "GB")] * 5)
    numbers_of = shop.rows("select e164 from orders where id = any(%(ids)s)", ids=placed.ids)
    assert {row.e164 for row in numbers_of} == set(fresh)
