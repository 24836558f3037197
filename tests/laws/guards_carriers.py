"""The guards of the kinds of suppliers: who may push, what is one message, when it is acknowledged, each with its test."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_SIGNING = "suppliers/signing.py"
_HTTP = "suppliers/http/signature.py"
_HTTP_INLET = "suppliers/http/inlet.py"
_SENDER = "agent/sender.py"
_SPOOL = "agent/spool.py"
_TWILIO = "suppliers/twilio/inlet.py"
_TELNYX = "suppliers/telnyx/inlet.py"
_VONAGE = "suppliers/vonage/sms.py"
_TOKENS = "suppliers/vonage/messages.py"
_PLIVO = "suppliers/plivo/inlet.py"
_ANDROID = "suppliers/android/signature.py"
_PHONES = "suppliers/android/reading.py"
_HTTPSMS = "suppliers/httpsms/token.py"
_TEXTBEE = "suppliers/textbee/inlet.py"
_MAPPER = "suppliers/mapper/inlet.py"
_LINK = "suppliers/smpp/link.py"
_SMPP = "suppliers/smpp/session.py"
_GAMMU = "suppliers/gammu/session.py"
_ROWS = "suppliers/gammu/reading.py"

HTTP = "tests/suppliers/http/test_http_inlet.py::"
SENDER = "tests/agent/test_sender.py::"
SPOOL = "tests/agent/test_spool.py::"
HOOKS = "tests/agent/test_hooks.py::"
TWILIO = "tests/suppliers/twilio/test_twilio.py::"
TELNYX = "tests/suppliers/telnyx/test_telnyx.py::"
VONAGE = "tests/suppliers/vonage/test_vonage.py::"
TOKENS = "tests/suppliers/vonage/test_vonage_messages.py::"
PLIVO = "tests/suppliers/plivo/test_plivo.py::"
ANDROID = "tests/suppliers/android/test_android.py::"
HTTPSMS = "tests/suppliers/httpsms/test_httpsms.py::"
TEXTBEE = "tests/suppliers/textbee/test_textbee.py::"
MAPPER = "tests/suppliers/mapper/test_mapper_reading.py::"
STORING = "tests/suppliers/smpp/test_storing.py::"
BINDS = "tests/suppliers/smpp/test_binds.py::"
SMPP = "tests/suppliers/smpp/test_message.py::"
GAMMU = "tests/suppliers/gammu/test_gammu_inbox.py::"
GAMMU_ROWS = "tests/suppliers/gammu/test_gammu_reading.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_SIGNED_GUARDS = (
    _g("a request signed by any key is a gateway's", _HTTP,
       "if not any([equals_any(given, expected) for given in _given(signature)]):  # all are compared", "if False:",
       HTTP + "test_another_key_is_refused"),
    _g("a gateway's request can be replayed for ever", _HTTP,
       "    require_fresh(seconds, now, TOLERANCE_S)\n", "",
       HTTP + "test_a_replay_after_five_minutes_is_stale_both_ways"),
    _g("a request from the future is fresh", _SIGNING,
       "if not abs(at - int(now.timestamp())) <= tolerance_s:", "if not int(now.timestamp()) - at <= tolerance_s:",
       HTTP + "test_a_replay_after_five_minutes_is_stale_both_ways"),
    _g("a stranger's body is parsed", _HTTP_INLET,
       "        verify(request.headers, request", "        read_body(request.body)\n        verify(request.headers, request",
       HTTP + "test_nothing_is_parsed_before_the_signature_holds"),
    _g("a key that can be guessed opens a gateway", _HTTP_INLET,
       "if not all(map(_is_long, keys)):", "if False:",
       HTTP + "test_without_a_key_of_some_length_there_is_no_inlet"),
    _g("what Twilio did not sign is Twilio's", _TWILIO,
       "if not any([_fits(one, request, signed, signature, algorithm) for one in self.validators]):", "if False:",
       TWILIO + "test_a_wrong_signature_is_refused"),
    _g("another account's message is ours", _TWILIO,
       'if self.account_sid and fields.get("AccountSid") != [self.account_sid]:', "if False:",
       TWILIO + "test_another_accounts_message_is_refused_when_the_account_is_set"),
    _g("a JSON body that Twilio did not sign is Twilio's", _TWILIO,
       "        _require_hash(request)\n", "",
       TWILIO + "test_a_json_body_that_nothing_signs_is_refused"),
    _g("what Telnyx did not sign is Telnyx's", _TELNYX,
       "if not any(_fits(key, signed, signature) for key in self.keys):", "if False:",
       TELNYX + "test_one_changed_octet_is_refused"),
    _g("Telnyx's request can be replayed for ever", _TELNYX,
       "        require_fresh(at, request.received_at)\n", "",
       TELNYX + "test_a_time_stamp_holds_for_five_minutes"),
    _g("one of two recipients gets nothing", _TELNYX,
       'message_id if len(recipients) == 1 else f"{message_id}|{number}"', "message_id",
       TELNYX + "test_a_message_to_several_is_one_for_each"),
    _g("what Vonage did not sign is Vonage's", _VONAGE,
       "if not equals_any(given.lower(), right):", "if False:",
       VONAGE + "test_a_changed_message_is_refused"),
    _g("a text pretends to be a parameter", _VONAGE,
       "parameters[name].translate(_TAMED)", "parameters[name]",
       VONAGE + "test_a_form_a_query_and_json_say_the_same"),
    _g("Vonage's request can be replayed for ever", _VONAGE,
       'require_fresh(unix_seconds(parameters["timestamp"]), request.received_at, self.settings.fresh_for_s)', "pass",
       VONAGE + "test_a_time_stamp_holds_for_five_minutes"),
    _g("the parts of Vonage's message have one name", _VONAGE,
       'f"{message_id}-{part.index}" if part else message_id', "message_id",
       VONAGE + "test_the_parts_of_a_long_message_know_each_other"),
    _g("a token of any secret is Vonage's", _TOKENS,
       "if not equals_any(parts[3], right):", "if False:",
       TOKENS + "test_every_active_secret_counts", TOKENS + "test_a_token_signed_by_another_function_is_refused"),
    _g("a token covers any body", _TOKENS,
       "        _require_hash(claims, request.body)\n", "",
       TOKENS + "test_a_body_that_was_changed_is_refused"),
    _g("a token is good for ever", _TOKENS,
       "        _require_young(claims, request)\n", "",
       TOKENS + "test_a_token_holds_for_five_minutes"),
    _g("a token of another application is ours", _TOKENS,
       "        self._require_ours(claims)\n", "",
       TOKENS + "test_another_application_or_key_is_refused_when_one_is_set"),
    _g("Plivo's signature alone opens", _PLIVO,
       "if not equals_any(request.rest, self.path_tokens):", "if False:",
       PLIVO + "test_without_the_token_of_the_address_even_a_right_signature_is_refused"),
    _g("what Plivo did not sign is Plivo's", _PLIVO,
       "if not any([equals_any(one, right) for one in given]):", "if False:",
       PLIVO + "test_a_wrong_signature_is_refused"),
    _g("an address that can be guessed opens", _PLIVO,
       "if not all(_PATH_TOKEN.fullmatch(one) for one in path_tokens):", "if False:",
       PLIVO + "test_a_token_that_can_be_guessed_or_does_not_fit_an_address_is_refused"),
)

_PHONE_GUARDS = (
    _g("what a phone did not sign is a phone's", _ANDROID,
       "if not equals_any(signature, [_signature(request.body + stamp.encode(), key) for key in keys]):", "if False:",
       ANDROID + "test_another_body_under_the_signature_is_refused"),
    _g("a phone's request can be replayed for ever", _ANDROID,
       "    require_fresh(made_at, request.received_at)\n", "",
       ANDROID + "test_an_old_request_and_one_from_the_future_are_refused"),
    _g("the SIM of a message is guessed", _PHONES,
       'return found.pop() if len(found) == 1 else ""', 'return found.pop() if found else ""',
       ANDROID + "test_a_number_is_never_guessed_and_staff_are_told"),
    _g("two equal texts on a phone are one", _PHONES,
       "        message_id=name,\n", '        message_id=_text(payload, "messageId"),\n',
       ANDROID + "test_two_messages_with_one_content_are_two"),
    _g("a phone that withholds codes is fit", "suppliers/android/inlet.py",
       "if phone.android >= TOO_NEW:", "if False:",
       ANDROID + "test_check_calls_no_phone_fit_that_withholds_codes"),
    _g("a token of any key is httpSMS's", _HTTPSMS,
       "if not equals_any(signature, [_signature(signed, key) for key in keys]):", "if False:",
       HTTPSMS + "test_a_token_of_another_key_is_refused"),
    _g("a token chooses how it is checked", _HTTPSMS,
       'if _object(header).get("alg") != "HS256":', "if False:",
       HTTPSMS + "test_no_other_algorithm_is_accepted"),
    _g("httpSMS's request can be replayed for ever", _HTTPSMS,
       "if not _is_fresh(_claims(token.strip(), keys), request.received_at.timestamp()):",
       "if not _claims(token.strip(), keys):",
       HTTPSMS + "test_a_token_of_another_time_is_refused"),
    _g("a text that nobody can read is shown", "suppliers/httpsms/inlet.py",
       'if data.get("encrypted") is True:', "if False:",
       HTTPSMS + "test_what_is_encrypted_is_refused_with_what_to_do"),
    _g("what textbee did not sign is textbee's", _TEXTBEE,
       "if not equals_any(sent, [_signature(secret, request.body) for secret in secrets]):", "if False:",
       TEXTBEE + "test_another_body_under_the_signature_is_refused"),
    _g("a phone that nobody set gets another's number", _TEXTBEE,
       'number=devices.get(device, ""),', "number=devices.get(device, next(iter(devices.values()))),",
       TEXTBEE + "test_a_phone_that_was_not_set_gets_no_number_and_staff_are_told"),
    _g("any address opens a box's way in", _MAPPER,
       "if not equals_any(request.rest, self._tokens):", "if False:",
       MAPPER + "test_another_token_opens_nothing"),
    _g("a box's password is not looked at", _MAPPER,
       "if not equals_any(_credentials(sent), self._basics):", "if False:",
       MAPPER + "test_other_credentials_are_refused"),
    _g("a box is read before its token was right", _MAPPER,
       "        self._authenticate(request)\n", "        entries(self._settings, request)\n        self._authenticate(request)\n",
       MAPPER + "test_nothing_is_read_before_the_token_was_right"),
    _g("a box reads that a lost message was kept", _MAPPER,
       "if outcome is Outcome.KEPT else plain_answer(outcome)", "if outcome else plain_answer(outcome)",
       MAPPER + "test_the_box_reads_what_it_wants_to_read_only_when_the_message_was_kept"),
    _g("a port that nobody set gets another's number", "suppliers/mapper/reading.py",
       'return settings.numbers.get(device, "")', "return settings.numbers.get(device, next(iter(settings.numbers.values())))",
       MAPPER + "test_a_message_for_a_device_that_was_not_set_is_never_given_to_a_guessed_number"),
)

_SPOOL_GUARDS = (
    _g("a message leaves the spool before it was taken", _SENDER,
       "if outcome is Outcome.TAKEN:\n            for path, _ in batch:", "if True:\n            for path, _ in batch:",
       SENDER + "test_a_connection_that_drops_loses_nothing"),
    _g("a message is set aside for a fault on the way", _SENDER,
       "if outcome is Outcome.TAKEN:\n            self._spool.set_aside(path)", "if True:\n            self._spool.set_aside(path)",
       SENDER + "test_nothing_is_set_aside_when_even_a_heartbeat_cannot_be_read"),
    _g("a wrong key looks like a broken message", _SENDER,
       "_BROKEN = (400, 413, 422)", "_BROKEN = (400, 401, 403, 404, 413, 422)",
       SENDER + "test_every_status_means_something"),
    _g("a message is acknowledged before it is on the disk", _SPOOL,
       "                    os.fsync(file.fileno())\n", "                    pass\n",
       SPOOL + "test_file_and_folder_are_synced_before_it_is_acknowledged"),
    _g("a message's name is acknowledged before it is on the disk", _SPOOL,
       "            _sync_folder(path.parent)\n", "            pass\n",
       SPOOL + "test_file_and_folder_are_synced_before_it_is_acknowledged"),
    _g("a spool has no end", _SPOOL,
       "        if self.is_full():\n            raise", "        if False:\n            raise",
       SPOOL + "test_a_full_spool_refuses_and_keeps_what_it_has"),
    _g("two agents empty one spool", _SPOOL,
       "if not _locked(held):", "if False:",
       SPOOL + "test_one_agent_at_a_time_empties_a_spool"),
    _g("others may read the spool", _SPOOL,
       "if stat.S_IMODE(self._folder.stat().st_mode) & 0o077:", "if False:",
       SPOOL + "test_a_folder_that_others_may_read_is_refused"),
    _g("equal texts of two times are one", "agent/message.py",
       "whole = [device or to, sender, text, said_at, part", "whole = [device or to, sender, text, part",
       HOOKS + "test_equal_sms_of_different_times_have_two_ids"),
)

_MAST_GUARDS = (
    _g("a delivery is acknowledged before its commit", _LINK,
       "            self._open += 1\n", "            self._open += 1\n            self._answer(taken.header, pdu.OK)\n",
       STORING + "test_a_message_is_acknowledged_after_its_commit"),
    _g("a delivery is acknowledged without a database", _SMPP,
       "return [pdu.AGAIN_LATER] * len(deliveries)", "return [pdu.OK] * len(deliveries)",
       STORING + "test_messages_are_put_off_while_the_database_is_away_and_come_when_it_is_back"),
    _g("a delivery whose commit was unsure is stored twice", _SMPP,
       "        except Unavailable as away:\n            self.repeats.expect(names)\n", "        except Unavailable as away:\n",
       STORING + "test_a_commit_whose_answer_was_lost_is_not_stored_twice"),
    _g("an SMSC fills our memory", _LINK,
       "elif self._open >= self.window:", "elif False:",
       STORING + "test_what_goes_beyond_the_window_is_throttled_and_comes_again"),
    _g("a delivery is acknowledged after the stop", _LINK,
       "        if self._mute:\n            return\n", "",
       STORING + "test_what_is_stored_after_a_stop_is_not_acknowledged_while_the_unbind_is_awaited"),
    _g("what a broken bind stored is stored again", "suppliers/smpp/repeats.py",
       "            for row in self._tail(rows):\n", "            for row in self._tail([]):\n",
       STORING + "test_what_was_not_acknowledged_comes_again_after_a_reconnect_and_is_stored_once"),
    _g("an SMSC is asked with a wrong password again and again", _SMPP,
       "if refused.for_good:", "if False:",
       BINDS + "test_wrong_credentials_are_told_to_staff_and_not_tried_again_and_again"),
    _g("an SMSC may have any certificate", _SMPP,
       "    context.hostname_checks_common_name = False\n",
       "    context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n",
       BINDS + "test_tls_is_spoken_and_its_certificate_checked"),
    _g("a receipt is a message", "suppliers/smpp/message.py",
       "return delivery.esm_class & _TYPE in _REPORTS or", "return",
       SMPP + "test_receipts_and_notices_are_no_messages"),
    _g("gammu's row is marked without a database", _GAMMU,
       "        except Unavailable:\n            raise\n", "        except Unavailable:\n            pass\n",
       GAMMU + "test_while_our_database_is_away_rows_stay_unprocessed"),
    _g("a session that lost its lease marks gammu's rows", _GAMMU,
       "if not stopping.is_set():  # else", "if True:  # else",
       GAMMU + "test_a_session_that_is_stopping_marks_nothing"),
    _g("one message of gammu holds up the others", _GAMMU,
       "                for row in rows:\n                    self._take([row], stopping)\n", "                raise\n",
       GAMMU + "test_a_message_that_cannot_be_kept_holds_up_no_other"),
    _g("gammu's rows are named by their counter alone", _ROWS,
       'message_id=f"{phone}/{row.id}/{row.said_at}"', 'message_id=f"{phone}/{row.id}"',
       GAMMU_ROWS + "test_the_same_row_has_the_same_name_and_another_time_stamp_another"),
    _g("gammu's old rows are given to who has the number now", _ROWS,
       "waited_s=max(row.age_s, 0.0)", "waited_s=0.0",
       GAMMU + "test_a_message_that_lay_there_while_the_number_changed_hands_reaches_nobody"),
    _g("a phone that nobody told us of gets a number", _GAMMU,
       'return [phones.get(row.phone, "") for row in rows]',
       "return [phones.get(row.phone, next(iter(phones.values()))) for row in rows]",
       GAMMU + "test_a_phone_that_nobody_told_us_of_is_told_to_staff_once_and_its_messages_are_kept_apart"),
    _g("gammu's password is a setting", "suppliers/gammu/settings.py",
       'if "password" in given:', "if False:",
       GAMMU_ROWS + "test_wrong_settings_say_what_would_be_right"),
)
# fmt: on

CARRIERS = _SIGNED_GUARDS + _PHONE_GUARDS + _SPOOL_GUARDS + _MAST_GUARDS
