"""The bounds against those of jax-privacy, which has the same limits of error rates, but other ways to choose a threshold."""

import numpy as np
import pytest

from evaluation.attacks.gaussian_dp import gaussian_dp_epsilons, gaussian_dp_lower_bounds
from evaluation.attacks.lower_bound import epsilon_lower_bounds
from evaluation.metric.epsilon import DELTA

WHY = "jax-privacy is not installed (pip install '.[jax-privacy]')"
auditing = pytest.importorskip("jax_privacy.auditing", reason=WHY)
dp_accounting = pytest.importorskip("dp_accounting", reason=WHY)

MODELS, EXAMPLES, ALPHA = 61, 12, 0.05


def clopper_pearson(high, low, threshold):
    strategy = auditing.Explicit(threshold)
    return auditing.CanaryScoreAuditor(high, low).epsilon_clopper_pearson(
        ALPHA, DELTA, one_sided=False, threshold_strategy=strategy
    )


def gaussian_dp(high, low, threshold):
    # It has no choice of one threshold: scores of 0 and 1 have three (0, 1 and infinity), and it divides α by their number.
    auditor = auditing.CanaryScoreAuditor(high >= threshold, low >= threshold)
    return auditor.epsilon_from_gdp(3 * ALPHA, DELTA, eps_tol=1e-9)


def held_out(bound, unlearned, retrained):
    """One example: the bound on the second halves, with the threshold and the direction that are best on the first halves."""
    half = len(unlearned) // 2
    first, second = (unlearned[:half], retrained[:half]), (unlearned[half:], retrained[half:])
    attacks = []
    for threshold in np.unique(np.concatenate(first)):
        for turn in (1, -1):
            high, low = first[::turn]
            if (high < threshold).mean() + (low >= threshold).mean() < 0.6:
                # Rounded, because equal ones differ in the last digit. Attacks that are worse are left out: where the limits
                # of both rates exceed 1, so that μ is negative, theirs takes its absolute value.
                attacks.append((round(bound(high, low, threshold), 6), threshold, turn))
    _, threshold, turn = max(attacks, key=lambda attack: attack[0])
    return bound(*second[::turn], threshold)


@pytest.mark.parametrize("shift", [-4.0, -2.5, 2.5, 4.0])
@pytest.mark.parametrize(("ours", "theirs"), [(epsilon_lower_bounds, clopper_pearson), (gaussian_dp_lower_bounds, gaussian_dp)])
def test_held_out_bounds_are_theirs(ours, theirs, shift):
    random = np.random.default_rng(0)
    unlearned, retrained = random.normal(shift, 1.3, (MODELS, EXAMPLES)), random.normal(0, 1, (MODELS, EXAMPLES))
    found = [held_out(theirs, unlearned[:, example], retrained[:, example]) for example in range(EXAMPLES)]
    np.testing.assert_allclose(ours(unlearned, retrained), found, rtol=1e-6)


@pytest.mark.parametrize("delta", [1e-5, 1e-3, 0.05])
def test_epsilon_of_gaussian_dp_is_that_of_their_accountant(delta):
    mu = np.random.default_rng(1).uniform(0.2, 8, 20)
    theirs = [dp_accounting.get_epsilon_gaussian(1 / value, delta) for value in mu]
    np.testing.assert_allclose(gaussian_dp_epsilons(mu, delta), theirs, rtol=1e-6)
