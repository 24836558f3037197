"""The door that suppliers push their messages to, whatever their kind; spoken to here in the signed JSON of kind `http`."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import structlog

from onceline.core.suppliers import store
from onceline.suppliers.http.inlet import SignedInlet
from onceline.workers.sweep import sweep_round
from tests.edge.door import eventually
from tests.suppliers.conftest import Gateway

NUMBER, OTHER = "+447700900123", "+447700900124"
KEY, NEXT_KEY = "k" * 32, "n" * 32
TEXT = "Telegram code: 48291"


def message(number: str = NUMBER, text: str = TEXT, name: str = "m-1", **rest: Any) -> dict[str, Any]:
    return {"id": name, "to": number, "from": "Telegram", "text": text, **rest}


def push(
    gateway: Gateway, *messages: dict[str, Any], supplier: str = "box", key: str = KEY
) -> httpx.Response:
    body = json.dumps({"messages": messages})
    return gateway.post(f"/in/{supplier}", body, signed(gateway, body, key))


def signed(gateway: Gateway, body: str, key: str = KEY) -> dict[str, str]:
    stamp = str(int(gateway.clock.now().timestamp()))
    digest = hmac.new(key.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Onceline-Timestamp": stamp, "X-Onceline-Signature": f"v1={digest}"}


@pytest.fixture
def box(gateway: Gateway) -> Gateway:
    gateway.supplier("box", kind="http", secrets={"signing_key": [KEY]})
    gateway.own(NUMBER, supplier="box")
    return gateway


def alerts(gateway: Gateway) -> dict[str, tuple[str, int]]:
    since = gateway.clock.now()
    with gateway.shop.db.transaction() as tx:
        rows = store.alerts(tx, since=since)
    return {row.code: (row.subject, row.times) for row in rows}


def stored(gateway: Gateway) -> int:
    return int(gateway.shop.value("select count(*) from inbound"))


def test_a_pushed_message_is_kept_answered_and_shown(box: Gateway) -> None:
    order = box.order(NUMBER)
    answer = push(box, message())
    assert (answer.status_code, answer.content) == (204, b"")
    [shown] = box.await_shown(order)
    assert (shown["text"], shown["code"], shown["sender"]) == (TEXT, "48291", "Telegram")
    box.shop.assert_books_are_true()


def test_the_same_message_many_times_at_once_is_one(box: Gateway) -> None:
    order = box.order(NUMBER)
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda _: push(box, message()).status_code, range(40)))
    assert answers == [204] * 40
    assert len(box.await_shown(order)) == 1
    assert stored(box) == 1


def test_what_is_not_signed_or_wrongly_signed_changes_nothing_and_is_told(box: Gateway) -> None:
    box.order(NUMBER)
    assert box.post("/in/box", json.dumps(message())).status_code == 401
    assert push(box, message(), key=NEXT_KEY).status_code == 403
    assert stored(box) == 0
    eventually(lambda: "signature_refused" in alerts(box), 10)
    figures = box.get("/metrics").text
    assert 'onceline_supplier_requests_total{outcome="unsigned",supplier="box"}' in figures
    assert 'onceline_supplier_requests_total{outcome="not_authentic",supplier="box"}' in figures


def test_a_number_that_is_not_ours_is_kept_apart_and_staff_are_told_without_it(box: Gateway) -> None:
    assert push(box, message("+447700900777")).status_code == 204
    assert box.unowned() == 1
    eventually(lambda: alerts(box).get("unknown_number") == ("+4477…", 1), 10)


@pytest.mark.promise("P6")
def test_a_suppliers_message_never_reaches_another_suppliers_number(box: Gateway) -> None:
    box.supplier("rival", kind="http", secrets={"signing_key": [NEXT_KEY]})
    order = box.order(NUMBER)
    assert push(box, message(name="forged"), supplier="rival", key=NEXT_KEY).status_code == 204
    assert push(box, message(text="Telegram code: 11111", name="true")).status_code == 204
    assert [one["code"] for one in box.await_shown(order)] == ["11111"]
    assert box.unowned() == 1


def test_two_suppliers_may_name_their_messages_alike(box: Gateway) -> None:
    box.supplier("rival", kind="http", secrets={"signing_key": [NEXT_KEY]})
    box.own(OTHER, supplier="rival")
    ours, theirs = box.order(NUMBER), box.order(OTHER, "whatsapp")
    push(box, message(name="1"))
    push(box, message(OTHER, "WhatsApp code 123-456", name="1"), supplier="rival", key=NEXT_KEY)
    assert [one["code"] for one in box.await_shown(ours)] == ["48291"]
    assert [one["code"] for one in box.await_shown(theirs)] == ["123456"]


def test_a_new_secret_holds_at_once_beside_the_old_one_until_that_is_dropped(box: Gateway) -> None:
    assert push(box, message()).status_code == 204
    vault, now = box.shop.context.vault, box.clock.now()
    with box.shop.db.transaction() as tx:
        store.add_secret(tx, vault, "box", "signing_key", NEXT_KEY, now)
    eventually(lambda: push(box, message(), key=NEXT_KEY).status_code == 204)
    assert push(box, message()).status_code == 204
    with box.shop.db.transaction() as tx:
        [*_, old] = store.secret_rows(tx, "box")
        store.drop_secret(tx, "box", old.id)
    eventually(lambda: push(box, message()).status_code == 403)


def test_a_supplier_that_is_not_there_is_not_found_and_a_disabled_one_comes_again(box: Gateway) -> None:
    assert push(box, message(), supplier="nobody").status_code == 404
    with box.shop.db.transaction() as tx:
        store.set_enabled(tx, "box", False)
    eventually(lambda: push(box, message()).status_code == 503)
    with box.shop.db.transaction() as tx:
        store.set_enabled(tx, "box", True)
    eventually(lambda: push(box, message()).status_code == 204)
    assert stored(box) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b'{"messages": 1}', b'{"messages": [{"id": 1}]}', b"x" * 300_000]
)
def test_what_makes_no_sense_is_refused_and_the_next_one_is_kept(box: Gateway, body: bytes) -> None:
    headers = signed(box, body.decode("latin-1")) if body.isascii() else {}
    answer = box.post("/in/box", body, headers)
    assert answer.status_code in (400, 401)
    assert push(box, message()).status_code == 204


def test_without_its_database_the_door_acknowledges_nothing(
    box: Gateway, away: Callable[[bool], None]
) -> None:
    order = box.order(NUMBER)
    assert push(box, message(name="before")).status_code == 204
    away(True)
    answer = push(box, message(text="Telegram code: 55555", name="during"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    away(False)
    eventually(lambda: push(box, message(text="Telegram code: 55555", name="during")).status_code == 204, 10)
    sweep_round(box.shop.db, box.shop.context)  # what T2 could not finish meanwhile
    assert [one["code"] for one in box.await_shown(order, 2)] == ["48291", "55555"]


def test_a_fault_of_ours_is_no_acknowledgement(box: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(SignedInlet, "read", broken)
    assert push(box, message()).status_code == 503


def test_while_the_database_is_away_a_new_supplier_is_not_called_unknown(
    box: Gateway, away: Callable[[bool], None]
) -> None:
    assert push(box, message()).status_code == 204
    away(True)
    eventually(lambda: push(box, message(), supplier="just-added").status_code == 503, 12)
    began = time.monotonic()
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda _: push(box, message()).status_code, range(20)))
    assert (set(answers), time.monotonic() - began < 15) == ({503}, True)
    away(False)


def test_a_supplier_whose_kind_this_version_does_not_know_comes_again(box: Gateway) -> None:
    box.supplier("tomorrow", kind="a kind of tomorrow")
    eventually(lambda: push(box, message(), supplier="tomorrow").status_code == 503)
    assert stored(box) == 0


def test_a_line_of_the_log_names_the_supplier_and_never_what_was_sent(box: Gateway) -> None:
    with structlog.testing.capture_logs() as lines:
        box.post("/in/box/secret-token", json.dumps(message()))
        push(box, message(text="x"), key=NEXT_KEY)
    assert [line["supplier"] for line in lines] == ["box", "box"]
    written = json.dumps(lines)
    assert not any(secret in written for secret in (TEXT, "48291", NUMBER, "secret-token", KEY))


def test_the_path_behind_a_suppliers_name_is_in_no_access_log(box: Gateway) -> None:
    box.post("/in/box/secret-token", "x")

    def written() -> str:  # the line comes after the answer
        return "".join(path.read_text() for path in box.settings.logs.rglob("*.log"))

    eventually(lambda: "/in/{supplier}" in written())
    assert "secret-token" not in written()


def test_devices_are_remembered_with_what_they_said_and_their_last_message(box: Gateway) -> None:
    body = json.dumps(
        {
            "messages": [message(device="modem-1")],
            "heartbeats": [{"device": "modem-1", "facts": {"signal": 71}}],
        }
    )
    assert box.post("/in/box", body, signed(box, body)).status_code == 204

    def known() -> bool:
        with box.shop.db.transaction() as tx:
            [device] = store.devices(tx)
        return (device.facts, device.heartbeat_at, device.message_at) == (
            {"signal": 71},
            box.clock.now(),
            box.clock.now(),
        )

    eventually(lambda: box.shop.value("select count(*) from supplier_devices") == 1, 10)
    assert known()
