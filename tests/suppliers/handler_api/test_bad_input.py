"""A server may say anything: nothing breaks, one line says so, and staff hear of it."""

from __future__ import annotations

import json

import pytest
import structlog

from onceline.core.money import MICROS
from onceline.suppliers.handler_api import kind
from onceline.suppliers.intake import DirectIntake
from tests.shop import Shop
from tests.suppliers.handler_api.conftest import Hub, Upstream

GOOD = {"tg": {"cost": 0.5, "count": 3}}


def stock(hub: Hub) -> list[tuple[str, str, int]]:
    return [
        (row.country, row.slug, row.count)
        for row in hub.shop.rows(
            "select k.country, s.slug, k.count from supplier_stock k join services s on s.id = k.service_id"
            " where k.count > 0 order by 1, 2"
        )
    ]


@pytest.mark.parametrize(
    "raw",
    ["<html>502</html>", "", "[]x", '{"6":', "NO_NUMBERS", "BAD_KEY", "null", "7", '["6"]', "[" * 5000, '{"16":{"tg":{"cost":NaN}}}'],
    ids=range(11),
)  # fmt: skip
def test_a_price_list_that_is_none_changes_nothing_and_says_so_once(hub: Hub, raw: str) -> None:
    hub.upstream.set(raw=raw)

    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            hub.market.look()

    assert stock(hub) == [("GB", "telegram", 3)]
    assert [line["event"] for line in logs].count("market not brought over") == 1


def test_an_answer_of_ten_megabytes_is_not_swallowed(hub: Hub) -> None:
    hub.upstream.set(raw=json.dumps({"16": {"tg": {"cost": 0.5, "count": 3, "pad": "x" * 10_000_000}}}))

    with structlog.testing.capture_logs() as logs:
        hub.market.look()

    assert [line["why"] for line in logs if "why" in line] == ["too_large"]


def test_a_large_price_list_is_brought_over_at_once(hub: Hub) -> None:
    leaf = {"cost": 0.5, "count": 3, "physicalCount": 2, "pad": "x" * 30}
    hub.upstream.set(
        raw=json.dumps(
            {str(number): {f"z{code}": leaf for code in range(100)} | GOOD for number in range(195)}
        )
    )

    hub.market.look()

    assert len(stock(hub)) > 180


def test_only_what_makes_sense_is_offered(hub: Hub) -> None:
    hub.upstream.set(
        prices={
            "16": {
                **GOOD,
                "wa": {"cost": -1, "count": 5},
                "vi": {"cost": 1, "count": -5},
                "fb": {"cost": "0.3", "count": "4"},
                "ig": {"cost": 0.5, "count": 99, "physicalCount": 0},
                "ts": {"cost": 0.5, "count": 5},  # a payment service: promise A1
                "full": {"cost": 0.5, "count": 5},
                "zz9": {"cost": 0.5, "count": 5},
                "go": 7,
            },
            "999": GOOD,
            "12": GOOD,
            "GB": GOOD,
            "187": 5,
        }
    )

    with structlog.testing.capture_logs() as logs:
        hub.market.look()
        hub.market.look()

    assert stock(hub) == [("GB", "facebook", 4), ("GB", "telegram", 3)]
    assert [line["why"] for line in logs if "why" in line] == ["some prices cannot be read"]


def test_a_price_that_rises_is_charged_from_then_on(hub: Hub) -> None:
    hub.upstream.set(prices={"16": {"tg": {"cost": 0.75, "count": 3}}})
    hub.market.look()

    assert hub.bought().price == 975_000


def test_a_number_that_became_dearer_is_not_bought(hub: Hub) -> None:
    hub.upstream.set(prices={"16": {"tg": {"cost": 0.75, "count": 3}}})

    assert hub.bought().state == "failed"
    assert hub.upstream.activations == []


def test_a_server_that_takes_more_than_was_said_gets_the_number_back(hub: Hub) -> None:
    hub.upstream.set(prices={"16": {"tg": {"cost": 0.75, "count": 3}}}, ignores_max_price=True)

    order = hub.bought()
    hub.listen()
    assert [one["state"] for one in hub.upstream.activations] == ["waiting"]  # too early over there
    hub.wait(120)
    hub.listen()

    assert order.state == "failed"
    assert hub.shop.balance(hub.customer).available == 100 * MICROS
    assert [one["state"] for one in hub.upstream.activations] == ["cancelled"]
    assert hub.alerts() == {"too_dear"}


