"""The documentation says what the code does: both are read here and compared, both ways.

`python -m tests.test_docs` renews the columns of tests in docs/promises.md and docs/reference/attacks.md.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from fastapi import FastAPI
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from onceline.cli import app as command_line
from onceline.config import Settings
from onceline.core import errors
from onceline.core.db import Database
from onceline.core.errors import OncelineError
from onceline.core.orders.context import Context
from onceline.core.orders.model import CLOSED
from onceline.edge import live, shapes
from onceline.edge.app import create_app
from onceline.edge.problems import DOOR_CODES, STATUS, problem
from tests.personas import ALICE
from tests.shop import Shop

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "onceline"
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PROMISES = DOCS / "promises.md"
ATTACKS = DOCS / "reference" / "attacks.md"
CATEGORIES = {"account", "person", "key", "order", "message", "ledger", "catalogue", "technical"}

Row = list[str]


# Markdown, as far as these pages use it.


def _sections(page: Path, level: int = 3) -> dict[str, str]:
    """Heading to the text below it, up to the next heading of any level."""
    pieces = re.split(r"^(#{1,6}) (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    marks, titles, texts = pieces[1::3], pieces[2::3], pieces[3::3]
    return {title: text for mark, title, text in zip(marks, titles, texts, strict=True) if len(mark) == level}


def _rows(text: str) -> list[Row]:
    """Cells of every table row but headings and rulers."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rulers = [at for at, row in enumerate(cells) if set("".join(row)) <= {"-", ":"}]
    headings = {at - 1 for at in rulers}
    return [row for at, row in enumerate(cells) if at not in headings and at not in rulers]


