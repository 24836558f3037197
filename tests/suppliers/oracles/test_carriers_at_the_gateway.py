"""Signed requests of each kind, over HTTP to a serving edge: they reach the order, once, and nobody else's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.suppliers.conftest import PUBLIC, Gateway
from tests.suppliers.oracles.requesting import FORM, NOW_S
from tests.suppliers.plivo import test_plivo as plivo
from tests.suppliers.telnyx import test_telnyx as telnyx
from tests.suppliers.twilio import test_twilio as twilio
from tests.suppliers.vonage import test_vonage as vonage
from tests.suppliers.vonage import test_vonage_messages as messages

NUMBER = "+447700900123"
STRANGE_NUMBER = "+447700900999"
CODE = "482913"
TEXT = f"Your code is {CODE}"


@dataclass(frozen=True)
class Sent:
    body: bytes
    headers: Mapping[str, str]
    rest: str = ""


@dataclass(frozen=True)
class Sender:
    """A supplier's side of a kind: how it is configured here, and what it would send. `signs_text`: a change is noticed."""

    kind: str
    secrets: Mapping[str, list[str]]
    send: Callable[[str, str], Sent]
    settings: Mapping[str, Any]
    signs_text: bool = True
    ok: int = 204


def by_twilio(number: str, message_id: str) -> Sent:
    fields = {"MessageSid": message_id, "To": number, "From": "+15005550006", "Body": TEXT, "NumMedia": "0"}
    return _form(fields, {"x-twilio-signature": twilio.signature(f"{PUBLIC}/in/carrier", fields)})


def by_telnyx(number: str, message_id: str) -> Sent:
    asked = telnyx.signed(
        telnyx.event({"id": message_id, "to": [{"phone_number": number}], "text": TEXT}), at=NOW_S
    )
    return Sent(asked.body, asked.headers)


def by_vonage(number: str, message_id: str) -> Sent:
    return _form(vonage.signed({"to": number.removeprefix("+"), "messageId": message_id, "text": TEXT}), {})


def by_vonage_messages(number: str, message_id: str) -> Sent:
    message = {**messages.SMS, "to": number.removeprefix("+"), "message_uuid": message_id, "text": TEXT}
    body = json.dumps(message).encode()
    token = messages.token(messages.CLAIMS | {"payload_hash": sha256(body).hexdigest()})
    return Sent(body, {"content-type": "application/json", "authorization": f"Bearer {token}"})


def by_plivo(number: str, message_id: str) -> Sent:
    fields = {**plivo.SMS, "To": number.removeprefix("+"), "MessageUUID": message_id, "Text": TEXT}
    signed = plivo.signature(f"{PUBLIC}/in/carrier/{plivo.PATH}")
    nonce = {"x-plivo-signature-v2-nonce": plivo.NONCE}
    return _form(fields, {"x-plivo-signature-v2": signed, **nonce}, rest=plivo.PATH)


def _form(fields: Mapping[str, str], headers: Mapping[str, str], rest: str = "") -> Sent:
    return Sent(urlencode(fields).encode(), {"content-type": FORM, **headers}, rest)


SENDERS = [
    Sender("twilio", {"auth_token": [twilio.TOKEN]}, by_twilio, {}),
    Sender("telnyx", {"public_key": [telnyx.public(telnyx.KEY)]}, by_telnyx, {}),
    Sender("vonage", {"signature_secret": [vonage.SECRET]}, by_vonage, {"signature": "hmac-sha256"}),
    Sender("vonage-messages", {"signature_secret": [messages.SECRET]}, by_vonage_messages, {}, ok=200),
    Sender(
        "plivo",
        {"auth_token": [plivo.AUTH], "path_token": [plivo.PATH]},
        by_plivo,
        {},
        signs_text=False,
        ok=200,
    ),
]


@pytest.fixture(params=SENDERS, ids=[one.kind for one in SENDERS])
def sender(request: pytest.FixtureRequest, gateway: Gateway) -> Sender:
    """Configured under the name `carrier`, with one number."""
    one: Sender = request.param
    configure(gateway, one)
    return one


def configure(gateway: Gateway, one: Sender) -> None:
    gateway.supplier("carrier", one.kind, one.settings, one.secrets)
    gateway.own(NUMBER, supplier="carrier")


def post(gateway: Gateway, sent: Sent) -> httpx.Response:
    return gateway.post(f"/in/carrier/{sent.rest}" if sent.rest else "/in/carrier", sent.body, sent.headers)


def test_a_signed_message_reaches_the_order_once(gateway: Gateway, sender: Sender) -> None:
    order = gateway.order(NUMBER)
    answers = [post(gateway, sender.send(NUMBER, "m-1")) for _ in range(2)]
    assert [(one.status_code, one.content) for one in answers] == [(sender.ok, b"")] * 2
    [message] = gateway.await_shown(order)
    assert (message["code"], message["text"]) == (CODE, TEXT)
    post(gateway, sender.send(NUMBER, "m-2"))
    assert len(gateway.await_shown(order, 2)) == 2
    gateway.shop.assert_books_are_true()


