"""What there was to forget: how far seeing an example in training moves a model's confidence in it.

An example that every retrained model is as sure of as the originals are leaves nothing to forget, and any solution scores
well on it. So the score is also told by thirds of the forget examples, from the least to the most memorised.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.metric.forgetting import forgetting_quality

Floats = NDArray[np.float64]

THIRDS = 3


def memorisation(original: Floats, retrained: Floats) -> Floats:
    """D of each example: mean confidence of originals minus that of retrained models, in standard deviations of the latter.

    Those of the retrained models, not pooled ones: the shift of the unlearned models (`attacks.distances`) is measured in the
    same unit, so that both can be compared, and retrained models are what unlearning is judged by. Originals vary less from
    seed to seed, so a pooled deviation would be smaller and D larger.

    Args:
        original: confidences, [models, examples].
        retrained: confidences, [models, examples], at least 2 models; numbers of models may differ.

    Returns:
        [examples]; NaN where the retrained models do not vary.

    Source:
        The memorisation of Feldman and Zhang 2020 (arXiv 2008.03703), of all forget examples at once instead of each alone, on
        the scale of the confidence.

    >>> memorisation(np.array([[3.0, 0.0], [5.0, 2.0]]), np.array([[0.0, 1.0], [2.0, 1.0]])).round(4)
    array([2.1213,    nan])
    """
    deviation = np.where(np.ptp(retrained, axis=0) > 0, retrained.std(axis=0, ddof=1), np.nan)
    found: Floats = (original.mean(axis=0) - retrained.mean(axis=0)) / deviation
    return found


def thirds(memorised: Floats) -> list[NDArray[np.intp]]:
    """Places of the least, middle and most memorised examples; of equal ones the first is the less memorised.

    Args:
        memorised: D, [examples]; examples where it is NaN are in no third.

    Returns:
        Three arrays whose lengths differ by at most 1.

    >>> [part.tolist() for part in thirds(np.array([5.0, 1.0, np.nan, 3.0, 4.0]))]
    [[1, 3], [4], [0]]
    """
    order = np.argsort(memorised, kind="stable")[: np.count_nonzero(~np.isnan(memorised))]
    return np.array_split(order, THIRDS)


def quality_by_thirds(memorised: Floats, epsilons: Floats, models: int) -> list[float]:
    """F within each third.

    Args:
        memorised: D, [examples], at least 3 of them numbers.
        epsilons: ε, [examples].
        models: in the population that the ε are of.
    """
    return [forgetting_quality(epsilons[part], models) for part in thirds(memorised)]
