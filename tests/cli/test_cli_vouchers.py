"""`onceline vouchers` and `onceline cash`: two persons, and codes that are in one file and nowhere else."""

from __future__ import annotations

import csv
import stat
from pathlib import Path
from typing import Any

import pytest

from onceline.core.money import MICROS
from onceline.core.vouchers.model import read
from tests.command import CommandLine
from tests.core.vouchers.kiosk import Kiosk
from tests.personas import ALICE
from tests.shop import Customer, Shop


@pytest.fixture
def alice(shop: Shop) -> Customer:
    return shop.customer(ALICE, balance=0, mode="live")


@pytest.fixture
def cli(
    alice: Customer,
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


def create(cli: CommandLine, *more: str, count: int = 2) -> tuple[str, list[dict[str, str]]]:
    """A batch of live vouchers, and what is in its file."""
    path = cli.folder / "codes.csv"
    words = (
        "--issuer",
        "Corner shop",
        "--value",
        "10",
        "--count",
        str(count),
        "--staff",
        "Ann",
        "--file",
        str(path),
    )
    made = cli.facts("vouchers", "create", *words, *more)
    return made["batch"], list(csv.DictReader(path.read_text().splitlines()))


def test_vouchers_are_made_approved_redeemed_listed_and_made_void(
    cli: CommandLine, shop: Shop, alice: Customer
) -> None:
    batch, rows = create(cli, count=3)
    approved = cli.facts("vouchers", "approve", batch, "--staff", "Ben")
    assert approved == {"batch": batch, "state": "active", "total": "30.0000"}
    redeemed = Kiosk(shop).try_code(alice, rows[0]["code"])
    assert cli.facts("vouchers", "void", batch, "--number", "2", "--staff", "Ann")["voided"] == 1
    [listed] = cli.facts("vouchers", "list")["batches"]
    assert (listed["count"], listed["redeemed"], listed["void"], listed["state"]) == (3, 1, 1, "active")
    vouchers = cli.facts("vouchers", "list", "--batch", batch)["vouchers"]
    assert [one["deposit"] for one in vouchers] == [redeemed.deposit, None, None]
    assert cli.facts("vouchers", "void", batch, "--staff", "Ann")["voided"] == 1
    shop.assert_books_are_true()


def test_the_codes_are_in_a_file_of_its_owner_alone(cli: CommandLine) -> None:
    batch, rows = create(cli)
    path = cli.folder / "codes.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(row["batch"], row["number"], row["value"], row["currency"]) for row in rows] == [
        (batch, "1", "10.0000", "USD"),
        (batch, "2", "10.0000", "USD"),
    ]
    assert all(len(read(row["code"])) == 20 for row in rows)


def test_codes_are_not_printed(cli: CommandLine) -> None:
    path = cli.folder / "codes.csv"
    said = cli(
        "vouchers",
        "create",
        "--issuer",
        "Shop",
        "--value",
        "5",
        "--count",
        "1",
        "--staff",
        "Ann",
        "--file",
        str(path),
    )
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (said.code, row["code"] in said.out + said.err) == (0, False)
    assert row["code"] not in cli("vouchers", "list").out


def test_a_file_that_is_there_is_left_alone(cli: CommandLine, shop: Shop) -> None:
    path = cli.file("codes.csv", "mine")
    said = cli(
        "vouchers",
        "create",
        "--issuer",
        "Shop",
        "--value",
        "5",
        "--count",
        "1",
        "--staff",
        "Ann",
        "--file",
        path,
    )
    assert (said.code, "--file: File exists" in said.err, Path(path).read_text()) == (2, True, "mine")
    assert shop.value("select count(*) from voucher_batches") == 0


def test_where_nothing_was_made_no_file_is_left(cli: CommandLine, shop: Shop) -> None:
    path = cli.folder / "codes.csv"
    said = cli(
        "vouchers",
        "create",
        "--issuer",
        "Shop",
        "--value",
        "0.5",
        "--count",
        "1",
        "--staff",
        "Ann",
        "--file",
        str(path),
    )
    assert (said.code, "between 1.0000 and 1000.0000" in said.err, path.exists()) == (2, True, False)


@pytest.mark.parametrize("value", ["0", "1000.01", "1.001", "NaN", "1e3", "१०", "9223372036854775808", ""])
def test_a_value_that_makes_no_sense_is_refused(cli: CommandLine, value: str) -> None:
    path = cli.folder / "codes.csv"
    said = cli(
        "vouchers",
        "create",
        "--issuer",
        "Shop",
        "--value",
        value,
        "--count",
        "1",
        "--staff",
        "Ann",
        "--file",
        str(path),
    )
    assert (said.code, said.err != "", path.exists()) == (2, True, False)


def test_vouchers_are_taken_up_to_their_last_day(cli: CommandLine) -> None:
    create(cli, "--expires", "2099-01-31")
    assert cli.facts("vouchers", "list")["batches"][0]["expires_at"].startswith("2099-02-01T00:00:00")


def test_one_person_is_not_two(cli: CommandLine) -> None:
    batch, _ = create(cli)
    said = cli("vouchers", "approve", batch, "--staff", "ann")
    assert (said.code, "another person" in said.err) == (2, True)


def cash(cli: CommandLine, amount: str = "10", document: str = "A-1") -> Any:
    return cli.facts("cash", "record", ALICE, amount, "--staff", "Ann", "--document", document)


def test_cash_is_recorded_approved_and_listed(cli: CommandLine, shop: Shop, alice: Customer) -> None:
    first, second = cash(cli)["deposit"], cash(cli, "7", "A-2")["deposit"]
    assert cli.facts("cash", "approve", first, "--staff", "Ben") == {"deposit": first, "state": "credited"}
    assert cli.facts("cash", "decline", second, "--staff", "Ben") == {"deposit": second, "state": "failed"}
    rows = cli.facts("cash", "list")["cash"]
    assert {(row["document"], row["state"], row["recorded_by"], row["decided_by"]) for row in rows} == {
        ("a-1", "credited", "ann", "ben"),
        ("a-2", "failed", "ann", "ben"),
    }
    assert shop.balance(alice).available == 10 * MICROS
    shop.assert_books_are_true()


def test_cash_of_one_person_is_refused(cli: CommandLine) -> None:
    said = cli("cash", "approve", cash(cli)["deposit"], "--staff", "Ann")
    assert (said.code, "another person" in said.err) == (2, True)


def test_the_operator_says_how_much_cash_a_day(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCELINE_CASH_PER_DAY", "15")
    cash(cli)
    said = cli("cash", "record", ALICE, "10", "--staff", "Ann", "--document", "A-2")
    assert (said.code, "At most 15.0000" in said.err) == (2, True)


@pytest.mark.parametrize("amount", ["0", "1001", "1.001", "0.00001", "NaN", "1e3", "9223372036854775808"])
def test_an_amount_that_makes_no_sense_is_refused(cli: CommandLine, shop: Shop, amount: str) -> None:
    said = cli("cash", "record", ALICE, amount, "--staff", "Ann", "--document", "A-1")
    assert (said.code, said.err != "") == (2, True)
    assert shop.value("select count(*) from deposits") == 0


@pytest.mark.parametrize(
    "words", [("vouchers", "approve"), ("vouchers", "void"), ("cash", "approve"), ("cash", "decline")]
)
def test_what_is_not_there_is_said(cli: CommandLine, words: tuple[str, str]) -> None:
    said = cli(*words, "nothing", "--staff", "Ann")
    assert (said.code, "There is no" in said.err) == (2, True)
