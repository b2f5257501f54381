"""How much accuracy was kept: the factor by which forgetting quality counts."""

import numpy as np
from numpy.typing import ArrayLike


def accuracy_ratio(unlearned: ArrayLike, retrained: ArrayLike) -> float:
    """Mean accuracy of the unlearned models over mean accuracy of the retrained models; not clipped at 1.

    Args:
        unlearned: accuracy of each unlearned model, [models].
        retrained: accuracy of each retrained model, [models].

    Raises:
        ValueError: accuracies outside [0, 1], or retrained models that are never right.

    >>> accuracy_ratio([0.8, 1.0], [1.0, 1.0])
    0.9
    """
    values = [np.asarray(accuracies, dtype=np.float64) for accuracies in (unlearned, retrained)]
    if not all(((v >= 0) & (v <= 1)).all() for v in values):
        raise ValueError("accuracies must lie between 0 and 1")
    if values[1].mean() == 0:
        raise ValueError("the retrained models have accuracy 0, so no ratio to them exists")
    return float(values[0].mean() / values[1].mean())


def score(forgetting_quality: float, retain_ratio: float, test_ratio: float) -> float:
    """The competition's score: F × RA_unlearned / RA_retrained × TA_unlearned / TA_retrained."""
    return forgetting_quality * retain_ratio * test_ratio
