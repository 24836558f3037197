"""Orders over HTTP: place, read, list, cancel, finish, ask again, extend; each success, then its refusals."""

from __future__ import annotations

import re
from typing import Any

import pytest

from onceline.core.clock import rfc3339
from onceline.core.money import MICROS
from onceline.edge import shapes
from tests.edge.door import Client, Town, assert_problem, later
from tests.personas import ALICE

ORDER_FIELDS = {
    "id", "kind", "state", "number", "service", "country", "pool", "network", "price", "created_at", "expires_at",
    "closed_at", "cancel_available_at", "can_cancel", "can_resend", "can_finish", "auto_extend", "charged", "revision",
    "client_reference", "withheld", "code", "messages",
}  # fmt: skip


def test_an_order_names_its_number_price_and_times(town: Town, alice: Client) -> None:
    now = town.shop.clock.now()
    answer = alice.place(client_reference="job-7")
    order = answer.json()
    assert answer.status_code == 201
    assert order.keys() == ORDER_FIELDS
    assert (order["kind"], order["state"], order["service"], order["country"], order["pool"]) == (
        "activation", "waiting", "telegram", "GB", "sandbox",
    )  # fmt: skip
    assert re.fullmatch(r"\+44\d{6,12}", order["number"])
    assert order["price"] == {"amount": "0.2500", "currency": "USD"}
    assert 0 < order["id"] < 2**31
    assert order["created_at"] == rfc3339(now)
    assert order["revision"] == 1
    assert (order["code"], order["messages"], order["client_reference"]) == (None, [], "job-7")
    assert (order["can_cancel"], order["can_resend"], order["can_finish"], order["charged"]) == (False,) * 4
    assert order["created_at"] < order["cancel_available_at"] < order["expires_at"]


def test_an_order_reads_as_it_was_answered(alice: Client) -> None:
    order = alice.order()
    assert alice.read(order) == order


def test_a_code_reaches_its_order(alice: Client) -> None:
    seen = alice.sms(alice.order(), "Telegram code: 48291", sender="Telegram")
    assert (seen["state"], seen["code"], seen["charged"], seen["revision"]) == ("received", "48291", True, 2)
    (message,) = seen["messages"]
    assert message.keys() == set(shapes.Message.model_fields)
    assert (message["service"], message["evidence"]) == ("telegram", "template")
    assert message["confidence"] >= 0.8
    assert (message["sender"], message["text"], message["late"]) == (
        "Telegram",
        "Telegram code: 48291",
        False,
    )


def test_a_rental_lasts_as_long_as_it_was_ordered_for(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    assert order["price"]["amount"] == "1.0000"
    assert order["expires_at"] == later(order["created_at"], 4 * 3600)


def test_a_network_that_is_not_in_stock_is_out_of_stock(alice: Client) -> None:
    assert_problem(alice.place(network="23415"), 409, "out_of_stock")


def test_an_order_of_a_number_had_before_gets_that_number(town: Town, alice: Client) -> None:
    order = alice.order()
    alice.sms(order)
    alice.post(f"/orders/{order['id']}/finish")
    assert alice.order(number=order["number"])["number"] == order["number"]


# Refusals of placing ----------------------------------------------------------------------------------------------


def test_no_stock_declines_and_holds_nothing(alice: Client) -> None:
    body = assert_problem(alice.place(service="test-no-numbers"), 409, "out_of_stock")
    assert body["retryable"] is True
    assert alice.json("/balance")["held"] == "0.0000"


def test_too_little_balance_says_how_much_is_missing(town: Town) -> None:
    poor = town.customer(ALICE, balance=150_000)
    assert_problem(poor.place(), 402, "insufficient_balance", missing="0.1000")
    assert poor.json("/balance") == {
        "available": "0.1500", "held": "0.0000", "refund_pending": "0.0000", "disputed": "0.0000", "debt": "0.0000",
        "currency": "USD", "mode": "test",
    }  # fmt: skip


def test_a_price_above_the_limit_names_the_lowest_that_works(alice: Client) -> None:
    assert_problem(alice.place(max_price="0.2499"), 409, "price_too_low", lowest_price="0.2500")
    assert alice.place(max_price="0.2500").status_code == 201


def test_a_prohibited_service_is_refused_by_name(alice: Client) -> None:
    body = assert_problem(alice.place(service="coinbase"), 403, "prohibited_service", service="coinbase")
    assert body["retryable"] is False


@pytest.mark.parametrize(
    ("field", "value"), [("service", "no-such-service"), ("country", "ZZ"), ("pool", "no-such-pool")]
)
def test_an_unknown_thing_is_not_found_and_named(alice: Client, field: str, value: str) -> None:
    body = assert_problem(alice.place(**{field: value}), 404, "not_found", what=field)
    assert value in body["detail"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "rental"},
        {"duration": 3600},
        {"service": "full"},
        {"max_price": "9999999999"},
    ],
)
def test_what_makes_no_sense_together_is_invalid(alice: Client, wanted: dict[str, Any]) -> None:
    assert_problem(alice.place(**wanted), 422, "invalid_input")


