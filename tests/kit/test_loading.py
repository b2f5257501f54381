"""A solution and the modules of its folder are fresh for every model, and are the ones that its imports mean."""

import importlib
import pickle
import random
import statistics
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import torch

import evaluation
import starting_kit
from folders import Write, write_files  # noqa: F401  # a fixture
from starting_kit import contract, loading, runner, tasks
from starting_kit.errors import InputError
from starting_kit.loading import load
from starting_kit.networks import build

COUNTER = "calls = []\ndef count():\n    calls.append(1)\n    return len(calls)\n"
MARKED = "def marker():\n    return 'mine'\n"


def returned(path: Path) -> object:
    """What `unlearning` of a freshly loaded solution returns."""
    return load(path).unlearning(None, None, None, None)


HELPERS = {
    "a module beside it": ("import helper", {"helper": COUNTER}),
    "a package": ("import helper", {"helper__init": COUNTER}),
    "a sub-package": ("import lib.inner.helper\nhelper = lib.inner.helper", {"lib__init": "", "lib__inner__helper": COUNTER}),
    "a relative import": ("from lib.front import helper", {"lib__front": "from . import helper", "lib__helper": COUNTER}),
    "a module of a module": ("from first import helper", {"first": "import helper", "helper": COUNTER}),
    "a folder on the path": (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'src'))\nimport helper",
        {"src__helper": COUNTER},
    ),
    "a module whose name is taken": ("import random as helper", {"random": COUNTER}),
    "a package whose name is taken": (
        "from evaluation.inner import helper",
        {"evaluation__init": "", "evaluation__inner__helper": COUNTER},
    ),
}


@pytest.mark.parametrize(("imports", "files"), HELPERS.values(), ids=HELPERS)
def test_no_module_of_the_folder_keeps_anything_from_one_load_to_the_next(
    write: Write, imports: str, files: dict[str, str]
) -> None:
    path = write(f"{imports}\ndef unlearning(a, b, c, d): return helper.count(), helper.count()", **files)
    load(contract.find("original"))
    path_before, modules_before = list(sys.path), set(sys.modules)
    assert [returned(path) for _ in range(3)] == [(1, 2)] * 3
    load(contract.find("original"))  # which takes its place
    assert sys.path == path_before
    assert set(sys.modules) - modules_before <= {"solution_mine"}


def test_a_helper_that_was_changed_is_loaded_as_it_is_now(write: Write) -> None:
    path = write("import helper\ndef unlearning(a, b, c, d): return helper.VALUE", helper="VALUE = 1")
    assert returned(path) == 1
    path.with_name("helper.py").write_text("VALUE = 2")  # as long as before, within the same second
    assert returned(path) == 2
    assert not list(path.parent.glob("__pycache__"))


IMPORTS = {
    "at the top": "import NAME\ndef unlearning(a, b, c, d): return NAME.marker()",
    "under another name": "import NAME as x\ndef unlearning(a, b, c, d): return x.marker()",
    "of a name": "from NAME import marker\ndef unlearning(a, b, c, d): return marker()",
    "of all names": "from NAME import *\ndef unlearning(a, b, c, d): return marker()",
    "in the function": "def unlearning(a, b, c, d):\n    import NAME\n    return NAME.marker()",
    "by importlib": "import importlib\nx = importlib.import_module('NAME')\ndef unlearning(a, b, c, d): return x.marker()",
    "by importlib, in the function": """
        import importlib.util
        def unlearning(a, b, c, d):
            assert importlib.util.find_spec('json') and importlib.metadata.version('torch')
            return importlib.import_module('NAME').marker()
    """,
    "by import_module": "from importlib import import_module as get\ndef unlearning(a, b, c, d): return get('NAME').marker()",
    "by __import__": "def unlearning(a, b, c, d): return __import__('NAME').marker()",
    "in a helper": "import helper\ndef unlearning(a, b, c, d): return helper.get()",
    "in a helper's package": "from lib.inner import get\ndef unlearning(a, b, c, d): return get()",
    "in executed text": "def unlearning(a, b, c, d):\n    exec('import NAME', space := {})\n    return space['NAME'].marker()",
}


@pytest.mark.parametrize("name", ["evaluation", "solutions", "starting_kit", "random", "utils", "torchvision"])
@pytest.mark.parametrize("text", IMPORTS.values(), ids=IMPORTS)
def test_a_file_beside_a_solution_goes_before_any_other_of_its_name(write: Write, text: str, name: str) -> None:
    getter = f"def get():\n    import {name}\n    return {name}.marker()\n"
    path = write(text.replace("NAME", name), helper=getter, lib__inner=getter, **{name: MARKED})
    module = load(path)
    real = importlib.import_module("numpy" if name == "utils" else name)
    assert not hasattr(real, "marker")
    assert module.unlearning(None, None, None, None) == "mine"
    assert not hasattr(importlib.import_module(real.__name__), "marker")


def test_everybody_else_keeps_what_they_mean_during_the_call_too(write: Write) -> None:
    path = write(
        """
        import random
        import torch.utils.data.sampler
        import statistics
        def unlearning(net, retain, forget, val):
            assert random.marker() == "mine"
            assert not hasattr(statistics.random, "marker")
            import solutions.finetune as own
            from solutions.parts.toolbox import sgd  # it is a file, not ours
        """,
        random=MARKED,
        solutions__finetune=MARKED,
        solutions__parts__toolbox="sgd = 1",
        evaluation=MARKED,
        starting_kit=MARKED,
    )
    task = tasks.find("digits")
    runner.call(contract.describe(path, []), build(task, seed=0), task, task.load(), "tuple")
    assert vars(statistics)["random"] is random is sys.modules["random"]
    assert sys.modules["evaluation"] is evaluation
    assert sys.modules["starting_kit"] is starting_kit


