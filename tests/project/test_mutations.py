"""The list of mutations is true of the code as it is; `benchmarks/mutations.py` says which of them the tests catch."""

import ast
from collections import Counter

import pytest

from benchmarks import mutations
from conftest import PROJECT
from starting_kit import contract

LISTED = list(mutations.listed())


def test_every_solution_has_at_least_three():
    counts = Counter(mutation.solution for mutation in LISTED)
    assert set(counts) == set(contract.zoo())
    assert min(counts.values()) >= 3


def test_every_mutation_changes_what_its_file_says_and_has_tests():
    for mutation in LISTED:
        source = (PROJECT / mutation.file).read_text()
        edited = mutation.applied(source)
        assert ast.dump(ast.parse(edited)) != ast.dump(ast.parse(source)), mutation
        assert mutation.tests(PROJECT), mutation


def test_a_mutation_whose_text_is_gone_is_an_error_with_a_sentence():
    mutation = mutations.Mutation("scl", "the learning rate stays", "schedule.step()", "", "solutions/scl.py")
    assert mutation.applied("schedule.step()\n") == "\n"
    for source, times in (("", 0), ("schedule.step()\nschedule.step()\n", 2)):
        with pytest.raises(ValueError, match=f"scl, \"the learning rate stays\": 'schedule.step.*' stands {times} times in"):
            mutation.applied(source)
