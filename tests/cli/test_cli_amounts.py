"""Whatever is written where the command line takes money for an account: what is none is refused, and nothing comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from onceline.core.money import MICROS
from tests.amounts import FEW, outside
from tests.command import CommandLine
from tests.personas import ALICE
from tests.shop import Shop

LEAST, MOST = MICROS // 100, 1000 * MICROS
"""Of cash; of a voucher the least is a hundred times that."""


@pytest.fixture
def cli(
    shop: Shop,
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    shop.customer(ALICE, balance=0, mode="live")
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


@pytest.mark.attack(35)
def test_vouchers_of_no_amount_are_not_made(cli: CommandLine, shop: Shop) -> None:
    path = cli.folder / "codes.csv"
    words = ("--issuer", "Shop", "--count", "1", "--staff", "Ann", "--file", str(path))

    @FEW
    @given(outside(MICROS, MOST))
    def make(value: str) -> None:
        said = cli("vouchers", "create", *words, f"--value={value}")
        assert (said.code, bool(said.err), path.exists()) == (2, True, False)

    make()
    assert shop.value("select count(*) from voucher_batches") == 0


@pytest.mark.attack(35)
def test_cash_of_no_amount_is_not_recorded(cli: CommandLine, shop: Shop) -> None:
    @FEW
    @given(outside(LEAST, MOST))
    def record(amount: str) -> None:
        said = cli("cash", "record", "--staff", "Ann", "--document", "A-1", "--", ALICE, amount)
        assert (said.code, bool(said.err)) == (2, True)

    record()
    assert shop.value("select count(*) from deposits") == 0


@pytest.mark.attack(35)
@pytest.mark.parametrize(("amount", "told"), [("0", "between 0.0100 and 1000.0000"), ("1000.01", "between 0.0100 and 1000.0000"), ("10.00001", "between 0.0100 and 1000.0000")])  # fmt: skip
def test_what_cash_may_be_is_said(cli: CommandLine, amount: str, told: str) -> None:
    said = cli("cash", "record", ALICE, amount, "--staff", "Ann", "--document", "A-1")
    assert (said.code, told in said.err) == (2, True)


@pytest.mark.attack(35)
@pytest.mark.parametrize("value", ["0", "0.99", "1000.01", "10.00001"])
def test_what_a_voucher_may_be_worth_is_said(cli: CommandLine, value: str) -> None:
    words = ("--issuer", "Shop", "--count", "1", "--staff", "Ann", "--file", str(cli.folder / "codes.csv"))
    said = cli("vouchers", "create", *words, "--value", value)
    assert (said.code, "between 1.0000 and 1000.0000" in said.err) == (2, True)
