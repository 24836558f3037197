"""The deliverer against real servers on loopback, which answer, fail, hang, drip and drop."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from onceline import outbound
from onceline.core.clock import SystemClock
from onceline.core.db import Row
from onceline.core.errors import DatabaseAway
from onceline.core.orders import view
from onceline.core.outbox import store as outbox
from onceline.core.vault import account_key
from onceline.core.webhooks import commands, dispatch, store
from onceline.outbound import CustomerDoor
from onceline.workers import deliver, parcel
from onceline.workers.deliver import Deliverer
from tests.endpoints import Endpoint, attempts, deliveries, delivering, endpoint, eventually, happen, look
from tests.personas import ALICE, BOB
from tests.receiver import Answer, Receiver, receiving
from tests.shop import WINDOW_S, Customer, Shop


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def settled(shop: Shop, one: Endpoint, count: int) -> list[Row]:
    """The endpoint's deliveries, once so many of them are over and recorded."""
    eventually(lambda: sum(row.state != "pending" for row in deliveries(shop, one)) >= count)
    return deliveries(shop, one)


def tried(shop: Shop, one: Endpoint, count: int) -> list[Row]:
    eventually(lambda: len(attempts(shop, one)) >= count)
    return attempts(shop, one)


def kept(shop: Shop, one: Endpoint) -> list[dict[str, Any]]:
    """What the log holds of each attempt."""
    return [store.open_attempt(shop.context.vault, one.owner.account, row) for row in attempts(shop, one)]


# What arrives.


