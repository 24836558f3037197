"""Money is paid in on the pages: everything is said before payment, one form is one deposit, what was typed stays."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from onceline.core.cash import commands as cash
from onceline.core.deposits.limits import Limits
from onceline.core.deposits.model import Refunds
from onceline.core.ledger import store as ledger
from onceline.core.money import MICROS
from onceline.core.processors import store as processors
from onceline.core.processors.store import Figures
from onceline.core.vouchers import commands as vouchers
from onceline.core.vouchers.model import Wanted, printed
from onceline.desk import ways_to_pay
from onceline.desk.dashboard.deposit_words import REFUND_STATES, STATES
from onceline.desk.dashboard.deposits import SUSPENDED
from onceline.payments.registry import KINDS
from tests.desk.dashboard.belongings import form, order
from tests.desk.dashboard.looking import proven, read
from tests.desk.visitors import Pages, Visitor
from tests.test_tidy import SCHEMA

ADD = "/test/balance/add/"
VOUCHER = "/test/balance/voucher/"


def available(pages: Pages, who: Visitor) -> int:
    with pages.shop.db.transaction() as tx:
        return ledger.balance(tx, who.side).available


def count(pages: Pages) -> int:
    return int(pages.shop.value("select count(*) from deposits where method <> 'given'"))


def way(pages: Pages, name: str = "play", figures: Figures | None = None) -> None:
    figures = figures or Figures(2 * MICROS, 50 * MICROS, 300_000, 29_000, 50_000)
    with pages.shop.db.transaction() as tx:
        processors.add(tx, name, "sandbox", "test", {}, figures, pages.shop.clock.now())
    pages.house.till.hear(frozenset({processors.PROCESSORS_WORD}))


def wish(amount: str = "25.50", method: str = "sandbox", **rest: Any) -> dict[str, Any]:
    return form(amount=amount, method=method, **rest)


def begun(who: Visitor, amount: str = "25.50", method: str = "sandbox") -> str:
    """The page of a deposit that waits to be paid."""
    answer = who.post(ADD, wish(amount, method))
    assert answer.status_code == 302, answer.content.decode()[:2000]
    return str(answer["location"])


def paid(who: Visitor, amount: str = "25.50", method: str = "sandbox", outcome: str = "paid") -> str:
    page = begun(who, amount, method)
    assert who.post(f"{page}pay/", {"outcome": outcome}).status_code == 302
    return page


def voucher(pages: Pages, value: int = 10 * MICROS) -> str:
    with pages.shop.db.transaction() as tx:
        secret, now = pages.shop.context.installation.secret, pages.shop.clock.now()
        made = vouchers.create(tx, secret, Wanted("test", "Kiosk", value, 1), "dora", now)
        vouchers.approve(tx, made.batch, "emil", now)
    return printed(made.codes[0])


# A deposit --------------------------------------------------------------------------------------------------------------


def test_money_is_paid_in_and_is_in_the_balance(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    page = begun(alice)
    assert "Waiting for payment" in read(alice.get(page)).text
    assert available(pages, alice) == 0
    assert alice.post(f"{page}pay/", {"outcome": "paid"})["location"] == page
    assert "It was added to your balance" in read(alice.get(page)).text
    assert available(pages, alice) == 25_500_000
    assert page in read(alice.get("/test/balance/deposits/")).links()
    pages.shop.assert_books_are_true()


def test_bounds_fee_bonus_and_the_way_back_are_said_before_payment(pages: Pages) -> None:
    way(pages)
    alice = pages.visitor()
    text = read(alice.get(ADD)).text
    assert "From USD\u00a02.00 to USD\u00a050.00." in text
    assert "The fee is USD\u00a00.30 and 2.9 % of the amount, on top of it." in text
    assert "You get 5 % of the amount as a bonus." in text
    assert "Within 14 days, if nothing of it was spent, it can go back in full." in text
    page = read(alice.get(begun(alice, "10", "play"))).text
    for figure in ("10.59", "0.59", "10.00", "0.50"):
        assert f"USD\u00a0{figure}" in page
    assert "it can go back in full" in page


def test_the_same_form_sent_twice_is_one_deposit(pages: Pages) -> None:
    alice = pages.visitor()
    sent = wish()
    assert alice.post(ADD, sent)["location"] == alice.post(ADD, sent)["location"]
    assert count(pages) == 1


def test_the_same_form_sent_at_once_is_one_deposit(pages: Pages) -> None:
    alice = pages.visitor()
    sent, browsers = wish(), [pages.browser() for _ in range(4)]
    for browser in browsers:
        browser.cookies = alice.browser.cookies

    def send(browser: Client) -> str:
        try:
            return str(browser.post(ADD, sent)["location"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as senders:
        assert len(set(senders.map(send, browsers))) == 1
    assert count(pages) == 1


def test_the_same_form_with_another_amount_is_another_deposit(pages: Pages) -> None:
    alice = pages.visitor()
    sent = wish()
    assert alice.post(ADD, sent)["location"] != alice.post(ADD, {**sent, "amount": "30"})["location"]
    assert count(pages) == 2


@pytest.mark.parametrize(
    "amount",
    ["0", "-1", "10.00001", "10.001", "1000.01", "0.99", "NaN", "Infinity", "1e3", "１０", "9" * 30, "0x10", "10,00", "<b>1"],
)  # fmt: skip
@pytest.mark.attack(35)
def test_an_amount_that_is_none_is_refused_with_the_bounds_and_stays_written(
    pages: Pages, amount: str
) -> None:
    alice = pages.visitor()
    page = read(alice.post(ADD, wish(amount)))
    assert "from USD\u00a01.00 to USD\u00a01,000.00" in page.text
    (typed,) = [one["value"] for one in page.named("input") if one.get("name") == "amount"]
    assert typed == amount
    assert count(pages) == 0


@pytest.mark.parametrize("method", ["", "nothing", "given", "voucher"])
def test_a_way_that_is_not_there_is_refused_and_the_amount_stays(pages: Pages, method: str) -> None:
    page = read(pages.visitor().post(ADD, wish("12.34", method)))
    assert "hoose a" in page.text
    assert [one["value"] for one in page.named("input") if one.get("name") == "amount"] == ["12.34"]
    assert count(pages) == 0


def test_a_way_of_one_side_is_not_there_on_the_other(pages: Pages) -> None:
    alice = pages.visitor()
    assert "through the operator" in read(alice.get("/live/balance/add/")).text
    alice.post("/live/balance/add/", wish())
    assert count(pages) == 0


def test_a_new_account_reads_its_limit_and_is_stopped_by_it_with_its_figure(pages: Pages) -> None:
    alice = pages.visitor()
    assert "can pay in up to USD\u00a0200.00 within a day" in read(alice.get(ADD)).text
    paid(alice, "150")
    refused = read(alice.post(ADD, wish("60")), 429)
    assert "A new account can pay in up to USD\u00a0200.00" in refused.text
    assert [one["value"] for one in refused.named("input") if one.get("name") == "amount"] == ["60"]
    assert count(pages) == 1


def test_an_older_account_has_no_such_limit(pages: Pages) -> None:
    alice = pages.visitor()
    pages.shop.run("update accounts set opened_at = opened_at - interval '40 days'")
    assert "within a day" not in read(alice.get(ADD)).text
    paid(alice, "150")
    paid(alice, "60")
    assert available(pages, alice) == 310 * MICROS


def test_when_too_many_wait_for_processors_the_form_can_be_sent_again(pages: Pages) -> None:
    alice, sent = pages.visitor(), wish()
    while pages.house.waiting.acquire(blocking=False):
        pass
    refused = read(alice.post(ADD, sent), 503)
    assert "does not answer at the moment" in refused.text
    assert refused.mark == sent["once"]
    pages.house.waiting.release()
    assert alice.post(ADD, sent).status_code == 302
    assert count(pages) == 1


def test_a_form_without_its_mark_is_refused(pages: Pages) -> None:
    alice = pages.visitor()
    assert alice.post(ADD, {"amount": "10", "method": "sandbox"}).status_code == 400
    assert alice.post(VOUCHER, {"code": voucher(pages)}).status_code == 400
    assert count(pages) == 0


def test_a_suspended_account_pays_nothing_in(pages: Pages) -> None:
    alice = pages.visitor()
    page, code = begun(alice), voucher(pages)
    pages.shop.run("update accounts set state = 'suspended' where id = %(id)s", id=alice.person.account)
    assert alice.post(ADD, wish()).status_code == 403
    assert alice.post(VOUCHER, form(code=code)).status_code == 403
    assert alice.post(f"{page}pay/", {"outcome": "paid"}).status_code == 403
    assert available(pages, alice) == 100 * MICROS


# What became of it ------------------------------------------------------------------------------------------------------


def key_of(pages: Pages, page: str) -> str:
    deposit = page.rstrip("/").rpartition("/")[2]
    return str(pages.shop.value("select return_url from openings where deposit_id = %(id)s", id=deposit))


def test_who_comes_back_from_the_processor_sees_it_credited_without_a_worker(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    page = begun(alice)
    pages.shop.run("update sandbox_payments set state = 'paid', paid = amount")
    back = key_of(pages, page)
    assert back.startswith("http://localhost/test/balance/paid/desk-")
    assert alice.get(back)["location"] == page
    assert "It was added to your balance" in read(alice.get(page)).text
    assert alice.get(back)["location"] == page
    assert available(pages, alice) == 25_500_000
    pages.shop.assert_books_are_true()


def test_who_comes_back_without_having_paid_sees_that_too(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    page = begun(alice)
    assert alice.get(key_of(pages, page))["location"] == page
    assert "Waiting for payment" in read(alice.get(page)).text
    assert available(pages, alice) == 0


def test_who_comes_back_while_the_processor_is_away_is_told_to_wait(pages: Pages) -> None:
    alice = pages.visitor()
    page = begun(alice)
    back = key_of(pages, page)
    while pages.house.waiting.acquire(blocking=False):
        pass
    assert "We go on asking it" in read(alice.get(alice.get(back)["location"])).text


def test_an_address_to_come_back_to_tells_a_stranger_nothing(pages: Pages) -> None:
    back = key_of(pages, begun(pages.visitor()))
    for path in (back, "/test/balance/paid/desk-0/"):
        assert pages.visitor().get(path)["location"] == "/test/balance/deposits/"


@pytest.mark.parametrize(
    ("outcome", "said", "came"),
    [
        ("under", "It was added to your balance", 5 * MICROS),
        ("over", "It was added to your balance", 11 * MICROS),
        ("fail", "did not go through", 0),
        ("expire", "Nothing came in time", 0),
    ],
)
def test_whatever_becomes_of_a_payment_has_its_words(
    pages: Pages, outcome: str, said: str, came: int
) -> None:
    alice = pages.visitor(balance=0)
    page = paid(alice, "10", outcome=outcome)
    assert said in read(alice.get(page)).text
    assert available(pages, alice) == came


def test_when_another_amount_came_the_page_names_both(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice, "10", outcome="under")
    shown = read(alice.get(page)).text
    assert "You asked for USD\u00a010.00, but another amount came: USD\u00a05.00 was credited." in shown
    assert "Deposit of USD\u00a05.00" in shown
    question = read(alice.get(f"{page}back/")).text
    assert "USD\u00a05.00 is sent back: the deposit in full." in question
    assert "but another amount came" not in read(alice.get(paid(alice, "10"))).text


def test_with_a_fee_the_question_says_that_it_goes_back_too(pages: Pages) -> None:
    way(pages)
    alice = proven(pages.visitor(balance=0))
    question = read(alice.get(f"{paid(alice, '10', 'play')}back/")).text
    assert "USD\u00a010.59 is sent back: the deposit in full, with its fee." in question
    assert "The bonus of USD\u00a00.50 that came with it leaves your balance too." in question


@pytest.mark.parametrize("outcome", ["fail", "expire"])
def test_after_a_payment_that_did_not_come_the_page_leads_to_another(pages: Pages, outcome: str) -> None:
    alice = pages.visitor(balance=0)
    assert ADD in read(alice.get(paid(alice, outcome=outcome))).links()


def test_a_test_deposit_is_paid_once(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    page = paid(alice)
    alice.post(f"{page}pay/", {"outcome": "over"})
    assert "was paid already" in read(alice.get(page)).text
    assert available(pages, alice) == 25_500_000


def test_no_payment_is_played_on_the_live_side(pages: Pages) -> None:
    alice = pages.visitor()
    page = begun(alice)
    live = page.replace("/test/", "/live/")
    assert alice.get(live).status_code == 404
    assert alice.post(f"{live}pay/", {"outcome": "paid"}).status_code == 404
    assert alice.post(f"{page}pay/", {"outcome": "anything"}).status_code == 404


def test_the_page_of_a_deposit_is_told_anew_by_events(pages: Pages) -> None:
    alice = pages.visitor()
    refreshed = [one["id"] for _, one in read(alice.get(begun(alice))).elements if "data-refresh" in one]
    assert refreshed == ["deposit"]


def test_what_a_network_says_is_only_text_and_of_an_address_the_ends(pages: Pages) -> None:
    alice = pages.visitor()
    page = paid(alice)
    pages.shop.run(
        "update deposits set origin = 'bc1qexampleexample', network = '<script>x</script>', asset = '0.1 <b>BTC'"
        " where method = 'sandbox'"
    )
    shown = read(alice.get(page))
    assert "bc1q…mple" in shown.texts
    assert "<script>x</script>" in shown.texts
    assert "0.1 <b>BTC" in shown.texts
    assert "bc1qexample" not in shown.text


def test_of_a_payment_nothing_else_is_shown(pages: Pages) -> None:
    alice = pages.visitor()
    shown = read(alice.get(paid(alice))).text
    row = pages.shop.rows("select processor_id, payment_id from deposits where method = 'sandbox'")[0]
    assert row.processor_id not in shown
    assert row.payment_id not in shown


def test_the_page_leads_to_the_processor_and_to_no_other_kind_of_address(pages: Pages) -> None:
    alice = pages.visitor()
    page = begun(alice)
    for address, leads in (("https://pay.example/c/1?a=b&c=d", 1), ("javascript:alert(1)", 0), ("/test/", 0)):
        pages.shop.run("update openings set url = %(url)s", url=address)
        assert [one.get("rel") for one in read(alice.get(page)).named("a") if one.get("href") == address][
            :leads
        ] == ["noopener noreferrer"] * leads
        assert ("Go and pay" in read(alice.get(page)).text) == bool(leads)


def test_deposits_are_listed_page_by_page(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onceline.desk.dashboard.deposits.PAGE", 2)
    alice = pages.visitor(balance=0)
    made = []
    for _ in range(3):
        made.append(begun(alice))
        pages.shop.clock.advance(1)
    first = read(alice.get("/test/balance/deposits/"))
    (older,) = [link for link in first.links() if "before=" in link]
    second = read(alice.get(f"/test/balance/deposits/{older}"))
    assert [link for link in first.links() if link in made] == [made[2], made[1]]
    assert [link for link in second.links() if link in made] == [made[0]]


def test_a_cursor_of_others_is_the_first_page(pages: Pages) -> None:
    alice, charlie = pages.visitor(), pages.visitor()
    mine = begun(alice)
    theirs = begun(charlie).rstrip("/").rpartition("/")[2]
    for cursor in (theirs, "dep_x", "x", "9" * 50):
        assert mine in read(alice.get(f"/test/balance/deposits/?before={cursor}")).links()


# Back -------------------------------------------------------------------------------------------------------------------


def test_a_deposit_is_asked_back_after_a_question_and_leaves_the_balance_at_once(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice)
    question = read(alice.get(f"{page}back/"))
    assert "USD\u00a025.50 is sent back" in question.text
    assert available(pages, alice) == 25_500_000
    assert alice.post(f"{page}back/", form(question))["location"] == page
    assert "On its way back" in read(alice.get(page)).text
    shown = read(alice.get("/test/balance/")).text
    assert available(pages, alice) == 0
    assert "On its way back" in shown
    assert "Set aside to go back" in shown
    pages.shop.assert_books_are_true()


def test_asked_twice_it_goes_back_once(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice)
    sent = form()
    for data in (sent, sent, form()):
        assert alice.post(f"{page}back/", data).status_code == 302
    assert pages.shop.value("select count(*) from deposit_refunds") == 1


def test_asking_back_wants_a_fresh_proof_of_who_it_is(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    page = paid(alice)
    assert alice.post(f"{page}back/", form())["location"].startswith("/account/reauthenticate/")
    assert pages.shop.value("select count(*) from deposit_refunds") == 0


@pytest.mark.parametrize("role", ["buyer", "viewer"])
def test_only_the_owner_asks_back(pages: Pages, role: str) -> None:
    alice = pages.visitor(balance=0)
    page = paid(alice)
    bob = proven(pages.visitor(account=alice.person.account, role=role))
    assert bob.get(f"{page}back/").status_code == 403
    assert bob.post(f"{page}back/", form()).status_code == 403
    assert pages.shop.value("select count(*) from deposit_refunds") == 0


def test_nobody_asks_back_what_is_anothers(pages: Pages) -> None:
    page = paid(pages.visitor(balance=0))
    charlie = proven(pages.visitor())
    assert charlie.get(f"{page}back/").status_code == 404
    assert charlie.post(f"{page}back/", form()).status_code == 404
    assert pages.shop.value("select count(*) from deposit_refunds") == 0


def test_a_spent_deposit_stays_and_the_refusal_leads_to_the_order(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice)
    spent = order(pages, alice)
    refused = read(alice.post(f"{page}back/", form()), 409)
    assert "Something of this deposit was spent" in refused.text
    assert f"/test/orders/{spent.id}/" in refused.links()
    assert f"/test/orders/{spent.id}/" in read(alice.get(page)).links()
    assert pages.shop.value("select count(*) from deposit_refunds") == 0


def suspend(pages: Pages, who: Visitor) -> None:
    pages.shop.run("update accounts set state = 'suspended' where id = %(id)s", id=who.person.account)


def test_a_suspended_account_has_nothing_sent_back_and_reads_whom_to_ask(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice)
    question = read(alice.get(f"{page}back/"))
    suspend(pages, alice)
    shown = read(alice.get(page))
    assert str(SUSPENDED) in shown.text
    assert f"{page}back/" not in shown.links()
    assert str(SUSPENDED) in read(alice.get(f"{page}back/"), 403).text
    refused = read(alice.post(f"{page}back/", form(question)), 403)
    assert str(SUSPENDED) in refused.text
    assert "Have it sent back" not in refused.text
    assert pages.shop.value("select count(*) from deposit_refunds") == 0
    assert available(pages, alice) == 25_500_000


def test_a_suspended_account_is_offered_nothing_that_would_fail(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    waits = begun(alice)
    failed = paid(alice, outcome="fail")
    suspend(pages, alice)
    for path in ("/test/balance/", "/test/balance/deposits/", waits, failed):
        page = read(alice.get(path))
        assert ADD not in page.links()
        assert f"{ADD}#voucher" not in page.links()
        assert "/pay/" not in "".join(one.get("action") or "" for one in page.named("form"))
    assert "This account is suspended" in read(alice.get("/test/balance/")).text


def test_who_is_open_again_has_it_sent_back(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice)
    suspend(pages, alice)
    alice.post(f"{page}back/", form())
    pages.shop.run("update accounts set state = 'open' where id = %(id)s", id=alice.person.account)
    assert alice.post(f"{page}back/", form()).status_code == 302
    assert pages.shop.value("select count(*) from deposit_refunds") == 1


def test_after_its_time_a_deposit_stays(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    page = paid(alice)
    assert f"{page}back/" in read(alice.get(page)).links()
    pages.shop.run("update deposits set credited_at = credited_at - interval '15 days'")
    late = read(alice.get(page))
    assert "more than 14 days ago" in late.text
    assert f"{page}back/" not in late.links()


def test_what_nobody_paid_has_no_way_back(pages: Pages) -> None:
    alice = pages.visitor()
    (given,) = [
        link for link in read(alice.get("/test/balance/deposits/")).links() if "/deposits/dep_" in link
    ]
    assert "It cannot go back: nobody paid it." in read(alice.get(given)).text


def test_above_the_limit_the_page_says_that_staff_look_first(pages: Pages) -> None:
    pages.shop.run("update accounts set opened_at = opened_at - interval '40 days'")
    alice = proven(pages.visitor(balance=0))
    pages.shop.run("update accounts set opened_at = opened_at - interval '40 days'")
    page = paid(alice, str(Limits().approval_above // MICROS + 1))
    question = read(alice.get(f"{page}back/"))
    assert "two persons of the staff look at it first" in question.text
    alice.post(f"{page}back/", form(question))
    assert "Two persons of the staff look at it first" in read(alice.get(page)).text


def test_debt_and_what_is_disputed_are_shown_where_there_are_any(pages: Pages) -> None:
    alice = pages.visitor()
    assert "Owed" not in read(alice.get("/test/balance/")).text
    pages.shop.run("update sides set debt = 3000000, disputed = 4000000 where id = %(id)s", id=alice.side)
    text = read(alice.get("/test/balance/")).text
    assert "Owed" in text
    assert "USD\u00a03.00" in text
    assert "Disputed" in text
    assert "USD\u00a04.00" in text


# Vouchers ---------------------------------------------------------------------------------------------------------------


def test_a_voucher_becomes_money_once_however_often_the_form_is_sent(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    sent = form(code=voucher(pages).lower())
    places = {alice.post(VOUCHER, sent)["location"] for _ in range(3)}
    assert available(pages, alice) == 10 * MICROS
    (page,) = places
    assert "Voucher" in read(alice.get(page)).text
    pages.shop.assert_books_are_true()


def test_a_voucher_of_ones_own_leads_to_what_it_became(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    code = voucher(pages)
    page = alice.post(VOUCHER, form(code=code))["location"]
    again = read(alice.post(VOUCHER, form(code=code)), 409)
    assert page in again.links()
    assert available(pages, alice) == 10 * MICROS


def test_a_mistyped_code_stays_written_and_is_not_counted(pages: Pages) -> None:
    alice = pages.visitor()
    for _ in range(7):
        refused = read(alice.post(VOUCHER, form(code="AAAA-BBBB-<b>")))
        assert "mistyped" in refused.text
    assert [one["value"] for one in refused.named("input") if one.get("name") == "code"] == ["AAAA-BBBB-<b>"]
    assert pages.shop.value("select count(*) from voucher_guesses") == 0


def test_a_refused_code_that_is_loaded_again_leads_to_a_fresh_form(pages: Pages) -> None:
    assert pages.visitor().get(VOUCHER)["location"] == f"{ADD}#voucher"


def test_cash_waits_for_a_second_person_and_nothing_is_said_to_be_wrong(pages: Pages) -> None:
    alice = pages.visitor(balance=0)
    with pages.shop.db.transaction() as tx:
        receipt = cash.Receipt(alice.side, 10 * MICROS, "R-1")
        made = cash.record(tx, receipt, "dora", 500 * MICROS, pages.shop.clock.now())
    page = f"/test/balance/deposits/{made}/"
    text = read(alice.get(page)).text
    assert "as soon as a second person has approved it" in text
    assert "does not fit" not in text
    with pages.shop.db.transaction() as tx:
        cash.approve(tx, made, "emil", 500 * MICROS, pages.shop.clock.now())
    shown = read(alice.get(page))
    assert "It was added to your balance" in shown.text
    assert "Ask the operator" in shown.text
    assert f"{page}back/" not in shown.links()


def test_a_refused_code_has_the_focus_and_a_fresh_page_has_not(pages: Pages) -> None:
    alice = pages.visitor()
    for answer, has in ((alice.post(VOUCHER, form(code="A")), True), (alice.get(ADD), False)):
        (field,) = [one for one in read(answer).named("input") if one.get("name") == "code"]
        assert ("autofocus" in field) == has


def test_guessing_is_counted_and_ends(pages: Pages) -> None:
    bob, alice = pages.visitor(), pages.visitor()
    taken = voucher(pages)
    bob.post(VOUCHER, form(code=taken))
    for _ in range(5):
        assert "No voucher can be redeemed" in read(alice.post(VOUCHER, form(code=taken))).text
    good = voucher(pages)
    assert "Too many wrong codes" in read(alice.post(VOUCHER, form(code=good)), 429).text
    assert available(pages, alice) == 100 * MICROS


# Words ------------------------------------------------------------------------------------------------------------------


def allowed(table: str) -> set[str]:
    """What a column `state` of a table may say."""
    text = (SCHEMA / "0023_deposits.sql").read_text()
    found = re.search(rf"create table {table} .*?state in \((.*?)\)", text, re.DOTALL)
    assert found is not None
    return set(re.findall("'([a-z_]+)'", found[1]))


def test_every_state_has_its_words() -> None:
    assert set(STATES) == allowed("deposits")
    assert set(REFUND_STATES) == allowed("deposit_refunds")


def test_every_kind_of_processor_has_its_words_and_says_before_payment_what_it_does() -> None:
    assert set(ways_to_pay.WORDS) == set(KINDS)
    for name, kind in KINDS.items():
        said = ways_to_pay.back_of("x", name)
        assert ("cannot go back. " in said) == (kind.refunds is Refunds.NEVER), name
        assert ("only to the address that it came" in said) == (kind.refunds is not Refunds.SOURCE), name


def test_crypto_currency_says_from_where_nothing_goes_back() -> None:
    said = ways_to_pay.back_of("x", "cryptomus")
    for case in ("an exchange's wallet", "several inputs", "inside the processor"):
        assert case in said


def test_no_form_has_a_field_for_an_address(pages: Pages) -> None:
    alice = proven(pages.visitor(balance=0))
    page = paid(alice)
    fields = {
        one.get("name")
        for path in (ADD, page, f"{page}back/")
        for one in [*read(alice.get(path)).named("input"), *read(alice.get(path)).named("textarea")]
    }
    assert fields <= {"csrfmiddlewaretoken", "once", "method", "amount", "code", "next", None}