def test_a_folder_of_files_that_are_no_modules_hides_nothing(write: Write, tmp_path: Path) -> None:
    for folder in ("torch", "logging", "starting_kit"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "log.txt").touch()
    path = write(
        """
        import logging.handlers, time
        import torch
        from starting_kit.errors import InputError
        def unlearning(a, b, c, d): return torch.zeros(1), logging.getLogger(), time.time()
        """,
        time="",  # built into the interpreter, which comes first for Python, too
    )
    assert returned(path)


def test_a_solution_called_like_a_library_may_import_it(write: Write) -> None:
    assert returned(write("import copy\ndef unlearning(a, b, c, d): return copy.deepcopy([1])", name="copy")) == [1]


def test_modules_may_import_the_solution_itself(write: Write) -> None:
    path = write(
        "VALUE = 3\ndef unlearning(a, b, c, d):\n    import helper\n    return helper.mine.VALUE", helper="import mine"
    )
    assert returned(path) == 3


@pytest.mark.parametrize("module", ["mine", "helper", "random"])
def test_dataclasses_and_pickles_find_their_classes(write: Write, module: str) -> None:
    definition = """
        from __future__ import annotations
        from dataclasses import dataclass, field
        from typing import ClassVar, NamedTuple
        @dataclass
        class Point:
            kind: ClassVar[int] = 1
            x: list[int] = field(default_factory=list)
    """
    use = f"from {module} import Point" if module != "mine" else textwrap.dedent(definition)
    path = write(
        f"{use}\nimport pickle\ndef unlearning(a, b, c, d): return pickle.loads(pickle.dumps(Point([2])))",
        **({} if module == "mine" else {module: definition}),
    )
    point = returned(path)
    assert vars(point) == {"x": [2]}
    assert vars(pickle.loads(pickle.dumps(point))) == {"x": [2]}


def test_what_was_pickled_can_be_read_after_another_load(write: Write) -> None:
    path = write(
        "from helper import Net\ndef unlearning(a, b, c, d): return Net()",
        helper="import torch\nclass Net(torch.nn.Linear):\n    def __init__(self): super().__init__(2, 2)",
    )
    written = pickle.dumps(returned(path))
    load(contract.find("original"))
    module: ModuleType = load(path)
    assert type(pickle.loads(written)) is module.Net


def test_an_earlier_solution_that_still_runs_finds_its_own_modules(write: Write, tmp_path: Path) -> None:
    lazily = "def unlearning(a, b, c, d):\n    import helper\n    return helper.VALUE"
    first = load(write(lazily, helper="VALUE = 1"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "helper.py").write_text("VALUE = 2")
    (tmp_path / "other" / "yours.py").write_text(lazily)
    second = load(tmp_path / "other" / "yours.py")
    for _ in range(2):
        assert first.unlearning(None, None, None, None) == 1
        assert second.unlearning(None, None, None, None) == 2


def test_the_zoo_imports_the_zoo_and_stays_loaded() -> None:
    load(contract.find("scl_improved"))
    kept = sys.modules["solutions.scl"]
    load(contract.find("scl_improved"))
    assert sys.modules["solutions.scl"] is kept


def test_a_text_is_compiled_once_however_often_it_is_loaded(write: Write) -> None:
    path = write("import helper\ndef unlearning(a, b, c, d): pass", helper="x = 1")
    load(path)
    before = loading._compiled.cache_info().misses
    load(path)
    assert loading._compiled.cache_info().misses == before


def test_dynamic_imports_of_strangers_are_found(write: Write) -> None:
    path = write(
        """
        import importlib
        tools = importlib.import_module("lib.helpers")
        def unlearning(net, retain, forget, val): tools.tune(net)
        """,
        lib__init="",
        lib__helpers="def tune(net): net[-1].bias.data.fill_(7)",
    )
    task = tasks.find("digits")
    net = runner.call(contract.describe(path, []), build(task, seed=0), task, task.load(), "tuple")
    assert torch.equal(net.get_parameter("13.bias"), torch.full((10,), 7.0))


def test_a_network_of_the_trainers_class_is_one_for_unlearning_too(write: Write) -> None:
    path = write(
        """
        from helper import Net
        def train(task, seed, data, examples): return Net()
        def unlearning(net, retain, forget, val): assert isinstance(net, Net) and isinstance(net[0], Net.Part)
        """,
        helper="""
        from torch import nn
        class Net(nn.Sequential):
            class Part(nn.Flatten): pass
            def __init__(self): super().__init__(self.Part(), nn.Linear(64, 10))
        """,
    )
    solution, task = contract.describe(path, []), tasks.find("digits")
    data = task.load()
    net = runner.train(solution, task, data, data.retain, seed=0)
    assert runner.call(solution, net, task, data, "tuple") is net


def test_a_helper_that_does_not_compile_is_said(write: Write) -> None:
    with pytest.raises(InputError, match="not valid Python"):
        load(write("import helper", helper="def"))
