"""Guards of the processors of payments and of the doors to them, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_TILL, _ROUNDS, _SHELF = "payments/till.py", "payments/rounds.py", "payments/configured.py"
_STORE, _KINDS = "core/processors/store.py", "payments/registry.py"
_SANDBOX, _SANDBOX_SQL, _SANDBOX_PAY = (
    "payments/sandbox/processor.py",
    "payments/sandbox/queries.sql",
    "payments/sandbox/paying.py",
)
_STRIPE, _OBJECTS, _EVENTS, _STRIPE_SIGN = (
    "payments/stripe/processor.py",
    "payments/stripe/objects.py",
    "payments/stripe/events.py",
    "payments/stripe/signature.py",
)
_CRYPTOMUS, _CRYPTOMUS_READING, _CRYPTOMUS_SIGN = (
    "payments/cryptomus/processor.py",
    "payments/cryptomus/reading.py",
    "payments/cryptomus/signature.py",
)
_BTCPAY, _BTCPAY_READING, _BTCPAY_SIGN = (
    "payments/btcpay/processor.py",
    "payments/btcpay/reading.py",
    "payments/btcpay/signature.py",
)
_CALLS, _API = "edge/callbacks.py", "edge/api/deposits.py"
_PAYING, _PAGES, _CLI = "desk/dashboard/paying.py", "desk/dashboard/deposits.py", "cli/payments.py"

PLAY = "tests/payments/test_deposits_in_the_sandbox.py::"
CARDS = "tests/payments/test_deposits_by_card.py::"
WRONG = "tests/payments/test_cards_going_wrong.py::"
S = "tests/payments/stripe/test_stripe_"
SIGNED, PAID, BACK = S + "callbacks.py::", S + "payments.py::", S + "refunds.py::"
C = "tests/payments/cryptomus/test_cryptomus_"
COINS, COINS_BACK, COINS_CALLED = C + "deposits.py::", C + "refunds.py::", C + "callbacks.py::"
STORE, STORE_CALLED = (
    "tests/payments/btcpay/test_btcpay_deposits.py::",
    "tests/payments/btcpay/test_btcpay_callbacks.py::",
)
DESK, CLI = "tests/desk/dashboard/test_paying.py::", "tests/cli/test_cli_payments.py::"
ACCESS = "tests/edge/test_access.py::"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
_TILL_GUARDS = (
    _g("a key begins two deposits at once", _TILL, "mode = ledger.lock(tx, side).mode", "mode = ledger.balance(tx, side).mode",
       PLAY + "test_the_same_key_is_the_same_deposit_twenty_times_at_once"),
    _g("a key begins a deposit of another amount", _TILL, "            if bytes(known.request) != request:", "            if False:",
       PLAY + "test_the_same_key_with_another_request_is_refused"),
    _g("live money is paid with a test processor", _TILL, "if entry.mode != mode or not", "if not",
       PLAY + "test_nobody_pays_with_words_on_the_live_side"),
    _g("a processor that is switched off begins deposits", _TILL, "or not entry.enabled or", "or",
       PLAY + "test_a_method_that_is_switched_off_begins_nothing_and_still_credits"),
    _g("an amount is finer than a cent", _TILL, "if amount % terms.coin or not", "if not",
       PLAY + "test_an_amount_that_is_none_is_refused_with_the_bounds"),
    _g("another currency is credited as ours", _TILL, "is_ours = said.currency == self.context.installation.currency", "is_ours = True",
       PLAY + "test_what_does_not_fit_a_deposit_moves_nothing_and_is_for_staff"),
    _g("a processor credits the deposit of another", _TILL, "    if found.method != method:", "    if False:",
       PLAY + "test_a_processor_never_credits_the_deposit_of_another"),
    _g("a test event is kept for a live processor", _TILL, '        if hint.is_live != (entry.mode == "live"):', "        if False:",
       CARDS + "test_a_call_of_another_mode_changes_nothing"),
    _g("a deposit that has ended is opened", _TILL, "if found.expires_at is not None and self.context.clock.now() >= found.expires_at:", "if False:",
       WRONG + "test_a_deposit_that_was_not_opened_in_time_is_never_opened"),
    _g("a deposit has two pages to be paid on", _TILL, "if named.processor_id == opened.processor_id:", "if True:",
       WRONG + "test_a_second_payment_under_one_deposit_is_shown_to_nobody"),
    _g("a deposit is called anew by its processor", "core/deposits/queries.sql", "where id = %(id)s and processor_id is null", "where id = %(id)s",
       WRONG + "test_a_second_payment_under_one_deposit_is_shown_to_nobody"),
    _g("a large deposit goes back unseen", _TILL, "approvals = self.limits.approvals((found.credited or 0) + found.fee)", "approvals = 0",
       DESK + "test_above_the_limit_the_page_says_that_staff_look_first"),
    _g("a first deposit is as any other", _TILL, "is_first = not processors.came_before(tx, side, found.created_at)", "is_first = False",
       CARDS + "test_only_the_first_deposit_asks_the_bank_to_authenticate"),
    _g("what was opened and can be paid ends unasked", _TILL, "    if found.processor_id is None and is_over:", "    if is_over:",
       WRONG + "test_a_deposit_whose_processor_is_away_at_its_end_is_asked_after_on"),
    _g("the old secret of a processor counts on", _SHELF, "if made is None or made[0] != configured:", "if made is None:",
       WRONG + "test_a_secret_that_was_replaced_counts_no_more"),
    _g("a processor is called like an account of the house", _STORE, " or name in RESERVED", "",
       CLI + "test_what_cannot_be_is_refused_and_nothing_is_added"),
    _g("a secret opens in another place", _STORE, 'f"{processor}|{name}"', '""',
       CLI + "test_a_processors_secrets_go_where_it_goes"),
    _g("nothing is the least that can be paid", _STORE, "if not 0 < least <= most", "if not 0 <= least <= most",
       CLI + "test_what_cannot_be_is_refused_and_nothing_is_added"),
    _g("the sandbox takes live money", _CLI, "    if mode not in known.modes:", "    if False:",
       CLI + "test_what_cannot_be_is_refused_and_nothing_is_added"),
)

_ROUNDS_GUARDS = (
    _g("what is not certain goes back to the balance", _ROUNDS, "return SentBack(Sent.UNKNOWN, reason=str(fault))", "return SentBack(Sent.REFUSED, reason=str(fault))",
       WRONG + "test_a_refund_that_cannot_be_looked_for_stays_set_aside"),
    _g("a processor that cannot be used refuses refunds", _ROUNDS, "_book(till, asked, SentBack(Sent.UNKNOWN))", "_book(till, asked, SentBack(Sent.REFUSED))",
       PLAY + "test_a_refund_of_which_nothing_is_known_stays_set_aside_and_staff_hear_of_it"),
    _g("what is on its way has arrived", _ROUNDS, "            case Sent.DONE:\n", "            case Sent.DONE if answer.refund_id:\n                refunds.confirm(tx, asked.id, answer.refund_id, now)\n            case Sent.ON_ITS_WAY:\n",
       CARDS + "test_a_refund_on_its_way_is_confirmed_by_stripes_call"),
    _g("a dispute in another currency is counted as ours", _ROUNDS, "elif said.currency != till.context.installation.currency:", "elif False:",
       WRONG + "test_a_dispute_in_another_currency_takes_nothing"),
    _g("a dispute that comes before its payment is passed by", _ROUNDS, "        return till.heard(tx, entry, said) if said else None\n", "        return None\n",
       "tests/payments/test_disputes_by_card.py::test_a_dispute_that_is_heard_of_before_its_payment_is_not_forgotten"),
    _g("a hint is forgotten while its processor is away", _ROUNDS, "about=hint.about, cause=type(away).__name__)\n        is_done = False", "about=hint.about, cause=type(away).__name__)\n        is_done = True",
       CARDS + "test_while_stripe_is_away_a_call_waits_and_nothing_is_lost"),
)

_SANDBOX_GUARDS = (
    _g("anybody pays anybody's test deposit", _SANDBOX_SQL, "where p.deposit = %(deposit)s and d.side_id = %(side)s", "where p.deposit = %(deposit)s and %(side)s > 0",
       PLAY + "test_nobody_sees_or_pays_or_sends_back_anothers_deposit"),
    _g("what was paid is paid otherwise", _SANDBOX_PAY, "    if row.state in _CAME and row.state != state:", "    if False:",
       PLAY + "test_what_was_paid_is_not_paid_otherwise"),
    _g("anybody calls for the sandbox", _SANDBOX, '        raise NotAuthentic("missing")', "        return None",
       CARDS + "test_nobody_is_called_so"),
)

_STRIPE_GUARDS = (
    _g("any signature is Stripe's", _STRIPE_SIGN, "if not any([hmac.compare_digest(expected, one) for one in signatures]):", "if not signatures:",
       SIGNED + "test_a_body_that_was_changed_is_not"),
    _g("a signature holds for ever", _STRIPE_SIGN, "> TOLERANCE:", "> TOLERANCE * 10**6:", SIGNED + "test_a_signature_holds_for_five_minutes"),
    _g("what is signed for later is taken", _STRIPE_SIGN, "if abs(received_at - datetime.fromtimestamp(int(seconds), UTC)) >", "if received_at - datetime.fromtimestamp(int(seconds), UTC) >",
       SIGNED + "test_a_signature_holds_for_five_minutes"),
    _g("without a secret anybody signs", _STRIPE_SIGN, "    if not secret:", "    if False:", SIGNED + "test_nothing_is_authentic_without_a_secret"),
    _g("a signature for tests counts", _STRIPE_SIGN, 'if name == "v1"]', 'if name.startswith("v")]', SIGNED + "test_a_signature_of_another_scheme_counts_for_nothing"),
    _g("a header has two times", _STRIPE_SIGN, "if len(times) != 1 or", "if", SIGNED + "test_a_header_that_is_none_is_wrong"),
    _g("an event of a connected account is ours", _EVENTS, ' or event.get("account") is not None', "", SIGNED + "test_an_event_of_a_connected_account_concerns_nobody"),
    _g("Stripe answers of the other mode", _STRIPE, 'if answer.get("livemode", self._is_live) is not self._is_live:', "if False:",
       PAID + "test_an_answer_of_the_other_mode_is_refused"),
    _g("session, payment and charge disagree", _OBJECTS, " or any(one != first for one in others)", "",
       PAID + "test_what_one_object_says_and_another_denies_is_refused"),
    _g("a charge and its intent name two amounts", _OBJECTS, 'if came <= 0 or {_whole(session, "amount_total"), _whole(intent, "amount_received")} != {came}:', "if came <= 0:",
       PAID + "test_what_one_object_says_and_another_denies_is_refused"),
    _g("what was only authorized counts as captured", _OBJECTS, ' and charge.get("captured") is True)', ")",
       PAID + "test_what_one_object_says_and_another_denies_is_refused"),
    _g("one object alone names the deposit", _OBJECTS, " and all(one == first for one in said)", "",
       PAID + "test_a_payment_is_of_no_deposit_unless_all_say_the_same"),
    _g("a page is of another deposit", _STRIPE, 'session.get("client_reference_id") != deposit.id', "False",
       PAID + "test_a_page_that_is_not_the_one_that_was_asked_for_is_refused"),
    _g("nobody's bank is asked who pays", _STRIPE, "if deposit.is_first and self._settings.first_deposit_3ds:", "if False:",
       PAID + "test_the_bank_authenticates_the_holder_at_a_first_deposit"),
    _g("a page is opened without a key of ours", _STRIPE, '{"idempotency_key": f"deposit:{deposit.id}"}', "{}",
       S + "faults.py::test_a_page_whose_answer_was_lost_is_the_one_that_a_repeat_gets"),
    _g("the SDK asks again by itself", _STRIPE, "max_network_retries=0", "max_network_retries=2", S + "faults.py::test_nothing_is_asked_twice_by_itself"),
    _g("a refund is sent without a look", _STRIPE, "return self._refund(refund, intent) or self._ask_back(", "return self._ask_back(",
       BACK + "test_a_refund_whose_key_stripe_forgot_is_not_paid_again"),
    _g("a refund that came between is refused", _STRIPE, "return self._refund(refund, intent) or SentBack(", "return SentBack(",
       BACK + "test_a_no_to_a_refund_that_came_between_is_a_yes"),
    _g("a refund is sent without a key of ours", _STRIPE, '{"idempotency_key": f"refund:{refund.id}"}', "{}",
       BACK + "test_two_workers_that_ask_at_once_pay_out_once"),
    _g("what another key paid is refused for good", "payments/stripe/transport.py", "return Missing(", "return Unwilling(",
       BACK + "test_a_payment_under_another_key_is_for_staff_and_never_refused_for_good"),
    _g("a refund on the next page is overlooked", _STRIPE, "        if not ours and has_more:", "        if False:",
       BACK + "test_more_refunds_than_can_be_looked_through_are_for_staff"),
    _g("a refund of another amount is ours", _OBJECTS, "    if fits !=", "    if fits[2:] !=", BACK + "test_a_refund_at_stripe_of_another_amount_is_for_staff"),
    _g("an amount is cut to what Stripe counts in", "payments/stripe/currencies.py", "if micros <= 0 or micros % (unit * step):", "if micros <= 0:",
       S + "currencies.py::test_what_does_not_divide_is_refused"),
    _g("the key travels in clear", "payments/stripe/settings.py", 'if found.scheme != "https" and', "if False and",
       S + "settings.py::test_an_address_that_would_give_the_key_away_is_refused"),
    _g("a dispute whose money is gone was won", _OBJECTS, "return Stage.LOST if _net(found) < 0 else Stage.WON", "return Stage.WON",
       S + "disputes.py::test_a_dispute_that_was_prevented_is_lost_only_with_its_money"),
    _g("a status that nobody knows loses a dispute", _OBJECTS, "    return Stage.OPEN\n", "    return Stage.LOST\n",
       S + "disputes.py::test_a_dispute_that_is_not_over_is_open"),
)

_CRYPTOMUS_GUARDS = (
    _g("any signature is Cryptomus's", _CRYPTOMUS_SIGN, '    return hmac.compare_digest(sign(signed, key).encode(), given.encode("utf-8", "replace"))', "    return bool(signed and given and key)",
       C + "signature.py::test_one_changed_field_is_refused"),
    _g("an invoice that somebody marked is paid", _CRYPTOMUS_READING, "    if state not in allowed:", "    if False:",
       COINS + "test_a_word_that_the_figures_do_not_bear_out_is_for_staff"),
    _g("what is not final is credited", _CRYPTOMUS_READING, "    if found.is_final is False:", "    if False:", COINS + "test_a_word_that_is_not_final_is_waited_for"),
    _g("coins in another currency are ours", _CRYPTOMUS, "        if found.currency != self._currency:", "        if False:",
       COINS + "test_a_payment_in_another_currency_is_refused"),
    _g("an invoice answers for another", _CRYPTOMUS, "        if found.uuid != processor_id:", "        if False:", COINS + "test_an_answer_about_another_payment_is_refused"),
    _g("an invoice of another amount is the page", _CRYPTOMUS, "        if _sure(reading.micros, found.amount) != deposit.amount:", "        if False:",
       COINS + "test_an_invoice_of_another_amount_under_our_id_is_refused"),
    _g("where it was paid to is where it came from", _CRYPTOMUS_READING, " or found.sender == found.address:", ":", COINS + "test_the_address_that_was_paid_to_is_no_origin"),
    _g("a payment inside the platform has an origin", _CRYPTOMUS_READING, "(pattern and found.txid and found.sender)", "(pattern and found.sender)",
       COINS + "test_a_payment_inside_the_platform_has_no_origin"),
    _g("a text that is no address is an origin", _CRYPTOMUS_READING, "return found.sender if pattern.fullmatch(found.sender) else None", "return found.sender",
       COINS + "test_only_networks_with_one_sender_have_an_origin"),
    _g("what has no origin is sent", _CRYPTOMUS, 'return "" if reading.origin(found) else "nobody knows where it came from"', 'return ""',
       COINS_BACK + "test_what_has_no_origin_is_never_sent"),
    _g("another payment is sent back", _CRYPTOMUS, "if refund.payment_id is not None and refund.payment_id != found.txid:", "if False:",
       COINS_BACK + "test_what_is_not_the_payment_that_was_credited_is_not_sent"),
    _g("another amount is sent back", _CRYPTOMUS, "if (refund.amount, refund.currency) != (value, found.currency):", "if False:",
       COINS_BACK + "test_what_is_not_the_payment_that_was_credited_is_not_sent"),
    _g("coins that are on their way are sent again", _CRYPTOMUS, "            if known or found is None:", "            if found is None:",
       COINS_BACK + "test_a_refund_that_is_asked_for_again_is_sent_once"),
    _g("a no that may pass is for good", _CRYPTOMUS, "Sent.REFUSED if _is_for_good(said) else Sent.UNKNOWN", "Sent.REFUSED",
       COINS_BACK + "test_a_refund_that_does_not_show_yet_is_never_given_up"),
    _g("the same words are never read again", _CRYPTOMUS, 'f"{callback.received_at:%Y%m%d}-{sha256(callback.body).hexdigest()}"', 'f"{sha256(callback.body).hexdigest()}"',
       COINS_CALLED + "test_the_same_words_on_another_day_are_a_reason_to_read_again"),
)

_BTCPAY_GUARDS = (
    _g("any signature is the store's", _BTCPAY_SIGN, "    if not hmac.compare_digest(", "    if False and not hmac.compare_digest(", STORE_CALLED + "test_a_wrong_signature_is_refused"),
    _g("without a secret anybody is the store", _BTCPAY, "        if not self._secret:", "        if False:", STORE_CALLED + "test_without_a_secret_nobody_is_believed"),
    _g("another store's payment is read", _BTCPAY, ' or event.get("storeId") != self._settings.store_id:', ":", STORE_CALLED + "test_another_stores_payment_concerns_nobody"),
    _g("what a person marked is paid", _BTCPAY_READING, 'if found.additional == "Marked" or', "if", STORE + "test_what_is_credited_is_what_settled"),
    _g("a status alone is money", _BTCPAY_READING, 'if found.status == "Settled" and state not in (Paid.PAID, Paid.OVER):', "if False:", STORE + "test_what_is_credited_is_what_settled"),
    _g("what is not confirmed counts", _BTCPAY_READING, 'if one.status == "Settled"]', 'if one.status != "Invalid"]', STORE + "test_an_unconfirmed_payment_is_credited_when_it_settles"),
    _g("the fee of a method is credited", _BTCPAY_READING, "Fraction(one.value) - Fraction(one.fee)", "Fraction(one.value)", STORE + "test_what_is_credited_is_what_settled"),
    _g("an invoice of another store counts", _BTCPAY, "        if found.store_id != self._settings.store_id:", "        if False:", STORE + "test_an_invoice_of_another_store_is_refused"),
    _g("the store answers about another payment", _BTCPAY, "        if found.id != processor_id:", "        if False:", STORE + "test_an_answer_about_another_payment_is_refused"),
    _g("a store's other currency is ours", _BTCPAY, "        if found.currency != self._currency:", "        if False:", STORE + "test_a_payment_in_another_currency_is_refused"),
    _g("a lost answer makes a second invoice", _BTCPAY, "self._made(deposit) or ", "", STORE + "test_a_page_whose_answer_was_lost_is_the_same_when_asked_again"),
)

_DOOR_GUARDS = (
    _g("a call has no end", _CALLS, "        if len(read) > MOST_BYTES:", "        if False:", CARDS + "test_a_call_that_is_too_long_is_turned_away"),
    _g("a forged call is answered as a good one", _CALLS, '"not_authentic": 400', '"not_authentic": 200', CARDS + "test_a_forged_call_changes_nothing_and_is_counted_without_a_word_of_it"),
    _g("a call that we could not keep is never made again", _CALLS, '"away": 503', '"away": 200', CARDS + "test_while_the_database_is_away_the_processor_is_told_to_come_again"),
    _g("words pay on the live side", _API, '    if grant.mode != "test":', "    if False:", PLAY + "test_nobody_pays_with_words_on_the_live_side"),
    _g("anybody reads anybody's deposit", _API, "[store.deposit(tx, deposit_id, side)]", "[store.deposit(tx, deposit_id)]",
       PLAY + "test_nobody_sees_or_pays_or_sends_back_anothers_deposit"),
    _g("anybody sends anybody's deposit back", _API, "partial(house.till.send_back, grant.side, deposit_id)", "partial(house.till.send_back, None, deposit_id)",
       PLAY + "test_nobody_sees_or_pays_or_sends_back_anothers_deposit"),
    _g("who may only read begins deposits", _API, "grant: DepositsWrite, wanted: shapes.BeginDeposit", "grant: BalanceRead, wanted: shapes.BeginDeposit",
       ACCESS + "test_a_route_opens_to_its_own_scope_alone"),
    _g("who may only read sends deposits back", _API, "async def refund_deposit(house: AnyHouse, grant: DepositsWrite,", "async def refund_deposit(house: AnyHouse, grant: BalanceRead,",
       ACCESS + "test_a_route_opens_to_its_own_scope_alone"),
    _g("a person of the staff has two names", _CLI, "refunds.approve(tx, refund, folded(staff),", "refunds.approve(tx, refund, staff,", CLI + "test_a_large_refund_takes_two_persons"),
    _g("one word of staff is enough", _CLI, "approvals = ours.deposit_limits.approvals(refunds.refund(tx, refund).amount) or 1", "approvals = 1",
       CLI + "test_a_large_refund_takes_two_persons"),
)

_DESK_GUARDS = (
    _g("whoever sits down sends money back", _PAGES, "@care.freshly_proven\n", "", DESK + "test_asking_back_wants_a_fresh_proof_of_who_it_is"),
    _g("who is no owner sends money back", _PAGES, '@acts("owner")', "@acts()", DESK + "test_only_the_owner_asks_back"),
    _g("who is suspended pays in", _PAYING, "    care.demand_open(request.acting)\n", "", DESK + "test_a_suspended_account_pays_nothing_in"),
    _g("who is suspended redeems vouchers", _PAYING, "    care.demand_open(acting)\n", "", DESK + "test_a_suspended_account_pays_nothing_in"),
    _g("who is suspended pays test deposits", _PAGES, "    care.demand_open(acting)\n", "", DESK + "test_a_suspended_account_pays_nothing_in"),
    _g("a form begins a deposit each time it is sent", _PAYING, 'key = f"desk-{digest([_mark(request), method, amount])}"', 'key = f"desk-{care.form_mark()}"',
       DESK + "test_the_same_form_sent_twice_is_one_deposit"),
    _g("a page leads to any address", _PAGES, 'page if page.startswith(_WEB) else ""', "page", DESK + "test_the_page_leads_to_the_processor_and_to_no_other_kind_of_address"),
    _g("everybody waits for one processor", _PAYING, "    if not waiting.acquire(timeout=_WAIT_S):\n        raise ProcessorDown\n    try:\n        yield\n    finally:\n        waiting.release()\n",
       "    yield\n", DESK + "test_when_too_many_wait_for_processors_the_form_can_be_sent_again"),
)
# fmt: on
PAYMENTS = (
    *_TILL_GUARDS,
    *_ROUNDS_GUARDS,
    *_SANDBOX_GUARDS,
    *_STRIPE_GUARDS,
    *_CRYPTOMUS_GUARDS,
    *_BTCPAY_GUARDS,
    *_DOOR_GUARDS,
    *_DESK_GUARDS,
)
