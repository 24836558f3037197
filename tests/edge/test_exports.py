"""Exports at the door: asked for, watched, fetched with a key or a link; and links that open nothing."""

from __future__ import annotations

import base64
import csv
import io
import json
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from onceline.core.access import commands as access
from onceline.core.clock import rfc3339
from onceline.core.exports import commands as exports
from onceline.core.vault import account_key
from onceline.edge import downloads
from onceline.workers.export import export_round
from tests.edge.door import API, Client, Town, assert_problem
from tests.edge.test_access import ROUTES

OF_AN_EXPORT = sorted(route for route in ROUTES if "{export_id}" in route[1])


@pytest.fixture(autouse=True)
def room(town: Town) -> None:
    """The town is shared: nobody else's exports wait before ours."""
    make(town)


def make(town: Town) -> None:
    while export_round(town.shop.db, town.shop.context):
        pass


def ask(client: Client, kind: str = "orders", **wanted: Any) -> dict[str, Any]:
    answer = client.post("/exports", {"kind": kind, "format": "json"} | wanted)
    assert answer.status_code == 202, answer.text
    export: dict[str, Any] = answer.json()
    return export


def ready(town: Town, client: Client, kind: str = "orders", **wanted: Any) -> dict[str, Any]:
    export = ask(client, kind, **wanted)
    make(town)
    made = client.json(f"/exports/{export['id']}")
    assert made["state"] == "ready"
    return made


def fetch(client: Client, export: dict[str, Any]) -> httpx.Response:
    return client.get(f"/exports/{export['id']}/file")


def link(client: Client, export: dict[str, Any], **wanted: Any) -> str:
    answer = client.post(f"/exports/{export['id']}/links", wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


def assert_refused(answer: httpx.Response) -> None:
    assert_problem(answer, 403, "link_refused")


# Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("D9")
def test_an_export_holds_the_rows_that_the_lists_show(town: Town, alice: Client) -> None:
    alice.sms(alice.order(client_reference="mine"))
    alice.order(kind="rental", duration=4 * 3600)
    for kind, path, rows in (("orders", "/orders", "orders"), ("statement", "/statement", "transfers")):
        export = ready(town, alice, kind)
        listed = alice.json(path)[rows]
        assert fetch(alice, export).json()["rows"] == listed[::-1]
        table = fetch(alice, ready(town, alice, kind, format="csv"))
        assert [row["id"] for row in csv.DictReader(io.StringIO(table.text, newline=""))] == [
            str(row["id"]) for row in listed[::-1]
        ]


@pytest.mark.promise("D9")
def test_the_codes_are_the_messages_of_all_orders(town: Town, alice: Client) -> None:
    orders = [alice.sms(alice.order(), f"Your code is 10{n}482") for n in range(3)]
    rows = fetch(alice, ready(town, alice, "codes")).json()["rows"]
    own = ("order", "number", "ordered_service", "country", "client_reference")
    seen = [{name: value for name, value in row.items() if name not in own} for row in rows]
    assert seen == [message for order in orders for message in order["messages"]]
    assert [(row["order"], row["number"]) for row in rows] == [(one["id"], one["number"]) for one in orders]


@pytest.mark.promise("P7")
def test_the_whole_account_is_a_file(town: Town, alice: Client) -> None:
    alice.sms(alice.order())
    file = fetch(alice, ready(town, alice, "account")).json()
    (listed,) = alice.json("/keys")["keys"]
    assert file["keys"] == [{"mode": "test"} | {name: file["keys"][0][name] for name in listed}]
    assert {name: file["keys"][0][name] for name in listed} == listed
    assert file["balances"][0]["available"] == alice.json("/balance")["available"]
    events = [one for one in alice.json("/events")["events"] if one["event"]["type"] != "export.ready"]
    assert [one["id"] for one in file["events"]] == [one["id"] for one in events]


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("csv", "text/csv; charset=utf-8; header=present"), ("json", "application/json")],
)
def test_a_file_says_what_it_is_and_stays_nowhere(
    town: Town, alice: Client, format: str, media_type: str
) -> None:
    answer = fetch(alice, ready(town, alice, format=format))
    assert answer.status_code == 200
    for name, value in {
        "content-type": media_type,
        "content-length": str(len(answer.content)),
        "content-disposition": f'attachment; filename="onceline-orders-{town.shop.clock.now():%Y-%m-%d}.{format}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; sandbox",
    }.items():
        assert answer.headers.get_list(name) == [value]


