"""Reading orders: lists and their cursors, ETags, the long poll, messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.edge.door import Client, Town, assert_problem


def in_background(ask: Callable[[], httpx.Response]) -> Callable[[], tuple[httpx.Response, float]]:
    """Start asking; the result waits for the answer and says how long it took."""
    found: list[tuple[httpx.Response, float]] = []

    def work() -> None:
        started = time.monotonic()
        found.append((ask(), time.monotonic() - started))

    thread = threading.Thread(target=work)
    thread.start()

    def answer() -> tuple[httpx.Response, float]:
        thread.join(15)
        return found[0]

    return answer


# Lists ------------------------------------------------------------------------------------------------------------


def test_orders_are_listed_newest_first_each_once_while_new_ones_come(alice: Client) -> None:
    placed = [alice.order()["id"] for _ in range(7)]
    seen: list[int] = []
    for page in alice.pages("/orders", "orders", limit=3):
        seen += [order["id"] for order in page]
        alice.order()
    assert seen == placed[::-1]


def test_the_last_page_says_that_it_is_the_last(alice: Client) -> None:
    for _ in range(2):
        alice.order()
    assert alice.json("/orders", limit=2)["next"] is None
    assert alice.json("/orders", limit=1)["next"] is not None


def test_a_listed_order_is_the_order(alice: Client) -> None:
    order = alice.sms(alice.order())
    assert alice.json("/orders")["orders"] == [order]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"state": "live"}, {"waiting", "received"}),
        ({"state": "closed"}, {"finished"}),
        ({"state": "received"}, {"received"}),
        ({"state": "failed"}, set()),
        ({"country": "FR"}, {"received"}),
        ({"service": "whatsapp"}, {"finished"}),
        ({"service": "no-such-service"}, set()),
        ({"client_reference": "mine"}, {"waiting"}),
        ({"client_reference": "mine", "country": "FR"}, set()),
    ],
)
def test_filters_find_what_they_name(alice: Client, wanted: dict[str, str], found: set[str]) -> None:
    alice.order(client_reference="mine")
    alice.sms(alice.order(country="FR"))
    finished = alice.order(service="whatsapp")
    alice.sms(finished)
    alice.post(f"/orders/{finished['id']}/finish")
    assert {order["state"] for order in alice.json("/orders", **wanted)["orders"]} == found


@pytest.mark.parametrize(
    "wanted",
    [
        {"state": "lost"}, {"country": "gb"}, {"service": "a\x00b"}, {"client_reference": "\x00"}, {"limit": 0},
        {"limit": 101}, {"limit": "x"},
    ],
)  # fmt: skip
def test_filters_that_are_no_filters_are_refused(alice: Client, wanted: dict[str, Any]) -> None:
    assert_problem(alice.get("/orders", **wanted), 422, "invalid_input")


@pytest.mark.parametrize(
    "cursor", ["x", "", "\x00", "WzFd", "WyJcdWQ4MDAiXQ", "WyIwIl0", "WzFlOTld", "W1tdXQ", "é", "WyJcdTAwMDAiXQ"]
)  # fmt: skip
@pytest.mark.parametrize(
    "path", ["/orders", "/statement", "/catalog/countries", "/catalog/services", "/catalog/offers"]
)
def test_a_cursor_of_somebody_elses_making_is_refused(alice: Client, path: str, cursor: str) -> None:
    answer = alice.get(path, cursor=cursor)
    if cursor == "WyIwIl0" and path in ("/catalog/countries", "/catalog/services"):
        assert answer.status_code == 200  # ["0"] is a place in these lists
    else:
        assert_problem(answer, 422, "invalid_input")


def test_the_cursor_of_a_strangers_list_is_refused(alice: Client, charlie: Client) -> None:
    for customer in (alice, charlie):
        customer.order()
        customer.order()
    cursor = charlie.json("/orders", limit=1)["next"]
    assert_problem(alice.get("/orders", cursor=cursor), 422, "invalid_input")


# ETag -------------------------------------------------------------------------------------------------------------


def test_an_unchanged_order_is_not_sent_again(alice: Client) -> None:
    order = alice.order()
    path = f"/orders/{order['id']}"
    tag = alice.get(path).headers["etag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}'):
        answer = alice.get(path, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    alice.sms(order)
    changed = alice.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


# Long poll --------------------------------------------------------------------------------------------------------


def test_a_long_poll_answers_when_the_code_comes(alice: Client) -> None:
    order = alice.order()
    answer = in_background(lambda: alice.get(f"/orders/{order['id']}", wait=10))
    time.sleep(0.2)
    alice.post("/test/messages", {"number": order["number"], "sender": "X", "text": "Your code is 4821"})
    found, seconds = answer()
    assert (found.json()["state"], found.json()["code"]) == ("received", "4821")
    assert 0.15 < seconds < 2


def test_a_long_poll_for_something_known_answers_at_once(alice: Client) -> None:
    order = alice.sms(alice.order())
    started = time.monotonic()
    assert alice.json(f"/orders/{order['id']}", wait=10, after=1) == order
    assert time.monotonic() - started < 1


def test_a_long_poll_for_the_next_revision_waits_for_it(alice: Client) -> None:
    order = alice.sms(alice.order())
    answer = in_background(lambda: alice.get(f"/orders/{order['id']}", wait=10, after=2))
    time.sleep(0.2)
    alice.post(f"/orders/{order['id']}/resend")
    assert answer()[0].json()["revision"] == 3


def test_a_long_poll_ends_when_its_time_is_over(alice: Client) -> None:
    order = alice.order()
    started = time.monotonic()
    assert alice.json(f"/orders/{order['id']}", wait=1) == order
    assert 0.9 < time.monotonic() - started < 2


def test_a_long_poll_ends_at_the_orders_own_end(town: Town, alice: Client) -> None:
    order = alice.order()
    town.shop.clock.advance(1199.5)
    started = time.monotonic()
    answer = in_background(lambda: alice.get(f"/orders/{order['id']}", wait=10))
    time.sleep(0.2)
    town.shop.clock.advance(0.5)
    assert answer()[0].json()["state"] == "expired"
    assert time.monotonic() - started < 3


def test_a_long_poll_ends_with_its_key(alice: Client) -> None:
    order, other = alice.order(), alice.scoped("orders:read")
    answer = in_background(lambda: other.get(f"/orders/{order['id']}", wait=10))
    time.sleep(0.2)
    scoped = next(key["id"] for key in alice.json("/keys")["keys"] if key["name"] == "scoped")
    alice.delete(f"/keys/{scoped}")
    found, seconds = answer()
    assert_problem(found, 401, "revoked_key")
    assert seconds < 1.5


@pytest.mark.parametrize("wait", [-1, 61, "x", 1.5])
def test_a_wait_has_bounds(alice: Client, wait: object) -> None:
    assert_problem(alice.get(f"/orders/{alice.order()['id']}", wait=wait), 422, "invalid_input")


# Messages ---------------------------------------------------------------------------------------------------------


def test_messages_come_oldest_first_page_by_page_each_once(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600, service="full")
    for turn in range(5):
        alice.sms(order, f"Message number {turn}")
    pages = list(alice.pages(f"/orders/{order['id']}/messages", "messages", limit=2))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [message["text"] for page in pages for message in page] == [
        f"Message number {turn}" for turn in range(5)
    ]


def test_a_message_that_arrives_between_pages_is_not_lost(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600, service="full")
    alice.sms(order, "one")
    alice.sms(order, "two")
    texts = []
    for turn, page in enumerate(alice.pages(f"/orders/{order['id']}/messages", "messages", limit=1)):
        texts += [message["text"] for message in page]
        if turn == 0:
            alice.sms(order, "three")
    assert texts == ["one", "two", "three"]


@pytest.mark.parametrize("cursor", ["x", "WyJtc2dfMTIzIl0"])
def test_a_message_cursor_that_was_never_given_is_refused(alice: Client, cursor: str) -> None:
    answer = alice.get(f"/orders/{alice.order()['id']}/messages", cursor=cursor)
    assert_problem(answer, 422, "invalid_input")


def test_an_order_shows_its_latest_messages_and_the_rest_is_a_page_away(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600, service="full")
    for turn in range(21):
        alice.sms(order, f"n{turn}")
    seen = [message["text"] for message in alice.read(order)["messages"]]
    assert seen == [f"n{turn}" for turn in range(1, 21)]
    assert len(alice.json(f"/orders/{order['id']}/messages")["messages"]) == 21
