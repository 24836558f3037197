"""Whose message is it: recognised where it says so, left alone where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onceline.core.catalog.model import Service, load_services
from onceline.core.inbox.category_frames import load_lexicon
from onceline.core.inbox.recognise import CONFIDENT, Evidence, Recognition, ServiceBook, recognise

FIXTURES = Path(__file__).parent / "fixtures" / "recognise"
MESSAGES: list[Any] = [
    pytest.param(row, id=f"{path.stem}-{number}")
    for path in sorted(FIXTURES.glob("*.json"))
    for number, row in enumerate(json.loads(path.read_text("utf-8")))
]
BOOK = ServiceBook(load_services())
CATCH_ALL = set(load_lexicon().services.values())
SLUGS = {service.slug for service in load_services()}


def surely(text: str, sender: str | None = None, country: str | None = None) -> str | None:
    found = recognise(sender, text, BOOK, country)
    return found.service if found and found.confidence >= CONFIDENT else None


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_confidently_recognised_exactly_where_it_should_be(message: dict[str, Any]) -> None:
    assert surely(message["text"], message["sender"], message["country"]) == message["expected"]


def test_several_hundred_messages_are_tried() -> None:
    assert len(MESSAGES) > 600
    assert sum(message.values[0]["expected"] is None for message in MESSAGES) > 90


def test_every_service_is_recognised_by_its_own_name() -> None:
    missed = [
        service.slug
        for service in load_services()
        if service.category not in ("special", "test")
        and service.slug not in CATCH_ALL
        and surely(f"Your {service.name} verification code is 482913") != service.slug
    ]
    assert missed == []


def test_no_service_of_test_mode_is_ever_recognised() -> None:
    for service in load_services():
        if service.category in ("special", "test"):
            assert surely(f"Your {service.name} code is 482913") is None


def test_a_prohibited_service_is_recognised_by_its_sender_alone() -> None:
    missed = [
        (service.slug, sender)
        for service in load_services()
        if service.prohibited
        for sender in (service.name, *service.senders)
        if len(sender) <= 11 and surely("482913", sender) not in (service.slug, None)
    ]
    assert missed == []


def test_the_bound_domain_outweighs_all_else() -> None:
    found = recognise("PayPal", "Your Uber code is 482913\n\n@github.com #482913", BOOK)
    assert found == Recognition("github", 0.98, "bound-domain")


def test_a_bound_domain_of_a_stranger_leaves_the_rest_in_doubt() -> None:
    assert surely("Your WhatsApp code is 482913\n\n@evil.example #482913") is None


def test_an_embedded_frame_after_the_bound_code_changes_nothing() -> None:
    assert surely("Code 482913\n\n@secure.login.gov #482913 @frame.example") == "login-gov"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("482913\n\n@github.com #482913", "bound-domain"),
        ("Your WhatsApp code: 482-913", "template"),
        ("【京东】您的验证码是482913", "tag"),
        ("Your Lyft code is 482913", "frame"),
        ("Code 482913. Never share it. https://www.lyft.com/safety", "domain"),
        ("Your code is 482913. 4sgLq1p5sV6", "app-hash"),
        ("OTP is 482913 for txn of INR 4500 at AMAZON on card ending 1234", "category"),
        ("OTP is 482913 for txn of INR 4500 at AMAZON on HDFC Bank card ending 1234", "mention"),
    ],
)
def test_the_kind_of_evidence_is_named(text: str, kind: str) -> None:
    found = recognise(None, text, BOOK)
    assert found is not None
    assert found.evidence == kind


def test_the_kinds_of_evidence_are_a_closed_list() -> None:
    kinds = get_args(Evidence)
    assert kinds == (
        "bound-domain",
        "template",
        "sender",
        "tag",
        "frame",
        "domain",
        "app-hash",
        "category",
        "mention",
    )
    answers = [
        recognise(row["sender"], row["text"], BOOK, row["country"]) for (row,) in (m.values for m in MESSAGES)
    ]
    assert {answer.evidence for answer in answers if answer} <= set(kinds)


def test_the_sender_decides_where_the_text_is_silent() -> None:
    found = recognise("WhatsApp", "482-913", BOOK)
    assert found is not None
    assert (found.service, found.evidence) == ("whatsapp", "sender")


@pytest.mark.parametrize("sender", ["WHATSAPP", "whatsapp", "Whats App", "Whats-App", " WhatsApp "])
def test_senders_are_compared_without_case_spaces_and_dashes(sender: str) -> None:
    assert surely("482913", sender) == "whatsapp"


@pytest.mark.parametrize(
    "sender", ["Verify", "AUTHMSG", "InfoSMS", "NOTICE", "SMS", "Code", "code", "Info SMS"]
)
def test_a_generic_sender_says_nothing(sender: str) -> None:
    assert recognise(sender, "482913", BOOK) is None


def test_a_sender_that_the_text_contradicts_is_doubted() -> None:
    found = recognise("Google", "Your Lyft verification code is 482913", BOOK)
    assert found is not None
    assert found.confidence < CONFIDENT


def test_a_family_may_send_for_its_members() -> None:
    assert surely("482 913 is your Instagram code. Don't share it.", "Facebook") == "instagram"
    assert surely("Your Skype code is 482913", "Microsoft") == "skype"


def test_a_family_is_the_same_seen_from_either_side() -> None:
    assert BOOK.related("facebook", "instagram")
    assert BOOK.related("instagram", "facebook")
    assert not BOOK.related("facebook", "uber")


def test_the_sender_of_a_bank_stands_whatever_shop_its_text_names() -> None:
    assert surely("482913 is your code for Uber, GBP 12.00", "HSBC") == "hsbc"


def test_a_short_code_counts_only_in_its_own_country() -> None:
    assert surely("Your code is 482913", "32665", "US") == "facebook"
    assert surely("Your code is 482913", "32665", "GB") is None
    assert surely("Your code is 482913", "32665") is None


@pytest.mark.parametrize(
    ("sender", "country", "slug"),
    [
        ("VK-SBIOTP-S", "IN", "sbi"),
        ("15885000", "KR", "woori-bank"),
        ("1588-5000", "KR", "woori-bank"),
        ("95577", "CN", "hua-xia-bank"),
        ("ZIRAATBANK", "TR", "ziraat-bankasi"),
        ("16247", "BD", "bkash"),
        ("Wave", "SN", "wave-sn"),
        ("99", "BR", "99app"),
    ],
)
def test_a_sender_of_one_country_says_nothing_in_another(sender: str, country: str, slug: str) -> None:
    assert surely("482913", sender, country) == slug
    assert surely("482913", sender, "IS") != slug


def test_digits_within_a_number_are_no_name() -> None:
    assert recognise(None, "您的验证码是604118，请勿泄露。", BOOK) is None


@pytest.mark.parametrize("sender", ["JD-HDFCBK-S", "VM-HDFCBK", "ax-hdfcbk-t", "AD-HDFCBK-G"])
def test_an_indian_header_is_read_without_its_route_and_suffix(sender: str) -> None:
    assert surely("482913 is your OTP", sender, "IN") == "hdfc-bank"


def test_an_indian_header_means_nothing_elsewhere() -> None:
    assert surely("482913 is your OTP", "JD-HDFCBK-S", "GB") is None


@pytest.mark.parametrize(
    "link",
    [
        "https://paypal.com.evil.example",
        "https://paypal.com@evil.example/",
        "https://user:paypal.com@evil.example/",
        "https://evil.example/paypal.com",
        "https://evil.example/?next=https://paypal.com",
        "https://paypal-com.example",
        "https://mypaypal.com",
        "paypal.com.",
    ],
)
def test_only_a_true_host_is_a_domain(link: str) -> None:
    expected = "paypal" if link == "paypal.com." else None
    assert surely(f"Your code is 482913. {link}") == expected


def test_a_subdomain_belongs_to_its_domain() -> None:
    assert surely("Code 482913: https://accounts.eu.lyft.com/x") == "lyft"


def test_links_that_everybody_sets_prove_nothing() -> None:
    assert surely("Your code is 482913. More: https://www.facebook.com/acme") is None
    assert surely("Your code is 482913. Get it at https://play.google.com/store") is None


@pytest.mark.parametrize(
    "text",
    [
        "The target code is 4829",
        "Hold the line, your code is 4829",
        "A wise man keeps his code: 4829",
        "Please bolt the door with code 4829",
        "Bring an apple and the code 4829",
        "Your signal code is 4829",
        "your box code is 4829",
    ],
)
def test_everyday_words_are_not_services(text: str) -> None:
    assert surely(text) is None


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Your Target verification code is 4829", "target"),
        ("Your Signal code is 4829", "signal"),
        ("Bolt: your code is 4829", "bolt"),
        ("Your Box login code is 4829", "box"),
        ("Code for Target: 4829", "target"),
    ],
)
def test_everyday_words_written_as_names_are(text: str, slug: str) -> None:
    assert surely(text) == slug


def test_an_operators_own_service_is_recognised_too() -> None:
    own = Service(
        "acme", "Acme Rockets", (), "other", False, None, ("Acme",), ("acme.example",), ("ACMEROCKET",)
    )
    book = ServiceBook((*load_services(), own))
    for sender, text in [
        (None, "Your Acme Rockets code is 482913"),
        (None, "482913\n\n@login.acme.example #482913"),
        ("AcmeRocket", "482913"),
        (None, "Acme: code 482913"),
    ]:
        found = recognise(sender, text, book)
        assert found is not None
        assert (found.service, found.confidence >= CONFIDENT) == ("acme", True)


def test_an_empty_book_recognises_nothing() -> None:
    book = ServiceBook(())
    assert recognise("WhatsApp", "Your WhatsApp code: 482-913\n\n@whatsapp.com #482913", book) is None


def test_only_the_first_2000_characters_are_read() -> None:
    assert surely("." * 2000 + " Your Lyft code is 482913") is None
    assert surely("Your Lyft code is 482913. " + "x" * 100_000) == "lyft"


@settings(max_examples=150, deadline=None)
@given(
    st.none() | st.text(max_size=20), st.text(max_size=300), st.sampled_from([None, "US", "IN", "GB", "ZZ"])
)
def test_whatever_arrives_is_survived(sender: str | None, text: str, country: str | None) -> None:
    found = recognise(sender, text, BOOK, country)
    assert found is None or (0.0 < found.confidence <= 1.0 and found.service in SLUGS)
