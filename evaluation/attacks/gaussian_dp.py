"""How much ε is certain if populations are Gaussian-like: a lower bound on μ of μ-Gaussian-DP, converted to ε.

One attack shows one point of the trade-off curve between its two error rates. `lower_bound` uses that point alone; but at a
small δ, ε is decided far out in the tails, which no attack on a few hundred models reaches. If the whole curve is assumed to be
that of N(0, 1) against N(μ, 1), one point determines μ and thereby ε at any δ.

Valid only under that assumption: for equal-variance Gaussians and monotone functions of them. For other populations, such as
those with unequal spread, or with the bounded density ratio of a Laplace mechanism, the number may exceed the true ε.
"""

from functools import partial

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from evaluation.attacks.attack import Attack, Floats
from evaluation.attacks.held_out import ALPHA, alarms, held_out_bounds, statistics
from evaluation.metric.epsilon import DELTA

HALVINGS = 100  # bisection steps for ε; more than 53 make no difference in float64


def gaussian_dp_lower_bounds(unlearned: Floats, retrained: Floats, delta: float = DELTA, alpha: float = ALPHA) -> Floats:
    """A lower bound on ε for each example, if its populations are Gaussian-like.

    μ_L = Φ⁻¹(1 − FPR̄) − Φ⁻¹(FNR̄), from the limits of `held_out`; then ε of that μ.

    Args:
        unlearned: confidences, [models, examples], at least 4 models.
        retrained: confidences, [models, examples], at least 4 models.
        delta: δ of (ε, δ)-unlearning.
        alpha: an example's bound exceeds its ε with at most this probability.

    Returns:
        [examples], each at least 0.

    Source:
        Nasr et al. 2023 (arXiv 2302.07956), equation 6; Dong et al. 2019 (arXiv 1905.02383).
    """
    return gaussian_dp_epsilons(
        held_out_bounds(unlearned, retrained, lambda one, other: -ndtri(one) - ndtri(other), alpha), delta
    )


def gaussian_dp_epsilons(mu: Floats, delta: float = DELTA) -> Floats:
    """ε of μ-Gaussian-DP: the solution of δ = Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2), or 0 where δ is met even at ε = 0.

    Args:
        mu: μ of each example, [examples], less than infinity.
        delta: δ of (ε, δ)-unlearning, more than 0.

    Returns:
        [examples], each at least 0.

    Source:
        Dong et al. 2019 (arXiv 1905.02383), corollary 1.

    >>> gaussian_dp_epsilons(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.   , 0.   , 4.377])
    """
    positive = np.where(mu > 0, mu, 1.0)
    low = np.zeros_like(positive)
    high = positive * (positive / 2 - ndtri(delta))  # where the first term alone is δ
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # In logarithms, because e^ε overflows long before the product does.
        spent = ndtr(positive / 2 - middle / positive) - np.exp(middle + log_ndtr(-middle / positive - positive / 2))
        low, high = np.where(spent > delta, middle, low), np.where(spent > delta, high, middle)
    return np.where((mu > 0) & (2 * ndtr(positive / 2) - 1 > delta), low, 0.0)


ATTACK = Attack(
    "gaussian_dp_lower_bound",
    "lower",
    {"median": "Gaussian-DP lower bound (median)"},
    partial(statistics, gaussian_dp_lower_bounds),
    alarms=alarms,
)
