"""The guards of notices and mail, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_SQL = "core/notices/queries.sql"
_MODEL = "core/notices/model.py"
_COMMANDS = "core/notices/commands.py"
_SETTINGS = "core/notices/settings.py"
_QUEUE = "core/notices/queue.py"
_TEXTS = "core/notices/texts.py"
_MAIL = "workers/mail.py"
_POST = "post.py"
_SERVER = "mail_server.py"
_ACCESS = "core/access/commands.py"

TOLD = "tests/core/notices/test_notifications.py::"
SET = "tests/core/notices/test_settings.py::"
CODES = "tests/workers/test_notify.py::"
MAIL = "tests/workers/test_mail.py::"
POST = "tests/test_post.py::"
EDGE = "tests/edge/test_notices.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
NOTICES = (
    _g("a key sees what the other side was told", _SQL,
       "where account_id = %(account)s and coalesce(mode, %(mode)s) = %(mode)s\n  and seq <",
       "where account_id = %(account)s\n  and seq <",
       TOLD + "test_the_test_side_does_not_hear_what_the_live_side_is_told"),
    _g("marking as read reaches the other side", _SQL,
       "and read_at is null and coalesce(mode, %(mode)s) = %(mode)s\n  and (seq <=", "and read_at is null\n  and (seq <=",
       TOLD + "test_the_test_side_does_not_hear_what_the_live_side_is_told"),
    _g("marking all as read swallows what came meanwhile", _SQL,
       "and (seq <= %(up_to)s or seq = any(%(ids)s))", "and (%(up_to)s >= 0 or seq = any(%(ids)s))",
       TOLD + "test_marking_all_as_read_swallows_nothing_that_came_meanwhile"),
    _g("an address gets mail before it is confirmed", _SQL,
       "and %(mail)s and n.confirmed_at is not null", "and %(mail)s",
       SET + "test_nothing_is_mailed_to_an_address_that_was_not_confirmed"),
    _g("live notices go to the test side's address", _SQL,
       "and s.mode = coalesce(%(mode)s, s.mode)", "",
       SET + "test_the_test_side_cannot_turn_where_the_live_sides_mail_goes"),
    _g("an account makes as many mails as it likes", _SQL,
       "limit %(most)s) m) < %(most)s", "limit %(most)s) m) >= 0",
       MAIL + "test_an_account_that_makes_much_ado_is_mailed_only_so_much"),
    _g("a policy's accounts are told twice", _SQL,
       "where id > %(after)s and opened_at", "where id >= %(after)s and opened_at",
       TOLD + "test_every_account_is_told_exactly_once_by_workers_that_are_cut_off"),
    _g("two workers tell of one low balance", _SQL,
       "where n.side_id = %(side)s and s.id = n.side_id and n.low_balance is not null\n  and (s.available < n.low_balance) <> n.low_told\n",
       "where n.side_id = %(side)s and s.id = n.side_id and n.low_balance is not null\n",
       TOLD + "test_a_crossing_that_another_worker_told_of_is_left_alone"),
    _g("a worker that lost its claim says how the mail ended", _SQL,
       "update mails set state = %(state)s where id = %(id)s and attempts = %(attempts)s and state = 'due'",
       "update mails set state = %(state)s where id = %(id)s and %(attempts)s > 0 and state = 'due'",
       MAIL + "test_a_worker_that_lost_its_claim_notes_nothing"),
    _g("two workers claim one mail", _SQL,
       "order by next_at limit 1 for update skip locked\n)", "order by next_at limit 1\n)",
       MAIL + "test_a_mail_in_other_hands_is_neither_taken_nor_waited_for"),
    _g("codes from before the choice are mailed", _SQL,
       "select id, %(with_code)s, seq from sides where id = %(side)s", "select id, %(with_code)s, 0 from sides where id = %(side)s",
       CODES + "test_the_choice_holds_from_the_next_code_on"),
    _g("wrong confirmation codes are not counted", _SQL,
       "set pending_tries = pending_tries + 1,", "set pending_tries = pending_tries,",
       SET + "test_the_last_try_may_still_be_right", SET + "test_a_wrong_code_confirms_nothing_and_few_may_be_tried"),
    _g("security mail can be switched off", _MODEL,
       "if kind not in OPTIONAL:", "if kind not in KINDS:",
       SET + "test_a_kind_can_be_muted_unless_it_is_about_security"),
    _g("a policy takes effect before customers can leave", _MODEL,
       "timedelta(days=NOTICE_DAYS if significant else 1)", "timedelta(days=1)",
       TOLD + "test_a_significant_change_cannot_take_effect_before_its_time"),
    _g("a number is mailed in clear", _MODEL,
       "{number[:3]}{'•' * (len(number) - 5)}{number[-2:]}", "{number}",
       CODES + "test_the_code_is_in_the_mail_only_if_that_was_chosen"),
    _g("what does not show goes into mails", _TEXTS,
       "return _HIDDEN if unicodedata.category(one) in _UNSEEN else one", "return one",
       MAIL + "test_what_does_not_show_is_replaced_by_what_does"),
    _g("a stranger's mailbox is filled through us", _SETTINGS,
       "if sent and sent.n >= CONFIRM_MAILS_A_DAY:", "if sent and sent.n > 1_000:",
       SET + "test_nobody_can_fill_a_strangers_mailbox_through_us"),
    _g("a confirmation code holds for ever", _SETTINGS,
       "if now > row.pending_at + CONFIRM_FOR:", "if now < row.pending_at:",
       SET + "test_a_code_ends_after_an_hour"),
    _g("any code confirms an address", _SETTINGS,
       "if not secrets.compare_digest(pending.code.encode(), code.strip().upper().encode()):", "if not code:",
       SET + "test_a_wrong_code_confirms_nothing_and_few_may_be_tried"),
    _g("a code is mailed after it helps", _QUEUE,
       "if row.has_code and not is_too_late(row.expires_at, now)]", "if row.has_code]",
       CODES + "test_a_code_that_helps_nobody_any_more_is_not_mailed"),
    _g("codes of a flood are all mailed", _QUEUE,
       "chosen = wanted[:room]", "chosen = wanted",
       CODES + "test_a_flood_of_code_mails_is_cut_and_said_once"),
    _g("the code is mailed where it was not chosen", _MAIL,
       'message["code"] if settings.with_code else None)', 'message["code"])',
       CODES + "test_the_code_is_in_the_mail_only_if_that_was_chosen"),
    _g("a mail goes out after it was switched off", _MAIL,
       "if settings.with_code is None or not order", "if not order",
       CODES + "test_a_choice_taken_back_holds_for_mails_that_wait"),
    _g("an address that was refused is mailed on", _MAIL,
       "address_of(context.vault, settings) if settings.confirmed_at else None", "address_of(context.vault, settings)",
       MAIL + "test_an_address_where_nobody_lives_is_used_no_more"),
    _g("an old confirmation mail carries the new code", _MAIL,
       "or settings.pending_at != mail.made_at or", "or",
       SET + "test_only_the_newest_code_is_good_and_older_mails_are_dropped"),
    _g("mail goes in clear to a server without STARTTLS", _POST,
       'if server.tls == "starttls":', 'if server.tls == "starttls" and self.has_extn("starttls"):',
       POST + "test_a_server_without_starttls_gets_no_mail_in_clear"),
    _g("any certificate is taken", _POST,
       "    context.load_default_certs()\n", "    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE\n",
       POST + "test_a_certificate_that_does_not_hold_gets_no_mail"),
    _g("a mail server holds the worker for ever", _POST,
       "        timer.start()\n", "",
       POST + "test_a_server_that_answers_drop_by_drop_is_left_in_time"),
    _g("a mail password goes in clear", _SERVER,
       'if parts.password and tls == "none":', "if False:",
       POST + "test_a_url_that_is_none_is_refused_without_its_password"),
    _g("nobody is told that a key was revoked", _ACCESS,
       '        _tell(tx, side, "key.revoked"', '        0 and _tell(tx, side, "key.revoked"',
       EDGE + "test_the_owner_is_told_of_keys_that_come_and_go_but_never_a_key"),
)
# fmt: on
