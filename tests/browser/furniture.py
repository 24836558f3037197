"""What a lived-in account looks like: two weeks of orders in every state, messages in many scripts, keys, notices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from onceline.core.access import commands as access
from onceline.core.access.model import Grant
from onceline.core.catalog import store as catalog
from onceline.core.exports import commands as exports
from onceline.core.exports.model import Request
from onceline.core.money import MICROS
from onceline.core.notices import commands as notices
from onceline.core.orders.model import Order
from onceline.core.webhooks import commands as webhooks
from onceline.core.webhooks.commands import Wanted
from onceline.core.webhooks.store import Owner
from onceline.desk.people.models import Invitation, Person
from onceline.payments.sandbox.paying import pay
from onceline.payments.till import Till
from onceline.suppliers.sandbox import stock
from tests.browser.residents import DAYS
from tests.desk.visitors import Pages
from tests.shop import DRAIN_S, FOUR_HOURS, WINDOW_S, Customer, Shop, numbers

MONTH = 30 * 86400
TEAM = ("alice", "bob", "olivia")
KEYS = ("Shop tests", "Nightly run", "Export")
WEBHOOKS = ("Sign-up tests", "The old server")


@dataclass(frozen=True, slots=True)
class Told:
    service: str
    country: str
    sender: str
    text: str


ARRIVED = [
    Told("telegram", "GB", "Telegram", "Telegram code: 48291. You can also tap this link: https://t.me/login/48291"),
    Told("whatsapp", "ID", "WhatsApp", "Kode WhatsApp Anda: 482-913. Jangan bagikan kode ini."),
    Told("google", "BR", "Google", "G-552018 é seu código de verificação do Google."),
    Told("wechat", "HK", "微信", "【微信】验证码 904113，5分钟内有效。请勿告诉他人。"),
    Told("discord", "DE", "Discord", "Dein Discord-Sicherheitscode lautet: 771204"),
    Told("telegram", "KZ", "Telegram", "Код Telegram: 55201. Никому не сообщайте его."),
    Told("instagram", "EG", "Instagram", "رمز التحقق الخاص بك هو 994211 لا تشاركه مع أحد"),
    Told("amazon", "IN", "AMAZON", "638204 is your Amazon OTP. Do not share it with anyone."),
    Told("uber", "MX", "Uber", "Tu código de Uber es 4471. Nunca compartas este código."),
    Told("line", "JP", "LINE", "認証番号「883210」をLINEで入力してください。"),
    Told("signal", "FR", "Signal", "SIGNAL : votre code est le 310-552"),
    Told("netflix", "US", "Netflix", "Your Netflix verification code is 702431."),
]  # fmt: skip


def furnish(pages: Pages, hooks: list[str]) -> None:
    """Alice has been here for a while; Bob and Olivia are her team mates. The clock ends at the present."""
    clock, present = pages.shop.clock, pages.shop.clock.now()
    shop = Shop(pages.shop.db, replace(pages.shop.context, clock=clock), clock)
    shop.pass_time(-DAYS * 86400)
    alice = pages.person(TEAM[0], balance=200 * MICROS)
    pages.person(TEAM[1], account=alice.account, role="buyer")
    pages.person(TEAM[2], account=alice.account, role="viewer")
    her = _customer(shop, alice)
    _invite(pages, alice)
    _open_shop(shop)
    _listen(shop, her, hooks)
    rental = _rent(shop, her)
    for one in range(2 * len(ARRIVED)):
        _some_order(shop, her, one)
    _go_to(shop, present - timedelta(hours=3))
    shop.sms(rental.e164, "Your Proton code is 220417", "Proton")
    _go_to(shop, present - timedelta(minutes=7))
    _live(shop, her)
    _go_to(shop, present)
    _papers(shop, her)
    _pay_in(shop, her)


def _open_shop(shop: Shop) -> None:
    """What the public pages show: numbers that cost money. And test numbers enough for every story of the folder."""
    with shop.db.transaction() as tx:
        stock.add(tx, stock.PLAIN, "GB", 200, shop.clock.now())
    pool = shop.pool("main", mode="live")
    for at, told in enumerate(ARRIVED):
        shop.stock(told.country, numbers(30 + 17 * at, 1000 * at), pool="main")
        with shop.db.transaction() as tx:
            catalog.set_price(
                tx, pool, (9 + 7 * at) * MICROS // 100, service=told.service, country=told.country
            )


def _listen(shop: Shop, her: Customer, hooks: list[str]) -> None:
    owner = Owner(her.account, her.side)
    for address, words in zip(hooks, WEBHOOKS, strict=True):
        with shop.db.transaction() as tx:
            webhooks.create(
                tx,
                shop.context.vault,
                owner,
                Wanted(address, words, None, "full", 1),
                "v1",
                shop.clock.now(),
            )


def _some_order(shop: Shop, her: Customer, one: int) -> None:
    told = ARRIVED[one % len(ARRIVED)]
    shop.pass_time(3 * 3600 + 977 * one)
    order = shop.place(her, told.service, told.country)
    shop.pass_time(14 + one)
    match one % 6:
        case 3:
            shop.pass_time(180)
            shop.cancel(her, order)
        case 5:
            shop.wait(WINDOW_S + DRAIN_S)
        case _:
            shop.sms(order.e164, told.text, told.sender)
            shop.finish(her, order)


def _rent(shop: Shop, her: Customer) -> Order:
    past = shop.place(her, "full", "NL", kind="rental", duration_s=FOUR_HOURS)
    order = shop.place(her, "full", "GB", kind="rental", duration_s=MONTH)
    for told in ARRIVED[:3]:
        shop.pass_time(2600)
        shop.sms(order.e164, told.text, told.sender)
        shop.sms(past.e164, told.text, told.sender)
    shop.wait(FOUR_HOURS)
    return order


def _live(shop: Shop, her: Customer) -> None:
    """Nothing here is older than a window: the installation's own clock goes on with it."""
    wanted = (ARRIVED[1], ARRIVED[3], ARRIVED[0])
    arrived, again, _ = (shop.place(her, told.service, told.country) for told in wanted)
    shop.pass_time(11)
    shop.sms(arrived.e164, ARRIVED[1].text, ARRIVED[1].sender)
    shop.sms(again.e164, ARRIVED[3].text, ARRIVED[3].sender)
    shop.pass_time(20)
    shop.resend(her, again)
    shop.pass_time(380)
    shop.place(her, ARRIVED[4].service, ARRIVED[4].country)


