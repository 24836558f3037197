"""The house rules that no linter knows, held by walking the syntax tree of the source."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "onceline"
SCHEMA = SOURCE / "core" / "schema"

MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_TEST_FILE = 800
REFUSED_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers"}

MONEY_ONLY = (
    "core/money.py",
    "core/ledger",
    "core/deposits",
    "core/processors",
    "payments/till.py",
    "payments/rounds.py",
    "payments/sandbox",
)
"""Everything in here is money: no float of any kind."""
MONEY_AMONG_OTHER_THINGS = ("core/orders",)
"""Here seconds may be floats; a function that names money may hold none."""
MONEY_WORDS = re.compile(
    r"amount|price|micros|money|balance|available|held|hold|capture|release|missing|movement"
)

SQL = re.compile(
    r"\s*(select\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|truncate\s|listen\s|notify\s|begin\b|commit\b|"
    r"(create|alter|drop)\s+(table|index|unique|database|function|sequence|role|schema|type|view|extension)\s|"
    r"set\s+(local|session|transaction|constraints)\s|with\s+\w+\s+as\s|lock\s+table\s)",
    re.IGNORECASE,
)
SQL_ALLOWED = {
    ("core/schema/__init__.py", "select pg_advisory_xact_lock"): "the one lock around all migrations",
    ("core/schema/__init__.py", "create table if not exists migrations"): "the table that migrations are noted in",
    ("core/schema/__init__.py", "select name from migrations"): "before any schema there are no named statements",
    ("core/schema/__init__.py", "insert into migrations"): "as above",
    ("core/schema/__init__.py", "insert into installation"): "the row that the first migration leaves to the clock",
    ("core/schema/__init__.py", "select currency from installation"): "checked in the same transaction",
    ("core/wake.py", "select pg_notify"): "a channel is no data",
    ("core/wake.py", "listen"): "a channel is no data, and its name takes no parameter",
    ("core/proofs/checks.py", "set transaction"): "one snapshot for all proofs; a setting, not a query",
    ("core/proofs/checks.py", "set local"): "a setting, not a query",
    ("desk/door.py", "select pg_advisory_lock"): "the one lock around all of Django's migrations",
    ("desk/door.py", "create schema"): "what those migrations are made in",
    ("edge/status.py", "select 1 as one"): "asks whether the database answers, about no table",
    ("embedded_postgres.py", "create database"): "typed into the server's single-user mode at its making",
}  # fmt: skip
"""(file, start of the text) of SQL outside `.sql` files, each with its reason."""

SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?P<rest>.*)$")
WITH_REASON = re.compile(r"(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|\[[a-z-]+(?:,\s*[a-z-]+)*\])\W*\w.{5,}")

CLIENTS = {"aiohttp", "ftplib", "http.client", "httpcore", "httpx", "requests", "smtplib", "telnetlib", "urllib.request", "urllib3"}  # fmt: skip
CONNECTING_CALLS = {"create_connection", "open_connection", "sock_connect", "connect_tcp"}
MAY_CONNECT = {
    ("outbound.py", "httpcore"): "the one client to other machines",
    ("outbound.py", "create_connection"): "as above, plainly",
    ("outbound.py", "connect_tcp"): "the method of that client which is ours, and the one below it",
    ("relay.py", "httpcore"): "reaches a socket of our own in the file system, and nothing else",
    ("demo.py", "urllib.request"): "a customer's side of the story: calls the installation it shows",
    ("post.py", "smtplib"): "speaks SMTP over a connection that outbound opened",
}
"""(file, module or call) that opens connections, or could, each with its reason."""

ASSERTING_CALLS = {"raises", "warns", "validate", "call_and_validate", "run_state_machine_as_test", "to_be_visible", "to_contain_text", "to_have_attribute", "to_have_count", "to_have_text"}  # fmt: skip
"""Of pytest, of JSON schemas, of schemathesis, of hypothesis, of Playwright: they fail where an assertion would."""

SPOKEN_ELSEWHERE = [
    "".join(pieces)
    for pieces in (
        ("py", "pi.org"),
        ("python", "hosted"),
        ("registry.", "npm"),
        ("npm", "js.org"),
        ("crates", ".io"),
        ("proxy.", "golang"),
        ("index", "-url="),
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("anth", "ropic"),
        ("work", "place"),
        ("language ", "model"),
    )
]
"""Registry hosts, paths of one machine, and words about how the work was done: in no tracked file."""
CATALOGUE = re.compile(r"^(src/onceline/core/(catalog|inbox)/|tests/core/(catalog|inbox)/)")
"""The catalogue and the texts of messages name sites and firms of every kind."""

Tree = ast.Module
Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_no_function_is_longer_than_a_page() -> None:
    long = [
        f"{_place(path, node)} {node.name}: {_lines_of(node)} lines"
        for path, tree in _trees(SOURCE)
        for node in _functions(tree)
        if _lines_of(node) > MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_no_file_is_longer_than_a_chapter() -> None:
    limits = {SOURCE: MOST_LINES_OF_A_FILE, ROOT / "tests": MOST_LINES_OF_A_TEST_FILE}
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for folder, limit in limits.items()
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.sql")])
        if (lines := len(path.read_text().splitlines())) > limit
    ]
    assert long == []


def test_no_file_is_named_after_nothing() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in ("src", "tests", "bench")
        for path in (ROOT / folder).rglob("*")
        if path.stem.lower() in REFUSED_NAMES
    ]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path, tree in _trees(SOURCE)
        if not ast.get_docstring(tree) and path.parent.name != "migrations"  # Django writes those
    ]
    assert silent == []


def test_money_is_never_a_float() -> None:
    found = [
        _place(path, fault)
        for path, tree in _trees(SOURCE)
        for scope in _money_scopes(path, tree)
        for fault in _float_faults(scope)
    ]
    assert found == []


def test_a_float_among_money_would_be_seen() -> None:
    faults = [
        "x = 0.25",
        "float('1')",
        "def f(amount: float) -> int: ...",
        "share = amount / 2",
        "amount /= 2",
    ]
    assert [len(list(_float_faults(ast.parse(text)))) for text in faults] == [1] * len(faults)


def test_sql_stands_only_in_sql_files() -> None:
    strangers = [
        f"{place}: {text[:60]!r}"
        for path, place, text in _sql_texts()
        if not any(_allows(entry, path, text) for entry in SQL_ALLOWED)
    ]
    assert strangers == []


def test_sql_among_code_would_be_seen() -> None:
    texts = [
        "select 1",
        "\n  UPDATE sides set held = 0",
        "delete from events",
        "create unique index x on y (z)",
    ]
    prose = ["Create an account.", "update the page", "set apart", "with its reason"]
    assert [bool(SQL.match(text)) for text in texts + prose] == [True] * len(texts) + [False] * len(prose)


def test_every_exception_for_sql_is_still_needed() -> None:
    texts = [(path, text) for path, _, text in _sql_texts()]
    idle = [entry for entry in SQL_ALLOWED if not any(_allows(entry, *found) for found in texts)]
    assert idle == []


def test_only_outbound_connects_to_other_machines() -> None:
    strangers = [
        f"{_place(path, node)}: {what}"
        for path, tree in _trees(SOURCE)
        for node, what in _connecting(tree)
        if (path.relative_to(SOURCE).as_posix(), what) not in MAY_CONNECT
    ]
    assert strangers == []


def test_a_connection_from_elsewhere_would_be_seen() -> None:
    faults = [
        "import httpx",
        "import http.client as c",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import urllib3.util",
        "socket.create_connection(('a', 1))",
        "from socket import create_connection",
        "await asyncio.open_connection('a', 1)",
    ]
    prose = ["import http", "from urllib.parse import quote", "import socket", "pool.connect()"]
    assert [len(list(_connecting(ast.parse(text)))) for text in faults + prose] == [1] * len(faults) + [0] * 4


def test_every_exception_for_connecting_is_still_needed() -> None:
    used = {
        (path.relative_to(SOURCE).as_posix(), what)
        for path, tree in _trees(SOURCE)
        for _, what in _connecting(tree)
    }
    assert set(MAY_CONNECT) - used == set()


def test_every_migration_waits_for_locks_only_so_long() -> None:
    files = sorted(SCHEMA.glob("*.sql"))
    patient = [path.name for path in files if not _first_statement(path).startswith("set local lock_timeout")]
    assert files != []
    assert patient == []


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted(SCHEMA.glob("*.sql"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_suppressed_warning_has_its_reason() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("src", "tests", "bench")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (found := SUPPRESSION.search(line)) and not WITH_REASON.match(found["rest"].strip())
    ]
    assert bare == []


def test_every_test_asserts_something() -> None:
    idle = [
        _place(path, node)
        for path, tree in _trees(ROOT / "tests")
        for node in _functions(tree)
        if node.name.startswith("test_") and not _asserts(node, _asserting(tree))
    ]
    assert idle == []


def test_every_named_query_is_named_once_and_used() -> None:
    faults = []
    for path in sorted(SOURCE.rglob("queries.sql")):
        names = re.findall(r"^-- name: (\w+)$", path.read_text(), re.MULTILINE)
        faults += [
            f"{path.relative_to(ROOT)}: {name} twice" for name, count in Counter(names).items() if count > 1
        ]
        unused = set(names) - _used_queries(path.parent)
        faults += [f"{path.relative_to(ROOT)}: {name} is not used" for name in sorted(unused)]
    assert faults == []


def test_no_query_is_used_that_has_no_text() -> None:
    missing = []
    for path in sorted(SOURCE.rglob("queries.sql")):
        names = set(re.findall(r"^-- name: (\w+)$", path.read_text(), re.MULTILINE))
        missing += [f"{path.parent.name}.{name}" for name in sorted(_accessed_queries(path.parent) - names)]
    assert missing == []


def test_nothing_tracked_speaks_of_where_it_was_made() -> None:
    found = [
        f"{path}: {word!r}"
        for path in _tracked()
        if not CATALOGUE.match(path)
        for word in SPOKEN_ELSEWHERE
        if word in _text(ROOT / path).lower()
    ]
    assert found == []


def _trees(folder: Path) -> Iterator[tuple[Path, Tree]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, _tree(path)


@cache
def _tree(path: Path) -> Tree:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _lines_of(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def _money_scopes(path: Path, tree: Tree) -> Iterator[ast.AST]:
    inside = path.relative_to(SOURCE).as_posix()
    if inside.startswith(MONEY_ONLY):
        yield tree
    elif inside.startswith(MONEY_AMONG_OTHER_THINGS):
        yield from (node for node in _functions(tree) if _names_money(node))


def _names_money(node: ast.AST) -> bool:
    return any(MONEY_WORDS.search(name) for name in _names(node))


def _names(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        match inner:
            case (
                ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name))
            ):
                yield name


def _float_faults(scope: ast.AST) -> Iterator[ast.AST]:
    """Float literals, the name `float`, and true division."""
    for node in ast.walk(scope):
        match node:
            case ast.Constant(value=float()) | ast.Name(id="float"):
                yield node
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node


def _connecting(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Imports of clients, and names of calls that connect, however they are reached."""
    for node in ast.walk(tree):
        for name in _imported(node):
            parts = name.split(".")
            starts = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            if found := (starts & CLIENTS) or ({parts[-1]} & CONNECTING_CALLS):
                yield node, min(found)
        if isinstance(node, ast.Attribute) and node.attr in CONNECTING_CALLS:
            yield node, node.attr


