"""The guards of exports: whose rows, who fetches them, what a spreadsheet calculates, who writes, each with its test."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_COMMANDS = "core/exports/commands.py"
_MODEL = "core/exports/model.py"
_STORE = "core/exports/store.py"
_PAGES = "core/exports/pages.py"
_SECTIONS = "core/exports/sections.py"
_ACCOUNT = "core/exports/account.py"
_LINKS = "core/exports/links.py"
_CSV = "core/exports/as_csv.py"
_SQL = "core/exports/queries.sql"
_DOWNLOADS = "edge/downloads.py"
_WORKER = "workers/export.py"

MAKING = "tests/core/exports/test_exports.py::"
WHOLE = "tests/core/exports/test_account.py::"
FILES = "tests/core/exports/test_files.py::"
DOOR = "tests/edge/test_exports.py::"
PROCESS = "tests/workers/test_export.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_LINK_GUARDS = (
    _g("a link never ends", _COMMANDS,
       "if link.expires_at <= now or model.state_at", "if model.state_at",
       DOOR + "test_a_link_ends"),
    _g("a link outlives its key", _COMMANDS,
       "    if not store.may_fetch(tx, link.grant, export.side, now):\n        raise LinkRefused\n", "",
       DOOR + "test_a_link_dies_with_the_key_that_made_it"),
    _g("a link outlives a rotation", _SQL,
       "where g.id = %(grant)s and g.side_id = %(side)s and g.revoked_at is null\n"
       "  and (g.expires_at is null or g.expires_at > %(now)s) and a.state = 'open'",
       "where g.id = %(grant)s and g.side_id = %(side)s and g.revoked_at is null and a.state = 'open'\n"
       "  and %(now)s::timestamptz is not null",
       DOOR + "test_a_link_dies_with_a_rotated_key"),
    _g("a link opens a suspended account", _SQL,
       "  and (g.expires_at is null or g.expires_at > %(now)s) and a.state = 'open'\n\n-- name: expire",
       "  and (g.expires_at is null or g.expires_at > %(now)s)\n\n-- name: expire",
       DOOR + "test_a_link_is_closed_while_the_account_is_suspended"),
    _g("a link opens every file of its account", _LINKS,
       'return Place("exports", "download", export_id)', 'return Place("exports", "download", "")',
       DOOR + "test_a_link_opens_no_other_file"),
    _g("an unknown link says that it is unknown", _COMMANDS,
       "    except NotFound:\n        pass\n    raise LinkRefused", "    except KeyError:\n        pass\n    raise LinkRefused",
       DOOR + "test_every_bit_of_a_link_counts"),
    _g("a deleted file's link says so", _SQL,
       "where e.id = %(id)s and e.state <> 'deleted' and", "where e.id = %(id)s and",
       DOOR + "test_a_deleted_export_is_unknown"),
)

_FETCH_GUARDS = (
    _g("a stranger's export is found", _SQL,
       "and (%(side)s::bigint is null or e.side_id = %(side)s)\n\n-- name: listed",
       "and coalesce(%(side)s::bigint, 0) is not null\n\n-- name: listed",
       DOOR + "test_a_strangers_export_is_not_found"),
    _g("a stranger deletes an export", _SQL,
       "where id = %(id)s and side_id = %(side)s and state <> 'deleted'",
       "where id = %(id)s and coalesce(%(side)s::bigint, 0) is not null and state <> 'deleted'",
       DOOR + "test_a_strangers_export_is_not_found"),
    _g("a file that is over is fetched", _MODEL,
       '    if state != "ready":\n        raise ExportGone(state)\n', "",
       DOOR + "test_a_file_that_is_not_made_yet_is_not_there"),
    _g("a revoked key reads on", _SQL,
       "and g.side_id = e.side_id and g.revoked_at is null", "and g.side_id = e.side_id",
       DOOR + "test_a_key_that_is_revoked_meanwhile_gets_no_more"),
    _g("a deleted file is read on", _SQL,
       "and e.state = 'ready' and e.expires_at > %(now)s and a.state", "and e.expires_at > %(now)s and a.state",
       MAKING + "test_a_deleted_export_is_gone_at_once_and_its_pieces_soon"),
    _g("an account fetches without end", _DOWNLOADS,
       " or self._running[account] >= AT_ONCE_OF_ACCOUNT:", ":",
       DOOR + "test_at_most_four_files_of_an_account_are_fetched_at_once"),
    _g("a reader that stops holds its place", _DOWNLOADS,
       "async with asyncio.timeout(SEND_S):", "async with asyncio.timeout(None):",
       DOOR + "test_a_reader_that_stops_reading_is_cut"),
    _g("a file is a page", _DOWNLOADS,
       "f'attachment; filename=\"{export.file_name}\"'", "f'inline; filename=\"{export.file_name}\"'",
       DOOR + "test_a_file_says_what_it_is_and_stays_nowhere"),
)

_ASKING_GUARDS = (
    _g("exports without end at once", _COMMANDS,
       "if count.live >= model.LIVE_EXPORTS:", "if False:",
       MAKING + "test_at_most_three_are_made_at_once_and_a_fourth_is_told_so"),
    _g("those who ask at once are not counted", _STORE,
       '    tx.send(_Q.lock_account, {"account": account})\n', "",
       MAKING + "test_three_at_once_are_three_also_when_they_are_asked_for_at_once"),
    _g("exports are kept without end", _COMMANDS,
       "if count.kept >= model.KEPT_EXPORTS:", "if False:",
       MAKING + "test_at_most_twenty_are_kept"),
)

_CONTENT_GUARDS = (
    _g("a cell calculates", _CSV,
       """return f"'{text}" if _LIVE.match(text) else text""", "return text",
       FILES + "test_no_cell_begins_like_a_formula"),
    _g("half a character breaks the file", _CSV,
       '_HALF.sub("\\ufffd", f"{line}\\r\\n").encode()', 'f"{line}\\r\\n".encode()',
       FILES + "test_half_a_character_becomes_the_mark_for_one"),
    _g("a file goes on growing", _SECTIONS,
       "return min(until, end) if until else end", "return until or datetime.max.replace(tzinfo=as_of.tzinfo)",
       MAKING + "test_an_export_holds_what_was_there_when_it_was_asked_for"),
    _g("a test key reads the live side", _PAGES,
       'side.id == export.side or export.mode == "live"', "True",
       WHOLE + "test_a_test_key_has_the_test_side_and_a_live_key_both"),
    _g("a stranger's notifications are exported", _SQL,
       "where n.account_id = %(account)s and n.seq >", "where length(%(account)s) > 0 and n.seq >",
       WHOLE + "test_the_file_holds_nothing_of_another_account"),
    _g("a file lies open", _COMMANDS,
       "sealed = context.vault.seal(account_key(export.account), packed, store.place_of(export, n))",
       "sealed = packed",
       MAKING + "test_both_formats_hold_the_same_rows"),
    _g("an erased webhook breaks the export", _ACCOUNT,
       "        return webhooks.url_of(wanted.context.vault, wanted.account, row, row.id)\n    except Erased:",
       "        return webhooks.url_of(wanted.context.vault, wanted.account, row, row.id)\n    except KeyError:",
       WHOLE + "test_what_cannot_be_opened_any_more_stands_as_null"),
)

_MAKING_GUARDS = (
    _g("a worker that lost its claim writes", _SQL,
       "    failures = 0, next_at = %(next_at)s\nwhere serial = %(serial)s and claim = %(claim)s and state = 'running'",
       "    failures = 0, next_at = %(next_at)s\nwhere serial = %(serial)s and %(claim)s > 0 and state <> 'deleted'",
       MAKING + "test_two_workers_never_both_write"),
    _g("a deleted export is made all the same", _SQL,
       "    failures = 0, next_at = %(next_at)s\nwhere serial = %(serial)s and claim = %(claim)s and state = 'running'",
       "    failures = 0, next_at = %(next_at)s\nwhere serial = %(serial)s and claim = %(claim)s",
       MAKING + "test_deleting_stops_the_making"),
    _g("two workers claim one export", _SQL,
       "where state in ('queued', 'running') and next_at <= %(now)s",
       "where state in ('queued', 'running') and next_at <= %(now)s + interval '1 day'",
       MAKING + "test_a_resumed_export_is_the_same_to_the_byte"),
    _g("a resumed export begins again", _COMMANDS,
       "        place=page.place,\n", "        place=export.place if page.place else None,\n",
       PROCESS + "test_the_export_of_a_killed_worker_is_finished_by_another_to_the_byte"),
    _g("a page that fails is tried at once, for ever", _COMMANDS,
       "if failures >= model.MOST_FAILURES:", "if False:",
       MAKING + "test_after_five_failures_it_is_given_up_and_said_so"),
    _g("a failed export leaves its claim", _WORKER,
       "            commands.put_off(tx, context, export)\n", "            pass\n",
       MAKING + "test_a_page_that_fails_is_tried_again_later"),
    _g("a file is kept for ever", _COMMANDS,
       "        store.expire(tx, now)\n", "        pass\n",
       MAKING + "test_a_file_is_destroyed_after_a_week_and_its_row_after_a_month"),
    _g("pieces outlive their file", _COMMANDS,
       "cleared = store.clear_pieces(tx, _BATCH)", "cleared = 0",
       MAKING + "test_a_deleted_export_is_gone_at_once_and_its_pieces_soon"),
)
# fmt: on

EXPORTS = _LINK_GUARDS + _FETCH_GUARDS + _ASKING_GUARDS + _CONTENT_GUARDS + _MAKING_GUARDS