def test_a_span_is_given_back_and_kept_to(town: Town, alice: Client) -> None:
    alice.order()
    town.shop.clock.advance(10)
    second = alice.order()
    span = {"from": second["created_at"], "until": "2026-12-31T00:00:00+02:00"}
    export = ready(town, alice, **span)
    assert (export["from"], export["until"]) == (second["created_at"], "2026-12-30T22:00:00.000000Z")
    assert [row["id"] for row in fetch(alice, export).json()["rows"]] == [second["id"]]


@pytest.mark.parametrize(
    "wanted",
    [
        {}, {"kind": "users"}, {"kind": "orders", "format": "xml"}, {"kind": "orders", "from": "yesterday"},
        {"kind": "orders", "from": "2026-01-01T00:00:00"}, {"kind": "orders", "from": 7},
        {"kind": "orders", "from": "0001-01-01T00:00:00+14:00"}, {"kind": "orders", "until": "9999-12-31T23:59:59-23:59"},
        {"kind": "orders", "from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"kind": "account", "format": "csv"}, {"kind": "orders", "since": "2026-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_an_export_that_makes_no_sense_is_refused(alice: Client, wanted: dict[str, Any]) -> None:
    assert alice.post("/exports", wanted).status_code == 422
    assert alice.json("/exports")["exports"] == []


def test_a_fourth_export_at_once_is_refused(alice: Client) -> None:
    for _ in range(3):
        ask(alice)
    answer = alice.post("/exports", {"kind": "orders"})
    assert_problem(answer, 429, "limit_exceeded", limit="live exports", retry_after_s=10)


def test_exports_are_listed_newest_first_in_pages(town: Town, alice: Client) -> None:
    asked = [ready(town, alice)["id"] for _ in range(5)]
    pages = list(alice.pages("/exports", "exports", limit=2))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one["id"] for page in pages for one in page] == asked[::-1]


def test_a_file_that_is_not_made_yet_is_not_there(town: Town, alice: Client) -> None:
    export = ask(alice)
    for answer in (fetch(alice, export), alice.post(f"/exports/{export['id']}/links", {})):
        assert_problem(answer, 409, "export_not_ready", state="queued", retry_after_s=2)
    make(town)
    town.shop.clock.advance(7 * 86400)
    fresh = alice.scoped()
    assert alice.json(f"/exports/{export['id']}")["state"] == "expired"
    for answer in (fetch(fresh, export), fresh.post(f"/exports/{export['id']}/links", {})):
        assert_problem(answer, 410, "export_gone", state="expired")


def test_a_deleted_export_is_unknown(town: Town, alice: Client) -> None:
    export = ready(town, alice)
    url = link(alice, export)
    assert alice.delete(f"/exports/{export['id']}").status_code == 204
    assert_problem(alice.delete(f"/exports/{export['id']}"), 404, "not_found", what="export")
    assert_problem(fetch(alice, export), 404, "not_found", what="export")
    assert_refused(town.nobody().get(url))


def test_with_the_accounts_key_the_file_is_erased(town: Town, alice: Client) -> None:
    export = ready(town, alice)
    url = link(alice, export)
    assert alice.who is not None
    town.shop.context.vault.destroy(account_key(alice.who.account))
    assert_problem(fetch(alice, export), 410, "erased")
    assert_refused(town.nobody().get(url))


@pytest.mark.parametrize(("method", "path"), OF_AN_EXPORT)
def test_a_strangers_export_is_not_found(
    town: Town, alice: Client, charlie: Client, method: str, path: str
) -> None:
    export = ready(town, alice)
    place, body = path.format(export_id=export["id"]), {"json": {}} if method == "POST" else {}
    for stranger in (charlie, alice.scoped(mode="live")):
        assert_problem(stranger.send(method, place, **body), 404, "not_found", what="export")
    assert alice.json("/exports")["exports"] == [export]
    assert charlie.json("/exports")["exports"] == []


# Links -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("D9")
def test_a_link_fetches_the_file_without_a_key(town: Town, alice: Client) -> None:
    alice.order()
    export = ready(town, alice)
    answer = alice.post(f"/exports/{export['id']}/links", {})
    end = town.shop.clock.now() + timedelta(seconds=600)
    assert answer.json()["expires_at"] == rfc3339(end.replace(microsecond=0))
    by_link = town.nobody().get(answer.json()["url"])
    assert by_link.status_code == 200
    assert by_link.content == fetch(alice, export).content
    assert by_link.headers["content-disposition"].startswith("attachment; ")


def test_a_link_ends(town: Town, alice: Client) -> None:
    export = ready(town, alice)
    short, default = link(alice, export, expires_in_s=60), link(alice, export)
    town.shop.clock.advance(60)
    assert_refused(town.nobody().get(short))
    assert town.nobody().get(default).status_code == 200
    town.shop.clock.advance(540)
    assert_refused(town.nobody().get(default))


@pytest.mark.parametrize("life", [59, 86401, 0, -1, "600", 60.5])
def test_a_link_lives_a_minute_to_a_day(town: Town, alice: Client, life: object) -> None:
    export = ready(town, alice)
    assert_problem(alice.post(f"/exports/{export['id']}/links", {"expires_in_s": life}), 422, "invalid_input")


def test_every_bit_of_a_link_counts(town: Town, alice: Client) -> None:
    """Decoded, and as text."""
    url = link(alice, ready(town, alice))
    place, _, token = url.rpartition("/")
    raw = base64.urlsafe_b64decode(token)
    flipped = [
        base64.urlsafe_b64encode((int.from_bytes(raw) ^ (1 << bit)).to_bytes(len(raw))).decode()
        for bit in range(8 * len(raw))
    ]
    with town.another(limits="off") as here, httpx.Client(base_url=here, timeout=20) as http:
        codes = {http.get(f"{place}/{one}").json().get("code") for one in flipped}
        assert codes == {"link_refused"}
        assert http.get(url).status_code == 200


@pytest.mark.parametrize(
    "token", ["x", "a" * 116, "a" * 115, "a" * 117, "%00", "é" * 116, "exp_aaaaaaaaaaaaaaaa"]
)
def test_what_is_no_link_is_refused_like_a_wrong_one(town: Town, token: str) -> None:
    assert_refused(town.nobody().get(f"/downloads/{token}"))


def test_a_link_dies_with_the_key_that_made_it(town: Town, alice: Client) -> None:
    export = ready(town, alice)
    key = alice.post("/keys", {"name": "maker"}).json()
    url, other = link(alice.with_key(key["key"]), export), link(alice, export)
    assert town.nobody().get(url).status_code == 200
    alice.delete(f"/keys/{key['id']}")
    assert_refused(town.nobody().get(url))
    assert town.nobody().get(other).status_code == 200


def test_a_link_dies_with_a_rotated_key(town: Town, alice: Client) -> None:
    export = ready(town, alice)
    url = link(alice, export, expires_in_s=3600)
    (key,) = alice.json("/keys")["keys"]
    alice.post(f"/keys/{key['id']}/rotate", {"overlap_s": 100})
    town.shop.clock.advance(99)
    assert town.nobody().get(url).status_code == 200
    town.shop.clock.advance(1)
    assert_refused(town.nobody().get(url))


def test_a_link_is_closed_while_the_account_is_suspended(town: Town, alice: Client) -> None:
    url = link(alice, ready(town, alice))
    assert alice.who is not None
    for state, status in (("suspended", 403), ("open", 200)):
        with town.shop.db.transaction() as tx:
            access.set_account_state(tx, alice.who.account, state)
        assert town.nobody().get(url).status_code == status


def test_a_link_opens_no_other_file(town: Town, alice: Client, charlie: Client) -> None:
    """Not even with the other file's name in front."""
    mine, hers = ready(town, charlie), ready(town, alice)
    place, _, token = link(alice, hers).rpartition("/")
    foreign = base64.b32decode(mine["id"].removeprefix("exp_").upper())
    for other in (foreign, base64.b32decode(ready(town, alice)["id"].removeprefix("exp_").upper())):
        forged = base64.urlsafe_b64encode(other + base64.urlsafe_b64decode(token)[10:]).decode()
        assert_refused(town.nobody().get(f"{place}/{forged}"))


def test_no_link_stands_in_a_log(town: Town, alice: Client, logs: Path) -> None:
    url = link(alice, ready(town, alice))
    assert town.nobody().get(url).status_code == 200
    assert_refused(town.nobody().get(url[:-1] + "x"))
    written = "".join(path.read_text() for path in logs.glob("*.log"))
    assert "/api/v1/downloads/{token} 200" in written
    assert url.rpartition("/")[2][:20] not in written


# Fetching --------------------------------------------------------------------------------------------------------


def test_at_most_four_files_of_an_account_are_fetched_at_once(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ready(town, alice)
    monkeypatch.setattr(downloads, "AT_ONCE_OF_ACCOUNT", 0)
    assert_problem(fetch(alice, export), 429, "limit_exceeded", limit="downloads", retry_after_s=5)
    monkeypatch.setattr(downloads, "AT_ONCE_OF_ACCOUNT", 1)
    assert [fetch(alice, export).status_code for _ in range(3)] == [200] * 3


def large(town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An export of some 12 MB, which no buffer on the way takes in."""
    export = ask(alice)
    with town.shop.db.transaction() as tx:
        claimed = exports.claim(tx, town.shop.clock.now())
    assert claimed is not None
    assert claimed.id == export["id"]
    row = json.dumps({"text": "x" * 1000}).encode()
    page = exports.Page(b'{"rows":[' + b",".join([row] * 12_000) + b"]}", 12_000, None)
    with town.shop.db.transaction() as tx:
        exports.keep(tx, town.shop.context, claimed, page)
    return alice.json(f"/exports/{export['id']}")


def asked_for(alice: Client, export: dict[str, Any]) -> socket.socket:
    """A reader that asked for the file, and has read nothing yet."""
    at = urlsplit(alice.url)
    line = socket.create_connection((str(at.hostname), int(at.port or 0)), timeout=20)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    words = f"GET {API}/exports/{export['id']}/file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.key}\r\n\r\n"
    line.sendall(words.encode())
    return line


def all_of(line: socket.socket) -> int:
    total = 0
    while data := line.recv(1 << 20):
        total += len(data)
    return total


def test_a_large_file_comes_whole(town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    export = large(town, alice, monkeypatch)
    answer = fetch(alice, export)
    assert len(answer.json()["rows"]) == 12_000
    assert len(answer.content) == export["bytes"] > 12_000_000


def test_a_reader_that_stops_reading_is_cut(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "SEND_S", 0.3)
    export = large(town, alice, monkeypatch)
    with asked_for(alice, export) as line:
        time.sleep(1.5)
        assert 0 < all_of(line) < export["bytes"]
    monkeypatch.setattr(downloads, "AT_ONCE_OF_ACCOUNT", 1)
    assert fetch(alice, export).status_code == 200  # its slot is free


def test_a_key_that_is_revoked_meanwhile_gets_no_more(
    town: Town, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = large(town, alice, monkeypatch)
    made = alice.post("/keys", {"name": "brief"}).json()
    with asked_for(alice.with_key(made["key"]), export) as line:
        got = len(line.recv(1000))
        alice.delete(f"/keys/{made['id']}")
        assert got + all_of(line) < export["bytes"]
