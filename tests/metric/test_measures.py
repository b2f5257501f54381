import dataclasses
import json

import numpy as np
import pytest

from evaluation.metric import intervals, measures
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.outputs import Outputs
from evaluation.reports import console


def population(seed, models=40, shift=0.0, accuracy=0.9, splits=("retain", "test", "forget")):
    random = np.random.default_rng(seed)
    confidences = random.normal(shift, 1.5, (models, 6))
    known = {split: np.clip(random.normal(accuracy, 0.01, models), 0, 1) for split in splits}
    return Outputs({"forget": np.arange(10, 16)}, {"forget": confidences}, confidences, known)


def measure(unlearned, retrained, original=None):
    measured = measures.scores(unlearned, retrained, retrained.halves(), original, workers=1)
    return {**measured, **measures.score_intervals(unlearned, retrained, measured, workers=1)}


def test_score_is_f_times_both_ratios_and_relative_to_the_ceiling():
    unlearned, retrained, original = population(0, shift=1, accuracy=0.8), population(1), population(2, shift=3)
    card = measure(unlearned, retrained, original)
    values = epsilons(unlearned.confidences["forget"], retrained.confidences["forget"])
    ratios = [unlearned.accuracy[split].mean() / retrained.accuracy[split].mean() for split in ("retain", "test")]
    assert card["score"] == pytest.approx(forgetting_quality(values, 40) * ratios[0] * ratios[1])
    assert card["epsilons"] == [{"example": 10 + i, "epsilon": value} for i, value in enumerate(values)]
    first, second = retrained.confidences["forget"][:20], retrained.confidences["forget"][20:]
    accuracies = [retrained.accuracy[split] for split in ("retain", "test")]
    halves = np.prod([a[:20].mean() / a[20:].mean() for a in accuracies])
    assert card["ceiling"] == pytest.approx(forgetting_quality(epsilons(first, second), 20) * halves)
    assert card["ceiling_models"] == 20
    assert card["relative"] == pytest.approx(card["score"] / card["ceiling"])
    of_original = epsilons(original.confidences["forget"], retrained.confidences["forget"])
    assert card["floor"] == pytest.approx(forgetting_quality(of_original, 40), rel=0.05)
    assert not [name for name in card if name.endswith("_reason")]
    json.dumps(card, allow_nan=False)


def test_every_interval_holds_its_value():
    card = measure(population(0, shift=1), population(1), population(2))
    for name in ("score", "retain_ratio", "test_ratio"):
        assert card[f"{name}_interval"][0] < card[name] < card[f"{name}_interval"][1]
    assert card["forgetting_interval"][0] < card["forgetting_quality"] < card["forgetting_interval"][1]
    assert np.shape(card["score_deviations"]) == (21, 3)


def test_the_score_is_less_certain_than_f_where_accuracies_vary():
    sure, unsure = population(0), population(0)
    unsure.accuracy["test"][:] = np.random.default_rng(3).uniform(0.2, 0.6, 40)
    cards = [measure(unlearned, population(1)) for unlearned in (sure, unsure)]
    widths = [np.log(card["score_interval"][1] / card["score_interval"][0]) for card in cards]
    assert cards[0]["forgetting_interval"] == cards[1]["forgetting_interval"]
    assert widths[1] > widths[0] * 1.02


def test_what_is_not_known_is_null_with_a_reason():
    card = measure(population(0, splits=("forget", "retain")), population(1))
    unknown = "retain or test accuracies are not known"
    for name in ("score", "relative", "test_ratio", "score_interval", "test_ratio_interval", "score_deviations"):
        assert (card[name], card[f"{name}_reason"]) == (None, unknown)
    assert card["test_accuracy_reason"] == "test accuracies are not known"
    assert card["floor_reason"] == "original models are not known"
    assert card["retain_ratio"] > 0
    assert card["forgetting_interval"][0] < card["forgetting_quality"]


def test_too_few_models_have_a_score_and_no_interval():
    card = measure(population(0, models=16), population(1, models=16))
    assert card["score"] > 0
    assert card["score_interval_reason"] == "16 models are too few for an interval, at least 24 are needed"


def test_a_score_of_0_is_certain():
    far = measure(population(0, shift=90), population(1))
    assert (far["score"], far["score_interval"]) == (0, [0, 0])


def test_points_that_no_subsample_shows_have_no_interval(monkeypatch):
    """No populations are known that do this; if there are, the scorecard must say so instead of holding NaN."""
    monkeypatch.setattr(intervals, "quality_deviations", lambda *_: np.full((21, 3), np.nan))
    card = measure(population(0), population(1))
    assert card["score_interval_reason"] == "no forget example earns points with a third of the models"
    json.dumps(card, allow_nan=False)


def test_ages_are_as_far_off_as_the_mean_model_is():
    """Where ages are known, their mean absolute error stands beside the accuracies, in numbers and for people."""
    unlearned, retrained = (
        dataclasses.replace(
            population(seed), age_error={split: np.full(40, years) + [-1, 1] * 20 for split in ("test", "forget")}
        )
        for seed, years in ((0, 8.0), (1, 7.25))
    )
    card = measure(unlearned, retrained)
    assert card["test_age_error"] == card["forget_age_error"] == {"unlearned": 8.0, "retrained": 7.25}
    shown = dict(console._lines({**card, "network": None, "cost": None, "engine": None, "models": 40}))
    assert shown["test age error"] == "8.00 years, retrained 7.25"
    assert "test_age_error" not in measure(population(0), population(1))
