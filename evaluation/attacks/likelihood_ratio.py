"""The ε̂ of "Forget with Precision": likelihood ratios of Gaussians fitted to the hinge margin, median over examples.

1. Statistic: logit of the true class minus the largest other logit.
2. A Gaussian is fitted per example and population; a model's score is its likelihood as unlearned over that as retrained.
3. At or above a threshold, the population with the larger median score is guessed. ε̂ is the largest ln(1 − δ − FPR) − ln(FNR)
   over all thresholds, or the same with the rates interchanged, δ = 0.05. A threshold with exactly one error rate of zero is
   discarded; with both zero, ε̂ is infinite.

It is in-sample: Gaussians, thresholds and rates come from the same models, so retrained against retrained is not 0 (0.88 for
40 against 40 models). An example whose thresholds are all discarded has no ε̂ and is left out, as in the published code; the
number of examples that have one is given beside the median, because a solution can lose examples that way.

Source: vstrozzi/assessing-machine-unlearning-approaches, scripts/attack.py. There 1e-8 is added inside both logarithms,
which changes ε̂ by less than 1e-5, and the ratio is one of densities, which is 0/0 for distant values; here it is a difference
of logarithms.
"""

import numpy as np

from evaluation.attacks.attack import Attack, Floats, NotComputableError, Statistics, gaussian_log_ratios, require_models
from evaluation.attacks.sweep import sweep
from evaluation.metric.epsilon import CAP, epsilon_of_errors
from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.metric.outputs import Outputs

DELTA = 0.05


def likelihood_ratio_epsilons(unlearned: Floats, retrained: Floats, delta: float = DELTA) -> Floats:
    """ε̂ of each example.

    Args:
        unlearned: hinge margins, [models, examples].
        retrained: hinge margins, [models, examples].
        delta: δ of (ε, δ)-unlearning.

    Returns:
        [examples], at most `CAP` (instead of infinity), possibly below 0 (the published code does not clip), and NaN where
        every threshold is discarded.
    """
    unlearned_ratios = gaussian_log_ratios(unlearned, unlearned, retrained)
    retrained_ratios = gaussian_log_ratios(retrained, unlearned, retrained)
    unlearned_is_high = ~(np.median(retrained_ratios, axis=0) > np.median(unlearned_ratios, axis=0))[:, None]
    found = sweep(unlearned_ratios, retrained_ratios)
    unlearned_errors = np.where(unlearned_is_high, found.unlearned_below, len(unlearned) - found.unlearned_below)
    retrained_errors = np.where(unlearned_is_high, len(retrained) - found.retrained_below, found.retrained_below)
    table = epsilon_of_errors(len(unlearned), len(retrained), delta)
    table = np.where(np.isnan(table), -np.inf, table)
    best = np.where(found.is_distinct, table[unlearned_errors, retrained_errors], -np.inf).max(axis=1)
    return np.where(best == -np.inf, np.nan, np.minimum(best, CAP))


def _statistics(unlearned: Outputs, retrained: Outputs) -> Statistics:
    require_models(FEWEST_MODELS, unlearned, retrained)
    if unlearned.forget_margins is None or retrained.forget_margins is None:
        raise NotComputableError("only confidences are known, the hinge margin needs logits")
    epsilons = likelihood_ratio_epsilons(unlearned.forget_margins, retrained.forget_margins)
    known = epsilons[~np.isnan(epsilons)]
    if not known.size:
        raise NotComputableError("every threshold of every example is discarded")
    return {"median": float(np.median(known)), "mean": float(known.mean()), "examples": float(known.size)}


ATTACK = Attack("likelihood_ratio", "lower", {"median": "likelihood-ratio ε (median)"}, _statistics)
