"""Accounts, keys and tickets: who may act, with which rights, until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from onceline.core.access import commands as access
from onceline.core.access.keys import is_well_formed, new_key
from onceline.core.access.model import PROTOCOL_SCOPES, SCOPES, Grant, check_scopes
from onceline.core.errors import (
    AccountSuspended,
    InvalidInput,
    KeyExpired,
    KeyRefused,
    KeyRevoked,
    LimitExceeded,
    NotFound,
    ScopeMissing,
)
from onceline.core.vault import Place, account_key
from tests.personas import ALICE, CHARLIE
from tests.shop import Customer, Shop

ALL = frozenset(SCOPES)


def grant_of(shop: Shop, key: str) -> Grant:
    with shop.db.transaction() as tx:
        return access.authenticate(tx, key, shop.clock.now())


def make_key(
    shop: Shop, who: Customer, *scopes: str, kind: str = "api", expires_at: datetime | None = None
) -> tuple[str, str]:
    with shop.db.transaction() as tx:
        return access.create_key(
            tx, side=who.side, mode="test", kind=kind, name="more", scopes=scopes, expires_at=expires_at,
            now=shop.clock.now(),
        )  # fmt: skip


def rotate(shop: Shop, who: Customer, key: str, overlap_s: int = 60, within: frozenset[str] = ALL) -> str:
    with shop.db.transaction() as tx:
        return access.rotate_key(
            tx, side=who.side, mode="test", key=key, within=within, overlap_s=overlap_s, now=shop.clock.now()
        )[1]


def revoke(shop: Shop, who: Customer, key: str) -> None:
    with shop.db.transaction() as tx:
        access.revoke_key(tx, side=who.side, key=key, now=shop.clock.now())


def set_state(shop: Shop, who: Customer, state: str) -> None:
    with shop.db.transaction() as tx:
        access.set_account_state(tx, who.account, state)


def ticket_of(shop: Shop, who: Customer) -> str:
    grant = grant_of(shop, who.key)
    with shop.db.transaction() as tx:
        return access.issue_tickets(tx, [grant], shop.clock.now())[0]


def redeem(shop: Shop, ticket: str) -> Grant:
    with shop.db.transaction() as tx:
        [outcome] = access.redeem_tickets(tx, [ticket], shop.clock.now())
    if isinstance(outcome, KeyRefused):
        raise outcome
    return outcome


def ended(shop: Shop, *grants: int) -> set[int]:
    with shop.db.transaction() as tx:
        return access.ended_grants(tx, list(grants), shop.clock.now())


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE, balance=0)


def test_an_account_opens_with_two_empty_sides_and_a_data_key(shop: Shop, alice: Customer) -> None:
    sides = shop.rows(
        "select mode, available, held, wallet from sides where account_id = %(id)s", id=alice.account
    )
    assert sorted((row.mode, row.available, row.held) for row in sides) == [("live", 0, 0), ("test", 0, 0)]
    assert len({row.wallet for row in sides}) == 2
    assert shop.context.vault.seal(account_key(alice.account), b"x", Place("t", "c", "r"))


def test_an_account_is_found_by_id_and_by_name(shop: Shop, alice: Customer) -> None:
    with shop.db.transaction() as tx:
        assert access.find_account(tx, ALICE).id == access.find_account(tx, alice.account).id == alice.account


def test_an_unknown_account_is_not_found(shop: Shop) -> None:
    with shop.db.transaction() as tx, pytest.raises(NotFound):
        access.find_account(tx, "Nobody")


def test_a_name_that_two_accounts_share_is_refused(shop: Shop, alice: Customer) -> None:
    shop.customer(ALICE, balance=0)
    with shop.db.transaction() as tx, pytest.raises(InvalidInput, match="acc_"):
        access.find_account(tx, ALICE)


def test_accounts_are_listed_in_pages(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE)
    with shop.db.transaction() as tx:
        first = access.accounts(tx, after="", limit=1)
        second = access.accounts(tx, after=first.rows[0].id, limit=1)
    assert {first.rows[0].id, second.rows[0].id} == {alice.account, charlie.account}
    assert (first.next, second.next) == (first.rows[0].id, None)


def test_a_key_acts_for_its_side(shop: Shop, alice: Customer) -> None:
    grant = grant_of(shop, alice.key)
    assert (grant.account, grant.side, grant.mode, grant.scopes) == (alice.account, alice.side, "test", ALL)
    assert shop.value("select last_used_on from api_keys") == shop.clock.now().date()


@pytest.mark.promise("P13")
def test_only_a_hash_of_the_key_is_stored(shop: Shop, alice: Customer) -> None:
    stored = str(shop.rows("select * from api_keys")[0])
    assert alice.key not in stored
    assert alice.key.rsplit("_", 1)[0] not in stored


def test_keys_tell_their_mode_and_carry_a_checksum() -> None:
    key = new_key("live")
    assert key.startswith("ol_live_")
    assert is_well_formed(key)
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert not is_well_formed(wrong)


@pytest.mark.parametrize(
    "key", ["", "Bearer x", "ol_test_short_000000", "\x00", "ol_prod_" + "0" * 27 + "_000000"]
)
def test_a_malformed_key_is_refused(shop: Shop, key: str) -> None:
    with pytest.raises(KeyRefused, match="not a key"):
        grant_of(shop, key)


def test_an_unknown_key_is_refused(shop: Shop) -> None:
    with pytest.raises(KeyRefused, match="unknown"):
        grant_of(shop, new_key("test"))


def test_a_key_without_named_scopes_has_them_all() -> None:
    assert check_scopes((), "api") == SCOPES
    assert check_scopes((), "protocol") == PROTOCOL_SCOPES


def test_a_key_can_do_what_it_was_made_for_and_no_more(shop: Shop, alice: Customer) -> None:
    grant = grant_of(shop, make_key(shop, alice, "orders:read")[1])
    grant.demand("orders:read")
    with pytest.raises(ScopeMissing) as refused:
        grant.demand("orders:write")
    assert refused.value.facts == {"scope": "orders:write"}


@pytest.mark.parametrize(
    ("kind", "scope"), [("api", "everything"), ("protocol", "keys:manage"), ("protocol", "test:messages")]
)
def test_a_scope_that_the_kind_does_not_have_is_refused(
    shop: Shop, alice: Customer, kind: str, scope: str
) -> None:
    with pytest.raises(InvalidInput, match="is not a scope"):
        make_key(shop, alice, scope, kind=kind)


@pytest.mark.promise("P13")
def test_a_rotated_key_overlaps_as_long_as_asked(shop: Shop, alice: Customer) -> None:
    key, old = make_key(shop, alice, "orders:read")
    fresh = rotate(shop, alice, key, overlap_s=60)
    assert grant_of(shop, fresh).scopes == grant_of(shop, old).scopes == {"orders:read"}
    shop.pass_time(60)
    assert grant_of(shop, fresh).side == alice.side
    with pytest.raises(KeyExpired):
        grant_of(shop, old)


def test_a_rotation_never_lengthens_the_life_of_the_old_key(shop: Shop, alice: Customer) -> None:
    key, old = make_key(shop, alice, expires_at=shop.clock.now() + timedelta(seconds=30))
    rotate(shop, alice, key, overlap_s=60)
    shop.pass_time(30)
    with pytest.raises(KeyExpired):
        grant_of(shop, old)


def test_nobody_rotates_a_key_into_more_than_they_have(shop: Shop, alice: Customer) -> None:
    key, _ = make_key(shop, alice, "orders:read", "orders:write")
    with pytest.raises(ScopeMissing):
        rotate(shop, alice, key, within=frozenset({"orders:read"}))


def test_a_revoked_key_cannot_be_rotated(shop: Shop, alice: Customer) -> None:
    key, _ = make_key(shop, alice)
    revoke(shop, alice, key)
    with pytest.raises(KeyRevoked):
        rotate(shop, alice, key)


def test_a_strangers_key_cannot_be_rotated_or_revoked(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE, balance=0)
    key, secret = make_key(shop, alice)
    with pytest.raises(NotFound):
        rotate(shop, charlie, key)
    with pytest.raises(NotFound):
        revoke(shop, charlie, key)
    assert grant_of(shop, secret).side == alice.side


def test_a_revoked_key_ends_at_once_and_says_so_to_every_process(shop: Shop, alice: Customer) -> None:
    heard: list[str] = []
    shop.db.bell.listen(heard.extend)
    key, secret = make_key(shop, alice)
    grant = grant_of(shop, secret)
    assert ended(shop, grant.id) == set()
    revoke(shop, alice, key)
    revoke(shop, alice, key)
    with pytest.raises(KeyRevoked):
        grant_of(shop, secret)
    assert ended(shop, grant.id) == {grant.id}
    assert access.GRANTS_WORD in heard


def test_an_expired_key_is_refused(shop: Shop, alice: Customer) -> None:
    _, secret = make_key(shop, alice, expires_at=shop.clock.now() + timedelta(hours=1))
    grant = grant_of(shop, secret)
    shop.pass_time(3600)
    with pytest.raises(KeyExpired):
        grant_of(shop, secret)
    assert ended(shop, grant.id) == {grant.id}


def test_a_key_that_is_born_expired_is_refused(shop: Shop, alice: Customer) -> None:
    with pytest.raises(InvalidInput, match="past"):
        make_key(shop, alice, expires_at=shop.clock.now())


def test_a_suspended_account_acts_no_more_until_it_is_open_again(shop: Shop, alice: Customer) -> None:
    grant = grant_of(shop, alice.key)
    ticket = ticket_of(shop, alice)
    set_state(shop, alice, "suspended")
    with pytest.raises(AccountSuspended, match="suspended"):
        grant_of(shop, alice.key)
    with pytest.raises(KeyRefused):
        redeem(shop, ticket)
    assert ended(shop, grant.id) == {grant.id}
    set_state(shop, alice, "open")
    assert grant_of(shop, alice.key).id == grant.id


def test_an_unknown_account_cannot_be_suspended(shop: Shop) -> None:
    with pytest.raises(NotFound), shop.db.transaction() as tx:
        access.set_account_state(tx, "acc_nobody", "suspended")


def test_a_ticket_opens_one_socket(shop: Shop, alice: Customer) -> None:
    ticket = ticket_of(shop, alice)
    assert redeem(shop, ticket) == grant_of(shop, alice.key)
    with pytest.raises(KeyRefused):
        redeem(shop, ticket)


def test_a_ticket_is_good_for_thirty_seconds(shop: Shop, alice: Customer) -> None:
    in_time, too_late = ticket_of(shop, alice), ticket_of(shop, alice)
    shop.pass_time(29.9)
    redeem(shop, in_time)
    shop.pass_time(0.1)
    with pytest.raises(KeyRefused):
        redeem(shop, too_late)


def test_a_ticket_ends_with_its_key(shop: Shop, alice: Customer) -> None:
    ticket = ticket_of(shop, alice)
    revoke(shop, alice, grant_of(shop, alice.key).key)
    with pytest.raises(KeyRefused):
        redeem(shop, ticket)


def test_a_ticket_ends_with_its_account(shop: Shop, alice: Customer) -> None:
    ticket = ticket_of(shop, alice)
    set_state(shop, alice, "suspended")
    with pytest.raises(KeyRefused):
        redeem(shop, ticket)


def test_old_tickets_are_swept_away(shop: Shop, alice: Customer) -> None:
    ticket_of(shop, alice)
    shop.pass_time(31)
    with shop.db.transaction() as tx:
        assert access.prune_tickets(tx, shop.clock.now()) == 1


def test_a_side_has_at_most_a_hundred_keys_that_act(shop: Shop, alice: Customer) -> None:
    made = [make_key(shop, alice)[0] for _ in range(access.KEYS_PER_SIDE - 1)]
    with pytest.raises(LimitExceeded) as refused:
        make_key(shop, alice)
    assert refused.value.facts["limit"] == "keys"
    revoke(shop, alice, made[0])
    make_key(shop, alice)


def test_keys_are_listed_newest_first_without_their_secret(shop: Shop, alice: Customer) -> None:
    key, secret = make_key(shop, alice)
    with shop.db.transaction() as tx:
        listed: list[Any] = access.keys(tx, alice.side)
    assert listed[0].id == key
    assert listed[0].last4 == secret[-4:]
    assert secret not in str(listed)


def test_tickets_that_come_together_are_redeemed_each_for_itself(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE, balance=0)
    grants = [grant_of(shop, who.key) for who in (alice, charlie)]
    with shop.db.statement() as tx:
        mine, theirs = access.issue_tickets(tx, grants, shop.clock.now())
    with shop.db.statement() as tx:
        outcomes = access.redeem_tickets(tx, [mine, "tkt_unknown", theirs, mine], shop.clock.now())
    assert [outcome.side if isinstance(outcome, Grant) else outcome.code for outcome in outcomes] == [
        alice.side,
        "invalid_key",
        charlie.side,
        "invalid_key",
    ]
