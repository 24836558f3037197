"""`onceline books` and `onceline payments resume`: the balance in words and figures, and the word of staff."""

from __future__ import annotations

from pathlib import Path

import pytest

from onceline.workers import check
from tests.command import CommandLine
from tests.core.deposits.till import Till
from tests.core.reconcile.desk import Desk
from tests.personas import ALICE
from tests.shop import Shop


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop, shop.customer(ALICE, balance=0))


@pytest.fixture
def cli(
    till: Till,
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


def test_the_books_are_shown_per_mode_and_sum_to_zero(cli: CommandLine, till: Till) -> None:
    paid = till.paid()
    desk = Desk(till.shop)
    desk.paid(paid, fee=0.5)
    desk.compare()
    found = cli.facts("books")
    test = found["modes"][1]
    assert (found["ok"], test["mode"], test["debit"], test["credit"]) == (True, "test", "10.0000", "10.0000")
    accounts = {one["account"]: (one["debit"], one["credit"]) for one in test["accounts"]}
    assert accounts["available"] == ("0.0000", "10.0000")
    assert accounts["stripe"] == ("9.5000", "0.0000")
    assert accounts["fees:stripe"] == ("0.5000", "0.0000")
    assert found["processors"] == [
        {"processor": "stripe", "since": "2026-03-01", "through": "2026-03-01", "books": "9.5000", "reported": "9.5000"}
    ]  # fmt: skip


def test_books_that_do_not_sum_to_zero_say_so(cli: CommandLine, till: Till) -> None:
    till.paid()
    till.shop.run("update sides set available = available + 1 where available > 0")
    said = cli("books")
    assert said.code == 1
    assert "test, USD: DOES NOT SUM TO ZERO" in said.out
    assert "live, USD: sums to zero" in said.out


def test_refunds_go_on_after_a_word_of_staff(cli: CommandLine, till: Till) -> None:
    assert cli("payments", "resume", "--staff", "Ann").code == 2
    till.paid()
    till.shop.run("update sides set available = available + 1 where available > 0")
    check.look_now(till.shop.db, till.shop.clock)
    said = cli("payments", "resume", "--staff", "Ann")
    assert (said.code, said.out.strip()) == (1, "refunds wait until these pass: i14_trial, i1_recent")
    till.shop.run("update sides set available = available - 1 where available > 0")
    check.look_now(till.shop.db, till.shop.clock)
    assert cli("payments", "resume", "--staff", "Ann").code == 2
