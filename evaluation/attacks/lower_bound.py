"""How much ε is certain: per example, a 95 % lower bound of ε that corrects for the choice of threshold and for chance.

The competition's ε answers "what does the best attack in hindsight show?"; this answers "what has been shown?". Its limits:
512 models leave 256 to bound with, and no error among 256 shows an ε of 4.23, so no bound is larger than that. `held_out` says
what the bounds mean together.
"""

from functools import partial

import numpy as np

from evaluation.attacks.attack import Attack, Floats
from evaluation.attacks.held_out import ALPHA, held_out_bounds, statistics
from evaluation.metric.epsilon import DELTA, epsilon_of_rates


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
        found = epsilon_of_rates(first_rate, second_rate, delta)
        return np.where(np.isnan(found), -np.inf, found)  # rates whose limits are near 1 show nothing

    return np.maximum(held_out_bounds(unlearned, retrained, epsilon, alpha), 0.0)


ATTACK = Attack("epsilon_lower_bound", "lower", {"median": "ε lower bound (median)"}, partial(statistics, epsilon_lower_bounds))
