import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from evaluation.attacks import ulira
from evaluation.attacks.attack import MIN_DEVIATION, gaussian_log_ratios
from evaluation.attacks.likelihood_ratio import likelihood_ratio_epsilons
from evaluation.attacks.ulira import area_under_curve, held_out_scores, rate_at
from evaluation.metric.confidence import margins
from evaluation.metric.epsilon import CAP
from evaluation.metric.outputs import Outputs


def gaussians(seed, models, examples, shift=0.0, scale=1.0):
    random = np.random.default_rng(seed)
    return random.normal(shift, scale, (models, examples)), random.normal(size=(models, examples))


def u_lira(unlearned, retrained):
    return ulira.ATTACK.statistics(*(Outputs({}, {"forget": values}, None, {}) for values in (unlearned, retrained)))


def test_log_ratios_are_those_of_fitted_gaussians():
    unlearned, retrained = gaussians(0, 9, 3, 1.0, 2.0)
    values = np.linspace(-2, 2, 6).reshape(2, 3)
    expected = [norm.logpdf(values, population.mean(axis=0), population.std(axis=0)) for population in (unlearned, retrained)]
    np.testing.assert_allclose(gaussian_log_ratios(values, unlearned, retrained), expected[0] - expected[1])


def test_log_ratios_of_constant_populations_are_finite():
    ratios = gaussian_log_ratios(np.array([[3.0], [-103.0]]), np.full((4, 1), 3.0), np.full((4, 1), 103.0))
    np.testing.assert_allclose(ratios[:, 0], [(100 / MIN_DEVIATION) ** 2 / 2, ((206) ** 2 - 106**2) / MIN_DEVIATION**2 / 2])


def test_the_attacker_is_never_tried_on_the_models_it_was_fitted_to():
    unlearned, retrained = gaussians(1, 20, 3, 1.0)
    scores = held_out_scores(unlearned, retrained)
    assert [values.shape for values in scores] == [(10, 3), (10, 3)]
    np.testing.assert_array_equal(scores[0], gaussian_log_ratios(unlearned[10:], unlearned[:10], retrained[:10]))
    # Of few models in-sample guesses look good on populations that do not differ; held-out ones are blind.
    in_sample = [u_lira(np.tile(u, (2, 1)), np.tile(r, (2, 1)))["auc"] for u, r in (gaussians(s, 6, 200) for s in range(5))]
    held_out = [u_lira(*gaussians(s, 12, 200))["auc"] for s in range(5)]
    assert min(in_sample) > 0.6
    assert max(np.abs(np.array(held_out) - 0.5)) < 0.05


def test_area_under_curve_is_that_of_scikit_learn():
    random = np.random.default_rng(2)
    positives, negatives = random.integers(0, 9, 50), random.integers(0, 7, 80)  # many equal scores
    labels = np.repeat([1, 0], [50, 80])
    expected = roc_auc_score(labels, np.concatenate([positives, negatives]))
    assert area_under_curve(positives, negatives) == pytest.approx(expected)


@pytest.mark.parametrize("target", [0.0, 0.01, 0.1, 0.29, 1.0])
def test_a_true_positive_rate_is_the_best_of_all_thresholds_that_keep_to_the_false_positive_rate(target):
    random = np.random.default_rng(3)
    positives, negatives = random.integers(0, 30, 60), random.integers(0, 25, 100)
    thresholds = np.arange(-1, 31)
    kept = [(positives > t).mean() for t in thresholds if (negatives > t).sum() <= round(target * 100)]
    assert rate_at(positives, negatives, target) == max(kept)


def test_equal_scores_are_not_told_apart():
    assert rate_at(np.ones(10), np.ones(1000), 0.01) == 0


def test_u_lira_of_gaussians_has_their_closed_form():
    found = u_lira(*gaussians(4, 512, 100, 2.0))
    assert found["accuracy"] == pytest.approx(norm.cdf(1), abs=0.01)
    assert found["auc"] == pytest.approx(norm.cdf(np.sqrt(2)), abs=0.01)
    assert found["tpr_at_fpr_0.01"] == pytest.approx(norm.sf(norm.isf(0.01) - 2), abs=0.03)
    assert found["tpr_at_fpr_0.001"] == pytest.approx(norm.sf(norm.isf(0.001) - 2), abs=0.04)


def test_u_lira_sees_unequal_spread_too():
    assert u_lira(*gaussians(5, 200, 50, scale=0.2))["accuracy"] > 0.75


