"""Per-example ε: how well an attacker tells unlearned models from retrained models by one example's confidence.

Two families of attacks guess, for one model, which population it comes from:

- single threshold: the population with the larger median is guessed where the confidence is at least t;
- double threshold: the population with the smaller range is guessed where the confidence lies in [l, r].

Each attack has a false positive rate and a false negative rate, hence an ε (Kairouz et al. 2015, arXiv 1311.0776,
theorem 2.1); the example's ε is the largest over all thresholds of both families. The published scorer
(google-deepmind/unlearning_evaluation, metric.py) compares every model with every threshold, in arrays of some 4 GB per
example. Here the confidences are sorted once and each threshold's errors are counted by binary search: the same numbers.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DELTA = 1e-5
CAP = 50.0  # the largest ε that is reported, and the ε of populations that are separated perfectly
PEAKY = 0.01  # below this ratio of the two ranges one population hardly varies, and ε is CAP
THRESHOLDS_PER_UNIT = 100
BUFFER = 2.0  # how far the double-threshold grids reach beyond the interval that they vary


def epsilons(unlearned: Floats, retrained: Floats, delta: float = DELTA) -> Floats:
    """ε of each example.

    Where the published code has no answer, this has one:

    - both populations constant: 0 if the constants are equal (nothing to tell apart), else `CAP`;
    - every threshold discarded, because none leaves errors on both sides: `CAP`. Nothing has been shown about such an
      example, and a scorer must not reward that.

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        delta: δ of (ε, δ)-unlearning.

    Returns:
        [examples], each in [0, CAP].

    Raises:
        ValueError: arrays that are not 2-D with equally many examples, fewer than 3 models, NaN or infinity.
    """
    for name, values in (("unlearned", unlearned), ("retrained", retrained)):
        if values.ndim != 2:
            raise ValueError(f"{name} confidences must be [models, examples], got shape {values.shape}")
        if len(values) < 3:
            raise ValueError(f"{name} confidences come from {len(values)} models, at least 3 are needed")
        if not np.isfinite(values).all():
            model, example = np.argwhere(~np.isfinite(values))[0]
            raise ValueError(f"{name} confidence of model {model}, example {example} is {values[model, example]}")
    if unlearned.shape[1] != retrained.shape[1]:
        raise ValueError(f"{unlearned.shape[1]} unlearned examples cannot be compared with {retrained.shape[1]} retrained")
    pairs = zip(unlearned.T.astype(np.float64), retrained.T.astype(np.float64), strict=True)
    return np.array([_epsilon(np.sort(u), np.sort(r), delta) for u, r in pairs])


def _epsilon(unlearned: Floats, retrained: Floats, delta: float) -> float:
    """ε of one example from the sorted confidences of its two populations."""
    ranges = np.ptp(unlearned), np.ptp(retrained)
    if max(ranges) == 0:
        return 0.0 if unlearned[0] == retrained[0] else CAP
    if min(ranges) / max(ranges) < PEAKY:
        return CAP
    high, low = (retrained, unlearned) if np.median(retrained) > np.median(unlearned) else (unlearned, retrained)
    narrow, wide = (low, high) if np.ptp(high) >= np.ptp(low) else (high, low)
    best = max(_single_threshold(high, low, delta), _double_threshold(narrow, wide, delta))
    return CAP if best == -np.inf else min(best, CAP)  # -inf: all thresholds were discarded


def _single_threshold(high: Floats, low: Floats, delta: float) -> float:
    """Largest ε over "high if the confidence is at least t"."""
    lowest, highest = min(high[0], low[0]), max(high[-1], low[-1])
    thresholds = _linspace_float32(lowest, highest, int(np.ceil((highest - lowest) * THRESHOLDS_PER_UNIT)))
    false_negatives = np.searchsorted(high, thresholds, side="left")
    false_positives = len(low) - np.searchsorted(low, thresholds, side="left")
    return _largest(false_positives, false_negatives, len(low), len(high), delta)


def _double_threshold(narrow: Floats, wide: Floats, delta: float) -> float:
    """Largest ε over "narrow if the confidence lies in [l, r]", r - l being close to the range of narrow."""
    width = narrow[-1] - narrow[0]
    # In this order of operations, because a grid point that falls on a confidence decides on which side it counts.
    first, last = narrow[0] + width - BUFFER, narrow[-1] + BUFFER
    right = np.linspace(first, last, int(np.ceil((last - first) * THRESHOLDS_PER_UNIT)))
    left_count = int(np.ceil(2 * BUFFER * THRESHOLDS_PER_UNIT))
    left = np.linspace(right - width - BUFFER, right - width + BUFFER, left_count, axis=1)

    def inside(values: Floats) -> NDArray[np.int64]:
        below_or_at_right = np.searchsorted(values, right, side="right")[:, None]
        below_left = np.searchsorted(values, left, side="left")
        return np.maximum(below_or_at_right - below_left, 0)  # l may exceed r: then nothing is inside

    return _largest(inside(wide), len(narrow) - inside(narrow), len(wide), len(narrow), delta)


def _largest(
    false_positives: NDArray[np.integer], false_negatives: NDArray[np.integer], negatives: int, positives: int, delta: float
) -> float:
    """Largest ε over thresholds, -inf where all are discarded."""
    if false_positives.size == 0:
        return -np.inf
    return float(_table(negatives, positives, delta)[false_positives, false_negatives].max())


@lru_cache(maxsize=8)
def _table(negatives: int, positives: int, delta: float) -> Floats:
    """ε for every pair of counts [false positives, false negatives]: it depends on nothing else.

    inf without any error, -inf (discarded: too few models to tell) where exactly one of the two counts is zero or where no
    expression is defined.
    """
    fpr = np.arange(negatives + 1)[:, None] / negatives
    fnr = np.arange(positives + 1)[None, :] / positives
    with np.errstate(divide="ignore", invalid="ignore"):
        by_fnr = np.log(1 - delta - fpr) - np.log(fnr)
        by_fpr = np.log(1 - delta - fnr) - np.log(fpr)
    defined = np.fmax(by_fnr, by_fpr)  # the one that is not NaN, where only one is
    table = np.where(np.isnan(defined), -np.inf, np.maximum(defined, 0.0))
    table[0, :] = table[:, 0] = -np.inf
    table[0, 0] = np.inf
    return table


def _linspace_float32(start: float, stop: float, count: int) -> NDArray[np.float32]:
    """`count` points from start to stop in single precision, built from both ends towards the middle.

    The official single-threshold grid is float32 and symmetric. Whether its end points fall just above or just below the
    extreme confidences (float64) decides whether that threshold leaves an error or is discarded.
    """
    first, last = np.float32(start), np.float32(stop)
    if count <= 1:
        return np.full(max(count, 0), first)
    step = (last - first) / np.float32(count - 1)
    index = np.arange(count, dtype=np.float32)
    return np.where(index < count // 2, first + step * index, last - step * (np.float32(count - 1) - index))
