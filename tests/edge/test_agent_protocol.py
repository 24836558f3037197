"""POST /agent/v1: another hub buys from us, with a protocol key in the body and numbers that are numbers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from onceline.config import Settings
from onceline.core.access import commands as access
from onceline.core.db import Database
from onceline.core.hubs import store as hubs
from onceline.core.money import MICROS
from onceline.core.orders.context import Context
from onceline.edge.protocols.agent import MOST_BODY, PATH
from onceline.workers.expire import expire_round
from onceline.workers.hub_push import HubPusher
from tests.edge.door import serving
from tests.shop import CANCEL_LOCK_S, DRAIN_S, WINDOW_S, Customer, Shop, numbers

PRICE = MICROS // 4
BALANCE = 100 * MICROS
HUB_KEY = "the-key-that-the-hub-gave-us"
USD = 840


@dataclass
class Side:
    """A hub as it speaks to us."""

    shop: Shop
    url: str
    http: httpx.Client
    who: Customer
    key: str

    def send(self, action: str, **fields: Any) -> httpx.Response:
        return self.raw({"action": action, "key": self.key} | fields)

    def raw(self, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(self.url + PATH, content=content, headers=headers)

    def say(self, action: str, **fields: Any) -> dict[str, Any]:
        """An answer that HTTP calls good."""
        answer = self.send(action, **fields)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def number(self, **fields: Any) -> dict[str, Any]:
        usual = {"country": "england", "service": "tg", "operator": "any", "sum": 0.25, "currency": USD}
        return self.say("GET_NUMBER", **(usual | fields))

    def bought(self, **fields: Any) -> tuple[int, str]:
        found = self.number(**fields)
        assert found["status"] == "SUCCESS", found
        return found["activationId"], f"+{found['number']}"

    def finish(self, activation: int, status: int) -> dict[str, Any]:
        return self.say("FINISH_ACTIVATION", activationId=activation, status=status)

    def counts(self, country: str = "england") -> dict[str, int]:
        """What is said to be there, by code."""
        listed = self.say("GET_SERVICES")["countryList"]
        return next((one["operatorMap"]["any"] for one in listed if one["country"] == country), {})

    def state(self, activation: int) -> str:
        return str(self.shop.value("select state from orders where id = %(id)s", id=activation))


@pytest.fixture
def stock(shop: Shop) -> list[str]:
    shop.pool("own", PRICE, mode="live")
    mine = numbers(3)
    shop.stock("GB", mine, pool="own")
    return mine


@pytest.fixture
def hub(shop: Shop, settings: Settings, context: Context, db: Database, stock: list[str]) -> Iterator[Side]:
    who = shop.customer("hub", BALANCE, mode="live")
    with db.transaction() as tx:
        add_hub(shop, who, HUB_KEY)
        _, key = access.create_key(
            tx, side=who.side, mode="live", kind="protocol", name="hub", scopes=(), expires_at=None,
            now=shop.clock.now(),
        )  # fmt: skip
    with serving(settings, db, context) as url, httpx.Client(timeout=20) as http:
        yield Side(shop, url, http, who, key)


def add_hub(shop: Shop, who: Customer, key: str, countries: str = "names") -> None:
    with shop.db.transaction() as tx:
        hubs.add(
            tx, shop.context.vault, account=who.account, side=who.side, url="http://127.0.0.1:1/push", key=key,
            countries=countries, now=shop.clock.now(),
        )  # fmt: skip


def test_a_hub_hears_what_is_there_and_buys_it(hub: Side, shop: Shop, stock: list[str]) -> None:
    assert hub.counts()["tg"] == len(stock)
    activation, number = hub.bought()
    assert number in stock
    assert hub.state(activation) == "waiting"
    assert shop.balance(hub.who).held == PRICE
    shop.sms(number, "Telegram code 48291")
    assert hub.finish(activation, 3) == {"status": "SUCCESS"}
    assert hub.state(activation) == "finished"
    assert shop.balance(hub.who).available == BALANCE - PRICE
    shop.assert_books_are_true()


def test_the_hubs_own_key_opens_as_well_as_ours(hub: Side, stock: list[str]) -> None:
    hub.key = HUB_KEY
    assert hub.counts()["tg"] == len(stock)


def test_countries_are_told_by_number_where_the_hub_wants_it(hub: Side, shop: Shop) -> None:
    add_hub(shop, hub.who, HUB_KEY, countries="ids")
    assert [one["country"] for one in hub.say("GET_SERVICES")["countryList"]] == [16]
    assert hub.number(country=16)["status"] == "SUCCESS"
    assert hub.number(country="16")["status"] == "SUCCESS"


@pytest.mark.promise("A1")
def test_a_bank_is_never_offered_and_never_sold(hub: Side) -> None:
    counts = hub.counts()
    assert "tg" in counts
    assert counts.keys().isdisjoint({"ts", "ij", "bo", "re", "ti"})
    for code in ("ts", "ij", "re"):
        assert hub.number(service=code)["status"] == "ERROR"
    assert hub.shop.value("select count(*) from orders") == 0


def test_what_the_hub_cannot_get_is_not_counted(hub: Side, shop: Shop, stock: list[str]) -> None:
    activation, number = hub.bought()
    shop.sms(number, "Telegram code 48291")
    hub.finish(activation, 3)
    shop.pass_time(3600)
    stranger = shop.customer("another", mode="live")
    with shop.db.transaction() as tx:
        told = {
            (row.country, row.service): row.numbers
            for row in hubs.stock(tx, hub.who.side, 200, shop.clock.now())
        }
        theirs = {
            (row.country, row.service): row.numbers
            for row in hubs.stock(tx, stranger.side, 200, shop.clock.now())
        }
        two = {row.numbers for row in hubs.stock(tx, hub.who.side, 2, shop.clock.now())}
    assert told["GB", "telegram"] == theirs["GB", "telegram"] == len(stock) - 1
    assert told["GB", "whatsapp"] == len(stock)
    assert two == {2}


def test_a_number_that_the_side_had_in_vain_is_counted_for_others_alone(
    hub: Side, shop: Shop, stock: list[str]
) -> None:
    activation, _ = hub.bought()
    shop.wait(CANCEL_LOCK_S)
    hub.finish(activation, 4)
    shop.pass_time(3600)
    stranger = shop.customer("another", mode="live")
    counted = []
    for side in (hub.who.side, stranger.side):
        with shop.db.transaction() as tx:
            rows = hubs.stock(tx, side, 200, shop.clock.now())
        counted.append(next(row.numbers for row in rows if row.service == "telegram"))
    assert counted == [len(stock) - 1, len(stock)]


def test_without_money_nothing_is_offered_and_nothing_sold(hub: Side, shop: Shop) -> None:
    poor = shop.customer("poor", PRICE - 1, mode="live")
    add_hub(shop, poor, "another key of sixteen")
    poor_hub = Side(shop, hub.url, hub.http, poor, "another key of sixteen")
    assert poor_hub.say("GET_SERVICES") == {"status": "SUCCESS", "countryList": []}
    assert poor_hub.number() == {"status": "NO_NUMBERS"}
    assert shop.balance(poor).held == 0


@pytest.mark.promise("M3")
def test_without_stock_the_answer_is_no_numbers_and_nothing_is_held(hub: Side, shop: Shop) -> None:
    shop.empty("GB", pool="own")
    assert hub.number() == {"status": "NO_NUMBERS"}
    assert shop.balance(hub.who).held == 0


def test_hubs_that_ask_at_once_get_a_number_each_or_none(hub: Side, shop: Shop, stock: list[str]) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: hub.number(), range(8)))
    bought = [f"+{one['number']}" for one in found if one["status"] == "SUCCESS"]
    assert sorted(bought) == sorted(stock)
    assert shop.balance(hub.who).held == PRICE * len(stock)
    shop.assert_books_are_true()


def test_a_sum_below_the_price_buys_nothing(hub: Side, shop: Shop) -> None:
    assert hub.number(sum=0.2499) == {"status": "NO_NUMBERS"}
    assert hub.number(sum=0) == {"status": "NO_NUMBERS"}
    assert shop.balance(hub.who).held == 0
    assert hub.number(sum=1)["status"] == "SUCCESS"


def test_a_number_never_begins_with_an_excluded_prefix(hub: Side, shop: Shop, stock: list[str]) -> None:
    first, second, third = sorted(stock)
    for _ in range(3):
        activation, number = hub.bought(exceptionPhoneSet=[first[1:], third[1:], "7918"], service="wa")
        assert number == second
        assert shop.value("select count(*) from numbers where state = 'leased'") == 1
        shop.run("delete from orders where id = %(id)s", id=activation)
        shop.run("update numbers set state = 'free'")
        shop.pass_time(6)


@pytest.mark.parametrize("excluded", [[], ["1"]], ids=["any number", "not any number"])
def test_a_key_whose_cap_is_reached_is_told_that_there_is_no_number(
    hub: Side, shop: Shop, stock: list[str], excluded: list[str]
) -> None:
    with shop.db.transaction() as tx:
        _, hub.key = access.create_key(
            tx, side=hub.who.side, mode="live", kind="protocol", name="capped", scopes=(), expires_at=None,
            now=shop.clock.now(), spend_cap=2 * PRICE - 1,
        )  # fmt: skip
    hub.bought(exceptionPhoneSet=excluded)
    assert hub.number(exceptionPhoneSet=excluded) == {"status": "NO_NUMBERS"}
    assert shop.value("select spent from spend_caps") == PRICE
    shop.assert_books_are_true()


def test_when_every_number_is_excluded_no_money_is_kept(hub: Side, shop: Shop) -> None:
    assert hub.number(exceptionPhoneSet=["999"]) == {"status": "NO_NUMBERS"}
    assert shop.balance(hub.who).held == 0
    assert shop.value("select count(*) from orders") == 0
    assert "order.placed" not in shop.events(hub.who)
    shop.assert_books_are_true()


def test_a_pool_that_must_be_asked_first_is_neither_offered_nor_sold(hub: Side, shop: Shop) -> None:
    """Also when numbers of it are known, because it named them for earlier orders."""
    shop.pool("asked", PRICE // 2, mode="live", asks=True, tells=True)
    shop.stock("GB", numbers(1, first=50), pool="asked")
    shop.empty("GB", pool="own")
    assert hub.counts() == {}
    assert hub.number() == {"status": "NO_NUMBERS"}
    assert shop.value("select count(*) from orders") == 0


def test_finishing_twice_is_finishing_once(hub: Side, shop: Shop) -> None:
    activation, number = hub.bought()
    shop.sms(number, "Telegram code 48291")
    assert [hub.finish(activation, 3) for _ in range(2)] == [{"status": "SUCCESS"}] * 2
    assert hub.finish(activation, 4) == {"status": "SUCCESS"}
    assert hub.state(activation) == "finished"
    assert shop.balance(hub.who).available == BALANCE - PRICE


@pytest.mark.parametrize("status", [1, 4, 5])
@pytest.mark.promise("M1")
def test_a_cancellation_releases_the_money(hub: Side, shop: Shop, status: int) -> None:
    activation, _ = hub.bought()
    shop.pass_time(CANCEL_LOCK_S)
    assert hub.finish(activation, status) == {"status": "SUCCESS"}
    assert hub.state(activation) == "cancelled"
    assert shop.balance(hub.who).available == BALANCE


@pytest.mark.promise("M1")
def test_a_cancellation_within_the_lock_is_understood_and_made_when_the_lock_ends(
    hub: Side, shop: Shop, db: Database, context: Context
) -> None:
    activation, _ = hub.bought()
    assert [hub.finish(activation, 4) for _ in range(2)] == [{"status": "SUCCESS"}] * 2
    pusher = HubPusher(db, context)
    pusher.look(lambda hub, push: None)
    assert hub.state(activation) == "waiting"
    shop.pass_time(CANCEL_LOCK_S)
    pusher.look(lambda hub, push: None)
    assert hub.state(activation) == "cancelled"
    assert shop.balance(hub.who).available == BALANCE
    assert shop.value("select count(*) from hub_cancels") == 0


def test_a_code_that_comes_before_the_delayed_cancellation_wins(
    hub: Side, shop: Shop, db: Database, context: Context
) -> None:
    activation, number = hub.bought()
    hub.finish(activation, 4)
    shop.sms(number, "Telegram code 48291")
    shop.pass_time(CANCEL_LOCK_S)
    HubPusher(db, context).look(lambda hub, push: None)
    assert hub.state(activation) == "received"
    assert shop.balance(hub.who).available == BALANCE - PRICE
    assert shop.value("select count(*) from hub_cancels") == 0


def test_sold_without_a_code_is_understood_and_costs_nothing(hub: Side, shop: Shop, db: Database) -> None:
    activation, _ = hub.bought()
    assert hub.finish(activation, 3) == {"status": "SUCCESS"}
    assert hub.state(activation) == "waiting"
    shop.pass_time(WINDOW_S + DRAIN_S + 1)
    expire_round(db, shop.context)
    assert shop.balance(hub.who).available == BALANCE


def test_money_once_taken_is_not_given_back_by_a_word_of_the_hub(hub: Side, shop: Shop) -> None:
    activation, number = hub.bought()
    shop.sms(number, "Telegram code 48291")
    assert hub.finish(activation, 5) == {"status": "SUCCESS"}
    assert shop.balance(hub.who).available == BALANCE - PRICE


def test_another_sides_activation_is_not_there(hub: Side, shop: Shop) -> None:
    activation, _ = hub.bought()
    stranger = shop.customer("another", mode="live")
    add_hub(shop, stranger, "another key of sixteen")
    shop.pass_time(CANCEL_LOCK_S)
    other = Side(shop, hub.url, hub.http, stranger, "another key of sixteen")
    assert other.finish(activation, 4)["status"] == "ERROR"
    assert other.finish(2**40, 4)["status"] == "ERROR"
    assert hub.state(activation) == "waiting"


@pytest.mark.parametrize(
    "key", ["", "wrong", 7, None, "x" * 2000, "ol_live_" + "a" * 27 + "_aaaaaa", "\ud800"]
)
def test_a_wrong_key_opens_nothing(hub: Side, key: Any) -> None:
    answer = hub.raw({"action": "GET_SERVICES", "key": key})
    assert (answer.status_code, answer.json()["status"]) == (401, "ERROR")


def test_a_key_of_the_api_and_the_key_of_no_hub_open_nothing(hub: Side, shop: Shop) -> None:
    answer = hub.raw({"action": "GET_SERVICES", "key": hub.who.key})
    assert (answer.status_code, answer.json()["status"]) == (401, "ERROR")
    with shop.db.transaction() as tx:
        hubs.remove(tx, hub.who.side)
    shop.run("select pg_notify('onceline', 'grants')")
    assert hub.send("GET_SERVICES").json()["status"] == "ERROR"


def test_a_protocol_key_of_who_is_no_hub_buys_nothing(hub: Side, shop: Shop) -> None:
    who = shop.customer("another", mode="live")
    with shop.db.transaction() as tx:
        _, key = access.create_key(
            tx, side=who.side, mode="live", kind="protocol", name="old", scopes=(), expires_at=None, now=shop.clock.now()
        )  # fmt: skip
    assert Side(shop, hub.url, hub.http, who, key).number()["status"] == "ERROR"
    assert shop.balance(who).held == 0


def test_a_suspended_account_sells_no_more(hub: Side, shop: Shop) -> None:
    with shop.db.transaction() as tx:
        access.set_account_state(tx, hub.who.account, "suspended")
    hub.key = HUB_KEY
    assert hub.send("GET_NUMBER").json()["status"] == "ERROR"


WRONG = [
    {"activationId": "7", "status": 4},
    {"activationId": 7.0, "status": 4},
    {"activationId": True, "status": 4},
    {"activationId": -1, "status": 4},
    {"activationId": 7, "status": "4"},
    {"activationId": 7, "status": 2},
    {"status": 4},
]


@pytest.mark.parametrize("fields", WRONG)
def test_a_number_in_quotes_is_no_number(hub: Side, fields: dict[str, Any]) -> None:
    assert hub.say("FINISH_ACTIVATION", **fields)["status"] == "ERROR"


UNSOUND = [
    {"sum": "0.25"}, {"sum": -1}, {"sum": None}, {"sum": True}, {"sum": []}, {"sum": {}}, {"sum": 10**12}, {"currency": "840"}, {"currency": 643},
    {"country": None}, {"country": "atlantis"}, {"service": 7}, {"service": "zzz"}, {"operator": None},
    {"exceptionPhoneSet": [7918]}, {"exceptionPhoneSet": "7918"}, {"exceptionPhoneSet": ["7x"]},
    {"exceptionPhoneSet": ["7"] * 1001},
]  # fmt: skip


@pytest.mark.parametrize("fields", UNSOUND, ids=str)
def test_what_makes_no_sense_is_an_error_and_buys_nothing(
    hub: Side, shop: Shop, fields: dict[str, Any]
) -> None:
    assert hub.number(**fields)["status"] == "ERROR"
    assert shop.balance(hub.who).held == 0


def test_an_operator_that_we_never_named_has_no_numbers(hub: Side) -> None:
    assert hub.number(operator="mts") == {"status": "NO_NUMBERS"}


def test_a_body_may_be_packed_and_so_may_the_answer(hub: Side, stock: list[str]) -> None:
    body = gzip.compress(json.dumps({"action": "GET_SERVICES", "key": hub.key}).encode())
    answer = hub.raw(body, **{"content-encoding": "gzip", "accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["countryList"][0]["operatorMap"]["any"]["tg"] == len(stock)


BODIES = {
    "bomb": (gzip.compress(b" " * (50 * MOST_BODY)), "gzip"),
    "cut": (gzip.compress(b'{"action": "GET_SERVICES"}')[:-6], "gzip"),
    "no gzip": (b"{}", "gzip"),
    "other": (b"{}", "br"),
    "long": (b" " * (MOST_BODY + 1), ""),
    "deep": (b"[" * 50_000, ""),
    "list": (b"[]", ""),
    "twice": (b'{"action": "GET_SERVICES", "action": "GET_NUMBER"}', ""),
    "nan": (b'{"action": "GET_NUMBER", "sum": NaN}', ""),
    "huge": (b'{"action": ' + b"9" * 9000 + b"}", ""),
    "unknown": (b'{"action": "GET_MONEY"}', ""),
    "no text": (b'{"action": 1}', ""),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused_and_harms_nobody(hub: Side, name: str) -> None:
    body, encoding = BODIES[name]
    answer = hub.raw(body, **({"content-encoding": encoding} if encoding else {}))
    assert (answer.status_code, answer.json()["status"]) == (200, "ERROR")


def test_an_exponent_is_no_way_to_bid_everything(hub: Side) -> None:
    body = json.dumps(
        {"action": "GET_NUMBER", "key": hub.key, "country": "england", "service": "tg", "operator": "any"}
    )
    assert hub.raw((body[:-1] + ', "sum": 1e999999999}').encode()).json()["status"] == "ERROR"


def test_the_rate_of_a_hub_is_limited_as_every_keys_is(
    shop: Shop, settings: Settings, context: Context, db: Database, hub: Side
) -> None:
    with serving(settings.model_copy(update={"request_burst": 2, "requests_per_s": 1}), db, context) as url:
        hub.url = url
        seen = [hub.send("GET_SERVICES").status_code for _ in range(4)]
    assert seen[:2] == [200, 200]
    assert seen[-1] == 429


def test_a_database_that_is_away_is_no_answer(hub: Side, shop: Shop) -> None:
    shop.run("alter table hubs rename to hubs_away")
    try:
        answer = hub.send("GET_SERVICES")
    finally:
        shop.run("alter table hubs_away rename to hubs")
    assert answer.status_code >= 500
