"""Banks, offices, exchanges and health services without a name: known by two independent signs, never by one."""

from __future__ import annotations

import pytest

from onceline.core.catalog.model import load_services
from onceline.core.inbox.category_frames import category, load_lexicon
from onceline.core.inbox.recognise import CONFIDENT, Recognition, ServiceBook, recognise

BOOK = ServiceBook(load_services())


def surely(text: str, sender: str | None = None, country: str | None = None) -> str | None:
    found = recognise(sender, text, BOOK, country)
    return found.service if found and found.confidence >= CONFIDENT else None


@pytest.mark.promise("A1")
def test_a_card_payment_at_a_shop_belongs_to_the_bank() -> None:
    text = "OTP for your transaction of INR 5,000 at AMAZON on card ending 1234 is 482913"
    assert recognise(None, text, BOOK) == Recognition("bank-other", 0.85, "category")


def test_the_code_of_a_shop_that_mentions_a_card_stays_the_shops() -> None:
    text = "Your Amazon verification code is 482913. Your order of $50.00 on card ending 1234 waits for it."
    assert surely(text) == "amazon"


@pytest.mark.parametrize(
    "text",
    [
        "Your A/c XX1234 is debited by Rs.2,500.00. Not you? Call us",
        "Ihre TAN 482913 für die Überweisung von 120,00 EUR",
        "Your online banking security code is 482913",
        "482913 is your OTP for UPI registration of A/c XX1234",
        "Votre code 482913 pour valider l'achat de 89,90 EUR avec votre carte *1234",
        "您尾号1234的卡正在进行网上支付，金额500.00元，验证码482913",
        "카드(1234) 결제 35,000원 인증번호 482913",
        "شراء بمبلغ 250 ريال بالبطاقة *1234 رمز 482913",
    ],
)
def test_a_bank_is_known_by_its_frame(text: str) -> None:
    assert surely(text) == "bank-other"


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Your code for the Government Gateway is 482913. Self Assessment", "government-other"),
        ("Smart-ID kontrollkood 4829", "smart-id"),
        ("Code 482913 to withdraw 0.5 BTC", "crypto-exchange-other"),
        ("Code 482913: your test results are in the patient portal", "health-other"),
    ],
)
def test_other_prohibited_categories_have_a_service_of_their_own(text: str, slug: str) -> None:
    assert surely(text) == slug


@pytest.mark.parametrize(
    "text",
    [
        "Your code is 482913",
        "Code 482913. Card ending 1234 is on file",
        "Code 482913. Your bill is $30.00",
        "Your payment code is 482913",
        "Ihre TAN lautet 482913. Bitte an der Packstation eingeben",
        "Your bank will never ask for this code 482913",
        "Never tell anyone your online banking password or this code 482913",
        "Thanks! $30.00 was charged to card ending 1234. Door code 4829",
        "Your loyalty card ending 1234: purchase of $30.00, code 482913",
        "Your gift card code is 4829, purchase of $30.00, card *1234",
        "Your test results will come. Code 482913",
        "Withdraw your winnings of $500 with code 482913",
        "Hand in your tax return. Code 482913",
    ],
)
def test_one_sign_alone_proves_nothing(text: str) -> None:
    assert surely(text) is None


def test_a_bank_that_is_named_gives_the_category_its_own_slug() -> None:
    text = "Volksbank Musterstadt: Ihre mobileTAN lautet 482913"
    assert recognise(None, text, BOOK) == Recognition("volksbank", 0.85, "category")


def test_a_sender_that_calls_itself_a_bank_is_one_sign() -> None:
    text = "Code 482913: payment of $30.00"
    assert surely(text, "Northwind") is None
    assert surely(text, "NorthwindBank") == "bank-other"
    assert surely("482913 is your code", "NorthwindBank") is None


def test_a_book_without_the_catch_all_says_nothing_of_a_category() -> None:
    text = "OTP for your transaction of INR 5,000 on card ending 1234 is 482913"
    assert recognise(None, text, ServiceBook(())) is None


def test_nobodys_name_is_a_catch_all() -> None:
    for service in load_services():
        if service.slug in load_lexicon().services.values():
            assert surely(f"Your {service.name} code is 482913") is None
            assert service.prohibited


def test_only_the_beginning_of_a_text_is_weighed() -> None:
    bank = "OTP for your transaction of INR 5,000 on card ending 1234 is 482913"
    assert category(None, bank) == "bank"
    assert category(None, "x " * 400 + bank) is None
