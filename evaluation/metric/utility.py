"""How much accuracy is kept, the factor by which forgetting quality is multiplied; and how well ages are predicted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def accuracy_ratio(unlearned: ArrayLike, retrained: ArrayLike) -> float:
    """Mean accuracy of the unlearned models over mean accuracy of the retrained models; not clipped at 1.

    Args:
        unlearned: accuracy of each unlearned model, [models].
        retrained: accuracy of each retrained model, [models].

    Raises:
        ValueError: an accuracy is outside [0, 1], or the retrained models are never right.

    >>> accuracy_ratio([0.8, 1.0], [1.0, 1.0])
    0.9
    """
    values = [np.asarray(accuracies, dtype=np.float64) for accuracies in (unlearned, retrained)]
    if not all(((v >= 0) & (v <= 1)).all() for v in values):
        raise ValueError("accuracies must lie between 0 and 1")
    if values[1].mean() == 0:
        raise ValueError("the retrained models have accuracy 0, so no ratio to them exists")
    return float(values[0].mean() / values[1].mean())


def age_error(logits: NDArray[np.floating], group_ages: NDArray[np.floating], ages: NDArray[np.integer]) -> float:
    """Mean absolute error of the expected age, in years: the groups' ages weighted by the network's probabilities.

    Args:
        logits: [examples, groups].
        group_ages: the age that stands for a group, [groups].
        ages: true ages, [examples].

    >>> age_error(np.log([[0.5, 0.5], [0.75, 0.25]]), np.array([20.0, 40.0]), np.array([30, 21]))
    2.0
    """
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    expected = exponentials @ group_ages / exponentials.sum(axis=1)
    return float(np.abs(expected - ages).mean())


def score(forgetting_quality: float, retain_ratio: float, test_ratio: float) -> float:
    """The competition's score: F × RA_unlearned / RA_retrained × TA_unlearned / TA_retrained."""
    return forgetting_quality * retain_ratio * test_ratio
