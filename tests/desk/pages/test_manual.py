"""The API documentation: its examples do what they say against a real edge, its table of errors is the API's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from onceline.core.access.model import SCOPES
from onceline.core.catalog.model import load_services
from onceline.core.webhooks.signing import headers_of, new_secret
from onceline.desk.pages import manual
from onceline.edge import problems
from tests.desk.pages.readers import CHINESE, decide, read, words
from tests.desk.visitors import Pages
from tests.edge.door import serving

CODE = re.compile(r"^code 48291$", re.MULTILINE)


@pytest.fixture
def edge(pages: Pages) -> Iterator[str]:
    with serving(pages.house.settings, pages.shop.db, pages.shop.context) as url:
        yield url


def sample(name: str, language: str, base: str = manual.BASE, key: str = manual.KEY) -> str:
    """As it stands on the page of an installation at this address."""
    return next(one.code for one in manual.samples(name, base, key) if one.language == language)


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def script(folder: Path, name: str, *parts: str) -> str:
    path = folder / name
    path.write_text("\n".join(parts))
    return str(path)


# The examples ---------------------------------------------------------------------------------------------------------


def test_the_quick_start_in_python_brings_the_code(pages: Pages, edge: str, tmp_path: Path) -> None:
    key = pages.shop.customer("alice").key
    told = run(sys.executable, script(tmp_path, "start.py", sample("quickstart", "Python", edge, key)))
    assert CODE.search(told)


def test_the_quick_start_in_javascript_brings_the_code(pages: Pages, edge: str, tmp_path: Path) -> None:
    key = pages.shop.customer("alice").key
    told = run("node", script(tmp_path, "start.mjs", sample("quickstart", "JavaScript", edge, key)))
    assert CODE.search(told)


def test_the_quick_start_with_curl_brings_the_code(pages: Pages, edge: str) -> None:
    key = pages.shop.customer("alice").key
    place, send, wait = sample("quickstart", "curl", edge, key).split("\n\n")
    order = json.loads(run("bash", "-c", place))
    assert "message_id" in run("bash", "-c", send, NUMBER=order["number"])
    assert json.loads(run("bash", "-c", wait, ORDER=str(order["id"])))["code"] == "48291"


def test_the_repeat_orders_once_however_often_the_line_breaks(pages: Pages, edge: str) -> None:
    space: dict[str, object] = {}
    exec(sample("repeat", "Python"), space)  # the page's own text
    who = pages.shop.customer("alice")
    sent: list[str] = []

    class Breaking(httpx.HTTPTransport):
        """The first answer is lost on its way."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            sent.append(request.headers["idempotency-key"])
            if len(sent) == 1:
                answer.close()
                raise httpx.ReadError("cut")
            return answer

    with httpx.Client(
        base_url=f"{edge}/api/v1/", headers={"Authorization": f"Bearer {who.key}"}, transport=Breaking()
    ) as api:
        order = space["place"](api, {"service": "telegram", "country": "GB"})  # type: ignore[operator]  # the sample defines it
    assert len(set(sent)) == 1
    assert len(sent) == 2
    assert [row.n for row in pages.shop.rows("select count(*) as n from orders")] == [1]
    assert order["state"] == "waiting"


def test_the_signature_is_checked_in_python(tmp_path: Path) -> None:
    space: dict[str, object] = {}
    exec(sample("webhook", "Python"), space)
    for secret, headers, body, genuine in _deliveries():
        assert space["is_genuine"](secret, headers, body) is genuine  # type: ignore[operator]  # the sample defines it


def test_the_signature_is_checked_in_javascript(tmp_path: Path) -> None:
    asked = [[secret, dict(headers), body.decode()] for secret, headers, body, _ in _deliveries()]
    harness = (
        f"for (const [secret, headers, body] of {json.dumps(asked)})"
        " console.log(isGenuine(secret, headers, Buffer.from(body)));"
    )
    told = run("node", script(tmp_path, "check.mjs", sample("webhook", "JavaScript"), harness))
    expected = [str(genuine).lower() for *_, genuine in _deliveries()]
    assert told.split() == expected


def _deliveries() -> list[tuple[str, Mapping[str, str], bytes, bool]]:
    """Secret, headers, body, and whether it is ours."""
    secret, other, body, now = (
        new_secret("v1"),
        new_secret("v1"),
        '{"text": "код"}'.encode(),
        int(time.time()),
    )
    ours = secret.shown() or ""
    good, old = headers_of("evt_1", now, body, [secret]), headers_of("evt_1", now - 3600, body, [secret])
    return [
        (ours, good, body, True),
        (ours, headers_of("evt_1", now, body, [other, secret]), body, True),
        (ours, good, body + b" ", False),
        (ours, headers_of("evt_1", now, body, [other]), body, False),
        (ours, old, body, False),
        (ours, {**good, "webhook-timestamp": "soon"}, body, False),
    ]


