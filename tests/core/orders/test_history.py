"""What a side looks back on: orders and messages, filtered, page by page, and what it ordered lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onceline.core.errors import InvalidInput
from onceline.core.orders import history, store
from onceline.core.orders.history import Found, MessageFilter
from onceline.core.orders.model import Order
from onceline.core.orders.store import Wanted
from onceline.core.retention.commands import NUMBER_LINK_FOR, destroy_and_prune
from onceline.core.vault import account_key
from tests.personas import ALICE, CHARLIE
from tests.shop import FOUR_HOURS, Customer, Shop


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


def listed(
    shop: Shop, who: Customer, *, before: int | None = None, limit: int = 10, **wanted: Any
) -> tuple[list[int], int | None]:
    with shop.db.transaction() as tx:
        page = store.listed(tx, who.side, Wanted(shop.clock.now(), **wanted), before=before, limit=limit)
    return [row.id for row in page.rows], page.next


def found(shop: Shop, who: Customer, *, before: int | None = None, limit: int = 10, **wanted: Any) -> Found:
    with shop.db.transaction() as tx:
        return history.messages_of(tx, shop.context, who.side, MessageFilter(**wanted), before, limit)


def texts(page: Found) -> list[str]:
    return [view["text"] for view in page.views]


def heard(shop: Shop, who: Customer, *said: str, sender: str = "Service", **wanted: Any) -> Order:
    """An order with messages of these texts."""
    order = shop.place(who, **wanted)
    for text in said:
        shop.sms(order.e164, text, sender)
    return order


# Orders -----------------------------------------------------------------------------------------------------------


def test_orders_are_found_by_kind(shop: Shop, alice: Customer) -> None:
    activation, rental = shop.place(alice), shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    assert listed(shop, alice, kind="rental") == ([rental.id], None)
    assert listed(shop, alice, kind="activation") == ([activation.id], None)


def test_orders_are_found_by_their_number_or_its_end(shop: Shop, alice: Customer) -> None:
    order, _ = shop.place(alice), shop.place(alice)
    assert order.e164 is not None
    for number in (order.e164, order.e164[1:], order.e164[-6:], f"({order.e164[-6:-3]}) {order.e164[-3:]}"):
        assert listed(shop, alice, number=number)[0] == [order.id]
    assert listed(shop, alice, number=order.e164[1:-1] + "x")[0] == []


@pytest.mark.parametrize("number", ["", "%", "abc", "٣٤٥"])
def test_a_number_without_digits_is_refused(shop: Shop, alice: Customer, number: str) -> None:
    with pytest.raises(InvalidInput, match="no digits"):
        listed(shop, alice, number=number)


def test_a_sealed_number_finds_its_order_no_more(shop: Shop, alice: Customer) -> None:
    order = heard(shop, alice, "Your code is 482913")
    shop.outlive()
    assert listed(shop, alice, number=order.e164)[0] == [order.id]
    shop.pass_time(NUMBER_LINK_FOR.total_seconds())
    destroy_and_prune(shop.db, shop.context)
    assert listed(shop, alice, number=order.e164)[0] == []
    assert found(shop, alice, number=order.e164).views == []
    assert found(shop, alice).views[0]["order"]["number"] == order.e164


def test_orders_are_found_by_when_they_were_placed(shop: Shop, alice: Customer) -> None:
    placed = []
    for _ in range(3):
        placed.append(shop.place(alice))
        shop.pass_time(60)
    noon = placed[1].created_at
    assert listed(shop, alice, since=noon)[0] == [placed[2].id, placed[1].id]
    assert listed(shop, alice, until=noon)[0] == [placed[0].id]


def test_an_order_is_found_by_its_id_alone(shop: Shop, alice: Customer) -> None:
    order, _ = shop.place(alice), shop.place(alice)
    assert listed(shop, alice, order=order.id) == ([order.id], None)
    assert listed(shop, alice, order=order.id, kind="rental") == ([], None)
    assert listed(shop, alice, order=1) == ([], None)
    assert listed(shop, shop.customer(CHARLIE), order=order.id) == ([], None)


def test_an_old_reference_is_found_at_once(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 2)
    order = shop.place(alice, client_reference="old")
    for _ in range(5):
        shop.place(alice)
    assert listed(shop, alice, client_reference="old") == ([order.id], None)
    assert listed(shop, alice, client_reference="none") == ([], None)


def test_a_page_looks_at_so_many_orders_and_goes_on(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 2)
    rental = shop.place(alice, kind="rental", duration_s=FOUR_HOURS)
    others = [shop.place(alice).id for _ in range(4)]
    pages, before = [], None
    while True:
        ids, before = listed(shop, alice, before=before, kind="rental")
        pages.append(ids)
        if before is None:
            break
        assert before in others
    assert pages == [[], [], [rental.id]]


def test_a_page_ends_where_all_that_follow_are_too_old(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 2)
    for _ in range(3):
        shop.place(alice)
    noon = shop.clock.now()
    assert listed(shop, alice, since=noon + timedelta(hours=23))[1] is not None
    assert listed(shop, alice, since=noon + timedelta(hours=25)) == ([], None)


# Messages ---------------------------------------------------------------------------------------------------------


def test_messages_of_all_orders_come_newest_first_with_their_orders(shop: Shop, alice: Customer) -> None:
    first = heard(shop, alice, "Your code is 11111")
    second = heard(shop, alice, "Your code is 22222", service="whatsapp")
    shop.sms(first.e164, "Your code is 33333")
    page = found(shop, alice)
    assert texts(page) == ["Your code is 33333", "Your code is 22222", "Your code is 11111"]
    assert page.views[1]["order"] == {"id": second.id, "number": second.e164, "service": "whatsapp"}
    assert page.views[1]["code"] == "22222"
    assert page[1:] == (None, None, True)


def test_a_stranger_sees_none_of_them(shop: Shop, alice: Customer) -> None:
    order = heard(shop, alice, "Your code is 11111")
    charlie = shop.customer(CHARLIE)
    for wanted in ({}, {"text": "code"}, {"order": order.id}, {"number": order.e164}):
        assert found(shop, charlie, **wanted).views == []


def test_messages_are_found_by_order_service_number_and_time(shop: Shop, alice: Customer) -> None:
    first = heard(shop, alice, "Your code is 11111")
    shop.pass_time(60)
    second = heard(shop, alice, "Your code is 22222", service="whatsapp")
    noon = shop.clock.now()
    assert second.e164 is not None
    for wanted in (
        {"order": second.id}, {"service": "whatsapp"}, {"number": second.e164[-7:]}, {"since": noon},
    ):  # fmt: skip
        assert texts(found(shop, alice, **wanted)) == ["Your code is 22222"]
    assert texts(found(shop, alice, until=noon)) == ["Your code is 11111"]
    assert found(shop, alice, order=first.id, service="whatsapp").views == []
    assert found(shop, alice, order=1).views == []


def test_messages_are_found_by_sender_and_text_whatever_the_case(shop: Shop, alice: Customer) -> None:
    heard(shop, alice, "Dein Code für die STRASSE: 11111", sender="Telegram")
    heard(shop, alice, "Your code is 22222", sender="WhatsApp", service="whatsapp")
    assert texts(found(shop, alice, text="straße")) == ["Dein Code für die STRASSE: 11111"]
    assert texts(found(shop, alice, sender="whats")) == ["Your code is 22222"]
    assert found(shop, alice, sender="whats", text="STRASSE").views == []
    assert found(shop, alice, text="%")[2:] == (2, True)


def test_pages_of_messages_go_on_where_the_last_one_ended(shop: Shop, alice: Customer) -> None:
    heard(shop, alice, *(f"Your code is 1111{one}" for one in range(5)))
    for wanted in ({}, {"text": "code"}):
        first = found(shop, alice, limit=2, **wanted)
        second = found(shop, alice, limit=2, before=first.next, **wanted)
        last = found(shop, alice, limit=2, before=second.next, **wanted)
        assert [text[-1] for page in (first, second, last) for text in texts(page)] == [
            "4",
            "3",
            "2",
            "1",
            "0",
        ]
        assert last.next is None


def test_sealed_content_is_searched_in_the_latest_messages_alone_and_the_page_says_so(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SEARCHED", 3)
    monkeypatch.setattr(history, "_OPENED_AT_ONCE", 2)
    heard(shop, alice, *(f"Your code is 1111{one}" for one in range(4)))
    page = found(shop, alice, text="code", limit=2)
    assert (texts(page), page.searched, page.complete) == (
        ["Your code is 11113", "Your code is 11112"], 3, False,
    )  # fmt: skip
    page = found(shop, alice, text="code", limit=2, before=page.next)
    assert (texts(page), page.next) == (["Your code is 11111"], None)
    assert found(shop, alice, text="11110").views == []
    assert texts(found(shop, alice))[-1] == "Your code is 11110"


def test_a_page_looks_at_so_many_messages_and_goes_on(
    shop: Shop, alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_AT", 2)
    heard(shop, alice, "Your code is 11111")
    heard(shop, alice, *(f"Your code is 2222{one}" for one in range(4)), service="whatsapp")
    pages, before = [], None
    while True:
        page = found(shop, alice, before=before, service="telegram")
        pages.append(texts(page))
        before = page.next
        if before is None:
            break
    assert pages == [[], [], ["Your code is 11111"]]


def test_erased_messages_hold_nothing_to_be_found(shop: Shop, alice: Customer) -> None:
    heard(shop, alice, "Your code is 11111")
    shop.context.vault.destroy(account_key(alice.account))
    assert found(shop, alice, text="code").views == []
    assert texts(found(shop, alice)) == [None]


# Choices ----------------------------------------------------------------------------------------------------------


def test_what_was_ordered_lately_is_listed_once_each_the_latest_first(shop: Shop, alice: Customer) -> None:
    for service in ("telegram", "whatsapp", "telegram"):
        shop.place(alice, service)
    shop.place(alice, kind="rental", duration_s=FOUR_HOURS)

    def choices(who: Customer, limit: int) -> list[tuple[str, str, str]]:
        with shop.db.transaction() as tx:
            return [tuple(one) for one in history.recent_choices(tx, who.side, limit)]

    latest = [
        ("telegram", "GB", "rental"),
        ("telegram", "GB", "activation"),
        ("whatsapp", "GB", "activation"),
    ]
    assert choices(alice, 10) == latest
    assert choices(alice, 2) == latest[:2]
    assert choices(shop.customer(CHARLIE), 10) == []
