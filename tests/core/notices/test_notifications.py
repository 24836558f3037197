"""Notifications in the house: told in the transaction that makes them true, read up to what was seen."""

from __future__ import annotations

import ast
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest

from onceline.core.errors import InvalidInput
from onceline.core.notices import commands
from onceline.core.notices.model import KINDS, MOST_UNREAD, NOTICE_DAYS, NOTIFICATIONS_FOR
from onceline.core.notices.texts import TEXTS
from onceline.core.retention.commands import destroy_and_prune
from onceline.workers.notify import notify_round
from tests.mailbox import Notices
from tests.shop import Customer, Shop

SOURCE = Path(commands.__file__).parents[2]


def test_what_an_account_is_told_is_listed_newest_first(notices: Notices, alice: Customer) -> None:
    notices.tell(alice, "key.revoked", "test", name="shop", last4="wxyz")
    notices.tell(alice, "export.ready", export="exp_1")
    page = notices.page(alice)
    assert [one["title"] for one in page["notifications"]] == ["An export is ready", "A key was revoked"]
    assert page["notifications"][1]["body"] == "The API key shop (…wxyz) was revoked."
    assert page["unread"] == 2


def test_a_refused_change_tells_nothing(notices: Notices, shop: Shop, alice: Customer) -> None:
    now = shop.clock.now()
    notices.cut_off(
        lambda tx: commands.tell(tx, account=alice.account, kind="export.ready", facts={}, now=now)
    )
    assert notices.told(alice) == []


def test_a_stranger_is_told_nothing_of_it(notices: Notices, alice: Customer, charlie: Customer) -> None:
    notices.tell(alice)
    notices.read(charlie, "test", 10, 1)
    assert notices.told(charlie) == []
    assert notices.page(alice)["unread"] == 1


def test_the_test_side_does_not_hear_what_the_live_side_is_told(notices: Notices, alice: Customer) -> None:
    notices.tell(alice, mode="live")
    notices.tell(alice, "policy.edited")
    notices.read(alice, "test", 10)
    assert notices.told(alice, "test") == ["policy.edited"]
    assert notices.told(alice, "live") == ["policy.edited", "export.ready"]
    assert notices.told(alice, "live", unread=True) == ["export.ready"]


@pytest.mark.promise("H3")
def test_marking_all_as_read_swallows_nothing_that_came_meanwhile(notices: Notices, alice: Customer) -> None:
    notices.tell(alice)
    notices.tell(alice)
    newest = notices.page(alice)["notifications"][0]["id"]
    notices.tell(alice, "export.failed")
    notices.read(alice, "test", newest)
    assert notices.told(alice, unread=True) == ["export.failed"]


