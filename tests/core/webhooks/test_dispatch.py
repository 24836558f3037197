"""The deliverer's side at the core: nothing is skipped, nothing is claimed or recorded twice, nobody in trouble is hammered."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from onceline.core.access import commands as access
from onceline.core.outbox import store as outbox
from onceline.core.webhooks import commands, dispatch, model, store
from onceline.core.webhooks.dispatch import Claim, Result, Room
from onceline.core.webhooks.model import Outcome
from tests.endpoints import Endpoint, attempts, deliveries, endpoint, happen, look, reached
from tests.personas import ALICE, CHARLIE
from tests.shop import Customer, Shop

URL = "https://example.com/hook"
ROOMY = Room(256, 256, 256)
DELIVERED, FAILED, GONE = Outcome("delivered", 204), Outcome("timeout"), Outcome("status", 410)
DAY = 86400


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def hook(shop: Shop, alice: Customer) -> Endpoint:
    """It has taken deliveries before."""
    one = endpoint(shop, alice, URL, concurrency=4)
    reached(shop, one)
    return one


def take(shop: Shop, *whose: Customer, room: Room = ROOMY) -> list[Claim]:
    with shop.db.statement() as tx:
        event_id = shop.context.installation.event_id
        return dispatch.take(tx, [one.side for one in whose], room, event_id, shop.clock.now()).claims


def record(shop: Shop, claims: list[Claim], outcome: Outcome) -> list[Result]:
    now = shop.clock.now()
    results = [
        Result(
            claim,
            now,
            0,
            outcome,
            model.after(outcome, claim.tries, once=claim.once, now=now, dice=0.5),
            None,
        )
        for claim in claims
    ]
    with shop.db.transaction() as tx:
        return dispatch.record(tx, results, now)


def replay(shop: Shop, one: Endpoint, after: int, until: int) -> None:
    with shop.db.transaction() as tx:
        event_id = shop.context.installation.event_id
        commands.replay_range(tx, one.owner, one.id, after, until, event_id, shop.clock.now())


def attempt(shop: Shop, who: Customer, outcome: Outcome) -> int:
    """One round; returns how many attempts it made."""
    return len(record(shop, take(shop, who), outcome))


def fail_for_ever(shop: Shop, who: Customer, one: Endpoint, days: float, every_s: float = 6 * 3600) -> None:
    """There is always something to attempt, and it always fails; the side's other endpoints are well."""
    for _ in range(int(days * DAY / every_s)):
        happen(shop, who)
        claims = take(shop, who)
        record(shop, [claim for claim in claims if claim.webhook == one.id], FAILED)
        record(shop, [claim for claim in claims if claim.webhook != one.id], DELIVERED)
        shop.pass_time(every_s)


# From events to deliveries.


@pytest.mark.promise("D5")
def test_every_event_after_the_endpoint_has_one_delivery(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice, 7)
    assert len(take(shop, alice, room=Room(3, 3, 3))) == 3
    assert take(shop, alice, room=Room(0, 0, 0)) == []
    assert [row.seq for row in deliveries(shop, hook)] == list(range(2, 9))
    event_id = shop.context.installation.event_id
    assert [row.event for row in deliveries(shop, hook)] == [event_id(alice.side, seq) for seq in range(2, 9)]


def test_the_filter_decides_and_the_cursor_moves_on_all_the_same(shop: Shop, alice: Customer) -> None:
    one = endpoint(shop, alice, URL, types=["order.wanted"])
    happen(shop, alice, 2, kind="order.other")
    happen(shop, alice, kind="order.wanted")
    happen(shop, alice, kind="deposit.other")
    assert [claim.type for claim in take(shop, alice)] == ["order.wanted"]
    assert look(shop, one).cursor == 5


def test_more_events_than_a_round_takes_are_taken_by_the_next(
    shop: Shop, alice: Customer, hook: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "EVENTS_EACH", 3)
    monkeypatch.setattr(dispatch, "EVENTS_TOGETHER", 4)
    second = endpoint(shop, alice, URL)
    happen(shop, alice, 8)
    with shop.db.statement() as tx:
        asked = ([alice.side], ROOMY, shop.context.installation.event_id, shop.clock.now())
        rounds = [dispatch.take(tx, *asked).more for _ in range(6)]
    assert (rounds[0], rounds[-1]) == (True, False)
    for one in (hook, second):
        assert [row.seq for row in deliveries(shop, one)] == list(range(2, 10))


def test_events_that_were_pruned_or_leapt_over_are_skipped(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 3)
    shop.run("delete from events where seq < 4")
    with shop.db.transaction() as tx:
        outbox.new_epoch(tx)
    happen(shop, alice)
    assert [claim.seq for claim in take(shop, alice)] == [4, 5 + outbox.LEAP]
    assert look(shop, hook).cursor == 5 + outbox.LEAP


