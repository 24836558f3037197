"""The guards of the supplier side: whose message it is, what is bought once, what nobody sells, each with its test."""

from __future__ import annotations

from tests.laws.guards_carriers import CARRIERS
from tests.laws.mutant import Mutant

_INBOX = "core/inbox/queries.sql"
_SETTLE = "core/orders/settle.py"
_LEASES = "core/suppliers/queries.sql"
_INGEST = "edge/ingest.py"
_INLETS = "edge/inlets.py"
_INTAKE = "suppliers/intake.py"
_PURCHASES = "suppliers/purchases.py"
_SQL = "suppliers/queries.sql"
_HANDLER = "suppliers/handler_api/orders.py"
_MESSAGES = "suppliers/handler_api/messages.py"
_HANDLER_WIRE = "suppliers/handler_api/wire.py"
_BUYING = "suppliers/agents/buying.py"
_AGENT = "edge/protocols/agent.py"
_HUBS = "core/hubs/store.py"
_HUBS_SQL = "core/hubs/queries.sql"
_HUB_PUSH = "workers/hub_push.py"
_CSV = "cli/inventory_csv.py"
_CARE = "core/inventory/care.py"
_CARE_SQL = "core/inventory/queries.sql"
_PROVENANCE = "core/schema/0015_provenance.sql"
_RULES = "core/catalog/rules.py"
_CATALOG_SQL = "core/catalog/queries.sql"
_SELFTESTS = "core/selftests/commands.py"
_SELFTESTS_SQL = "core/selftests/queries.sql"

INGEST = "tests/suppliers/test_ingest.py::"
INLETS = "tests/edge/test_inlets.py::"
ADOPTION = "tests/core/orders/test_adoption.py::"
EARLY = "tests/core/orders/test_early_parts.py::"
ORDER_MESSAGES = "tests/core/orders/test_messages.py::"
HTTP = "tests/suppliers/http/test_http_ingest.py::"
SESSIONS = "tests/workers/test_sessions.py::"
PURCHASES = "tests/suppliers/test_purchases.py::"
DOUBT = "tests/suppliers/handler_api/test_doubt.py::"
STORY = "tests/suppliers/handler_api/test_story.py::"
BAD = "tests/suppliers/handler_api/test_bad_input.py::"
HANDLER_WIRE = "tests/suppliers/handler_api/test_wire.py::"
BUYING = "tests/suppliers/agents/test_buying.py::"
FARM = "tests/suppliers/agents/test_inlet.py::"
WIRE = "tests/suppliers/agents/test_wire.py::"
HUB = "tests/edge/test_agent_protocol.py::"
HUB_PUSH = "tests/workers/test_hub_push.py::"
CSV = "tests/cli/test_inventory_csv.py::"
IMPORT = "tests/cli/test_cli_inventory.py::"
CARE = "tests/core/inventory/test_care.py::"
RULES = "tests/core/catalog/test_rules.py::"
ASKED = "tests/core/catalog/test_asked_stock.py::"
SELFTESTS = "tests/core/selftests/test_selftests.py::"
SELFTEST_ROUND = "tests/workers/test_selftest.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_INBOX_GUARDS = (
    _g("a supplier's message reaches another's number", _INBOX,
       "where n.e164 = m.number and p.supplier = m.supplier", "where n.e164 = m.number",
       INGEST + "test_a_suppliers_message_never_reaches_another_suppliers_number"),
    _g("a message to no number of ours waits like any other", _INBOX,
       "case when number_id is null then 'unowned' else state end, intake_key", "state, intake_key",
       ADOPTION + "test_a_message_that_was_faster_than_its_number_reaches_the_order"),
    _g("an order adopts what came before it", _INBOX,
       "\n  and i.received_at >= %(since)s", "",
       ADOPTION + "test_what_came_before_the_order_is_not_its_message"),
    _g("an order adopts another supplier's message", _INBOX,
       "i.e164 = n.e164 and i.supplier = p.supplier and", "i.e164 = n.e164 and",
       ADOPTION + "test_another_suppliers_message_is_not_adopted"),
    _g("an order gets what lay in a spool since before it", _SETTLE,
       "return waited > _SPOOL_SLACK and row.received_at - waited < holder.created_at", "return False",
       HTTP + "test_a_message_that_waited_since_before_the_order_reaches_nobody"),
    _g("a clock that was set back costs an order its message", _SETTLE,
       "return waited > _SPOOL_SLACK and row", "return row",
       ORDER_MESSAGES + "test_a_message_that_comes_before_its_order_by_the_clock_is_still_its_own"),
    _g("half a code is shown", _SETTLE,
       "if text[reading.code.end :].startswith(MISSING) or text[: reading.code.start].endswith(MISSING):", "if False:",
       EARLY + "test_a_code_that_may_go_on_in_the_other_part_waits_for_it"),
    _g("a self-test is shown to a customer", _SETTLE,
       "if selftests.arrived(tx, content.number, content.text, row.received_at):", "if False:",
       SELFTEST_ROUND + "test_a_self_test_goes_out_at_one_phone_and_comes_in_at_the_other"),
)

