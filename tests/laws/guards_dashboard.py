"""The guards of the dashboard and of what a person may spend there, each with the test that must miss it."""

from __future__ import annotations

from tests.laws.mutant import Mutant

_D = "desk/dashboard/"
T = "tests/desk/dashboard/"
_SESSIONS = "desk/people/sessions.py"
_DATA = "desk/people/mydata.py"


def _g(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
DASHBOARD = (
    _g("an order costs what it costs", _D + "ordering.py", "    if not typed.strip():\n        return shown\n", "    if not typed.strip():\n        return 10**12\n",
       T + "test_order_page.py::test_nobody_pays_more_than_the_button_said"),
    _g("who is suspended orders", _D + "ordering.py", "    if acting.suspended:\n        raise AccountSuspended", "    if False:\n        raise AccountSuspended",
       T + "test_order_page.py::test_who_is_suspended_sees_everything_but_cannot_order"),
    _g("messages are made for live numbers", _D + "changes.py", '    if acting.mode != "test":', "    if False:",
       T + "test_order_cards.py::test_nobody_sends_messages_to_live_numbers"),
    _g("money is made on the live side", _D + "balance.py", '    if acting.mode != "test":', "    if False:",
       T + "test_balance.py::test_no_money_is_ever_made_on_the_live_side"),
    _g("a form makes a key each time it is sent", _D + "care.py", "        yield mark not in done", "        yield True",
       T + "test_keys.py::test_a_form_that_is_sent_again_makes_no_second_key"),
    _g("a secret is shown for ever", _D + "care.py", "    del request.session[_SHOWN]", "    pass",
       T + "test_keys.py::test_a_key_is_made_and_shown_once"),
    _g("a session forgets what another request kept in it", _SESSIONS, "                self._session_cache = self._merged()", "                pass",
       T + "test_at_once.py::test_a_key_that_is_made_while_a_page_of_the_other_mode_loads_is_shown_and_made_once"),
    _g("an extension costs what it costs", "core/orders/commands.py", "    if max_price is not None and price > max_price:", "    if False:",
       T + "test_rentals_page.py::test_an_extension_never_costs_more_than_the_button_said"),
    _g("a button says one price and costs another", _D + "changes.py", "key, max_price=seen)", "key, max_price=None)",
       T + "test_rentals_page.py::test_an_extension_never_costs_more_than_the_button_said"),
    _g("extending automatically agrees to any price", _D + "changes.py", "max_price=int(shown[0]) if shown else None", "max_price=None",
       T + "test_rentals_page.py::test_extending_automatically_never_agrees_to_more_than_was_shown"),
    _g("extending automatically needs no price", _D + "changes.py", "        if on and shown is None:", "        if False:",
       T + "test_rentals_page.py::test_extending_automatically_never_agrees_to_more_than_was_shown"),
    _g("a client says itself who it is", "relay.py", "_OF_ONE_CONNECTION | _OURS]", "_OF_ONE_CONNECTION]",
       "tests/test_relay.py::test_the_pages_hear_the_clients_address_from_us_alone"),
    _g("pages take all clients for one", "serve.py", 'settings.trusted_proxies if parents_socket is None else "*"', "settings.trusted_proxies",
       "tests/journeys/test_privacy.py::test_nothing_secret_is_stored_or_logged_in_clear"),
    _g("a renewal costs what it costs", "core/orders/renewal.py", "key, agreed.cap, agreed.price)", "key, agreed.cap, None)",
       "tests/core/orders/test_renewal.py::test_a_renewal_never_costs_more_than_when_it_was_switched_on"),
    _g("everybody reads addresses that hold secrets", _DATA, "if owner or section.name not in OWNERS_ONLY]", "if section]",
       "tests/desk/people/test_mydata.py::test_addresses_with_secrets_and_what_was_sent_there_are_for_owners"),
    _g("a version poisons the caches of another", "desk/files.py", " and (known is None or asked != known):", " and known is None:",
       "tests/desk/test_files.py::test_a_process_of_another_version_poisons_no_cache"),
)
# fmt: on
