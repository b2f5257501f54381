"""Per-example ε: how well an attacker tells unlearned models from retrained models by one example's confidence.

Two families of attacks guess, for one model, which population it comes from:

- single threshold: the population with the larger median is guessed where the confidence is at least t;
- double threshold: the population with the smaller range is guessed where the confidence lies in [l, r].

Each attack has a false positive rate and a false negative rate, hence an ε (Kairouz et al. 2015, arXiv 1311.0776,
theorem 2.1); the example's ε is the largest over all thresholds of both families. The published scorer
(google-deepmind/unlearning_evaluation, metric.py) compares every model with every threshold, in arrays of some 4 GB per
example. Three observations give the same numbers in microseconds, compiled:

- Thresholds only count models, so the confidences of both populations are sorted once; how often a model counts (twice, or
  not at all, in a resample of models) is a weight in a cumulative sum over that order.
- ε depends on the two counts of errors only: a table holds it.
- More errors never need looking at: of a rectangle of the 400 × 400 grid of (r, l), the tightest corner says how few errors
  of both kinds there can be. Rectangles that cannot beat the best ε so far are skipped, the others are cut in two.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evaluation.metric.forgetting import FEWEST_MODELS

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]

DELTA = 1e-5
CAP = 50.0  # the largest ε that is reported, and the ε of populations that are separated perfectly
PEAKY = 0.01  # below this ratio of the two ranges one population hardly varies, and ε is CAP
THRESHOLDS_PER_UNIT = 100
BUFFER = 2.0  # how far the double-threshold grids reach beyond the interval that they vary
LEFT_COUNT = int(2 * BUFFER * THRESHOLDS_PER_UNIT)


def epsilons(unlearned: Floats, retrained: Floats, delta: float = DELTA, workers: int = 1) -> Floats:
    """ε of each example.

    Where the published code has no answer, this has one:

    - both populations constant: 0 if the constants are equal (nothing to tell apart), else `CAP`;
    - every threshold discarded, because none leaves errors on both sides: `CAP`. Nothing has been shown about such an
      example, and a scorer must not reward that.

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        delta: δ of (ε, δ)-unlearning.
        workers: threads.

    Returns:
        [examples], each in [0, CAP].

    Raises:
        ValueError: arrays that are not 2-D with equally many examples, fewer than 3 models, NaN or infinity.
    """
    _check_confidences(unlearned, retrained)
    once, each_once = (np.ones((1, len(values)), dtype=np.int32) for values in (unlearned, retrained))
    return resampled_epsilons(unlearned, retrained, once, each_once, delta, workers)[0]


def resampled_epsilons(
    unlearned: Floats,
    retrained: Floats,
    unlearned_counts: Counts,
    retrained_counts: Counts,
    delta: float = DELTA,
    workers: int = 1,
) -> Floats:
    """ε of each example in resamples of the models.

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        unlearned_counts: how often each model is in each resample, [resamples, models], the same total in every resample.
        retrained_counts: the same of the retrained models.
        delta: δ of (ε, δ)-unlearning.
        workers: threads.

    Returns:
        [resamples, examples], each in [0, CAP] (see `epsilons`).

    Raises:
        ValueError: as `epsilons`, or resamples of different sizes or of fewer than 3 models.
    """
    _check_confidences(unlearned, retrained)
    sizes = [_resample_size(counts) for counts in (unlearned_counts, retrained_counts)]
    tables = _tables(*sizes, delta)

    def of_example(example: int) -> Floats:
        pooled = np.concatenate([unlearned[:, example], retrained[:, example]]).astype(np.float64)
        order = np.argsort(pooled)
        return _of_resamples(pooled[order], order, unlearned_counts, retrained_counts, *tables)

    with ThreadPoolExecutor(workers) as threads:  # the compiled part runs without the interpreter's lock
        return np.stack(list(threads.map(of_example, range(unlearned.shape[1]))), axis=1)


def _check_confidences(unlearned: Floats, retrained: Floats) -> None:
    """Refuse what has no ε (errors as for `epsilons`)."""
    for name, values in (("unlearned", unlearned), ("retrained", retrained)):
        if values.ndim != 2:
            raise ValueError(f"{name} confidences must be [models, examples], got shape {values.shape}")
        if len(values) < FEWEST_MODELS:
            raise ValueError(f"{name} confidences come from {len(values)} models, at least {FEWEST_MODELS} are needed")
        if not values.shape[1]:
            raise ValueError(f"{name} confidences are of no example")
        if not np.isfinite(values).all():
            model, example = np.argwhere(~np.isfinite(values))[0]
            raise ValueError(f"{name} confidence of model {model}, example {example} is {values[model, example]}")
    if unlearned.shape[1] != retrained.shape[1]:
        raise ValueError(f"{unlearned.shape[1]} unlearned examples cannot be compared with {retrained.shape[1]} retrained")


def _resample_size(counts: Counts) -> int:
    sizes = set(counts.sum(axis=1).tolist())
    if len(sizes) != 1 or min(sizes) < FEWEST_MODELS or counts.min() < 0:
        raise ValueError(f"every resample must hold the same number of models, at least {FEWEST_MODELS}")
    return int(sizes.pop())


def epsilon_of_rates(first: Floats, second: Floats, delta: float) -> Floats:
    """ε that two error rates show, the larger of ln((1 - δ - first) / second) and the same with the rates interchanged.

    NaN where neither exists; the one that exists where the other does not.

    Source:
        Kairouz et al. 2015 (arXiv 1311.0776), theorem 2.1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        one_way = np.log(1 - delta - first) - np.log(second)
        other_way = np.log(1 - delta - second) - np.log(first)
    return np.fmax(one_way, other_way)


