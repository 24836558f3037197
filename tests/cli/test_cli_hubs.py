"""`onceline hubs`: who buys from us by the agent protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from onceline.core.hubs import store
from tests.command import CommandLine
from tests.shop import Shop

URL = "https://hub.example/agent/api/sms"
KEY = "the-key-that-the-hub-gave-us"


@pytest.fixture
def cli(
    shop: Shop,
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    shop.customer("hub")
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


def test_a_hub_is_added_listed_changed_and_removed(cli: CommandLine, shop: Shop) -> None:
    added = cli.facts("hubs", "add", "hub", "--url", URL, "--key", "-", stdin=KEY.encode() + b"\n")
    assert added["mode"] == "live"
    cli.facts("hubs", "add", "hub", "--url", f"{URL}/2", "--key", KEY, "--countries", "ids")
    [listed] = cli.facts("hubs", "list")["hubs"]
    assert {name: listed[name] for name in ("account", "mode", "url", "countries", "waiting")} == {
        "account": added["account"],
        "mode": "live",
        "url": f"{URL}/2",
        "countries": "ids",
        "waiting": 0,
    }
    with shop.db.transaction() as tx:
        [hub] = store.hubs(tx)
        assert store.key_of(shop.context.vault, hub) == KEY
        grant = store.authenticate(tx, KEY)
        assert grant is not None
        assert grant.side == hub.side
    assert cli("hubs", "remove", "hub").code == 0
    assert cli.facts("hubs", "list")["hubs"] == []


def test_a_list_of_hubs_says_no_key(cli: CommandLine) -> None:
    cli("hubs", "add", "hub", "--url", URL, "--key", KEY, "--mode", "test")
    said = cli("hubs", "list")
    assert "hub.example" in said.out
    assert KEY not in said.out


def test_what_is_wrong_is_said_in_words(cli: CommandLine) -> None:
    faults = {
        "--url": ("hubs", "add", "hub", "--url", "hub.example", "--key", KEY),
        "16 to 256": ("hubs", "add", "hub", "--url", URL, "--key", "short"),
        "account": ("hubs", "add", "nobody", "--url", URL, "--key", KEY),
        "hub": ("hubs", "remove", "hub"),
    }
    for words, command in faults.items():
        said = cli(*command)
        assert said.code == 2
        assert words in said.err