_DOOR_GUARDS = (
    _g("two workers hold one session", _LEASES,
       "\nwhere supplier_sessions.holder = excluded.holder or supplier_sessions.until < %(now)s", "",
       SESSIONS + "test_a_session_runs_in_one_worker_and_another_takes_it_over"),
    _g("a dead worker's session is taken over by nobody", _LEASES,
       " or supplier_sessions.until < %(now)s", "",
       SESSIONS + "test_a_lease_that_nobody_renews_runs_out"),
    _g("a message is acknowledged without a database", _INGEST,
       'cause=type(away).__name__)\n        return Outcome.AWAY', 'cause=type(away).__name__)\n        return Outcome.KEPT',
       INGEST + "test_without_its_database_the_door_acknowledges_nothing"),
    _g("a forged request is acknowledged", _INGEST,
       'return Outcome.UNSIGNED if error.reason == "missing" else Outcome.NOT_AUTHENTIC', "return Outcome.KEPT",
       INGEST + "test_what_is_not_signed_or_wrongly_signed_changes_nothing_and_is_told"),
    _g("staff are not told of forged requests", _INGEST,
       '        house.notes.alert(name, "signature_refused", error.reason)\n', "",
       INGEST + "test_what_is_not_signed_or_wrongly_signed_changes_nothing_and_is_told"),
    _g("what somebody waits for is left to the sweeper", _INGEST,
       "if message.is_leased:", "if False:",
       INGEST + "test_a_pushed_message_is_kept_answered_and_shown"),
    _g("a secret in a supplier's address is in the log", _INGEST,
       '    request.scope["route"] = _TEMPLATE\n', "",
       INGEST + "test_the_path_behind_a_suppliers_name_is_in_no_access_log"),
    _g("a disabled supplier is told to go away for good", _INLETS,
       "raise Disabled(name)", "raise Unknown(name)",
       INGEST + "test_a_supplier_that_is_not_there_is_not_found_and_a_disabled_one_comes_again"),
    _g("a disabled supplier's messages are taken", _INLETS,
       "if not entry.enabled or entry", "if entry",
       INGEST + "test_a_supplier_that_is_not_there_is_not_found_and_a_disabled_one_comes_again"),
    _g("a known supplier waits for a slow reading", _INLETS,
       "if self._is_due(FRESH_S) and not (name in self._found and self._reading.locked()):",
       "if self._is_due(FRESH_S):",
       INLETS + "test_a_supplier_that_is_known_waits_for_no_reading"),
    _g("an alert holds a number that is not ours", _INTAKE,
       'return _number(number)[:5] + "…"', "return _number(number)",
       INGEST + "test_a_number_that_is_not_ours_is_kept_apart_and_staff_are_told_without_it"),
)