def epsilon_of_errors(unlearned: int, retrained: int, delta: float) -> Floats:
    """ε for every pair of counts of models that an attack gets wrong, [unlearned + 1, retrained + 1].

    inf without any error; NaN (discarded: too few models to tell) where exactly one of the two counts is zero, or where no
    expression is defined. The two populations are interchangeable in it.
    """
    first = np.arange(unlearned + 1)[:, None] / unlearned
    second = np.arange(retrained + 1)[None, :] / retrained
    table = epsilon_of_rates(first, second, delta)
    table[0, :] = table[:, 0] = np.nan
    table[0, 0] = np.inf
    return table


@lru_cache(maxsize=8)
def _tables(unlearned: int, retrained: int, delta: float) -> tuple[Floats, Floats]:
    """`epsilon_of_errors`, at least 0 and -inf where discarded, and the largest of it at each pair of counts or beyond."""
    found = epsilon_of_errors(unlearned, retrained, delta)
    table = np.where(np.isnan(found), -np.inf, np.maximum(found, 0.0))
    beyond = np.maximum.accumulate(np.maximum.accumulate(table[::-1, ::-1], axis=0), axis=1)[::-1, ::-1]
    return table, np.ascontiguousarray(beyond)


@njit(nogil=True, cache=True)
def _of_resamples(values, order, unlearned_counts, retrained_counts, table, beyond):  # type: ignore[no-untyped-def]
    """ε of one example in each resample, [resamples]; `values` are the sorted confidences of all models, `order` sorts them."""
    resamples, models = len(unlearned_counts), unlearned_counts.shape[1]
    result = np.empty(resamples)
    # How many models of each population lie below a position in the order.
    unlearned, retrained = np.zeros(len(order) + 1, np.int64), np.zeros(len(order) + 1, np.int64)
    for resample in range(resamples):
        for position in range(len(order)):
            model = order[position]
            is_unlearned = model < models
            unlearned[position + 1] = unlearned[position] + (unlearned_counts[resample, model] if is_unlearned else 0)
            retrained[position + 1] = retrained[position] + (0 if is_unlearned else retrained_counts[resample, model - models])
        result[resample] = _epsilon(values, unlearned, retrained, table, beyond)
    return result


@njit(nogil=True, cache=True)
def _epsilon(values, unlearned, retrained, table, beyond):  # type: ignore[no-untyped-def]
    """ε of one example, from `values`, sorted, and how many models of each population lie below each position among them."""
    low_u, high_u = _of_rank(values, unlearned, 0), _of_rank(values, unlearned, unlearned[-1] - 1)
    low_r, high_r = _of_rank(values, retrained, 0), _of_rank(values, retrained, retrained[-1] - 1)
    range_u, range_r = high_u - low_u, high_r - low_r
    if max(range_u, range_r) == 0:
        return 0.0 if low_u == low_r else CAP
    if min(range_u, range_r) / max(range_u, range_r) < PEAKY:
        return CAP
    unlearned_is_high = not _median(values, retrained) > _median(values, unlearned)
    if unlearned_is_high:
        best = _single_threshold(values, unlearned, retrained, min(low_u, low_r), max(high_u, high_r), table)
        unlearned_is_narrow = range_u < range_r
    else:
        best = _single_threshold(values, retrained, unlearned, min(low_u, low_r), max(high_u, high_r), table.T)
        unlearned_is_narrow = not range_r < range_u
    if unlearned_is_narrow:
        best = _double_threshold(values, unlearned, retrained, low_u, high_u, table, beyond, best)
    else:
        best = _double_threshold(values, retrained, unlearned, low_r, high_r, table.T, beyond.T, best)
    return CAP if best == -np.inf else min(best, CAP)  # -inf: all thresholds were discarded


@njit(nogil=True, cache=True)
def _of_rank(values, below, rank):  # type: ignore[no-untyped-def]
    """The confidence of the model of a population that has `rank` models of its population below it."""
    return values[_count_below(below, rank + 1) - 1]


