import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr
from scipy.stats import binom

from evaluation.attacks.gaussian_dp import gaussian_dp_epsilons, gaussian_dp_lower_bounds
from evaluation.attacks.held_out import upper_limits
from evaluation.attacks.lower_bound import epsilon_lower_bounds
from evaluation.attacks.sweep import sweep
from evaluation.metric.epsilon import DELTA, epsilons

BOUNDS = {"epsilon": epsilon_lower_bounds, "gaussian_dp": gaussian_dp_lower_bounds}
either = pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)


def gaussians(seed, models, examples, shift=0.0):
    random = np.random.default_rng(seed)
    return random.normal(shift, 1, (models, examples)), random.normal(size=(models, examples))


def laplacians(seed, models, examples, shift):
    random = np.random.default_rng(seed)
    return random.laplace(shift, 1, (models, examples)), random.laplace(0, 1, (models, examples))


def gaussian_epsilon(mu):
    """ε of N(0, 1) against N(μ, 1) at δ, on a fine grid."""
    grid = np.linspace(0, 60, 600_001)
    spent = ndtr(mu / 2 - grid / mu) - np.exp(grid + log_ndtr(-grid / mu - mu / 2))
    return grid[np.argmax(spent <= DELTA)]


@pytest.mark.parametrize("models", [1, 5, 64])
def test_limits_are_where_so_few_errors_become_as_unlikely_as_alpha(models):
    limits = upper_limits(models, 0.025)
    np.testing.assert_allclose(binom.cdf(np.arange(models), models, limits[:-1]), 0.025)
    assert limits[-1] == 1
    assert (np.diff(limits) > 0).all()


def test_a_sweep_counts_as_a_loop_does():
    random = np.random.default_rng(0)
    unlearned, retrained = random.integers(0, 6, (7, 4)).astype(float), random.integers(2, 9, (5, 4)).astype(float)
    found = sweep(unlearned, retrained)
    for example in range(4):
        distinct = found.is_distinct[example]
        values = np.unique(np.concatenate([unlearned, retrained])[:, example])
        np.testing.assert_array_equal(found.thresholds[example, distinct], values[1:])
        np.testing.assert_array_equal(
            found.unlearned_below[example, distinct], [(unlearned[:, example] < t).sum() for t in values[1:]]
        )
        np.testing.assert_array_equal(
            found.retrained_below[example, distinct], [(retrained[:, example] < t).sum() for t in values[1:]]
        )


def naive_bound(unlearned, retrained):
    """One example, threshold by threshold."""

    def bound(high, low, threshold):
        errors = (high < threshold).sum(), (low >= threshold).sum()
        fnr, fpr = (upper_limits(len(v), 0.025)[e] for v, e in zip((high, low), errors, strict=True))
        both = [(1 - DELTA - fpr) / fnr, (1 - DELTA - fnr) / fpr]
        return max(-np.inf if ratio <= 0 else np.log(ratio) for ratio in both)

    half = len(unlearned) // 2
    first, second = (unlearned[:half], retrained[:half]), (unlearned[half:], retrained[half:])
    thresholds = np.unique(np.concatenate(first))[1:]
    found = [max(bound(*first, t), bound(*first[::-1], t)) for t in thresholds]
    best = thresholds[np.argmax(found)]
    sides = second if bound(*first, best) >= bound(*first[::-1], best) else second[::-1]
    return max(bound(*sides, best), 0)


@pytest.mark.parametrize("shift", [-1.5, 0.5, 2.0])
def test_equals_a_naive_loop_over_all_thresholds(shift):
    unlearned, retrained = (values.round(1) for values in gaussians(1, 61, 12, shift))  # rounded, so that some are equal
    expected = [naive_bound(unlearned[:, example], retrained[:, example]) for example in range(12)]
    np.testing.assert_allclose(epsilon_lower_bounds(unlearned, retrained), expected, rtol=1e-12)


@pytest.mark.parametrize("models", [64, 128, 512])
@pytest.mark.parametrize("true", [0.0, 0.5, 1.0, 2.0])
def test_a_laplace_mechanism_is_bounded_from_below(models, true):
    # Laplace(0, 1) against Laplace(ε, 1) is ε-DP; what δ allows beyond that is 2 ln(1 − δ), less than any digit here.
    bounds = epsilon_lower_bounds(*laplacians(models, models, 400, true))
    assert (bounds <= true + 2 * np.log(1 - DELTA) * (true > 0)).mean() >= 0.95
    if true == 2:
        assert np.median(bounds) > {64: 0.4, 128: 0.8, 512: 1.3}[models]


