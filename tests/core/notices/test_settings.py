"""Where mail goes: to an address that was confirmed, and nowhere else."""

from __future__ import annotations

import pytest

from onceline.core.errors import InvalidInput, LimitExceeded, NotFound
from onceline.core.notices.model import CONFIRM_FOR, CONFIRM_MAILS_A_DAY, CONFIRM_TRIES, check_address
from onceline.core.vault import account_key
from tests.mailbox import HERS, Notices
from tests.shop import Customer, Shop

NEW = "new@mail.example"


def test_everything_is_off_at_first(notices: Notices, alice: Customer) -> None:
    found = notices.overview(alice)
    assert (found["address"], found["codes"], found["low_balance"], found["muted"]) == (None, "off", None, [])


def test_an_address_is_confirmed_with_the_code_that_was_mailed_to_it(
    notices: Notices, alice: Customer
) -> None:
    notices.choose(alice, HERS)
    notices.post()
    assert notices.box.recipients == [HERS]
    assert notices.overview(alice)["pending_address"] == HERS
    assert notices.confirm(alice, notices.code().lower())
    found = notices.overview(alice)
    assert (found["address"], found["pending_address"]) == (HERS, None)
    assert found["confirmed_at"] is not None


def test_nothing_is_mailed_to_an_address_that_was_not_confirmed(notices: Notices, alice: Customer) -> None:
    notices.choose(alice, HERS)
    notices.post()
    notices.box.empty()
    notices.tell(alice)
    assert notices.states("export.ready") == []
    notices.post()
    assert notices.box.mails == []


def test_a_confirmation_mail_holds_nothing_that_its_asker_wrote(notices: Notices, shop: Shop) -> None:
    spammer = shop.customer("CHEAP WATCHES www.example")
    notices.choose(spammer, HERS)
    notices.post()
    assert "WATCHES" not in notices.box.mails[0].as_string()


def test_a_wrong_code_confirms_nothing_and_few_may_be_tried(notices: Notices, alice: Customer) -> None:
    notices.choose(alice, HERS)
    notices.post()
    right = notices.code()
    for _ in range(CONFIRM_TRIES):
        assert not notices.confirm(alice, "22222222")
    with pytest.raises(NotFound):
        notices.confirm(alice, right)
    assert notices.overview(alice)["address"] is None


def test_the_last_try_may_still_be_right(notices: Notices, alice: Customer) -> None:
    notices.choose(alice, HERS)
    notices.post()
    for _ in range(CONFIRM_TRIES - 1):
        assert not notices.confirm(alice, "22222222")
    assert notices.confirm(alice, notices.code())


