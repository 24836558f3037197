"""Who may ask: keys, scopes, modes and other people's things, over every route that the OpenAPI document names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from onceline.core.access import commands as access
from onceline.core.access.model import PROTOCOL_SCOPES, SCOPES
from tests.edge.door import API, Client, Town, assert_problem
from tests.personas import ALICE

NO_KEY = "key_aaaaaaaaaaaaaaaa"
NO_WEBHOOK = "we_aaaaaaaaaaaaaaaa"
NO_EXPORT = "exp_aaaaaaaaaaaaaaaa"
NO_DEPOSIT = "dep_aaaaaaaaaaaaaaaa"


@dataclass(frozen=True)
class Route:
    """A route's scope and a request that gets past its shape."""

    scope: str
    body: Any = None
    query: dict[str, str] | None = None


ORDER = {"service": "telegram", "country": "GB"}
DEPOSIT = {"method": "sandbox", "amount": "10.00", "return_url": "https://shop.example/"}
ROUTES = {
    ("GET", "/catalog/countries"): Route("orders:read"),
    ("GET", "/catalog/services"): Route("orders:read"),
    ("GET", "/catalog/pools"): Route("orders:read"),
    ("GET", "/catalog/offers"): Route("orders:read", query={"service": "telegram"}),
    ("POST", "/orders"): Route("orders:write", ORDER),
    ("POST", "/orders/batch"): Route("orders:write", {"orders": [ORDER]}),
    ("GET", "/orders"): Route("orders:read"),
    ("GET", "/orders/{order_id}"): Route("orders:read"),
    ("POST", "/orders/{order_id}/cancel"): Route("orders:write"),
    ("POST", "/orders/{order_id}/finish"): Route("orders:write"),
    ("POST", "/orders/{order_id}/resend"): Route("orders:write"),
    ("POST", "/orders/{order_id}/extend"): Route("orders:write", {"duration": 4 * 3600}),
    ("POST", "/orders/{order_id}/auto-extend"): Route("orders:write", {"on": True}),
    ("GET", "/orders/{order_id}/messages"): Route("orders:read"),
    ("GET", "/messages"): Route("orders:read"),
    ("GET", "/balance"): Route("balance:read"),
    ("GET", "/statement"): Route("balance:read"),
    ("GET", "/statement/months/{month}"): Route("balance:read"),
    ("GET", "/events"): Route("events:read"),
    ("GET", "/stream"): Route("events:read"),
    ("POST", "/socket-tickets"): Route("events:read"),
    ("GET", "/keys"): Route("keys:manage"),
    ("POST", "/keys"): Route("keys:manage", {"name": "new"}),
    ("POST", "/keys/{key_id}/rotate"): Route("keys:manage", {}),
    ("DELETE", "/keys/{key_id}"): Route("keys:manage"),
    ("GET", "/notifications"): Route("notices:manage"),
    ("POST", "/notifications/read"): Route("notices:manage", {"up_to": 1}),
    ("GET", "/notices"): Route("notices:manage"),
    ("PUT", "/notices"): Route("notices:manage", {}),
    ("POST", "/notices/confirm"): Route("notices:manage", {"code": "ABCDEFGH"}),
    ("DELETE", "/notices"): Route("notices:manage"),
    ("POST", "/exports"): Route("exports:manage", {"kind": "orders"}),
    ("GET", "/exports"): Route("exports:manage"),
    ("GET", "/exports/{export_id}"): Route("exports:manage"),
    ("DELETE", "/exports/{export_id}"): Route("exports:manage"),
    ("GET", "/exports/{export_id}/file"): Route("exports:manage"),
    ("POST", "/exports/{export_id}/links"): Route("exports:manage", {}),
    ("GET", "/webhooks"): Route("webhooks:manage"),
    ("POST", "/webhooks"): Route("webhooks:manage", {"url": "https://93.184.215.14/"}),
    ("GET", "/webhooks/{webhook_id}"): Route("webhooks:manage"),
    ("PATCH", "/webhooks/{webhook_id}"): Route("webhooks:manage", {"description": "theirs"}),
    ("DELETE", "/webhooks/{webhook_id}"): Route("webhooks:manage"),
    ("GET", "/webhooks/{webhook_id}/secrets"): Route("webhooks:manage"),
    ("POST", "/webhooks/{webhook_id}/secrets"): Route("webhooks:manage", {}),
    ("POST", "/webhooks/{webhook_id}/test"): Route("webhooks:manage"),
    ("POST", "/webhooks/{webhook_id}/replay"): Route("webhooks:manage", {"after_seq": 0, "until_seq": 9}),
    ("GET", "/webhooks/{webhook_id}/deliveries"): Route("webhooks:manage"),
    ("GET", "/webhooks/{webhook_id}/deliveries/{event}"): Route("webhooks:manage"),
    ("POST", "/webhooks/{webhook_id}/deliveries/{event}/replay"): Route("webhooks:manage"),
    ("GET", "/deposits/methods"): Route("balance:read"),
    ("GET", "/deposits"): Route("balance:read"),
    ("POST", "/deposits"): Route("deposits:write", DEPOSIT),
    ("GET", "/deposits/{deposit_id}"): Route("balance:read"),
    ("POST", "/deposits/{deposit_id}/refund"): Route("deposits:write"),
    ("POST", "/test/deposits/{deposit_id}/pay"): Route("deposits:write", {}),
    ("POST", "/vouchers/redeem"): Route("deposits:write", {"code": "00000000000000000000"}),
    ("POST", "/test/messages"): Route(
        "test:messages", {"number": "+447700900999", "sender": "X", "text": "Hello"}
    ),
}
ENDLESS = ("GET", "/stream")
EVERY_ROUTE = pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
OF_AN_ORDER = pytest.mark.parametrize(
    ("method", "path"), sorted(route for route in ROUTES if "{order_id}" in route[1])
)
OF_A_KEY = pytest.mark.parametrize(
    ("method", "path"), sorted(route for route in ROUTES if "{key_id}" in route[1])
)
OF_A_WEBHOOK = pytest.mark.parametrize(
    ("method", "path"), sorted(route for route in ROUTES if "{webhook_id}" in route[1])
)