@pytest.mark.promise("H3")
def test_a_notification_that_commits_late_is_numbered_late(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    """Two who tell at once: the second waits for the first, so no number below a seen one appears afterwards."""
    second = threading.Thread(target=notices.tell, args=(alice, "export.failed"))
    with shop.db.transaction() as tx:
        commands.tell(tx, account=alice.account, kind="export.ready", facts={}, now=shop.clock.now())
        second.start()
        second.join(0.3)
        assert second.is_alive()
        assert notices.told(alice) == []
    second.join(5)
    assert [one["id"] for one in notices.page(alice)["notifications"]] == [2, 1]
    assert notices.told(alice) == ["export.failed", "export.ready"]


def test_single_notifications_can_be_marked(notices: Notices, alice: Customer) -> None:
    for _ in range(3):
        notices.tell(alice)
    notices.read(alice, "test", None, 2)
    assert [one["id"] for one in notices.page(alice, unread=True)["notifications"]] == [3, 1]


def test_pages_follow_each_other(notices: Notices, alice: Customer) -> None:
    for _ in range(5):
        notices.tell(alice)
    first = notices.page(alice, limit=3)
    rest = notices.page(alice, limit=3, before=first["next"])
    assert [one["id"] for page in (first, rest) for one in page["notifications"]] == [5, 4, 3, 2, 1]
    assert rest["next"] is None


def test_unread_notifications_are_counted_up_to_a_bound(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    with shop.db.transaction() as tx:
        for _ in range(MOST_UNREAD + 5):
            commands.tell(tx, account=alice.account, kind="export.ready", facts={}, now=shop.clock.now())
    assert notices.page(alice)["unread"] == MOST_UNREAD


def test_notifications_are_kept_for_ninety_days(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.tell(alice)
    shop.pass_time(NOTIFICATIONS_FOR.total_seconds() - 1)
    destroy_and_prune(shop.db, shop.context)
    assert notices.told(alice) == ["export.ready"]
    shop.pass_time(2)
    assert destroy_and_prune(shop.db, shop.context)["notifications"] == 1
    assert notices.told(alice) == []


def test_every_kind_has_its_text_and_every_text_its_kind() -> None:
    assert KINDS.keys() == TEXTS.keys()


def test_whoever_tells_and_emits_tells_first() -> None:
    """The account's counter before the side's row: two who take them the other way round wait for each other."""
    places = []
    for path in sorted(SOURCE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                calls = [
                    (one.lineno, _name(one.func)) for one in ast.walk(function) if isinstance(one, ast.Call)
                ]
                told = [line for line, name in calls if name == "tell"]
                emitted = [line for line, name in calls if name == "emit"]
                if told and emitted:
                    places.append((function.name, max(told) < min(emitted)))
    assert len(places) >= 2
    assert [name for name, fits in places if not fits] == []


def _name(function: ast.expr) -> str:
    return str(getattr(function, "attr", getattr(function, "id", "")))


# Balances -------------------------------------------------------------------------------------------------------------


def set_available(shop: Shop, who: Customer, micros: int) -> None:
    shop.run("update sides set available = %(micros)s where id = %(side)s", micros=micros, side=who.side)


def test_a_balance_below_its_threshold_is_told_once(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.choose(alice, low_balance=5_000_000)
    notices.look()
    assert notices.told(alice) == []
    set_available(shop, alice, 4_999_999)
    notices.look()
    notices.look()
    (told,) = notices.page(alice)["notifications"]
    assert (told["kind"], told["mode"], told["facts"]["available"]) == ("balance.low", "test", "4.999999")
    assert shop.events(alice)[-1] == "balance.low"


def test_a_balance_that_recovered_is_told_of_anew_but_not_at_every_swing(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.choose(alice, low_balance=5_000_000)
    for _ in range(3):
        set_available(shop, alice, 1_000_000)
        notices.look()
        set_available(shop, alice, 5_000_000)
        notices.look()
    assert notices.told(alice) == ["balance.low"]
    set_available(shop, alice, 1_000_000)
    shop.pass_time(3600)
    notices.look()
    assert notices.told(alice) == ["balance.low", "balance.low"]


def test_without_a_threshold_no_balance_is_low(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.choose(alice)
    set_available(shop, alice, 0)
    notices.look()
    assert notices.told(alice) == []


def test_a_new_threshold_is_looked_at_afresh(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.choose(alice, low_balance=200_000_000)
    notices.look()
    notices.choose(alice, low_balance=300_000_000)
    notices.look()
    assert notices.told(alice) == ["balance.low", "balance.low"]


def test_a_crossing_that_another_worker_told_of_is_left_alone(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    notices.choose(alice, low_balance=200_000_000)
    with shop.db.transaction() as tx:
        assert commands.tell_low_balance(tx, alice.account, alice.side, shop.clock.now())
    with shop.db.transaction() as tx:
        assert not commands.tell_low_balance(tx, alice.account, alice.side, shop.clock.now())
    assert shop.value("select low_told from notice_settings")


def test_two_workers_tell_of_a_low_balance_once(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.choose(alice, low_balance=200_000_000)
    at_once([lambda: notify_round(shop.db, shop.clock)] * 4)
    assert notices.told(alice) == ["balance.low"]


# Policies -------------------------------------------------------------------------------------------------------------


def announce(shop: Shop, days: int = NOTICE_DAYS, version: str = "2", significant: bool = True) -> None:
    with shop.db.transaction() as tx:
        commands.announce(
            tx,
            policy="Terms of service",
            version=version,
            effective_on=shop.clock.now().date() + timedelta(days=days),
            significant=significant,
            summary="Rentals end at noon.",
            now=shop.clock.now(),
        )


@pytest.mark.promise("P15")
def test_a_significant_change_reaches_every_account_in_the_house_and_by_mail(
    notices: Notices, shop: Shop, alice: Customer, charlie: Customer
) -> None:
    notices.settle(alice)
    announce(shop)
    notices.look()
    assert "policy.changed" in notices.told(alice)
    assert notices.told(charlie) == ["policy.changed"]
    assert notices.box.subjects == ["Terms of service changes on 2026-03-15"]
    assert "Rentals end at noon." in notices.box.last


@pytest.mark.promise("P15")
def test_a_significant_change_cannot_take_effect_before_its_time(shop: Shop) -> None:
    with pytest.raises(InvalidInput, match="2026-03-15 at the earliest"):
        announce(shop, NOTICE_DAYS - 1)
    assert shop.rows("select id from policy_changes") == []


def test_a_small_change_is_told_in_the_house_alone(notices: Notices, shop: Shop, alice: Customer) -> None:
    notices.settle(alice)
    announce(shop, 1, significant=False)
    notices.look()
    assert notices.told(alice)[0] == "policy.edited"
    assert notices.box.mails == []
    with pytest.raises(InvalidInput):
        announce(shop, 0, "3", significant=False)


@pytest.mark.promise("P15")
def test_every_account_is_told_exactly_once_by_workers_that_are_cut_off(notices: Notices, shop: Shop) -> None:
    people = [shop.customer(f"Customer {one}") for one in range(7)]
    announce(shop)
    notices.cut_off(lambda tx: commands.tell_policy(tx, shop.clock.now(), 3))
    for _ in range(4):
        with shop.db.transaction() as tx:
            commands.tell_policy(tx, shop.clock.now(), 3)
    at_once([lambda: notify_round(shop.db, shop.clock)] * 4)
    assert [notices.told(one) for one in people] == [["policy.changed"]] * 7


def test_an_account_that_opens_later_is_not_told_of_older_changes(
    notices: Notices, shop: Shop, alice: Customer
) -> None:
    announce(shop)
    shop.pass_time(1)
    late = shop.customer("late")
    notices.look()
    assert notices.told(late) == []
    assert notices.told(alice) == ["policy.changed"]


def test_a_version_is_announced_once(shop: Shop) -> None:
    announce(shop)
    with pytest.raises(InvalidInput, match="announced before"):
        announce(shop)
    assert shop.value("select effective_on from policy_changes") == date(2026, 3, 15)


def at_once(work: list) -> None:  # type: ignore[type-arg]  # of anything that can be called
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
