"""Runs from several original models: what is pooled, and what is averaged over them."""

import numpy as np
import pytest

from evaluation.metric import comparison, designs, differences, intervals, measures
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.outputs import Outputs

EXAMPLES = 40


def runs(seed, originals, of_each, between, within=1.0):
    """Confidences of runs [models, examples], and the number of the original model of each."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(originals), of_each)
    centres = between * random.standard_normal((originals, EXAMPLES))
    return centres[numbers] + within * random.standard_normal((len(numbers), EXAMPLES)), numbers


def outputs(confidences, originals=None, accuracy=1.0):
    known = {split: np.full(len(confidences), accuracy) for split in ("retain", "test")}
    return Outputs({"forget": np.arange(EXAMPLES)}, {"forget": confidences}, None, known, originals=originals)


def quality(first, second):
    return forgetting_quality(epsilons(first, second), len(first))


@pytest.mark.parametrize("of_each", [4, 16])
def test_variances_are_those_between_and_within_original_models(of_each):
    found = [
        (designs.variance_between(*drawn).mean(), designs.variance_within(*drawn).mean())
        for drawn in (runs(seed, 32, of_each, between=0.8, within=1.5) for seed in range(20))
    ]
    assert np.mean(found, axis=0) == pytest.approx([0.8**2, 1.5**2], rel=0.05)
    share = np.mean([designs.share_of_originals(*runs(seed, 32, of_each, 0.8, 1.5)) for seed in range(20)])
    assert share == pytest.approx(0.8**2 / (0.8**2 + 1.5**2), abs=0.03)


def test_centres_and_deviations_are_as_wide_as_with_many_runs():
    confidences, originals = runs(0, 128, 4, between=0.8, within=1.5)
    centres = designs.centres(confidences, originals)
    assert centres.std(axis=0, ddof=1).mean() == pytest.approx(0.8, rel=0.1)
    assert designs.means(confidences, originals).std(axis=0, ddof=1).mean() > 1.3 * 0.8  # but for the correction
    for population, centre in zip(designs.populations(confidences, originals), centres, strict=True):
        assert population.shape == confidences.shape
        assert population.mean(axis=0) == pytest.approx(centre)
        assert population.std(axis=0).mean() == pytest.approx(1.5, rel=0.03)


def test_runs_that_do_not_depend_on_their_original_score_as_retrained_models_do():
    found = []
    for seed in range(6):
        confidences, originals = runs(seed, 64, 4, between=0.0)
        unlearned, retrained = outputs(confidences, originals), outputs(runs(seed + 50, 256, 1, 0.0)[0])
        averaged = comparison.average(comparison.compare_by_original(unlearned, retrained)).score
        found.append((averaged, comparison.compare(unlearned, retrained).score))
    averaged, pooled = np.mean(found, axis=0)
    assert averaged == pytest.approx(pooled, rel=0.15)


def test_the_averaged_score_is_that_of_many_runs_from_each_original():
    """With four runs from each as with as many runs from each as there are retrained models."""
    few, many = [], []
    for seed in range(4):
        retrained = outputs(runs(seed + 50, 128, 1, 0.0, within=1.6)[0])
        confidences, originals = runs(seed, 32, 4, between=1.0)
        few.append(comparison.average(comparison.compare_by_original(outputs(confidences, originals), retrained)).score)
        confidences, originals = runs(seed + 100, 32, 128, between=1.0)
        apart = [quality(confidences[originals == i], retrained.confidences["forget"]) for i in range(32)]
        many.append(np.mean(apart))
    assert np.mean(few) == pytest.approx(np.mean(many), rel=0.2)
    pooled = [quality(runs(seed, 128, 1, 1.4)[0], runs(seed + 50, 128, 1, 0, 1.6)[0]) for seed in range(4)]
    assert np.mean(pooled) > 2 * np.mean(many)  # nobody can tell them apart who does not know the original


def test_an_edit_without_chance_is_found_out_by_the_averaged_score_only():
    confidences, originals = runs(0, 32, 4, between=1.0, within=0.0)
    unlearned, retrained = outputs(confidences, originals), outputs(runs(1, 128, 1, 1.0, within=0.0)[0])
    assert comparison.average(comparison.compare_by_original(unlearned, retrained)).score == 0
    assert comparison.compare(unlearned, retrained).score > 0.1


def test_the_card_has_both_scores_and_what_each_original_comes_to():
    confidences, originals = runs(0, 32, 4, between=0.5)
    retrained = outputs(runs(1, 128, 1, 0.0)[0], accuracy=0.9)
    unlearned = outputs(confidences, originals, accuracy=0.8)
    found = measures.scores(unlearned, retrained, retrained.halves(), None, workers=1)
    assert found.design == "averaged"
    ratio = (0.8 / 0.9) ** 2
    assert found.pooled.score.value == pytest.approx(quality(confidences, retrained.confidences["forget"]) * ratio)
    apart = [quality(population, retrained.confidences["forget"]) for population in designs.populations(confidences, originals)]
    assert found.by_original.forgetting_quality == pytest.approx(apart)
    assert found.forgetting_quality == pytest.approx(np.mean(apart))
    assert found.score.value == pytest.approx(np.mean(apart) * ratio)
    assert found.score.value == pytest.approx(np.mean(found.by_original.score.value))
    assert found.pooled.relative.value == pytest.approx(found.pooled.score.value / found.ceiling.value)


@pytest.mark.parametrize(
    ("originals", "design"),
    [
        (np.zeros(32, np.int64), "one original"),
        (np.repeat(np.arange(16), 2), "pooled"),  # two runs do not show how much runs differ
        (np.repeat(np.arange(8), 4), "averaged"),
        (None, None),
    ],
)
def test_the_design_follows_from_the_originals(originals, design):
    assert measures.design_of(outputs(np.zeros((32, EXAMPLES)), originals)) == design


def test_subsamples_keep_the_runs_from_one_original_together():
    originals = np.repeat(np.arange(30), 4)
    counts = intervals.subsamples_of_originals(originals, seed=0)
    by_original = counts.reshape(intervals.CUTS, intervals.PARTS, 30, 4)
    assert (by_original == by_original[..., :1]).all()
    assert (counts.sum(axis=2) == 40).all()
    assert (counts.sum(axis=1) == 1).all()
    uneven = np.concatenate([originals, [0, 0]])  # of each the same number, so that all subsamples are of one size
    assert (intervals.subsamples_of_originals(uneven, seed=0).sum(axis=2) == 40).all()


@pytest.mark.slow
def test_an_interval_from_enough_originals_is_about_others_too():
    """Some original models give their runs away, others do not: as likely as promised the interval holds the mean score."""
    values, ends, pooled_values, pooled_ends = [], [], [], []
    for seed in range(30):
        random = np.random.default_rng(seed)
        originals = np.repeat(np.arange(24), 4)
        reach = random.uniform(0.0, 2.0, 24)
        unlearned = outputs(reach[originals, None] + random.standard_normal((96, EXAMPLES)), originals)
        retrained = outputs(random.standard_normal((96, EXAMPLES)))
        found = measures.scores(unlearned, retrained, retrained.halves(), None, workers=1)
        about = measures.score_intervals(unlearned, retrained, retrained.halves(), found, workers=1)
        values.append(found.score.value)
        ends.append(about.score_interval.value)
        pooled_values.append(found.pooled.score.value)
        pooled_ends.append(about.pooled_interval.value)
    for scores, bounds in ((values, ends), (pooled_values, pooled_ends)):
        low, high = np.transpose(bounds)
        assert np.mean((low <= np.mean(scores)) & (np.mean(scores) <= high)) >= 0.85


def test_comparisons_subtract_what_each_original_adds_to_both():
    deviations = np.zeros((intervals.CUTS, intervals.PARTS))
    first = np.random.default_rng(0).uniform(0.02, 0.06, 64)
    (low, high), p_value = differences.difference(0.041, deviations, 0.04, deviations, (first + 0.001, first))
    assert (low, high) == pytest.approx((0.001, 0.001))
    assert p_value < 1e-6
    shuffled = np.random.default_rng(1).permutation(first)
    (low, high), p_value = differences.difference(0.041, deviations, 0.04, deviations, (shuffled + 0.001, first))
    error = np.std(shuffled - first, ddof=1) / 8
    assert (high - low) == pytest.approx(2 * 1.96 * error, rel=1e-3)
    assert p_value > 0.1
