"""The settings that docs/howto/mapper.md offers, each with a request as its box sends it, and a whole way through the gateway."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from onceline.suppliers.base import Arrival, Configured, Request
from onceline.suppliers.mapper import KIND
from onceline.suppliers.mapper.inlet import MapperInlet
from onceline.suppliers.mapper.settings import MapperSettings
from tests.suppliers.conftest import Gateway

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "mapper.md"
EXAMPLES: dict[str, dict[str, Any]] = {
    title: json.loads(settings)
    for title, settings in re.findall(
        r"^### (.+?)\n\n```json\n(.+?)\n```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
}
EJOIN, DINSTAR, FORWARDER, ELKS, SMSTOOLS = EXAMPLES
TOKEN = "f3b1c2d4e5f60718293a4b5c"
ONE, TWO = "+447700900123", "+447700900124"
TEXT = "Ваш код 123456 🙂"


def read(example: str, body: Any) -> list[tuple[str, str, str, str, str, str]]:
    """Number, sender, text, id, time and device of every message."""
    settings = MapperSettings.model_validate(EXAMPLES[example])
    box = MapperInlet(Configured("box", settings, {"path_token": (TOKEN,)}))
    raw = urlencode(body) if settings.format == "form" else json.dumps(body)
    request = Request("POST", TOKEN, "", {}, raw.encode(), None, datetime(2026, 3, 1, 12, tzinfo=UTC))
    found = box.read(request)
    assert all(isinstance(one, Arrival) for one in found)
    return [
        (str(one.number), one.sender, str(one.text), one.message_id, one.said_at, one.device)
        for one in found
        if isinstance(one, Arrival)
    ]


def ejoin(*entries: list[Any]) -> dict[str, Any]:
    return {"type": "recv-sms", "sms_num": len(entries), "sms": [*entries]}


def test_an_ejoin_box_pushes_lists_of_columns() -> None:
    packed = base64.b64encode(TEXT.encode()).decode()
    pushed = ejoin(
        [0, "1A", 1772366400, "Acme", "", packed], [0, "7B", 1772366401, "+4915700000000", ONE, packed]
    )
    assert read(EJOIN, pushed) == [
        (ONE, "Acme", TEXT, "", "1772366400", "1A"),
        (ONE, "+4915700000000", TEXT, "", "1772366401", "7B"),
    ]


def test_an_ejoin_boxs_reports_and_states_are_no_messages() -> None:
    assert read(EJOIN, ejoin([1, "1A", 1772366400, "Acme", "", "MCAw"])) == []
    assert read(EJOIN, {"type": "dev-status", "status": []}) == []


def test_an_ejoin_port_without_a_number_is_nobodys() -> None:
    [(number, *_)] = read(EJOIN, ejoin([0, "9A", 1772366400, "Acme", "", "MTIz"]))
    assert number == ""


def test_a_dinstar_box_says_the_port_and_calls_the_sender_number() -> None:
    one = {
        "incoming_sms_id": 1,
        "port": 1,
        "number": "Acme",
        "smsc": "+86",
        "timestamp": "2026-03-01 12:00:00",
        "text": TEXT,
    }
    assert read(DINSTAR, {"sn": "db00", "sms": [one]}) == [
        (TWO, "Acme", TEXT, "", "2026-03-01 12:00:00", "1")
    ]


def test_the_forwarder_says_the_slot_of_the_sim() -> None:
    pushed = {
        "from": "Acme",
        "text": TEXT,
        "sentStamp": 1772366400000,
        "receivedStamp": 1772366401000,
        "sim": "sim2",
    }
    assert read(FORWARDER, pushed) == [(TWO, "Acme", TEXT, "", "1772366401000", "sim2")]
    [(number, *_)] = read(FORWARDER, pushed | {"sim": "undetected"})
    assert number == ""


def test_46elks_posts_a_form() -> None:
    pushed = {
        "direction": "incoming",
        "id": "sf84",
        "from": "+46706861004",
        "to": ONE,
        "created": "2026-03-01T12:00:00",
        "message": TEXT,
    }
    assert read(ELKS, pushed) == [(ONE, "+46706861004", TEXT, "sf84", "2026-03-01T12:00:00", "")]
    assert read(ELKS, pushed | {"direction": "outgoing"}) == []


def test_smstools_hook_names_the_modem() -> None:
    pushed = {"from": "491570000000", "modem": "GSM1", "received": "26-03-01 12:00:00", "text": TEXT}
    assert read(SMSTOOLS, pushed) == [(ONE, "491570000000", TEXT, "", "26-03-01 12:00:00", "GSM1")]


def test_every_example_says_where_it_is_from() -> None:
    assert len(EXAMPLES) == 5
    assert all(len(title) > 5 for title in EXAMPLES)


# The whole way


def test_a_message_reaches_the_customer_once(gateway: Gateway) -> None:
    settings = EXAMPLES[ELKS] | {"answer": "ok"}
    gateway.supplier("elks", "mapper", settings, {"path_token": [TOKEN]})
    gateway.own(ONE, "elks")
    order = gateway.order(ONE)
    body = urlencode(
        {"id": "sf1", "from": "Telegram", "to": ONE, "message": "Telegram code 54321", "new": "field"}
    )
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        answer = gateway.post(f"/in/elks/{TOKEN}", body, headers)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert [one["text"] for one in gateway.await_shown(order)] == ["Telegram code 54321"]


def test_a_message_of_a_box_without_ids_is_known_by_what_it_says(gateway: Gateway) -> None:
    gateway.supplier("box", "mapper", EXAMPLES[EJOIN], {"path_token": [TOKEN]})
    gateway.own(ONE, "box")
    order = gateway.order(ONE)
    first, second = (
        base64.b64encode(f"Telegram code {code}".encode()).decode() for code in ("54321", "98765")
    )
    pushed = [[0, "1A", 1772366400, "Telegram", "", first], [0, "1A", 1772366400, "Telegram", "", second]]
    for entries in (pushed[:1], pushed):
        assert gateway.post(f"/in/box/{TOKEN}", json.dumps(ejoin(*entries))).status_code == 200
    assert {one["text"] for one in gateway.await_shown(order, 2)} == {
        "Telegram code 54321",
        "Telegram code 98765",
    }
    assert len(gateway.shown(order)) == 2


def test_a_get_of_a_port_that_nobody_set_is_kept_apart(gateway: Gateway) -> None:
    gateway.supplier("box", "mapper", EXAMPLES[SMSTOOLS], {"path_token": [TOKEN]})
    gateway.own(ONE, "box")
    order = gateway.order(ONE)
    query = urlencode({"from": "Telegram", "modem": "GSM9", "text": "Telegram code 54321"})
    assert gateway.get(f"/in/box/{TOKEN}?{query}").status_code == 200
    assert gateway.unowned() == 1
    assert gateway.shown(order) == []


@pytest.mark.parametrize(("path", "status"), [("/in/box", 401), ("/in/box/wrong", 403)])
def test_without_the_token_nothing_comes_in(gateway: Gateway, path: str, status: int) -> None:
    gateway.supplier("box", "mapper", EXAMPLES[ELKS], {"path_token": [TOKEN]})
    assert gateway.post(path, urlencode({"to": ONE, "message": "x"})).status_code == status
    assert gateway.shop.value("select count(*) from inbound") == 0


def test_the_old_token_holds_until_it_is_dropped(gateway: Gateway) -> None:
    gateway.supplier("box", "mapper", EXAMPLES[ELKS], {"path_token": ["old-token-of-24-letters-x", TOKEN]})
    for token in ("old-token-of-24-letters-x", TOKEN):
        assert gateway.post(f"/in/box/{token}", urlencode({"to": ONE, "message": token})).status_code == 200
    assert gateway.unowned() == 2


def test_check_says_what_is_missing() -> None:
    assert KIND.check is not None
    settings = MapperSettings.model_validate(EXAMPLES[ELKS])
    weak = Configured("box", settings, {"path_token": ("short",), "basic": ("no colon",)})
    assert {one.what: one.ok for one in KIND.check(weak, None)} == {  # type: ignore[arg-type]  # it calls nothing
        "path_token": False,
        "public address": False,
        "basic": False,
    }
    right = Configured("box", settings, {"path_token": (TOKEN,)}, "https://sms.example/in/box")
    assert [one.ok for one in KIND.check(right, None)] == [True, True]  # type: ignore[arg-type]  # it calls nothing
