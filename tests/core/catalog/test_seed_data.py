"""The seed catalogue holds together: nothing twice, nothing for sale that must not be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import phonenumbers
import pytest

from onceline.core.catalog.model import Country, Service, load_countries, load_services
from onceline.core.inbox.service_book import fold

SERVICES = load_services()
COUNTRIES = load_countries()
BY_CODE = {code: service for service in SERVICES for code in service.codes}
BY_SLUG = {service.slug: service for service in SERVICES}
PROHIBITED = {"bank", "payment", "crypto-exchange", "investing", "government", "tax", "health"}
# Codes that clients of the field send every day, with the service they mean.
FIELD_CODES = """
wa whatsapp tg telegram vi viber wb wechat go google gf google-voice fb facebook ig instagram tw twitter
ds discord lf tiktok fu snapchat tn linkedin mm microsoft wx apple am amazon mb yahoo pm aol dp proton zh zoho
ma mail-ru ya yandex vk vk ok ok av avito ym youla tc rambler uu wildberries sg ozon oi tinder mo bumble vz hinge
df happn fd mamba yw grindr pf plenty-of-fish wg skout kt kakaotalk me line nv naver im imo qq qq kf weibo
bl bigo-live zs bilibili rc skype bf keybase qr mega ub uber tu lyft tx bolt ly ola rl indrive xk didi ls careem
tq swvl jg grab ni gojek ki 99app aq glovo nz foodpanda rr wolt zk deliveroo ac doordash uk airbnb sn olx dh ebay
ka shopee dl lazada hx aliexpress ab alibaba hw alipay yn allegro cq mercado do leboncoin kc vinted
gx hepsiburada oc dealshare cn fiverr gp ticketmaster ew nike pz lidl ts paypal ij revolut bo wise yy venmo
nu stripe re coinbase ti crypto-com dn paxful mt steam bz blizzard hb twitch nf netflix zo kaggle lr okta
ee twilio dr openai uf eneba ot other full full
"""
CODES = FIELD_CODES.split()

NOT_FOR_SALE = """
paypal revolut wise venmo stripe coinbase crypto-com paxful alipay cash-app binance barclays hsbc chase
sberbank sbi hdfc-bank icbc bbva santander itau gov-uk irs id-me login-gov gosuslugi hmrc nhs aadhaar
"""

BANKS = {
    "US": "chase bank-of-america wells-fargo citibank capital-one us-bank pnc-bank truist usaa",
    "CN": "icbc china-construction-bank agricultural-bank-of-china bank-of-china china-guangfa-bank",
    "IN": "sbi hdfc-bank icici-bank axis-bank punjab-national-bank uco-bank bank-of-maharashtra",
    "ID": "bca bri bni bank-mandiri btn-indonesia danamon",
    "BR": "itau bradesco banco-do-brasil caixa nubank sicoob",
    "PK": "hbl ubl mcb-bank meezan-bank allied-bank-pakistan",
    "NG": "gtbank zenith-bank access-bank uba fcmb",
    "BD": "bkash islami-bank-bangladesh brac-bank sonali-bank",
    "RU": "sberbank vtb tbank alfa-bank promsvyazbank",
    "MX": "bbva banamex banorte inbursa",
    "JP": "mufg smbc mizuho-bank resona-bank seven-bank",
    "PH": "bdo bpi metrobank rcbc",
    "EG": "nbe banque-misr cib-egypt alexbank",
    "VN": "vietcombank bidv techcombank shb-vietnam",
    "TR": "ziraat-bankasi isbank garanti-bbva kuveyt-turk",
    "IR": "bank-melli-iran mellat-bank bank-saderat tejarat-bank",
    "DE": "sparkasse deutsche-bank commerzbank dkb haspa",
    "TH": "bangkok-bank kasikornbank siam-commercial-bank gsb-thailand",
    "GB": "barclays hsbc lloyds-bank natwest coventry-building-society",
    "FR": "bnp-paribas credit-agricole societe-generale bred",
    "IT": "intesa-sanpaolo unicredit banco-bpm bnl",
    "ZA": "standard-bank-south-africa fnb absa african-bank",
    "KR": "kb-kookmin-bank shinhan-bank woori-bank toss-bank",
    "CO": "bancolombia davivienda banco-caja-social",
    "ES": "santander caixabank banco-sabadell kutxabank",
    "AR": "banco-nacion banco-galicia banco-supervielle",
    "UA": "privatbank oschadbank monobank sense-bank",
    "PL": "pko-bank-polski mbank bank-pekao velobank",
    "CA": "rbc td-bank scotiabank vancity interac",
    "SA": "al-rajhi-bank riyad-bank bank-albilad",
    "AU": "commonwealth-bank anz nab westpac boq",
}


def twice(values: Iterable[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def test_the_catalogue_is_as_large_as_the_fields() -> None:
    assert len(SERVICES) >= 3000
    assert len(BY_CODE) >= 450


def test_slugs_are_plain_unique_and_sorted() -> None:
    slugs = [service.slug for service in SERVICES]
    assert twice(slugs) == []
    assert slugs == sorted(slugs)
    assert [slug for slug in slugs if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)] == []


def test_no_two_services_share_a_code() -> None:
    assert twice(code for service in SERVICES for code in service.codes) == []
    assert [code for code in BY_CODE if not re.fullmatch(r"[a-z0-9]{2,4}", code)] == []


@pytest.mark.parametrize(("code", "slug"), list(zip(CODES[::2], CODES[1::2], strict=True)))
def test_a_code_of_the_field_means_its_service(code: str, slug: str) -> None:
    assert BY_CODE[code].slug == slug


def test_no_two_services_share_a_domain() -> None:
    domains = [domain for service in SERVICES for domain in service.domains]
    assert twice(domains) == []
    assert [domain for domain in domains if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain)] == []


def test_no_two_services_share_a_name() -> None:
    names = [fold(name) for service in SERVICES for name in (service.name, *service.aliases)]
    assert twice(names) == []
    assert "" not in names


def test_no_sender_of_a_service_is_the_name_of_another() -> None:
    owners = {fold(name): service.slug for service in SERVICES for name in (service.name, *service.aliases)}
    senders = [(fold(sender), service.slug) for service in SERVICES for sender in service.senders]
    assert twice(sender for sender, _ in senders) == []
    assert [pair for pair in senders if owners.get(pair[0], pair[1]) != pair[1]] == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.slug)
def test_a_service_is_complete(service: Service) -> None:
    assert service.name.strip() == service.name != ""
    assert service.prohibited == (service.category in PROHIBITED)
    assert service.window_s is None or 1200 <= service.window_s <= 3600
    assert re.fullmatch(r"[a-z-]+", service.category)


@pytest.mark.promise("A1")
@pytest.mark.parametrize("slug", NOT_FOR_SALE.split())
def test_money_offices_and_health_are_not_for_sale(slug: str) -> None:
    assert BY_SLUG[slug].prohibited


@pytest.mark.parametrize("slug", ["whatsapp", "google", "uber", "netflix", "other", "full", "test-success"])
def test_everyday_services_are_for_sale(slug: str) -> None:
    assert not BY_SLUG[slug].prohibited


def test_well_known_banks_of_the_world_are_there_to_be_withheld() -> None:
    assert sum(service.category in ("bank", "payment") for service in SERVICES) >= 1000


@pytest.mark.promise("A1")
@pytest.mark.parametrize("country", BANKS)
def test_the_great_banks_of_a_large_country_are_prohibited(country: str) -> None:
    assert [slug for slug in BANKS[country].split() if not BY_SLUG[slug].prohibited] == []


@pytest.mark.promise("A1")
def test_every_prohibited_category_is_in_use_and_the_large_ones_have_a_catch_all() -> None:
    assert {service.category for service in SERVICES if service.prohibited} == PROHIBITED
    for category in ("bank", "government", "crypto-exchange", "health"):
        assert BY_SLUG[f"{category}-other"].category == category


def test_the_special_services_and_those_of_test_mode_are_there() -> None:
    assert {service.slug for service in SERVICES if service.category == "special"} == {"other", "full"}
    assert {service.slug for service in SERVICES if service.category == "test"} == {
        "test-success",
        "test-delayed",
        "test-timeout",
        "test-no-numbers",
        "test-two-codes",
    }


@pytest.mark.parametrize(
    ("code", "window"), [("ya", 2400), ("ft", 3600), ("ig", 3600), ("cy", 3600), ("wx", 3600)]
)
def test_slow_services_have_a_longer_window(code: str, window: int) -> None:
    assert BY_CODE[code].window_s == window


def test_every_country_of_iso_3166_is_there_once() -> None:
    codes = [country.iso2 for country in COUNTRIES]
    assert twice(codes) == []
    assert len(codes) == 250
    assert codes == sorted(codes)
    assert twice(country.name for country in COUNTRIES) == []


@pytest.mark.parametrize("country", COUNTRIES, ids=lambda country: country.iso2)
def test_a_country_has_its_dial_code(country: Country) -> None:
    assert country.dial_code.isdigit()
    assert int(country.calling_code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    known = phonenumbers.country_code_for_region(country.iso2)
    assert known in (0, int(country.calling_code))


def test_field_ids_are_unique_and_the_united_states_are_the_real_ones() -> None:
    ids = {country.iso2: country.field_id for country in COUNTRIES if country.field_id is not None}
    assert len(set(ids.values())) == len(ids) >= 195
    assert (ids["US"], ids["GB"], ids["RU"], ids["CD"], ids["CG"], ids["FO"]) == (187, 16, 0, 18, 150, 202)


def test_a_dial_code_names_its_area_in_the_shared_plan() -> None:
    dial = {country.iso2: country.dial_code for country in COUNTRIES}
    assert (dial["US"], dial["CA"], dial["JM"], dial["GB"]) == ("1", "1", "1876", "44")
