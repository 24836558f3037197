"""Mail about codes: off until it is chosen, each code once, without the code unless that was chosen too."""

from __future__ import annotations

import threading

import pytest

from onceline.core.notices import queue
from onceline.core.notices.model import CODE_MAILS_A_DAY
from onceline.workers.notify import notify_round
from tests.mailbox import Notices
from tests.personas import ALICE, CHARLIE
from tests.shop import WINDOW_S, Customer, Shop


@pytest.fixture
def notices(shop: Shop) -> Notices:
    return Notices(shop)


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.mark.promise("D6")
def test_codes_are_not_mailed_until_that_is_chosen(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice)
    shop.sms(shop.place(alice).e164)
    notices.look()
    assert notices.box.mails == []


@pytest.mark.promise("D6")
def test_the_choice_holds_from_the_next_code_on(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice)
    order = shop.place(alice)
    shop.sms(order.e164, "Your code is 111111")
    notices.choose(alice, codes="with_code")
    shop.sms(order.e164, "Your code is 222222")
    notices.look()
    notices.choose(alice, codes="off")
    shop.sms(order.e164, "Your code is 333333")
    notices.look()
    assert len(notices.box.mails) == 1
    assert "Code: 222222" in notices.box.last


@pytest.mark.promise("D6")
def test_the_code_is_in_the_mail_only_if_that_was_chosen(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.settle(alice, codes="without_code")
    order = shop.place(alice)
    shop.sms(order.e164, "Your code is 482913, call Jim")
    notices.look()
    assert notices.box.subjects == ["[test] A code for Telegram arrived"]
    assert "482913" not in notices.box.mails[0].as_string()
    assert "Jim" not in notices.box.last
    assert str(order.id) in notices.box.last
    assert str(order.e164) not in notices.box.last
    notices.choose(alice, codes="with_code")
    shop.sms(order.e164, "Your code is 555444")
    notices.look()
    assert "Code: 555444" in notices.box.last
    assert "482913" not in notices.box.last


def test_a_choice_taken_back_holds_for_mails_that_wait(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice, codes="with_code")
    shop.sms(shop.place(alice).e164)
    notify_round(shop.db, shop.clock)
    notices.choose(alice, codes="without_code")
    notices.post()
    assert "482913" not in notices.box.mails[0].as_string()
    shop.sms(shop.place(alice).e164)
    notify_round(shop.db, shop.clock)
    notices.choose(alice, codes="off")
    notices.post()
    assert len(notices.box.mails) == 1


@pytest.mark.promise("D7")
def test_each_code_is_mailed_once_by_workers_that_meet_and_are_cut_off(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.settle(alice, codes="with_code")
    order = shop.place(alice)
    codes = [f"{number}{number}" for number in range(411, 419)]
    for code in codes:
        shop.sms(order.e164, f"Your code is {code}")
    notices.cut_off(lambda tx: queue.mail_codes(tx, alice.account, alice.side, shop.clock.now()))
    threads = [threading.Thread(target=notices.look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    notices.look()
    bodies = [str(mail.get_content()) for mail in notices.box.mails]
    assert sorted(code for code in codes for body in bodies if f"Code: {code}" in body) == codes
    assert len(bodies) == len(codes)


def test_a_message_without_a_code_makes_no_mail(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice, codes="with_code")
    shop.sms(shop.place(alice).e164, "Hello there")
    notices.look()
    assert notices.box.mails == []


def test_one_side_or_account_gets_no_mail_of_another(notices: Notices, shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE)
    notices.settle(alice, "live@mail.example", "live", codes="with_code")
    notices.settle(charlie, "charlie@mail.example", codes="with_code")
    shop.sms(shop.place(alice).e164)
    notices.look()
    assert notices.box.mails == []


def test_a_code_that_helps_nobody_any_more_is_not_mailed(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.settle(alice, codes="with_code")
    shop.sms(shop.place(alice).e164)
    shop.pass_time(WINDOW_S + 600)
    notify_round(shop.db, shop.clock)
    assert notices.states("code.received") == ["due"]
    shop.pass_time(1)
    notices.post()
    assert notices.states("code.received") == ["dropped"]
    shop.sms(shop.place(alice).e164)
    shop.pass_time(WINDOW_S + 601)
    notices.look()
    assert notices.states("code.received") == ["dropped"]
    assert notices.box.mails == []


def test_without_a_confirmed_address_codes_pass_by(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.choose(alice, codes="with_code")
    shop.sms(shop.place(alice).e164)
    notices.look()
    notices.settle(alice, codes="with_code")
    notices.look()
    assert notices.box.mails == []


def test_a_flood_of_code_mails_is_cut_and_said_once(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice, codes="with_code")
    shop.run(
        "insert into mails (account_id, side_id, kind, mode, facts, state, made_at, next_at) select %(account)s,"
        " %(side)s, 'code.received', 'test', '{}', 'sent', %(now)s, %(now)s from generate_series(1, %(count)s)",
        account=alice.account, side=alice.side, now=shop.clock.now(), count=CODE_MAILS_A_DAY - 1,
    )  # fmt: skip
    order = shop.place(alice)
    for _ in range(3):
        shop.sms(order.e164)
        notices.look()
    assert len(notices.box.mails) == 1
    assert notices.told(alice).count("mail.limited") == 1


def test_events_that_are_gone_leave_no_side_to_be_looked_at_for_ever(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.settle(alice, codes="with_code")
    shop.run("update sides set seq = seq + 1000 where id = %(side)s", side=alice.side)
    notices.look()
    assert notices.look() == 0
    shop.sms(shop.place(alice).e164)
    notices.look()
    assert len(notices.box.mails) == 1
