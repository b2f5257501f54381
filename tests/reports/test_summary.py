"""A scorecard at a terminal."""

import io

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from rich.console import Console

from evaluation.metric.measured import Measured
from evaluation.reports import formats, summary
from evaluation.scoring import codec
from evaluation.scoring.scorecard import Hyperparameters


def shown(card):
    text = io.StringIO()
    summary.show(card, Console(file=text, width=80))
    return text.getvalue()


@pytest.fixture
def card(sixteen):
    return codec.read(sixteen.path)


def test_models_that_are_the_same_are_the_first_line_of_any_width(card):
    assert shown(card).startswith("╭─ finetune on digits")
    first, second, *_ = shown(replace(card, different_models=1)).splitlines()
    assert first.startswith(
        "all 16 models are the same: the solution sets a seed itself or leaves too little to chance, or it leaves the network"
    )
    assert second.startswith("╭─ finetune on digits")
    lines = shown(replace(card, different_models=3, different_retrained_models=1)).splitlines()
    assert lines[0].startswith("16 models, but only 3 different ones: ")
    assert lines[1].startswith("all 16 retrained models are the same: their training sets a seed itself")


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (Hyperparameters("published", {"a": 1, "b": [0.5, 2]}), "published: a=1, b=[0.5, 2]"),
        (Hyperparameters("author", {"a": None}), "the author's: a=None"),
        (Hyperparameters("tuned", {"a": 1}), "tuned for this task: a=1"),
        (Hyperparameters("set", {"a": 1, "b": 2}, ["b"], "tuned"), "set by you: b=2; tuned for this task: a=1"),
        (Hyperparameters("set", {"b": 2}, ["b"], "author"), "set by you: b=2"),
        (Hyperparameters("set", {"a": 1, "b": 2}), "set in part: a=1, b=2"),
    ],
)
def test_values_are_shown_with_where_they_come_from(card, used, said):
    assert formats.values_in_use(used) == said
    assert f"hyper-parameters      {said}" in shown(replace(card, hyperparameters=used))


def test_without_hyperparameters_nothing_is_said_of_them(card):
    assert "hyper-parameters" not in shown(replace(card, hyperparameters=Hyperparameters("author", {})))


def test_notes_are_printed_as_they_are(card):
    note = "cell 3 was [bold]not run[/]: it trains"
    assert f"note: {note}\n" in shown(replace(card, notes=[note]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "cost 17.2% [15.9%–18.8%] of a retraining, within the limit of 20 %"),
        ({"within_limit": Measured(False)}, "of a retraining, above the limit of 20 %"),
        ({"within_limit": Measured(reason="undecided")}, "undecided whether above 20 %: the same command times it further"),
        ({"cost_interval": Measured(reason="one turn")}, "cost 17.2% of a retraining, within"),
        ({"cost_interval": UNSET, "operations": UNSET}, "cost 17.2% of a retraining, within"),
        ({}, "operations 14.0% of a retraining's"),
        ({"operations": Measured(reason="it fails")}, "operations - (it fails)"),
    ],
)
def test_the_cost_is_said_with_its_interval_and_what_it_means(card, changes, said):
    usual = {"cost": 0.172, "cost_interval": Measured((0.159, 0.188)), "operations": Measured(0.14)}
    text = " ".join(shown(replace(card, **{**usual, **changes})).replace("│", " ").split())
    assert said in text
    assert ("operations" in text) == (changes.get("operations") is not UNSET)