def test_a_duration_that_nobody_sells_is_out_of_stock(alice: Client) -> None:
    assert_problem(alice.place(kind="rental", duration=5 * 3600), 409, "out_of_stock")


# Cancel, finish, resend -------------------------------------------------------------------------------------------


def test_a_cancelled_order_brings_the_money_back(town: Town, alice: Client) -> None:
    order = alice.order()
    town.shop.clock.advance(120)
    answer = alice.post(f"/orders/{order['id']}/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["charged"]) == (200, "cancelled", False)
    assert alice.json("/balance")["available"] == "100.0000"
    assert answer.json()["closed_at"] == later(order["created_at"], 120)


def test_a_fresh_order_cannot_be_cancelled_and_the_answer_says_when(alice: Client) -> None:
    order = alice.order()
    when = order["cancel_available_at"]
    assert_problem(
        alice.post(f"/orders/{order['id']}/cancel"), 409, "cancel_too_early", cancel_available_at=when
    )


def test_an_order_with_a_message_cannot_be_cancelled(town: Town, alice: Client) -> None:
    order = alice.order()
    alice.sms(order)
    town.shop.clock.advance(120)
    assert_problem(alice.post(f"/orders/{order['id']}/cancel"), 409, "message_received")


def test_a_rental_cannot_be_cancelled_after_its_first_minutes(town: Town, alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    town.shop.clock.advance(1200)
    answer = alice.post(f"/orders/{order['id']}/cancel")
    until = later(order["created_at"], 1200)
    assert_problem(answer, 409, "cancel_too_late", cancel_available_until=until)


@pytest.mark.parametrize("verb", ["cancel", "finish", "resend"])
def test_a_closed_order_stays_closed_and_says_how_it_ended(town: Town, alice: Client, verb: str) -> None:
    order = alice.order()
    town.shop.clock.advance(120)
    alice.post(f"/orders/{order['id']}/cancel")
    assert_problem(alice.post(f"/orders/{order['id']}/{verb}"), 409, "order_closed", state="cancelled")


def test_a_finished_order_is_closed_and_charged(alice: Client) -> None:
    order = alice.order()
    alice.sms(order)
    seen = alice.post(f"/orders/{order['id']}/finish").json()
    assert (seen["state"], seen["charged"]) == ("finished", True)
    assert seen["closed_at"] is not None


@pytest.mark.parametrize("verb", ["finish", "resend"])
def test_before_a_code_there_is_nothing_to_finish_or_ask_again(alice: Client, verb: str) -> None:
    order = alice.order()
    assert_problem(alice.post(f"/orders/{order['id']}/{verb}"), 409, "no_message")


def test_an_equal_second_code_is_visible_by_its_revision_and_free(alice: Client) -> None:
    order = alice.order()
    first = alice.sms(order)
    asked = alice.post(f"/orders/{order['id']}/resend").json()
    assert (asked["state"], asked["revision"]) == ("resend_pending", 3)
    second = alice.sms(order)
    assert (second["state"], second["code"], second["revision"]) == ("received", first["code"], 4)
    assert len(second["messages"]) == 2
    assert alice.json("/balance") == {
        "available": "99.7500", "held": "0.0000", "refund_pending": "0.0000", "disputed": "0.0000", "debt": "0.0000",
        "currency": "USD", "mode": "test",
    }  # fmt: skip


def test_after_its_end_an_order_reads_as_expired_before_any_worker_came(town: Town, alice: Client) -> None:
    order = alice.order()
    town.shop.clock.advance(1200)
    seen = alice.read(order)
    assert (seen["state"], seen["can_cancel"], seen["can_finish"]) == ("expired", False, False)
    assert alice.get("/orders", state="live").json()["orders"] == []


# Extend -----------------------------------------------------------------------------------------------------------


def test_a_rental_is_extended_once_however_often_it_is_asked(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    path = f"/orders/{order['id']}/extend"
    first = alice.post(path, {"duration": 4 * 3600}, "extend-1")
    again = alice.post(path, {"duration": 4 * 3600}, "extend-1")
    assert (first.status_code, first.json()["price"]["amount"]) == (200, "2.0000")
    assert again.json() == first.json()
    assert alice.json("/balance")["held"] == "2.0000"
    assert_problem(alice.post(path, {"duration": 24 * 3600}, "extend-1"), 422, "idempotency_conflict")


def test_an_activation_or_an_odd_duration_cannot_be_extended(alice: Client) -> None:
    activation, rental = alice.order(), alice.order(kind="rental", duration=4 * 3600)
    for order, duration in ((activation, 4 * 3600), (rental, 4 * 3601)):
        answer = alice.post(f"/orders/{order['id']}/extend", {"duration": duration}, f"x{order['id']}")
        assert_problem(answer, 422, "invalid_input")


def test_an_extension_that_costs_too_much_says_what_is_missing(town: Town) -> None:
    poor = town.customer(ALICE, balance=MICROS)
    order = poor.order(kind="rental", duration=4 * 3600)
    answer = poor.post(f"/orders/{order['id']}/extend", {"duration": 4 * 3600}, "more")
    assert_problem(answer, 402, "insufficient_balance", missing="1.0000")


def test_an_extension_above_max_price_is_refused_with_the_price_of_now(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    path, body = f"/orders/{order['id']}/extend", {"duration": 4 * 3600}
    answer = alice.post(path, body | {"max_price": "0.9999"}, "bound")
    assert_problem(answer, 409, "price_too_low", lowest_price="1.0000")
    assert alice.json("/balance")["held"] == "1.0000"
    assert_problem(alice.post(path, body | {"max_price": "cheap"}, "bound"), 422, "invalid_input")
    assert alice.post(path, body | {"max_price": "1.00"}, "bound").status_code == 200
    assert alice.json("/balance")["held"] == "2.0000"


def test_an_extension_needs_an_idempotency_key(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    answer = alice.post(f"/orders/{order['id']}/extend", {"duration": 4 * 3600})
    assert_problem(answer, 400, "idempotency_key_required")


def test_a_rental_is_told_to_go_on_by_itself_and_no_more(town: Town, alice: Client, charlie: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    path = f"/orders/{order['id']}/auto-extend"
    assert order["auto_extend"] is False
    for on in (True, False):
        answer = alice.post(path, {"on": on})
        assert (answer.status_code, answer.json()["auto_extend"]) == (200, on)
        assert alice.read(order) == answer.json()
    assert_problem(charlie.post(path, {"on": True}), 404, "not_found", what="order")
    town.shop.clock.advance(4 * 3600)
    assert_problem(alice.post(path, {"on": True}), 409, "order_closed", state="expired")


def test_an_activation_goes_on_by_itself_never(alice: Client) -> None:
    assert_problem(
        alice.post(f"/orders/{alice.order()['id']}/auto-extend", {"on": True}), 422, "invalid_input"
    )


# Limits -----------------------------------------------------------------------------------------------------------


def test_the_limit_of_live_orders_is_told_with_a_time_to_ask_again(town: Town, alice: Client) -> None:
    alice.order()
    with town.another(live_orders=1) as url:
        answer = alice.at(url).place()
    assert_problem(answer, 429, "limit_exceeded", limit="live_orders", retry_after_s=60)
    assert answer.headers["retry-after"] == "60"


# Looking back -----------------------------------------------------------------------------------------------------


def test_orders_are_listed_by_kind_number_time_and_id(town: Town, alice: Client) -> None:
    first = alice.order()
    town.shop.clock.advance(60)
    rental = alice.order(kind="rental", duration=4 * 3600)
    for wanted in (
        {"kind": "rental"}, {"number": rental["number"]}, {"number": rental["number"][-6:]},
        {"from": rental["created_at"]}, {"order": rental["id"]},
    ):  # fmt: skip
        assert [one["id"] for one in alice.json("/orders", **wanted)["orders"]] == [rental["id"]]
    assert [one["id"] for one in alice.json("/orders", until=rental["created_at"])["orders"]] == [first["id"]]


@pytest.mark.parametrize(
    "wanted", [{"number": "12a"}, {"from": "yesterday"}, {"until": "2026-01-01"}, {"order": 0}]
)
@pytest.mark.parametrize("path", ["/orders", "/messages"])
def test_a_filter_that_is_none_is_refused(alice: Client, path: str, wanted: dict[str, Any]) -> None:
    assert alice.get(path, **wanted).json()["code"] == "invalid_input"


def test_a_kind_that_is_none_is_refused(alice: Client) -> None:
    assert alice.get("/orders", kind="lease").json()["code"] == "invalid_input"


def test_messages_of_all_orders_are_listed_newest_first(alice: Client, charlie: Client) -> None:
    first, second = alice.order(), alice.order(service="whatsapp")
    alice.sms(first, "Telegram code: 11111", sender="Telegram")
    alice.sms(second, "WhatsApp code: 22222", sender="WhatsApp")
    answer = alice.json("/messages")
    assert [one["code"] for one in answer["messages"]] == ["22222", "11111"]
    assert answer["messages"][0]["order"] == {
        "id": second["id"], "number": second["number"], "service": "whatsapp",
    }  # fmt: skip
    assert (answer["next"], answer["searched"], answer["complete"]) == (None, None, True)
    assert charlie.json("/messages")["messages"] == []
    pages = list(alice.pages("/messages", "messages", limit=1))
    assert [one["code"] for page in pages for one in page] == ["22222", "11111"]


def test_messages_are_searched_by_what_is_sealed(alice: Client) -> None:
    alice.sms(alice.order(), "Telegram code: 11111", sender="Telegram")
    alice.sms(alice.order(service="whatsapp"), "WhatsApp code: 22222", sender="WhatsApp")
    for wanted in ({"text": "TELEGRAM code"}, {"sender": "teleg"}, {"service": "telegram"}):
        assert [one["code"] for one in alice.json("/messages", **wanted)["messages"]] == ["11111"]
    assert alice.json("/messages", text="nowhere") == {
        "messages": [], "next": None, "searched": 2, "complete": True,
    }  # fmt: skip


def test_what_is_searched_for_is_in_no_log(town: Town, alice: Client) -> None:
    alice.json("/messages", text="needle-in-text", sender="needle-in-sender")
    logged = "".join(one.read_text() for one in town.settings.logs.rglob("*") if one.is_file())
    assert "/api/v1/messages" in logged
    assert "needle" not in logged


def test_a_cursor_of_another_list_opens_no_page_of_messages(alice: Client) -> None:
    assert_problem(alice.get("/messages", cursor="WzFd"), 422, "invalid_input")
