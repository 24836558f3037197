"""Second factors as a person meets them: a passkey from its making to its removal, an app's codes, recovery codes.

A passkey belongs to a name, never to a bare address, so its browser comes to the installation as `localhost`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from onceline.core.clock import SystemClock
from tests.browser import chromium, desk
from tests.browser.chromium import Watched, watched
from tests.browser.conftest import Profiles
from tests.browser.residents import PASSWORD, Resident, Residents

PERIOD_S = 30
NAMES = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Device:
    """Keeps passkeys and opens them at once, as a finger would. It lives as long as its tab."""

    def __init__(self, page: Page) -> None:
        self._wire = page.context.new_cdp_session(page)
        self._wire.send("WebAuthn.enable")
        made = self._wire.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        self._it = {"authenticatorId": made["authenticatorId"]}

    def passkeys(self) -> int:
        return len(self._wire.send("WebAuthn.getCredentials", self._it)["credentials"])

    def know_the_finger(self, known: bool) -> None:
        self._wire.send("WebAuthn.setUserVerified", {**self._it, "isUserVerified": known})


@pytest.fixture
def by_name(browser: Browser, residents: Residents) -> Iterator[Watched]:
    """Nobody's profile, in a browser that finds `localhost` and nothing else."""
    args = [NAMES, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    other = browser.browser_type.launch(executable_path=shutil.which(chromium.PROGRAM), args=args)
    profile = watched(other, f"http://localhost:{residents.house.port}")
    yield profile
    faults = profile.end()
    other.close()
    assert not faults, "\n".join(sorted(set(faults)))


# Passkeys ------------------------------------------------------------------------------------------------------------


def test_a_passkey_is_made_after_the_password_and_logs_in_alone(
    by_name: Watched, residents: Residents
) -> None:
    someone = _long_here(by_name, residents)
    page = by_name.open("/account/settings/security/")
    device = Device(page)
    page.get_by_role("link", name="Add a passkey").click()
    page.locator("input[name=password]").fill(PASSWORD)
    desk.send(page)
    page.locator("input[name=name]").fill("Blue laptop")
    desk.send(page)
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="Back").click()
    expect(page.locator("main")).to_contain_text("Blue laptop")
    assert device.passkeys() == 1
    _log_out(page)
    page.goto(by_name.base + "/account/login/?next=/account/settings/")
    page.get_by_role("button", name="Log in with a passkey").click()
    page.wait_for_url("**/account/settings/")
    expect(page.locator(".menu-user .menu-head")).to_have_text(someone.username)


def test_a_passkey_answers_before_a_change_and_opens_nothing_once_it_is_removed(
    by_name: Watched, residents: Residents
) -> None:
    someone = _long_here(by_name, residents)
    page = by_name.open("/account/2fa/passkeys/add/")
    device = Device(page)
    _make_passkey(page)
    by_name.become(str(residents.ask("session", username=someone.username, fresh=False)))
    page.goto(by_name.base + "/account/settings/security/")
    page.get_by_role("link", name="Remove", exact=True).click()
    _prove_by_passkey(page)
    expect(page.locator("main")).to_contain_text("Blue laptop")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".alert-list")).to_contain_text("The passkey is removed.")
    expect(page.locator("main")).not_to_contain_text("Blue laptop")
    assert device.passkeys() == 1, "the device offers it still"
    _log_out(page)
    page.goto(by_name.base + "/account/login/")
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.locator(".alert-list")).to_contain_text("This passkey was not accepted.")
    expect(page.locator("input[name=login]")).to_be_visible()


def test_after_the_password_a_passkey_is_the_second_step(by_name: Watched, residents: Residents) -> None:
    someone = _long_here(by_name, residents)
    page = by_name.open("/account/2fa/passkeys/add/")
    Device(page)
    _make_passkey(page)
    _log_out(page)
    page.goto(by_name.base + "/account/login/?next=/account/settings/")
    desk.log_in(page, someone.username)
    page.get_by_role("button", name="Use a passkey").dblclick()
    page.wait_for_url("**/account/settings/")
    expect(page.locator(".menu-user .menu-head")).to_have_text(someone.username)


def test_a_device_that_knows_nobody_makes_and_opens_no_passkey_and_the_page_says_so(
    by_name: Watched, residents: Residents
) -> None:
    _long_here(by_name, residents)
    page = by_name.open("/account/2fa/passkeys/add/")
    device = Device(page)
    _prove_by_password(page)
    device.know_the_finger(False)
    desk.send(page)
    expect(page.get_by_role("alert")).to_have_text("No passkey was made. Try again, or with another device.")
    device.know_the_finger(True)
    page.get_by_role("button", name="Make the passkey").dblclick()
    expect(page.locator(".recovery-codes")).to_be_visible()
    assert device.passkeys() == 1
    _log_out(page)
    page.goto(by_name.base + "/account/login/")
    device.know_the_finger(False)
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The passkey was not used.")
    device.know_the_finger(True)
    page.get_by_role("button", name="Log in with a passkey").dblclick()
    expect(page.locator(".menu-user")).to_be_visible()