def test_a_number_in_national_form_is_given_back(hub: Hub) -> None:
    hub.upstream.set(national=True, cancel_after_s=0)

    order = hub.bought()
    hub.listen()

    assert order.state == "failed"
    assert hub.upstream.live == []
    assert hub.alerts() == {"unusable_number"}


@pytest.mark.parametrize(
    "said", ['{"status": "success"}', '{"ok": 1}', "[]", "ERROR", "ERROR_SQL", "WHATEVER:8", "BAD_ACTION", "OTP_RECEIVED"]
)  # fmt: skip
def test_what_nobody_understands_gives_no_number_back(hub: Hub, said: str) -> None:
    hub.upstream.set(national=True, cancel_after_s=0, says={"setStatus": said})
    hub.bought()
    hub.listen()
    assert hub.states() == ["unwanted"]

    hub.upstream.set(says={})
    hub.listen()

    assert (hub.states(), hub.upstream.live) == (["ended"], [])


def test_a_number_that_is_never_understood_to_be_given_back_is_over_by_the_clock(hub: Hub) -> None:
    hub.upstream.set(national=True, says={"setStatus": "ERROR"})
    hub.bought()

    hub.wait(1200)
    hub.listen()

    assert hub.states() == ["ended"]


def test_a_number_that_is_ours_already_is_given_back(hub: Hub) -> None:
    hub.upstream.set(cancel_after_s=0)
    hub.shop.stock("GB", ["+447465000000"])

    order = hub.bought()
    hub.call()

    assert order.state == "failed"
    assert hub.upstream.live == []


@pytest.mark.parametrize(
    ("service", "country", "rest"),
    [("discord", "GB", {}), ("telegram", "AD", {}), ("telegram", "GB", {"network": "23415"})],
)
def test_what_the_server_cannot_be_asked_for_is_not_asked(
    shop: Shop, intake: DirectIntake, upstream: Upstream, service: str, country: str, rest: dict[str, str]
) -> None:
    hub = Hub(shop, intake, upstream, services="telegram")
    shop.run(
        "insert into prices (pool_id, kind, amount) select id, 'activation', 650000 from pools where slug = 'hub'"
    )

    order = hub.bought(service=service, country=country, **rest)

    assert (order.state, hub.states()) == ("failed", [])
    assert upstream.asked("getNumberV2") == 0


def test_a_low_balance_is_told(shop: Shop, intake: DirectIntake, upstream: Upstream) -> None:
    hub = Hub(shop, intake, upstream, low_balance="100.01")
    hub.market.look()

    assert hub.alerts() == {"balance_low"}
    assert hub.shop.value("select facts->>'balance' from supplier_devices where supplier = 'hub'") == "100.00"


def test_a_pool_of_another_supplier_is_not_touched(
    shop: Shop, intake: DirectIntake, upstream: Upstream
) -> None:
    hub = Hub(shop, intake, upstream, pool="theirs")
    shop.pool("theirs", mode="live", supplier="somebody", asks=True, tells=True)
    hub.market.look()

    assert (stock(hub), hub.alerts()) == ([], {"market"})


def test_a_check_says_what_is_right_and_what_is_wrong(hub: Hub) -> None:
    good = kind.check(hub.configured, hub.around)
    hub.upstream.set(key="another")
    bad = kind.check(hub.configured, hub.around)

    assert [(one.what, one.ok) for one in good] == [("pool", True), ("account", True), ("prices", True)]
    assert [(one.what, one.ok) for one in bad] == [("pool", True), ("account", False), ("prices", False)]
    assert "api_key" in bad[1].words


def test_no_line_tells_the_key_a_code_or_a_number(hub: Hub) -> None:
    with structlog.testing.capture_logs() as logs:
        hub.upstream.fail("getNumberV2", "html")
        order = hub.bought()
        hub.wait(2)
        hub.call()
        hub.upstream.sms("635468000", "482916", "Code 482916")
        hub.upstream.fail("getStatus", "cut", 1)
        hub.listen()
        hub.listen()

    assert hub.codes(order) == ["482916"]
    assert logs
    assert not [
        line for line in logs if any(secret in str(line) for secret in ("sesame", "482916", "4474650"))
    ]
