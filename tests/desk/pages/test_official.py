"""Who this installation is to the outside: addresses, processors, security.txt, robots.txt, the icon."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from onceline.core.processors import store as processors
from onceline.core.processors.store import Figures
from onceline.core.suppliers import store as suppliers
from tests.desk.pages.readers import CHINESE, decide, read, words
from tests.desk.visitors import Pages

SITE = "https://otp.example.com"


@pytest.mark.promise("P17")
def test_the_official_addresses_are_those_of_the_configuration(pages: Pages) -> None:
    decide(
        pages,
        public_url=SITE,
        smtp_url="smtp://u:p@mail.example:587",
        mail_from="Onceline <notices@otp.example.com>",
        operator_contact="us@example.org",
        official_addresses=" https://status.example , ,@onceline",
    )
    for language in ("en", CHINESE):
        text = words(pages, "/official/", language)
        for address in (
            SITE,
            "notices@otp.example.com",
            "us@example.org",
            "https://status.example",
            "@onceline",
        ):
            assert address in text


def test_without_any_configuration_no_address_is_invented(pages: Pages) -> None:
    assert "has not published any address yet" in words(pages, "/official/")


def test_a_hostile_address_is_inert(pages: Pages) -> None:
    decide(pages, official_addresses="<script>alert(1)</script>,\u202eevil")
    page = read(pages, "/official/")
    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_security_txt_can_be_parsed(pages: Pages) -> None:
    decide(pages, public_url=SITE, operator_contact="us@example.org")
    answer = pages.browser().get("/.well-known/security.txt")
    assert answer["content-type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
    assert fields["Contact"] == "mailto:us@example.org"
    assert fields["Canonical"] == f"{SITE}/.well-known/security.txt"
    assert fields["Policy"] == f"{SITE}/official/#weaknesses"
    assert fields["Preferred-Languages"] == "en, zh"
    left = datetime.fromisoformat(fields["Expires"]) - pages.shop.clock.now()
    assert timedelta(days=30) < left < timedelta(days=365)
    assert 'id="weaknesses"' in read(pages, "/official/")


def test_security_txt_renews_itself(pages: Pages) -> None:
    decide(pages, operator_contact="us@example.org")
    first = pages.browser().get("/.well-known/security.txt").content
    pages.shop.pass_time(2 * 86400)
    assert pages.browser().get("/.well-known/security.txt").content != first


def test_security_txt_names_no_http_address(pages: Pages) -> None:
    decide(pages, public_url="http://localhost:8000", operator_contact="us@example.org")
    assert b"http://" not in pages.browser().get("/.well-known/security.txt").content


def test_without_a_contact_there_is_no_security_txt(pages: Pages) -> None:
    assert pages.browser().get("/.well-known/security.txt").status_code == 404


def test_robots_stay_out_of_what_is_private(pages: Pages) -> None:
    lines = pages.browser().get("/robots.txt").content.decode().splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /account/", "Disallow: /live/", "Disallow: /test/"} <= set(lines)


def test_the_icon_is_found_where_browsers_look(pages: Pages) -> None:
    answer = pages.browser().get("/favicon.ico")
    assert answer.status_code == 302
    assert answer["location"].startswith("/static/desk/favicon.svg?v=")


def test_without_processors_the_page_says_so(pages: Pages) -> None:
    assert "there is nobody" in words(pages, "/processors/")


@pytest.mark.promise("P16")
def test_whoever_the_configuration_names_is_listed(pages: Pages) -> None:
    decide(pages, smtp_url="smtp://user:secret@mail.example:587")
    with pages.shop.db.transaction() as tx:
        settings = {"account_sid": "AC_private"}
        suppliers.add(tx, pages.shop.context.vault, "twilio-eu", "twilio", settings, pages.shop.clock.now())
        suppliers.add(tx, pages.shop.context.vault, "switched-off", "smpp", {}, pages.shop.clock.now())
        suppliers.set_enabled(tx, "switched-off", False)
    for path in ("/processors/", "/policies/privacy/"):
        text = words(pages, path)
        assert "mail.example" in text
        assert "twilio-eu" in text
        assert "there is nobody" not in text
        assert not any(secret in text for secret in ("switched-off", "AC_private", "secret@", "user:"))


# Processors of payments ---------------------------------------------------------------------------------------------------

NONE = "No payment processor is connected"
BY_HAND = "It goes back the same way: by hand and on request."


def take(pages: Pages, name: str, kind: str, mode: str = "live") -> None:
    """The operator configures a processor of payments."""
    with pages.shop.db.transaction() as tx:
        settings, figures = {"url": "https://private.example"}, Figures(5_000_000, 500_000_000, 0, 0, 0)
        processors.add(tx, name, kind, mode, settings, figures, pages.shop.clock.now())


def test_without_a_processor_of_payments_the_texts_say_that_the_operator_pays_back(pages: Pages) -> None:
    assert NONE in words(pages, "/processors/")
    assert NONE in words(pages, "/policies/privacy/")
    text = words(pages, "/policies/refunds/")
    assert NONE in text
    assert BY_HAND in text


@pytest.mark.promise("P16")
def test_processors_of_payments_are_listed_with_what_they_see(pages: Pages) -> None:
    take(pages, "cards-eu", "stripe")
    take(pages, "coins", "btcpay")
    for path in ("/processors/", "/policies/privacy/"):
        text = words(pages, path)
        for said in ("cards-eu", "Takes payments by card (Stripe)", "coins", "(BTCPay Server)"):
            assert said in text
        assert NONE not in text
        assert "private.example" not in text
        assert "there is nobody" not in text
    assert "ids of the payment" in words(pages, "/policies/privacy/")


def test_the_refund_policy_says_for_each_way_to_pay_how_it_goes_back(pages: Pages) -> None:
    for name, kind in (("cards", "stripe"), ("coins", "cryptomus"), ("chain", "btcpay")):
        take(pages, name, kind)
    text = words(pages, "/policies/refunds/")
    assert "if you ask for it within 14 days" in text
    assert "to the card or account that paid" in text
    assert "From an exchange's wallet, from several inputs, or inside the processor it cannot go back" in text
    assert "It cannot go back. This kind of server" in text
    assert NONE not in text
    assert BY_HAND not in text
    assert "on the page of the deposit" in text


def test_a_processor_that_is_switched_off_or_a_play_is_nobody(pages: Pages) -> None:
    take(pages, "cards", "stripe")
    take(pages, "play", "sandbox", "test")
    with pages.shop.db.transaction() as tx:
        processors.set_enabled(tx, "cards", False)
    for path in ("/processors/", "/policies/refunds/"):
        assert NONE in words(pages, path)
    assert "play" not in words(pages, "/processors/")


def test_test_payments_through_a_real_processor_change_no_refund_policy(pages: Pages) -> None:
    take(pages, "cards", "stripe", "test")
    assert NONE not in words(pages, "/processors/")
    assert BY_HAND in words(pages, "/policies/refunds/")
