"""What customers do with endpoints, at the core."""

from __future__ import annotations

from typing import Any

import pytest

from onceline.core.errors import Erased, InvalidInput, LimitExceeded, NotFound
from onceline.core.retention.commands import destroy_and_prune
from onceline.core.vault import account_key
from onceline.core.webhooks import commands, model, store
from onceline.core.webhooks.signing import Secret
from onceline.core.webhooks.store import Owner
from tests.endpoints import Endpoint, deliveries, endpoint, happen, look
from tests.personas import ALICE, CHARLIE
from tests.shop import Customer, Shop

URL = "https://example.com/hook/a-token-in-the-path"
DAY = 86400


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def hook(shop: Shop, alice: Customer) -> Endpoint:
    return endpoint(shop, alice, URL)


def change(shop: Shop, one: Endpoint, **changes: Any) -> None:
    with shop.db.transaction() as tx:
        commands.change(tx, shop.context.vault, one.owner, one.id, changes, shop.clock.now())


def rotate(shop: Shop, one: Endpoint, overlap_s: int = 0, kind: str | None = None) -> Secret:
    with shop.db.transaction() as tx:
        return commands.rotate(tx, shop.context.vault, one.owner, one.id, kind, overlap_s, shop.clock.now())[
            1
        ]


def signing(shop: Shop, one: Endpoint) -> list[str]:
    """The kinds of what signs now, newest first."""
    with shop.db.transaction() as tx:
        return [row.kind for row in store.secrets(tx, [one.id], shop.clock.now())]


def replay_range(shop: Shop, one: Endpoint, after: int, until: int) -> commands.Replayed:
    with shop.db.transaction() as tx:
        event_id = shop.context.installation.event_id
        return commands.replay_range(tx, one.owner, one.id, after, until, event_id, shop.clock.now())


def test_an_endpoint_starts_with_the_next_event(shop: Shop, alice: Customer) -> None:
    happen(shop, alice, 3)
    made = look(shop, endpoint(shop, alice, URL))
    assert (made.state, made.cursor) == ("enabled", 4)


@pytest.mark.promise("P10")
def test_url_and_secret_are_sealed(shop: Shop, hook: Endpoint) -> None:
    rows = shop.rows("select url from webhooks union all select sealed from webhook_secrets")
    text = b"".join(bytes(row.url) for row in rows)
    assert len(rows) == 2
    assert b"token" not in text
    assert hook.secret.raw not in text
    row = look(shop, hook)
    assert store.url_of(shop.context.vault, hook.owner.account, row, hook.id) == URL


def test_a_side_has_at_most_twenty_endpoints(shop: Shop, alice: Customer) -> None:
    made = [endpoint(shop, alice, URL) for _ in range(model.ENDPOINTS_PER_SIDE)]
    with pytest.raises(LimitExceeded):
        endpoint(shop, alice, URL)
    with shop.db.transaction() as tx:
        commands.delete(tx, made[0].owner, made[0].id, shop.clock.now())
    endpoint(shop, alice, URL)


def test_a_filter_of_nonsense_makes_no_endpoint(shop: Shop, alice: Customer) -> None:
    with pytest.raises(InvalidInput):
        endpoint(shop, alice, URL, types=["everything"])


def test_what_is_not_named_stays(shop: Shop, hook: Endpoint) -> None:
    change(shop, hook, types=["order.*"], concurrency=2)
    change(shop, hook, description="of the shop")
    row = look(shop, hook)
    assert (row.types, row.concurrency, row.description, row.payload) == (
        ["order.*"],
        2,
        "of the shop",
        "full",
    )
    change(shop, hook, types=None)
    assert look(shop, hook).types is None


