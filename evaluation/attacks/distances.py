"""Plain distances: how far unlearned confidences are shifted from retrained ones, and how much wider or narrower they spread.

The numbers to look at first: they say in which direction a population is off, which no ε does.
"""

import numpy as np

from evaluation.attacks.attack import Attack, Floats, NotComputableError, Statistics, require_models
from evaluation.metric.outputs import Outputs

MODELS = 2


def shifts_and_spreads(unlearned: Floats, retrained: Floats) -> tuple[Floats, Floats]:
    """Shift of the mean in standard deviations of the retrained models, and ratio of the standard deviation to theirs.

    Args:
        unlearned: confidences, [models, examples], at least 2 models.
        retrained: confidences, [models, examples], at least 2 models.

    Returns:
        Both [examples whose confidence varies among the retrained models]; for the others neither is defined.

    >>> shifts_and_spreads(np.array([[4.0], [8.0]]), np.array([[0.0], [2.0]]))  # the deviations are √8 and √2
    (array([3.53553391]), array([2.]))
    """
    vary = np.ptp(retrained, axis=0) > 0
    unlearned, retrained = unlearned[:, vary], retrained[:, vary]
    deviation = retrained.std(axis=0, ddof=1)
    return (unlearned.mean(axis=0) - retrained.mean(axis=0)) / deviation, unlearned.std(axis=0, ddof=1) / deviation


def _statistics(unlearned: Outputs, retrained: Outputs) -> Statistics:
    require_models(MODELS, unlearned, retrained)
    shifts, spreads = shifts_and_spreads(unlearned.confidences["forget"], retrained.confidences["forget"])
    if not shifts.size:
        raise NotComputableError("the retrained models do not vary on any example")
    return {
        "shift_median": float(np.median(shifts)),
        "absolute_shift_median": float(np.median(np.abs(shifts))),
        "spread_median": float(np.median(spreads)),
    }


ATTACK = Attack(
    "distances",
    "shift near 0, spread near 1",
    {"shift_median": "shift in s.d. (median)", "spread_median": "spread (median)"},
    _statistics,
)
