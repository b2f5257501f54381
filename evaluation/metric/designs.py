"""Runs that start from several original models answer two questions.

- *Pooled*: all runs as one population. This is the definition of unlearning, which includes the randomness of training: can the
  runs be told from retrained models when nobody knows which original model they come from?
- *Averaged*: the competition's question, asked once for every original model: can all runs from this one model be told from
  retrained models? The answers are averaged.

For the second, each original model has only a few runs. They say where runs from that model lie, and the runs of all original
models together say how they spread around it: the population of one original model is its centre plus the deviations of all
runs from the centres of their own. Two corrections make centres and deviations as wide as they would be with many runs of each
original model. Deviations from a mean of R runs are too small, by a factor of √(1 - 1/R). Centres that are means of R runs
scatter by a share 1/R of the runs' variance even if the original model makes no difference: the spread of centres is shrunk by
as much (to nothing, if runs explain all of it).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

FEWEST_RUNS = 4  # from each original model: they show how much runs from one model differ
FEWEST_ORIGINALS = 16  # that stand for others: with them, intervals are about other original models, too


def can_be_averaged(originals: Groups | None, failed: int = 0) -> bool:
    """Whether runs start from several original models, and from each often enough.

    Args:
        originals: the number of the original model of each run, [models]; None if it is not known.
        failed: further runs, which gave no model; they may have started from any of the original models.
    """
    if originals is None:
        return False
    runs = np.bincount(originals)
    return len(runs) > 1 and int((FEWEST_RUNS - runs).clip(min=0).sum()) <= failed


def populations(confidences: Floats, originals: Groups) -> Iterator[Floats]:
    """Of each original model, as many runs from it as there are runs in all.

    Args:
        confidences: of all runs, [models, examples].
        originals: the number of the original model of each run, from 0 on without a gap, [models]; several for each, or nearly.

    Yields:
        [models, examples].
    """
    runs = np.bincount(originals)
    widened = np.sqrt(runs / np.maximum(runs - 1, 1))[originals, None]  # one that the others of its model failed has none
    deviations = (confidences - means(confidences, originals)[originals]) * widened
    for centre in centres(confidences, originals):
        yield centre + deviations


def means(confidences: Floats, originals: Groups) -> Floats:
    """Means of the runs from each original model, [originals, examples] (arguments as for `populations`)."""
    return np.stack([confidences[originals == original].mean(axis=0) for original in range(originals.max() + 1)])


def centres(confidences: Floats, originals: Groups) -> Floats:
    """Where runs from each original model lie, [originals, examples]: means, as far apart as means of many runs would be.

    Arguments are those of `populations`.
    """
    found, between = means(confidences, originals), variance_between(confidences, originals)
    spread_of_means = found.var(axis=0, ddof=1)
    kept = np.sqrt(np.divide(between, spread_of_means, out=np.zeros_like(between), where=spread_of_means > 0))
    middle = found.mean(axis=0)
    shrunk: Floats = middle + kept * (found - middle)
    return shrunk


def variance_between(confidences: Floats, originals: Groups) -> Floats:
    """Variance between original models, [examples]: that of the means less the share that runs have in it, or 0.

    Arguments are those of `populations`. It is the estimate of a one-way analysis of variance with random effects.
    """
    chance = variance_within(confidences, originals) * (1 / np.bincount(originals)).mean()
    found: Floats = np.maximum(means(confidences, originals).var(axis=0, ddof=1) - chance, 0)
    return found


def variance_within(confidences: Floats, originals: Groups) -> Floats:
    """Variance of the runs from one original model, [examples] (arguments as for `populations`)."""
    squares = (confidences - means(confidences, originals)[originals]) ** 2
    found: Floats = squares.sum(axis=0) / (len(confidences) - originals.max() - 1)
    return found


def share_of_originals(confidences: Floats, originals: Groups) -> float:
    """How much of the runs' variance is between original models, in [0, 1]: that of the median example.

    Arguments are those of `populations`.
    """
    between, within = variance_between(confidences, originals), variance_within(confidences, originals)
    total = between + within
    return float(np.median(np.divide(between, total, out=np.zeros_like(total), where=total > 0)))
