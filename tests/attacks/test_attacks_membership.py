import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit

from evaluation.attacks import membership
from evaluation.attacks.membership import interval, membership_accuracies
from evaluation.metric.outputs import Outputs


def kit_accuracy(forget, test, tolerance=1e-4):
    """The starting kit's way, for one model and as many forget as test examples; the tolerance is scikit-learn's default."""
    losses = np.concatenate([np.log1p(np.exp(-test)), np.log1p(np.exp(-forget))])[:, None]
    labels = np.repeat([0, 1], len(test))
    model = LogisticRegression(tol=tolerance)
    splits = StratifiedShuffleSplit(n_splits=10, random_state=0).split(losses, labels)
    return np.mean([model.fit(losses[train], labels[train]).score(losses[held], labels[held]) for train, held in splits])


def confidences(seed, models, examples, mean, spread=4.0):
    """Log-odds such as networks have: most examples easy, some wrong with a large loss."""
    random = np.random.default_rng(seed)
    return random.normal(mean, spread, examples) + random.normal(0, 1, (models, examples))


@pytest.mark.parametrize(
    ("forget_mean", "test_mean", "spread", "examples"),
    [(4, 4, 4, 90), (7, 4, 4, 90), (12, 2, 4, 61), (3, 8, 4, 200), (1, 1, 0.05, 50), (30, -30, 4, 40), (80, -80, 30, 40)],
)
def test_agrees_with_scikit_learn_when_it_is_exact(forget_mean, test_mean, spread, examples):
    forget, test = confidences(0, 3, examples, forget_mean, spread), confidences(1, 3, examples, test_mean, spread)
    expected = [kit_accuracy(*pair, tolerance=1e-9) for pair in zip(forget, test, strict=True)]
    np.testing.assert_allclose(membership_accuracies(forget, test), expected, atol=1e-12)


def test_agrees_with_the_starting_kit():
    forget, test = confidences(16, 8, 90, 6), confidences(17, 8, 90, 4)
    expected = np.mean([kit_accuracy(*pair) for pair in zip(forget, test, strict=True)])
    assert membership_accuracies(forget, test).mean() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("slope", "intercept"), [(0.0, 0.0), (3.0, -5.0), (-40.0, 7.0)])
def test_the_fit_does_not_depend_on_where_it_starts(slope, intercept):
    random = np.random.default_rng(2)
    values = random.exponential(3, 120)
    labels = (random.random(120) < 1 / (1 + np.exp(values - 2))).astype(float)
    model = LogisticRegression(tol=1e-10, max_iter=10_000).fit(values[:, None], labels)
    fitted = membership._fit(values, labels, slope, intercept)
    np.testing.assert_allclose(fitted, [model.coef_[0, 0], model.intercept_[0]], rtol=1e-4)


def test_forget_examples_like_test_examples_are_not_found():
    assert membership_accuracies(confidences(3, 64, 500, 4), confidences(4, 64, 500, 4)).mean() == pytest.approx(0.5, abs=0.03)


def test_grows_as_forget_examples_are_remembered():
    test = confidences(5, 16, 300, 3)
    means = [membership_accuracies(confidences(6, 16, 300, mean), test).mean() for mean in (3, 6, 12, 60)]
    assert means == sorted(means)
    assert means[-1] > 0.7


def test_examples_that_differ_completely_are_all_found():
    assert (membership_accuracies(np.full((3, 40), 20.0), np.full((3, 40), -20.0)) == 1).all()


def test_losses_that_are_all_equal_are_a_blind_guess():
    np.testing.assert_allclose(membership_accuracies(np.ones((3, 40)), np.ones((3, 40))), 0.5)


@pytest.mark.parametrize("larger", ["forget", "test"])
def test_the_larger_set_is_cut(larger):
    forget, test = (
        confidences(7, 8, 400 if larger == "forget" else 50, 2),
        confidences(8, 8, 400 if larger == "test" else 50, 2),
    )
    values = membership_accuracies(forget, test)
    # Were it not, guessing the larger set would be right 8 times out of 9.
    assert 0.3 < values.mean() < 0.7
    np.testing.assert_array_equal(values, membership_accuracies(forget, test))


def test_a_model_counts_by_itself():
    forget, test = confidences(9, 12, 60, 5), confidences(10, 12, 80, 3)
    values = membership_accuracies(forget, test)
    np.testing.assert_array_equal(values[::-1], membership_accuracies(forget[::-1], test[::-1]))
    np.testing.assert_array_equal(values[3:5], membership_accuracies(forget[3:5], test[3:5]))


def test_the_interval_is_students():
    values = np.random.default_rng(11).normal(size=17)
    expected = stats.t.interval(0.95, 16, values.mean(), stats.sem(values))
    np.testing.assert_allclose(interval(values), expected)


def test_runs_from_one_original_count_as_one_value_where_there_are_several():
    values = np.random.default_rng(3).random(16)
    originals = np.repeat(np.arange(4), 4)
    means = values.reshape(4, 4).mean(axis=1)
    np.testing.assert_allclose(interval(values, originals), stats.t.interval(0.95, 3, means.mean(), stats.sem(means)))
    assert interval(values, np.zeros(16, dtype=int)) == interval(values)


def test_statistics_are_of_the_first_population_only():
    populations = [
        Outputs({}, {"forget": confidences(12, 6, 50, mean), "test": confidences(13, 6, 70, 3)}, None, {}) for mean in (3, 20)
    ]
    found = membership.ATTACK.statistics(*populations)
    accuracies = membership_accuracies(populations[0].confidences["forget"], populations[0].confidences["test"])
    low, high = interval(accuracies)
    assert found == {"accuracy": accuracies.mean(), "interval_low": low, "interval_high": high}
    assert low < accuracies.mean() < high
