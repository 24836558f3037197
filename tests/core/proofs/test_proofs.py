"""The invariants hold after a busy day, and each check reports the damage that it is there for."""

from __future__ import annotations

import pytest

from onceline.core.money import MICROS
from onceline.core.proofs.checks import Proof, prove
from tests.personas import ALICE, CHARLIE
from tests.shop import CANCEL_LOCK_S, DRAIN_S, FOUR_HOURS, WINDOW_S, Shop


def proofs(shop: Shop) -> dict[str, Proof]:
    with shop.db.transaction() as tx:
        return {proof.id: proof for proof in prove(tx, shop.clock.now())}


def broken(shop: Shop) -> set[str]:
    return {name for name, proof in proofs(shop).items() if proof.broken}


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """A paid, a cancelled, an expired and an extended order are closed, one with a code is live; two customers."""
    alice, charlie = shop.customer(ALICE), shop.customer(CHARLIE)
    cap = shop.capped_key(alice, MICROS).cap
    paid, cancelled, _ = shop.place(alice, cap=cap), shop.place(alice, cap=cap), shop.place(charlie)
    shop.sms(paid.e164)
    shop.pass_time(CANCEL_LOCK_S)
    shop.cancel(alice, cancelled)
    rental = shop.place(charlie, kind="rental", duration_s=FOUR_HOURS)
    shop.extend(charlie, rental, FOUR_HOURS)
    shop.wait(WINDOW_S + DRAIN_S)
    shop.wait(2 * FOUR_HOURS + DRAIN_S)
    shop.sms(shop.place(charlie).e164)
    return shop


def test_all_invariants_hold_after_a_busy_day(busy: Shop) -> None:
    found = proofs(busy)
    assert {name for name, proof in found.items() if proof.broken} == set()
    assert {name for name, proof in found.items() if proof.checked == 0} == set()


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        pytest.param(
            "update sides set available = available + 1 where seq > 1", {"i1_sums", "i13_lots", "i14_trial"},
            id="money from nowhere",
        ),
        pytest.param(
            "update sides set held = held + 1 where seq > 1", {"i1_sums", "i11_held", "i13_lots", "i14_trial"},
            id="a hold from nowhere",
        ),
        pytest.param(
            "update transfers set amount = amount - 1 where kind = 'deposit'", {"i1_sums", "i8_deposits", "i14_trial"},
            id="a changed deposit",
        ),
        pytest.param(
            "update transfers set mode = 'live' where id = (select min(id) from transfers)", {"i1_balance", "i14_trial"},
            id="a transfer that crosses modes",
        ),
        pytest.param("update sides set live_orders = live_orders + 1 where seq > 1", {"i1_counters"}, id="a lost counter"),
        pytest.param(
            "update numbers set state = 'free' where state = 'leased'", {"i2_numbers"}, id="a free number with an order"
        ),
        pytest.param(
            "update numbers set state = 'leased' where id = (select min(id) from numbers)", {"i2_numbers"},
            id="a leased number without an order",
        ),
        pytest.param(
            "update orders set first_valid_at = expires_at + interval '1 second' where money = 'captured'",
            {"i3_captures"}, id="captured by a late message",
        ),
        pytest.param("update events set message_id = null", {"i4_streams"}, id="a message in nobody's stream"),
        pytest.param(
            "update events e set message_id = m.id from messages m join orders o on o.id = m.order_id"
            " where m.id = (select min(id) from messages) and e.side_id <> o.side_id and e.type = 'order.placed'",
            {"i4_streams"}, id="a message in a stranger's stream",
        ),
        pytest.param(
            "delete from events where seq = 2", {"i4_numbering"}, id="a gap in a stream"
        ),
        pytest.param("update sides set seq = seq + 1 where seq > 1", {"i4_numbering"}, id="a number that no event has"),
        pytest.param(
            "delete from transfers where kind = 'release'", {"i1_sums", "i6_holds"}, id="holds of closed orders that did not end"
        ),
        pytest.param(
            "update transfers set amount = amount - 1 where kind = 'capture'", {"i1_sums", "i6_holds", "i14_trial"},
            id="a hold that was captured in part",
        ),
        pytest.param(
            "update transfers set kind = 'capture', credit = 'revenue' where kind = 'release'", {"i1_sums", "i6_holds", "i14_trial"},
            id="money that was kept without a message",
        ),
        pytest.param("update spend_caps set spent = spent + 1", {"i7_caps"}, id="spent by nobody"),
        pytest.param("update orders set spend_cap_id = null", {"i7_caps"}, id="an order that counts no more"),
    ],
)  # fmt: skip
def test_each_check_reports_its_damage(busy: Shop, damage: str, reported: set[str]) -> None:
    assert busy.tamper(damage) > 0
    assert broken(busy) == reported


def test_two_live_orders_of_one_number_are_reported(busy: Shop) -> None:
    busy.run("drop index orders_one_live_per_number")
    live, closed = (
        busy.value(f"select id from orders where closed_at is {null} null limit 1") for null in ("", "not")
    )
    busy.run(
        "update orders set state = 'waiting', closed_at = null, number_id = (select number_id from orders where id = %(live)s)"
        " where id = %(closed)s",
        live=live,
        closed=closed,
    )
    assert "i2_numbers" in broken(busy)


def test_proving_changes_nothing(busy: Shop) -> None:
    before = busy.rows("select id, available, held, seq from sides order by id")
    proofs(busy)
    assert busy.rows("select id, available, held, seq from sides order by id") == before
