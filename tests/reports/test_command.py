"""The command that a page names makes the scorecard that it is named for."""

import shlex

import pytest
from msgspec.structs import replace

from conftest import PROJECT
from evaluation import score
from evaluation.reports.command import command
from evaluation.scoring import codec
from evaluation.scoring.scorecard import Hyperparameters


@pytest.fixture(scope="module")
def card():
    return codec.read(PROJECT / "results" / "digits" / "original.json")


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, "--hyperparameters published"),
        ({"models": 64, "originals": 16}, "--models 64 --hyperparameters published"),
        ({"originals": 1, "seed": 3}, "--originals 1 --seed 3 --hyperparameters published"),
        ({"network": "all-cnn", "originals": 16}, "--network all-cnn --hyperparameters published"),
        ({"forget": "class:3", "epochs": 2}, "--forget class:3 --epochs 2 --hyperparameters published"),
        ({"task": "mnist", "network": None, "epochs": None, "forget": None}, "--task mnist --hyperparameters published"),
        ({"task": "elsewhere"}, "--task elsewhere --hyperparameters published"),
        ({"hyperparameters": None}, ""),
        ({"hyperparameters": Hyperparameters("author", {"a": 1})}, ""),
        (
            {"hyperparameters": Hyperparameters("set", {"a": 1, "b": "x y", "c": (1, 2)}, set=["b", "c"], others="tuned")},
            "--hyperparameters tuned --set 'b=x y' --set 'c=[1, 2]'",
        ),
    ],
)
def test_what_is_not_the_default_is_said(card, changes, options):
    assert command(replace(card, **changes)) == f"python evaluation/score.py --solution original {options}".strip()


def test_every_entry_of_the_table_can_be_typed(monkeypatch):
    """Its options exist, and have such values."""
    paths = list((PROJECT / "results" / "digits").glob("*.json"))
    accepted = []
    monkeypatch.setattr(score, "run_command", lambda *work: accepted.append(work) or 0)
    for path in paths:
        words = shlex.split(command(codec.read(path)))
        assert words[:2] == ["python", "evaluation/score.py"]
        assert score.main(words[2:]) == 0
    assert len(accepted) == len(paths)
