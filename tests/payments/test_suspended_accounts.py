"""Money of a suspended account is a matter of the staff: its keys begin no deposit and have none sent back."""

from __future__ import annotations

from onceline.core.access import commands as access
from tests.edge.door import assert_problem
from tests.payments.counter import Counter


def put(counter: Counter, state: str) -> None:
    with counter.shop.db.transaction() as tx:
        access.set_account_state(tx, counter.who.account, state)


def test_a_suspended_account_has_nothing_sent_back_until_it_is_open_again(counter: Counter) -> None:
    deposit = counter.begun("10.00")
    counter.pay(deposit)
    counter.work()
    put(counter, "suspended")
    assert_problem(counter.ask_back(deposit), 403, "account_suspended")
    assert counter.count("deposit_refunds") == 0
    put(counter, "open")
    assert counter.ask_back(deposit).status_code == 202


def test_a_suspended_account_pays_nothing_in(counter: Counter) -> None:
    deposit = counter.begun("10.00")
    put(counter, "suspended")
    assert_problem(counter.begin("10.00"), 403, "account_suspended")
    assert_problem(counter.pay(deposit), 403, "account_suspended")
    assert counter.count("deposits") == 1
