"""What an unlearning costs, as a share of a retraining."""

import time
from statistics import median

from evaluation.populations import jobs
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Population

TIMED_RUNS = 3
LONG_TIMING = 30.0  # seconds


def measure_cost(
    unlearned: Population, retrained: Population, trainers: LocalProcesses, unlearners: LocalProcesses, runs: int = TIMED_RUNS
) -> float:
    """Median time of an unlearning over median time of a retraining, by turns, while nothing else runs.

    So many runs of each, or fewer if they take longer than `LONG_TIMING`: what takes long is less noisy.

    Raises:
        SolutionError: the solution failed.
    """
    start = time.monotonic()
    unlearning, retraining = [], []
    for model in range(runs):
        unlearning.append(unlearners.run(jobs.time_unlearning, unlearned, model))
        retraining.append(trainers.run(jobs.time_retraining, retrained, model))
        if time.monotonic() - start > LONG_TIMING:
            break
    return median(unlearning) / median(retraining)
