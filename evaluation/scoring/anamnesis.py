"""The Anamnesis Index: how fast unlearned models learn the forgotten class again, compared with retrained ones.

The relearn time of a model is the number of mini-batches of Adam (learning rate 1e-3) on all training data, in the batches of
the task's loaders, until its accuracy on the forgotten class is within a margin of 5 % of the original model's: at least 0.95
times that. It is measured after every batch, on at most 256 test images of the class, and the original model's on the same. The
index is the relearn time of unlearned models over that of retrained ones. 1 is ideal; far below 1 something of the class was
left; far above 1 more was destroyed than retraining would leave out.

1. A model that is accurate enough at once has relearn time 0, and counts as 0.
2. Training ends after 10 epochs and some 2,000 batches at least (of a small data set 10 epochs teach retrained models nothing);
   a model that is not accurate enough then counts with the batches it took: it is censored. How many these are is said. Where
   unlearned ones are among them, the index is too small; where retrained ones are, too large.
3. The index is the ratio of the mean over unlearned to the mean over retrained models, 5 of each: unlearned ones from 5
   original models (fewer if there are not as many), because runs from one are alike. The mean of ratios,
   pair by pair, would be too large: it gives most weight to retrained models that are quick by chance.
4. Its 95 % interval is Fieller's, with the quantile of Student's t for one less than the number of models of the smaller
   population, cut at 0. It allows for times of 0, which logarithms do not. Where the retrained mean itself is not
   significantly above 0 it has no ends, and there is none. Simulated from gamma-distributed counts of 5 models each, with
   coefficients of variation from 0.2 to 0.9, it covers 93 to 98 %; the bootstrap covers 81 to 88 %.

Sources: Chundawat, Tarun, Mandal and Kankanhalli, Zero-Shot Machine Unlearning (2023, https://arxiv.org/abs/2201.05629);
Fieller, Some Problems in Interval Estimation (1954).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from evaluation.metric.measured import Measured
from evaluation.populations import jobs
from evaluation.populations.executors import LocalProcesses
from evaluation.populations.population import Kind, Population
from evaluation.populations.relearn_settings import MODELS
from evaluation.populations.relearn_times import RelearnTimes, relearn_times
from evaluation.scoring.reporter import Reporter
from evaluation.scoring.scorecard import AnamnesisIndex, PerPopulation
from starting_kit.files import read_intact

CONFIDENCE = 0.95

RELEARNED: tuple[Kind, ...] = ("unlearned", "retrained")


class NoIndexError(ValueError):
    """Why there is no index, in one clause."""


def keeping_weights(populations: dict[Kind, Population]) -> dict[Kind, Population]:
    """The populations, keeping the weights that are needed."""
    return {
        kind: dataclasses.replace(population, kept=MODELS) if kind in RELEARNED else population
        for kind, population in populations.items()
    }


def measure(
    populations: dict[Kind, Population], models: int, executor: LocalProcesses, reporter: Reporter
) -> Measured[AnamnesisIndex]:
    """The index, or why there is none; relearn times that are stored are used again.

    Args:
        populations: that have been made, `keeping_weights`.
        models: how many each has.
        executor: where models are trained.
        reporter: is told what takes time.

    Raises:
        RunError: a file is gone or cannot be written; what was finished is kept.
        KeyboardInterrupt: the user interrupted; what was finished is kept.
    """
    relearnt = {kind: [model for model in range(models) if populations[kind].keeps(model)] for kind in RELEARNED}
    try:
        target = _target(populations["original"], models, executor)
        for kind in RELEARNED:
            _require_weights(populations[kind], relearnt[kind])
        times = {}
        for kind in RELEARNED:
            with reporter.stage(f"relearn {kind}", len(relearnt[kind])) as on_finished:
                times[kind] = relearn_times(populations[kind], relearnt[kind], target, executor, on_finished, reporter.notice)
        return Measured(index(times["unlearned"], times["retrained"], target))
    except NoIndexError as reason:
        return Measured(reason=str(reason))


def index(unlearned: RelearnTimes, retrained: RelearnTimes, target: float) -> AnamnesisIndex:
    """The index, its interval, and what they come from.

    Raises:
        NoIndexError: the retrained models know the class.
    """
    if not any(retrained.batches):
        raise NoIndexError("the retrained models recognise the class without learning it again")
    ends = fieller(unlearned.batches, retrained.batches)
    why_not = "too few models, or relearn times of retrained ones that differ too much"
    return AnamnesisIndex(
        value=float(np.mean(unlearned.batches) / np.mean(retrained.batches)),
        interval=Measured(ends) if ends else Measured(reason=why_not),
        relearn_batches=PerPopulation(unlearned.batches, retrained.batches),
        capped=PerPopulation(unlearned.capped, retrained.capped),
        accuracy_to_reach=target,
    )


def fieller(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the ratio of two means of independent values that are at least 0; None where it has no ends.

    It holds the ratios ρ for which mean(numerator) − ρ mean(denominator) does not differ significantly from 0.

    >>> [round(end, 3) for end in fieller([4.0, 5.0, 6.0], [10.0, 10.0, 10.0])]  # 0.5 ± 4.303 · 0.1 / √3
    [0.252, 0.748]
    >>> fieller([4.0, 5.0], [0.0, 10.0])
    """
    fewest = min(len(numerator), len(denominator))
    if fewest < 2:
        return None
    over, under = float(np.mean(numerator)), float(np.mean(denominator))
    squared_t = float(stdtrit(fewest - 1, (1 + CONFIDENCE) / 2)) ** 2
    allowed_over, allowed_under = (squared_t * np.var(values, ddof=1) / len(values) for values in (numerator, denominator))
    # The ends are the roots of (under² − allowed_under) ρ² − 2 over under ρ + over² − allowed_over.
    leading = under**2 - allowed_under
    if leading <= 0:
        return None
    root = np.sqrt(under**2 * allowed_over + over**2 * allowed_under - allowed_over * allowed_under)
    return max(float((over * under - root) / leading), 0.0), float((over * under + root) / leading)


def _target(original: Population, unlearned: int, executor: LocalProcesses) -> float:
    target = executor.run(jobs.accuracy_to_reach, original, unlearned)
    if target is None:
        raise NoIndexError("there are no test images of the class")
    if target == 0:
        raise NoIndexError("the original model recognises no test image of the class")
    return float(target)


def _require_weights(population: Population, models: Sequence[int]) -> None:
    """Refuse models that are more, or another thing, than their weights."""
    for model in models:
        arrays = read_intact(population.weights_path(model)) or {}
        if "objection" in arrays:
            raise NoIndexError(f"{population.kind} model {model} cannot be trained again: {arrays['objection']}")