@njit(nogil=True, cache=True)
def _median(values, below):  # type: ignore[no-untyped-def]
    count = below[-1]
    return (_of_rank(values, below, (count - 1) // 2) + _of_rank(values, below, count // 2)) / 2


@njit(nogil=True, cache=True)
def _single_threshold(values, high, low, lowest, highest, table):  # type: ignore[no-untyped-def]
    """Largest ε over "high if the confidence is at least t".

    The official grid is float32 and built from both ends towards the middle. Whether its end points fall just above or just
    below the extreme confidences (float64) decides whether that threshold leaves an error or is discarded.
    """
    count = int(np.ceil((highest - lowest) * THRESHOLDS_PER_UNIT))
    first, last = np.float32(lowest), np.float32(highest)
    step = (last - first) / np.float32(max(count - 1, 1))
    best, position = -np.inf, 0
    for index in range(count):
        if index < count // 2 or count == 1:
            threshold = first + step * np.float32(index)
        else:
            threshold = last - step * np.float32(count - 1 - index)
        while position < len(values) and values[position] < threshold:
            position += 1
        best = max(best, table[high[position], low[-1] - low[position]])
    return best


@njit(nogil=True, cache=True)
def _double_threshold(values, narrow, wide, lowest, highest, table, beyond, best):  # type: ignore[no-untyped-def]
    """Largest of `best` and the ε over "narrow if the confidence lies in [l, r]", r - l being close to the range of narrow.

    Args:
        values: sorted confidences.
        narrow: how many models of the population with the smaller range lie below each position in `values`.
        wide: the same of the other population.
        lowest: of the confidences of narrow.
        highest: of the confidences of narrow.
        table: ε of the numbers of models [narrow, wide] on the wrong side.
        beyond: the largest ε of so many errors and more.
        best: ε so far.
    """
    width = highest - lowest
    # In this order of operations, because a grid point that falls on a confidence decides on which side it counts.
    first, last = lowest + width - BUFFER, highest + BUFFER
    count = int(np.ceil((last - first) * THRESHOLDS_PER_UNIT))
    right, up_to_right = np.empty(count), np.empty(count, np.int64)
    position = 0
    for row in range(count):
        right[row] = _grid_point(first, last, count, row)
        while position < len(values) and values[position] <= right[row]:
            position += 1
        up_to_right[row] = position

    rectangles = np.empty((64, 4), np.int64)  # still to be searched: rows [top, bottom), columns [near, far)
    _put(rectangles, 0, 0, count, 0, LEFT_COUNT)
    waiting = 1
    while waiting:
        waiting -= 1
        top, bottom = rectangles[waiting, 0], rectangles[waiting, 1]
        near, far = rectangles[waiting, 2], rectangles[waiting, 3]
        # Its widest interval catches most of narrow, its tightest one fewest of wide.
        widest, tightest = up_to_right[bottom - 1], up_to_right[top]
        from_left = _below_left(values, right[top], width, near)
        to_left = from_left if (top, near) == (bottom - 1, far - 1) else _below_left(values, right[bottom - 1], width, far - 1)
        missed = narrow[-1] - max(narrow[widest] - narrow[from_left], 0)
        caught = max(wide[tightest] - wide[to_left], 0)
        if beyond[missed, caught] <= best:
            continue
        if bottom - top == 1 and far - near == 1:
            best = max(best, table[missed, caught])
        elif bottom - top > far - near:
            middle = (top + bottom) // 2
            _put(rectangles, waiting, top, middle, near, far)
            _put(rectangles, waiting + 1, middle, bottom, near, far)
            waiting += 2
        else:
            middle = (near + far) // 2
            _put(rectangles, waiting, top, bottom, near, middle)
            _put(rectangles, waiting + 1, top, bottom, middle, far)
            waiting += 2
    return best


@njit(nogil=True, cache=True)
def _put(rectangles, at, top, bottom, near, far):  # type: ignore[no-untyped-def]
    """Write a row, number by number: assigning a tuple takes three seconds to compile."""
    rectangles[at, 0], rectangles[at, 1], rectangles[at, 2], rectangles[at, 3] = top, bottom, near, far


@njit(nogil=True, cache=True)
def _below_left(values, right, width, column):  # type: ignore[no-untyped-def]
    """How many confidences lie below the left end in a column of the grid, for a right end."""
    return _count_below(values, _grid_point(right - width - BUFFER, right - width + BUFFER, LEFT_COUNT, column))


@njit(nogil=True, cache=True)
def _grid_point(first, last, count, index):  # type: ignore[no-untyped-def]
    """A point of `numpy.linspace(first, last, count)`, to the last bit."""
    return last if index == count - 1 else index * ((last - first) / (count - 1)) + first


@njit(nogil=True, cache=True)
def _count_below(ordered, value):  # type: ignore[no-untyped-def]
    """How many entries of a sorted array are less than a value."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