def _imported(node: ast.AST) -> list[str]:
    """Modules and names that a statement imports, in full."""
    match node:
        case ast.Import(names=names):
            return [one.name for one in names]
        case ast.ImportFrom(module=str(module), names=names):
            full = [f"{module}.{one.name}" for one in names]
            return full[:1] if module in CLIENTS else full
    return []


def _sql_texts() -> Iterator[tuple[str, str, str]]:
    """File, place and text of every string that begins like a statement; docstrings are prose."""
    for path, tree in _trees(SOURCE):
        prose = set(_docstrings(tree))
        for node in ast.walk(tree):
            text = _leading_text(node)
            if text and SQL.match(text) and id(node) not in prose:
                yield path.relative_to(SOURCE).as_posix(), _place(path, node), text.strip()


def _leading_text(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(raw)):
            return raw.decode("utf-8", "replace")
    return None


def _docstrings(tree: Tree) -> Iterator[int]:
    """Every string that stands alone as a statement: of a module, class or function, or under an attribute."""
    return (
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _allows(entry: tuple[str, str], path: str, text: str) -> bool:
    return entry[0] == path and text.lower().startswith(entry[1])


def _first_statement(path: Path) -> str:
    lines = (line.strip() for line in path.read_text().splitlines())
    return next((line for line in lines if line and not line.startswith("--")), "")


@cache
def _asserting(tree: Tree) -> set[str]:
    """The functions of a file that assert, so that calling one is asserting."""
    return {node.name for node in _functions(tree) if _asserts(node, set())}


def _asserts(function: Function, asserting: set[str]) -> bool:
    return any(_is_assertion(node, asserting) for node in ast.walk(function))


def _is_assertion(node: ast.AST, asserting: set[str]) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in ASSERTING_CALLS | asserting or name.startswith("assert_")
    return False


def _used_queries(package: Path) -> set[str]:
    """What the package's own code takes from its statements, by attribute or (proofs) by name in a table."""
    names: set[str] = set()
    for path in package.glob("*.py"):
        tree = _tree(path)
        if "getattr(_Q" in path.read_text():
            names |= {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    return names | _accessed_queries(package)


def _accessed_queries(package: Path) -> set[str]:
    own = (name for path in package.glob("*.py") for name in _attributes(_tree(path), _is_own_queries))
    module = "onceline." + ".".join(package.relative_to(SOURCE).parts)
    others = (
        name
        for _, tree in _trees(SOURCE)
        for store in _names_of_store(tree, module)
        for name in _attributes(tree, partial(_is_lent, store))
    )
    return {*own, *others}


def _attributes(tree: Tree, holds: Callable[[ast.AST], bool]) -> Iterator[str]:
    return (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and holds(node.value))


def _names_of_store(tree: Tree, package: str) -> set[str]:
    """What a file calls the `store` of a package, if it imports it."""
    return {
        one.asname or one.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == package
        for one in node.names
        if one.name == "store"
    }


def _is_own_queries(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("Q", "_Q")


def _is_lent(store: str, node: ast.AST) -> bool:
    """`store.Q`: one package lends its statements to the files beside it."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr="Q"):
            return name == store
    return False


def _tracked() -> list[str]:
    """What is tracked, or would be by the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