@pytest.mark.parametrize("models", [64, 128, 512])
@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
@either
def test_gaussians_are_bounded_from_below(bounds, models, mu):
    true = gaussian_epsilon(mu)
    assert (bounds(*gaussians(models, models, 400, mu)) <= true).mean() >= 0.95


@pytest.mark.parametrize("models", [64, 128, 512])
@either
def test_nothing_is_shown_of_one_distribution(bounds, models):
    assert (bounds(*gaussians(models, models, 400)) > 0).mean() <= 0.05


def test_without_the_correction_they_would_exceed_the_truth():
    # What the two halves and the limits are for: the competition's ε of the same simulation.
    assert (epsilons(*gaussians(128, 128, 40, 0.0)) > 0).mean() > 0.95


@either
def test_more_models_show_more(bounds):
    medians = [np.median(bounds(*gaussians(3, models, 200, 1.5))) for models in (32, 64, 128, 512)]
    assert medians == sorted(medians)
    assert medians[-1] > medians[0] + 0.5


@either
def test_grows_with_the_distance(bounds):
    medians = [np.median(bounds(*gaussians(4, 256, 100, shift))) for shift in (0, 0.5, 1, 2, 4)]
    assert medians == sorted(medians)
    assert medians[0] == 0
    assert medians[-1] > 3


@either
def test_it_does_not_matter_which_population_is_which(bounds):
    unlearned, retrained = gaussians(5, 128, 400, 1.5)
    np.testing.assert_array_equal(bounds(unlearned, retrained), bounds(retrained, unlearned))


@either
def test_the_sign_of_the_shift_does_not_matter(bounds):
    unlearned, retrained = gaussians(5, 128, 400, 1.5)
    # Single examples differ, because "at least t" has the other end of the gap between two models.
    assert np.median(bounds(-unlearned, -retrained)) == pytest.approx(np.median(bounds(unlearned, retrained)), rel=0.05)


@either
def test_order_within_a_half_is_no_matter(bounds):
    unlearned, retrained = gaussians(6, 50, 10, 1.0)
    turned = np.concatenate([unlearned[:25][::-1], unlearned[25:][::-1]])
    np.testing.assert_array_equal(bounds(unlearned, retrained), bounds(turned, retrained))


def test_populations_that_are_separated_show_what_so_many_models_can():
    unlearned, retrained = np.full((64, 2), 5.0), np.zeros((64, 2))
    limit = 1 - 0.025 ** (1 / 32)  # no error among 32
    np.testing.assert_allclose(epsilon_lower_bounds(unlearned, retrained), np.log((1 - DELTA - limit) / limit))


@either
def test_constant_populations_that_are_equal_show_nothing(bounds):
    np.testing.assert_array_equal(bounds(np.ones((16, 3)), np.ones((16, 3))), 0)


@either
def test_populations_may_differ_in_size(bounds):
    unlearned, retrained = gaussians(7, 301, 4, 3.0)
    assert (bounds(unlearned[:101], retrained) > 1).all()


@pytest.mark.parametrize("delta", [1e-5, 0.05])
@pytest.mark.parametrize("mu", [0.01, 0.5, 2.0, 6.0, 30.0])
def test_epsilon_of_gaussian_dp_spends_delta(mu, delta):
    value = gaussian_dp_epsilons(np.array([mu]), delta)[0]
    spent = ndtr(mu / 2 - value / mu) - np.exp(value + log_ndtr(-value / mu - mu / 2))
    if value > 0:
        assert spent == pytest.approx(delta, rel=1e-6)
    else:
        assert spent <= delta


def test_no_epsilon_where_delta_covers_the_whole_distance():
    np.testing.assert_array_equal(gaussian_dp_epsilons(np.array([-np.inf, -1.0, 0.0, 1e-6, 2e-5])), 0)
    assert gaussian_dp_epsilons(np.array([3e-5]))[0] > 0  # 2Φ(μ/2) − 1 ≈ 0.4 μ is 1.2e-5
