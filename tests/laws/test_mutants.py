"""A guard that is taken out is missed by a test: the tests hold what they say they hold."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from functools import cache

import pytest

from onceline.core.db import _NAME
from tests.laws.mutant import ROOT, Mutant
from tests.laws.mutants import FASTEST, MUTANTS, survivors


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@cache
def source(mutant: Mutant) -> str:
    return (ROOT / mutant.path).read_text("utf-8")


def guards_of(stem: str) -> set[Mutant]:
    """Whatever mutants a file holds, in whichever of its tuples."""
    module = importlib.import_module(f"tests.laws.{stem}")
    tuples = [value for value in vars(module).values() if isinstance(value, tuple)]
    return {one for guards in tuples for one in guards if isinstance(one, Mutant)}


def outside_of_texts(sql: str) -> str:
    return re.sub(r"--[^\n]*|'[^']*'", "", sql)


def test_every_mutant_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(one.name for one in MUTANTS).items() if count > 1] == []
    assert set(FASTEST) <= {one.name for one in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_fits_its_source_and_names_tests_that_exist(mutant: Mutant) -> None:
    text, mutated = source(mutant), mutant.applied(source(mutant))
    assert mutated != text
    if mutant.file.endswith(".py"):
        compile(mutated, mutant.file, "exec")
    else:
        assert _NAME.findall(mutated) == _NAME.findall(text)
        code = outside_of_texts(mutated)
        assert code.count("(") == code.count(")")
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_of(file), test


def test_no_file_of_guards_is_forgotten() -> None:
    files = sorted((ROOT / "tests" / "laws").glob("guards_*.py"))
    guards = {file.stem: guards_of(file.stem) for file in files}
    assert [stem for stem, found in guards.items() if not found or not found <= set(MUTANTS)] == []


def test_a_guard_that_is_taken_out_is_missed_by_a_test(soak: bool) -> None:
    assert survivors([one for one in MUTANTS if soak or one.name in FASTEST]) == []