_PURCHASE_GUARDS = (
    _g("an order asks its supplier twice", _SQL,
       "on conflict (reference) do nothing", "on conflict (reference) do update set polled_at = excluded.polled_at",
       PURCHASES + "test_a_reference_is_written_down_once"),
    _g("two orders share what was bought once", _SQL,
       "\n  and not exists (select from purchases o where o.supplier = p.supplier and o.supplier_order_id = %(supplier_order_id)s)", "",
       PURCHASES + "test_one_supplier_order_id_belongs_to_one_purchase"),
    _g("a purchase that was decided is bought after all", _SQL,
       "(p.state in ('asking', 'unknown') or", "(p.state in ('asking', 'unknown', 'none', 'ended') or",
       PURCHASES + "test_what_is_decided_stays_decided"),
    _g("two workers ask about one purchase", _SQL,
       "    for no key update skip locked) due", "    ) due",
       PURCHASES + "test_two_workers_never_ask_about_the_same_purchase_at_once"),
    _g("one message is noted by two workers", _SQL,
       "heard_kept = false\nwhere reference = %(reference)s and heard = %(heard)s and heard_kept",
       "heard_kept = false\nwhere reference = %(reference)s",
       PURCHASES + "test_a_message_is_noted_once_and_before_it_is_kept"),
    _g("an old look forgets the newest message", _SQL,
       "set heard_sealed = null where reference = %(reference)s and heard = %(heard)s and heard_kept",
       "set heard_sealed = null where reference = %(reference)s",
       PURCHASES + "test_waiting_that_was_seen_before_the_last_message_forgets_nothing"),
    _g("a supplier's stock of a prohibited service is offered", _SQL,
       "on s.slug = g.service and not s.prohibited", "on s.slug = g.service",
       PURCHASES + "test_stock_that_cannot_be_is_passed_over"),
    _g("a supplier says what another's pool has", _PURCHASES,
       "row.asks and row.supplier == supplier", "row.asks",
       PURCHASES + "test_a_pool_is_fed_by_its_own_supplier_alone"),
)

_RESALE_GUARDS = (
    _g("a repeated call buys once more", _HANDLER,
       "if begun.is_new:", "if True:",
       DOUBT + "test_a_call_that_is_repeated_gets_the_number_of_the_first"),
    _g("an activation of another order is taken", _HANDLER,
       "[one for one in alike if one.supplier_order_id not in known]", "alike",
       DOUBT + "test_an_activation_that_another_order_has_is_not_shared"),
    _g("somebody else's older activation is taken", _HANDLER,
       "            and wire.may_have_begun(one.begun, after, before)\n", "",
       DOUBT + "test_an_older_activation_of_somebody_else_is_not_taken_for_ours"),
    _g("somebody else's activation of another service is taken", _HANDLER,
       "if codes.service_of(one.service) == purchase.service\n            and one.country", "if one.country",
       DOUBT + "test_an_activation_of_another_service_or_country_is_not_taken_for_ours"),
    _g("one of several strange activations is guessed", _HANDLER,
       "if found and len(found) <= in_doubt:", "if found:",
       DOUBT + "test_more_strange_activations_than_doubts_are_nobodys_until_staff_look"),
    _g("a worker takes what another is buying", _HANDLER,
       'if purchase.state == "asking" and now < purchase.asked_at + SETTLES_WITHIN:', "if False:",
       DOUBT + "test_a_call_that_another_worker_is_making_is_left_to_it"),
    _g("a server that is slow has sold nothing", _HANDLER,
       "        if now < purchase.asked_at + SETTLES_WITHIN:\n            raise OutcomeUnknown\n", "",
       DOUBT + "test_nothing_is_certain_before_the_server_had_its_time"),
    _g("a number that costs too much is kept over there", _HANDLER,
       "wanted = number is not None and not too_dear", "wanted = number is not None",
       BAD + "test_a_server_that_takes_more_than_was_said_gets_the_number_back"),
    _g("a national number gets a plus", _HANDLER_WIRE,
       "if not found or not found[1].startswith(calling_code) or", "if not found or",
       HANDLER_WIRE + "test_a_number_in_national_form_or_of_another_country_is_none"),
    _g("a server that failed gave an answer", _HANDLER_WIRE,
       "if status >= 500:", "if False:",
       HANDLER_WIRE + "test_what_is_no_answer_is_never_a_definite_one"),
    _g("the same answer is a message each time", _MESSAGES,
       "if (last is not None and last.code == code) or purchase", "if purchase",
       STORY + "test_the_same_answer_is_one_message"),
    _g("a message dies with the worker that noted it", _MESSAGES,
       "if not purchase.heard_kept:", "if False:",
       STORY + "test_a_message_that_was_noted_but_not_kept_is_kept_after_all"),
    _g("an agent is asked twice", _BUYING,
       "if not begun.is_new:", "if False:",
       BUYING + "test_a_call_that_is_made_again_after_a_crash_asks_nothing",
       BUYING + "test_a_call_that_is_made_again_gets_the_number_that_was_bought"),
    _g("an agent that did not answer has sold nothing", _BUYING,
       "if lost.asked:", "if False:",
       BUYING + "test_without_a_certain_answer_the_money_goes_back_and_nobody_asks_again"),
    _g("a number that came too late is paid for", _BUYING,
       "            self._note(reference, named, wanted=False)\n", "            pass\n",
       BUYING + "test_a_number_that_comes_too_late_is_cancelled_at_the_agent"),
    _g("an agent's number of another country is sold", _BUYING,
       'return number if number.startswith(f"+{calling}") else ""', "return number",
       BUYING + "test_a_number_that_the_order_cannot_have_is_cancelled_at_the_agent"),
    _g("an end that an agent did not hear is told no more", _BUYING,
       "if not understood and around.context.clock.now() < purchase.ends_at:", "if False:",
       BUYING + "test_an_end_that_the_agent_does_not_understand_is_told_again_for_a_day"),
    _g("an agent is asked for a bank", "suppliers/agents/services.py",
       'if not one.prohibited and one.slug != "full"', 'if one.slug != "full"',
       WIRE + "test_no_prohibited_service_has_a_code_here", BUYING + "test_no_agent_is_asked_for_a_bank"),
    _g("any key is an agent's", "suppliers/agents/inlet.py",
       "if not any(matches):", "if False:",
       FARM + "test_another_key_is_refused"),
)