def ask(
    client: Client,
    method: str,
    path: str,
    *,
    order_id: int = 1,
    key_id: str = NO_KEY,
    webhook_id: str = NO_WEBHOOK,
    event: str = "1",
) -> Any:
    if (method, path) == ENDLESS:
        return client.head(path)
    route = ROUTES[method, path]
    rest = {} if route.body is None else {"json": route.body}
    place = path.format(
        order_id=order_id,
        key_id=key_id,
        export_id=NO_EXPORT,
        webhook_id=webhook_id,
        event=event,
        deposit_id=NO_DEPOSIT,
        month="2026-03",
    )
    headers = {"Idempotency-Key": f"matrix-{method}-{order_id}"} if method == "POST" else {}
    return client.send(method, place, headers=headers, params=route.query, **rest)


def test_every_route_of_the_document_is_in_the_matrix(town: Town) -> None:
    document = town.nobody().json("/openapi.json")
    documented = {
        (method.upper(), path.removeprefix(API))
        for path, item in document["paths"].items()
        for method in item
    }
    assert documented == ROUTES.keys()


@EVERY_ROUTE
def test_nobody_comes_in_without_a_key(town: Town, method: str, path: str) -> None:
    answer = ask(town.nobody(), method, path)
    assert_problem(answer, 401, "invalid_key")
    assert answer.headers["www-authenticate"] == "Bearer"


@EVERY_ROUTE
def test_a_route_opens_to_its_own_scope_alone(alice: Client, method: str, path: str) -> None:
    scope = ROUTES[method, path].scope
    without = alice.scoped(*(one for one in SCOPES if one != scope))
    assert_problem(ask(without, method, path), 403, "insufficient_scope", scope=scope)
    assert ask(alice.scoped(scope), method, path).status_code in (200, 201, 202, 204, 404)


@OF_AN_ORDER
def test_a_strangers_order_is_not_found(alice: Client, charlie: Client, method: str, path: str) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    assert_problem(ask(charlie, method, path, order_id=order["id"]), 404, "not_found", what="order")
    assert alice.read(order) == order
    if path.endswith(("}", "/messages", "/extend", "/auto-extend")):
        assert ask(alice, method, path, order_id=order["id"]).status_code == 200  # the owner comes through


@OF_AN_ORDER
def test_the_live_side_of_an_account_does_not_see_its_test_orders(
    alice: Client, method: str, path: str
) -> None:
    order = alice.order(kind="rental", duration=4 * 3600)
    live = alice.scoped(mode="live")
    assert_problem(ask(live, method, path, order_id=order["id"]), 404, "not_found", what="order")


@OF_A_KEY
def test_a_strangers_key_is_not_found(alice: Client, charlie: Client, method: str, path: str) -> None:
    (key,) = alice.json("/keys")["keys"]
    assert_problem(ask(charlie, method, path, key_id=key["id"]), 404, "not_found", what="key")
    assert alice.json("/keys")["keys"] == [key]


@OF_A_WEBHOOK
def test_a_strangers_webhook_is_not_found(alice: Client, charlie: Client, method: str, path: str) -> None:
    webhook = alice.post("/webhooks", {"url": "https://93.184.215.14/"}).json()["webhook"]
    event = alice.post(f"/webhooks/{webhook['id']}/test").json()["event"]
    for stranger in (charlie, alice.scoped(mode="live")):
        answer = ask(stranger, method, path, webhook_id=webhook["id"], event=event)
        assert_problem(answer, 404, "not_found", what="webhook")
    after = alice.json(f"/webhooks/{webhook['id']}")
    assert after == webhook | {"health": webhook["health"] | {"pending": 1}}
    answer = ask(alice, method, path, webhook_id=webhook["id"], event=event)
    assert answer.status_code in (200, 201, 202, 204)  # the owner comes through


