"""Nobody says where money goes back to (M4): no door has a field for it, and what is sent all the same changes nothing."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from onceline.cli import app as command_line
from onceline.core.deposits import refunds
from onceline.payments.base import SendBack
from onceline.payments.registry import KINDS
from onceline.payments.till import Till
from tests.command import CommandLine
from tests.counterparts.cryptomus.process import PAYER, FakeCryptomus
from tests.payments.counter import Counter
from tests.payments.crypto import COINS, THIEF, live, pay
from tests.personas import ALICE
from tests.shop import Shop

WORDS = {
    "address", "addresses", "beneficiary", "bic", "card", "destination", "from", "iban", "origin", "payout", "receiver",
    "recipient", "refund", "sender", "target", "to", "wallet",
}  # fmt: skip
"""Of which a field for the place that money goes to would be made."""


def suspect(name: str) -> bool:
    return bool(set(re.findall(r"[a-z]+", name.lower().replace("_", " "))) & WORDS)


def commands(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every command's words, with the name of each thing it takes."""
    for name, inner in getattr(found, "commands", {}).items():
        yield from commands(inner, (*path, name))
    for one in getattr(found, "params", []):
        yield " ".join(path), str(one.name)


def inputs(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every operation, with the name of each thing that it takes: in its path, query, headers and body, however deep."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path.removeprefix('/api/v1')}"
            yield from ((where, one["name"]) for one in operation.get("parameters", []))
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield from ((where, name) for name in fields(document, media["schema"]))


def fields(document: dict[str, Any], schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from fields(document, one)
    elif isinstance(schema, dict):
        if reference := schema.get("$ref"):
            yield from fields(document, document["components"]["schemas"][reference.rsplit("/", 1)[1]])
        yield from schema.get("properties", {})
        for one in schema.values():
            yield from fields(document, one) if isinstance(one, dict | list) else ()


@pytest.fixture
def alice(counter: Counter) -> Counter:
    return live(counter, ALICE)


@pytest.fixture
def paid(alice: Counter, coins: FakeCryptomus) -> dict[str, Any]:
    """By PAYER."""
    deposit = alice.begun("10.00", COINS)
    pay(alice, coins, deposit, "paid", "10")
    return alice.read(deposit)


def addresses(coins: FakeCryptomus) -> list[str]:
    """Where Cryptomus was told to send money."""
    return [str(one["address"]) for one in coins.refunds]


# That there is none -------------------------------------------------------------------------------------------------------


@pytest.mark.attack(33)
def test_the_api_describes_no_field_for_it(counter: Counter) -> None:
    """What is left leads no money anywhere: a mail address, a time, a place in a list, who a test message is from."""
    document = counter.http.get(f"{counter.url}/api/v1/openapi.json").json()
    taken = {one for one in inputs(document) if not one[0].startswith("get ")}
    assert {one for one in taken if suspect(one[1])} == {
        ("put /notices", "address"),
        ("post /exports", "from"),
        ("post /notifications/read", "up_to"),
        ("post /test/messages", "sender"),
    }
    asking = {name for where, name in taken if where == "post /deposits/{deposit_id}/refund"}
    assert asking == {"deposit_id"}
    assert "requestBody" not in document["paths"]["/api/v1/deposits/{deposit_id}/refund"]["post"]


@pytest.mark.attack(33)
def test_no_command_takes_it() -> None:
    """Of those that speak of money; `refund` is the refund's own id."""
    taken = set(commands(get_command(command_line)))
    groups = {"cash", "payments", "refunds", "vouchers"}
    of_money = {one for one in taken if one[0].split()[0] in groups}
    assert {where.split()[0] for where, _ in of_money} == groups
    assert {one for one in of_money if suspect(one[1])} == {
        ("refunds approve", "refund"),
        ("refunds decline", "refund"),
    }
    assert {name for where, name in taken if where == "refunds approve"} == {"refund", "staff", "as_json"}


@pytest.mark.attack(33)
def test_no_table_has_a_column_for_it_but_what_the_network_said(shop: Shop) -> None:
    """`deposits.origin` is written once, with the credit, and is only shown: see the last test of this file."""
    rows = shop.rows(
        "select table_name || '.' || column_name as place from information_schema.columns where table_schema = 'public'"
        " and (table_name like '%%deposit%%' or table_name like '%%refund%%' or table_name like '%%payment%%'"
        " or table_name like 'processor%%' or table_name in ('openings', 'disputes', 'accounts', 'sides', 'grants'))"
    )
    places = {str(row.place) for row in rows}
    assert {"deposit_refunds.amount", "accounts.name", "sides.available"} <= places
    found = {place for place in places if suspect(place.partition(".")[2])}
    assert found == {"deposits.origin", "sandbox_payments.refund", "sides.refund_pending", "sides.wallet"}


@pytest.mark.attack(33)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_processor_can_be_set_up_with_it(kind: str) -> None:
    """`refund_key` names which of two keys signs."""
    names = {*KINDS[kind].settings.model_fields, *KINDS[kind].secrets}
    assert {name for name in names if suspect(name)} <= {"refund_key", "payout_key"}
    with pytest.raises(ValueError, match="refund_address"):
        KINDS[kind].settings.model_validate({"refund_address": THIEF})


@pytest.mark.attack(33)
def test_no_function_on_the_way_back_takes_it() -> None:
    steps = (Till.send_back, refunds.ask, refunds.approve, refunds.claim, refunds.confirm)
    names = {name for step in steps for name in inspect.signature(step).parameters}
    names |= {one.name for one in dataclasses.fields(SendBack)} | set(refunds.Refund._fields)
    assert {"deposit_id", "asked_by", "payment_id"} <= names
    assert {name for name in names if suspect(name)} == {"refund_id"}


# That it changes nothing --------------------------------------------------------------------------------------------------


@pytest.mark.attack(33)
def test_a_deposit_cannot_be_begun_with_it(alice: Counter, coins: FakeCryptomus) -> None:
    for name in ("refund_address", "address", "origin", "from", "wallet"):
        assert alice.begin("10.00", COINS, **{name: THIEF}).status_code == 422
    assert (alice.count("deposits"), coins.invoices) == (0, [])


@pytest.mark.attack(33)
def test_whatever_is_sent_with_a_refund_it_goes_to_where_it_came_from(
    alice: Counter, coins: FakeCryptomus, paid: dict[str, Any]
) -> None:
    words = {"address": THIEF, "origin": THIEF, "from": THIEF, "refund_address": THIEF, "processor_id": THIEF}
    headers = {
        "Authorization": f"Bearer {alice.who.key}",
        "X-Refund-Address": THIEF,
        "X-Forwarded-For": THIEF,
    }
    address = f"{alice.url}/api/v1/deposits/{paid['id']}/refund"
    answer = alice.http.post(address, params=words, headers=headers, json=words)
    assert answer.status_code in (202, 422)
    assert alice.ask_back(paid).status_code == 202
    alice.work()
    assert addresses(coins) == [PAYER]
    stored = alice.shop.rows(
        "select d::text || o::text || r::text as text from deposits d join openings o on o.deposit_id = d.id"
        " join deposit_refunds r on r.deposit_id = d.id"
    )
    assert [THIEF in row.text for row in stored] == [False]


@pytest.mark.attack(33)
def test_staff_have_no_word_in_it_and_what_they_say_is_written_down(
    alice: Counter,
    coins: FakeCryptomus,
    paid: dict[str, Any],
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alice.till.limits = alice.till.limits._replace(approval_above=0)
    monkeypatch.setenv("ONCELINE_REFUND_APPROVAL_ABOVE", "0")
    refund = alice.till.send_back(None, paid["id"], asked_by="dora").id
    cli = CommandLine(conninfo, tmp_path, monkeypatch, capsys)
    for option in ("--address", "--to", "--origin"):
        said = cli("refunds", "approve", refund, "--staff", "emil", option, THIEF)
        assert (said.code, "No such option" in said.err) == (2, True)
    alice.work()
    assert addresses(coins) == []
    for staff in ("emil", "fay"):
        assert cli("refunds", "approve", refund, "--staff", staff).code == 0
    alice.shop.clock.advance(600)  # the command's clock was the machine's
    alice.work()
    assert addresses(coins) == [PAYER]
    (row,) = alice.shop.rows("select asked_by, approved_by, state from deposit_refunds")
    assert row == ("dora", ["emil", "fay"], "sending")


@pytest.mark.attack(33)
def test_even_who_writes_into_the_table_leads_no_money_away(
    alice: Counter, coins: FakeCryptomus, paid: dict[str, Any]
) -> None:
    """The column is for people to read: the sender is read from the processor anew when money is sent back."""
    assert alice.shop.run("update deposits set origin = %(thief)s", thief=THIEF) == 1
    assert alice.ask_back(paid).status_code == 202
    alice.work()
    assert addresses(coins) == [PAYER]
