"""Per-example ε: how well an attacker tells unlearned models from retrained models by their confidences on one example.

Two families of attacks guess which population a model comes from:

- single threshold: the population with the larger median, if the confidence is at least t;
- double threshold: the population with the smaller range, if the confidence lies in [l, r].

Each attack has a false positive rate and a false negative rate, hence an ε (Kairouz et al. 2015, arXiv 1311.0776,
theorem 2.1); the example's ε is the largest over all thresholds of both families. The published scorer
(google-deepmind/unlearning_evaluation, metric.py) compares every model with every threshold, in arrays of some 4 GB per
example; `threshold_search` finds the same maximum by counting.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluation.metric.forgetting import FEWEST_MODELS
from evaluation.metric.threshold_search import resampled_searches

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]

DELTA = 1e-5
CAP = 50.0  # the largest ε that is reported, and the ε of populations that are separated perfectly


def epsilons(unlearned: Floats, retrained: Floats, delta: float = DELTA, workers: int = 1, failed: int = 0) -> Floats:
    """ε of each example.

    Runs that failed gave no model, which no retrained one does: every attack tells them, whatever its threshold, so that they
    are among the models of which errors are a share, and never among the errors.

    Two cases that the published code leaves undefined are defined here:

    - both populations constant: 0 if the constants are equal (nothing to tell apart), else `CAP`;
    - every threshold discarded, because none leaves errors on both sides: `CAP`. Nothing has been shown about such an
      example, and a scorer must not reward that.

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        delta: δ of (ε, δ)-unlearning.
        workers: threads.
        failed: runs that should have given further unlearned models.

    Returns:
        [examples], each in [0, CAP].

    Raises:
        ValueError: the arrays are not 2-D with equally many examples, have fewer than 3 models, or hold NaN or infinity.
    """
    _check_confidences(unlearned, retrained)
    once, each_once = (np.ones((1, len(values)), dtype=np.int32) for values in (unlearned, retrained))
    found: Floats = resampled_epsilons(unlearned, retrained, once, each_once, delta, workers, failed)[0]
    return found


def resampled_epsilons(
    unlearned: Floats,
    retrained: Floats,
    unlearned_counts: Counts,
    retrained_counts: Counts,
    delta: float = DELTA,
    workers: int = 1,
    failed: int = 0,
) -> Floats:
    """ε of each example in resamples of the models.

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        unlearned_counts: how often each model is in each resample, [resamples, models], the same total in every resample.
        retrained_counts: the same for the retrained models.
        delta: δ of (ε, δ)-unlearning.
        workers: threads.
        failed: runs that failed beside the models of each resample.

    Returns:
        [resamples, examples], each in [0, CAP] (see `epsilons`).

    Raises:
        ValueError: the confidences are not 2-D with equally many examples, have fewer than 3 models, or hold NaN or infinity;
            or the resamples differ in size or hold fewer than 3 models.
    """
    _check_confidences(unlearned, retrained)
    tables = _tables(_resample_size(unlearned_counts) + failed, _resample_size(retrained_counts), delta)

    def of_example(example: int) -> Floats:
        pooled = np.concatenate([unlearned[:, example], retrained[:, example]]).astype(np.float64)
        order = np.argsort(pooled)
        found: Floats = resampled_searches(pooled[order], order, unlearned_counts, retrained_counts, *tables)
        return found

    with ThreadPoolExecutor(workers) as threads:  # the compiled search releases the interpreter's lock
        by_example = list(threads.map(of_example, range(unlearned.shape[1])))
    return np.minimum(np.stack(by_example, axis=1), CAP)


def _check_confidences(unlearned: Floats, retrained: Floats) -> None:
    """Refuse confidences from which no ε can be computed."""
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
    """ε that two error rates show: the larger of ln((1 - δ - first) / second) and the same with the rates interchanged.

    If only one of the two is defined, it is that one; if neither is, NaN.

    Source:
        Kairouz et al. 2015 (arXiv 1311.0776), theorem 2.1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        one_way = np.log(1 - delta - first) - np.log(second)
        other_way = np.log(1 - delta - second) - np.log(first)
    larger: Floats = np.fmax(one_way, other_way)
    return larger


def epsilon_of_errors(unlearned: int, retrained: int, delta: float) -> Floats:
    """ε for every pair of error counts, [unlearned + 1, retrained + 1]: how many models of each population are guessed wrong.

    inf without any error; NaN (discarded: too few models to tell) where exactly one of the two counts is zero, or where
    neither expression is defined. It is symmetric in the two populations.
    """
    first = np.arange(unlearned + 1)[:, None] / unlearned
    second = np.arange(retrained + 1)[None, :] / retrained
    table = epsilon_of_rates(first, second, delta)
    table[0, :] = table[:, 0] = np.nan
    table[0, 0] = np.inf
    return table


@lru_cache(maxsize=8)
def _tables(unlearned: int, retrained: int, delta: float) -> tuple[Floats, Floats]:
    """`epsilon_of_errors`, at least 0 and -inf where discarded; and its largest entry at each pair of counts or beyond."""
    found = epsilon_of_errors(unlearned, retrained, delta)
    table = np.where(np.isnan(found), -np.inf, np.maximum(found, 0.0))
    beyond = np.maximum.accumulate(np.maximum.accumulate(table[::-1, ::-1], axis=0), axis=1)[::-1, ::-1]
    return table, np.ascontiguousarray(beyond)