_HUB_GUARDS = (
    _g("a hub buys what a third party has to be asked for", _HUBS_SQL,
       "join pools p on p.mode = d.mode and p.enabled and not p.asks", "join pools p on p.mode = d.mode and p.enabled",
       HUB + "test_a_pool_that_must_be_asked_first_is_neither_offered_nor_sold"),
    _g("a hub is told of what a third party has to be asked for", _HUBS_SQL,
       "where p.enabled and not p.asks and n.state", "where p.enabled and n.state",
       HUB + "test_a_pool_that_must_be_asked_first_is_neither_offered_nor_sold"),
    _g("a hub gets a number that it excluded", _AGENT,
       "if not made.e164[1:].startswith(wanted.excluded):", "if True:",
       HUB + "test_a_number_never_begins_with_an_excluded_prefix"),
    _g("a key of the interface opens the agent protocol", _AGENT,
       'if grant.kind != "protocol":', "if False:",
       HUB + "test_a_key_of_the_api_and_the_key_of_no_hub_open_nothing"),
    _g("who is no hub buys as one", _AGENT,
       "        hubs.hub(tx, grant.side)\n        return grant", "        return grant",
       HUB + "test_a_protocol_key_of_who_is_no_hub_buys_nothing"),
    _g("a hub ends a stranger's activation", _AGENT,
       "        store.order(tx, order, side)\n", "        side = store.order(tx, order).side\n",
       HUB + "test_another_sides_activation_is_not_there"),
    _g("two hubs have one key", _HUBS,
       "if rival is not None and rival.side != side:", "if False:",
       HUB_PUSH + "test_two_hubs_never_have_one_key"),
    _g("a hub is sent a stranger's messages", _HUBS_SQL,
       "on e.side_id = s.side_id and e.seq > s.cursor", "on e.seq > s.cursor",
       HUB_PUSH + "test_a_hub_is_sent_nothing_of_another_side"),
    _g("a push is made by two workers", _HUBS_SQL,
       "set attempts = least(attempts + 1, 30000), next_at = %(until)s", "set attempts = least(attempts + 1, 30000)",
       HUB_PUSH + "test_a_worker_that_dies_leaves_its_push_to_the_next"),
    _g("a push that the hub refused counts as made", _HUB_PUSH,
       "done = body is None or self._send(hub.url, body)", "done = body is None or self._send(hub.url, body) or True",
       HUB_PUSH + "test_what_the_hub_did_not_take_is_sent_again_under_the_same_id"),
    _g("a hub is sent a message for ever", _HUB_PUSH,
       "if over or not found", "if not found",
       HUB_PUSH + "test_an_hour_after_the_orders_end_a_message_is_given_up"),
    _g("a hub that hangs takes every slot", _HUB_PUSH,
       "min(OF_HUB - under_way, SLOTS - all_under_way - len(claims))", "SLOTS - all_under_way - len(claims)",
       HUB_PUSH + "test_a_hub_that_hangs_holds_up_no_other"),
)