def test_lists_hold_nothing_of_a_stranger(alice: Client, charlie: Client) -> None:
    alice.sms(alice.order())
    assert charlie.json("/orders")["orders"] == []
    assert [row["kind"] for row in charlie.json("/statement")["transfers"]] == ["deposit"]
    assert [one["event"]["type"] for one in charlie.json("/events")["events"]] == ["deposit.credited"]


# Keys that are no keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Basic b2w6dGVzdA==", "Bearer ol_test_", "Bearer x", "Token {key}", "{key}",
        "Bearer {key}x", "Bearer {key} {key}", "Bearer \xff\xfe", "Bearer " + "a" * 4000,
    ],
)  # fmt: skip
def test_a_malformed_key_is_refused(town: Town, alice: Client, header: str) -> None:
    value = header.replace("{key}", str(alice.key)).encode("latin-1")
    answer = town.nobody().send("GET", "/balance", headers={"Authorization": value})
    assert_problem(answer, 401, "invalid_key")


def test_the_scheme_is_bearer_in_any_case(town: Town, alice: Client) -> None:
    answer = town.nobody().get("/balance", headers={"Authorization": f"bEARER {alice.key}"})
    assert answer.status_code == 200


def test_a_key_with_a_wrong_checksum_or_unknown_is_refused(alice: Client) -> None:
    key = str(alice.key)
    other = "A" if key[-1] != "A" else "B"
    assert_problem(alice.with_key(key[:-1] + other).get("/balance"), 401, "invalid_key")
    assert_problem(
        alice.with_key("ol_test_000000000000000000000000000_0NKxRB").get("/balance"), 401, "invalid_key"
    )


def test_a_key_in_the_address_is_not_looked_at(town: Town, alice: Client) -> None:
    for name in ("key", "api_key", "access_token", "token"):
        assert_problem(town.nobody().get("/balance", **{name: alice.key}), 401, "invalid_key")


def test_an_expired_key_is_refused(town: Town, alice: Client) -> None:
    brief = alice.scoped(expires_in_s=60)
    assert brief.get("/balance").status_code == 200
    town.shop.clock.advance(60)
    fresh = alice.scoped(expires_in_s=1)
    town.shop.clock.advance(1)
    assert_problem(fresh.get("/balance"), 401, "expired_key")


def test_a_revoked_key_is_refused_at_once(alice: Client) -> None:
    other = alice.scoped()
    assert other.get("/balance").status_code == 200
    scoped = next(key["id"] for key in alice.json("/keys")["keys"] if key["name"] == "scoped")
    assert alice.delete(f"/keys/{scoped}").status_code == 204
    assert_problem(other.get("/balance"), 401, "revoked_key")


def test_a_key_for_the_old_protocols_is_refused(alice: Client) -> None:
    old = alice.scoped(*PROTOCOL_SCOPES, kind="protocol")
    assert_problem(old.get("/balance"), 401, "invalid_key")


def test_a_suspended_account_is_refused_and_comes_back(town: Town, alice: Client) -> None:
    assert alice.who is not None
    for state, status in (("suspended", 403), ("open", 200)):
        with town.shop.db.transaction() as tx:
            access.set_account_state(tx, alice.who.account, state)
        assert alice.get("/balance").status_code == status
    assert alice.json("/balance")["available"] == "100.0000"


def test_a_live_key_cannot_send_test_messages(alice: Client) -> None:
    order, live = alice.order(), alice.scoped(mode="live")
    body = {"number": order["number"], "sender": "X", "text": "Your code is 4821"}
    assert_problem(live.post("/test/messages", body), 403, "wrong_mode")
    assert alice.read(order) == order


def test_a_live_key_sees_the_live_side(town: Town) -> None:
    live = town.customer(ALICE, mode="live")
    assert live.json("/balance")["mode"] == "live"
    assert live.json("/catalog/offers")["offers"] == []
    assert_problem(live.place(), 409, "out_of_stock")


# Keys that make keys ----------------------------------------------------------------------------------------------


def test_a_new_key_works_and_is_shown_once(alice: Client) -> None:
    answer = alice.post("/keys", {"name": "CI"})
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "key"}
    assert alice.with_key(answer.json()["key"]).get("/balance").status_code == 200
    listed = alice.json("/keys")["keys"][0]
    assert (listed["name"], listed["kind"], listed["scopes"]) == ("CI", "api", list(SCOPES))
    assert listed["last4"] == answer.json()["key"][-4:]
    assert answer.json()["key"] not in alice.get("/keys").text