@pytest.mark.promise("D5")
def test_a_code_reaches_the_customers_server_signed(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    one = endpoint(shop, alice, receiver.url, types=["order.message"])
    with delivering(shop.db, shop.context, SystemClock()):
        order = shop.place(alice)
        shop.sms(order.e164)
        eventually(lambda: receiver.received)
    (got,) = receiver.received
    body = Webhook(str(one.secret.shown())).verify(got.body, got.headers)
    assert (body["type"], body["data"]["message"]["code"]) == ("order.message", "482913")
    assert body["data"]["order"]["number"] == order.e164
    assert got.id == shop.context.installation.event_id(alice.side, got.seq)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == "Onceline-Webhooks/1"
    assert len(got.body) < 20_000


def test_an_ed25519_signature_arrives_and_holds(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    one = endpoint(shop, alice, receiver.url, kind="v1a")
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        eventually(lambda: receiver.received)
    (got,) = receiver.received
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(str(one.secret.public()).removeprefix("whpk_")))
    signature = base64.b64decode(got.headers["webhook-signature"].removeprefix("v1a,"))
    assert len(signature) == 64
    key.verify(signature, f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body)


def test_during_a_rotation_both_secrets_verify(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    one = endpoint(shop, alice, receiver.url)
    with shop.db.transaction() as tx:
        _, new = commands.rotate(tx, shop.context.vault, one.owner, one.id, None, 86400, shop.clock.now())
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        eventually(lambda: receiver.received)
    (got,) = receiver.received
    at, signed = int(got.headers["webhook-timestamp"]), got.headers["webhook-signature"].split(" ")
    assert len(signed) == 2
    for secret, signature in zip((new, one.secret), signed, strict=True):
        assert parcel.signing.headers_of(got.id, at, got.body, [secret])["webhook-signature"] == signature


def test_a_thin_endpoint_learns_ids_and_no_text(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    endpoint(shop, alice, receiver.url, payload="thin", types=["order.message"])
    with delivering(shop.db, shop.context):
        order = shop.place(alice)
        shop.sms(order.e164)
        eventually(lambda: receiver.received)
    (got,) = receiver.received
    assert got.json["data"]["order_id"] == order.id
    assert got.json["data"]["message_id"].startswith("msg_")
    assert b"482913" not in got.body
    assert str(order.e164).encode() not in got.body


@pytest.mark.promise("D7")
def test_the_events_at_the_webhook_are_those_of_the_stream(
    shop: Shop, alice: Customer, receiver: Receiver
) -> None:
    """Some of them only after failures; what is said is the same as in the stream, but for the time of reading."""
    refused: Counter[str] = Counter()

    def stumble(got: Any) -> Answer:
        refused[got.id] += 1
        return Answer(503) if got.seq % 3 == 0 and refused[got.id] == 1 else Answer()

    receiver.answer = stumble
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context) as deliverer:
        orders = [shop.place(alice) for _ in range(4)]
        for order in orders[:3]:
            shop.sms(order.e164)
        shop.finish(alice, orders[0])
        shop.wait(WINDOW_S + 3)
        for _ in range(60):
            shop.pass_time(10)
            deliverer.wake()
            time.sleep(0.02)
            if shop.value("select bool_and(state = 'delivered') from deliveries"):
                break
        with shop.db.transaction() as tx:
            stream = view.event_views(tx, shop.context, outbox.page(tx, alice.side, 0, 500).rows)[1:]
        settled(shop, one, len(stream))
    heard = {got.id: got.json for got in receiver.received}
    assert heard.keys() == {event["id"] for event in stream}
    assert len(receiver.received) == len(stream) + sum(count > 1 for count in refused.values())
    for event in stream:
        said = heard[event["id"]]
        assert (said["type"], said["timestamp"]) == (event["event"]["type"], event["event"]["at"])
        assert said["data"]["seq"] == event["seq"]
        assert said["data"]["message"] == event["event"]["message"]


def test_what_comes_after_the_window_says_so(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    endpoint(shop, alice, receiver.url)
    shop.place(alice)
    shop.pass_time(WINDOW_S + 1)
    with delivering(shop.db, shop.context):
        eventually(lambda: receiver.received)
    (got,) = receiver.received
    assert got.json["data"]["overdue"] is True


def test_a_test_reaches_one_endpoint_alone_under_an_id_of_its_own(
    shop: Shop, alice: Customer, receiver: Receiver
) -> None:
    one, _ = endpoint(shop, alice, receiver.url + "/one"), endpoint(shop, alice, receiver.url + "/two")
    with delivering(shop.db, shop.context):
        with shop.db.transaction() as tx:
            event = commands.send_test(tx, one.owner, one.id, shop.clock.now())
        settled(shop, one, 1)
    (got,) = receiver.received
    assert (got.path, got.id, got.type, got.json["data"]["seq"]) == ("/hook/one", event, "webhook.test", None)
    assert look(shop, one).last_success_at is None, "not counted in its health"


def test_a_test_that_fails_is_not_tried_again(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.say(500)
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context):
        with shop.db.transaction() as tx:
            commands.send_test(tx, one.owner, one.id, shop.clock.now())
        (row,) = settled(shop, one, 1)
    assert (row.state, row.attempts) == ("failed", 1)
    assert look(shop, one).failing_since is None


# What goes wrong.


def test_a_failure_is_tried_again_under_the_same_id(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.say(500, b"<h1>oops</h1>", content_type="text/html")
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context) as deliverer:
        happen(shop, alice)
        tried(shop, one, 1)
        receiver.say(204)
        shop.pass_time(20)
        deliverer.wake()
        settled(shop, one, 1)
    assert len(receiver.received) == 2
    assert len(set(receiver.ids)) == 1
    stamps = [int(got.headers["webhook-timestamp"]) for got in receiver.received]
    assert stamps[1] - stamps[0] == 20
    assert [(row.number, row.status, row.outcome) for row in attempts(shop, one)] == [
        (1, 500, "status"),
        (2, 204, "delivered"),
    ]
    first = kept(shop, one)[0]
    assert first["answer_text"] == "<h1>oops</h1>"
    assert first["request_headers"]["webhook-id"] == receiver.ids[0]
    assert first["request_body"].encode() == receiver.received[0].body


def test_a_server_that_asks_for_time_gets_it(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.say(429, Retry_After="600")
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        tried(shop, one, 1)
    (row,) = deliveries(shop, one)
    assert 600 <= (row.next_at - shop.clock.now()).total_seconds() <= 610


def test_a_redirect_is_a_failure_and_not_followed(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.say(307, Location=receiver.url + "/elsewhere")
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        tried(shop, one, 1)
    assert [got.path for got in receiver.received] == ["/hook"]
    assert [(row.status, row.outcome) for row in attempts(shop, one)] == [(307, "status")]


def test_gone_ends_the_endpoint_at_once(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.say(410)
    one = endpoint(shop, alice, receiver.url, concurrency=1)
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        settled(shop, one, 1)
        happen(shop, alice, 3)
        time.sleep(0.2)
    assert len(receiver.received) == 1
    assert look(shop, one).disabled_reason == "gone"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, slow_s=5), "timeout"),
        (Answer(200, body=b"x" * 50, drip_s=0.2), "timeout"),
        (Answer(drop=True), "protocol"),
    ],
    ids=["hangs", "drips", "drops"],
)
def test_a_server_that_does_not_answer_is_tried_again(
    shop: Shop,
    alice: Customer,
    receiver: Receiver,
    answer: Answer,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.5)
    receiver.answer = lambda _: answer
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        (row,) = tried(shop, one, 1)
    assert (row.status, row.outcome) == (None, outcome)
    assert deliveries(shop, one)[0].state == "pending"
    assert kept(shop, one)[0]["answer_headers"] == []


def test_a_server_that_is_not_there_is_tried_again(shop: Shop, alice: Customer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    one = endpoint(shop, alice, f"http://127.0.0.1:{port}/")
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        (row,) = tried(shop, one, 1)
    assert row.outcome == "connect"


def test_a_private_address_is_refused_at_the_attempt_too(
    shop: Shop, alice: Customer, receiver: Receiver
) -> None:
    one = endpoint(shop, alice, receiver.url.replace("http:", "https:"))
    stopping = threading.Event()
    strict = Deliverer(shop.db, shop.context, partial(CustomerDoor, loopback=False))
    thread = threading.Thread(target=strict.run, args=(stopping,))
    thread.start()
    try:
        happen(shop, alice)
        (row,) = tried(shop, one, 1)
    finally:
        stopping.set()
        strict.wake()
        thread.join(10)
    assert row.outcome == "refused_address"
    assert receiver.received == []


def test_of_an_answer_the_first_two_kilobytes_are_kept(
    shop: Shop, alice: Customer, receiver: Receiver
) -> None:
    receiver.say(200, b"\xff" + b"a" * 5000, X_Long="b" * 900)
    one = endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context):
        happen(shop, alice)
        settled(shop, one, 1)
    (said,) = kept(shop, one)
    assert said["answer_text"] == "�" + "a" * (parcel.KEPT_BYTES - 1)
    assert said["truncated"] is True
    assert ["x-long", "b" * parcel.KEPT_HEADER_CHARS] in [
        [name.lower(), value] for name, value in said["answer_headers"]
    ]


def test_what_is_kept_of_an_attempt_is_sealed(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.say(200, b"a stranger's answer")
    one = endpoint(shop, alice, receiver.url, types=["order.message"])
    with delivering(shop.db, shop.context):
        shop.sms(shop.place(alice).e164)
        settled(shop, one, 1)
    (row,) = attempts(shop, one)
    assert not [text for text in (b"482913", b"stranger", b"hook", b"whsec") if text in bytes(row.sealed)]


def test_an_erased_accounts_deliveries_are_dropped(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    one = endpoint(shop, alice, receiver.url)
    happen(shop, alice)
    shop.context.vault.destroy(account_key(alice.account))
    with delivering(shop.db, shop.context):
        (row,) = settled(shop, one, 1)
    assert (row.state, receiver.received) == ("dropped", [])
    assert [(row.outcome, row.sealed) for row in attempts(shop, one)] == [("erased", None)]


def test_an_event_that_is_no_longer_kept_is_dropped(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    one = endpoint(shop, alice, receiver.url)
    with shop.db.transaction() as tx:
        event_id = shop.context.installation.event_id
        commands.replay_range(tx, one.owner, one.id, 0, 1, event_id, shop.clock.now())
    shop.run("delete from events")
    with delivering(shop.db, shop.context):
        (row,) = settled(shop, one, 1)
    assert (row.state, receiver.received) == ("dropped", [])


def test_an_event_that_cannot_be_rendered_spoils_no_other(
    shop: Shop, alice: Customer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = parcel.event_views

    def poisoned(tx: Any, context: Any, rows: list[Any]) -> Any:
        if any(row.seq == 3 for row in rows):
            raise RuntimeError("a bug")
        return render(tx, context, rows)

    monkeypatch.setattr(parcel, "event_views", poisoned)
    one = endpoint(shop, alice, receiver.url)
    happen(shop, alice, 4)
    with delivering(shop.db, shop.context):
        settled(shop, one, 3)
        tried(shop, one, 4)
    assert sorted(receiver.seqs) == [2, 4, 5]
    assert [(row.seq, row.state) for row in deliveries(shop, one) if row.seq == 3] == [(3, "pending")]
    assert look(shop, one).failing_since is None


def test_an_attempt_that_cannot_be_recorded_spoils_no_other(
    shop: Shop, alice: Customer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = dispatch.record

    def poisoned(tx: Any, results: list[Any], now: Any) -> Any:
        if any(result.claim.seq == 3 for result in results):
            raise RuntimeError("a bug")
        return write(tx, results, now)

    monkeypatch.setattr(dispatch, "record", poisoned)
    one = endpoint(shop, alice, receiver.url)
    happen(shop, alice, 4)
    with delivering(shop.db, shop.context):
        settled(shop, one, 3)
    assert {row.seq for row in deliveries(shop, one) if row.state == "delivered"} == {2, 4, 5}


def test_a_database_that_was_away_loses_nothing(
    shop: Shop, alice: Customer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "BACKOFF_S", 0.01)
    away = Counter({"take": 3, "record": 3, "packed": 2})

    def flaky(name: str, really: Any) -> Any:
        def work(*args: Any, **kwargs: Any) -> Any:
            if away[name] > 0:
                away[name] -= 1
                raise DatabaseAway
            return really(*args, **kwargs)

        return work

    monkeypatch.setattr(dispatch, "take", flaky("take", dispatch.take))
    monkeypatch.setattr(dispatch, "record", flaky("record", dispatch.record))
    monkeypatch.setattr(parcel, "packed", flaky("packed", parcel.packed))
    one = endpoint(shop, alice, receiver.url)
    happen(shop, alice, 3)
    with delivering(shop.db, shop.context):
        settled(shop, one, 3)
    assert +away == Counter()
    assert sorted(receiver.seqs) == [2, 3, 4]
    assert {row.outcome for row in attempts(shop, one)} == {"delivered"}


# Many at once.


def test_an_endpoint_is_called_no_more_often_at_once_than_it_allows(
    shop: Shop, alice: Customer, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Answer(slow_s=0.02)
    one = endpoint(shop, alice, receiver.url, concurrency=2)
    happen(shop, alice, 20)
    with delivering(shop.db, shop.context):
        settled(shop, one, 20)
    assert receiver.busiest == 2


def test_fifty_dead_endpoints_delay_nobody(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    """They take the connection and never answer; the one that is well was never reached before, like them."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as hole:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}/"
        for group in range(5):
            who = shop.customer(f"dead {group}")
            for _ in range(10):
                endpoint(shop, who, url, concurrency=16)
            happen(shop, who, 20)
        good = endpoint(shop, alice, receiver.url)
        with delivering(shop.db, shop.context):
            eventually(
                lambda: shop.value("select count(*) from deliveries where claimed_until is not null") > 40
            )
            for _ in range(5):
                began = time.monotonic()
                happen(shop, alice)
                seen = len(receiver.received)
                eventually(lambda seen=seen: len(receiver.received) > seen)
                assert time.monotonic() - began < 1.5
            settled(shop, good, 5)


def test_two_deliverers_share_the_work_and_record_each_attempt_once(
    shop: Shop, alice: Customer, receiver: Receiver
) -> None:
    bob = shop.customer(BOB)
    hooks = [endpoint(shop, who, receiver.url) for who in (alice, bob) for _ in range(3)]
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(delivering(shop.db, shop.context))
        for _ in range(25):
            happen(shop, alice)
            happen(shop, bob)
        for one in hooks:
            settled(shop, one, 25)
    for one in hooks:
        rows = deliveries(shop, one)
        assert sorted(row.seq for row in rows) == list(range(2, 27))
        assert {(row.state, row.attempts) for row in rows} == {("delivered", 1)}
        assert len(attempts(shop, one)) == 25
    assert len(receiver.received) == 150


def test_a_deliverer_that_stops_gives_its_claims_back(
    shop: Shop, alice: Customer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "STOP_S", 0.1)
    receiver.answer = lambda _: Answer(slow_s=10)
    one = endpoint(shop, alice, receiver.url)
    happen(shop, alice)
    with delivering(shop.db, shop.context):
        eventually(lambda: receiver.received)
    (row,) = deliveries(shop, one)
    assert (row.state, row.claimed_until) == ("pending", None)
    receiver.say(204)
    with delivering(shop.db, shop.context):
        settled(shop, one, 1)
    assert len(set(receiver.ids)) == 1


def test_what_is_under_way_at_the_stop_is_recorded(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(slow_s=0.5)
    one = endpoint(shop, alice, receiver.url)
    happen(shop, alice)
    with delivering(shop.db, shop.context):
        eventually(lambda: receiver.received)
    assert [row.state for row in deliveries(shop, one)] == ["delivered"]


def test_a_lost_wake_up_costs_a_second_and_no_event(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    endpoint(shop, alice, receiver.url)
    with delivering(shop.db, shop.context):
        shop.db.bell._listeners.clear()
        time.sleep(0.1)
        happen(shop, alice)
        eventually(lambda: receiver.received, 3)
    assert receiver.seqs == [2]


def test_a_suspended_side_waits(shop: Shop, alice: Customer, receiver: Receiver) -> None:
    endpoint(shop, alice, receiver.url)
    shop.run("update accounts set state = 'suspended'")
    happen(shop, alice)
    with delivering(shop.db, shop.context) as deliverer:
        time.sleep(0.3)
        assert receiver.received == []
        shop.run("update accounts set state = 'open'")
        deliverer.wake()
        eventually(lambda: receiver.received)
    assert receiver.seqs == [2]