_STOCK_GUARDS = (
    _g("a number of another country comes in", _CSV,
       "if region != country and region is not None:", "if False:",
       CSV + "test_a_number_that_is_none_or_of_another_country_is_refused"),
    _g("a number that is none comes in", _CSV,
       "if not phonenumbers.is_valid_number_for_region(parsed, country):", "if False:",
       CSV + "test_a_number_that_is_none_or_of_another_country_is_refused"),
    _g("a number comes in without its provenance", _CSV,
       "if not said[name]:", "if False:",
       CSV + "test_a_number_without_its_provenance_is_refused"),
    _g("a file's numbers are stored without consent", _PROVENANCE,
       "add check (file_digest is null or (consent <> '' and said_by <> ''))", "add check (true)",
       CARE + "test_a_file_without_consent_cannot_be_stored_by_any_way"),
    _g("a number of another pool counts as imported", "cli/inventory_import.py",
       "if pools.get(line.number) == self.pool:", "if line.number in pools:",
       IMPORT + "test_a_number_of_another_pool_stays_there_and_its_line_is_named"),
    _g("an order loses its number to a quarantine", _CARE_SQL,
       "set state = case state when 'leased' then 'leased' else %(target)s end,", "set state = %(target)s,",
       CARE + "test_a_number_that_an_order_holds_leaves_when_the_order_ends"),
    _g("a retired number comes back", _CARE_SQL,
       "set state = case state when 'quarantined' then 'free' else state end, leaving = null\n"
       "    where id = any(%(ids)s) and (state = 'quarantined' or leaving = 'quarantined')",
       "set state = case state when 'leased' then state else 'free' end, leaving = null\n    where id = any(%(ids)s)",
       CARE + "test_a_retired_number_never_comes_back"),
    _g("a number to be retired is only quarantined", _CARE_SQL,
       " and (leaving is distinct from 'retired' or %(target)s = 'retired')", "",
       CARE + "test_a_number_that_will_be_retired_is_not_only_quarantined"),
    _g("a number is taken out for no reason", _CARE,
       "if not 0 < len(reason.words.strip()) <= LONGEST_REASON:", "if False:",
       CARE + "test_nothing_is_taken_out_without_a_reason"),
    _g("a prohibited service gets a price", _RULES,
       "if services[rule.service].prohibited:", "if False:",
       RULES + "test_a_prohibited_service_gets_no_price_and_neither_do_its_neighbours"),
    _g("a supplier prices a prohibited service", _CATALOG_SQL,
       "on s.slug = g.service and not s.prohibited", "on s.slug = g.service",
       ASKED + "test_prices_of_what_is_not_served_are_passed_over"),
    _g("a price is rounded down", _CATALOG_SQL,
       "%(factor)s + 999999, 1000000)", "%(factor)s, 1000000)",
       RULES + "test_a_change_rounds_up_to_four_places"),
    _g("one of two changes of a price is lost", _CATALOG_SQL,
       "    for update of r\n", "",
       RULES + "test_two_changes_at_once_both_count"),
)

_SELFTEST_GUARDS = (
    _g("a self-test goes to a customer", _SELFTESTS_SQL,
       " and n.state in ('free', 'quarantined')", "",
       SELFTESTS + "test_a_number_that_a_customer_has_takes_no_part"),
    _g("a self-test waits for who places an order", _SELFTESTS_SQL,
       "for no key update of n skip locked", "for no key update of n",
       SELFTESTS + "test_an_order_that_is_being_placed_is_not_waited_for"),
    _g("one lost self-test alarms", _SELFTESTS,
       "if test.failures > FAILURES_TOLERATED:", "if True:",
       SELFTESTS + "test_one_that_does_not_arrive_alarms_nobody"),
    _g("a self-test that was never sent condemns a SIM", _SELFTESTS_SQL,
       "case when %(reason)s = 'not_sent' then 0 else 1 end", "1",
       SELFTESTS + "test_one_that_was_never_sent_says_nothing_about_a_sim"),
    _g("numbers that are mixed up look well", _SELFTESTS,
       "if run.number_to == number:", "if True:",
       SELFTESTS + "test_one_that_arrives_at_another_number_says_that_numbers_are_mixed_up"),
    _g("the database tells what a self-test says", _SELFTESTS,
       "return hashlib.sha256(token.encode()).digest()", "return token.encode()",
       SELFTESTS + "test_the_database_does_not_hold_what_is_sent"),
)
# fmt: on

SUPPLIERS = (
    _INBOX_GUARDS
    + _DOOR_GUARDS
    + _PURCHASE_GUARDS
    + _RESALE_GUARDS
    + _HUB_GUARDS
    + _STOCK_GUARDS
    + _SELFTEST_GUARDS
    + CARRIERS
)
