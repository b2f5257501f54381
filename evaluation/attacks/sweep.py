"""All single-threshold attacks on all examples at once: sort the models of both populations, then count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sweep:
    """Every threshold that separates an example's values, with the models on either side, [examples, thresholds].

    A threshold is one of the example's own values.

    Attributes:
        thresholds: in ascending order.
        is_distinct: whether the threshold is larger than the one before. Where it is not, the counts split a group of equal
            values and mean nothing.
        unlearned_below: how many unlearned models lie below.
        retrained_below: how many retrained models lie below.
    """

    thresholds: Floats
    is_distinct: NDArray[np.bool_]
    unlearned_below: Counts
    retrained_below: Counts


def sweep(unlearned: Floats, retrained: Floats) -> Sweep:
    """Count the models below every threshold; thresholds with all models on one side are left out.

    Args:
        unlearned: [models, examples].
        retrained: [models, examples].

    >>> found = sweep(np.array([[1.0], [3.0]]), np.array([[2.0], [3.0]]))
    >>> distinct = found.is_distinct
    >>> found.thresholds[distinct], found.unlearned_below[distinct], found.retrained_below[distinct]
    (array([2., 3.]), array([1, 1]), array([0, 1]))
    """
    pooled = np.concatenate([unlearned, retrained]).T
    order = np.argsort(pooled, axis=1)
    values = np.take_along_axis(pooled, order, axis=1)
    unlearned_below = np.cumsum(order < len(unlearned), axis=1, dtype=np.int64)[:, :-1]
    retrained_below = np.arange(1, pooled.shape[1]) - unlearned_below
    return Sweep(values[:, 1:], values[:, 1:] > values[:, :-1], unlearned_below, retrained_below)
