"""What every answer has in common, the document that describes them, and the pages beside the API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from onceline.core import errors
from onceline.core.ledger import store as ledger
from onceline.edge import problems
from tests.edge.door import API, Client, Town, assert_problem

METHODS = {"get", "patch", "post", "put", "delete"}


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


@pytest.fixture(scope="module")
def document(town: Town) -> dict[str, Any]:
    return town.nobody().json("/openapi.json")


# The document -----------------------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OPENAPI_31_VALIDATOR.validate(document)


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place: Any = document
        for step in reference.split("/"):
            assert step in place, reference
            place = place[step]


def test_every_operation_is_described_and_every_success_has_a_shape(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert method in METHODS
        assert operation["description"], where
        assert operation["security"] == [{"HTTPBearer": []}], where
        for status, answer in operation["responses"].items():
            if status[0] == "2" and status != "204":
                media = "text/event-stream" if path == f"{API}/stream" else "application/json"
                assert answer["content"][media]["schema"], where
            elif status[0] in "45":
                assert answer["content"].keys() == {"application/problem+json"}, where
        assert {"4XX", "503"} <= operation["responses"].keys(), where


def test_every_body_refuses_unknown_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for _, path, operation in operations(document):
        if body := operation.get("requestBody"):
            name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            assert schemas[name]["additionalProperties"] is False, path


def test_every_post_that_moves_money_demands_an_idempotency_key(document: dict[str, Any]) -> None:
    demanding = {
        path.removeprefix(API)
        for _, path, operation in operations(document)
        for one in operation.get("parameters", [])
        if one["name"] == "Idempotency-Key" and one["required"]
    }
    assert demanding == {"/orders", "/orders/batch", "/orders/{order_id}/extend", "/deposits"}


def test_answers_are_what_the_document_says(alice: Client, document: dict[str, Any]) -> None:
    order = alice.sms(alice.order())
    alice.order(kind="rental", duration=4 * 3600)
    assert alice.post("/exports", {"kind": "orders", "format": "csv"}).status_code == 202
    alice.scoped("events:read")
    for path in (
        "/orders", "/orders/{order_id}", "/orders/{order_id}/messages", "/messages", "/balance", "/statement", "/events", "/keys",
        "/webhooks", "/notices", "/notifications", "/exports",
        "/catalog/countries", "/catalog/services", "/catalog/pools", "/catalog/offers",
    ):  # fmt: skip
        schema = document["paths"][API + path]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]
        strict = _closed({"components": document["components"], **schema})
        found = alice.json(path.format(order_id=order["id"]), **_narrow(path))
        jsonschema_rs.validate(strict, found)


def _narrow(path: str) -> dict[str, str]:
    return {"service": "telegram"} if path == "/catalog/offers" else {}


def _closed(schema: Any) -> Any:
    """The schema with every object closed: an answer may hold nothing that the document does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


# Problems and headers ---------------------------------------------------------------------------------------------


def test_every_refusal_of_core_has_a_status() -> None:
    def codes(kind: type[errors.OncelineError]) -> set[str]:
        own = {kind.code} if "code" in vars(kind) else set()
        return own.union(*(codes(one) for one in kind.__subclasses__()))

    assert codes(errors.OncelineError) == problems.STATUS.keys()


@pytest.mark.parametrize(
    "path", ["/nowhere", "/orders/", "/orders/1/steal", "/ORDERS", "/../orders", "/orders//1"]
)
def test_an_unknown_route_is_a_problem_and_no_redirect(alice: Client, path: str) -> None:
    assert_problem(alice.get(path), 404, "unknown_route")


@pytest.mark.parametrize("path", ["/", "/robots.txt", "/.env", "/docs", "/redoc"])
def test_outside_of_the_api_there_is_nothing(town: Town, path: str) -> None:
    answer = town.http.get(town.url + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_that_a_route_does_not_take_is_a_problem(alice: Client, method: str) -> None:
    answer = alice.send(method, "/orders/1/cancel")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("order", ["0", "-1", "x", "2147483648", "1.5", "9" * 400, "%00", "\u0661"])
def test_an_order_id_that_cannot_be_one_is_invalid(alice: Client, order: str) -> None:
    assert_problem(alice.get(f"/orders/{order}"), 422, "invalid_input")


def test_a_fault_of_ours_is_a_problem_that_gives_nothing_away(
    alice: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("the secret is 482913")

    monkeypatch.setattr(ledger, "balance", fail)
    answer = alice.get("/balance")
    body = assert_problem(answer, 500, "internal")
    assert body["retryable"] is True
    assert "ratelimit" in answer.headers
    logged = capsys.readouterr()
    assert "482913" not in answer.text + logged.out + logged.err
    assert answer.headers["x-request-id"] in logged.out + logged.err


def test_every_answer_carries_its_own_id_and_is_not_kept(alice: Client) -> None:
    answers = [alice.get("/balance") for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers


# The pages beside it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/docs", "/problems"])
def test_the_handbook_loads_nothing_from_elsewhere(town: Town, page: str) -> None:
    answer = town.nobody().get(page)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert not re.search(r"https?:|//\w|@import|<script|<link|<iframe|\bsrc=|url\(", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_handbook_names_every_route_and_every_code(town: Town, document: dict[str, Any]) -> None:
    page = town.nobody().get("/docs").text
    for _, path, operation in operations(document):
        assert path in page
        assert operation["description"].split("`")[0][:20].split("'")[0] in page
    codes = town.nobody().get("/problems").text
    assert all(f'id="{code}"' in codes for code in {**problems.STATUS, **problems.DOOR_CODES})


def test_the_process_says_that_it_lives_and_is_ready(town: Town) -> None:
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = town.http.get(town.url + path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})


def test_metrics_count_routes_and_name_nobody(town: Town, alice: Client) -> None:
    order = alice.order()
    alice.read(order)
    text = town.http.get(town.url + "/metrics").text
    assert re.search(
        r'^onceline_request_seconds_count\{route="/api/v1/orders/\{order_id\}",status="2xx"\} ',
        text,
        re.MULTILINE,
    )
    assert str(order["id"]) not in text
    assert alice.who is not None
    assert alice.who.account not in text


def test_metrics_can_ask_for_a_token(town: Town) -> None:
    with town.another(metrics_token="t0ken") as url:
        for header, status in (("", 401), ("Bearer wrong", 401), ("Bearer \xff", 401), ("Bearer t0ken", 200)):
            answer = town.http.get(url + "/metrics", headers={"Authorization": header.encode("latin-1")})
            assert answer.status_code == status


def test_the_access_log_knows_templates_and_no_customer(alice: Client, logs: Path) -> None:
    order = alice.order(client_reference="planted-reference")
    alice.sms(order)
    alice.get(f"/orders/{order['id']}", wait=0)
    alice.get("/nowhere/planted-path", planted="planted-query")
    with alice.live() as line:
        line.ready()
    lines = "".join(path.read_text() for path in sorted(logs.glob("*.log")))
    assert "127.0.0.1 GET /api/v1/orders/{order_id} 200" in lines
    assert "GET (unmatched) 404" in lines
    to_the_minute = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ \S+ [A-Z]+ \S+ \d{3} \d+ms")
    assert all(to_the_minute.fullmatch(line) for line in lines.splitlines())
    for planted in ("planted", str(order["id"]), order["number"], str(alice.key)[8:30], "482913"):
        assert planted not in lines
