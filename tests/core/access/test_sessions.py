"""Grants of people's sessions: one for each side, until they are ended or their time is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onceline.core.access import commands as access
from onceline.core.access.model import SCOPES, Grant
from onceline.core.access.sessions import SessionGrants, end_grants, open_session, session_grant
from onceline.core.errors import AccountSuspended, KeyRefused, NotFound
from onceline.core.retention.commands import destroy_and_prune
from tests.personas import ALICE
from tests.shop import Customer, Shop

DAY = 86400


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


def log_in(shop: Shop, account: str, days: int = 1) -> SessionGrants:
    now = shop.clock.now()
    with shop.db.transaction() as tx:
        return open_session(tx, account, now, now + timedelta(days=days))


def end(shop: Shop, *grants: int) -> tuple[int, set[str]]:
    """How many were ended, and which words are told after the commit."""
    with shop.db.transaction() as tx:
        return end_grants(tx, grants, shop.clock.now()), set(tx.words)


def grant_of(shop: Shop, grant: int) -> Grant:
    with shop.db.transaction() as tx:
        return session_grant(tx, grant, shop.clock.now())


def ticket_of(shop: Shop, grant: Grant) -> str:
    with shop.db.transaction() as tx:
        return access.issue_tickets(tx, [grant], shop.clock.now())[0]


def redeem(shop: Shop, ticket: str) -> Grant | KeyRefused:
    with shop.db.transaction() as tx:
        return access.redeem_tickets(tx, [ticket], shop.clock.now())[0]


def key_grant(shop: Shop, who: Customer) -> Grant:
    with shop.db.transaction() as tx:
        return access.authenticate(tx, who.key, shop.clock.now())


def test_a_session_acts_for_both_sides_of_its_account_with_every_right(shop: Shop, alice: Customer) -> None:
    grants = log_in(shop, alice.account)
    test, live = grant_of(shop, grants.test), grant_of(shop, grants.live)
    assert (test.account, test.side, test.mode, test.kind, test.key) == (
        alice.account, alice.side, "test", "session", "",
    )  # fmt: skip
    assert (live.account, live.mode) == (alice.account, "live")
    assert test.scopes == live.scopes == frozenset(SCOPES)
    assert test.expires_at == shop.clock.now() + timedelta(days=1)


def test_nobody_logs_in_to_an_account_that_does_not_exist(shop: Shop) -> None:
    with pytest.raises(NotFound):
        log_in(shop, "acc_aaaaaaaaaaaaaaaa")


def test_an_ended_session_is_refused_and_the_processes_are_told_once(shop: Shop, alice: Customer) -> None:
    ended, other = log_in(shop, alice.account), log_in(shop, alice.account)
    assert end(shop, *ended) == (2, {access.GRANTS_WORD})
    assert end(shop, *ended) == (0, set())
    with pytest.raises(KeyRefused):
        grant_of(shop, ended.test)
    assert grant_of(shop, other.test).id == other.test


def test_a_session_ends_by_itself(shop: Shop, alice: Customer) -> None:
    grants = log_in(shop, alice.account)
    shop.pass_time(DAY)
    with pytest.raises(KeyRefused):
        grant_of(shop, grants.live)


def test_a_session_of_a_suspended_account_is_refused(shop: Shop, alice: Customer) -> None:
    grants = log_in(shop, alice.account)
    with shop.db.transaction() as tx:
        access.set_account_state(tx, alice.account, "suspended")
    with pytest.raises(AccountSuspended):
        grant_of(shop, grants.test)


def test_a_keys_grant_is_no_session(shop: Shop, alice: Customer) -> None:
    key = key_grant(shop, alice)
    with pytest.raises(KeyRefused):
        grant_of(shop, key.id)
    assert end(shop, key.id) == (0, set())
    assert key_grant(shop, alice) == key


def test_a_sessions_ticket_gives_its_grant_once(shop: Shop, alice: Customer) -> None:
    grant = grant_of(shop, log_in(shop, alice.account).live)
    ticket = ticket_of(shop, grant)
    assert redeem(shop, ticket) == grant
    assert isinstance(redeem(shop, ticket), KeyRefused)


def test_a_ticket_ends_with_its_session(shop: Shop, alice: Customer) -> None:
    grants = log_in(shop, alice.account)
    ticket = ticket_of(shop, grant_of(shop, grants.test))
    end(shop, *grants)
    assert isinstance(redeem(shop, ticket), KeyRefused)


def test_a_grant_of_a_key_that_is_not_there_opens_nothing(shop: Shop, alice: Customer) -> None:
    key = key_grant(shop, alice)
    ticket = ticket_of(shop, key)
    shop.run("delete from api_keys where grant_id = %(grant)s", grant=key.id)
    assert isinstance(redeem(shop, ticket), KeyRefused)


def test_sessions_are_forgotten_a_week_after_their_end_and_keys_stay(shop: Shop, alice: Customer) -> None:
    """Three of two grants each: ended by hand, ended by its time, and one that still goes on."""
    end(shop, *log_in(shop, alice.account, days=30))
    log_in(shop, alice.account, days=2)
    going_on = log_in(shop, alice.account, days=30)
    shop.pass_time(7 * DAY)
    assert destroy_and_prune(shop.db, shop.context)["sessions"] == 0
    shop.pass_time(1)
    assert destroy_and_prune(shop.db, shop.context)["sessions"] == 2
    shop.pass_time(2 * DAY)
    assert destroy_and_prune(shop.db, shop.context)["sessions"] == 2
    assert grant_of(shop, going_on.test).id == going_on.test
    assert key_grant(shop, alice).kind == "api"


def test_a_session_without_an_end_cannot_be_stored(shop: Shop, alice: Customer) -> None:
    grants = log_in(shop, alice.account)
    with pytest.raises(Exception, match="grants_sessions_end"):
        shop.run("update grants set expires_at = null where id = %(id)s", id=grants.test)