def test_u_lira_of_one_distribution_is_blind():
    found = u_lira(*gaussians(6, 256, 100))
    assert found["accuracy"] == pytest.approx(0.5, abs=0.02)
    assert found["auc"] == pytest.approx(0.5, abs=0.02)
    assert found["tpr_at_fpr_0.01"] == pytest.approx(0.01, abs=0.005)


@pytest.mark.parametrize(("value", "accuracy", "rate"), [(3.0, 0.5, 0.0), (4.0, 1.0, 1.0)])
def test_u_lira_of_constant_populations(value, accuracy, rate):
    found = u_lira(np.full((8, 2), value), np.full((8, 2), 3.0))
    assert found == {"accuracy": accuracy, "auc": accuracy, "tpr_at_fpr_0.01": rate, "tpr_at_fpr_0.001": rate}


def test_u_lira_is_fair_to_populations_of_unequal_size():
    unlearned, retrained = gaussians(7, 400, 100)
    assert u_lira(unlearned[:80], retrained)["accuracy"] == pytest.approx(0.5, abs=0.02)


def naive_likelihood_ratio_epsilon(unlearned, retrained, delta=0.05):
    """One example, as the paper's text describes it."""

    def ratios(values):
        return norm.pdf(values, unlearned.mean(), unlearned.std()) / norm.pdf(values, retrained.mean(), retrained.std())

    high, low = ratios(unlearned), ratios(retrained)
    if np.median(low) > np.median(high):
        high, low = low, high
    found = []
    for threshold in np.concatenate([high, low]):
        fpr, fnr = np.mean(low >= threshold), np.mean(high < threshold)
        if fpr == 0 and fnr == 0:
            return CAP
        if fpr > 0 and fnr > 0:
            pairs = [(1 - delta - fpr, fnr), (1 - delta - fnr, fpr)]
            found += [np.log(above) - np.log(below) for above, below in pairs if above > 0]
    return max(found, default=np.nan)


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (-1.0, 0.5), (0.0, 3.0), (4.0, 1.0)])
@pytest.mark.parametrize("sizes", [(4, 4), (15, 15), (9, 14)])
def test_likelihood_ratio_equals_a_naive_loop_over_all_thresholds(shift, scale, sizes):
    unlearned, retrained = gaussians(8, 15, 20, shift, scale)
    unlearned, retrained = unlearned[: sizes[0]].round(1), retrained[: sizes[1]].round(1)  # some are equal
    expected = [naive_likelihood_ratio_epsilon(unlearned[:, example], retrained[:, example]) for example in range(20)]
    np.testing.assert_allclose(likelihood_ratio_epsilons(unlearned, retrained), expected, rtol=1e-9)


def test_likelihood_ratio_of_extremes():
    random = np.random.default_rng(9)
    values = random.normal(size=(40, 1))
    assert likelihood_ratio_epsilons(values + 100, values)[0] == CAP  # densities of both are 0 in float64
    assert np.isnan(likelihood_ratio_epsilons(np.ones((5, 1)), np.ones((5, 1)))[0])  # no threshold at all


def test_likelihood_ratio_grows_with_the_distance_and_ignores_the_order_of_models():
    medians = [np.median(likelihood_ratio_epsilons(*gaussians(10, 80, 200, shift))) for shift in (0, 0.5, 1, 2)]
    assert medians == sorted(medians)
    assert medians[-1] > medians[0] + 1
    unlearned, retrained = gaussians(11, 30, 5, 1.0)
    turned = likelihood_ratio_epsilons(unlearned[::-1], retrained[::-1])
    np.testing.assert_allclose(likelihood_ratio_epsilons(unlearned, retrained), turned)


@pytest.fixture
def published(cifar10_populations):
    """The hinge margins, [80 models, 1000 examples], of a file of published populations, by its name."""

    def read(name):
        arrays = np.load(cifar10_populations / name)
        return margins(arrays[:, 1:].swapaxes(0, 1), arrays[:, 0].argmax(axis=1))

    return read


@pytest.mark.parametrize(("approach", "median"), [("finetune", 3.738), ("prune_complex", 2.197)])
def test_likelihood_ratio_conforms_to_the_published_code(published, approach, median):
    epsilons = likelihood_ratio_epsilons(published(f"{approach}/logits_unlearn.npy"), published("logits_retain.npy"))
    assert np.nanmedian(epsilons) == pytest.approx(median, abs=0.0005)


def test_likelihood_ratio_of_retrained_halves_is_the_published_one(published):
    retrained = published("logits_retain.npy")
    assert np.nanmedian(likelihood_ratio_epsilons(retrained[40:], retrained[:40])) == pytest.approx(0.88, abs=0.005)
