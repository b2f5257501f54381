"""How much ε is certain: per example, a 95 % lower bound on ε that corrects for the choice of threshold and for chance.

The competition's ε answers "what does the best attack in hindsight show?"; this answers "what has been shown?". It is limited:
512 models leave 256 to bound errors with, and even no error among 256 shows only an ε of 4.23. `held_out` says how to read many
bounds together.
"""

from functools import partial

import numpy as np

from evaluation.attacks.attack import Attack, Floats
from evaluation.attacks.held_out import ALPHA, alarms, held_out_bounds, statistics
from evaluation.metric.epsilon import DELTA, epsilon_of_rates


def epsilon_lower_bounds(unlearned: Floats, retrained: Floats, delta: float = DELTA, alpha: float = ALPHA) -> Floats:
    """A lower bound on ε for each example.

    ε_L = max(ln((1 − δ − FPR̄) / FNR̄), ln((1 − δ − FNR̄) / FPR̄), 0), from upper limits of the rates, each at confidence 1 − α/2.

    Args:
        unlearned: confidences, [models, examples], at least 4 models.
        retrained: confidences, [models, examples], at least 4 models.
        delta: δ of (ε, δ)-unlearning.
        alpha: an example's bound exceeds its ε with at most this probability.

    Returns:
        [examples], each at least 0.

    Source:
        Kairouz et al. 2015 (arXiv 1311.0776), theorem 2.1; Jagielski et al. 2020 (arXiv 2006.07709).
    """

    def epsilon(first_rate: Floats, second_rate: Floats) -> Floats:
        found = epsilon_of_rates(first_rate, second_rate, delta)
        return np.where(np.isnan(found), -np.inf, found)  # rates whose limits are near 1 show nothing

    return np.maximum(held_out_bounds(unlearned, retrained, epsilon, alpha), 0.0)


ATTACK = Attack(
    "epsilon_lower_bound",
    "lower",
    {"median": "ε lower bound (median)"},
    partial(statistics, epsilon_lower_bounds),
    alarms=alarms,
)
