"""`onceline numbers`: the real command line on real PostgreSQL, in this process and in several."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onceline.cli.inventory_import import BATCH, Import
from tests.command import CommandLine
from tests.personas import ALICE, OLGA
from tests.shop import Shop

HEADER = "number,country,network,type,contract,consent\n"
FIRST, SECOND = "+447400100000", "+447400100001"
POOL = ("--pool", "ours")


@pytest.fixture
def cli(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(conninfo, tmp_path, monkeypatch, capsys)


@pytest.fixture(autouse=True)
def ours(shop: Shop) -> None:
    shop.pool("ours", 1, mode="live", supplier="acme")


def rows(count: int, first: int = 0) -> str:
    return "".join(f"+4474001{one:05d},GB,,mobile,C-1,They signed\n" for one in range(first, first + count))


def stock(shop: Shop, pool: str = "ours") -> int:
    statement = (
        "select count(*) from numbers n join batches b on b.id = n.batch_id join pools p on p.id = b.pool_id"
    )
    return int(shop.value(statement + " where p.slug = %(pool)s", pool=pool))


def bring(cli: CommandLine, content: str, *more: str) -> None:
    said = cli("numbers", "import", cli.file("numbers.csv", content), *POOL, "--by", OLGA, *more)
    assert (said.code, said.err) == (0, "")


class Cut(Exception):
    """The process died here."""


def dies_after(batches: int, write: Callable[..., Any]) -> Callable[..., Any]:
    done = itertools.count()

    def cut_write(*arguments: Any) -> Any:
        if next(done) == batches:
            raise Cut
        return write(*arguments)

    return cut_write


def test_a_file_of_numbers_comes_in_with_its_provenance(cli: CommandLine, shop: Shop) -> None:
    file = cli.file("numbers.csv", HEADER + f"{FIRST},GB,23415,mobile,C-77,They signed form 3\n")
    told = cli.facts("numbers", "import", file, *POOL, "--by", OLGA)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    assert told == {
        "written": True,
        "added": 1,
        "known": 0,
        "refused": 0,
        "file_sha256": digest,
        "faults": [],
    }
    shown = cli.facts("numbers", "show", FIRST)
    expected = {
        "number": FIRST, "state": "free", "pool": "ours", "supplier": "acme", "country": "GB", "network": "23415",
        "type": "mobile", "contract": "C-77", "consent": "They signed form 3", "said_by": OLGA, "file_sha256": digest,
        "order": None, "burnt_services": 0, "leaving": None,
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected


def test_what_is_given_once_holds_for_all_lines(cli: CommandLine, shop: Shop) -> None:
    words = ("--country", "GB", "--type", "mobile", "--contract", "C-1", "--consent", "They signed")
    said = cli("numbers", "import", "-", *POOL, *words, stdin=f"number\n{FIRST}\n07400 100001\n".encode())
    assert (said.code, said.out) == (0, "2 added, 0 known, 0 refused\n")
    assert stock(shop) == 2


def test_a_file_that_comes_again_changes_nothing(cli: CommandLine, shop: Shop) -> None:
    file = cli.file("numbers.csv", HEADER + rows(3))
    cli("numbers", "import", file, *POOL)
    told = cli.facts("numbers", "import", file, *POOL)
    assert (told["added"], told["known"], told["refused"]) == (0, 3, 0)
    assert shop.value("select count(*) from batches where file_digest is not null") == 1


def test_bad_lines_are_named_and_good_ones_come_in(cli: CommandLine, shop: Shop) -> None:
    content = (
        HEADER
        + rows(1)
        + "nonsense,GB,,mobile,C-1,signed\n"
        + rows(1, first=1)
        + f"{FIRST},GB,,mobile,C-1,x\n"
    )
    errors = str(cli.folder / "errors.csv")
    said = cli("numbers", "import", cli.file("n.csv", content), *POOL, "--errors", errors)
    assert (said.code, stock(shop)) == (1, 2)
    assert said.out.startswith("2 added, 0 known, 2 refused\nline 3: 'nonsense' is no number")
    with open(errors, encoding="utf-8", newline="") as file:
        assert [row[:2] for row in csv.reader(file)] == [["line", "code"], ["3", "number"], ["5", "repeated"]]


def test_a_strict_import_takes_nothing_when_one_line_is_bad(cli: CommandLine, shop: Shop) -> None:
    bad = cli.file("bad.csv", HEADER + rows(2) + "nonsense,GB,,mobile,C-1,signed\n")
    said = cli("numbers", "import", bad, *POOL, "--strict", "--json")
    assert (said.code, said.facts["written"], stock(shop)) == (1, False, 0)
    good = cli.file("good.csv", HEADER + rows(2))
    assert (cli.facts("numbers", "import", good, *POOL, "--strict")["added"], stock(shop)) == (2, 2)


def test_a_dry_run_says_what_would_happen_and_writes_nothing(cli: CommandLine, shop: Shop) -> None:
    bring(cli, HEADER + rows(1))
    said = cli("numbers", "import", cli.file("more.csv", HEADER + rows(3)), *POOL, "--dry-run")
    assert (said.code, said.out) == (0, "2 would be added (nothing was written), 1 known, 0 refused\n")
    assert stock(shop) == 1


def test_a_number_of_another_pool_stays_there_and_its_line_is_named(cli: CommandLine, shop: Shop) -> None:
    shop.pool("theirs", 1, mode="live", supplier="else")
    bring(cli, HEADER + rows(1))
    for more in ((), ("--dry-run",)):
        said = cli(
            "numbers", "import", cli.file("n.csv", HEADER + rows(2)), "--pool", "theirs", *more, "--json"
        )
        assert (said.code, said.facts["refused"], said.facts["faults"][0]["line"]) == (1, 1, 2)
        assert "pool ours" in said.facts["faults"][0]["reason"]
    assert (stock(shop), stock(shop, "theirs")) == (1, 1)


@pytest.mark.parametrize(
    ("pool", "word"), [("nobody", "no pool"), ("sandbox", "test side"), ("asked", "is asked for each number")]
)
def test_numbers_go_into_live_pools_of_our_own_alone(
    cli: CommandLine, shop: Shop, pool: str, word: str
) -> None:
    shop.pool("asked", 1, mode="live", supplier="acme", asks=True, tells=True)
    said = cli("numbers", "import", cli.file("n.csv", HEADER + rows(1)), "--pool", pool)
    assert (said.code, word in said.err) == (2, True)


def test_files_that_cannot_be_read_or_written_are_named(cli: CommandLine) -> None:
    missing = cli("numbers", "import", "/nowhere/n.csv", *POOL)
    file = cli.file("n.csv", HEADER + rows(1))
    unwritable = cli("numbers", "import", file, *POOL, "--errors", "/nowhere/errors.csv")
    assert (missing.code, "cannot be read" in missing.err) == (2, True)
    assert (unwritable.code, "cannot be written" in unwritable.err) == (2, True)


def test_a_file_is_at_most_so_long(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    monkeypatch.setattr("onceline.cli.inventory_import.MOST_LINES", 3)
    said = cli("numbers", "import", cli.file("n.csv", HEADER + rows(3)), *POOL)
    assert (said.code, "split it" in said.err, stock(shop)) == (2, True, 0)


def test_two_processes_that_import_one_file_at_once_add_each_number_once(
    cli: CommandLine, shop: Shop
) -> None:
    count = 4 * BATCH
    file = cli.file("numbers.csv", HEADER + rows(count))
    running = [cli.start("numbers", "import", file, *POOL, "--json") for _ in range(2)]
    told = [json.loads(one.communicate(timeout=90)[0]) for one in running]
    assert [one.returncode for one in running] == [0, 0]
    assert sum(one["added"] for one in told) == count == stock(shop)
    assert sum(one["known"] for one in told) == count
    shop.assert_books_are_true()


def test_an_import_that_was_cut_off_goes_on_when_it_is_repeated(
    cli: CommandLine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = cli.file("numbers.csv", HEADER + rows(2 * BATCH + 10))
    with monkeypatch.context() as cut:
        cut.setattr(Import, "_write", dies_after(1, Import._write))
        with pytest.raises(Cut):
            cli("numbers", "import", file, *POOL)
    assert stock(shop) == BATCH
    told = cli.facts("numbers", "import", file, *POOL)
    assert (told["known"], told["added"], stock(shop)) == (BATCH, BATCH + 10, 2 * BATCH + 10)


def test_a_number_of_an_order_leaves_when_the_order_ends(cli: CommandLine, shop: Shop) -> None:
    bring(cli, HEADER + rows(2))
    shop.pass_time(366 * 86400)  # the command line has the real time
    order = shop.place(shop.customer(ALICE, mode="live"), pool="ours")
    told = cli.facts("numbers", "quarantine", FIRST, SECOND, "--reason", "complaints", "--by", OLGA)
    assert told == {"quarantined": 2, "when_orders_end": 1, "left_alone": []}
    shown = cli.facts("numbers", "show", str(order.e164))
    assert (shown["state"], shown["leaving"], shown["order"], shown["order_live"], shown["reason"]) == (
        "leased", "quarantined", order.id, True, "complaints",
    )  # fmt: skip
    shop.assert_books_are_true()
    assert cli.facts("numbers", "release", FIRST, SECOND)["released"] == 2


def test_numbers_are_named_in_a_file_too(cli: CommandLine, shop: Shop) -> None:
    bring(cli, HEADER + rows(3))
    file = cli.file("bad.txt", f"\ufeff{FIRST}\r\n\r\n+44 7400 100001\r\n")
    told = cli.facts("numbers", "retire", "--file", file, "--reason", "the SIM is gone")
    assert told["retired"] == 2
    again = cli("numbers", "release", FIRST)
    assert (again.code, "not in quarantine" in again.out) == (1, True)


def test_a_number_that_is_not_ours_is_named(cli: CommandLine) -> None:
    said = cli("numbers", "quarantine", FIRST, "--reason", "x")
    assert (said.code, said.out) == (1, f"0 quarantined\n{FIRST} left alone: not one of our numbers\n")


@pytest.mark.parametrize(
    "words",
    [
        ("quarantine", "--reason", "x"),
        ("quarantine", "07400 100000", "--reason", "x"),
        ("quarantine", FIRST, "--reason", " "),
        ("quarantine", FIRST, "--reason", "x", "--by", ""),
        ("quarantine", FIRST),
        ("show", FIRST),
        ("list", "--state", "gone"),
        ("list", "--pool", "nobody"),
        ("list", "--after", FIRST),
        ("health", "--dead", "--after", "x"),
    ],
)
def test_a_misuse_is_refused_in_words(cli: CommandLine, words: tuple[str, ...]) -> None:
    said = cli("numbers", *words)
    assert (said.code, said.out, bool(said.err)) == (2, "", True)
    assert "Traceback" not in said.err


def test_lists_go_on_where_they_ended(cli: CommandLine) -> None:
    bring(cli, HEADER + rows(5))
    seen: list[str] = []
    after: tuple[str, ...] = ()
    for _ in range(3):
        page = cli.facts("numbers", "list", *POOL, "--limit", "2", *after)
        seen += [one["number"] for one in page["numbers"]]
        after = ("--after", page["next"] or "")
    assert (seen, page["next"]) == ([f"+4474001{one:05d}" for one in range(5)], None)
    assert cli("numbers", "list", *POOL, "--limit", "2").out.endswith("… more: --after +447400100001\n")


def test_lists_that_are_empty_say_so(cli: CommandLine) -> None:
    assert cli("numbers", "list", *POOL).out == "no such numbers\n"
    assert cli("numbers", "health", *POOL).out == "no numbers yet: onceline numbers import\n"
    assert cli("numbers", "health", "--dead").out == "no number was ordered that often without any message\n"


def test_health_tells_states_and_success_by_pool_and_country(cli: CommandLine) -> None:
    bring(cli, HEADER + rows(3))
    cli("numbers", "retire", FIRST, "--reason", "gone")
    (row,) = cli.facts("numbers", "health", *POOL)["health"]
    assert row == {
        "pool": "ours", "country": "GB", "free": 2, "resting": 0, "leased": 0, "quarantined": 0, "retired": 1,
        "orders_7d": 0, "success_7d": None, "last_message_at": None,
    }  # fmt: skip
    page = cli.facts("numbers", "health", "--limit", "1")
    assert cli.facts("numbers", "health", "--limit", "1", "--after", page["next"])["health"] != page["health"]
