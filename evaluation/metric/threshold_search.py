"""The largest ε over all thresholds, compiled: what `epsilon` asks for one example at a time.

Three observations give the numbers of the dense evaluation (every model against every threshold) in microseconds:

- Thresholds only count models, so the confidences of both populations are sorted once. How often a model counts (twice, or
  not at all, in a resample of the models) is a weight in a cumulative sum over that order.
- ε depends on the two error counts alone, so it is looked up in a table.
- More errors never have to be examined. For a rectangle of the 400 × 400 grid of (r, l), the widest and the tightest interval
  bound both error counts from below. A rectangle that cannot beat the best ε so far is skipped; any other is halved.

In all functions `values` are the sorted confidences of both populations; a population is an array that gives, for each
position in `values`, how many of its models lie below it; and `table` is indexed by error counts.
"""

import numpy as np
from numba import njit

PEAKY = 0.01  # below this ratio of the two ranges one population hardly varies, and the two count as separated
THRESHOLDS_PER_UNIT = 100
BUFFER = 2.0  # how far the double-threshold grids reach beyond the interval that they vary
LEFT_COUNT = int(2 * BUFFER * THRESHOLDS_PER_UNIT)
STACK = 64  # rectangles that wait to be searched; halving a 400 x 400 grid needs fewer than 20


@njit(nogil=True, cache=True)
def resampled_searches(values, order, unlearned_counts, retrained_counts, table, beyond):  # type: ignore[no-untyped-def]
    """ε of one example in each resample of the models.

    Args:
        values: sorted confidences of the unlearned and the retrained models.
        order: indices that sort the confidences, unlearned models first, then retrained.
        unlearned_counts: how often each unlearned model is in each resample, [resamples, models].
        retrained_counts: the same for the retrained models.
        table: ε for each pair of error counts, [unlearned + 1, retrained + 1], -inf where the threshold is discarded.
        beyond: the largest entry of `table` at each pair of counts or beyond it in either direction.

    Returns:
        [resamples], not capped: inf for populations that are told apart perfectly, or about which nothing can be shown.
    """
    resamples, models = len(unlearned_counts), unlearned_counts.shape[1]
    result, is_retrained = np.empty(resamples), order >= models
    drawn = np.empty(len(order) + 1)
    unlearned, retrained = np.zeros(len(order) + 2, np.int64), np.zeros(len(order) + 2, np.int64)
    for resample in range(resamples):
        times = np.concatenate((unlearned_counts[resample], retrained_counts[resample]))
        size, of_unlearned, of_retrained = 0, 0, 0
        for position in range(len(order)):  # without a branch: which models are drawn cannot be predicted
            count = times[order[position]]
            of_retrained += count * is_retrained[position]
            of_unlearned += count * (1 - is_retrained[position])
            drawn[size], unlearned[size + 1], retrained[size + 1] = values[position], of_unlearned, of_retrained
            size += count > 0
        result[resample] = _search(drawn[:size], unlearned[: size + 1], retrained[: size + 1], table, beyond)
    return result


@njit(nogil=True, cache=True)
def _search(values, unlearned, retrained, table, beyond):  # type: ignore[no-untyped-def]
    """Largest ε over the thresholds of both families of attacks."""
    low_u, high_u = _of_rank(values, unlearned, 0), _of_rank(values, unlearned, unlearned[-1] - 1)
    low_r, high_r = _of_rank(values, retrained, 0), _of_rank(values, retrained, retrained[-1] - 1)
    range_u, range_r = high_u - low_u, high_r - low_r
    if max(range_u, range_r) == 0:
        return 0.0 if low_u == low_r else np.inf
    if min(range_u, range_r) / max(range_u, range_r) < PEAKY:
        return np.inf
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
    return np.inf if best == -np.inf else best  # -inf: every threshold was discarded


@njit(nogil=True, cache=True)
def _of_rank(values, population, rank):  # type: ignore[no-untyped-def]
    """The confidence of the model that has `rank` models of its population below it."""
    return values[_count_below(population, rank + 1) - 1]


