"""How long the metric takes: counting in sorted arrays, against thresholds × models arrays as the published scorer has them.

    python benchmarks/metric.py

Both on one core, on the same example; then ours on 108 examples. 512 models in each population.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.epsilon import DELTA, epsilons

MODELS, EXAMPLES = 512, 108


def dense_epsilon(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """ε of one example, every model compared with every threshold (double-threshold rule only, which is nearly all of it)."""
    width = min(np.ptp(positive), np.ptp(negative))
    if np.ptp(positive) >= np.ptp(negative):
        positive, negative = negative, positive
    right = np.linspace(positive.min() + width - 2, positive.max() + 2, 400)
    left = np.concatenate([np.linspace(r - width - 2, r - width + 2, 400) for r in right])
    right = np.repeat(right, 400)
    fnr = 1 - np.mean((left <= positive[:, None]) & (positive[:, None] <= right), axis=0)
    fpr = np.mean((left <= negative[:, None]) & (negative[:, None] <= right), axis=0)
    kept = (fpr > 0) & (fnr > 0)
    fpr, fnr = fpr[kept], fnr[kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        either = np.fmax(np.log(1 - DELTA - fpr) - np.log(fnr), np.log(1 - DELTA - fnr) - np.log(fpr))
    return float(np.nanmax(either))


def main() -> None:
    """Time both and print a table."""
    unlearned, retrained = np.random.default_rng(0).normal(size=(2, MODELS, EXAMPLES)) * 1.5
    start = time.perf_counter()
    dense = dense_epsilon(unlearned[:, 0], retrained[:, 0])
    dense_seconds = time.perf_counter() - start
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        ours = epsilons(unlearned, retrained)
        seconds.append(time.perf_counter() - start)
    counting = float(np.median(seconds))
    print(f"| way | per example | {EXAMPLES} examples, {MODELS} models |\n|---|---|---|")
    print(f"| thresholds × models arrays (numpy) | {dense_seconds:.2f} s | {dense_seconds * EXAMPLES:.0f} s (extrapolated) |")
    print(f"| counting in sorted arrays (ours, both rules) | {counting / EXAMPLES * 1e3:.1f} ms | {counting:.2f} s |")
    print(f"\nε of the first example: {dense:.6f} and {ours[0]:.6f}")


if __name__ == "__main__":
    main()
