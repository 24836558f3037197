"""Guards of vouchers and cash, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_CMD, _VSQL, _MOD = "core/vouchers/commands.py", "core/vouchers/queries.sql", "core/vouchers/model.py"
_CASH, _CSQL, _STAFF = "core/cash/commands.py", "core/cash/queries.sql", "core/deposits/staff.py"
_DEP, _DOOR, _CLI, _SCHEMA = (
    "core/deposits/commands.py",
    "edge/api/vouchers.py",
    "cli/vouchers.py",
    "core/schema/0025_vouchers.sql",
)
R = "tests/core/vouchers/test_redeeming.py::"
B = "tests/core/vouchers/test_batches.py::"
K = "tests/core/vouchers/test_codes.py::"
C = "tests/core/cash/test_cash.py::"
D, L = "tests/edge/test_vouchers.py::", "tests/cli/test_cli_vouchers.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
VOUCHERS = (
    _g("a voucher is redeemed again", _VSQL, "where v.code_hash = %(hash)s and v.redeemed_at is null and v.voided_at is null", "where v.code_hash = %(hash)s and v.voided_at is null",
       R + "test_a_hundred_accounts_at_once_and_one_wins"),
    _g("a void voucher is redeemed", _VSQL, "where v.code_hash = %(hash)s and v.redeemed_at is null and v.voided_at is null", "where v.code_hash = %(hash)s and v.redeemed_at is null",
       R + "test_unknown_used_void_expired_and_not_in_force_are_one_answer"),
    _g("a voucher of a draft is redeemed", _VSQL, "b.state = 'active' and (b.expires_at", "(b.expires_at",
       R + "test_unknown_used_void_expired_and_not_in_force_are_one_answer"),
    _g("an expired voucher is redeemed", _VSQL, "b.expires_at > %(now)s)", "b.expires_at >= b.created_at)",
       R + "test_until_its_last_moment_a_voucher_is_taken"),
    _g("a voucher crosses modes", _VSQL, "and s.id = %(side)s and s.mode = b.mode", "and s.id = %(side)s",
       R + "test_unknown_used_void_expired_and_not_in_force_are_one_answer"),
    _g("a redeemed voucher is made void", _VSQL, "  and redeemed_at is null and voided_at is null\n", "  and voided_at is null\n",
       B + "test_a_void_batch_is_owed_no_more", R + "test_a_voucher_is_redeemed_or_void_never_both"),
    _g("a batch is approved twice at once", "core/vouchers/store.py", "    tx.send(Q.lock_batch, {\"id\": batch_id})\n", "",
       B + "test_a_batch_is_approved_once_however_many_say_so"),
    _g("a void batch is approved", _CMD, 'if found.state != "draft":', "if False:",
       B + "test_a_draft_is_made_void_as_a_whole_and_nothing_is_booked"),
    _g("one person is two", _STAFF, "    if first == second:", "    if False:",
       C + "test_nobody_approves_what_they_recorded"),
    _g("capitals make another person", _STAFF, ".casefold()", "",
       B + "test_nobody_approves_their_own_batch", C + "test_nobody_approves_what_they_recorded"),
    _g("the table lets one person be two", _SCHEMA, " check (approved_by <> created_by)", "",
       B + "test_the_table_itself_refuses_one_person_twice"),
    _g("a void draft is booked", _CMD, '    if found.state == "active":\n', "    if True:\n",
       B + "test_a_draft_is_made_void_as_a_whole_and_nothing_is_booked"),
    _g("an approved batch is not owed", _CMD, '    _book(tx, found, "voucher_sold", found.size, now)\n', "",
       B + "test_a_batch_is_owed_from_the_moment_a_second_person_approves_it"),
    _g("guesses are not counted", _CMD, '    tx.run(store.Q.note_guess, {"account": asking.account, "now": now})\n', "",
       R + "test_five_wrong_codes_an_hour_and_then_none_is_looked_at"),
    _g("a right code ends the wait", _CMD, "    if len(row.at) >= MOST_GUESSES:", "    if len(row.at) > MOST_GUESSES:",
       R + "test_five_wrong_codes_an_hour_and_then_none_is_looked_at"),
    _g("guesses of everybody are told to nobody", _CMD, "    if row.wrong > MOST_GUESSING:", "    if False:",
       R + "test_many_wrong_codes_of_many_accounts_are_told_to_staff"),
    _g("a door forgets the guess", _DOOR, "    redeemed = await house.commands.run(lambda tx: commands.redeem(tx, home.secret, asking, now))\n    if redeemed is None:  # not raised inside: the guess counts, so it is committed\n        raise NotFound(commands.NO_VOUCHER)\n",
       "    def inside(tx):\n        found = commands.redeem(tx, home.secret, asking, now)\n        if found is None:\n            raise NotFound(commands.NO_VOUCHER)\n        return found\n\n    redeemed = await house.commands.run(inside)\n",
       D + "test_a_wrong_code_is_counted_though_it_is_refused"),
    _g("a used code tells that it was used", _VSQL, "where v.code_hash = %(hash)s and d.side_id = %(side)s", "where v.code_hash = %(hash)s and %(side)s > 0",
       R + "test_unknown_used_void_expired_and_not_in_force_are_one_answer"),
    _g("a key redeems another code", _CMD, "    if bytes(row.code_hash) != code_hash:\n        raise IdempotencyConflict\n", "",
       R + "test_a_key_is_of_one_code"),
    _g("the check sees no swap", _MOD, "    return high, low\n", "    return high ^ low, 0\n",
       K + "test_every_swap_of_neighbours_is_seen"),
    _g("the hash has no key", _MOD, "key=secret, ", "",
       K + "test_the_hash_is_keyed_and_tells_codes_apart"),
    _g("a voucher goes back to a card", _DEP, '"fee": 0, "bonus": 0, "refunds": Refunds.NEVER.value', '"fee": 0, "bonus": 0, "refunds": Refunds.SOURCE.value',
       R + "test_what_a_voucher_brought_never_goes_back", C + "test_cash_never_goes_back_through_the_house"),
    _g("anybody reads the codes", _CLI, "0o600", "0o644", L + "test_the_codes_are_in_a_file_of_its_owner_alone"),
    _g("codes are written over a file", _CLI, "os.O_CREAT | os.O_EXCL", "os.O_CREAT", L + "test_a_file_that_is_there_is_left_alone"),
    _g("cash counts twice", _CASH, '    if found.state != "review":', "    if False:",
       C + "test_what_was_declined_never_counts"),
    _g("another deposit is approved as cash", _CASH, "    if found.method != METHOD:", "    if False:",
       C + "test_another_deposit_is_no_cash"),
    _g("a document counts twice", _CASH, "    if not tx.run(_Q.add_receipt, row):", "    tx.run(_Q.add_receipt, row)\n    if False:",
       C + "test_a_document_is_recorded_once"),
    _g("cash has no limit a day", _CASH, "    _demand_within(_of_staff(tx, staff, now).recorded + receipt.amount, limit, \"recorded\")\n", "",
       C + "test_a_member_of_staff_records_so_much_a_day"),
    _g("approvals have no limit a day", _CASH, "    _demand_within(_of_staff(tx, staff, now).approved + found.amount, limit, \"approved\")\n", "",
       C + "test_a_member_of_staff_approves_so_much_a_day"),
    _g("cash at once is above the limit", _CASH, '    tx.send(_Q.lock_staff, {"staff": staff})\n', "",
       C + "test_recorded_at_once_it_is_no_more_than_the_limit"),
    _g("a receipt is rewritten", _SCHEMA, "before update or delete or truncate on cash_receipts", "before delete on cash_receipts",
       C + "test_what_was_written_stays_written"),
)
