"""Which entries tie, and how often a difference is shown that is none."""

from itertools import combinations

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import false_discovery_control, norm

from conftest import PROJECT
from evaluation.metric import intervals
from evaluation.metric.measured import Measured
from evaluation.reports import ranking, ties
from evaluation.scoring import codec, pairs

MODELS = 60
CUTS = [intervals.subsamples(MODELS, seed=seed) for seed in (0, 1)]  # of unlearned and of retrained models


@pytest.fixture(scope="module")
def card():
    return codec.read(PROJECT / "results" / "digits" / "original.json")


def simulated(random, card, means):
    """Entries whose score is the mean of their models over that of the retrained models, which they share."""
    unlearned, retrained = random.normal(np.array(means)[:, None], 0.3, (len(means), MODELS)), random.normal(1, 0.3, MODELS)
    parts = (unlearned @ CUTS[0].reshape(-1, MODELS).T) / (CUTS[1].reshape(-1, MODELS) @ retrained)
    deviations = (parts / parts.mean(axis=1, keepdims=True) - 1) / np.sqrt(intervals.PARTS)  # those of means: `intervals`
    scores = unlearned.mean(axis=1) / retrained.mean()
    entries = [
        replace(
            card,
            models=MODELS,
            score=Measured(float(score)),
            score_deviations=Measured(of_score.reshape(-1, intervals.PARTS).tolist()),
        )
        for score, of_score in zip(scores, deviations, strict=True)
    ]
    return ranking.compare_all(entries)


def test_p_values_are_adjusted_as_scipy_does():
    random = np.random.default_rng(0)
    for p_values in (random.uniform(size=200), random.uniform(size=30) ** 4, np.array([0.01, 0.01, 0.2]), np.array([0.3])):
        np.testing.assert_allclose(ties.adjusted(p_values), false_discovery_control(p_values))


def test_of_equal_entries_few_tables_show_any_difference(card):
    """At most one in twenty, where single tests would show some in nearly all; 120 tables of 20 entries, seeded."""
    random = np.random.default_rng(1)
    tables = [simulated(random, card, [1.0] * 20) for _ in range(120)]
    assert np.mean([pairs.differ.any() for pairs in tables]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(tables))
    assert np.mean([np.nanmin(pairs.p_values) < 0.05 for pairs in tables]) > 0.8


def test_ranks_separate_what_differs_and_little_else(card):
    random = np.random.default_rng(2)
    good, separated, shares = np.arange(20) < 5, [], []
    for _ in range(60):
        pairs = simulated(random, card, np.where(good, 2.0, 1.0))
        ranks = np.array([pairs.ranks(entry) for entry in range(20)])
        separated.append(ranks[good, 1].max() == 5 and ranks[~good, 0].min() == 6)
        false = pairs.differ[np.ix_(good, good)].sum() + pairs.differ[np.ix_(~good, ~good)].sum()
        shares.append(false / pairs.differ.sum())
    assert all(separated)
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / np.sqrt(len(shares))


def test_a_rank_lies_within_its_range_whatever_differs():
    random = np.random.default_rng(3)
    for _ in range(50):
        scores, p_values = random.uniform(size=12), random.uniform(size=(12, 12)) ** 6
        p_values[random.uniform(size=(12, 12)) < 0.2] = np.nan
        pairs = ties.Pairs(scores, np.fmin(p_values, p_values.T))
        for entry in range(12):
            low, high = pairs.ranks(entry)
            assert low <= 1 + np.sum(scores > scores[entry]) <= high


def matrix(entries, differ, untested=()):
    p_values = np.full((entries, entries), 0.5)
    for chosen, value in ((differ, 1e-9), (untested, np.nan)):
        for one, other in chosen:
            p_values[one, other] = p_values[other, one] = value
    return p_values


def test_ranks_of_entries_of_which_some_differ():
    """The first beats the third and the fourth, the second ties with all."""
    pairs = ties.Pairs(np.array([4.0, 3.0, 2.0, 1.0]), matrix(4, [(0, 2), (0, 3)]))
    assert [pairs.ranks(entry) for entry in range(4)] == [(1, 2), (1, 4), (2, 4), (2, 4)]


def test_pairs_that_cannot_be_compared_neither_count_nor_differ():
    pairs = ties.Pairs(np.array([3.0, 2.0, 1.0]), matrix(3, [], untested=[(0, 2), (1, 2)]))
    pairs.p_values[0, 1] = pairs.p_values[1, 0] = 0.04  # the only pair: it need not be adjusted
    assert [pairs.ranks(entry) for entry in range(3)] == [(1, 2), (2, 3), (1, 3)]
    assert [pairs.is_compared(entry) for entry in range(3)] == [True, True, False]


def test_groups_are_the_largest_in_which_no_two_differ():
    random = np.random.default_rng(4)
    for share in (0.0, 0.2, 0.5, 0.8, 1.0):
        every = list(combinations(range(6), 2))
        differ = [pair for pair in every if random.uniform() < share]
        alike = [
            set(some)
            for size in range(1, 7)
            for some in combinations(range(6), size)
            if not any(pair in differ for pair in combinations(some, 2))
        ]
        largest = sorted(sorted(some) for some in alike if not any(some < more for more in alike))
        assert ties.Pairs(np.arange(6.0), matrix(6, differ)).groups() == largest


def test_the_smallest_difference_is_found_four_times_of_five():
    smallest = ties.smallest_difference((-1.96, 1.96))  # a standard error of 1
    assert smallest == pytest.approx(2.8016, abs=1e-3)  # normal quantiles of 97.5 and 80 %
    found = np.abs(np.random.default_rng(5).normal(smallest, 1, 20_000)) > 1.96
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_all_pairs_of_a_table_are_compared_as_two_entries_are():
    cards = [codec.read(path) for path in sorted((PROJECT / "results" / "digits").glob("s*.json"))]
    cards += [replace(cards[0], retrained_population="another"), replace(cards[1], score_deviations=Measured(reason="few"))]
    errors, found = pairs.standard_errors(cards), ranking.compare_all(cards)
    for one, other in combinations(range(len(cards)), 2):
        test = pairs.difference(cards[one], cards[other])
        if test is None:
            assert np.isnan(errors[one, other])
            assert np.isnan(found.p_values[one, other])
        else:
            (low, high), p_value = test
            assert errors[one, other] == pytest.approx((high - low) / 2 / norm.ppf(0.975))
            assert found.p_values[one, other] == pytest.approx(ties.of_student(p_value, 128))
    assert (found.differ == found.differ.T).all()
