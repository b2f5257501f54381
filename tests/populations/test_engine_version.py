"""A change of the code that makes models is noticed, and someone decides whether numbers changed.

    python tests/populations/test_engine_version.py

records the code as it is, beside this file.
"""

import ast
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.populations import population
from evaluation.populations.population import Population
from starting_kit import tasks
from starting_kit.engine_version import ENGINE_VERSION

PROJECT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("engine_version.json")
# What is left out has a version of its own (tasks, the format of shards), is among a solution's sources (the zoo and what it
# shares), or says which engine is used, not what it computes (`lockstep/proof.py`).
SOURCES = (
    "evaluation/populations/model_outputs.py",
    "starting_kit/generators.py",
    "starting_kit/loaders.py",
    "starting_kit/lockstep/random_streams.py",
    "starting_kit/lockstep/stacked_layers.py",
    "starting_kit/lockstep/stacking.py",
    "starting_kit/networks.py",
    "starting_kit/outlines.py",
    "starting_kit/returned.py",
    "starting_kit/runner.py",
    "starting_kit/training.py",
)
ADVICE = (
    "{files}: changed, and they make the models. Decide: if any number of a model may differ now, even in its rounding, raise "
    "ENGINE_VERSION in starting_kit/engine_version.py, so that stored populations are made anew. Then, or if all numbers are "
    "the same, record the code: python tests/populations/test_engine_version.py"
)


def structure(node: Any) -> Any:
    """A syntax tree as lists, without docstrings, annotations, and what only some versions of Python have in it."""
    if isinstance(node, list):
        return [structure(inner) for inner in node if not is_text(inner)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in ("annotation", "returns", "kind")]
    return [type(node).__name__, *([name, structure(value)] for name, value in fields if value is not None and value != [])]


def is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def digest(text: str) -> str:
    return hashlib.sha256(json.dumps(structure(ast.parse(text))).encode()).hexdigest()[:16]


def current() -> dict[str, Any]:
    sources = {name: digest((PROJECT / name).read_text(encoding="utf-8")) for name in SOURCES}
    return {"engine_version": ENGINE_VERSION, "sources": sources}


def test_who_changes_how_models_are_made_decides_whether_numbers_changed() -> None:
    recorded, now = json.loads(RECORD.read_text()), current()
    files = [name for name in SOURCES if recorded["sources"].get(name) != now["sources"][name]]
    assert not files, ADVICE.format(files=", ".join(files))
    assert recorded == now, "ENGINE_VERSION was raised; record that: python tests/populations/test_engine_version.py"


@pytest.mark.parametrize(
    "text",
    [
        '"""What it does."""\n\n\ndef f(x: int, *, y: "float" = 0.5) -> float:\n    """Text."""\n    return x*y  # a product\n',
        "def f(x,\n      *, y=0.5):\n    return (x * y)",
    ],
)
def test_wording_and_formatting_are_no_change(text: str) -> None:
    assert digest(text) == digest("def f(x, *, y=0.5): return x * y")


@pytest.mark.parametrize(
    "text", ["def f(x, *, y=0.25): return x * y", "def f(x, *, y=0.5): return y * x", "def f(x): return x"]
)
def test_another_computation_is_one(text: str) -> None:
    assert digest(text) != digest("def f(x, *, y=0.5): return x * y")


@pytest.fixture
def retrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Population:
    """The retrained population that committed scorecards of digits name."""
    monkeypatch.setattr(population, "version", lambda package: {"torch": "2.15.0"}[package])
    task = dataclasses.replace(tasks.find("digits"), digest="8baccccfedca885c")  # of its data
    return Population(task, "retrained", 0, tmp_path, task.engine)


def test_the_first_version_has_the_keys_that_committed_scorecards_name(
    retrained: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "ENGINE_VERSION", 1)
    assert retrained.key == "b738a18a82fb3f3c"


def test_another_version_makes_other_populations(retrained: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for version in (1, 2, 3):
        monkeypatch.setattr(population, "ENGINE_VERSION", version)
        keys.add(Population(retrained.task, "retrained", 0, retrained.runs, retrained.engine).key)
    assert len(keys) == 3


if __name__ == "__main__":
    RECORD.write_text(json.dumps(current(), indent=1) + "\n")
