"""docs/explain/money.md says what the ledger does: every kind of transfer, and every check of the books, by name."""

from __future__ import annotations

import re
from pathlib import Path

from onceline.core.proofs import checks
from tests.shop import Shop

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "explain" / "money.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """Of the table below a heading."""
    section = PAGE.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| (\w+) \|", section, re.MULTILINE)[1:]


def test_every_kind_of_transfer_is_explained_and_no_other(shop: Shop) -> None:
    allowed = shop.value(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'transfers_kind_check'"
    )
    assert sorted(first_cells("### Kinds of transfers")) == sorted(re.findall(r"'(\w+)'", str(allowed)))


def test_every_check_of_the_books_is_explained_at_its_invariant() -> None:
    rows = re.findall(r"^\| (I\d+) \|(.*)$", PAGE, re.MULTILINE)
    told = [(number, name) for number, text in rows for name in re.findall(r"`(i\d+_\w+)`", text)]
    assert [name for _, name in told] == list(checks.NAMES)
    assert all(name.startswith(f"{number.lower()}_") for number, name in told)