def test_a_message_to_a_number_that_is_not_ours_is_taken_and_kept_apart(
    gateway: Gateway, sender: Sender
) -> None:
    order = gateway.order(NUMBER)
    assert post(gateway, sender.send(STRANGE_NUMBER, "m-1")).is_success
    assert (gateway.unowned(), gateway.shown(order)) == (1, [])


def test_a_message_to_another_suppliers_number_is_kept_apart(gateway: Gateway, sender: Sender) -> None:
    gateway.supplier("other", "telnyx", {}, {"public_key": [telnyx.public(telnyx.KEY)]})
    gateway.own(STRANGE_NUMBER, supplier="other")
    order = gateway.order(STRANGE_NUMBER)
    assert post(gateway, sender.send(STRANGE_NUMBER, "m-1")).is_success
    assert (gateway.unowned(), gateway.shown(order)) == (1, [])


def test_what_is_not_signed_changes_nothing(gateway: Gateway, sender: Sender) -> None:
    order, good = gateway.order(NUMBER), sender.send(NUMBER, "m-1")
    bare = {name: value for name, value in good.headers.items() if name == "content-type"}
    body = good.body if sender.kind != "vonage" else good.body.partition(b"&sig=")[0]
    assert post(gateway, Sent(body, bare, good.rest)).status_code == 401
    if sender.signs_text:
        changed = good.body.replace(CODE.encode(), b"999999")
        assert post(gateway, Sent(changed, good.headers, good.rest)).status_code == 403
    else:
        assert post(gateway, Sent(good.body, good.headers, "x" * 32)).status_code == 403
    assert (gateway.unowned(), gateway.shown(order)) == (0, [])


def test_a_rotated_secret_leaves_no_gap(gateway: Gateway) -> None:
    key = telnyx.public(telnyx.NEXT_KEY)
    gateway.supplier("carrier", "telnyx", {}, {"public_key": [telnyx.public(telnyx.KEY), key]})
    gateway.own(NUMBER, supplier="carrier")
    order = gateway.order(NUMBER)
    for at, one in enumerate((telnyx.KEY, telnyx.NEXT_KEY)):
        asked = telnyx.signed(telnyx.event({"id": f"m-{at}", "text": TEXT}), key=one)
        assert post(gateway, Sent(asked.body, asked.headers)).is_success
    assert len(gateway.await_shown(order, 2)) == 2


def test_a_get_reaches_the_order_too(gateway: Gateway) -> None:
    """Twilio signs the address as it is on the wire, so the edge must hand it on untouched."""
    configure(gateway, SENDERS[0])
    order = gateway.order(NUMBER)
    query = urlencode({"MessageSid": "m-1", "To": NUMBER, "From": "Bänk & Co", "Body": TEXT})
    signed = twilio.signature(f"{PUBLIC}/in/carrier?{query}", {})
    assert gateway.get(f"/in/carrier?{query}", {"x-twilio-signature": signed}).status_code == 204
    assert [(one["text"], one["sender"]) for one in gateway.await_shown(order)] == [(TEXT, "Bänk & Co")]


def test_a_long_message_in_parts_is_one(gateway: Gateway) -> None:
    configure(gateway, SENDERS[2])
    order = gateway.order(NUMBER)
    halves = {1: "Your code ", 2: f"is {CODE}"}
    for index in (2, 1):
        concat = {"concat": "true", "concat-ref": "7", "concat-total": "2", "concat-part": str(index)}
        fields = vonage.signed({**concat, "messageId": f"m-{index}", "text": halves[index]})
        assert post(gateway, _form(fields, {})).is_success
    [message] = gateway.await_shown(order)
    assert (message["text"], message["code"]) == (TEXT, CODE)


def test_a_binary_message_is_read(gateway: Gateway) -> None:
    configure(gateway, SENDERS[2])
    order = gateway.order(NUMBER)
    halves = {1: TEXT.encode()[:9], 2: TEXT.encode()[9:]}
    for index, half in halves.items():
        binary = {"type": "binary", "data": half.hex(), "udh": f"0500030702{index:02}", "text": ""}
        assert post(gateway, _form(vonage.signed({**binary, "messageId": f"m-{index}"}), {})).is_success
    assert [one["text"] for one in gateway.await_shown(order)] == [TEXT]


def test_a_header_that_came_twice_is_no_way_in(gateway: Gateway) -> None:
    configure(gateway, SENDERS[0])
    good = by_twilio(NUMBER, "m-1")
    wrong = base64.b64encode(b"x" * 20).decode()
    twice = [*good.headers.items(), ("x-twilio-signature", wrong)]
    answer = gateway.http.post(f"{gateway.url}/in/carrier", content=good.body, headers=twice)
    assert answer.status_code == 403
