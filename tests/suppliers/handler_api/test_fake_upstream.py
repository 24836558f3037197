"""The server that these tests run against speaks the real protocol: two public clients of it say so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.suppliers.handler_api.conftest import KEY, Upstream
from tests.suppliers.oracles.asking import ask


def told(upstream: Upstream, client: str, *calls: tuple[str, dict[str, Any]], key: str = KEY) -> list[Any]:
    return ask(
        "handler_api",
        [
            {"client": client, "url": upstream.url, "key": key, "call": call, "arguments": arguments}
            for call, arguments in calls
        ],
    )


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_the_official_client_buys_reads_and_finishes(upstream: Upstream, dialect: str) -> None:
    upstream.set(dialect=dialect)
    before = told(
        upstream,
        "classic",
        ("getBalance", {}),
        ("getPrices", {}),
        ("getNumber", {"service": "tg", "country": 16, "maxPrice": "0.5"}),
        ("getStatus", {"id": 635468000}),
        ("setStatus", {"id": 635468000, "status": 6}),
        ("getActiveActivations", {}),
    )
    upstream.sms("635468000", "48291", "Code 48291")
    after = told(
        upstream, "classic", ("getStatus", {"id": 635468000}), ("setStatus", {"id": 635468000, "status": 6})
    )

    assert before[0] == {"balance": "100.00"}
    assert before[1] == {"16": {"tg": {"cost": 0.5, "count": 3}}}
    assert before[2] == {"activation_id": 635468000, "phone": 447465000000}
    assert before[3] == "STATUS_WAIT_CODE"
    assert before[4]["error"] == "BAD_STATUS"
    assert before[5]["activeActivations"][0]["phoneNumber"] == "447465000000"
    assert after == ["STATUS_OK:48291", "ACCESS_ACTIVATION"]


def test_the_official_client_understands_the_refusals(upstream: Upstream) -> None:
    upstream.set(balance=0)
    refused = told(
        upstream,
        "classic",
        ("getNumberV2", {"service": "tg", "country": 16}),
        ("getNumberV2", {"service": "zz", "country": 16}),
        ("getStatus", {"id": 1}),
    )
    unknown = told(upstream, "classic", ("getBalance", {}), key="wrong")

    assert [one["error"] for one in [*refused, *unknown]] == [
        "NO_BALANCE",
        "NO_NUMBERS",
        "NO_ACTIVATION",
        "BAD_KEY",
    ]


def test_a_client_of_the_newer_dialect_buys_and_lists(upstream: Upstream) -> None:
    upstream.set(dialect="hero")

    said = told(
        upstream,
        "hero",
        ("balance", {}),
        ("prices", {}),
        ("create", {"service": "tg", "country": 16, "max_price": 0.5}),
        ("active", {}),
        ("status", {"activation_id": 635468000}),
    )

    assert said == [100.0, {"16": {"tg": 0.5}}, [635468000, "+447465000000"], [635468000], "STATUS_WAIT_CODE"]


def test_a_client_of_the_newer_dialect_understands_its_refusals(upstream: Upstream) -> None:
    upstream.set(dialect="hero", balance=0)

    said = told(upstream, "hero", ("create", {"service": "tg", "country": 16}))

    assert said[0]["fault"] == "InsufficientFundsError"
