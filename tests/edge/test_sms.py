"""Test mode: an SMS of any content reaches its order whole; one that belongs to nobody is refused."""

from __future__ import annotations

import pytest

from onceline.core.inbox.model import LONGEST_SENDER, LONGEST_TEXT
from tests.edge.door import Client, Town, assert_problem, eventually

HOSTILE = {
    "nothing": "",
    "one character": "7",
    "ten thousand characters": "Your code is 482913. " + "x" * (LONGEST_TEXT - 21),
    "ten thousand astral characters": "\U0001f600" * LONGEST_TEXT,
    "NUL": "Your code\x00 is 482913\x00",
    "ANSI": "\x1b[2J\x1b[31mYour code is 482913\x1b]0;owned\x07",
    "RTL marks": "\u202eYour code is 482913\u202c \u2066x\u2069 \u200f",
    "HTML": "<script>alert(1)</script> Your code is 482913 <img src=x onerror=alert(1)>",
    "SQL": "'); drop table messages; -- 482913",
    "format strings": "%s %(code)s {code} ${jndi:ldap://x} 482913",
    "line ends": "Your code\r\nis\n482913\u2028\u2029",
    "noncharacters": "\ufffe\uffff\U0010ffff 482913",
    "combining": "4" + "\u0301" * 5000,
    "digits of every kind": "\u0664\u0668\u0662\u0669\u0661\u0663 \uff14\uff18\uff12\uff19\uff11\uff13",
    "backslashes": "\\ud800 \\x00 \\n 482913",
    "spaces": " " * LONGEST_TEXT,
    "digits": "9" * LONGEST_TEXT,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_a_text_is_shown_as_it_was_sent(alice: Client, text: str) -> None:
    order = alice.order(kind="rental", duration=4 * 3600, service="full")
    seen = alice.sms(order, text)
    assert [message["text"] for message in seen["messages"]] == [text]
    assert alice.json("/events")["events"][-1]["event"]["order"]["messages"][0]["text"] == text


@pytest.mark.parametrize(
    "sender", ["", "x" * LONGEST_SENDER, "\x00\x1b[0m", "\u202eerots", "<b>", "+447700900000"]
)
def test_a_sender_is_shown_as_it_was_sent(alice: Client, sender: str) -> None:
    seen = alice.sms(alice.order(), "Your code is 482913", sender)
    assert (seen["messages"][0]["sender"], seen["code"]) == (sender, "482913")


def test_html_in_a_message_stays_data(alice: Client) -> None:
    order = alice.order()
    alice.sms(order, HOSTILE["HTML"])
    answer = alice.get(f"/orders/{order['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "change",
    [
        {"text": "x" * (LONGEST_TEXT + 1)}, {"sender": "x" * (LONGEST_SENDER + 1)}, {"text": None}, {"sender": 7},
        {"number": "07700900123"}, {"number": "+0"}, {"number": "+44 7700 900123"}, {"extra": 1},
    ],
)  # fmt: skip
def test_what_is_no_sms_is_refused(alice: Client, change: dict[str, object]) -> None:
    body = {"number": "+447700900123", "sender": "X", "text": "Hello"} | change
    assert_problem(alice.post("/test/messages", body), 422, "invalid_input")


def test_a_lone_surrogate_is_no_text(alice: Client) -> None:
    body = '{"number":"+447700900123","sender":"X","text":"482913 \\ud83d"}'
    assert_problem(alice.raw("/test/messages", body), 400, "malformed_body")


def send(client: Client, number: str, key: str | None = None, text: str = "Your code is 482913") -> str:
    answer = client.post("/test/messages", {"number": number, "sender": "X", "text": text}, key)
    assert answer.status_code == 202, answer.text
    assert answer.json().keys() == {"message_id"}
    return str(answer.json()["message_id"])


def test_the_id_in_the_answer_is_the_messages_own(alice: Client) -> None:
    order = alice.order()
    name = send(alice, order["number"])
    eventually(lambda: [one["id"] for one in alice.read(order)["messages"]] == [name])


def test_one_key_is_one_message_however_often_it_is_sent(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600, service="full")
    assert send(alice, order["number"], "one") == send(alice, order["number"], "one")
    send(alice, order["number"], "two")
    eventually(lambda: len(alice.read(order)["messages"]) == 2)


def test_without_a_key_two_are_two(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600, service="full")
    assert send(alice, order["number"]) != send(alice, order["number"])
    eventually(lambda: len(alice.read(order)["messages"]) == 2)


def test_two_accounts_may_use_the_same_key_for_their_messages(alice: Client, charlie: Client) -> None:
    for customer in (alice, charlie):
        order = customer.order()
        send(customer, order["number"], "shared")
        eventually(lambda customer=customer, order=order: customer.read(order)["code"] == "482913")


@pytest.mark.parametrize("number", ["+447700900999", "+99988877766", "+12345"])
def test_a_number_that_is_not_ours_is_not_found(alice: Client, number: str) -> None:
    body = {"number": number, "sender": "X", "text": "482913"}
    assert_problem(alice.post("/test/messages", body), 404, "not_found", what="test number of yours")


def test_a_number_of_somebody_else_is_not_found(alice: Client, charlie: Client) -> None:
    order = alice.order()
    body = {"number": order["number"], "sender": "X", "text": "482913"}
    assert_problem(charlie.post("/test/messages", body), 404, "not_found", what="test number of yours")
    assert alice.read(order) == order


def test_a_number_that_went_to_somebody_else_is_no_longer_mine(
    town: Town, alice: Client, charlie: Client
) -> None:
    (number,) = town.shop.only("MT", 1, first=7000)
    mine = alice.order(country="MT")
    town.shop.clock.advance(120)
    alice.post(f"/orders/{mine['id']}/cancel")
    town.shop.clock.advance(1801)
    theirs = charlie.order(country="MT")
    assert mine["number"] == theirs["number"] == number
    body = {"number": number, "sender": "X", "text": "482913"}
    assert_problem(alice.post("/test/messages", body), 404, "not_found", what="test number of yours")
    assert charlie.sms(theirs)["code"] == "482913"
    assert alice.read(mine)["messages"] == []


def test_a_message_after_the_end_is_late_and_free(town: Town, alice: Client) -> None:
    order = alice.order()
    town.shop.clock.advance(120)
    alice.post(f"/orders/{order['id']}/cancel")
    send(alice, order["number"])
    eventually(lambda: alice.read(order)["messages"] != [])
    seen = alice.read(order)
    assert (seen["state"], seen["charged"], seen["messages"][0]["late"]) == ("cancelled", False, True)
    assert alice.json("/balance")["available"] == "100.0000"


def test_a_prohibited_senders_message_is_counted_and_never_shown(alice: Client) -> None:
    order = alice.order(service="other")
    send(alice, order["number"], text="Coinbase: your verification code is 482913")
    eventually(lambda: alice.read(order)["withheld"] == 1)
    assert alice.read(order)["messages"] == []
    assert "482913" not in alice.get("/events").text
