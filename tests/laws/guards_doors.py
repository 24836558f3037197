"""The guards of the doors and the clocks: who comes in, how much, and what gets out, each with its test."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_AUTH = "edge/auth.py"
_GATE = "edge/gate.py"
_HOT = "edge/hot.py"
_LANES = "edge/lanes.py"
_HUB = "edge/hub.py"
_LIVE = "edge/live.py"
_BODY = "edge/body.py"
_ENVELOPE = "edge/envelope.py"
_PROBLEMS = "edge/problems.py"
_ORDERS = "edge/api/orders.py"
_ACCOUNT = "edge/api/account.py"

ACCESS = "tests/edge/test_access.py::"
BODIES = "tests/edge/test_bodies.py::"
CONTRACT = "tests/edge/test_contract.py::"
LIMITS = "tests/edge/test_limits.py::"
SHORT = "tests/edge/test_short_way.py::"
LANES = "tests/edge/test_lanes.py::"
LIVE = "tests/edge/test_live.py::"
READING = "tests/edge/test_reading.py::"
EVENTS = "tests/edge/test_events.py::"
SMS = "tests/edge/test_sms.py::"
ROUNDS = "tests/workers/test_rounds.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_ENTRY_GUARDS = (
    _g("a route opens to any key", _AUTH,
       "        grant.demand(scope)\n", "",
       ACCESS + "test_a_route_opens_to_its_own_scope_alone"),
    _g("a key for the old protocols opens the new ones", _AUTH,
       'if grant.kind != "api":', "if False:",
       ACCESS + "test_a_key_for_the_old_protocols_is_refused"),
    _g("a live key sends test messages", _AUTH,
       'if grant.mode != "test":', "if False:",
       ACCESS + "test_a_live_key_cannot_send_test_messages"),
    _g("a key comes under any scheme", _AUTH,
       'if scheme.lower() != "bearer" or not key:', "if not key:",
       ACCESS + "test_a_malformed_key_is_refused"),
    _g("a rate has no end", _GATE,
       "granted = bucket.tokens >= 1", "granted = True",
       LIMITS + "test_a_key_that_asks_too_often_is_told_when_to_come_back"),
    _g("a checked key is remembered for ever", _GATE,
       "if found and time.monotonic() - found[0] < KEY_MEMORY_S else None", "if found else None",
       LIMITS + "test_a_checked_key_is_asked_about_again_after_a_second"),
    _g("a revoked key is remembered", _GATE,
       "            self._grants.clear()\n", "            pass\n",
       ACCESS + "test_a_revoked_key_is_refused_at_once"),
    _g("placements wait without end", _GATE,
       "if self._enabled and line.waiting >= PLACEMENTS_WAITING:", "if False:",
       LIMITS + "test_too_many_placements_at_once_are_told_to_come_back"),
    _g("a key makes one that may do more", _ACCOUNT,
       "        grant.demand(scope)\n", "        pass\n",
       ACCESS + "test_a_key_cannot_make_one_that_may_do_more"),
    _g("a key rotates one that may do more", _ACCOUNT,
       "within=grant.scopes,", "within=frozenset(check_scopes((), grant.kind)),",
       ACCESS + "test_a_key_cannot_rotate_one_that_may_do_more"),
    _g("the cursor of a stranger's list is taken", _ORDERS,
       "before = _own(tx, grant, int(place[0])) if place else None", "before = int(place[0]) if place else None",
       READING + "test_the_cursor_of_a_strangers_list_is_refused"),
    _g("a stranger's messages are listed", _ORDERS,
       "order = store.order(tx, order_id, grant.side)\n", "order = store.order(tx, order_id)\n",
       ACCESS + "test_a_strangers_order_is_not_found"),
    _g("a message is sent to a stranger's number", "edge/api/sandbox.py",
       "if store.sandbox_owner(tx, wanted.number) != grant.side:", "if False:",
       SMS + "test_a_number_of_somebody_else_is_not_found"),
    _g("two accounts share the keys of their messages", "edge/api/sandbox.py",
       'f"{grant.side}-{idempotency_key}"', "idempotency_key",
       SMS + "test_two_accounts_may_use_the_same_key_for_their_messages"),
    _g("a long poll outlives its key", _ORDERS,
       "            watch.demand()\n", "",
       READING + "test_a_long_poll_ends_with_its_key"),
    _g("a wait for events outlives its key", "edge/api/events.py",
       "            watch.demand()\n", "",
       EVENTS + "test_a_wait_ends_with_its_key"),
    _g("a cursor of another epoch is served", "edge/api/events.py",
       "if not horizon.covers(after) or (epoch is not None and epoch != horizon.epoch):", "if not horizon.covers(after):",
       EVENTS + "test_the_right_epoch_goes_on_and_another_starts_over"),
    _g("a cursor before what is kept is served", "edge/api/events.py",
       "if not horizon.covers(after) or (epoch", "if (epoch",
       EVENTS + "test_a_cursor_before_what_is_kept_starts_over_and_one_inside_goes_on"),
)

_BODY_GUARDS = (
    _g("a body has no end", _BODY,
       "if len(read) > MOST_BYTES:", "if False:",
       BODIES + "test_a_large_body_is_refused_with_and_without_its_length_told"),
    _g("a body is as deep as it likes", _BODY,
       "> MOST_DEPTH and _depth(raw) > MOST_DEPTH:", "> MOST_DEPTH and False:",
       BODIES + "test_deep_nesting_is_refused_quickly_however_it_hides"),
    _g("a name comes twice in one object", _BODY,
       "if len(found) < len(pairs):", "if False:",
       BODIES + "test_what_is_not_strict_json_is_malformed"),
    _g("an integer is one that others would not keep", _BODY,
       "if len(digits) > 17 or abs(int(digits)) > _LARGEST_INTEGER:", "if False:",
       BODIES + "test_what_is_not_strict_json_is_malformed"),
    _g("a body is of any media type", _BODY,
       'if media_type != "application/json":', "if False:",
       BODIES + "test_another_media_type_is_refused"),
    _g("a lone surrogate is a character", _BODY,
       'if "\\\\u" in text:', "if False:",
       BODIES + "test_what_is_not_strict_json_is_malformed"),
    _g("an answer may be kept by others", _ENVELOPE,
       'headers.append((b"cache-control", b"no-store"))', "pass",
       CONTRACT + "test_every_answer_carries_its_own_id_and_is_not_kept"),
    _g("an answer may be taken for another type", _ENVELOPE,
       '        (b"x-content-type-options", b"nosniff"),\n', "",
       CONTRACT + "test_every_answer_carries_its_own_id_and_is_not_kept"),
    _g("the log knows which order was read", _ENVELOPE,
       "route = _template(scope)\n        method", 'route = scope["path"]\n        method',
       CONTRACT + "test_the_access_log_knows_templates_and_no_customer"),
    _g("the log knows the second", "accesslog.py",
       "%H:%MZ} {address}", "%H:%M:%SZ} {address}",
       CONTRACT + "test_the_access_log_knows_templates_and_no_customer"),
    _g("a fault of ours says what it is about", _PROBLEMS,
       "error=type(error).__qualname__", "error=str(error)",
       CONTRACT + "test_a_fault_of_ours_is_a_problem_that_gives_nothing_away"),
    _g("a fault in a body is echoed", _PROBLEMS,
       '"fault": str(fault["msg"])[:200]', '"fault": str(fault)[:200]',
       BODIES + "test_faults_are_counted_not_echoed"),
    _g("faults are told without end", _PROBLEMS,
       "error.errors()[:MOST_FAULTS]", "error.errors()",
       BODIES + "test_faults_are_counted_not_echoed"),
)

_SHORT_WAY_GUARDS = (
    _g("one of two headers counts on the short way", _HOT,
       'return headers if len(headers) == len(scope["headers"]) else {}', "return headers",
       SHORT + "test_two_headers_of_one_name_are_left_to_the_framework"),
    _g("a body has no end on the short way", _HOT,
       "return bytes(body) if len(body) <= MOST_BYTES else None", "return bytes(body)",
       SHORT + "test_a_body_is_refused_alike_both_ways"),
    _g("a rate has no end on the short way", _HOT,
       "        if allowance:\n            allowance.demand()\n", "",
       SHORT + "test_a_rate_that_is_used_up_refuses_alike_both_ways"),
    _g("the short way opens to any key", _HOT,
       " and right in grant.scopes else None", " else None",
       SHORT + "test_a_key_without_the_right_is_refused_alike_both_ways"),
    _g("the short way opens to keys for the old protocols", _HOT,
       'grant.kind == "api" and ', "",
       SHORT + "test_a_key_for_the_old_protocols_is_refused_alike_both_ways"),
    _g("an order's id is any number on the short way", _HOT,
       "or int(found[1]) > _LARGEST_ID ", "",
       SHORT + "test_an_order_that_is_not_ours_is_refused_alike_both_ways"),
    _g("any text is a key of idempotency on the short way", _HOT,
       "not _KEY.fullmatch(key) or ", "",
       SHORT + "test_headers_are_read_alike_both_ways"),
    _g("a body is of any media type on the short way", _HOT,
       ' or headers.get(b"content-type") != b"application/json":', ":",
       SHORT + "test_headers_are_read_alike_both_ways"),
    _g("a body that was looked at is lost to the framework", _HOT,
       "_again(read, receive)", "receive",
       SHORT + "test_a_body_is_refused_alike_both_ways"),
)

_LANE_GUARDS = (
    _g("one that breaks the statement breaks everybody's", _LANES,
       "if len(batch) > 1:", "if False:",
       LANES + "test_one_that_breaks_the_statement_of_all_breaks_only_its_own"),
    _g("two of one identity travel together", _LANES,
       "if identity in taken:", "if False:",
       LANES + "test_two_of_one_identity_never_travel_together"),
    _g("an order's identity is not its key", "edge/app.py",
       "identity=lambda one: (one.side, one.key),", "",
       "tests/edge/test_idempotency.py::test_fifty_at_once_with_one_key_place_one_order"),
    _g("who gave up waiting is served", _LANES,
       "elif not one[1].done():", "else:",
       LANES + "test_who_gave_up_waiting_is_left_out"),
    _g("a database that is away is asked for each", _LANES,
       "        except DatabaseAway as away:\n            _tell(batch, [away] * len(batch))\n", "",
       LANES + "test_a_database_that_is_away_is_not_asked_again_for_each"),
    _g("a statement carries any number", _LANES,
       "while self._waiting and len(taken) < MOST:", "while self._waiting:",
       LANES + "test_who_waits_at_the_same_time_travels_together_and_gets_its_own_answer"),
    _g("who waits in a lane waits without end", _LANES,
       "asyncio.timeout(pool.COMMAND_DEADLINE_S)", "asyncio.timeout(20)",
       LANES + "test_who_waits_behind_a_statement_that_hangs_is_answered_in_time"),
    _g("a command that hangs is waited for without end", "edge/pool.py",
       "asyncio.timeout(COMMAND_DEADLINE_S)", "asyncio.timeout(30)",
       "tests/edge/test_database_away.py::test_a_database_that_hangs_is_answered_for_in_time"),
)

_SOCKET_GUARDS = (
    _g("a side waits as often as it likes", _HUB,
       "if self._count(side, kind) >= MOST_WAITERS[kind]:", "if False:",
       LIVE + "test_a_side_has_a_bounded_number_of_sockets"),
    _g("a side's long polls are bounded with its sockets", _HUB,
       "sum(watch.kind == kind for watch in", "sum(True for watch in",
       LIVE + "test_sockets_and_long_polls_are_counted_apart"),
    _g("a revoked key keeps its sockets", _HUB,
       "                watch.ended = True\n", "",
       LIVE + "test_revoking_a_key_closes_its_sockets_within_a_second_and_no_others"),
    _g("a lost wake-up is a lost event", _HUB,
       "                self._wake(side)\n        ended", "                pass\n        ended",
       LIVE + "test_lost_wake_ups_cost_half_a_second_not_an_event"),
    _g("a fault ends the poll for ever", _HUB,
       "except Exception as fault:", "except ZeroDivisionError as fault:",
       LIVE + "test_a_fault_in_the_poll_does_not_end_it"),
    _g("a socket goes on after its key", _LIVE,
       "        if watch.ended:\n", "        if False:\n",
       LIVE + "test_revoking_a_key_closes_its_sockets_within_a_second_and_no_others"),
    _g("a socket that says nothing stays open", _LIVE,
       "asyncio.timeout(FIRST_FRAME_S)", "asyncio.timeout(30)",
       LIVE + "test_a_socket_that_says_nothing_is_closed"),
    _g("a socket takes any first frame", _LIVE,
       "if not _is_auth(frame):", "if False:",
       LIVE + "test_a_first_frame_that_is_no_auth_closes_the_socket"),
    _g("a socket takes a second frame", _LIVE,
       '    raise _Closed(BAD_FRAME, "only the auth frame is expected")', "    await asyncio.sleep(3600)",
       LIVE + "test_a_second_frame_closes_the_socket"),
    _g("a socket skips what it cannot serve", _LIVE,
       "not horizon.covers(after) or (epoch is not None and epoch != horizon.epoch)",
       "epoch is not None and epoch != horizon.epoch",
       LIVE + "test_a_cursor_before_what_is_kept_is_told_to_resync"),
    _g("a socket goes on in another epoch", _LIVE,
       "not horizon.covers(after) or (epoch is not None and epoch != horizon.epoch)", "not horizon.covers(after)",
       LIVE + "test_a_cursor_that_cannot_be_served_is_told_to_resync_and_then_goes_on"),
    _g("a database that is away closes the sockets", _LIVE,
       "    except Unavailable:\n        await asyncio.sleep(AWAY_S)", "    except ZeroDivisionError:\n        await asyncio.sleep(AWAY_S)",
       LIVE + "test_a_database_that_was_away_costs_half_a_second_not_an_event"),
    _g("a reader that does not read is waited for", _LIVE,
       "asyncio.timeout(SEND_S)", "asyncio.timeout(30)",
       LIVE + "test_a_reader_that_does_not_read_is_told_to_resync"),
    _g("the stream begins behind the socket's cursor", _LIVE,
       "outbox.after(tx, side, cursor, BATCH)", "outbox.after(tx, side, cursor + 1, BATCH)",
       LIVE + "test_a_socket_resumes_after_the_last_seq_and_misses_nothing"),
)

_CLOCK_GUARDS = (
    _g("the money does not wait for messages on their way", "workers/expire.py",
       "before = context.clock.now() - timedelta(seconds=context.terms.drain_s)",
       "before = context.clock.now() - timedelta(0)",
       "tests/core/orders/test_end.py::test_the_money_waits_for_messages_that_are_on_their_way"),
    _g("an order that cannot be ended keeps the others' money", "workers/expire.py",
       "except Exception:", "except ZeroDivisionError:",
       ROUNDS + "test_an_order_that_cannot_be_ended_does_not_keep_the_others_money"),
    _g("an order in other hands stops the round", "workers/expire.py",
       "except Busy:", "except ZeroDivisionError:",
       ROUNDS + "test_an_order_in_other_hands_is_left_for_the_next_round"),
    _g("a message that cannot be settled stops the others", "workers/sweep.py",
       "except Exception:", "except ZeroDivisionError:",
       ROUNDS + "test_a_message_that_cannot_be_settled_stops_nobody_and_is_set_aside"),
    _g("a message in other hands stops the sweep", "workers/sweep.py",
       "except Busy:", "except ZeroDivisionError:",
       ROUNDS + "test_a_message_whose_number_is_in_other_hands_waits_for_the_next_round"),
    _g("one supplier's failure stops the others", "workers/supply.py",
       "    except Exception:\n", "    except ZeroDivisionError:\n",
       ROUNDS + "test_one_suppliers_failure_does_not_delay_another"),
    _g("an unknown outcome counts as done", "workers/supply.py",
       'order=call.order.id\n        )\n        _retry(db, context, call)\n        return\n',
       'order=call.order.id\n        )\n        with db.transaction() as tx:\n            supply.end_call(tx, call)\n        return\n',
       ROUNDS + "test_an_unknown_outcome_stays_held_and_is_asked_again_under_the_same_reference"),
    _g("a worker ends with its database", "workers/clock.py",
       "except Unavailable as away:", "except ZeroDivisionError as away:",
       ROUNDS + "test_a_worker_survives_a_database_that_is_away"),
)
# fmt: on

DOORS = _ENTRY_GUARDS + _BODY_GUARDS + _SHORT_WAY_GUARDS + _LANE_GUARDS + _SOCKET_GUARDS + _CLOCK_GUARDS