def test_an_endpoint_passes_by_events_that_are_all_pruned(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 3)
    shop.run("delete from events")
    assert take(shop, alice) == []
    assert look(shop, hook).cursor == 4


def test_two_deliverers_make_no_delivery_twice_and_skip_none(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    stopping = threading.Event()

    def look_again() -> None:
        while not stopping.is_set():
            take(shop, alice, room=Room(0, 0, 0))

    lookers = [threading.Thread(target=look_again) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for _ in range(60):
        happen(shop, alice)
    stopping.set()
    for looker in lookers:
        looker.join()
    take(shop, alice)
    assert [row.seq for row in deliveries(shop, hook)] == list(range(2, 62))


def test_a_suspended_account_gets_nothing_until_it_is_open_again(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    """Neither what was waiting, nor what happens meanwhile."""
    happen(shop, alice)
    take(shop, alice, room=Room(0, 0, 0))
    happen(shop, alice)
    for state, count, made in (("suspended", 0, 1), ("open", 2, 2)):
        with shop.db.transaction() as tx:
            access.set_account_state(tx, alice.account, state)
        assert len(take(shop, alice)) == count
        assert len(deliveries(shop, hook)) == made


def test_a_disabled_or_deleted_endpoint_gets_nothing(shop: Shop, alice: Customer) -> None:
    off, gone = endpoint(shop, alice, URL), endpoint(shop, alice, URL)
    happen(shop, alice, 2)
    take(shop, alice, room=Room(0, 0, 0))
    with shop.db.transaction() as tx:
        now = shop.clock.now()
        commands.change(tx, shop.context.vault, off.owner, off.id, {"state": "disabled"}, now)
        commands.delete(tx, gone.owner, gone.id, now)
    assert take(shop, alice) == []


# Claims.


def test_an_endpoint_is_never_called_more_often_at_once_than_it_allows(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 10)
    first = take(shop, alice)
    assert [claim.seq for claim in first] == [2, 3, 4, 5]
    assert take(shop, alice) == []
    record(shop, first[:1], DELIVERED)
    assert [claim.seq for claim in take(shop, alice)] == [6]


def test_claimers_at_the_same_time_keep_to_the_same_limit(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 40)
    take(shop, alice, room=Room(0, 0, 0))
    for _ in range(8):
        barrier, claims = threading.Barrier(4), []

        def claim(barrier: threading.Barrier = barrier, claims: list[Claim] = claims) -> None:
            barrier.wait()
            claims.extend(take(shop, alice))

        claimers = [threading.Thread(target=claim) for _ in range(4)]
        for claimer in claimers:
            claimer.start()
        for claimer in claimers:
            claimer.join()
        assert len(claims) <= 4
        assert Counter(one.id for one in claims).most_common(1)[0][1] == 1
        record(shop, claims, DELIVERED)
    assert {row.attempts for row in deliveries(shop, hook) if row.state == "delivered"} == {1}


def test_the_claims_of_a_dead_worker_come_back_when_its_lease_is_over(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice)
    (lost,) = take(shop, alice)
    shop.pass_time(dispatch.LEASE_S - 1)
    assert take(shop, alice) == []
    shop.pass_time(1)
    (again,) = take(shop, alice)
    assert (again.id, again.event, again.number) == (lost.id, lost.event, 2)


def test_an_attempt_is_recorded_once_and_only_under_its_claim(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice)
    late = take(shop, alice)
    shop.pass_time(dispatch.LEASE_S)
    timely = take(shop, alice)
    assert record(shop, late, FAILED) == []
    assert look(shop, hook).failing_since is None, "what was not recorded is not held against it"
    assert len(record(shop, timely, DELIVERED)) == 1
    assert record(shop, timely, DELIVERED) == []
    assert [(row.number, row.outcome) for row in attempts(shop, hook)] == [(2, "delivered")]


def test_released_claims_may_be_taken_at_once_and_their_attempts_not_recorded(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice)
    claims = take(shop, alice)
    with shop.db.transaction() as tx:
        dispatch.release(tx, claims)
    assert record(shop, claims, FAILED) == []
    assert [claim.number for claim in take(shop, alice)] == [2]


def test_everybody_gets_a_first_before_anybody_gets_a_second(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE)
    for who in (alice, charlie):
        reached(shop, endpoint(shop, who, URL, concurrency=16))
    happen(shop, alice, 30)
    shop.pass_time(1)
    happen(shop, charlie, 2)
    taken = Counter(claim.account for claim in take(shop, alice, charlie, room=Room(5, 5, 5)))
    assert taken == {alice.account: 3, charlie.account: 2}


def test_one_side_and_those_in_doubt_have_only_their_share(shop: Shop, alice: Customer) -> None:
    charlie = shop.customer(CHARLIE)
    reached(shop, *(endpoint(shop, alice, URL, concurrency=16) for _ in range(3)))
    for _ in range(9):
        endpoint(shop, charlie, URL, concurrency=16)
    for who in (alice, charlie):
        happen(shop, who, 20)
    taken = Counter(claim.account for claim in take(shop, alice, charlie, room=Room(100, 7, 30)))
    assert taken == {alice.account: 30, charlie.account: 7}


def test_many_that_are_replayed_come_after_what_is_new(shop: Shop, alice: Customer) -> None:
    one = endpoint(shop, alice, URL, concurrency=1)
    replay(shop, one, 0, 1)
    shop.pass_time(60)
    happen(shop, alice)
    first = take(shop, alice)
    assert [claim.seq for claim in first] == [2]
    record(shop, first, DELIVERED)
    assert [claim.seq for claim in take(shop, alice)] == [1]


def test_a_claim_carries_what_signs_now(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    with shop.db.transaction() as tx:
        _, new = commands.rotate(tx, shop.context.vault, hook.owner, hook.id, "v1a", 60, shop.clock.now())
    happen(shop, alice, 2)
    (claim,) = take(shop, alice, room=Room(1, 1, 1))
    assert store.signers(shop.context.vault, claim.account, claim) == [new, hook.secret]
    shop.pass_time(60)
    claim = take(shop, alice)[0]
    assert store.signers(shop.context.vault, claim.account, claim) == [new]


def test_an_endpoint_that_was_never_reached_is_tried_one_at_a_time(shop: Shop, alice: Customer) -> None:
    endpoint(shop, alice, URL, concurrency=4)
    happen(shop, alice, 9)
    first = take(shop, alice)
    assert (len(first), take(shop, alice)) == (1, [])
    record(shop, first, DELIVERED)
    assert len(take(shop, alice)) == 4


# Retries and the breaker.


def test_a_failure_waits_for_its_time_and_the_schedule_ends(shop: Shop, alice: Customer) -> None:
    one = endpoint(shop, alice, URL)
    happen(shop, alice)
    waits = []
    while deliveries(shop, one)[:1] == [] or deliveries(shop, one)[0].state == "pending":
        shop.run("update webhooks set open_until = null")
        assert attempt(shop, alice, FAILED) == 1
        (row,) = deliveries(shop, one)
        if row.next_at:
            waits.append((row.next_at - shop.clock.now()).total_seconds())
            shop.pass_time(waits[-1] - 0.001)
            assert attempt(shop, alice, FAILED) == 0
            shop.pass_time(0.001)
    assert waits == list(model.SCHEDULE_S)
    assert row.state == "failed"
    assert [one.number for one in attempts(shop, one)] == list(range(1, 15))


def test_after_five_failures_there_is_one_probe_at_a_time(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 20)
    assert attempt(shop, alice, FAILED) == 4
    assert attempt(shop, alice, FAILED) == 1
    assert take(shop, alice) == [], "left alone"
    shop.pass_time(4.999)
    assert take(shop, alice) == []
    shop.pass_time(0.001)
    probe = take(shop, alice)
    assert len(probe) == 1
    assert take(shop, alice) == [], "one probe, not more"
    record(shop, probe, FAILED)
    shop.pass_time(9.999)
    assert take(shop, alice) == []
    shop.pass_time(0.001)
    record(shop, take(shop, alice), DELIVERED)
    assert len(take(shop, alice)) == 4, "the backlog goes on at full width"


def test_somebody_who_asks_by_hand_has_it_tried_at_once(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice, 8)
    for _ in range(2):
        attempt(shop, alice, FAILED)
    assert take(shop, alice) == []
    with shop.db.transaction() as tx:
        commands.send_test(tx, hook.owner, hook.id, shop.clock.now())
    assert [claim.type for claim in take(shop, alice)] == ["webhook.test"]
    assert take(shop, alice) == []


# Health.


def told(shop: Shop) -> list[str]:
    return [row.kind for row in shop.rows("select kind from notifications order by account_id, seq")]


def test_a_success_is_noted_and_forgets_failures(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice)
    attempt(shop, alice, FAILED)
    row = look(shop, hook)
    assert (row.failing_since, row.failed_attempts, row.strikes) == (row.last_attempt_at, 1, 1)
    shop.pass_time(6)
    attempt(shop, alice, DELIVERED)
    row = look(shop, hook)
    assert (row.failing_since, row.failed_attempts, row.strikes) == (None, 0, 0)
    first = row.last_success_at
    shop.pass_time(2)
    happen(shop, alice)
    attempt(shop, alice, DELIVERED)
    assert look(shop, hook).last_success_at == first + timedelta(seconds=2)


def test_an_endpoint_that_fails_for_five_days_is_disabled_and_its_owner_told_before(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    watcher = endpoint(shop, alice, URL, types=["webhook.*"])
    fail_for_ever(shop, alice, hook, 1)
    assert told(shop) == []
    fail_for_ever(shop, alice, hook, 0.25)
    assert told(shop) == ["webhook.failing"]
    fail_for_ever(shop, alice, hook, 3)
    assert told(shop) == ["webhook.failing"] * 2
    assert look(shop, hook).state == "enabled"
    fail_for_ever(shop, alice, hook, 1)
    row = look(shop, hook)
    assert (row.state, row.disabled_reason) == ("disabled", "failures")
    assert told(shop) == ["webhook.failing"] * 2 + ["webhook.disabled"]
    kinds = [kind for kind in shop.events(alice) if kind.startswith("webhook.")]
    assert kinds == ["webhook.failing"] * 2 + ["webhook.disabled"]
    take(shop, alice)
    assert [row.type for row in deliveries(shop, watcher)] == kinds
    assert [row.type for row in deliveries(shop, hook) if row.type.startswith("webhook.")] == []


def test_sporadic_failures_disable_nobody(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    for _ in range(8):
        fail_for_ever(shop, alice, hook, 4)
        happen(shop, alice)
        attempt(shop, alice, DELIVERED)
        shop.run("delete from deliveries")
    assert look(shop, hook).state == "enabled"
    assert "webhook.disabled" not in told(shop)


def test_gone_disables_at_once(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice, 2)
    record(shop, take(shop, alice)[:1], GONE)
    row = look(shop, hook)
    assert (row.state, row.disabled_reason) == ("disabled", "gone")
    assert told(shop) == ["webhook.disabled"]
    facts = shop.value("select facts from notifications")
    assert (json.loads(facts) if isinstance(facts, str) else facts)["endpoint"] == hook.id


def test_what_is_asked_for_by_hand_reaches_a_disabled_endpoint_once_and_counts_for_nothing(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 2)
    record(shop, take(shop, alice, room=Room(1, 1, 1)), GONE)
    row, _ = deliveries(shop, hook)
    with shop.db.transaction() as tx:
        commands.replay(tx, hook.owner, hook.id, row.event, shop.clock.now())
    (claim,) = take(shop, alice)
    assert (claim.event, claim.manual, claim.number) == (row.event, True, 2)
    before = look(shop, hook)
    record(shop, [claim], FAILED)
    after = look(shop, hook)
    assert deliveries(shop, hook)[0].state == "failed"
    assert health(after) == health(before)
    assert told(shop) == ["webhook.disabled"]


def test_a_disabled_endpoint_gets_nothing_but_what_is_sent_by_hand(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    happen(shop, alice, 2)
    record(shop, take(shop, alice, room=Room(1, 1, 1)), GONE)
    replay(shop, hook, 1, 2)
    assert [claim.seq for claim in take(shop, alice)] == [2]
    assert [row.state for row in deliveries(shop, hook)] == ["pending", "pending"]


def test_gone_by_hand_disables_nobody(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    with shop.db.transaction() as tx:
        commands.send_test(tx, hook.owner, hook.id, shop.clock.now())
    record(shop, take(shop, alice), GONE)
    assert look(shop, hook).state == "enabled"
    assert told(shop) == []


def test_an_endpoint_gets_the_events_of_its_own_side_alone(
    shop: Shop, alice: Customer, hook: Endpoint
) -> None:
    """Two sides number their events alike."""
    charlie = shop.customer(CHARLIE)
    theirs = endpoint(shop, charlie, URL)
    placed = {who.side: shop.place(who).id for who in (alice, charlie)}
    claims = take(shop, alice, charlie)
    assert {(claim.webhook, claim.seq, claim.order_id) for claim in claims} == {
        (hook.id, 2, placed[alice.side]),
        (theirs.id, 2, placed[charlie.side]),
    }
    assert len(claims) == 2


def health(row: Any) -> tuple[Any, ...]:
    return (row.failing_since, row.failed_attempts, row.last_attempt_at, row.last_success_at, row.state)


def test_a_fault_of_ours_is_held_against_nobody(shop: Shop, alice: Customer, hook: Endpoint) -> None:
    happen(shop, alice)
    record(shop, take(shop, alice), Outcome(model.UNRENDERABLE))
    row = look(shop, hook)
    assert (row.strikes, row.failing_since) == (0, None)
    assert deliveries(shop, hook)[0].state == "pending"
