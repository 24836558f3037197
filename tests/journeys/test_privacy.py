"""No client address, key, message text or code is stored or logged in clear (promise P1): a scan of everything there is.

The scanner proves itself in the same run: a planted row must be found in the tables and in the raw files, and the
address must be found in the access log, the one place that may hold it.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from pathlib import Path

import httpx
import psycopg
import pytest

from onceline import embedded
from tests.journeys.conftest import House

ADDRESS = "127.83.71.59"
FORWARDED = "203.0.113.219"
TEXT = "zebra quartz lantern: your code is 739158"
AGENT = "zebra-browser/7.3"
PASSWORD = "orchid violet marble"
PLANTED = "planted-so-that-the-scan-proves-itself"


def _forms(secret: str) -> dict[str, bytes]:
    """The shapes in which a text may hide."""
    raw = secret.encode()
    forms = {
        "text": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "base64": base64.b64encode(raw).rstrip(b"="),
        "utf-16": secret.encode("utf-16-le"),
    }
    for name in ("md5", "sha1", "sha256"):
        forms[name] = hashlib.new(name, raw).hexdigest().encode()
    try:
        packed = ipaddress.ip_address(secret)
    except ValueError:
        return forms
    return forms | {"packed hex": packed.packed.hex().encode(), "integer": str(int(packed)).encode()}


def _in_tables(conninfo: str, secret: str) -> list[str]:
    forms = [form.decode("latin-1").lower() for name, form in _forms(secret).items() if name != "utf-16"]
    found = []
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('public', 'desk')"
        ).fetchall()
        assert {"public", "desk"} == {schema for schema, _ in tables}
        for schema, table in tables:
            rows = connection.execute(f"select t::text from {schema}.{table} t").fetchall()
            found += [table for (row,) in rows if any(form in row.lower() for form in forms)]
    return found


def _in_files(folder: Path, secret: str, *, but: str = "\0") -> list[str]:
    forms = _forms(secret).values()
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(but)
        and any(form in path.read_bytes() for form in forms)
    ]


def _live_through(house: House) -> str:
    """A customer's life with everything a stranger could make us remember; returns the key that was used."""
    opened = house.open_account("alice")
    alice = house.customer(opened.key, address=ADDRESS)
    order = alice.order()
    assert alice.sms(order["number"], TEXT, sender="zebra quartz").status_code == 202
    assert alice.get(f"orders/{order['id']}", wait=10).json()["code"] == "739158"
    with httpx.Client(transport=httpx.HTTPTransport(local_address=ADDRESS), base_url=house.base) as stranger:
        headers = {"X-Forwarded-For": FORWARDED, "Forwarded": f"for={FORWARDED}"}
        stranger.get("/api/v1/balance", params={"api_key": opened.key}, headers=headers)
        stranger.get(
            f"/api/v1/orders/{opened.key}", headers=headers | {"Authorization": f"Bearer {opened.key}"}
        )
        stranger.post(
            "/api/v1/orders", content=TEXT.encode(), headers={"Authorization": f"Bearer {opened.key}"}
        )
        stranger.get(f"/{opened.key}/{TEXT}")
        _sign_up(stranger, headers | {"User-Agent": AGENT})
    alice.post(
        "orders", {"service": "telegram", "country": "GB", "client_reference": "x" * 65, "network": TEXT}
    )
    alice.post("test/messages", {"number": "+447700900000", "sender": TEXT, "text": TEXT})
    return opened.key


def _sign_up(stranger: httpx.Client, headers: dict[str, str]) -> None:
    """On the pages, and log in with a wrong password and the right one."""
    who = {"username": "stranger", "email": "stranger@example.com", "password1": PASSWORD}
    for path, fields in (
        ("/account/signup/", who),
        ("/account/login/", {"login": "stranger", "password": "not this one at all"}),
        ("/account/login/", {"login": "stranger", "password": PASSWORD}),
    ):
        page = stranger.get(path, headers=headers)
        token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        assert stranger.post(
            path, data={**fields, "csrfmiddlewaretoken": token}, headers=headers
        ).status_code in (200, 302)


@pytest.mark.promise("P1")
@pytest.mark.promise("P13")
def test_nothing_secret_is_stored_or_logged_in_clear(house: House) -> None:
    house.up()
    key = _live_through(house)
    house.open_account(PLANTED)
    with embedded.serving(house.folder) as conninfo:
        assert _in_tables(conninfo, "stranger@example.com"), "the stranger did sign up"
        for secret in (ADDRESS, FORWARDED, TEXT, "739158", "zebra quartz", AGENT, PASSWORD):
            assert _in_tables(conninfo, secret) == [], secret
        assert _in_tables(conninfo, key) == ["api_keys"], (
            "a key is stored as its SHA-256, and as nothing else"
        )
        assert _in_tables(conninfo, key[:20]) == []
        assert _in_tables(conninfo, PLANTED) == ["accounts"], "the scan of the tables must see"
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("checkpoint")
    assert house.stop() == 0

    assert any("pg/data" in path for path in _in_files(house.folder, PLANTED)), (
        "the scan of the files must see"
    )
    for secret in (TEXT, "zebra quartz", FORWARDED, key[:20], AGENT, PASSWORD):
        assert _in_files(house.folder, secret) == [], secret
    assert _in_files(house.folder, ADDRESS, but="access-") == []
    assert len(_in_files(house.folder, ADDRESS)) == 1, "the access log holds the address"
    log = next((house.folder / "logs").glob("access-*.log")).read_text()
    assert key not in log
    assert f" {ADDRESS} POST /api/v1/orders 201 " in log
    assert f" {ADDRESS} GET /api/v1/orders/{{order_id}} " in log
    assert f" {ADDRESS} POST /account/login/ " in log, "pages in their own process are told who asks"


def test_no_column_could_hold_an_address(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        columns = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"
            " and (data_type in ('inet', 'cidr', 'macaddr')"
            "      or column_name ~ '(^|_)(ip|addr|address|remote|agent|useragent)(_|$)')"
        ).fetchall()
    assert columns == []
