"""Balance: what there is, what is held for which orders, each move in plain words; test money stays on its side."""

from __future__ import annotations

import re

import pytest

from onceline.core.ledger import store as ledger
from onceline.core.money import MICROS
from onceline.desk.dashboard.deposit_words import MEANINGS
from tests.desk.dashboard.belongings import form, message, order
from tests.desk.dashboard.looking import read
from tests.desk.visitors import Pages, Visitor
from tests.test_tidy import SCHEMA

OF_THE_HOUSE = {"fee", "fee_undone", "voucher_sold", "voucher_void", "processor_fee", "processor_fee_undone"}
"""Kinds between two accounts of the house: no customer's statement has them."""


def available(pages: Pages, who: Visitor) -> int:
    with pages.shop.db.transaction() as tx:
        return ledger.balance(tx, who.side).available


def test_the_page_says_what_can_be_spent_and_what_is_held_for_which_order(pages: Pages) -> None:
    alice = pages.visitor()
    made = order(pages, alice)
    page = read(alice.get("/test/balance/"))
    assert "USD\u00a099.75" in page.text
    assert "for 1 live order" in page.text
    assert page.links().count(f"/test/orders/{made.id}/") == 2  # what is held, and the statement


def test_the_statement_says_in_words_what_became_of_the_money(pages: Pages) -> None:
    alice = pages.visitor()
    message(pages, alice)
    lost = order(pages, alice)
    pages.shop.outlive()
    page = read(alice.get("/test/balance/"))
    for kind in ("Deposit", "Held", "Charged", "Returned"):
        assert f"{kind}" in page.text
    assert str(MEANINGS["release"].sentence) in page.text
    assert f"/test/orders/{lost.id}/" in page.links()


def test_each_kind_of_transfer_that_a_customer_can_have_has_its_words() -> None:
    texts = "".join(path.read_text() for path in sorted(SCHEMA.glob("*.sql")))
    kinds = re.findall(r"kind in \(\s*('deposit'[^)]*)\)", texts)[-1]
    assert set(re.findall("'([a-z_]+)'", kinds)) == set(MEANINGS) | OF_THE_HOUSE


def test_the_statement_says_of_each_line_what_it_did_to_what_can_be_spent(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.run("update sides set available = available - 7, debt = 5 where id = %(id)s", id=alice.side)
    pages.shop.run(
        "insert into transfers (mode, kind, wallet, debit, credit, amount, made_at)"
        " select 'test', k.kind, s.wallet, k.debit, k.credit, 4000000, now() from sides s,"
        " (values ('dispute_owed', 'debt', 'disputed'), ('debt_paid', 'available', 'debt'),"
        " ('refund_undone', 'refund_pending', 'available')) k (kind, debit, credit) where s.id = %(id)s",
        id=alice.side,
    )
    text = " ".join(read(alice.get("/test/balance/")).text.split())
    for line in ("USD 4.00unchanged", "USD 4.00USD -4.00", "USD 4.00USD 4.00"):
        assert line in text
    for kind in ("dispute_owed", "debt_paid", "refund_undone"):
        assert str(MEANINGS[kind].sentence) in text


def test_an_account_without_money_reads_what_will_stand_there(pages: Pages) -> None:
    assert "No money has moved yet" in read(pages.visitor().get("/live/balance/")).text


def test_on_the_live_side_the_page_says_how_money_is_paid_in_and_has_no_button_for_it(pages: Pages) -> None:
    page = read(pages.visitor().get("/live/balance/"))
    assert "through the operator" in page.text
    assert "/live/balance/test-money/" not in [one.get("action") for one in page.named("form")]
    assert "Add money" not in page.text
    assert "/live/balance/add/" not in page.links()


def test_test_money_is_added_once_however_often_the_form_is_sent(pages: Pages) -> None:
    alice = pages.visitor()
    sent = form(read(alice.get("/test/balance/")))
    for _ in range(3):
        assert alice.post("/test/balance/test-money/", sent).status_code == 302
    assert available(pages, alice) == 200 * MICROS
    pages.shop.assert_books_are_true()


def test_test_money_ends_at_a_thousand(pages: Pages) -> None:
    alice = pages.visitor(balance=950 * MICROS)
    alice.post("/test/balance/test-money/", form())
    assert "You have enough test money" in read(alice.get("/test/balance/")).text
    assert available(pages, alice) == 950 * MICROS


def test_no_money_is_ever_made_on_the_live_side(pages: Pages) -> None:
    alice = pages.visitor()
    assert alice.post("/live/balance/test-money/", form()).status_code == 404
    assert pages.shop.value("select sum(available) from sides where mode = 'live'") == 0
    assert pages.shop.value("select count(*) from transfers where mode = 'live'") == 0


def test_a_form_without_its_mark_is_refused(pages: Pages) -> None:
    alice = pages.visitor()
    assert alice.post("/test/balance/test-money/").status_code == 400
    assert available(pages, alice) == 100 * MICROS


def test_a_suspended_account_reads_its_balance_and_adds_nothing(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.run("update accounts set state = 'suspended' where id = %(id)s", id=alice.person.account)
    assert "USD\u00a0100.00" in read(alice.get("/test/balance/")).text
    assert alice.post("/test/balance/test-money/", form()).status_code == 403
    assert available(pages, alice) == 100 * MICROS


def test_the_statement_goes_on_with_older_lines(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onceline.desk.dashboard.balance.PAGE", 2)
    alice = pages.visitor()
    for _ in range(2):
        order(pages, alice)
    page = read(alice.get("/test/balance/"))
    (older,) = [link for link in page.links() if "before=" in link]
    assert "Deposit" in read(alice.get(f"/test/balance/{older}")).text
    assert "Deposit" not in page.text.replace("Every deposit", "")


@pytest.mark.parametrize("cursor", ["x", "tr_0", "tr_ffffffffffffffff", "9" * 40])
def test_a_cursor_that_makes_no_sense_is_no_stack_trace(pages: Pages, cursor: str) -> None:
    assert "Statement" in read(pages.visitor().get(f"/test/balance/?before={cursor}")).text
