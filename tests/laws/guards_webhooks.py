"""The guards of webhooks: what is signed, who is called, what is recorded, who is given up, each with its test."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_MODEL = "core/webhooks/model.py"
_SIGNING = "core/webhooks/signing.py"
_STORE = "core/webhooks/store.py"
_COMMANDS = "core/webhooks/commands.py"
_DISPATCH = "core/webhooks/dispatch.py"
_SQL = "core/webhooks/queries.sql"
_SCHEMA = "core/schema/0006_webhooks.sql"
_API = "edge/api/webhooks.py"
_PARCEL = "workers/parcel.py"
_DELIVER = "workers/deliver.py"
_RETENTION = "core/retention/commands.py"

MODEL = "tests/core/webhooks/test_model.py::"
SIGNING = "tests/core/webhooks/test_signing.py::"
COMMANDS = "tests/core/webhooks/test_commands.py::"
DISPATCH = "tests/core/webhooks/test_dispatch.py::"
DELIVER = "tests/workers/test_deliver.py::"
EDGE = "tests/edge/test_webhooks.py::"
ACCESS = "tests/edge/test_access.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_SENT_GUARDS = (
    _g("a signature covers no time", _SIGNING,
       'signed = f"{event}.{at}.".encode() + body', 'signed = f"{event}.".encode() + body',
       SIGNING + "test_the_published_library_accepts_what_we_sign"),
    _g("a signature covers no body", _SIGNING,
       'signed = f"{event}.{at}.".encode() + body', 'signed = f"{event}.{at}.".encode()',
       SIGNING + "test_the_published_library_accepts_what_we_sign"),
    _g("the private half of a key is shown", _SIGNING,
       'return f"whsec_{_text(self.raw)}" if self.kind == "v1" else None', 'return f"whsec_{_text(self.raw)}"',
       SIGNING + "test_an_ed25519_signature_is_checked_with_the_public_key_alone"),
    _g("an endpoint is told of its own failing", _MODEL,
       "if kind in _OWN and subject == endpoint:", "if False:",
       MODEL + "test_an_endpoint_is_not_called_about_its_own_failing"),
    _g("an endpoint gets what it did not ask for", _MODEL,
       "return types is None or kind in types or", "return True or kind in types or",
       MODEL + "test_an_endpoint_gets_what_it_asked_for"),
    _g("a thin payload holds the text", _MODEL,
       'if payload == "thin":', "if False:",
       DELIVER + "test_a_thin_endpoint_learns_ids_and_no_text"),
    _g("an endpoint gets the events of another side", _SCHEMA,
       "left join events e on e.side_id = w.side_id and e.seq = c.seq", "left join events e on e.seq = c.seq",
       DISPATCH + "test_an_endpoint_gets_the_events_of_its_own_side_alone"),
    _g("a secret that has ended goes on signing", _SCHEMA,
       " and (n.expires_at is null or n.expires_at > p_now)", "",
       DISPATCH + "test_a_claim_carries_what_signs_now"),
    _g("an emergency rotation ends nothing", _COMMANDS,
       '    tx.run(Q.expire_secrets, {"webhook": webhook, "at": now + timedelta(seconds=overlap_s)})\n', "",
       COMMANDS + "test_an_emergency_rotation_ends_every_other_secret_at_once"),
    _g("a url is kept in clear", _STORE,
       "return vault.seal(account_key(account), url.encode(), _url_place(webhook))", "return url.encode()",
       COMMANDS + "test_url_and_secret_are_sealed"),
    _g("an attempt is kept in clear", _STORE,
       "return vault.seal(account_key(account), text, _attempt_place(delivery_id, number))", "return text",
       DELIVER + "test_what_is_kept_of_an_attempt_is_sealed"),
    _g("all of an answer is kept", _PARCEL,
       'reply.body[:KEPT_BYTES].decode("utf-8", "replace")', 'reply.body.decode("utf-8", "replace")',
       DELIVER + "test_of_an_answer_the_first_two_kilobytes_are_kept"),
)

_OWNER_GUARDS = (
    _g("a stranger's endpoint is changed", _SQL,
       "select id from webhooks where side_id = %(side)s and id = %(id)s", "select id from webhooks where id = %(id)s",
       COMMANDS + "test_another_sides_endpoint_is_not_locked"),
    _g("a stranger's endpoint is read", _SQL,
       "where w.side_id = %(side)s and w.state <> 'deleted' and (", "where w.state <> 'deleted' and (",
       ACCESS + "test_a_strangers_webhook_is_not_found"),
    _g("a stranger's delivery is read", _SQL,
       "where d.webhook_id = %(webhook)s and d.event = %(event)s\n\n-- name: attempts",
       "where d.event = %(event)s\n\n-- name: attempts",
       COMMANDS + "test_a_stranger_finds_no_endpoint_and_no_delivery"),
    _g("an address is not looked at when it is registered", _API,
       "    await CustomerDoor(loopback=house.settings.webhook_loopback).check(url)\n", "    pass\n",
       EDGE + "test_an_address_that_is_not_public_is_refused"),
    _g("a side has endpoints without end", _COMMANDS,
       "if count and count.n >= model.ENDPOINTS_PER_SIDE:", "if False:",
       COMMANDS + "test_a_side_has_at_most_twenty_endpoints"),
    _g("tests wait without end", _COMMANDS,
       "if waiting and waiting.n >= model.MOST_TESTS:", "if False:",
       COMMANDS + "test_twenty_tests_may_wait"),
    _g("a deleted endpoint keeps its secrets", _SQL,
       "with secrets as (delete from webhook_secrets where webhook_id = %(id)s)\n", "",
       COMMANDS + "test_a_deleted_endpoint_is_gone_with_its_secrets_at_once_and_the_rest_by_the_housekeeping"),
    _g("attempts are kept for ever", _RETENTION,
       "webhooks.prune_attempts(tx, now - EVENTS_FOR, _BATCH)", "0",
       COMMANDS + "test_deliveries_and_attempts_go_after_thirty_days"),
)

_CLAIM_GUARDS = (
    _g("claimers do not see each other", _SCHEMA,
       "        for no key update of w skip locked\n", "",
       DISPATCH + "test_claimers_at_the_same_time_keep_to_the_same_limit"),
    _g("what is claimed is claimed again", _SCHEMA,
       "\n              and (p.claimed_until is null or p.claimed_until <= p_now) and (r.state", "\n              and (r.state",
       DISPATCH + "test_an_endpoint_is_never_called_more_often_at_once_than_it_allows"),
    _g("an endpoint in doubt is called at full width", _SCHEMA,
       "(case when q.doubtful then 1 else w.concurrency end)", "w.concurrency::integer",
       DISPATCH + "test_an_endpoint_that_was_never_reached_is_tried_one_at_a_time"),
    _g("an endpoint that is left alone is called", _SCHEMA,
       "          and (w.open_until is null or w.open_until <= p_now)\n", "",
       DISPATCH + "test_after_five_failures_there_is_one_probe_at_a_time"),
    _g("a suspended account's deliveries are claimed", _SCHEMA,
       "w.state <> 'deleted' and a.state = 'open'", "w.state <> 'deleted'",
       DISPATCH + "test_a_suspended_account_gets_nothing_until_it_is_open_again"),
    _g("a suspended account's events are fanned out", _SQL,
       "w.state = 'enabled' and a.state = 'open' and", "w.state = 'enabled' and",
       DISPATCH + "test_a_suspended_account_gets_nothing_until_it_is_open_again"),
    _g("a disabled endpoint gets events with what is sent by hand", _SCHEMA,
       "p.claimed_until <= p_now) and (r.state = 'enabled' or p.turn <> 1)", "p.claimed_until <= p_now)",
       DISPATCH + "test_a_disabled_endpoint_gets_nothing_but_what_is_sent_by_hand"),
    _g("one side takes every slot", _SCHEMA,
       "where k.of_side <= p_of_side and k.turn", "where k.turn",
       DISPATCH + "test_one_side_and_those_in_doubt_have_only_their_share"),
    _g("endpoints in doubt take every slot", _SCHEMA,
       "k.turn <= (case when k.doubtful then p_doubtful else p_slots end)", "k.turn <= p_slots",
       DISPATCH + "test_one_side_and_those_in_doubt_have_only_their_share"),
    _g("what is replayed goes before what is new", _SCHEMA,
       "order by p.turn, p.next_at, p.id", "order by p.next_at, p.id",
       DISPATCH + "test_many_that_are_replayed_come_after_what_is_new"),
    _g("a late attempt is recorded", _SQL,
       " and d.state = 'pending' and d.attempts = t.number\n", " and d.state = 'pending'\n",
       DISPATCH + "test_an_attempt_is_recorded_once_and_only_under_its_claim"),
    _g("a released claim is recorded", _SQL,
       "\n      and d.claimed_until is not null\n    returning d.id", "\n    returning d.id",
       DISPATCH + "test_released_claims_may_be_taken_at_once_and_their_attempts_not_recorded"),
    _g("claims of a fault are kept", _DELIVER,
       "            self._release(claims)\n            raise\n", "            raise\n",
       DELIVER + "test_a_database_that_was_away_loses_nothing"),
    _g("an event that cannot be rendered spoils the others", _PARCEL,
       "        if len(claims) > 1:\n            return", "        if False:\n            return",
       DELIVER + "test_an_event_that_cannot_be_rendered_spoils_no_other"),
    _g("events that were pruned stop an endpoint", _DISPATCH,
       "return int(group[0].head if whole else group[-1].seq)", "return int(group[-1].seq or group[0].cursor)",
       DISPATCH + "test_an_endpoint_passes_by_events_that_are_all_pruned"),
)

_HEALTH_GUARDS = (
    _g("a redirect is success", _MODEL,
       "if 200 <= status < 300:", "if 200 <= status < 400:",
       MODEL + "test_only_2xx_is_success_and_a_redirect_is_none"),
    _g("a server puts us off for ever", _MODEL,
       "return min(max(planned, asked_s or 0), max(2 * planned, PATIENCE_S))", "return max(planned, asked_s or 0)",
       MODEL + "test_a_server_may_put_us_off_but_not_for_ever_and_not_hurry_us"),
    _g("retries have no end", _MODEL,
       "if outcome.gone or once or tries >= len(SCHEDULE_S):", "if outcome.gone or once:",
       MODEL + "test_a_failure_is_tried_again_until_the_schedule_ends"),
    _g("a dead server is never left alone", _MODEL,
       "if strikes < OPEN_AFTER:", "if True:",
       MODEL + "test_five_failures_in_a_row_leave_an_endpoint_alone_for_a_while"),
    _g("one bad moment makes a long pause", _MODEL,
       "if health.open_until is not None and health.open_until > mark.at:", "if False:",
       MODEL + "test_failures_that_were_under_way_do_not_lengthen_the_pause"),
    _g("a success forgets no failure", _MODEL,
       "failing_since=None, failed_attempts=0, noticed=0, last_success_at=mark.at", "last_success_at=mark.at",
       MODEL + "test_a_success_between_failures_forgets_them"),
    _g("a few failures are hopeless", _MODEL,
       " and health.failed_attempts >= DISABLE_ATTEMPTS", "",
       MODEL + "test_a_few_failures_over_many_days_are_not_hopeless"),
    _g("a bad day is hopeless", _MODEL,
       "return _failing_for(health) >= DISABLE_AFTER and ", "return ",
       MODEL + "test_many_failures_within_a_few_days_are_not_hopeless"),
    _g("old failures are remembered for ever", _MODEL,
       " or (last is not None and mark.at - last > DISABLE_AFTER)", "",
       MODEL + "test_old_failures_are_forgotten_when_nothing_was_attempted_since"),
    _g("what is sent by hand counts", _MODEL,
       "_counted(health, mark) if mark.counted else health", "_counted(health, mark)",
       MODEL + "test_what_was_asked_for_by_hand_counts_neither_way_but_brakes"),
    _g("gone by hand disables", _DISPATCH,
       "if one.outcome.gone and not one.claim.manual}", "if one.outcome.gone}",
       DISPATCH + "test_gone_by_hand_disables_nobody"),
    _g("a fault of ours is held against an endpoint", _DISPATCH,
       "if not result.outcome.ours:", "if True:",
       DISPATCH + "test_a_fault_of_ours_is_held_against_nobody"),
    _g("an owner is not told", _DISPATCH,
       "    if news:\n        _tell(tx, news, health, now)\n", "",
       DISPATCH + "test_gone_disables_at_once"),
)
# fmt: on

WEBHOOKS = _SENT_GUARDS + _OWNER_GUARDS + _CLAIM_GUARDS + _HEALTH_GUARDS