def _long_here(profile: Watched, residents: Residents) -> Resident:
    """Logged in so long ago that a change that matters asks again."""
    someone = residents.person(fresh=False)
    profile.become(someone.session)
    return someone


def _prove_by_password(page: Page) -> None:
    page.locator("input[name=password]").fill(PASSWORD)
    desk.send(page)
    expect(page.locator("input[name=name]")).to_be_visible()


def _make_passkey(page: Page) -> None:
    _prove_by_password(page)
    page.locator("input[name=name]").fill("Blue laptop")
    desk.send(page)
    expect(page.locator(".recovery-codes")).to_be_visible()


def _prove_by_passkey(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("Is it still you?")
    page.get_by_role("main").get_by_role("link", name="A passkey").click()
    page.get_by_role("button", name="Use the passkey").click()


# An app --------------------------------------------------------------------------------------------------------------


def test_an_app_is_set_up_asked_for_and_each_code_of_it_lets_in_once(
    profiles: Profiles, residents: Residents
) -> None:
    someone = residents.person()
    page = profiles(someone.session).open("/account/settings/security/")
    page.get_by_role("link", name="Set up an app").click()
    secret, step = _secret(page), _step()
    _answer(page, code_at(secret, step))
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    _to_second_step(page, residents, someone)
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)
    _answer(page, _wrong(secret, step))
    expect(page.locator("main")).to_contain_text("This code is wrong or too old.")
    expect(page.locator("input[name=code]")).to_have_attribute("aria-invalid", "true")
    _answer(page, code_at(secret, step + 1))
    expect(page.locator(".menu-user .menu-head")).to_have_text(someone.username)
    _to_second_step(page, residents, someone)
    _answer(page, code_at(secret, step + 1))
    expect(page.locator("main")).to_contain_text("This code was used before.")
    page.goto(residents.house.base + "/account/settings/security/")
    expect(page.locator("h1")).to_have_text("Second step")


def test_recovery_codes_are_given_to_keep_and_each_lets_in_once(
    profiles: Profiles, residents: Residents
) -> None:
    someone = residents.person()
    page = profiles(someone.session).open("/account/2fa/totp/activate/")
    _answer(page, code_at(_secret(page), _step()))
    shown = page.locator(".recovery-codes li").all_inner_texts()
    with page.expect_download() as kept:
        page.get_by_role("link", name="Download").click()
    text = Path(kept.value.path()).read_text()
    assert re.findall(r"^\d{8}$", text, re.MULTILINE) == shown
    assert len(set(shown)) == 10
    _to_second_step(page, residents, someone)
    _answer(page, shown[0])
    expect(page.locator(".menu-user .menu-head")).to_have_text(someone.username)
    page.goto(residents.house.base + "/account/settings/security/")
    expect(page.locator("main")).to_contain_text("9 codes are left.")
    _to_second_step(page, residents, someone)
    _answer(page, shown[0])
    expect(page.locator("main")).to_contain_text("This code is wrong or too old.")
    _answer(page, shown[1])
    expect(page.locator(".menu-user .menu-head")).to_have_text(someone.username)


def code_at(secret: str, step: int) -> str:
    """RFC 6238: six digits of the step's HMAC-SHA-1."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[at : at + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def _step() -> int:
    """Now. It and the next one are accepted for as long as the next one lasts."""
    return int(SystemClock().now().timestamp()) // PERIOD_S


def _wrong(secret: str, step: int) -> str:
    near = {code_at(secret, at) for at in range(step - 2, step + 5)}
    return next(code for code in ("000000", *(f"{n}" * 6 for n in range(1, 9))) if code not in near)


def _secret(page: Page) -> str:
    return re.sub(r"\s", "", page.locator(".secret code").inner_text())


def _answer(page: Page, code: str) -> None:
    page.locator("input[name=code]").fill(code)
    desk.send(page)


def _to_second_step(page: Page, residents: Residents, someone: Resident) -> None:
    _log_out(page)
    page.goto(residents.house.base + "/account/login/")
    desk.log_in(page, someone.username)
    expect(page.locator("h1")).to_have_text("Second step")


def _log_out(page: Page) -> None:
    page.locator(".menu-user summary").click()
    page.locator(".menu-user form button").click()
    expect(page.locator(".menu-user")).to_have_count(0)