@njit(nogil=True, cache=True)
def _median(values, population):  # type: ignore[no-untyped-def]
    count = population[-1]
    return (_of_rank(values, population, (count - 1) // 2) + _of_rank(values, population, count // 2)) / 2


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
        narrow: the population with the smaller range.
        wide: the other population.
        lowest: confidence of narrow.
        highest: confidence of narrow.
        table: ε for the error counts [narrow, wide].
        beyond: the largest ε of so many errors or more.
        best: ε so far.
    """
    width = highest - lowest
    # In this order of operations: a grid point that coincides with a confidence decides on which side that model counts.
    rights, below_rights = _right_ends(values, lowest + width - BUFFER, highest + BUFFER)
    nearby = _left_ends(values, rights[0] - width - BUFFER, len(rights) + LEFT_COUNT - 1)
    rectangles = np.empty((STACK, 4), np.int64)  # still to be searched: rows [top, bottom), columns [near, far)
    _put(rectangles, 0, 0, len(rights), 0, LEFT_COUNT)
    waiting = 1
    while waiting:
        waiting -= 1
        top, bottom = rectangles[waiting, 0], rectangles[waiting, 1]
        near, far = rectangles[waiting, 2], rectangles[waiting, 3]
        from_left = _below_left(values, rights[top], width, near, nearby[top + near])
        is_point = bottom - top == 1 and far - near == 1
        last = bottom - 1 + far - 1
        to_left = from_left if is_point else _below_left(values, rights[bottom - 1], width, far - 1, nearby[last])
        # The widest interval misses the fewest models of narrow, the tightest one catches the fewest of wide.
        missed = narrow[-1] - max(narrow[below_rights[bottom - 1]] - narrow[from_left], 0)
        caught = max(wide[below_rights[top]] - wide[to_left], 0)
        if beyond[missed, caught] <= best:
            continue
        if is_point:
            best = max(best, table[missed, caught])
        else:
            _halve(rectangles, waiting, top, bottom, near, far)
            waiting += 2
    return best


@njit(nogil=True, cache=True)
def _right_ends(values, first, last):  # type: ignore[no-untyped-def]
    """The right ends of the intervals, the rows of the grid; and how many confidences are at most as large as each."""
    count = int(np.ceil((last - first) * THRESHOLDS_PER_UNIT))
    rights, below = np.empty(count), np.empty(count, np.int64)
    position = 0
    for row in range(count):
        rights[row] = _grid_point(first, last, count, row)
        while position < len(values) and values[position] <= rights[row]:
            position += 1
        below[row] = position
    return rights, below


@njit(nogil=True, cache=True)
def _left_ends(values, first, count):  # type: ignore[no-untyped-def]
    """About how many confidences lie below the left ends: the one of a row and a column is near the sum of their numbers."""
    below = np.empty(count, np.int64)
    step, position = 2 * BUFFER / (LEFT_COUNT - 1), 0
    for index in range(count):
        while position < len(values) and values[position] < first + index * step:
            position += 1
        below[index] = position
    return below


@njit(nogil=True, cache=True)
def _below_left(values, right, width, column, nearby):  # type: ignore[no-untyped-def]
    """How many confidences lie below the left end that a column of the grid has for a right end; about `nearby`."""
    left = _grid_point(right - width - BUFFER, right - width + BUFFER, LEFT_COUNT, column)
    while nearby > 0 and values[nearby - 1] >= left:
        nearby -= 1
    while nearby < len(values) and values[nearby] < left:
        nearby += 1
    return nearby


@njit(nogil=True, cache=True)
def _halve(rectangles, at, top, bottom, near, far):  # type: ignore[no-untyped-def]
    """Put the two halves of a rectangle, cut across its longer side, in the rows `at` and `at` + 1."""
    if bottom - top > far - near:
        middle = (top + bottom) // 2
        _put(rectangles, at, top, middle, near, far)
        _put(rectangles, at + 1, middle, bottom, near, far)
    else:
        middle = (near + far) // 2
        _put(rectangles, at, top, bottom, near, middle)
        _put(rectangles, at + 1, top, bottom, middle, far)


@njit(nogil=True, cache=True)
def _put(rectangles, at, top, bottom, near, far):  # type: ignore[no-untyped-def]
    """Write a row number by number: assigning a tuple takes three seconds to compile."""
    rectangles[at, 0], rectangles[at, 1], rectangles[at, 2], rectangles[at, 3] = top, bottom, near, far


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
