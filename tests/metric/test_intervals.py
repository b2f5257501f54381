import numpy as np
import pytest
from scipy.stats import norm, t

from evaluation.metric import differences, intervals
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality, points

MODELS = 66


@pytest.fixture(scope="module")
def populations():
    """Two equal solutions, retrained models, and accuracies of each: [models, examples], [models]."""
    random = np.random.default_rng(0)
    confidences = random.normal(size=(3, MODELS, 8)) * 1.5 + np.array([0.5, 0.5, 0.0])[:, None, None]
    return confidences, random.uniform(0.8, 0.9, (3, MODELS))


def test_parts_of_a_cut_share_no_model_and_have_the_same_size():
    for models in (48, 65, 512):
        cuts = intervals.subsamples(models, seed=0)
        assert cuts.shape == (intervals.CUTS, intervals.PARTS, models)
        assert set(np.unique(cuts.sum(axis=1))) <= {0, 1}
        assert set(np.unique(cuts.sum(axis=2))) == {models // 3}
        assert len(np.unique(cuts.reshape(-1, models), axis=0)) == intervals.CUTS * intervals.PARTS


def test_runs_that_failed_are_found_on_either_side():
    confidences = np.random.default_rng(0).normal(size=(100, 30)) + np.linspace(-2, 2, 100)[:, None]
    assert not intervals.outlying(confidences).any()
    confidences[[3, 70]] -= 8
    confidences[42] += 8
    assert np.flatnonzero(intervals.outlying(confidences)).tolist() == [3, 42, 70]


def test_models_that_are_the_same_have_not_failed():
    assert not intervals.outlying(np.array([[0.0], [0.0], [0.0], [1.0]])).any()


@pytest.mark.parametrize("failures", [1, 4, 12])
def test_each_part_has_as_many_outlying_as_the_whole_may_have(failures):
    failed = np.arange(128) < failures
    counts = intervals.subsamples(128, 0, failed)
    assert set(counts.sum(axis=2).flat) == {(128 - failures) // 3}
    assert counts[..., ~failed].max() == 1
    assert counts[..., ~failed].sum(axis=1).max() == 1  # the parts of a cut share no other model
    numbers = counts[..., failed].sum(axis=2)
    assert numbers.mean() == pytest.approx(failures, rel=0.05)
    assert numbers.std() == pytest.approx(np.sqrt(128 * failures / 128 * (1 - failures / 128)), rel=0.1)


def test_where_too_many_failed_they_are_models_like_others():
    failed = np.arange(128) < 13
    np.testing.assert_array_equal(intervals.subsamples(128, 0, failed), intervals.subsamples(128, 0))


def test_solutions_of_which_other_runs_failed_share_only_the_others():
    first, second, again = (np.isin(np.arange(128), runs) for runs in ([0, 1, 2], [3, 4, 5], [0, 1, 2]))
    counts = [intervals.subsamples(128, 0, failed) for failed in (first, second, again)]
    np.testing.assert_array_equal(counts[0], counts[2])
    assert (counts[0][..., first].sum(axis=2) != counts[1][..., second].sum(axis=2)).any()
    assert (counts[0][..., 6:] == counts[1][..., 6:]).mean() > 0.97


def test_the_same_subsamples_each_time_and_others_for_other_populations():
    np.testing.assert_array_equal(intervals.subsamples(64, seed=0), intervals.subsamples(64, seed=0))
    assert (intervals.subsamples(64, seed=0) != intervals.subsamples(64, seed=1)).any()


def test_too_few_models_have_no_interval():
    with pytest.raises(intervals.NoIntervalError, match="47 models are too few for an interval, at least 48"):
        intervals.subsamples(47, seed=0)


def test_deviations_of_f_are_those_of_a_naive_loop(populations):
    (unlearned, _, retrained), _ = populations
    of_unlearned, of_retrained = intervals.subsamples(MODELS, seed=0), intervals.subsamples(MODELS, seed=1)
    naive = np.empty((intervals.CUTS, intervals.PARTS))
    for cut in range(intervals.CUTS):
        for part in range(intervals.PARTS):
            some = unlearned[of_unlearned[cut, part] == 1], retrained[of_retrained[cut, part] == 1]
            naive[cut, part] = points(epsilons(*some), models=MODELS).mean()
    enlarged = t.ppf(0.975, MODELS / 8) / norm.ppf(0.975)
    np.testing.assert_allclose(intervals.quality_deviations(unlearned, retrained), (naive / naive.mean() - 1) * enlarged)


@pytest.mark.parametrize(("models", "alone", "averaged"), [(48, 6, 3), (128, 16, 80 / 15), (256, 30, 208 / 15), (512, 30, 30)])
def test_deviations_of_a_mean_over_original_models_are_enlarged_by_more_where_models_are_few(models, alone, averaged):
    unlearned, retrained = np.random.default_rng(2).normal(size=(2, models, 5))
    of_one, of_mean = (intervals.quality_deviations(each, retrained) for each in (unlearned, [unlearned, unlearned]))
    np.testing.assert_allclose(of_mean, of_one / t.ppf(0.975, alone) * t.ppf(0.975, averaged))


def test_only_runs_beyond_the_other_population_are_set_apart():
    """Where retrained models lie as far out, an attacker cannot tell the others by it, and no number of them decides."""
    unlearned, retrained = np.linspace(-1, 1, 240).reshape(120, 2).T[..., None].copy()
    unlearned[7] = -9
    assert np.flatnonzero(intervals._failed(unlearned, retrained)).tolist() == [7]
    retrained[3] = -10
    assert not intervals._failed(unlearned, retrained).any()


def test_deviations_of_an_accuracy_ratio_have_the_standard_error_of_the_textbook(populations):
    _, (unlearned, _, retrained) = populations
    textbook = np.sqrt(sum(a.var(ddof=1) / MODELS / a.mean() ** 2 for a in (unlearned, retrained)))
    assert intervals.spread(intervals.ratio_deviations(unlearned, retrained)) == pytest.approx(textbook, rel=0.15)


def test_an_interval_holds_its_value_and_is_symmetric_on_the_logarithmic_scale():
    deviations = np.array([[-0.1, 0.1, 0.0], [0.2, -0.1, -0.1]])
    spread = np.sqrt((0.01 + 0.03) / 2)  # mean of the variances within the rows
    low, high = intervals.interval(0.05, deviations)
    assert low * high == pytest.approx(0.05**2)
    assert np.log(high / 0.05) == pytest.approx(1.95996 * spread, rel=1e-4)  # normal, 97.5 %


def test_what_is_0_in_every_subsample_has_no_deviations():
    constant, retrained = np.zeros((50, 4)), np.random.default_rng(0).normal(size=(50, 4))
    assert np.isnan(intervals.quality_deviations(constant, retrained)).all()
    assert not intervals.quality_deviations(constant, constant).any()  # F is 1 in every one


def test_more_models_do_not_narrow_the_interval_of_identical_populations():
    """F of identical populations does not settle: the interval must not pretend that it does."""
    widths = []
    for models in (128, 512):
        unlearned, retrained = np.random.default_rng(1).normal(size=(2, models, 40))
        low, high = intervals.interval(1.0, intervals.quality_deviations(unlearned, retrained))
        widths.append(high - low)
    assert widths[1] > 0.7 * widths[0]


def score_and_deviations(confidences, retrained):
    deviations = intervals.quality_deviations(confidences, retrained)
    return forgetting_quality(epsilons(confidences, retrained), MODELS), deviations


def test_a_score_does_not_differ_from_itself(populations):
    one = score_and_deviations(populations[0][0], populations[0][2])
    assert differences.difference(*one, *one) == ((0, 0), 1)


def test_scores_that_are_far_apart_differ_and_equal_solutions_do_not(populations):
    first, second, retrained = populations[0]
    near = differences.difference(*score_and_deviations(first, retrained), *score_and_deviations(second, retrained))
    far = differences.difference(*score_and_deviations(first, retrained), *score_and_deviations(first + 3, retrained))
    assert near[0][0] < 0 < near[0][1]
    assert near[1] > 0.05
    assert far[0][0] > 0
    assert far[1] < 0.001


def test_the_shared_retrained_models_cancel():
    deviations = np.random.default_rng(0).normal(size=(21, 3)) / 10
    nearly_the_same = deviations + np.random.default_rng(1).normal(size=(21, 3)) / 100
    (low, high), _ = differences.difference(0.1, deviations, 0.1, nearly_the_same)
    own_low, own_high = intervals.interval(0.1, deviations)
    assert high - low < (own_high - own_low) / 5


@pytest.mark.slow
@pytest.mark.parametrize(("models", "shift"), [(64, 0.0), (128, 0.8)])
def test_intervals_cover_the_expected_value(models, shift):
    """The benchmark coverage.py measures it in 12 cells; here that it is neither far too narrow nor far too wide."""
    random = np.random.default_rng(models)
    found = []
    for _ in range(250):
        common = random.normal(size=(2, models, 1))
        unlearned, retrained = 1.5 * (np.sqrt(0.5) * common + np.sqrt(0.5) * random.normal(size=(2, models, 20)))
        quality = forgetting_quality(epsilons(unlearned + 1.5 * shift, retrained), models)
        found.append((quality, *intervals.interval(quality, intervals.quality_deviations(unlearned + 1.5 * shift, retrained))))
    quality, low, high = np.array(found).T
    covered = np.mean((low <= quality.mean()) & (quality.mean() <= high))
    assert 0.90 <= covered <= 0.995
    assert (high - low).mean() < 1.6 * 3.92 * quality.std()