def test_a_code_ends_after_an_hour(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.choose(alice, HERS)
    notices.post()
    shop.pass_time(CONFIRM_FOR.total_seconds() + 1)
    assert not notices.confirm(alice, notices.code())


def test_a_code_works_once_and_only_for_its_own_account(
    notices: Notices, alice: Customer, charlie: Customer
) -> None:
    notices.choose(alice, HERS)
    notices.post()
    notices.choose(charlie, "charlie@mail.example")
    assert not notices.confirm(charlie, notices.code())
    assert notices.confirm(alice, notices.code())
    with pytest.raises(NotFound):
        notices.confirm(alice, notices.code())


def test_nobody_can_fill_a_strangers_mailbox_through_us(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    for turn in range(CONFIRM_MAILS_A_DAY):
        notices.choose(alice, HERS, mode=("test", "live")[turn % 2])
    with pytest.raises(LimitExceeded):
        notices.choose(alice, HERS)
    notices.remove(alice)
    with pytest.raises(LimitExceeded):
        notices.choose(alice, "other@mail.example")
    shop.pass_time(86400)
    notices.choose(alice, HERS)
    assert notices.overview(alice)["pending_address"] == HERS


def test_only_the_newest_code_is_good_and_older_mails_are_dropped(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.choose(alice, HERS)
    shop.pass_time(1)
    notices.choose(alice, NEW)
    notices.post()
    assert notices.box.recipients == [NEW]
    assert notices.states("mail.confirm") == ["dropped", "sent"]


@pytest.mark.promise("P2")
def test_a_change_keeps_no_previous_address(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice)
    old = bytes(shop.value("select mailbox from notice_settings"))
    notices.choose(alice, NEW)
    assert notices.overview(alice)["address"] == HERS  # until the new one is confirmed
    notices.post()
    assert notices.box.recipients == [HERS, NEW]  # the old one hears of it before it goes
    assert notices.confirm(alice, notices.code())
    assert notices.overview(alice)["address"] == NEW
    assert bytes(shop.value("select mailbox from notice_settings")) != old


def test_removing_forgets_everything_and_drops_what_waits(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.settle(alice, codes="with_code")
    notices.tell(alice)
    notices.remove(alice)
    notices.post()
    assert notices.box.mails == []
    assert notices.states("export.ready") == ["dropped"]
    assert shop.rows("select side_id from notice_settings union select side_id from code_mails") == []
    assert notices.overview(alice)["codes"] == "off"


def test_an_address_is_sealed_and_gone_with_the_accounts_key(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.settle(alice)
    row = shop.rows("select * from notice_settings")[0]
    assert HERS.encode() not in b"".join(bytes(value) for value in row if isinstance(value, bytes))
    notices.tell(alice)
    shop.context.vault.destroy(account_key(alice.account))
    notices.post()
    assert notices.box.mails == []
    assert notices.overview(alice)["address"] is None


def test_the_test_side_cannot_turn_where_the_live_sides_mail_goes(notices: Notices, alice: Customer) -> None:
    notices.settle(alice, HERS, "live")
    notices.settle(alice, NEW, "test")
    notices.tell(alice, mode="live")
    notices.tell(alice, mode="test")
    notices.tell(alice)
    notices.post()
    assert notices.box.recipients == [HERS, NEW, HERS]
    assert notices.box.subjects == ["An export is ready", "[test] An export is ready", "An export is ready"]


def test_a_kind_can_be_muted_unless_it_is_about_security(notices: Notices, alice: Customer) -> None:
    notices.settle(alice, muted=["export.ready"])
    notices.tell(alice)
    notices.tell(alice, "key.revoked")
    notices.post()
    assert notices.box.subjects == ["A key was revoked"]
    assert notices.told(alice)[:2] == ["key.revoked", "export.ready"]
    for kind in ("key.revoked", "policy.changed", "nothing"):
        with pytest.raises(InvalidInput):
            notices.choose(alice, muted=[kind])


@pytest.mark.parametrize(
    "address",
    [
        "a@b", "@mail.example", "a@", "a b@mail.example", "a@mail.example\r\nBcc: x@mail.example",
        "a@mail.example\n", "a\x00@mail.example", "a@mail..example", ".a@mail.example", "a.@mail.example",
        "a@-mail.example", "a@mail.example, b@mail.example", "<a@mail.example>", '"a"@mail.example',
        "a@[127.0.0.1]", "a@127.0.0.1", "ä@mail.example", "a@mäil.example", "a\u202e@mail.example",
        "a" * 65 + "@mail.example", "a@" + "b" * 64 + ".example", "a@" + "b." * 126 + "example", "a@@mail.example",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(notices: Notices, alice: Customer, address: str) -> None:
    with pytest.raises(InvalidInput):
        notices.choose(alice, address)
    assert notices.overview(alice)["pending_address"] is None


@pytest.mark.parametrize("address", ["a@b.co", "first.last+tag@mail.example", "o'hara_1@sub.mail.example"])
def test_plain_addresses_are_taken(address: str) -> None:
    assert check_address(address) == address
    assert check_address(address.replace("example", "EXAMPLE")) == address