def test_the_socket_in_python_comes_back_without_a_gap(pages: Pages, edge: str, tmp_path: Path) -> None:
    who = pages.shop.customer("alice")
    pages.shop.place(who)
    harness = (
        "import sys",
        "cursor = json.loads(sys.argv[1])",
        "for event in listen(cursor):",
        "    print(event['type'])",
        "    break",
    )
    file = script(tmp_path, "socket_client.py", sample("socket", "Python", edge, who.key), *harness)
    epoch = pages.shop.value("select epoch from installation")
    assert run(sys.executable, file, json.dumps({"after": 1, "epoch": epoch})) == "order.placed\n"


def test_the_socket_in_javascript_comes_back_without_a_gap(pages: Pages, edge: str, tmp_path: Path) -> None:
    who = pages.shop.customer("alice")
    pages.shop.place(who)
    epoch = pages.shop.value("select epoch from installation")
    harness = (
        f"const cursor = {json.dumps({'after': 1, 'epoch': epoch})};"
        "const socket = await listen(cursor, (event) => { console.log(event.type); setTimeout(() => {"
        " console.log(cursor.after); socket.close(); process.exit(0); }); });"
    )
    file = script(tmp_path, "socket.mjs", sample("socket", "JavaScript", edge, who.key), harness)
    assert run("node", "--no-warnings", "--experimental-websocket", file).split() == ["order.placed", "2"]


def test_the_examples_carry_this_installations_address(pages: Pages) -> None:
    assert "http://localhost/api/v1/orders" in words(pages, "/docs/api/")
    decide(pages, public_url="https://otp.example.com")
    page = words(pages, "/docs/api/")
    assert "https://otp.example.com/api/v1/orders" in page
    assert manual.BASE not in page


def test_an_example_can_carry_its_readers_key() -> None:
    shown = [one.code for one in manual.samples("quickstart", "https://otp.example.com", "ol_test_mine")]
    assert len(shown) == 3
    assert all(
        "ol_test_mine" in code and manual.KEY not in code and manual.BASE not in code for code in shown
    )


# The tables -----------------------------------------------------------------------------------------------------------


def test_the_table_of_errors_is_the_tree_of_core_and_the_door_of_http() -> None:
    told = {one.code: one.status for one in manual.FAULTS}
    assert told == {**problems.STATUS, **problems.DOOR_CODES}
    assert manual.core_codes() <= set(told)
    assert len(told) == len(manual.FAULTS)


def test_what_may_be_tried_again_is_what_the_api_says() -> None:
    assert {one.code for one in manual.FAULTS if one.again} == problems._RETRYABLE


@pytest.mark.parametrize("language", ["en", CHINESE])
def test_the_page_names_every_error_and_every_scope(pages: Pages, language: str) -> None:
    page = read(pages, "/docs/api/", language)
    for one in manual.FAULTS:
        assert f'<tr id="{one.code}">' in page
    for scope in SCOPES:
        assert f"<code>{scope}</code>" in page


def test_the_example_of_a_refusal_is_one_of_the_api(pages: Pages, edge: str) -> None:
    who = pages.shop.customer("alice")
    answer = httpx.post(
        f"{edge}/api/v1/orders",
        json={"service": "telegram", "country": "GB", "max_price": "0.01"},
        headers={"Authorization": f"Bearer {who.key}", "Idempotency-Key": "one"},
    )
    assert answer.json() == json.loads(manual.samples("problem")[0].code)


def test_it_leads_to_the_reference(pages: Pages, edge: str) -> None:
    page = read(pages, "/docs/api/")
    for path in ("/api/v1/docs", "/api/v1/openapi.json"):
        assert f'href="{path}"' in page
        assert httpx.get(edge + path).status_code == 200


def test_the_events_it_names_are_real() -> None:
    page = (Path(manual.__file__).parent / "templates/pages/api/text.html").read_text()
    events = (Path(__file__).parents[3] / "docs/reference/events.md").read_text()
    named = set(re.findall(r"<code>(order\.[a-z]+)</code>", page))
    assert len(named) >= 5
    assert all(f"| `{one}` |" in events for one in named)


def test_the_test_services_it_names_are_those_of_the_catalogue() -> None:
    page = (Path(manual.__file__).parent / "templates/pages/api/text.html").read_text()
    services = {one.slug for one in load_services() if one.category == "test"}
    assert set(re.findall(r"<code>(test-[a-z-]+)</code>", page)) == services
