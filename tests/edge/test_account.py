"""Balance and statement: the money of a side, to the last transfer."""

from __future__ import annotations

from decimal import Decimal

from tests.edge.door import Client, Town


def test_the_balance_says_what_can_be_spent_and_what_waits(alice: Client) -> None:
    alice.order()
    assert alice.json("/balance") == {
        "available": "99.7500", "held": "0.2500", "refund_pending": "0.0000", "disputed": "0.0000", "debt": "0.0000",
        "currency": "USD", "mode": "test",
    }  # fmt: skip


def test_the_statement_shows_every_transfer_with_its_order(town: Town, alice: Client) -> None:
    charged, released = alice.order(), alice.order()
    alice.sms(charged)
    town.shop.clock.advance(120)
    alice.post(f"/orders/{released['id']}/cancel")
    rows = alice.json("/statement")["transfers"]
    assert [(row["kind"], row["debit"], row["credit"], row["amount"], row["order"]) for row in rows] == [
        ("release", "held", "available", "0.2500", released["id"]),
        ("capture", "held", "revenue", "0.2500", charged["id"]),
        ("hold", "available", "held", "0.2500", released["id"]),
        ("hold", "available", "held", "0.2500", charged["id"]),
        ("deposit", "sandbox", "available", "100.0000", None),
    ]
    assert {row["currency"] for row in rows} == {"USD"}


def test_an_extension_stands_in_the_statement_with_its_order(alice: Client) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    alice.post(f"/orders/{order['id']}/extend", {"duration": 4 * 3600}, "x")
    assert [row["order"] for row in alice.json("/statement")["transfers"]] == [order["id"]] * 2 + [None]


def test_the_statement_adds_up_to_the_balance(alice: Client) -> None:
    for turn in range(6):
        order = alice.order()
        if turn % 2:
            alice.sms(order)
    figures = {"available": Decimal(0), "held": Decimal(0)}
    for page in alice.pages("/statement", "transfers", limit=4):
        for row in page:
            for account, sign in ((row["debit"], -1), (row["credit"], 1)):
                if account in figures:
                    figures[account] += sign * Decimal(row["amount"])
    balance = alice.json("/balance")
    assert figures == {name: Decimal(balance[name]) for name in figures}


def test_the_pages_of_a_statement_hold_each_row_once_while_new_ones_come(alice: Client) -> None:
    for _ in range(5):
        alice.order()
    before = [row["id"] for row in alice.json("/statement")["transfers"]]
    seen = []
    for page in alice.pages("/statement", "transfers", limit=2):
        seen += [row["id"] for row in page]
        alice.order()
    assert seen == before


def test_the_ids_of_transfers_say_nothing_about_how_many_there_are(alice: Client) -> None:
    first, second = (
        alice.json("/statement", limit=1)["transfers"][0]["id"] for _ in range(2) if alice.order()
    )
    assert first.startswith("tr_")
    assert abs(int(first[3:], 16) - int(second[3:], 16)) > 2**32
