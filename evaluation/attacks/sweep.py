"""All single-threshold attacks on each example at once: sort the models of both populations, then count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sweep:
    """Every threshold that tells the models of an example apart, [examples, thresholds].

    A threshold is one of the example's own values; a value lies below it, or is "high".

    Attributes:
        thresholds: in ascending order.
        new: whether the threshold is larger than the one before; where it is not, the counts split equal values and mean
            nothing.
        unlearned_below: how many unlearned models lie below.
        retrained_below: how many retrained models lie below.
    """

    thresholds: Floats
    new: NDArray[np.bool_]
    unlearned_below: Counts
    retrained_below: Counts


def sweep(unlearned: Floats, retrained: Floats) -> Sweep:
    """Count the models below every threshold; thresholds with no model below or none above are left out.

    Args:
        unlearned: [models, examples].
        retrained: [models, examples].

    >>> found = sweep(np.array([[1.0], [3.0]]), np.array([[2.0], [3.0]]))
    >>> found.thresholds[found.new], found.unlearned_below[found.new], found.retrained_below[found.new]
    (array([2., 3.]), array([1, 1]), array([0, 1]))
    """
    pooled = np.concatenate([unlearned, retrained]).T
    order = np.argsort(pooled, axis=1)
    values = np.take_along_axis(pooled, order, axis=1)
    unlearned_below = np.cumsum(order < len(unlearned), axis=1, dtype=np.int64)[:, :-1]
    retrained_below = np.arange(1, pooled.shape[1]) - unlearned_below
    return Sweep(values[:, 1:], values[:, 1:] > values[:, :-1], unlearned_below, retrained_below)
