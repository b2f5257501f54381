"""From ε to points to forgetting quality F."""

import numpy as np
from numpy.typing import NDArray

BIN_WIDTH = 0.5
FEWEST_MODELS = 3  # with fewer there is no bin, and ε is meaningless


def end_of_bins(models: int) -> float:
    """The ε from which on an example earns nothing: ceil(ln(models - 1)), about the largest that so many models can show."""
    return float(np.ceil(np.log(models - 1)))


def points(epsilons: NDArray[np.floating], models: int) -> NDArray[np.float64]:
    """Points of each example: 1 for ε in [0, 0.5), halved for every further 0.5, and 0 beyond the last bin.

    The bins end at ceil(ln(models - 1)), about the largest finite ε that so many models can show. Hence scores at different
    numbers of models are not comparable.

    Args:
        epsilons: [examples], each at least 0.
        models: models in each population, at least 3 (with fewer there is no bin).

    Returns:
        [examples], each in [0, 1].

    Raises:
        ValueError: there are fewer than 3 models, or an ε is NaN or negative.

    Source:
        The organisers' Machine_Unlearning_Metric.pdf (11 Sep 2023), as in google-deepmind/unlearning_evaluation.

    >>> points(np.array([0.0, 0.5, 1.7, 50.0]), models=512)
    array([1.   , 0.5  , 0.125, 0.   ])
    """
    if models < FEWEST_MODELS:
        raise ValueError(f"points need at least {FEWEST_MODELS} models, got {models}")
    if not (epsilons >= 0).all():
        raise ValueError("every epsilon must be at least 0, got NaN or a negative value")
    return np.where(epsilons < end_of_bins(models), 0.5 ** np.floor(epsilons / BIN_WIDTH), 0.0)


def histogram(epsilons: NDArray[np.floating], models: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many examples lie in each of the bins in which they earn points, and in the last, in which they earn none.

    Args:
        epsilons: [examples], each at least 0.
        models: models in each population, at least 3.

    Returns:
        The lower ends of the bins, and the counts.
    """
    lows = np.arange(0, end_of_bins(models) + BIN_WIDTH / 2, BIN_WIDTH)
    return lows, np.histogram(epsilons, np.append(lows, np.inf))[0]


def forgetting_quality(epsilons: NDArray[np.floating], models: int) -> float:
    """F: the mean of the points over the forget set.

    Args:
        epsilons: [examples], each at least 0.
        models: models in each population, at least 3.

    Raises:
        ValueError: there are fewer than 3 models, or an ε is NaN or negative.
    """
    return float(points(epsilons, models).mean())
