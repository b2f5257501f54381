import dataclasses
import json

import numpy as np
import pytest
from msgspec import UNSET

from evaluation.metric import intervals, measures
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.measured import ExampleEpsilon, Means, Measured
from evaluation.metric.outputs import Outputs
from evaluation.reports import summary
from evaluation.scoring import assembly, codec
from evaluation.scoring.external import Pair


def population(seed, models=60, shift=0.0, accuracy=0.9, splits=("retain", "test", "forget")):
    random = np.random.default_rng(seed)
    confidences = random.normal(shift, 1.5, (models, 6))
    known = {split: np.clip(random.normal(accuracy, 0.01, models), 0, 1) for split in splits}
    return Outputs({"forget": np.arange(10, 16)}, {"forget": confidences}, confidences, known)


def measure(unlearned, retrained, original=None):
    """A scorecard of what is measured."""
    scores = measures.scores(unlearned, retrained, retrained.halves(), original, workers=1)
    found = measures.score_intervals(unlearned, retrained, scores, workers=1)
    return assembly.of_external("a task", "mine", Pair(retrained, unlearned), scores, found, {}, {}, workers=1)


def require_json(card):
    json.dumps(codec.encode(card), allow_nan=False)


def test_score_is_f_times_both_ratios_and_relative_to_the_ceiling():
    unlearned, retrained, original = population(0, shift=1, accuracy=0.8), population(1), population(2, shift=3)
    card = measure(unlearned, retrained, original)
    values = epsilons(unlearned.confidences["forget"], retrained.confidences["forget"])
    ratios = [unlearned.accuracy[split].mean() / retrained.accuracy[split].mean() for split in ("retain", "test")]
    assert card.score.value == pytest.approx(forgetting_quality(values, 60) * ratios[0] * ratios[1])
    assert card.epsilons == [ExampleEpsilon(10 + i, value) for i, value in enumerate(values)]
    first, second = retrained.confidences["forget"][:30], retrained.confidences["forget"][30:]
    accuracies = [retrained.accuracy[split] for split in ("retain", "test")]
    halves = np.prod([a[:30].mean() / a[30:].mean() for a in accuracies])
    assert card.ceiling.value == pytest.approx(forgetting_quality(epsilons(first, second), 30) * halves)
    assert card.ceiling_models == 30
    assert card.relative.value == pytest.approx(card.score.value / card.ceiling.value)
    of_original = epsilons(original.confidences["forget"], retrained.confidences["forget"])
    assert card.floor.value == pytest.approx(forgetting_quality(of_original, 60), rel=0.05)
    names = (*measures.Scores.__struct_fields__, *measures.Intervals.__struct_fields__)
    measured = [value for name in names if isinstance(value := getattr(card, name), Measured)]
    assert len(measured) == 14
    assert all(value.value is not None and value.reason is None for value in measured)
    require_json(card)


def test_models_are_one_only_where_no_bit_of_their_outputs_differs():
    logits = np.random.default_rng(0).normal(size=(1, 7, 5)).astype(np.float32).repeat(130, axis=0)  # in blocks of 64
    labels, ids = np.arange(7) % 5, np.arange(7)

    def different(logits, **accuracy):
        by_split = {"forget": logits}
        return Outputs.from_logits(by_split, {"forget": labels}, {"forget": ids}, accuracy).different_models

    assert different(logits) == 1
    logits[[70, 129], 6, 3] += 1e-4
    assert different(logits) == 2
    assert different(logits, retain=np.array([0.9] * 129 + [0.8])) == 3  # on examples of which no output is kept


def test_models_that_all_differ_are_not_counted_on_the_scorecard():
    unlearned, retrained = population(0), population(1)
    card = measure(unlearned, retrained)
    assert not card.has_equal_models
    twice = unlearned.take([*range(20)] * 2)
    card = measure(twice, retrained)
    assert (card.different_models, card.different_retrained_models, card.has_equal_models) == (20, UNSET, True)


def test_runs_that_failed_are_counted_on_the_scorecard():
    unlearned, retrained = population(0), population(1)
    unlearned.confidences["forget"][:] = np.linspace(-2, 2, 60)[:, None]
    card = measure(unlearned, retrained)
    assert card.outlying_models is card.outlying_retrained_models is UNSET
    assert "outlying runs" not in dict(summary.lines_of(card))
    unlearned.confidences["forget"][[5, 50]] -= 12
    card = measure(unlearned, retrained)
    assert (card.outlying_models, card.outlying_retrained_models) == (2, UNSET)
    assert "2[/] of 60" in dict(summary.lines_of(card))["outlying runs"]
    require_json(card)


def test_every_interval_holds_its_value():
    card = measure(population(0, shift=1), population(1), population(2))
    for name in ("score", "retain_ratio", "test_ratio"):
        low, high = getattr(card, f"{name}_interval").value
        assert low < getattr(card, name).value < high
    assert card.forgetting_interval.value[0] < card.forgetting_quality < card.forgetting_interval.value[1]
    assert np.shape(card.score_deviations.value) == (21, 3)


def test_the_score_is_less_certain_than_f_where_accuracies_vary():
    sure, unsure = population(0), population(0)
    unsure.accuracy["test"][:] = np.random.default_rng(3).uniform(0, 1, 60)
    cards = [measure(unlearned, population(1)) for unlearned in (sure, unsure)]
    widths = [np.log(card.score_interval.value[1] / card.score_interval.value[0]) for card in cards]
    assert cards[0].forgetting_interval == cards[1].forgetting_interval
    assert widths[1] > widths[0] * 1.02


def test_what_is_not_known_is_null_with_a_reason():
    card = measure(population(0, splits=("forget", "retain")), population(1))
    unknown = "retain or test accuracies are not known"
    for name in ("score", "relative", "test_ratio", "score_interval", "test_ratio_interval", "score_deviations"):
        assert getattr(card, name) == Measured(reason=unknown)
    assert card.test_accuracy == Measured(reason="test accuracies are not known")
    assert card.floor == Measured(reason="original models are not known")
    assert card.retain_ratio.value > 0
    assert card.forgetting_interval.value[0] < card.forgetting_quality


def test_too_few_models_have_a_score_and_no_interval():
    card = measure(population(0, models=16), population(1, models=16))
    assert card.score.value > 0
    assert card.score_interval.reason == "16 models are too few for an interval, at least 48 are needed"


def test_a_score_of_0_is_certain():
    far = measure(population(0, shift=90), population(1))
    assert (far.score, far.score_interval) == (Measured(0), Measured((0, 0)))


def test_points_that_no_subsample_shows_have_no_interval(monkeypatch):
    """No populations are known that do this; if there are, the scorecard must say so instead of holding NaN."""
    monkeypatch.setattr(intervals, "quality_deviations", lambda *_: np.full((21, 3), np.nan))
    card = measure(population(0), population(1))
    assert card.score_interval.reason == "no forget example earns points with a third of the models"
    require_json(card)


def test_ages_are_as_far_off_as_the_mean_model_is():
    """Where ages are known, their mean absolute error stands beside the accuracies, in numbers and for people."""
    unlearned, retrained = (
        dataclasses.replace(
            population(seed), age_error={split: np.full(60, years) + [-1, 1] * 30 for split in ("test", "forget")}
        )
        for seed, years in ((0, 8.0), (1, 7.25))
    )
    card = measure(unlearned, retrained)
    assert card.test_age_error == card.forget_age_error == Means(unlearned=8.0, retrained=7.25)
    assert dict(summary.lines_of(card))["test age error"] == "8.00 years, retrained 7.25"
    assert measure(population(0), population(1)).test_age_error is UNSET