def _papers(shop: Shop, her: Customer) -> None:
    """Keys, notices and exports."""
    now = shop.clock.now()
    with shop.db.transaction() as tx:
        for name, cap in ((KEYS[0], None), (KEYS[1], 50 * MICROS)):
            access.create_key(
                tx, side=her.side, mode="test", kind="api", name=name, scopes=(), expires_at=None, now=now,
                spend_cap=cap,
            )  # fmt: skip
        notices.tell(
            tx, account=her.account, kind="balance.low", mode="test", now=now,
            facts={"available": "4.5000", "threshold": "5.0000", "currency": "USD"},
        )  # fmt: skip
    for kind, form in (("orders", "csv"), ("statement", "json")):
        with shop.db.transaction() as tx:
            exports.ask(tx, _grant(shop, her), Request(kind, form), now)


def _pay_in(shop: Shop, her: Customer) -> None:
    """A deposit that waits to be paid, and one that can go back."""
    till = Till(shop.db, shop.context, None)
    _, paid = (
        till.begin(her.side, "sandbox", 25 * MICROS, key, "https://otp.example.com/").deposit.id
        for key in ("waits", "paid")
    )
    with shop.db.transaction() as tx:
        pay(tx, her.side, paid, "paid", shop.clock.now())
    till.ask(paid)


def _grant(shop: Shop, her: Customer) -> Grant:
    with shop.db.transaction() as tx:
        _, key = access.create_key(
            tx, side=her.side, mode="test", kind="api", name=KEYS[2], scopes=(), expires_at=None, now=shop.clock.now(),
        )  # fmt: skip
        return access.authenticate(tx, key, shop.clock.now())


def _invite(pages: Pages, alice: Person) -> None:
    made = {
        "email": "dora@example.com",
        "role": "viewer",
        "key_hash": "0" * 64,
        "made_at": pages.house.clock.now(),
    }
    Invitation.objects.create(account=alice.account, invited_by=alice, **made)


def _go_to(shop: Shop, instant: datetime) -> None:
    shop.pass_time((instant - shop.clock.now()).total_seconds())


def _customer(shop: Shop, person: Person) -> Customer:
    with shop.db.transaction() as tx:
        return Customer(person.username, person.account, access.side_of(tx, person.account, "test"), "")
