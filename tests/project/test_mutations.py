"""The list of mutations is true of the code as it is; `benchmarks/mutations.py` says which of them the tests catch."""

import ast
import builtins
from collections import Counter

import pytest

from benchmarks import mutations
from conftest import PROJECT
from starting_kit import contract

LISTED = list(mutations.listed())


def undefined_names(source):
    """Names that are read but bound nowhere in the module."""
    nodes = list(ast.walk(ast.parse(source)))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}
    return read - bound - set(dir(builtins)) - {"__file__"}


def test_every_solution_has_at_least_three():
    counts = Counter(mutation.solution for mutation in LISTED)
    assert set(counts) == set(contract.zoo())
    assert min(counts.values()) >= 3


def test_every_mutation_changes_what_its_file_says_and_has_tests():
    for mutation in LISTED:
        source = (PROJECT / mutation.file).read_text()
        edited = mutation.applied(source)
        assert ast.dump(ast.parse(edited)) != ast.dump(ast.parse(source)), mutation
        assert not undefined_names(edited), mutation  # anything would catch these
        assert mutation.tests(PROJECT), mutation


def test_a_mutation_whose_text_is_gone_is_an_error_with_a_sentence():
    mutation = mutations.Mutation("scl", "the learning rate stays", "schedule.step()", "", "solutions/scl.py")
    assert mutation.applied("schedule.step()\n") == "\n"
    for source, times in (("", 0), ("schedule.step()\nschedule.step()\n", 2)):
        with pytest.raises(ValueError, match=f"scl, \"the learning rate stays\": 'schedule.step.*' stands {times} times in"):
            mutation.applied(source)
