"""The guards of messages, numbers, money, keys, secrets and the database, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_MATCH = "core/inbox/match.py"
_INBOX = "core/inbox/store.py"
_INBOX_SQL = "core/inbox/queries.sql"
_INVENTORY_SQL = "core/inventory/queries.sql"
_LEDGER_SQL = "core/ledger/queries.sql"
_OUTBOX = "core/outbox/store.py"
_OUTBOX_SQL = "core/outbox/queries.sql"
_ACCESS = "core/access/commands.py"
_ACCESS_SQL = "core/access/queries.sql"
_VAULT = "core/vault/vault.py"
_KEYS = "core/vault/keystore.py"
_MASTER = "core/vault/master.py"
_PG_KEYS = "core/vault/postgres.py"
_PG_KEYS_SQL = "core/vault/queries.sql"
_WIRING = "wiring.py"
_DB = "core/db.py"
_PROOFS = "core/proofs/queries.sql"
_RETENTION = "core/retention/commands.py"
_ORDERS_SQL = "core/orders/queries.sql"

MATCH = "tests/core/inbox/test_match.py::"
INBOX = "tests/core/inbox/test_inbox.py::"
INVENTORY = "tests/core/inventory/test_inventory.py::"
MESSAGES = "tests/core/orders/test_messages.py::"
RENTALS = "tests/core/orders/test_rentals.py::"
ROUNDS = "tests/workers/test_rounds.py::"
OUTBOX = "tests/core/outbox/test_outbox.py::"
KEYS = "tests/core/access/test_access.py::"
VAULT = "tests/core/vault/test_vault.py::"
PG_VAULT = "tests/core/vault/test_postgres.py::"
DB = "tests/core/test_db.py::"
PROOFS = "tests/core/proofs/test_proofs.py::"
RETENTION = "tests/core/retention/test_retention.py::"
LIVE = "tests/edge/test_live.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_MESSAGE_GUARDS = (
    _g("a message past the grace is shown", _MATCH,
       "if holder is None or not _covers(holder, received_at, grace_s):", "if holder is None:",
       MATCH + "test_a_message_belongs_to_the_order_that_held_its_number"),
    _g("a message after the end counts as in time", _MATCH,
       "late = holder.closed_at is not None or received_at > holder.expires_at", "late = holder.closed_at is not None",
       MATCH + "test_a_message_belongs_to_the_order_that_held_its_number"),
    _g("a message found after the close counts as in time", _MATCH,
       "late = holder.closed_at is not None or received_at > holder.expires_at", "late = received_at > holder.expires_at",
       MATCH + "test_a_message_belongs_to_the_order_that_held_its_number"),
    _g("a prohibited sender is shown to who rents all messages", _MATCH,
       "if service in prohibited:", "if False:",
       MATCH + "test_another_services_message_and_a_prohibited_senders_are_withheld"),
    _g("another service's message is shown", _MATCH,
       "return ordered != ALL_MESSAGES and service != ordered and not related(service, ordered)", "return False",
       MATCH + "test_another_services_message_and_a_prohibited_senders_are_withheld"),
    _g("a message of the family is withheld", _MATCH,
       " and not related(service, ordered)", "",
       MATCH + "test_another_services_message_and_a_prohibited_senders_are_withheld"),
    _g("an unsure recognition withholds", _MATCH,
       "recognition and recognition.confidence >= CONFIDENT", "recognition",
       MATCH + "test_only_a_confident_recognition_counts"),
    _g("a message goes to the first who ever had the number", _INBOX_SQL,
       "select n.id, n.holder, n.state",
       "select n.id, (select o.id from orders o where o.number_id = n.id order by o.serial limit 1) as holder, n.state",
       MESSAGES + "test_a_clock_that_was_set_back_hands_no_code_to_the_former_lessee"),
    _g("a message is read without its number's lock", _INBOX,
       '    tx.send(_Q.lock_numbers, {"ids": list(messages)})\n', "",
       "tests/core/orders/test_races.py::test_a_message_that_several_workers_settle_is_shown_once"),
    _g("two batches wait for each other's numbers", _INBOX_SQL,
       "number_id from inbound where id = any(%(ids)s)))\norder by id\n", "number_id from inbound where id = any(%(ids)s)))\norder by md5(id::text || clock_timestamp()::text)\n",
       "tests/core/orders/test_settle_each.py::test_batches_over_the_same_numbers_in_any_order_never_wait_in_a_ring"),
    _g("a matched text stays in the inbox", _INBOX_SQL,
       "payload = case when d.keep_payload then i.payload end", "payload = i.payload",
       INBOX + "test_a_matched_message_leaves_nothing_in_the_inbox"),
    _g("parts of two senders are one message", _INBOX,
       "            message.sender,\n            str(", "            str(",
       INBOX + "test_parts_of_two_senders_are_not_mixed"),
    _g("a text has no end", _INBOX,
       "        return text[:LONGEST_TEXT]\n", "        return text\n",
       INBOX + "test_what_no_service_writes_is_cut"),
    _g("a message that breaks its reader is read for ever", _INBOX_SQL,
       "state = case when attempts + 1 >= %(most)s then 'unreadable' else state end", "state = state",
       ROUNDS + "test_a_message_that_cannot_be_settled_stops_nobody_and_is_set_aside"),
    _g("a message without its key stops its order", _INBOX,
       "except (Erased, Forged):", "except ZeroDivisionError:",
       INBOX + "test_a_message_without_its_intake_key_is_unreadable_and_stops_nobody"),
)

_NUMBER_AND_MONEY_GUARDS = (
    _g("a number in use is adopted", _INVENTORY_SQL,
       "and n.state = 'free' and n.available_at <= %(now)s", "and n.available_at <= %(now)s",
       INVENTORY + "test_a_named_number_that_is_not_free_is_refused"),
    _g("a resting number is adopted", _INVENTORY_SQL,
       "and n.state = 'free' and n.available_at <= %(now)s", "and n.state = 'free'",
       INVENTORY + "test_a_named_number_that_rests_or_is_burnt_is_refused"),
    _g("a burnt number is adopted", _INVENTORY_SQL,
       "\n  and (b.slots is null or get_bit(b.slots, n.slot) = 0)", "",
       INVENTORY + "test_a_named_number_that_rests_or_is_burnt_is_refused"),
    _g("a quarantined number comes back with its order's end", _INVENTORY_SQL,
       "set state = case state when 'leased' then coalesce(leaving, 'free') else state end", "set state = 'free'",
       INVENTORY + "test_a_quarantined_number_stays_out_when_its_order_ends"),
    _g("two batches fill the same slots", _INVENTORY_SQL,
       "order by id\nlimit 1\nfor update", "order by id\nlimit 1",
       "tests/core/orders/test_races.py::test_two_batches_of_numbers_never_share_a_slot"),
    _g("an extension is held without the money for it", _LEDGER_SQL,
       "where id = %(side)s and available >= %(hold)s", "where id = %(side)s",
       RENTALS + "test_an_extension_beyond_the_balance_says_how_much_is_missing"),
    _g("a statement holds strangers' transfers", _LEDGER_SQL,
       "where t.wallet = (select wallet from sides where id = %(side)s) and t.id <", "where t.id <",
       "tests/core/ledger/test_ledger.py::test_a_stranger_sees_an_empty_statement"),
    _g("a stranger reads the stream", _OUTBOX_SQL,
       "where side_id = a.side and seq > a.after", "where seq > a.after",
       OUTBOX + "test_a_stranger_reads_none_of_it"),
    _g("readers that wait together get each other's events", "core/orders/view.py",
       "[row for page in pages if page.whole for row in page.rows]", "[row for page in pages for row in page.rows]",
       "tests/core/orders/test_event_stream.py::test_readers_that_wait_together_get_each_its_own"),
    _g("a reader gets the stretch of another cursor", "edge/reading.py",
       "dict.fromkeys(asked)", "{one.side: one for one in asked}.values()",
       "tests/edge/test_live.py::test_two_sockets_of_one_side_with_different_cursors_get_each_its_own"),
    _g("a gap in the stream is passed over", _OUTBOX,
       "len(rows) == min(asked.limit, newest - asked.after) == last - asked.after", "asked.after <= newest",
       OUTBOX + "test_a_page_is_whole_where_it_can_be_read_without_a_gap"),
    _g("a cursor from the future is served", _OUTBOX,
       "len(rows) == min(asked.limit, newest - asked.after) == last - asked.after",
       "len(rows) == min(asked.limit, max(newest - asked.after, 0))",
       OUTBOX + "test_a_page_is_whole_where_it_can_be_read_without_a_gap"),
    _g("a restored stream gives its numbers again", _OUTBOX,
       "    tx.run(_Q.leap, {\"leap\": LEAP})\n", "",
       OUTBOX + "test_a_new_epoch_gives_no_seq_and_no_event_id_again_and_covers_no_old_cursor"),
    _g("events are numbered one too low", _OUTBOX,
       "start=last_seq - len(drafts) + 1", "start=last_seq - len(drafts)",
       OUTBOX + "test_events_are_numbered_without_a_gap"),
    _g("an appended event wakes nobody", _OUTBOX,
       "    tx.wake(wake_word(side))\n", "",
       OUTBOX + "test_appending_wakes_the_side_after_the_commit"),
    _g("the stream forgets what is young", _OUTBOX_SQL,
       "select ctid from events where at < %(before)s order", "select ctid from events order",
       RETENTION + "test_events_go_after_thirty_days"),
    _g("the proofs miss money from nowhere", _PROOFS,
       "s.available <> coalesce(t.available, 0) or s.held", "s.held",
       PROOFS + "test_each_check_reports_its_damage"),
    _g("the proofs miss a free number with an order", _PROOFS,
       "or (coalesce(o.live, 0) = 1) <> (n.state = 'leased')", "",
       PROOFS + "test_each_check_reports_its_damage"),
    _g("the proofs miss a capture by a late message", _PROOFS,
       "o.first_valid_at is null or o.first_valid_at > o.expires_at", "o.first_valid_at is null",
       PROOFS + "test_each_check_reports_its_damage"),
    _g("the proofs miss a message in a stranger's stream", _PROOFS,
       "coalesce(e.own, 0) <> 1 or coalesce(e.others, 0) <> 0", "coalesce(e.own, 0) <> 1",
       PROOFS + "test_each_check_reports_its_damage"),
    _g("the proofs miss a hold that did not end", _PROOFS,
       "(h.closed and e.id is null) or (e.id is not null and e.amount <> t.amount)\n"
       "                        or (h.money = 'held') <> (e.id is null)",
       "(e.id is not null and e.amount <> t.amount)",
       PROOFS + "test_each_check_reports_its_damage"),
)

_KEY_GUARDS = (
    _g("a revoked key acts", _ACCESS,
       "    if row.revoked_at:\n        raise KeyRevoked(\"This key was", "    if False:\n        raise KeyRevoked(\"This key was",
       KEYS + "test_a_revoked_key_ends_at_once_and_says_so_to_every_process"),
    _g("an expired key acts", _ACCESS,
       "if row.expires_at and row.expires_at <= now:", "if False:",
       KEYS + "test_an_expired_key_is_refused"),
    _g("a suspended account acts", _ACCESS,
       'if row.state != "open":', "if False:",
       KEYS + "test_a_suspended_account_acts_no_more_until_it_is_open_again"),
    _g("a key's checksum is not looked at", "core/access/keys.py",
       "found is not None and secrets.compare_digest(_checksum(found.group(1)), found.group(3))", "found is not None",
       KEYS + "test_keys_tell_their_mode_and_carry_a_checksum"),
    _g("a key is stored in clear", "core/access/keys.py",
       "return hashlib.sha256(key.encode()).digest()", "return key.encode()",
       KEYS + "test_only_a_hash_of_the_key_is_stored"),
    _g("a key does what it was not made for", "core/access/model.py",
       "if scope not in self.scopes:", "if False:",
       KEYS + "test_a_key_can_do_what_it_was_made_for_and_no_more"),
    _g("a key for the old protocols may do anything", "core/access/model.py",
       'allowed = PROTOCOL_SCOPES if kind == "protocol" else SCOPES', "allowed = SCOPES",
       KEYS + "test_a_scope_that_the_kind_does_not_have_is_refused"),
    _g("a key is rotated into more than its asker has", _ACCESS,
       "if scope not in within:", "if False:",
       KEYS + "test_nobody_rotates_a_key_into_more_than_they_have"),
    _g("a revoked key is rotated", _ACCESS,
       "    if old.revoked_at:", "    if False:",
       KEYS + "test_a_revoked_key_cannot_be_rotated"),
    _g("a rotation lengthens the old key's life", _ACCESS_SQL,
       "expires_at = least(expires_at, %(at)s)", "expires_at = %(at)s",
       KEYS + "test_a_rotation_never_lengthens_the_life_of_the_old_key"),
    _g("a stranger's key can be revoked", _ACCESS_SQL,
       "where k.id = %(key)s and g.side_id = %(side)s", "where k.id = %(key)s",
       KEYS + "test_a_strangers_key_cannot_be_rotated_or_revoked"),
    _g("a revocation wakes nobody", _ACCESS,
       '        tx.wake(GRANTS_WORD)\n        _tell(tx, side, "key.revoked"', '        _tell(tx, side, "key.revoked"',
       KEYS + "test_a_revoked_key_ends_at_once_and_says_so_to_every_process"),
    _g("a side has keys without number", _ACCESS,
       "if count and count.n >= KEYS_PER_SIDE:", "if False:",
       KEYS + "test_a_side_has_at_most_a_hundred_keys_that_act"),
    _g("a ticket opens two sockets", _ACCESS_SQL,
       "delete from socket_tickets where hash = any(%(hashes)s) returning hash, grant_id, expires_at",
       "select hash, grant_id, expires_at from socket_tickets where hash = any(%(hashes)s)",
       KEYS + "test_a_ticket_opens_one_socket"),
    _g("a ticket opens two sockets that come together", "core/access/commands.py",
       "good.pop(one, KeyRefused(refused))", "good.get(one, KeyRefused(refused))",
       KEYS + "test_tickets_that_come_together_are_redeemed_each_for_itself"),
    _g("a ticket is good for ever", _ACCESS_SQL,
       "where u.expires_at > %(now)s and g.revoked_at", "where g.revoked_at",
       KEYS + "test_a_ticket_is_good_for_thirty_seconds"),
    _g("a ticket outlives its key", _ACCESS_SQL,
       "g.revoked_at is null and (g.expires_at is null or g.expires_at > %(now)s)\n  and a.state", "a.state",
       KEYS + "test_a_ticket_ends_with_its_key"),
    _g("a ticket outlives its account", _ACCESS_SQL,
       "g.expires_at > %(now)s)\n  and a.state = 'open'", "g.expires_at > %(now)s)",
       KEYS + "test_a_ticket_ends_with_its_account"),
    _g("a socket outlives the revocation of its key", _ACCESS_SQL,
       "(g.revoked_at is not null or g.expires_at <= %(now)s or a.state", "(g.expires_at <= %(now)s or a.state",
       LIVE + "test_revoking_a_key_closes_its_sockets_within_a_second_and_no_others"),
    _g("a socket outlives the end of its key", _ACCESS_SQL,
       "g.revoked_at is not null or g.expires_at <= %(now)s or", "g.revoked_at is not null or",
       LIVE + "test_a_key_that_expires_takes_its_sockets_along"),
    _g("a socket outlives its account", _ACCESS_SQL,
       " or a.state <> 'open')", ")",
       LIVE + "test_suspending_an_account_closes_its_sockets_within_a_second"),
)

_SECRET_GUARDS = (
    _g("a sealed text opens anywhere", _VAULT,
       'return "\\x1f".join((key, *place)).encode()', 'return b""',
       VAULT + "test_a_moved_text_does_not_open"),
    _g("a destroyed key is remembered", _VAULT,
       "            self.forget(key)\n            if self._ring:", "            if self._ring:",
       VAULT + "test_what_a_destroyed_key_sealed_is_erased"),
    _g("a cached key is remembered for ever", _VAULT,
       "if cached and time.monotonic() - cached[0] < CACHE_S:", "if cached:",
       VAULT + "test_a_cached_key_is_forgotten_after_a_minute"),
    _g("an erased account gets a new key", _VAULT,
       '+ self._cipher(key, make=key.startswith("intake/"))', "+ self._cipher(key, make=True)",
       VAULT + "test_an_unknown_accounts_text_is_never_sealed"),
    _g("a key's name leaves its folder", _KEYS,
       "if not _NAME.fullmatch(name):", "if False:",
       VAULT + "test_a_name_that_leaves_the_folder_is_refused"),
    _g("a key can be read by others", _MASTER,
       "os.O_EXCL, 0o600)", "os.O_EXCL, 0o644)",
       VAULT + "test_keys_are_for_their_owner_alone"),
    _g("a key is unlinked and not overwritten", _KEYS,
       "file.write(secrets.token_bytes(path.stat().st_size))", "pass",
       VAULT + "test_a_destroyed_key_is_overwritten_before_it_goes"),
    _g("a withheld text is kept", _RETENTION,
       "WITHHELD_FOR = timedelta(hours=24)", "WITHHELD_FOR = timedelta(days=24)",
       RETENTION + "test_a_withheld_text_is_destroyed_after_a_day"),
    _g("an intake key is kept", _RETENTION,
       "        vault.destroy(key)\n", "        pass\n",
       RETENTION + "test_a_days_intake_key_is_destroyed_two_days_after_the_day"),
    _g("an intake key is destroyed a day early", _RETENTION,
       'key.removeprefix("intake/") < last', 'key.removeprefix("intake/") <= last',
       RETENTION + "test_a_days_intake_key_is_destroyed_two_days_after_the_day"),
    _g("a closed order keeps its number", _ORDERS_SQL,
       "set number_id = null, e164 = null, e164_sealed", "set e164_sealed",
       RETENTION + "test_the_link_from_number_to_order_goes_after_thirty_days_and_its_owner_still_sees_it"),
    _g("a key of idempotency is forgotten a day early", _RETENTION,
       "IDEMPOTENCY_FOR = timedelta(days=7)", "IDEMPOTENCY_FOR = timedelta(days=6)",
       RETENTION + "test_an_idempotency_key_is_forgotten_after_seven_days"),
)

_KEY_STORE_GUARDS = (
    _g("a key store that is away is taken for erased", _PG_KEYS,
       "            asking.cancel()\n            raise KeyStoreAway from error", "            asking.cancel()\n            return None",
       PG_VAULT + "test_a_store_that_is_away_is_never_erased"),
    _g("an order that needs a key keeps the others' money", "workers/expire.py",
       "except (Busy, KeyStoreAway):", "except Busy:",
       PG_VAULT + "test_a_store_that_is_away_keeps_only_the_money_of_orders_that_need_it"),
    _g("everybody waits for a key store that is away", _PG_KEYS,
       "self._trying.acquire(blocking=False)", "self._trying.acquire()",
       PG_VAULT + "test_while_the_store_is_away_one_waits_and_the_others_are_refused_at_once"),
    _g("a frozen key store is waited for without end", _PG_KEYS,
       "return asking.result(seconds)", "return asking.result()",
       PG_VAULT + "test_a_frozen_store_is_answered_for_in_time"),
    _g("a key is acknowledged before it is durable", _PG_KEYS,
       '        "synchronous_commit=on",', "",
       PG_VAULT + "test_a_key_is_durable_and_every_wait_has_a_deadline_whatever_the_server_says"),
    _g("two machines make two keys of one name", _PG_KEYS_SQL,
       "set wrapped = coalesce(data_keys.wrapped, excluded.wrapped)", "set wrapped = excluded.wrapped",
       PG_VAULT + "test_machines_that_create_the_same_key_at_once_get_one_key"),
    _g("keys lie in the main database's backups", _PG_KEYS,
       "if here is None or here.id == beside.server:", "if here is None:",
       PG_VAULT + "test_a_store_on_the_main_databases_server_is_refused"),
    _g("an empty key store makes all seem erased", _PG_KEYS,
       "    if beside.has_accounts:\n", "    if False:\n",
       PG_VAULT + "test_an_empty_store_is_refused_where_accounts_have_keys"),
    _g("an empty key folder makes all seem erased", _WIRING,
       "if beside.has_accounts and not", "if False and not",
       PG_VAULT + "test_a_folder_without_keys_is_refused_where_accounts_have_keys"),
    _g("another master key is taken", _PG_KEYS,
       "        master.unwrap(_CHECK, made.check_value)\n", "        pass\n",
       PG_VAULT + "test_another_master_key_is_refused_at_the_start"),
    _g("a machine makes a master key of its own", _PG_KEYS,
       "_proven(MasterKey.found(master), made)", "_proven(MasterKey.made(master), made)",
       PG_VAULT + "test_a_machine_without_the_master_key_is_refused_and_makes_none"),
    _g("a destroyed key stays in the store's file", _PG_KEYS,
       "        self._ask(_rewrite, REWRITE_S)\n", "",
       PG_VAULT + "test_a_destroyed_key_is_not_in_the_stores_files"),
    _g("other processes remember a destroyed key", _VAULT,
       '                self._ring((f"{KEY_WORD}{key}",))', "                pass",
       PG_VAULT + "test_a_destroyed_key_is_forgotten_by_the_other_processes_at_once"),
    _g("a key destroyed while it was fetched is remembered", _VAULT,
       "if forgotten == self._forgotten:", "if True:",
       PG_VAULT + "test_a_key_destroyed_while_it_was_fetched_is_not_remembered"),
    _g("a move brings a destroyed key back", _PG_KEYS,
       "            if is_new:\n", "            if True:\n",
       PG_VAULT + "test_a_move_brings_no_destroyed_key_back"),
    _g("keys are moved under a door that makes more", _WIRING,
       "if doors_running(tx):", "if False:",
       PG_VAULT + "test_keys_are_not_moved_while_a_door_runs"),
    _g("a folder whose keys have moved is used on", _WIRING,
       "    if (folder / _MOVED).exists():\n", "    if False:\n",
       PG_VAULT + "test_files_move_to_postgresql_with_all_that_they_sealed"),
)

_DATABASE_GUARDS = (
    _g("a lock is waited for without end", _DB,
       '        "lock_timeout=2000",\n', "",
       DB + "test_every_wait_has_a_deadline"),
    _g("a statement runs without end", _DB,
       '        "statement_timeout=10000",\n', "",
       DB + "test_every_wait_has_a_deadline"),
    _g("a transaction that hangs is kept open", _DB,
       '        "idle_in_transaction_session_timeout=20000",\n', "",
       DB + "test_every_wait_has_a_deadline"),
    _g("an answer is waited for without a sync", _DB,
       "            self._pipeline.sync()\n\n\nclass", "            pass\n\n\nclass",
       DB + "test_a_transaction_that_hangs_between_statements_is_ended_by_the_server"),
    _g("a lock that is not given looks like a lost database", _DB,
       "except (pg.LockNotAvailable, pg.DeadlockDetected, pg.QueryCanceled) as error:", "except ZeroDivisionError as error:",
       DB + "test_a_lock_that_is_not_given_in_time_is_busy"),
)
# fmt: on

CORE = (
    _MESSAGE_GUARDS
    + _NUMBER_AND_MONEY_GUARDS
    + _KEY_GUARDS
    + _SECRET_GUARDS
    + _KEY_STORE_GUARDS
    + _DATABASE_GUARDS
)
