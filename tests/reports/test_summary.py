"""A scorecard at a terminal."""

import io

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from rich.console import Console

from evaluation.metric.measured import Measured, Memorisation, Nearness, OutlyingRuns
from evaluation.reports import formats, summary
from evaluation.scoring import codec
from evaluation.scoring.scorecard import FailedRuns, Hyperparameters


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
        (
            Hyperparameters("transferred", {"a": 1}, loader_batch_size=8),
            "carried over by steps (loaders in batches of 8): a=1",
        ),
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


def test_failed_runs_come_before_the_score_if_there_are_more_than_of_retrained_models(card):
    def first(unlearned, retrained):
        return shown(replace(card, outlying_runs=OutlyingRuns(unlearned, retrained))).splitlines()[0]

    assert first(5, 1).startswith("5 of 16 runs lie far from the others (of retrained models 1): ")
    assert first(1, 1).startswith("╭─ finetune on digits")
    assert first(0, 0).startswith("╭─ finetune on digits")


def test_runs_that_gave_no_model_come_first(card):
    text = shown(replace(card, failed_runs=FailedRuns([3, 14], ["it hung (mine.py, line 3)", "it ended"])))
    assert text.startswith("2 of 16 runs failed (models 3, 14): it hung (mine.py, line 3); it ended. In the score they are ")
    assert codec.encode(replace(card, failed_runs=FailedRuns([3], ["it hung"])))["failed_runs"] == {
        "models": [3],
        "reasons": ["it hung"],
    }


@pytest.mark.parametrize(("share", "warned"), [(0.25, False), (0.5, False), (0.61, True)])
def test_originals_that_are_not_found_out_are_a_warning(card, share, warned):
    text = shown(replace(card, originals_relative=Measured(share)))
    assert f"({share:.1%} of the ceiling)" in text
    assert (f"warning: the untouched originals score {share:.0%} of the ceiling" in text) == warned


def test_opinions_that_call_retrained_models_different_are_named(card):
    def with_alarms(share):
        opinion = replace(card.attacks["all_classes"], false_alarms=share)
        return shown(replace(card, attacks={**card.attacks, "all_classes": opinion}))

    assert "note: false alarm: all_classes calls retrained models different" in with_alarms(1.0)
    assert "false alarm" not in with_alarms(0.05)


def test_what_there_was_to_forget_and_what_the_models_are_nearer_to_fit_the_lines(card):
    memorised = Memorisation(0.5, [0.1, 0.5, 1.2], [0.024, 0.042, 0.034], [0.1, 0.02, 0.005])
    near = Nearness(0.68, (0.63, 0.72), 0.264, "originals")
    lines = shown(replace(card, memorisation=Measured(memorised), nearness=Measured(near))).splitlines()
    assert any("to forget (D)         median 0.50 s.d.; F by thirds 0.024, 0.042, 0.034 " in line for line in lines)
    assert any("nearer to             originals: 0.68 [0.630–0.720] of the way, 0.26 off " in line for line in lines)
    far = shown(replace(card, nearness=Measured(Nearness(-3.1, (-3.5, -2.7), 0.0, "neither"))))
    assert "neither: -3.10 [-3.50–-2.70] of the way " in far
