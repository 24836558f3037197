"""The guards of people, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_P = "desk/people/"
ENTRY = "tests/desk/people/test_entry.py::"
FACTORS = "tests/desk/people/test_factors.py::"
PASSWORDS = "tests/desk/people/test_passwords.py::"
PRIVACY = "tests/desk/people/test_privacy.py::"
SETTINGS = "tests/desk/people/test_settings.py::"
TEAM = "tests/desk/people/test_team.py::"
R = "tests/desk/people/test_races.py::"
L = "tests/core/notices/test_letters.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, _P + file, old, new, tests)


# fmt: off
PEOPLE = (
    _g("a taken address answers without hashing", "forms.py",
       '            make_password(self.cleaned_data["password1"])\n', "",
       ENTRY + "test_a_taken_address_looks_like_a_free_one_and_costs_the_same"),
    _g("a stranger's mailbox resets a password", "forms.py",
       "self.users = list(Person.objects.filter(email=email, removed=False))",
       "self.users = list(Person.objects.filter(emailaddress__email=email, removed=False))",
       ENTRY + "test_an_address_that_waits_to_be_proven_resets_nothing"),
    _g("a code of an app works again in another process", "factors.py",
       '        if was_used(self.user, code):\n            check_rate_limit(self.user)\n            raise get_adapter().validation_error("used_code")\n', "",
       FACTORS + "test_guessing_codes_is_stopped_and_a_replay_does_not_start_the_count_anew"),
    _g("two uses of a code at once both let in", "factors.py",
       "        if UsedCode.objects.filter(person=person, step__gte=step).exists():\n            return False\n", "",
       FACTORS + "test_of_two_uses_at_once_one_lets_in"),
    _g("the code that set an app up logs in too", "factors.py",
       '        use(person, app, form.cleaned_data["code"])\n', "",
       FACTORS + "test_an_app_is_set_up_with_a_drawing_or_a_key_and_codes_are_given"),
    _g("an empty answer is a passkey", "factors.py",
       "if not isinstance(read, dict) or not read:", "if not isinstance(read, dict):",
       FACTORS + "test_what_no_authenticator_would_say_is_refused_and_breaks_nothing"),
    _g("a short password loses its last second factor", "adapter.py",
       "person.password_is_long or", "True or",
       FACTORS + "test_the_last_second_factor_stays_while_the_password_is_short"),
    _g("two removals at once leave a short password alone", "factors.py",
       "        Person.objects.select_for_update().get(pk=request.user.pk)\n        return act()", "        return act()",
       FACTORS + "test_of_two_removals_at_once_one_is_refused"),
    _g("an app's secret is stored in clear", "adapter.py",
       "return secret.seal(text.encode(), _SECRETS).hex()", "return text.encode().hex()",
       FACTORS + "test_the_secret_is_sealed"),
    _g("a client's address waits in the session", "middleware.py",
       "sessions.forget_whence(request.session)", "pass",
       PRIVACY + "test_no_table_knows_where_somebody_came_from"),
    _g("a former address stays in the session", "signals.py",
       "    sessions.forget_names(request.session)\n", "",
       SETTINGS + "test_no_former_username_or_address_is_kept"),
    _g("a session's key stands in the table", "sessions.py",
       "return hashlib.sha256(key.encode()).hexdigest()[:40]", "return key[:40]",
       PRIVACY + "test_the_value_of_the_cookie_is_nowhere_in_the_database"),
    _g("a session's row opens under another key", "sessions.py",
       'return Place("sessions", "session_data", self._hashed())', 'return Place("sessions", "session_data", "")',
       PRIVACY + "test_a_row_that_was_copied_to_another_key_does_not_open"),
    _g("a changed password leaves others in", "signals.py",
       "    sessions.end_others(user, request.session.session_key)\n", "    del request, user\n",
       SETTINGS + "test_all_others_end_with_their_grants"),
    _g("a log-out leaves the sockets open", "signals.py",
       "    if grants:\n        sessions.end([*grants])\n", "    del grants\n",
       ENTRY + "test_log_out_ends_session_and_grants_and_clears_the_browser"),
    _g("somebody ends a stranger's session", "sessions.py",
       "return _end_all(person.sessions.filter(session_key=name))", "return _end_all(Session.objects.filter(session_key=name))",
       SETTINGS + "test_nobody_ends_or_names_a_session_of_somebody_else"),
    _g("the last owner leaves", "team.py",
       "    _keep_an_owner(team, person)\n    person.account, person.role", "    person.account, person.role",
       TEAM + "test_the_last_owner_stays_an_owner_and_does_not_leave"),
    _g("an account overflows when many join at once", "team.py",
       "    list(team.select_for_update())\n", "",
       TEAM + "test_of_many_who_join_at_once_no_more_than_fit_do"),
    _g("an invitation lets two in", "team.py",
       "    found.delete()\n", "",
       TEAM + "test_somebody_new_is_invited_and_joins"),
    _g("a buyer manages people", "team_views.py",
       "        if not request.user.may(Role.OWNER):\n            raise PermissionDenied\n", "",
       TEAM + "test_only_owners_manage_people"),
    _g("an owner reaches into another account", "team.py",
       "team = Person.objects.filter(account=account).order_by(\"pk\")", "team = Person.objects.order_by(\"pk\")",
       TEAM + "test_nobody_touches_people_of_another_account"),
    _g("a removed person goes on", "models.py",
       "return not self.removed", "return True",
       TEAM + "test_a_removed_person_is_out_at_once_and_is_told_at_log_in"),
    _g("who holds money leaves it behind", "team.py",
       "        elif holds_something(person.account):\n            raise Refused(HOLDS)\n", "",
       TEAM + "test_who_has_money_of_their_own_does_not_join"),
    _g("as many passwords are checked as are sent", "passwords.py",
       "        if _inside >= places():\n            raise TooManyAtOnce\n", "",
       PASSWORDS + "test_who_is_refused_reads_when_to_come_back"),
    _g("a password counts up to 72 bytes", "passwords.py",
       "return base64.b64encode(hmac.digest(self._key, password.encode(), hashlib.sha384))", "return password.encode()[:72]",
       PASSWORDS + "test_passwords_that_differ_after_72_bytes_are_different"),
    Mutant("a role of one account acts for another","desk/dashboard/acting.py","    if grant.account != person.account:","    if False:",(R+"test_a_session_of_a_former_account_ends",)),
    _g("a log-in trusts a person from before the hash","sessions.py","access.open_session(tx, present.account, now, now + LONGEST)","access.open_session(tx, person.account, now, now + LONGEST)",R+"test_who_moves_to_another_account_during_a_log_in_is_logged_in_to_that_one"),
    _g("who was removed during a log-in is logged in","sessions.py","filter(pk=person.pk, removed=False).first()","filter(pk=person.pk).first()",R+"test_who_is_removed_during_a_log_in_is_not_logged_in"),
    _g("who was an owner a moment ago still leads","team.py","    if not _is_owner(team, actor):\n        raise Refused(NO_OWNER)\n","",R+"test_of_two_owners_who_demote_each_other_at_once_one_does",R+"test_who_is_no_owner_any_more_does_nothing"),
    _g("an invitation of a former owner lets in","team.py","    if not _is_owner(team, found.invited_by_id):\n        raise Refused(OVER)\n","",R+"test_an_invitation_lets_in_only_while_its_inviter_is_an_owner"),
    _g("invitations of a demoted owner stay","team.py","            _keep_an_owner(team, person)\n            person.invitations.all().delete()\n        person.role","            _keep_an_owner(team, person)\n        person.role",R+"test_invitations_of_who_is_an_owner_no_more_end"),
    _g("who joined elsewhere a moment ago joins again","team.py","        person = _one_of(team, person.pk)\n        if invitation","        if invitation",R+"test_who_joins_two_accounts_at_once_joins_one"),
    _g("whoever has the link becomes an owner","team.py","        if invitation.role == Role.OWNER and invitation.email != person.email:\n            raise Refused(NOT_FOR_YOU)\n","",R+"test_an_owner_is_who_was_invited_and_nobody_who_got_the_link"),
    _g("a browser left alone joins another account","team_views.py",'@reauthentication_required(app="allauth.account", allow_get=True)','@reauthentication_required(app="allauth.account", enabled=False)',TEAM+"test_who_is_here_already_logs_in_and_joins_from_an_empty_account"),
    _g("an expired session leaves its grants","sessions.py","    _end_all(Session.objects.filter(expire_date__lt=house().clock.now())[:limit])","    Session.objects.filter(expire_date__lt=house().clock.now()).delete()",R+"test_what_hangs_on_an_expired_session_ends_at_the_next_log_in"),
    _g("a session goes on in the settings when its grant is over","sessions.py","        if not _has_grant(session, person):\n            return False\n","",R+"test_a_session_whose_grant_is_over_ends_on_every_page_within_a_day"),
    Mutant("strangers use up the room of security news","core/notices/letters.py",'f"{budget.kind} ".encode() + address','b"" + address',(L+"test_what_strangers_ask_for_leaves_the_room_of_news_and_resets",)),
    _g("a mailed link leads where the request says","adapter.py","public(context[name]) for","context[name] for",ENTRY+"test_links_in_mails_lead_to_the_public_address_whatever_the_request_called_it"),
    _g("an account mails without end","team.py",'        if not ratelimit.consume(request, action="invite", key=person.account):\n            raise Refused(ENOUGH)\n',"",TEAM+"test_an_account_sends_twenty_invitations_a_day_however_often_it_withdraws_them"),
)
# fmt: on
