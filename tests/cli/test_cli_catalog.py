"""`onceline pools` and `onceline prices`: the real command line on real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import CommandLine
from tests.shop import Shop

POOL = ("--pool", "ours")
HEADER = "pool,kind,service,country,duration,amount\n"


@pytest.fixture
def cli(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


@pytest.fixture(autouse=True)
def ours(cli: CommandLine) -> None:
    cli("suppliers", "add", "acme", "--kind", "http")
    assert cli("pools", "add", "ours", "--supplier", "acme").code == 0


def amounts(cli: CommandLine, *more: str) -> dict[tuple[str, str, str], str]:
    prices = cli.facts("prices", "list", *POOL, *more)["prices"]
    return {(one["service"], one["country"], one["duration"]): one["amount"] for one in prices}


def test_a_pool_belongs_to_a_supplier_and_lists_its_numbers_by_state(cli: CommandLine, shop: Shop) -> None:
    shop.stock("GB", ["+447400100000"], pool="ours")
    (pool,) = [one for one in cli.facts("pools", "list")["pools"] if one["pool"] == "ours"]
    assert pool == {
        "pool": "ours", "name": "ours", "supplier": "acme", "mode": "live", "enabled": True, "asks": False,
        "free": 1, "resting": 0, "leased": 0, "quarantined": 0, "retired": 0,
    }  # fmt: skip


def test_a_pool_of_a_kind_that_has_to_be_asked_asks(cli: CommandLine, shop: Shop) -> None:
    settings = ("--set", "url=https://agent.example.com", "--set", "pool=asked")
    assert cli("suppliers", "add", "hub", "--kind", "agent-protocol", *settings).code == 0
    told = cli.facts("pools", "add", "asked", "--supplier", "hub", "--name", "Asked first")
    assert told == {"pool": "asked", "supplier": "hub", "asks": True, "tells": True}


@pytest.mark.parametrize(
    "words", [("ours", "--supplier", "acme"), ("new", "--supplier", "nobody"), ("A b", "--supplier", "acme")]
)
def test_a_pool_that_cannot_be_is_refused_in_words(cli: CommandLine, words: tuple[str, ...]) -> None:
    said = cli("pools", "add", *words)
    assert (said.code, said.out, said.err.startswith("onceline: ")) == (2, "", True)


def test_a_pool_is_disabled_and_enabled(cli: CommandLine, shop: Shop) -> None:
    state = "select enabled from pools where slug = 'ours'"
    assert (cli("pools", "disable", "ours").code, shop.value(state)) == (0, False)
    assert (cli("pools", "enable", "ours").code, shop.value(state)) == (0, True)
    assert cli("pools", "enable", "nobody").code == 2


def test_pools_are_listed_page_by_page(cli: CommandLine) -> None:
    first = cli.facts("pools", "list", "--limit", "2")
    then = cli.facts("pools", "list", "--limit", "2", "--after", first["next"])
    assert [one["pool"] for one in first["pools"] + then["pools"]] == [
        "ours", "sandbox", "sandbox-asked", "sandbox-scripted",
    ]  # fmt: skip


def test_prices_are_set_for_the_rest_and_for_places(cli: CommandLine) -> None:
    assert cli.facts("prices", "set", *POOL, "--amount", "0.25") == {"set": 1}
    services = ("--service", "telegram", "--service", "whatsapp")
    assert cli.facts("prices", "set", *POOL, "--amount", "0.3333", *services, "--country", "gb") == {"set": 2}
    assert cli.facts("prices", "set", *POOL, "--amount", "2", "--duration", "4h") == {"set": 1}
    assert amounts(cli) == {
        ("*", "*", ""): "0.2500",
        ("telegram", "GB", ""): "0.3333",
        ("whatsapp", "GB", ""): "0.3333",
        ("*", "*", "4h"): "2.0000",
    }


@pytest.mark.promise("A1")
def test_a_price_for_a_prohibited_service_is_refused_in_words(cli: CommandLine) -> None:
    said = cli("prices", "set", *POOL, "--amount", "1", "--service", "bank-other")
    assert (said.code, "not served here" in said.err, amounts(cli)) == (2, True, {})


@pytest.mark.parametrize(
    "words",
    [
        ("set", *POOL, "--amount", "0"),
        ("set", *POOL, "--amount", "1e3"),
        ("set", *POOL, "--amount", "-1"),
        ("set", *POOL, "--amount", "1", "--service", "nobody-knows"),
        ("set", *POOL, "--amount", "1", "--country", "ZZ"),
        ("set", *POOL, "--amount", "1", "--kind", "rental"),
        ("set", *POOL, "--amount", "1", "--kind", "activation", "--duration", "4h"),
        ("set", *POOL, "--amount", "1", "--duration", "soon"),
        ("set", "--pool", "nobody", "--amount", "1"),
        ("change", *POOL, "--by", "10"),
        ("change", *POOL, "--by", "10%"),
        ("change", *POOL, "--by", "-100%"),
        ("change", *POOL, "--by", "+1001%"),
        ("change", "--pool", "nobody", "--by", "+1%"),
        ("drop", *POOL),
        ("drop", *POOL, "--all", "--kind", "rental"),
        ("list", "--pool", "nobody"),
        ("list", "--kind", "gift"),
        ("export", "--pool", "nobody"),
        ("import", "/nowhere.csv"),
    ],
)
def test_a_misuse_is_refused_in_words(cli: CommandLine, words: tuple[str, ...]) -> None:
    said = cli("prices", *words)
    assert (said.code, bool(said.err), "Traceback" in said.err) == (2, True, False)


def test_a_change_is_tried_first_and_then_made(cli: CommandLine) -> None:
    cli("prices", "set", *POOL, "--amount", "0.25")
    cli("prices", "set", *POOL, "--amount", "0.3333", "--service", "telegram")
    tried = cli.facts("prices", "change", *POOL, "--by", "+10%", "--dry-run")
    assert tried == {
        "written": False,
        "changed": 2,
        "lowest": {"before": "0.2500", "after": "0.2750"},
        "highest": {"before": "0.3333", "after": "0.3667"},
    }
    assert cli.facts("prices", "change", *POOL, "--by", "+10%") == tried | {"written": True}
    cli("prices", "change", *POOL, "--by", "-2.5%", "--service", "*")
    assert amounts(cli) == {("*", "*", ""): "0.2682", ("telegram", "*", ""): "0.3667"}
    assert cli("prices", "change", *POOL, "--by", "+1%", "--kind", "rental").out == "no such prices\n"


def test_what_is_exported_can_be_imported(cli: CommandLine) -> None:
    cli("prices", "set", *POOL, "--amount", "0.25")
    cli("prices", "set", *POOL, "--amount", "0.123456", "--service", "telegram", "--country", "GB")
    cli("prices", "set", *POOL, "--amount", "2", "--duration", "36h")
    before, exported = amounts(cli), cli("prices", "export", *POOL).out
    assert exported.splitlines()[0] + "\n" == HEADER
    assert cli.facts("prices", "drop", *POOL, "--all") == {"dropped": 3}
    told = cli.facts("prices", "import", "-", stdin=exported.encode())
    assert (told, amounts(cli)) == ({"written": True, "prices": 3, "refused": 0, "faults": []}, before)


def test_a_file_of_prices_comes_in_whole_or_not_at_all(cli: CommandLine) -> None:
    rows = "ours,,telegram,GB,,0.25\nours,,bank-other,,,1\nours,,,,,free\nours,rental,,,,1\nours,,,XX,,1\n,,,,,1\n"
    said = cli("prices", "import", cli.file("prices.csv", HEADER + rows), "--json")
    assert (said.code, said.facts["written"], amounts(cli)) == (1, False, {})
    assert [fault["line"] for fault in said.facts["faults"]] == [3, 4, 5, 6, 7]
    assert "not served here" in said.facts["faults"][0]["reason"]


def test_a_file_of_prices_may_name_its_pool_once(cli: CommandLine) -> None:
    file = cli.file("prices.csv", "service;amount\r\n*;0.2\r\ntelegram;0.3\r\n")
    assert cli.facts("prices", "import", file, *POOL, "--dry-run")["written"] is False
    assert amounts(cli) == {}
    cli("prices", "import", file, *POOL)
    assert amounts(cli) == {("*", "*", ""): "0.2000", ("telegram", "*", ""): "0.3000"}


def test_prices_are_listed_page_by_page_and_an_empty_list_says_so(cli: CommandLine) -> None:
    assert cli("prices", "list", *POOL).out == "no prices: onceline prices set\n"
    for amount in ("0.1", "0.2", "0.3"):
        cli(
            "prices",
            "set",
            *POOL,
            "--amount",
            amount,
            "--service",
            {"0.1": "telegram", "0.2": "whatsapp"}.get(amount, "*"),
        )
    first = cli.facts("prices", "list", *POOL, "--limit", "2")
    then = cli.facts("prices", "list", *POOL, "--limit", "2", "--after", first["next"])
    assert [one["amount"] for one in first["prices"] + then["prices"]] == ["0.1000", "0.2000", "0.3000"]
    assert then["next"] is None
