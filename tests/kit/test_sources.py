"""The files that decide what a solution does."""

import pytest

from folders import Write, write_files  # noqa: F401  # a fixture
from starting_kit import contract

SOURCES = {
    "a name that is taken": ("import random", {"random": ""}, {"random.py"}),
    "a package of the kit's name": ("from evaluation import x", {"evaluation__init": "x = 1"}, {"evaluation/__init__.py"}),
    "the packages on the way": (
        "import lib.inner.x",
        {"lib__init": "1", "lib__inner__init": "", "lib__inner__x": "1"},
        {"lib/__init__.py", "lib/inner/x.py"},  # an empty file decides nothing
    ),
    "relative imports": (
        "import lib.a",
        {"lib__a": "from . import b\nfrom .c import x", "lib__b": "1", "lib__c": "from ..other import x", "b": "1"},
        {"lib/a.py", "lib/b.py", "lib/c.py"},
    ),
    "importlib": ("import importlib\nimportlib.import_module('lib.helpers')", {"lib__helpers": "1"}, {"lib/helpers.py"}),
    "in a function": ("def f():\n    return __import__('helper')", {"helper": "1"}, {"helper.py"}),
    "what the zoo imports is the zoo's": (
        "from solutions.finetune import unlearning as finetune",
        {"copy": "1", "torch": "1"},
        {"solutions/finetune.py"},
    ),
    "a file that hides the zoo": ("import solutions", {"solutions": "1"}, {"solutions.py"}),
    "a folder without modules": ("import logging", {"logging__notes__x": "1"}, set()),
}


@pytest.mark.parametrize(("text", "files", "expected"), SOURCES.values(), ids=SOURCES)
def test_sources_are_the_files_that_the_imports_mean(
    write: Write, text: str, files: dict[str, str], expected: set[str]
) -> None:
    found = contract.sources(write(text, **files))
    assert {name for name in found if not name.startswith("solutions/parts/")} == {"mine.py", *expected}


def test_a_solution_in_the_projects_folder_imports_the_kit() -> None:
    text = "from solutions.finetune import unlearning\nfrom starting_kit import tasks\nimport evaluation.metric"
    found = contract.sources(contract.PROJECT / "mine.py", text).keys()
    assert {"solutions/finetune.py", "starting_kit/tasks/__init__.py"} <= found
    assert "evaluation/metric/__init__.py" not in found
