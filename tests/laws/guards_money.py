"""Guards of deposits, refunds, disputes, the checks of the books and reconciliation, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_D = "core/deposits/"
_COMMANDS, _MODEL, _REFUNDS, _DISPUTES, _SQL, _LIMITS = (
    _D + "commands.py",
    _D + "model.py",
    _D + "refunds.py",
    _D + "disputes.py",
    _D + "queries.sql",
    _D + "limits.py",
)
_SCHEMA = "core/schema/0023_deposits.sql"
_PROOFS, _WATCH = "core/proofs/queries.sql", "core/proofs/watch.py"
_COMPARING, _REPORTS, _REPORTS_SQL = (
    "core/reconcile/model.py",
    "core/reconcile/store.py",
    "core/reconcile/queries.sql",
)

T = "tests/core/deposits/"
CREDIT, BACK, DISPUTE, MORE = (
    T + "test_credit.py::",
    T + "test_refunds.py::",
    T + "test_disputes.py::",
    T + "test_guards_of_money.py::",
)
AT_ONCE = T + "test_refunds_at_once.py::"
WATCH = "tests/core/proofs/test_watch.py::"
DIFFER, COMPARE = "tests/core/reconcile/test_differences.py::", "tests/core/reconcile/test_reconcile.py::"
BOOKS, PLAY = "tests/core/books/test_books.py::", "tests/payments/test_deposits_in_the_sandbox.py::"
CLI = "tests/cli/test_cli_books.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_CREDIT_GUARDS = (
    _g("any amount is paid in", _COMMANDS, "    if not terms.least <= amount <= terms.most:", "    if False:", CREDIT + "test_an_amount_out_of_bounds_is_refused_with_them"),
    _g("deposits that are begun at once are not counted", _COMMANDS, "    ledger.lock(tx, side)  # two", "    # two", MORE + "test_deposits_that_are_begun_at_once_are_counted_one_after_the_other"),
    _g("an account begins one deposit too many", _COMMANDS, "if row.begun >= velocity.begun:", "if row.begun > velocity.begun:", CREDIT + "test_an_account_begins_so_many_deposits_a_day_and_no_more"),
    _g("an account pays in what it likes", _COMMANDS, "if row.credited + amount > velocity.credited:", "if False:", CREDIT + "test_an_account_pays_in_so_much_a_day_and_no_more"),
    _g("a new account has the limits of an old one", _LIMITS, "        if now < opened_at + self.new_for:", "        if False:",
       PLAY + "test_a_new_account_brings_in_only_so_much_a_day_and_an_older_one_what_it_likes"),
    _g("a payment of another deposit counts", _COMMANDS, "if said.deposit != found.id or said", "if said", CREDIT + "test_a_payment_of_something_else_moves_nothing"),
    _g("another payment of the deposit counts", _COMMANDS, " or said.processor_id != found.processor_id:", ":", CREDIT + "test_a_payment_of_something_else_moves_nothing"),
    _g("live money counts on the test side", _COMMANDS, 'return "" if said.is_live == (found.mode == "live") else "wrong_mode"', 'return ""',
       CREDIT + "test_a_payment_of_something_else_moves_nothing"),
    _g("words at once are credits", _COMMANDS, "    found = store.locked(tx, deposit_id)\n    misfit", "    found = store.deposit(tx, deposit_id)\n    misfit",
       AT_ONCE + "test_two_words_that_wait_for_the_same_side_are_one_credit"),
    _g("what was credited is heard as new", _COMMANDS, "    elif found.credited is not None:", "    elif False:", CREDIT + "test_words_in_any_order_are_one_credit"),
    _g("money that comes again is told to nobody", _COMMANDS, "elif said.value > (found.credited or 0) + found.fee:", "elif False:",
       CREDIT + "test_money_that_comes_again_to_the_same_deposit_is_left_to_staff"),
    _g("what is held back after its credit is told to nobody", _COMMANDS, '        _report(tx, found, said, "frozen_after_credit", now)\n', "        pass\n",
       MORE + "test_what_is_held_back_after_its_credit_is_told_and_moves_nothing"),
    _g("what is held back is told to nobody", _COMMANDS, '            _review(tx, found, said, "frozen", now)\n', "            pass\n", MORE + "test_what_the_processor_holds_back_is_left_to_staff"),
    _g("another amount is called paid", _COMMANDS, "    if not fits[said.state]:", "    if False:", CREDIT + "test_an_exact_payment_of_another_amount_is_left_to_staff"),
    _g("one payment pays two deposits", _COMMANDS, "    elif _paid_another(tx, found, said):", "    elif False:", CREDIT + "test_one_payment_is_credited_to_one_deposit"),
    _g("dust is credited by itself", _COMMANDS, "elif value < min(least, found.amount):", "elif value < 0:", CREDIT + "test_too_little_is_left_to_staff"),
    _g("far too much is told to nobody", _COMMANDS, "if value >= found.amount * model.FLAGGED_TIMES:", "if False:", CREDIT + "test_far_more_is_credited_and_shown_to_staff"),
    _g("less than was asked for earns the bonus", _COMMANDS, "found.bonus if value >= found.amount else 0", "found.bonus", CREDIT + "test_less_than_was_asked_for_earns_no_bonus"),
    _g("a debt is not paid first", _COMMANDS, "min(before.debt, value)", "0", DISPUTE + "test_the_next_deposit_pays_the_debt_first"),
    _g("a fee that was paid is nowhere", _COMMANDS, "    if found.fee:\n        ledger.post_house(", "    if False:\n        ledger.post_house(",
       BOOKS + "test_the_trial_balance_shows_customers_and_house_and_sums_to_zero"),
    _g("nothing is given", _COMMANDS, "    if amount <= 0:", "    if False:", MORE + "test_nothing_is_not_given"),
)

_BACK_GUARDS = (
    _g("what was lost goes back", _MODEL, 'if deposit.state != "credited" or deposit', "if deposit", MORE + "test_a_deposit_that_was_lost_does_not_go_back"),
    _g("what never goes back does", _MODEL, "    if deposit.refunds is Refunds.NEVER:", "    if False:", BACK + "test_what_was_said_before_the_payment_holds"),
    _g("what came from nowhere goes back", _MODEL, "    if deposit.refunds is Refunds.ORIGIN and not deposit.origin:", "    if False:",
       BACK + "test_crypto_whose_origin_nobody_knows_does_not_go_back"),
    _g("after fourteen days it goes back", _MODEL, "    if now > deposit.credited_at + REFUND_FOR:", "    if False:", BACK + "test_after_fourteen_days_to_the_second_it_is_too_late"),
    _g("the last instant is too late", _MODEL, "    if now > deposit.credited_at", "    if now >= deposit.credited_at", BACK + "test_after_fourteen_days_to_the_second_it_is_too_late"),
    _g("money goes back while a dispute is open", _MODEL, "    if has_dispute:", "    if False:", DISPUTE + "test_nothing_goes_back_while_a_dispute_is_open"),
    _g("money goes back while a debt is open", _MODEL, "    if balance.debt:", "    if False:", MORE + "test_nothing_goes_back_while_something_is_owed"),
    _g("later deposits are spent before older ones", _MODEL, "deposit.given + sum(newer):", "deposit.given:", BACK + "test_the_newer_of_two_goes_back_while_the_older_is_spent"),
    _g("a bonus that was spent goes back", _MODEL, "return (self.credited or 0) + (self.bonus if self.credited else 0)", "return self.credited or 0",
       BACK + "test_the_bonus_goes_back_to_the_house_and_must_be_unspent"),
    _g("somebody else asks for it back", _SQL, "where d.id = %(id)s and (%(side)s::bigint is null or d.side_id = %(side)s)", "where d.id = %(id)s and (%(side)s::bigint is null or %(side)s > 0)",
       BACK + "test_somebody_elses_deposit_is_not_found"),
    _g("asked at once it goes back twice", _REFUNDS, "    found = store.locked(tx, deposit_id, side)", "    found = store.deposit(tx, deposit_id, side)",
       BACK + "test_asked_twenty_times_at_once_it_goes_back_once"),
    _g("an order spends what goes back", _REFUNDS, "    ledger.lock(tx, found.side)\n    demand_refundable(", "    demand_refundable(", BACK + "test_a_refund_and_an_order_never_both_have_the_money"),
    _g("the bonus is kept", _REFUNDS, 'Move("bonus_undone", AVAILABLE, BONUS, found.bonus)', 'Move("bonus_undone", AVAILABLE, BONUS, 0)', BACK + "test_the_bonus_goes_back_to_the_house_and_must_be_unspent"),
    _g("the fee is kept", _REFUNDS, "found.credited + found.fee", "found.credited", BACK + "test_an_unspent_deposit_goes_back_in_full"),
    _g("the fee of what went back stays earned", _REFUNDS, '        ledger.post_house(tx, deposit.mode, Move("fee_undone", FEES, deposit.method, deposit.fee), now)\n', "        pass\n",
       MORE + "test_what_went_back_leaves_nothing_on_any_account"),
    _g("the fee of what came back is not earned again", _REFUNDS, 'ledger.post_house(tx, deposit.mode, Move("fee", deposit.method, FEES, deposit.fee), now)', "pass",
       MORE + "test_what_went_back_leaves_nothing_on_any_account"),
    _g("a large refund needs nobody", _REFUNDS, '("approved", now) if approvals == 0 else ("asked", None)', '("approved", now)', BACK + "test_a_large_refund_needs_two_others"),
    _g("who asked for it approves it", _REFUNDS, "if staff == found.asked_by or staff", "if staff", BACK + "test_a_large_refund_needs_two_others"),
    _g("one person approves twice", _REFUNDS, " or staff in found.approved_by:", ":", "tests/cli/test_cli_payments.py::test_a_large_refund_takes_two_persons"),
    _g("one yes is enough", _REFUNDS, "len(approved) >= approvals", "bool(approved)", BACK + "test_a_large_refund_needs_two_others"),
    _g("what was declined is approved", _REFUNDS, '    if found.state != "asked":', "    if False:", MORE + "test_what_was_declined_is_not_approved_afterwards"),
    _g("what may have been sent is declined", _REFUNDS, '    if found.state not in ("asked", "approved"):', "    if False:", BACK + "test_what_may_have_been_sent_cannot_be_declined"),
    _g("a refund leaves twice", _REFUNDS, '    if found.state != "sending":', "    if False:", BACK + "test_words_about_a_refund_may_come_twice_and_late"),
    _g("a refund comes back twice", _REFUNDS, '    if found.state not in ("sending", "sent"):', "    if False:", BACK + "test_words_about_a_refund_may_come_twice_and_late"),
    _g("what came back from outside is taken from what is set aside", _REFUNDS, 'deposit.method if found.state == "sent" else REFUND_PENDING', "REFUND_PENDING",
       BACK + "test_what_comes_back_days_after_it_was_sent_is_available_again"),
    _g("what has arrived is asked for again", _REFUNDS, '    if found.state == "sending":', "    if True:", MORE + "test_what_has_arrived_is_not_asked_for_again"),
    _g("a refund is claimed again at once", _REFUNDS, '"until": now + AGAIN_AFTER', '"until": now', BACK + "test_a_refund_is_claimed_by_one_worker_at_a_time"),
    _g("two workers claim a refund", _SQL, "    limit %(limit)s\n    for update skip locked\n", "    limit %(limit)s\n", AT_ONCE + "test_what_one_worker_claims_the_next_does_not_wait_for"),
    _g("what is declined is sent", _REFUNDS, '    tx.send(store.Q.lock_refund, {"id": refund_id})\n', "", AT_ONCE + "test_what_a_worker_takes_while_it_is_declined_is_never_both"),
    _g("refunds leave while a check has failed", _SQL, " and not exists (select from money_checks where failed_at is not null)", "", WATCH + "test_a_check_that_failed_stops_refunds_and_no_order"),
    _g("two refunds of a deposit are under way", _SCHEMA, "create unique index deposit_refunds_one", "create index deposit_refunds_one",
       MORE + "test_the_table_itself_lets_one_refund_of_a_deposit_be_under_way"),
)

_DISPUTE_GUARDS = (
    _g("a dispute freezes more than there is", _DISPUTES, "frozen = min(balance.available, amount)", "frozen = amount", DISPUTE + "test_what_was_spent_is_owed_and_the_balance_is_not_negative"),
    _g("what went back is taken once more", _DISPUTES, 'is_there = found.state == "credited"', "is_there = found.credited is not None",
       DISPUTE + "test_a_dispute_of_what_went_back_takes_nothing_and_tells_staff"),
    _g("a dispute ends twice", _DISPUTES, 'if known.state == "open" and said.stage', "if said.stage", MORE + "test_an_end_that_is_said_otherwise_is_told_and_moves_nothing"),
    _g("a dispute that took nothing gives back", _DISPUTES, "    if known.amount == 0 or found", "    if found", DISPUTE + "test_two_disputes_of_one_deposit_take_it_once"),
    _g("a dispute that waited takes nothing", _DISPUTES, '    _post(tx, found, moves, "deposit.credited", now)\n    take_what_came_back(tx, found.id, now)\n', '    _post(tx, found, moves, "deposit.credited", now)\n',
       DISPUTE + "test_a_dispute_that_waited_behind_one_that_was_won_takes_the_deposit"),
    _g("a fee is undone that nobody took", _DISPUTES, "fee = min(known.claimed - amount, found.fee)", "fee = found.fee", DISPUTE + "test_a_lost_dispute_undoes_of_the_fee_what_the_bank_took_of_it"),
    _g("what a bank left is spent first", _SQL, "d.state in ('credited', 'lost')", "d.state in ('credited', 'credited')", DISPUTE + "test_what_a_bank_left_of_a_lost_deposit_is_spent_after_what_is_older"),
    _g("a refund goes on under a dispute", _DISPUTES, 'if asked.state in ("asked", "approved"):', "if False:", DISPUTE + "test_a_refund_that_was_not_sent_yet_is_stopped_by_a_dispute"),
    _g("who disputes orders on", _DISPUTES, '    access.stop_account(tx, found.account)\n', "", DISPUTE + "test_an_account_with_a_dispute_is_suspended"),
    _g("a bonus outlives a dispute", _DISPUTES, 'Move("bonus_undone", AVAILABLE, BONUS, bonus)', 'Move("bonus_undone", AVAILABLE, BONUS, 0)', DISPUTE + "test_a_bonus_is_taken_back_as_far_as_it_is_there"),
    _g("a debt that was paid is forgiven", _DISPUTES, "forgiven = min(known.owed, balance.debt)", "forgiven = known.owed", DISPUTE + "test_a_dispute_that_is_won_is_as_if_it_had_never_been"),
)

_WATCH_GUARDS = (
    _g("a failure goes away by itself", _PROOFS, "                     when c.acknowledged_at is null then c.failed_at end", "                     end", WATCH + "test_a_check_that_passes_again_is_not_enough"),
    _g("a word of staff lets refunds go while a check fails", _PROOFS,
       "set failed_at = case when broken > 0 then failed_at end,\n    acknowledged_at = case when broken > 0 then %(now)s::timestamptz end,\n    acknowledged_by = case when broken > 0 then %(staff)s end\n",
       "set failed_at = null, acknowledged_at = null, acknowledged_by = nullif(%(staff)s, %(staff)s), checked_at = %(now)s\n", WATCH + "test_a_word_of_staff_alone_is_not_enough"),
    _g("a failure that grew was acknowledged", _PROOFS,
       "    acknowledged_at = case when excluded.broken between 1 and c.broken then c.acknowledged_at end,\n    acknowledged_by = case when excluded.broken between 1 and c.broken then c.acknowledged_by end\n",
       "    acknowledged_at = case when excluded.broken > 0 then c.acknowledged_at end,\n    acknowledged_by = case when excluded.broken > 0 then c.acknowledged_by end\n", WATCH + "test_a_failure_that_grew_needs_another_word"),
    _g("a failure is told to nobody", _WATCH, "        if one.broken:\n", "        if False:\n", WATCH + "test_a_check_that_failed_stops_refunds_and_no_order"),
    _g("what is not settled is passed by", _WATCH, '{"settled": now - SETTLED}', '{"settled": now}', WATCH + "test_a_transfer_that_may_not_be_the_last_of_its_time_is_looked_at_again"),
    _g("the whole is proved once and never again", _WATCH, "row is None or row.at < _last_night(now)", "row is None", WATCH + "test_everything_is_proved_once_a_night"),
    _g("a look clears what only the whole can show", _WATCH, "    is_open = any(not checks.is_fast(one.name) for one in failed(tx))\n", "    is_open = False\n",
       WATCH + "test_a_look_does_not_clear_what_only_the_whole_can_show"),
    _g("deposits and transfers differ unseen", _PROOFS, "coalesce(d.came, 0) <> coalesce(t.came, 0) or", "false or", WATCH + "test_each_check_names_its_damage"),
    _g("what is available is derived from nothing", _PROOFS, "           s.available::numeric + s.held - s.debt\n", "           s.available < 0 and s.available::numeric + s.held - s.debt\n", WATCH + "test_each_check_names_its_damage"),
    _g("books that do not sum to zero pass", _PROOFS, "coalesce(s.amount, 0) <> 0 as", "coalesce(s.amount, 0) <> s.amount as", WATCH + "test_each_check_names_its_damage"),
    _g("holds of open orders are not compared", _PROOFS, "s.held <> coalesce(h.amount, 0) as", "s.held < coalesce(h.amount, 0) as", WATCH + "test_each_check_names_its_damage"),
    _g("a wrong day passes", _PROOFS, "where h.debit is distinct from s.debit or h.credit is distinct from s.credit", "where h.debit < s.debit", BOOKS + "test_a_wrong_day_is_proved_wrong"),
    _g("cash counts by one word and passes", _PROOFS, "or c.decided_by = r.recorded_by", "", "tests/core/cash/test_cash.py::test_the_books_tell_cash_that_counts_by_one_word"),
    _g("a day is summed before it has settled", "core/books/store.py", "day = (now - SETTLED_AFTER)", "day = now", BOOKS + "test_a_day_is_summed_once_it_has_settled"),
    _g("books that do not sum to zero are called good", "cli/books.py", '"ok": debit == credit,', '"ok": True,', CLI + "test_books_that_do_not_sum_to_zero_say_so"),
)

_REPORT_GUARDS = (
    _g("fees are booked each time", _REPORTS, "_book_fees(tx, method, mode, kept - found.fees, now)", "_book_fees(tx, method, mode, kept, now)", COMPARE + "test_fees_are_booked_once_however_often_a_day_is_compared"),
    _g("a fee in another currency is booked", _COMPARING, "line.kind == FEE and line.currency == currency", "line.kind == FEE", COMPARE + "test_another_currency_is_listed_and_its_fee_not_booked"),
    _g("another currency agrees with ours", _COMPARING, "        if line.currency == currency:\n", "        if True:\n", DIFFER + "test_another_currency_is_never_counted"),
    _g("a payment of nothing agrees", _COMPARING, "if total in can_be and not is_uncounted:", "if total in can_be:", DIFFER + "test_a_payment_of_which_they_cannot_say_the_amount_is_seen"),
    _g("what is due may be missing", _COMPARING, "(set() if one.is_due else sums)", "sums", DIFFER + "test_what_we_have_and_they_have_not_is_said_with_our_figure"),
    _g("a difference that changed stays resolved", _REPORTS_SQL, "where payment_exceptions.amount is distinct from excluded.amount\n", "where false\n",
       COMPARE + "test_what_staff_resolved_stays_resolved_while_it_is_the_same"),
    _g("a difference that comes back is told to nobody", _REPORTS_SQL, "\n   or payment_exceptions.resolved_by = %(itself)s", "\n   or %(itself)s = ''", COMPARE + "test_a_difference_that_comes_back_is_listed_again"),
    _g("a difference goes while it is there", _REPORTS, " if (note.code, note.object_id) not in there]", " if there or note]", COMPARE + "test_a_payment_that_we_missed_is_listed_and_not_credited"),
    _g("a day is compared before it has settled", _REPORTS, "return wanted if wanted < settled else None", "return wanted", COMPARE + "test_days_are_compared_one_after_the_other_and_none_before_it_has_settled"),
    _g("a report that stays away is told to nobody", _REPORTS, "    if now - bounds(day)[1] > LATE_AFTER:", "    if False:", "tests/workers/test_reconcile.py::test_a_report_that_stays_away_is_told_to_staff_once"),
)
# fmt: on
MONEY = (*_CREDIT_GUARDS, *_BACK_GUARDS, *_DISPUTE_GUARDS, *_WATCH_GUARDS, *_REPORT_GUARDS)
