"""The statistic that every attack looks at: the logit-scaled confidence of the true class."""

import numpy as np
from numpy.typing import NDArray

# Added inside both logarithms, as in the official scorer, so that a probability of exactly 0 or 1 gives a finite confidence.
TINY = 1e-45


def confidences(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Log-odds of the true class, log p_y - log(1 - p_y), for each model and example.

    The largest logit is subtracted and the exponential taken in the precision of `logits`; only then is the softmax
    normalised, in float64. This order is part of the definition: on float32 logits it gives the official scorer's numbers to
    the last digit, whereas float64 from the start would differ by about 1e-5.

    Args:
        logits: [..., examples, classes], float32 or float64, finite.
        labels: [examples], the true class of each example.

    Returns:
        [..., examples], between -103.62 and +103.62 (the logarithm of `TINY`).

    Raises:
        ValueError: the shapes do not fit, a label is not a class, or a logit is NaN or infinite.

    Source:
        google-deepmind/unlearning_evaluation, metric.py; Carlini et al. 2022 (arXiv 2112.03570), section V-A.

    >>> confidences(np.array([[0.0, np.log(3.0)]]), np.array([1])).round(6)  # p = 3/4, so log 3
    array([1.098612])
    """
    _check(logits, labels)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probabilities = np.exp(shifted).astype(np.float64)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    true_class = np.broadcast_to(labels[:, None], (*logits.shape[:-1], 1))
    correct = np.take_along_axis(probabilities, true_class, axis=-1)[..., 0]
    # 1 - p would lose every digit where p is close to 1, so the wrong classes are summed instead.
    np.put_along_axis(probabilities, true_class, 0.0, axis=-1)
    wrong = probabilities.sum(axis=-1)
    found: NDArray[np.float64] = np.log(correct + TINY) - np.log(wrong + TINY)
    return found


def margins(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Logit of the true class minus the largest other logit, for each model and example.

    Args:
        logits: [..., examples, classes], finite.
        labels: [examples], the true class of each example.

    Returns:
        [..., examples].

    Raises:
        ValueError: the shapes do not fit, a label is not a class, or a logit is NaN or infinite.

    >>> margins(np.array([[1.0, 4.0, 2.0]]), np.array([1]))
    array([2.])
    """
    _check(logits, labels)
    true_class = np.broadcast_to(labels[:, None], (*logits.shape[:-1], 1))
    others = logits.astype(np.float64)
    correct = np.take_along_axis(others, true_class, axis=-1)[..., 0]
    np.put_along_axis(others, true_class, -np.inf, axis=-1)
    found: NDArray[np.float64] = correct - others.max(axis=-1)
    return found


def _check(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    if logits.ndim < 2 or labels.shape != logits.shape[-2:-1]:
        raise ValueError(f"logits of shape {logits.shape} need one label per example, got labels of shape {labels.shape}")
    if labels.size and (labels.min() < 0 or labels.max() >= logits.shape[-1]):
        raise ValueError(f"labels must lie in 0..{logits.shape[-1] - 1}, got {labels.min()}..{labels.max()}")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite, got NaN or infinity")