def test_a_new_key_may_be_narrow_and_brief(town: Town, alice: Client) -> None:
    wanted = {"name": "poller", "scopes": ["orders:read"], "expires_in_s": 60}
    made = alice.with_key(alice.post("/keys", wanted).json()["key"])
    assert made.get("/orders").status_code == 200
    assert_problem(made.get("/balance"), 403, "insufficient_scope", scope="balance:read")
    town.shop.clock.advance(61)
    fresh = alice.json("/keys")["keys"][0]
    assert fresh["expires_at"] is not None


def test_a_key_for_the_old_protocols_has_their_scopes(alice: Client) -> None:
    alice.post("/keys", {"name": "old", "kind": "protocol"})
    assert alice.json("/keys")["keys"][0]["scopes"] == list(PROTOCOL_SCOPES)


@pytest.mark.parametrize(
    "wanted", [{"scopes": ["orders:write"]}, {"scopes": ["keys:manage", "orders:write"]}]
)
def test_a_key_cannot_make_one_that_may_do_more(alice: Client, wanted: dict[str, Any]) -> None:
    narrow = alice.scoped("keys:manage")
    answer = narrow.post("/keys", {"name": "more"} | wanted)
    assert_problem(answer, 403, "insufficient_scope", scope="orders:write")


def test_a_key_made_without_naming_scopes_has_those_of_its_maker(alice: Client) -> None:
    made = alice.scoped("keys:manage", "balance:read").post("/keys", {"name": "same"})
    assert alice.json("/keys")["keys"][0]["scopes"] == ["balance:read", "keys:manage"]
    assert made.status_code == 201


def test_a_key_that_may_do_nothing_the_kind_needs_makes_none(alice: Client) -> None:
    """With no scope in common, an empty list must not turn into all of them."""
    answer = alice.scoped("keys:manage").post("/keys", {"name": "old", "kind": "protocol"})
    assert_problem(answer, 403, "insufficient_scope", scope="orders:read")


def test_a_key_cannot_rotate_one_that_may_do_more(alice: Client) -> None:
    (all_of_it,) = alice.json("/keys")["keys"]
    answer = alice.scoped("keys:manage").post(f"/keys/{all_of_it['id']}/rotate", {})
    assert_problem(answer, 403, "insufficient_scope", scope="orders:read")


def test_a_rotated_key_works_beside_the_new_one_for_the_overlap(town: Town, alice: Client) -> None:
    (old,) = alice.json("/keys")["keys"]
    answer = alice.post(f"/keys/{old['id']}/rotate", {"overlap_s": 100})
    assert answer.status_code == 201
    new = alice.with_key(answer.json()["key"])
    town.shop.clock.advance(99)
    assert (alice.get("/balance").status_code, new.get("/balance").status_code) == (200, 200)
    town.shop.clock.advance(1)
    with town.another() as url:  # which remembers no key
        assert_problem(alice.at(url).get("/balance"), 401, "expired_key")
        assert new.at(url).get("/balance").status_code == 200
    assert [key["scopes"] for key in new.json("/keys")["keys"]] == [list(SCOPES)] * 2


def test_a_revoked_key_is_not_rotated(alice: Client) -> None:
    made = alice.post("/keys", {"name": "gone"}).json()["id"]
    alice.delete(f"/keys/{made}")
    assert_problem(alice.post(f"/keys/{made}/rotate", {}), 401, "revoked_key")


def test_revoking_twice_is_revoking_once(alice: Client) -> None:
    made = alice.post("/keys", {"name": "gone"}).json()["id"]
    assert [alice.delete(f"/keys/{made}").status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize(
    "wanted",
    [
        {}, {"name": ""}, {"name": "x" * 81}, {"name": "a\nb"}, {"name": 7}, {"name": "x", "scopes": ["all"]},
        {"name": "x", "scopes": "orders:read"}, {"name": "x", "kind": "session"}, {"name": "x", "expires_in_s": 59},
        {"name": "x", "expires_in_s": "60"}, {"name": "x", "kind": "protocol", "scopes": ["keys:manage"]},
    ],
)  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(alice: Client, wanted: dict[str, Any]) -> None:
    assert_problem(alice.post("/keys", wanted), 422, "invalid_input")
    assert len(alice.json("/keys")["keys"]) == 1


def test_a_side_has_at_most_a_hundred_keys_that_work(town: Town, alice: Client) -> None:
    for _ in range(99):
        alice.scoped("orders:read")
    answer = alice.post("/keys", {"name": "one too many"})
    assert_problem(answer, 429, "limit_exceeded", limit="keys", retry_after_s=3600)
    assert answer.headers["retry-after"] == "3600"
