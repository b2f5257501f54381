"""How long ε and its intervals take, against models × thresholds arrays as the published scorer evaluates them.

    python benchmarks/metric.py                       (5,000 examples, 512 models in each population)

The dense evaluation takes seconds and gigabytes for one example, so it is timed on one, and its ε compared with ours. Ours is
timed for all examples on one thread; then the intervals, with as many threads as there are cores.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluation.metric import intervals
from evaluation.metric.epsilon import CAP, DELTA, epsilons
from evaluation.metric.threshold_search import BUFFER, LEFT_COUNT, PEAKY, THRESHOLDS_PER_UNIT

Result = TypeVar("Result")


def dense_epsilon(unlearned: NDArray[np.float64], retrained: NDArray[np.float64]) -> float:
    """ε of one example, every model compared with every threshold in arrays [models, thresholds], on one thread.

    As the published scorer evaluates it: confidences and thresholds repeated to that shape in double precision, each of the
    four rates from comparisons of its own, in single precision. Both rules; the double-threshold one, of 160,000 pairs, is
    nearly all of it. The published scorer has no answer where both populations are constant.
    """
    import torch  # only now, so that it does not count for the memory of what was measured before

    high, low = (retrained, unlearned) if np.median(retrained) > np.median(unlearned) else (unlearned, retrained)
    narrow, wide = (low, high) if np.ptp(high) >= np.ptp(low) else (high, low)
    width = np.ptp(narrow)
    if width / np.ptp(wide) < PEAKY:
        return CAP
    bottom, top = min(high.min(), low.min()), max(high.max(), low.max())
    single = torch.linspace(bottom, top, int(np.ceil((top - bottom) * THRESHOLDS_PER_UNIT))).double()
    first, last = narrow.min() + width - BUFFER, narrow.max() + BUFFER
    rights = np.linspace(first, last, int(np.ceil((last - first) * THRESHOLDS_PER_UNIT)))
    left = np.concatenate([np.linspace(r - width - BUFFER, r - width + BUFFER, LEFT_COUNT) for r in rights])
    right = np.repeat(rights, LEFT_COUNT)
    best = max(
        _largest(single, torch.full_like(single, torch.inf), high, low),
        _largest(torch.from_numpy(left), torch.from_numpy(right), narrow, wide),
    )
    return CAP if best == -np.inf else min(best, CAP)


def _largest(left: Any, right: Any, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Largest ε, at least 0, over "positive if the confidence lies in [left, right]"; -inf if every threshold is discarded.

    Discarded are the thresholds that leave errors of exactly one kind.
    """
    import torch

    def caught(population: NDArray[np.float64]) -> Any:
        lefts, rights = left.tile(len(population), 1), right.tile(len(population), 1)
        confidences = torch.from_numpy(population)[:, None].tile(1, len(left))
        return ((lefts <= confidences) & (confidences <= rights)).float()

    def missed(population: NDArray[np.float64]) -> Any:
        return caught(population).logical_not().float()

    _, fnr, fpr, _ = (rate.mean(dim=0) for rate in (caught(positive), missed(positive), caught(negative), missed(negative)))
    kept = (fpr > 0) == (fnr > 0)
    fpr, fnr = fpr[kept].double(), fnr[kept].double()
    either = torch.fmax((1 - DELTA - fpr).log() - fnr.log(), (1 - DELTA - fnr).log() - fpr.log())
    defined = either[~either.isnan()]
    return float(defined.clamp_min(0).max()) if len(defined) else -np.inf


def timed(work: Callable[[], Result], times: int = 1) -> tuple[float, Result]:
    """Median seconds, and the last result."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


def peak_memory() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Time and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--examples", type=int, default=5000)
    options = parser.parse_args()
    cores, many = os.cpu_count() or 1, f"{options.examples} examples"
    unlearned, retrained = np.random.default_rng(0).normal(size=(2, options.models, options.examples)) * 1.5
    compiling, _ = timed(lambda: epsilons(unlearned[:, :1], retrained[:, :1]))
    counting, ours = timed(lambda: epsilons(unlearned, retrained), times=3)
    memory = peak_memory()
    interval, _ = timed(lambda: intervals.quality_deviations(unlearned, retrained, workers=cores))
    with_intervals = peak_memory()
    dense, epsilon = timed(lambda: dense_epsilon(unlearned[:, 0], retrained[:, 0]))
    print(f"{options.models} models in each population\n\n| what | per example | {many} | memory |\n|---|---|---|---|")
    rows = [
        ("models × thresholds arrays, one thread (the rest extrapolated)", dense, dense * options.examples, peak_memory()),
        ("ε (ours), one thread", counting / options.examples, counting, memory),
        (f"intervals, {cores} threads", interval / options.examples, interval, with_intervals),
    ]
    for what, each, all_of_them, megabytes in rows:
        print(f"| {what} | {each * 1e3:,.2f} ms | {all_of_them:,.1f} s | {megabytes:,.0f} MB |")
    print(
        f"\nε of the first example: {epsilon:.6f} and {ours[0]:.6f}; loading or compiling the compiled part: {compiling:.1f} s"
    )


if __name__ == "__main__":
    main()