def _named(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def _page(name: str) -> dict[str, Row]:
    """The tables of a page of the reference, by what stands in the first cell."""
    rows = [row for row in _rows((REFERENCE / name).read_text()) if _named(row[0])]
    return {_named(row[0])[0]: row for row in rows}


# The API.


@pytest.fixture
def app(settings: Settings, db: Database, context: Context) -> FastAPI:
    return create_app(settings, db, context)


@pytest.fixture
def openapi(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def _operations(openapi: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in openapi["paths"].items()
        for method, operation in item.items()
    }


def _documented_routes() -> dict[str, str]:
    sections = _sections(REFERENCE / "api.md")
    return {title: text for title, text in sections.items() if re.match(r"[A-Z]+ /", title)}


def test_every_route_is_documented_and_every_documented_route_exists(openapi: dict[str, Any]) -> None:
    assert sorted(_documented_routes()) == sorted(_operations(openapi))


def test_every_parameter_and_field_of_a_route_is_documented(openapi: dict[str, Any]) -> None:
    written = {
        route: {(_named(row[0])[0], row[1]) for row in _rows(text)}
        for route, text in _documented_routes().items()
    }
    real = {route: set(_inputs(openapi, operation)) for route, operation in _operations(openapi).items()}
    assert written == real


def test_every_route_names_its_success_and_only_known_problems(openapi: dict[str, Any]) -> None:
    codes, operations = {*STATUS, *DOOR_CODES}, _operations(openapi)
    for route, text in _documented_routes().items():
        success = next(status for status in operations[route]["responses"] if status.startswith("2"))
        assert re.search(rf"\b{success}\b", text), route
        listed = re.search(r"Problems: (.+?)(?:\n\n|\Z)", text, re.DOTALL)
        unknown = (
            {word for word in _named(listed[1]) if re.fullmatch(r"[a-z]+_[a-z_]+", word)} if listed else set()
        )
        assert unknown - codes - _FIGURES <= set(), route


_FIGURES = {"live_orders"}
"""Words in those lists that are no codes: which limit is meant."""


def _inputs(openapi: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", []):
        yield parameter["name"], parameter["in"]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        name = media["schema"]["$ref"].rsplit("/", 1)[1]
        yield from ((field, "body") for field in openapi["components"]["schemas"][name]["properties"])


def test_every_field_of_an_order_and_a_message_is_documented() -> None:
    text = _sections(REFERENCE / "api.md", level=2)["Shapes"]
    order, message = text.split("**Message**")
    for part, shape in ((order, shapes.Order), (message, shapes.Message)):
        assert {name for row in _rows(part) for name in _named(row[0])} == set(shape.model_fields)


def test_the_routes_outside_the_document_answer(conninfo: str, tmp_path: Path) -> None:
    text = _sections(REFERENCE / "api.md", level=2)["Outside the document"]
    paths = [_named(row[0])[0].removeprefix("GET ") for row in _rows(text)]
    with _edge(conninfo, tmp_path) as url:
        answers = {path: _status_of(f"{url}{path}") for path in paths}
    assert answers == dict.fromkeys(paths, 200)


def _status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def test_every_close_code_of_the_socket_is_documented() -> None:
    text = _sections(REFERENCE / "api.md", level=2)["The live socket"]
    documented = {int(code) for row in _rows(text) for code in re.findall(r"\b\d{4}\b", row[0])}
    ours = {live.NOT_ALLOWED, live.BAD_FRAME, live.TOO_SLOW, live.TOO_MANY, live.TRY_LATER, live.RESTARTING}
    the_servers = {1002, 1007, 1009, 1011}
    assert documented == ours | the_servers


def test_paths_in_the_pages_exist(openapi: dict[str, Any]) -> None:
    """Examples with ids and queries count as their template."""
    templates = [re.sub(r"\{\w+\}", "[^/]+", path) for path in openapi["paths"]]
    known = re.compile("|".join([*templates, r"/api/v1/(live|openapi\.json|docs|problems)"]))
    found = {
        match
        for page in _pages()
        for match in re.findall(r"(?:GET|POST|DELETE) (/api/v1/[^\s`?\"')]+)", page.read_text())
    }
    assert found
    assert sorted(path for path in found if not known.fullmatch(path)) == []


# Settings, errors, events, tables, commands, metrics.


def test_every_setting_is_documented_with_its_default() -> None:
    written = {name: row[2] for name, row in _page("settings.md").items()}
    real = {
        f"ONCELINE_{name.upper()}": _default(field.default) for name, field in Settings.model_fields.items()
    }
    assert written == real


def test_every_setting_says_its_type_its_unit_and_its_danger() -> None:
    incomplete = [name for name, row in _page("settings.md").items() if len(row) != 6 or not all(row)]
    assert incomplete == []


def _default(value: object) -> str:
    if value is None:
        return "–"
    return f"`{value}`" if value != "" else "(empty)"


def test_every_error_code_is_documented_with_its_status() -> None:
    written = {code: (int(row[1]), row[2]) for code, row in _page("errors.md").items()}
    real = {code: (status, _is_retryable(code)) for code, status in {**STATUS, **DOOR_CODES}.items()}
    assert written == real


def test_the_error_tree_and_the_table_of_statuses_are_the_same() -> None:
    assert {kind.code for kind in _kinds(OncelineError) if "code" in vars(kind)} == set(STATUS)


def test_every_figure_of_an_error_is_documented() -> None:
    written = {code: set(_named(row[3])) for code, row in _page("errors.md").items()}
    real = _figures() | {code: set() for code in DOOR_CODES}
    real["invalid_input"] = {"faults"}  # the door's own
    assert written == real


def _is_retryable(code: str) -> str:
    return "yes" if b'"retryable":true' in problem(code, "").body else "no"


def _kinds(root: type[OncelineError]) -> Iterator[type[OncelineError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _figures() -> dict[str, set[str]]:
    """What each class hands to its root beside the detail."""
    tree = ast.parse(Path(errors.__file__).read_text())
    figures = {}
    for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        kind = getattr(errors, node.name)
        if "code" in vars(kind):
            calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
            figures[kind.code] = {str(word.arg) for call in calls for word in call.keywords}
    return figures


def test_every_event_is_documented() -> None:
    written = {name for name in _page("events.md")}
    assert written == set(_events())


def test_every_event_type_has_the_usual_form() -> None:
    """So that the search for them finds all: events are made by Draft, Change and in SQL."""
    drafted = {
        argument.value
        for tree in _source_trees()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Draft"
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant)
    }
    assert drafted
    assert sorted(name for name in drafted if not _EVENT.fullmatch(str(name))) == []


_EVENT = re.compile(r"(?:webhook|export|order|deposit|key|balance)\.[a-z_]+")


def _events() -> Iterator[str]:
    for tree in _source_trees():
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=str(text)) if _EVENT.fullmatch(text):
                    yield text
                case ast.JoinedStr(values=[ast.Constant(value="order."), ast.FormattedValue()]):
                    yield from (f"order.{state}" for state in _end_states(tree))
    for path in (SOURCE / "core").rglob("*.sql"):
        yield from re.findall(r"'((?:webhook|export|order|deposit|key|balance)\.[a-z_]+)'", path.read_text())


def _end_states(tree: ast.Module) -> set[str]:
    """The states that `model._end_state` may return."""
    function = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_end_state"
    )
    texts = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
    return {str(text) for text in texts} & CLOSED


def _source_trees() -> Iterator[ast.Module]:
    return (ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py")))


def test_the_data_inventory_names_every_column(server: str, desk_template: str) -> None:
    statement = "select table_name, column_name from information_schema.columns where table_schema in ('public', 'desk')"
    with psycopg.connect(server, dbname=desk_template) as connection:
        real = {(str(table), str(column)) for table, column in connection.execute(statement)}
    written = [(table, _named(row[0])[0]) for table, row in _inventory()]
    assert len(written) == len(set(written))
    assert set(written) == real


@pytest.mark.promise("P2")
def test_every_column_has_a_category_and_a_time() -> None:
    faults = [
        (table, row[0])
        for table, row in _inventory()
        if len(row) != 4 or not all(row) or row[2] not in CATEGORIES
    ]
    assert faults == []


def _inventory() -> Iterator[tuple[str, Row]]:
    for table, text in _sections(REFERENCE / "tables.md").items():
        yield from ((table, row) for row in _rows(text))


def test_every_command_is_documented_with_its_options() -> None:
    written = {
        title: {option for row in _rows(text) for option in _named(row[0])}
        for title, text in _sections(REFERENCE / "cli.md").items()
    }
    assert written == dict(_commands("onceline", typer.main.get_command(command_line)))


def _commands(name: str, command: Any) -> Iterator[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        for part, inner in command.commands.items():
            yield from _commands(f"{name} {part}", inner)
        return
    shown = [
        one for one in command.params if not getattr(one, "hidden", False) and one.param_type_name == "option"
    ]
    yield name, {text for one in shown for text in [*one.opts, *one.secondary_opts]} - {"--help"}


def test_every_metric_is_documented_with_its_labels() -> None:
    for part in ("onceline.serve", "onceline.desk.middleware", "onceline.desk.people.adapter"):
        importlib.import_module(part)  # each says what it counts
    written = {name: (row[1], set(_named(row[2]))) for name, row in _page("metrics.md").items()}
    ours = {
        collector
        for collector, names in REGISTRY._collector_to_names.items()
        if isinstance(collector, MetricWrapperBase) and any(name.startswith("onceline_") for name in names)
    }
    assert written == {one._name: (one._type, set(one._labelnames)) for one in ours}


# Promises, decisions, links, and the client that works.


def test_every_promise_is_listed_once_and_every_marked_one_exists() -> None:
    listed = [row[0] for row in _promises()]
    assert listed == [f"{letter}{n}" for letter, count in _COUNTS.items() for n in range(1, count + 1)]
    assert sorted(set(_marked_tests()) - set(listed)) == []


_COUNTS = {"M": 10, "D": 12, "P": 18, "H": 3, "A": 6}


def test_every_promise_says_how_far_it_is_kept() -> None:
    assert {row[2] for row in _promises()} <= {"yes", "partly", "not yet"}


def test_the_tests_of_every_promise_are_listed() -> None:
    """When this fails: python -m tests.test_docs"""
    assert {row[0]: row[4] for row in _promises()} == {row[0]: _tests_of(row[0]) for row in _promises()}


def test_every_promise_that_is_called_kept_is_proved() -> None:
    proved_by_absence = {"A6"}
    kept = {row[0] for row in _promises() if row[2] == "yes"}
    assert sorted(kept - set(_marked_tests()) - proved_by_absence) == []


def test_no_promise_is_proved_that_is_called_not_kept() -> None:
    assert [row[0] for row in _promises() if row[2] == "not yet" and row[0] in _marked_tests()] == []


def test_the_places_that_keep_promises_exist() -> None:
    places = [name for row in _promises() for name in _named(row[3]) if name.endswith((".py", ".json"))]
    assert places
    assert [place for place in places if not (SOURCE / place).is_file()] == []


def _promises() -> list[Row]:
    return [row for row in _rows(PROMISES.read_text()) if re.fullmatch(r"[A-Z]\d+", row[0])]


def test_every_attack_on_money_is_carried_out() -> None:
    """When the column of tests is stale: python -m tests.test_docs"""
    rows = _rows(ATTACKS.read_text())
    assert [row[0] for row in rows] == [str(number) for number in range(1, 51)]
    assert {row[0]: row[3] for row in rows} == {row[0]: _tests_of(row[0], "attack") for row in rows}
    assert [row[0] for row in rows if row[3] == "–"] == []
    assert sorted(set(_marked_tests("attack")) - {row[0] for row in rows}) == []


def _tests_of(number: str, mark: str = "promise") -> str:
    return ", ".join(f"`{name}`" for name in _marked_tests(mark).get(number, [])) or "–"


@cache
def _marked_tests(mark: str = "promise") -> dict[str, list[str]]:
    """Promise or attack to the names of the tests that carry it, in alphabetical order."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in (
            node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ):
            for number in _marks(node, mark):
                found.setdefault(number, set()).add(node.name)
    return {number: sorted(names) for number, names in found.items()}


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef, mark: str) -> Iterator[str]:
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(attr=name), args=arguments) if name == mark:
                yield from (str(one.value) for one in arguments if isinstance(one, ast.Constant))


def test_every_decision_has_its_four_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    parts = ("**Context.**", "**Decision.**", "**Cost.**", "**Enforced by.**")
    assert [page.name for page in pages if not all(part in page.read_text() for part in parts)] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in _pages()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_make_targets_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in _pages()
        for name in re.findall(r"^make ([a-z]+)|`make ([a-z]+)", page.read_text(), re.MULTILINE)
        for name in name
        if name
    }
    assert named
    assert named <= targets


def _pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def test_the_client_of_the_first_socket_works(shop: Shop, conninfo: str, tmp_path: Path) -> None:
    alice = shop.customer(ALICE)
    page = (DOCS / "start" / "first-socket.md").read_text()
    client = tmp_path / "client.py"
    client.write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0])

    with _edge(conninfo, tmp_path) as url:
        told = subprocess.run(
            [sys.executable, client],
            env={**os.environ, "ONCELINE_URL": url, "ONCELINE_KEY": alice.key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    printed = re.findall(r"It prints, on a new account:\n\n```\n(.*?)```", page, re.DOTALL)[0]
    assert told.stderr == ""
    assert _without_numbers(told.stdout) == _without_numbers(printed)


def _without_numbers(text: str) -> str:
    return re.sub(r"\+\d+", "+…", text)


@contextmanager
def _edge(conninfo: str, folder: Path) -> Iterator[str]:
    """`onceline edge` as a process of its own, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "ONCELINE_DATABASE_URL": conninfo,
        "ONCELINE_DATA_DIR": str(folder),
        "ONCELINE_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "onceline", "edge"], env=environment) as server:
        try:
            _await_ready(f"{url}/readyz")
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "the edge did not get ready"
            time.sleep(0.1)


def renew(page: Path, mark: str) -> None:
    """Write the tests that carry each promise, or each attack, into its row."""
    lines = page.read_text().splitlines()
    for at, line in enumerate(lines):
        row = re.match(r"\| ([A-Z]?\d+) \|", line)
        if row:
            lines[at] = f"{line.rsplit(' | ', 1)[0]} | {_tests_of(row[1], mark)} |"
    page.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    renew(PROMISES, "promise")
    renew(ATTACKS, "attack")
