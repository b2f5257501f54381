"""How much ε is certain: per example, a 95 % lower bound of ε that corrects for the choice of threshold and for chance.

The competition's ε answers "what does the best attack in hindsight show?"; this answers "what has been shown?". Its limits:
512 models leave 256 to bound with, and no error among 256 shows an ε of 4.23, so no bound is larger than that. `held_out` says
what the bounds mean together.
"""

import numpy as np

from evaluation.attacks.attack import Attack, Floats, Statistics, require_models
from evaluation.attacks.held_out import ALPHA, MODELS, held_out_bounds
from evaluation.epsilon import DELTA
from evaluation.outputs import Outputs


def epsilon_lower_bounds(unlearned: Floats, retrained: Floats, delta: float = DELTA, alpha: float = ALPHA) -> Floats:
    """A lower bound of ε for each example.

    ε_L = max(ln((1 − δ − FPR̄) / FNR̄), ln((1 − δ − FNR̄) / FPR̄), 0), the rates' upper limits each with confidence 1 − α/2.

    Args:
        unlearned: confidences, [models, examples], at least 4 models.
        retrained: confidences, [models, examples], at least 4 models.
        delta: δ of (ε, δ)-unlearning.
        alpha: an example's bound is above its ε with at most this probability.

    Returns:
        [examples], each at least 0.

    Source:
        Kairouz et al. 2015 (arXiv 1311.0776), theorem 2.1; Jagielski et al. 2020 (arXiv 2006.07709).
    """

    def epsilon(first_rate: Floats, second_rate: Floats) -> Floats:
        with np.errstate(divide="ignore"):  # a rate whose limit is 1 shows nothing: ln 0
            one_way = np.log(np.maximum(1 - delta - first_rate, 0)) - np.log(second_rate)
            other_way = np.log(np.maximum(1 - delta - second_rate, 0)) - np.log(first_rate)
        return np.maximum(one_way, other_way)

    return np.maximum(held_out_bounds(unlearned, retrained, epsilon, alpha), 0.0)


def summary(bounds: Floats) -> Statistics:
    """Statistics over examples, [examples], of bounds that are at least 0."""
    return {
        "median": float(np.median(bounds)),
        "mean": float(bounds.mean()),
        "share_above_zero": float((bounds > 0).mean()),
    }


def _statistics(unlearned: Outputs, retrained: Outputs) -> Statistics:
    require_models(MODELS, unlearned, retrained)
    return summary(epsilon_lower_bounds(unlearned.confidences["forget"], retrained.confidences["forget"]))


ATTACK = Attack("epsilon_lower_bound", "lower", {"median": "ε lower bound (median)"}, _statistics)
