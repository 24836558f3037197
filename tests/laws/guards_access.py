"""Guards of sessions, letters, spend caps and renewals, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_SESS, _ASQL, _ACC = "core/access/sessions.py", "core/access/queries.sql", "core/access/commands.py"
_HUB, _LET, _NSQL, _MAIL = (
    "edge/hub.py",
    "core/notices/letters.py",
    "core/notices/queries.sql",
    "workers/mail.py",
)
_PLACES, _CAPS, _OSQL, _OCMD, _AGENT = (
    "core/schema/0027_sides_locked_once.sql",
    "core/schema/0018_spend_caps.sql",
    "core/orders/queries.sql",
    "core/orders/commands.py",
    "edge/protocols/agent.py",
)
_RENEW = "core/orders/renewal.py"
N = "tests/core/orders/test_renewal.py::"
S, ES = "tests/core/access/test_sessions.py::", "tests/edge/test_sessions.py::"
L, W = "tests/core/notices/test_letters.py::", "tests/workers/test_letters.py::"
C, EC, R = (
    "tests/core/orders/test_spend_caps.py::",
    "tests/edge/test_spend_caps.py::",
    "tests/core/orders/test_races.py::",
)


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
ACCESS = (
    _g("an ended session goes on", _SESS, "if row is None or row.revoked_at or row.expires_at <= now:", "if row is None or row.expires_at <= now:",
       S + "test_an_ended_session_is_refused_and_the_processes_are_told_once"),
    _g("a session never ends by itself", _SESS, "if row is None or row.revoked_at or row.expires_at <= now:", "if row is None or row.revoked_at:",
       S + "test_a_session_ends_by_itself"),
    _g("a session of a suspended account goes on", _SESS, 'if state != "open":', "if False:",
       S + "test_a_session_of_a_suspended_account_is_refused"),
    _g("a log-out tells nobody", _SESS, "        tx.wake(GRANTS_WORD)\n", "        pass\n",
       S + "test_an_ended_session_is_refused_and_the_processes_are_told_once"),
    _g("a log-out ends keys", _ASQL, "where id = any(%(grants)s) and kind = 'session' and revoked_at is null", "where id = any(%(grants)s) and revoked_at is null",
       S + "test_a_keys_grant_is_no_session"),
    _g("a key's grant is a session", _ASQL, "where g.id = %(grant)s and g.kind = 'session'", "where g.id = %(grant)s",
       S + "test_a_keys_grant_is_no_session"),
    _g("a grant without its key opens a socket", _ASQL, " and (k.id is not null or g.kind = 'session')", "",
       S + "test_a_grant_of_a_key_that_is_not_there_opens_nothing"),
    _g("sessions that go on are forgotten", _ASQL, "where kind = 'session' and least(expires_at, revoked_at) < %(before)s", "where kind = 'session'",
       S + "test_sessions_are_forgotten_a_week_after_their_end_and_keys_stay"),
    _g("a session opens sockets without end", _HUB, "if grant.kind == SESSION and self._count_of(grant) >= MOST_OF_SESSION:", "if False:",
       ES + "test_a_session_has_so_many_sockets_and_leaves_the_keys_their_room"),
    _g("a stranger's mailbox is filled", _NSQL, "where (select count(*) from unnest(c.posted) at where at > %(hour)s) < %(most)s", "where %(most)s > 0",
       L + "test_an_address_gets_so_many_letters_an_hour_and_the_rest_is_dropped_in_silence"),
    _g("midnight gives twenty letters more", _LET, "if before != digest:", "if False:",
       L + "test_midnight_gives_nobody_another_twenty"),
    _g("another spelling gives twenty letters more", _LET, "address.lower().encode()", "address.encode()",
       L + "test_an_address_gets_so_many_letters_an_hour_and_the_rest_is_dropped_in_silence"),
    _g("a letter goes to what is no address", _LET, "recipient = check_address(letter.recipient)", "recipient = letter.recipient",
       L + "test_a_recipient_that_is_no_address_is_refused"),
    _g("a subject brings header lines", _LET, "if any(unicodedata.category(one) in _NOT_ON_A_LINE for one in letter.subject):", "if False:",
       L + "test_a_subject_that_is_not_one_line_is_refused"),
    _g("a letter is as long as it likes", _LET, "if size > LONGEST_BODY:", "if False:",
       L + "test_a_body_that_is_too_long_or_no_text_is_refused"),
    _g("a letter is sent by who lost it", _NSQL, "delete from letters where id = %(id)s and attempts = %(attempts)s", "delete from letters where id = %(id)s and %(attempts)s > 0",
       W + "test_a_letter_whose_worker_died_goes_to_the_next_after_the_lease"),
    _g("a letter is tried for ever", _MAIL, "if letter is not None and now <= row.made_at + queue.GIVE_UP_AFTER:", "if letter is not None:",
       W + "test_a_letter_that_no_server_took_for_a_day_is_given_up"),
    _g("a cap stops nobody", _PLACES, "c.side_id = wanted.side and c.spent + offer.amount <= c.cap;", "c.side_id = wanted.side;",
       C + "test_orders_count_until_the_next_one_is_too_much"),
    _g("a cap of another side is spent", _PLACES, "where c.id = wanted.cap and c.side_id = wanted.side and c.spent", "where c.id = wanted.cap and c.spent",
       C + "test_a_cap_of_another_side_buys_nothing"),
    _g("an order forgets its cap", _PLACES, "        made.spend_cap_id := wanted.cap;\n", "        made.spend_cap_id := null;\n",
       C + "test_what_is_released_counts_no_more"),
    _g("what is released counts on", _CAPS, "if step.release > 0 then", "if false then",
       C + "test_what_is_released_counts_no_more"),
    _g("a released extension counts on", _CAPS, "select x.spend_cap_id, x.amount from extensions x where x.order_id = step.id) p", "select null::bigint, 0::bigint where false) p",
       C + "test_an_extension_counts_and_is_given_back_with_its_rental"),
    _g("an extension is above the cap", _OSQL, "where id = %(cap)s and side_id = %(side)s and spent + %(amount)s <= cap", "where id = %(cap)s and side_id = %(side)s",
       C + "test_an_extension_above_the_cap_is_refused_and_changes_nothing"),
    _g("an extension counts against nobody", _OCMD, "    if cap is not None:\n        _spend(", "    if False:\n        _spend(",
       C + "test_an_extension_counts_and_is_given_back_with_its_rental"),
    _g("a key with a cap makes one without", _ACC, "    cap = asker_cap\n", "    cap = None\n",
       EC + "test_a_key_with_a_cap_makes_keys_that_share_it"),
    _g("a key with a cap opens another cap", _ACC, "    if asker_cap is not None:\n        raise InvalidInput(\"The key that asks has a spend cap, and", "    if False:\n        raise InvalidInput(\"The key that asks has a spend cap, and",
       EC + "test_a_key_with_a_cap_makes_keys_that_share_it"),
    _g("a key with a cap takes over one without", _ACC, "if asker_cap is not None and old.cap != asker_cap:", "if False:",
       EC + "test_a_key_with_a_cap_cannot_take_over_one_without"),
    _g("a rotated key loses its cap", _ACC, "        cap=old.cap,\n", "        cap=None,\n",
       EC + "test_a_rotated_key_shares_what_is_left_with_its_successor"),
    _g("a renewal takes no lock", _RENEW, "order = store.locked(tx, order_id)", "order = store.order(tx, order_id)",
       N + "test_workers_that_come_at_once_extend_once"),
    _g("a renewal's extension has no name of its own", _RENEW, "duration_s, key, agreed.cap, agreed.price)", "duration_s, None, agreed.cap, agreed.price)",
       N + "test_a_worker_that_knows_of_an_extension_too_late_does_not_repeat_it"),
    _g("a suspended account's rental goes on", _RENEW, 'if row.state != "open":', "if False:",
       N + "test_a_suspended_account_buys_no_more_time"),
    _g("a renewal is above every cap", _RENEW, "return _Agreed(row.agreed, row.cap)", "return _Agreed(row.agreed, None)",
       N + "test_a_renewal_counts_against_the_cap_of_the_key_that_asked_for_it"),
)