def test_enabled_again_an_endpoint_goes_on_with_the_next_event(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    change(shop, hook, state="disabled")
    assert look(shop, hook).disabled_reason == "customer"
    happen(shop, alice, 5)
    change(shop, hook, state="enabled")
    row = look(shop, hook)
    assert (row.state, row.disabled_reason, row.cursor) == ("enabled", None, 6)


def test_enabling_what_is_enabled_moves_nothing(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice, 5)
    change(shop, hook, state="enabled")
    assert look(shop, hook).cursor == 1


def test_another_url_is_not_blamed_for_the_old_one(shop: Shop, hook: Endpoint) -> None:
    shop.run(
        "update webhooks set strikes = 9, failing_since = now(), failed_attempts = 9, open_until = now()"
    )
    change(shop, hook, description="same place")
    assert look(shop, hook).strikes == 9
    change(shop, hook, url="https://example.com/other")
    row = look(shop, hook)
    assert (row.strikes, row.failing_since, row.failed_attempts, row.open_until) == (0, None, 0, None)


def test_a_rotated_secret_signs_beside_the_new_one_for_the_overlap(shop: Shop, hook: Endpoint) -> None:
    rotate(shop, hook, overlap_s=100, kind="v1a")
    assert signing(shop, hook) == ["v1a", "v1"]
    shop.pass_time(99)
    assert signing(shop, hook) == ["v1a", "v1"]
    shop.pass_time(1)
    assert signing(shop, hook) == ["v1a"]


def test_a_secret_that_has_ended_is_destroyed(shop: Shop, hook: Endpoint) -> None:
    rotate(shop, hook, overlap_s=100)
    shop.pass_time(99)
    assert destroy_and_prune(shop.db, shop.context)["secrets"] == 0
    shop.pass_time(1)
    assert destroy_and_prune(shop.db, shop.context)["secrets"] == 1
    assert signing(shop, hook) == ["v1"]


def test_an_emergency_rotation_ends_every_other_secret_at_once(shop: Shop, hook: Endpoint) -> None:
    for _ in range(3):
        rotate(shop, hook, overlap_s=7 * DAY)
    rotate(shop, hook, overlap_s=0)
    assert signing(shop, hook) == ["v1"]
    assert shop.value("select count(*) from webhook_secrets") == 1, "what has ended is destroyed"


def test_a_rotation_lengthens_no_older_secret(shop: Shop, hook: Endpoint) -> None:
    rotate(shop, hook, overlap_s=50)
    rotate(shop, hook, overlap_s=DAY)
    shop.pass_time(50)
    assert len(signing(shop, hook)) == 2


def test_a_rotation_keeps_the_kind_unless_named(shop: Shop, alice: Customer) -> None:
    one = endpoint(shop, alice, URL, kind="v1a")
    assert rotate(shop, one).kind == "v1a"
    assert rotate(shop, one, kind="v1").kind == "v1"


def test_five_secrets_sign_at_most(shop: Shop, hook: Endpoint) -> None:
    for _ in range(model.MOST_SECRETS - 1):
        rotate(shop, hook, overlap_s=DAY)
    with pytest.raises(LimitExceeded):
        rotate(shop, hook, overlap_s=DAY)
    rotate(shop, hook, overlap_s=0)
    assert signing(shop, hook) == ["v1"]


def test_a_deleted_endpoint_is_gone_with_its_secrets_at_once_and_the_rest_by_the_housekeeping(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    other = endpoint(shop, alice, URL)
    happen(shop, alice, 3)
    replay_range(shop, hook, 0, 4)
    replay_range(shop, other, 0, 4)
    with shop.db.transaction() as tx:
        commands.delete(tx, hook.owner, hook.id, shop.clock.now())
    with pytest.raises(NotFound):
        look(shop, hook)
    assert shop.value("select count(*) from webhook_secrets where webhook_id = %(id)s", id=hook.id) == 0
    assert destroy_and_prune(shop.db, shop.context)["deleted_webhooks"] == 5
    assert [row.id for row in shop.rows("select id from webhooks")] == [other.id]
    assert (len(deliveries(shop, hook)), len(deliveries(shop, other))) == (0, 4)


def test_a_replay_of_a_range_sends_what_never_was_sent_too(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 3)
    change(shop, hook, types=["order.*"])
    done = replay_range(shop, hook, 1, 3)
    assert done == (2, 3)
    rows = deliveries(shop, hook)
    names = [shop.context.installation.event_id(alice.side, seq) for seq in (2, 3)]
    assert [(row.seq, row.event, row.state, row.turn) for row in rows] == [
        (2, names[0], "pending", 2),
        (3, names[1], "pending", 2),
    ]


def test_a_replay_keeps_to_the_filter(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice, 2, kind="order.other")
    change(shop, hook, types=["deposit.*"])
    assert replay_range(shop, hook, 0, 3) == (1, 3)


def test_a_replay_takes_ten_thousand_at_a_time_and_says_how_far_it_came(
    shop: Shop, alice: Customer, hook: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MOST_REPLAYED", 2)
    happen(shop, alice, 4)
    assert replay_range(shop, hook, 0, 5) == (2, 2)
    assert replay_range(shop, hook, 2, 5) == (2, 4)
    assert replay_range(shop, hook, 4, 5) == (1, 5)


def test_a_replay_leaves_alone_what_is_on_its_way(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    replay_range(shop, hook, 0, 1)
    shop.run("update deliveries set claimed_until = %(until)s", until=shop.clock.now().replace(year=2030))
    assert replay_range(shop, hook, 0, 1) == (0, 1)


def test_what_failed_for_good_is_replayed_by_its_time(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    for _ in range(3):
        happen(shop, alice)
        shop.pass_time(60)
    replay_range(shop, hook, 1, 4)
    shop.run("update deliveries set state = 'failed', next_at = null, tries = 14 where seq > 2")
    shop.run("update deliveries set state = 'delivered', next_at = null where seq = 2")
    since = shop.value("select made_at from deliveries where seq = 4")
    with shop.db.transaction() as tx:
        assert commands.replay_failed(tx, hook.owner, hook.id, since, shop.clock.now()) == 1
    states = {row.seq: (row.state, row.tries) for row in deliveries(shop, hook)}
    assert states == {2: ("delivered", 0), 3: ("failed", 14), 4: ("pending", 0)}


def test_twenty_tests_may_wait(shop: Shop, hook: Endpoint) -> None:
    with shop.db.transaction() as tx:
        events = {commands.send_test(tx, hook.owner, hook.id, shop.clock.now()) for _ in range(20)}
        with pytest.raises(LimitExceeded):
            commands.send_test(tx, hook.owner, hook.id, shop.clock.now())
    assert len(events) == 20
    assert {row.event for row in deliveries(shop, hook)} == events
    assert {(row.type, row.seq, row.turn) for row in deliveries(shop, hook)} == {("webhook.test", None, 0)}


def test_a_stranger_finds_no_endpoint_and_no_delivery(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    charlie = shop.customer(CHARLIE)
    stranger, now, vault = Owner(charlie.account, charlie.side), shop.clock.now(), shop.context.vault
    theirs = endpoint(shop, charlie, URL)
    replay_range(shop, hook, 0, 1)
    event = deliveries(shop, hook)[0].event
    with shop.db.transaction() as tx:
        for attempt in (
            lambda: commands.change(tx, vault, stranger, hook.id, {"state": "disabled"}, now),
            lambda: commands.delete(tx, stranger, hook.id, now),
            lambda: commands.rotate(tx, vault, stranger, hook.id, None, 0, now),
            lambda: commands.send_test(tx, stranger, hook.id, now),
            lambda: commands.replay(tx, stranger, hook.id, event, now),
            lambda: commands.replay(tx, stranger, theirs.id, event, now),
            lambda: commands.replay_failed(tx, stranger, hook.id, now, now),
            lambda: commands.replay_range(tx, stranger, hook.id, 0, 1, lambda side, seq: "", now),
            lambda: store.delivery(tx, theirs.id, event),
        ):
            with pytest.raises(NotFound):
                attempt()
    assert look(shop, hook).state == "enabled"
    assert len(signing(shop, hook)) == 1


def test_another_sides_endpoint_is_not_locked(shop: Shop, hook: Endpoint) -> None:
    charlie = shop.customer(CHARLIE)
    with shop.db.transaction() as tx:
        assert tx.one(store.Q.lock, {"side": charlie.side, "id": hook.id}) is None
        assert tx.one(store.Q.lock, {"side": hook.owner.side, "id": hook.id}) is not None


def test_an_erased_accounts_endpoint_has_no_url(shop: Shop, hook: Endpoint) -> None:
    shop.context.vault.destroy(account_key(hook.owner.account))
    with pytest.raises(Erased):
        store.url_of(shop.context.vault, hook.owner.account, look(shop, hook), hook.id)


def test_deliveries_and_attempts_go_after_thirty_days(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    replay_range(shop, hook, 0, 1)
    shop.run(
        "insert into webhook_attempts (delivery_id, number, webhook_id, at, outcome, duration_ms)"
        " select id, 1, webhook_id, %(now)s, 'delivered', 5 from deliveries",
        now=shop.clock.now(),
    )
    shop.pass_time(30 * DAY)
    done = destroy_and_prune(shop.db, shop.context)
    assert (done["deliveries"], done["attempts"]) == (0, 0)
    shop.pass_time(1)
    done = destroy_and_prune(shop.db, shop.context)
    assert (done["deliveries"], done["attempts"]) == (1, 1)
