"""`onceline suppliers selftest`: schedule, look, send now, end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import CommandLine
from tests.shop import PRICE, Shop

FIRST, SECOND = "+447700900123", "+447700900124"
ADD = ("suppliers", "selftest", "add", "--from", FIRST, "--to", SECOND)


@pytest.fixture
def cli(
    shop: Shop,
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    shop.pool("modems", PRICE, mode="live", supplier="modems", asks=False, tells=False)
    shop.stock("GB", [FIRST, SECOND], pool="modems")
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


def test_a_self_test_is_scheduled_listed_sent_now_and_ended(cli: CommandLine) -> None:
    test = cli.facts(*ADD, "--every", "12", "--quarantine")["test"]
    [listed] = cli.facts("suppliers", "selftest", "list")["tests"]
    assert (listed["test"], listed["from"], listed["to"], listed["every_h"], listed["quarantine"]) == (
        test,
        FIRST,
        SECOND,
        12,
        True,
    )
    assert (listed["last"], listed["seconds"], listed["failures"]) == (None, None, 0)
    assert cli("suppliers", "selftest", "run", str(test)).code == 0
    assert cli("suppliers", "selftest", "remove", str(test)).code == 0
    assert cli.facts("suppliers", "selftest", "list")["tests"] == []


def test_the_list_says_how_the_last_one_went(cli: CommandLine, shop: Shop) -> None:
    test = cli.facts(*ADD)["test"]
    shop.run(
        "insert into self_test_runs (test_id, token_hash, sent_at, arrived_at, seconds)"
        " values (%(t)s, 'x', now(), now(), 3.14)",
        t=test,
    )
    [listed] = cli.facts("suppliers", "selftest", "list")["tests"]
    assert (listed["last"], listed["seconds"]) == ("arrived", 3.1)
    assert "arrived" in cli("suppliers", "selftest", "list").out


def test_a_number_that_is_not_ours_is_refused_in_words(cli: CommandLine) -> None:
    said = cli("suppliers", "selftest", "add", "--from", FIRST, "--to", "+447700900999")
    assert said.code != 0
    assert "number of ours" in said.err


def test_a_test_that_is_not_there_is_refused_in_words(cli: CommandLine) -> None:
    said = cli("suppliers", "selftest", "run", "99")
    assert said.code != 0
    assert "self-test" in said.err
