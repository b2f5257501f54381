"""Helpers are loaded anew for each call and are part of the solution, in whatever way they are imported."""

from pathlib import Path

import pytest

from evaluation.populations.materials import require_unchanged
from folders import Write, called, write_files  # noqa: F401  # a fixture
from starting_kit import contract
from starting_kit.errors import SolutionError, SourceChangedError

COUNTER = "VALUE = 1\ncalls = []\ndef count():\n    calls.append(1)\n    return len(calls)\n"
WAYS = {
    "import_module": "import importlib\nhelper = importlib.import_module('helper')",
    "import_module, computed": "import importlib\nhelper = importlib.import_module('hel' + 'per')",
    "__import__, computed": "helper = __import__('hel' + 'per')",
    "exec": ("import types\nexec(open('helper.py').read(), space := {})\nhelper = types.SimpleNamespace(**space)"),
    "runpy": "import runpy, types\nhelper = types.SimpleNamespace(**runpy.run_path('helper.py'))",
    "a spec": (
        "import importlib.util, sys\nspec = importlib.util.spec_from_file_location('helper', 'helper.py')\n"
        "helper = sys.modules.get('helper') or importlib.util.module_from_spec(spec)\n"
        "sys.modules['helper'] = helper\nspec.loader.exec_module(helper) if not hasattr(helper, 'calls') else None"
    ),
    "its folder first": "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\nimport helper",
    "above": "import sys\nsys.path.append('../')\nimport above as helper",
    "above, absolute": "import os, sys\nsys.path.insert(0, os.path.abspath(os.path.join('..')))\nimport above as helper",
    "below": "import sys\nsys.path.append('lib')\nimport below as helper",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_helpers_are_loaded_anew_and_are_part_of_the_solution(tmp_path: Path, way: str) -> None:
    path = tmp_path / "here" / "mine.py"
    helpers = [tmp_path / "above.py", path.with_name("helper.py"), path.parent / "lib" / "below.py"]
    helpers[-1].parent.mkdir(parents=True)
    for helper in helpers:
        helper.write_text(COUNTER)
    path.write_text(
        f"{way}\ndef unlearning(net, a, b, c):\n    assert helper.count() == 1\n    net[-1].bias.data.fill_(helper.VALUE)"
    )
    before = contract.describe(path, [])
    for _ in range(2):
        assert (called(path).get_parameter("13.bias") == 1).all()
    require_unchanged(before)
    for helper in helpers:
        helper.write_text(COUNTER.replace("VALUE = 1", "VALUE = 2"))
    after = contract.describe(path, [])
    assert (after.sources, after.files) != (before.sources, before.files)
    assert (called(path).get_parameter("13.bias") == 2).all()
    with pytest.raises(SourceChangedError):
        require_unchanged(before)


def test_what_is_imported_in_the_call_by_a_computed_name_is_refused_unless_it_is_known(write: Write) -> None:
    late = "import importlib\ndef unlearning(net, a, b, c): importlib.import_module('hel' + 'per')"
    with pytest.raises(SolutionError, match=r"helper\.py is imported only in the call.*import it at the top, too"):
        called(write(late, helper=COUNTER))
    called(write(f"import helper\n{late}", helper=COUNTER))


def test_a_folder_put_last_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "random.py").write_text("raise ValueError")
    path = tmp_path / "here" / "mine.py"
    path.write_text("import sys\nsys.path.append('..')\nimport random\ndef unlearning(net, a, b, c): random.random()")
    called(path)
    path.write_text("import sys\nsys.path.insert(0, '..')\nimport random\ndef unlearning(net, a, b, c): random.random()")
    with pytest.raises(Exception, match="ValueError"):
        called(path)


def test_files_are_read_as_python_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes("\ufeffimport helper\ndef unlearning(net, a, b, c): net[-1].bias.data.fill_(helper.VALUE)\n".encode())
    path.with_name("helper.py").write_bytes("# coding: latin-1\nVALUE, NAME = 7, 'é'\n".encode("latin-1"))
    assert contract.describe(path, []).sources["helper.py"].endswith("'é'\n")
    assert (called(path).get_parameter("13.bias") == 7).all()


def test_a_helper_in_a_folder_is_named_where_it_fails(write: Write) -> None:
    with pytest.raises(SolutionError, match=r"ValueError: no \(lib/inner\.py, line 1"):
        called(
            write("from lib.inner import f\ndef unlearning(net, a, b, c): f()", lib__inner="def f(): raise ValueError('no')")
        )


def test_a_helper_that_nobody_imports_here_may_be_no_python(write: Write) -> None:
    text = "try:\n    import old\nexcept SyntaxError:\n    pass\ndef unlearning(net, a, b, c): pass"
    assert "old.py" in contract.describe(write(text, old="print 'x'"), []).sources
