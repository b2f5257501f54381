"""Runs that failed: which models lie far from the others of their own population.

A few failed runs among hundreds decide ε, which lives in the extremes, and widen every interval. Their author must know of
them before anything else.

Each model has up to three numbers: its distance from the retrained models (mean over forget examples of the absolute
confidence, standardised by their mean and standard deviation), its retain and its test accuracy. A model is outlying where
one of them is worse than the median of its population by more than 4 robust standard deviations (median absolute deviation ×
1.4826), *and* by more than any retrained model's is among the retrained ones. The second condition is for heavy tails: where
retrained models have them, nothing has failed. Of two equal populations, whatever their tails, each number makes at most one
model outlying on average: k of one lie beyond all of the other with a probability of 2⁻ᵏ.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.metric.outputs import Outputs

Floats = NDArray[np.float64]

LIMIT = 4.0
NORMAL = 1.4826  # standard deviations in a median absolute deviation of a normal distribution
# The least robust deviations that are assumed, for populations of which more than half agree: less than a fifth of a standard
# deviation, or than two percentage points, is not outlying.
LEAST_DISTANCE = 0.05
LEAST_ACCURACY = 0.005


def outlying(population: Outputs, retrained: Outputs) -> NDArray[np.bool_]:
    """Which models lie far from the others of their population.

    Args:
        population: whose models are judged.
        retrained: without a common model; says how far out models lie where nothing has failed.

    Returns:
        [models].
    """
    found = np.zeros(population.models, dtype=bool)
    for own, normal in zip(_all_deviations(population, retrained), _all_deviations(retrained, retrained), strict=True):
        if own is not None and normal is not None:
            found |= own > max(LIMIT, normal.max())
    return found


def _all_deviations(outputs: Outputs, retrained: Outputs) -> tuple[Floats | None, ...]:
    """How much worse than the median each model is, in robust standard deviations; None where a number is not known."""
    far = deviations(distances(outputs.confidences["forget"], retrained.confidences["forget"]), LEAST_DISTANCE)
    accuracies = (outputs.accuracy.get(split) for split in ("retain", "test"))
    return far, *(None if values is None else deviations(-values, LEAST_ACCURACY) for values in accuracies)


def distances(confidences: Floats, retrained: Floats) -> Floats:
    """Mean absolute confidence of each model, standardised by the retrained models.

    Args:
        confidences: [models, examples].
        retrained: confidences, [models, examples], at least 2 models.

    Returns:
        [models]; examples on which the retrained models do not vary are left out, and without others it is 0.

    >>> distances(np.array([[3.0, 9.0], [-1.0, 9.0]]), np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]]))
    array([2., 2.])
    """
    vary = np.ptp(retrained, axis=0) > 0
    if not vary.any():
        return np.zeros(len(confidences))
    retrained = retrained[:, vary]
    found: Floats = np.abs((confidences[:, vary] - retrained.mean(axis=0)) / retrained.std(axis=0, ddof=1)).mean(axis=1)
    return found


def deviations(values: Floats, least: float) -> Floats:
    """How far above the median each value lies, in robust standard deviations of at least `least`.

    >>> deviations(np.array([1.0, 2.0, 3.0, 4.0, 100.0]), least=0.1).round(2)
    array([-1.35, -0.67,  0.  ,  0.67, 65.43])
    """
    apart = values - np.median(values)
    found: Floats = apart / max(NORMAL * float(np.median(np.abs(apart))), least)
    return found
