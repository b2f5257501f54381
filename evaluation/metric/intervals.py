"""How far a score can be trusted: 95 % intervals, and whether two scores differ, by resampling models.

The estimand is the expected score of a solution at this N, given the original models: the mean over repetitions of the whole
experiment, with other retrained models and other runs of the solution. Subsamples stand in for repetitions: both populations
are cut at random into three parts, and each part of the unlearned models is compared with a part of the retrained ones; this is
done for several random cuts.

F has no standard error of the usual kind. It is a mean of coarse functions of a maximum over thresholds: its mean depends on
N, its spread hardly shrinks as N grows, and resampling with replacement (the bootstrap) adds ties that shift it. But its
*relative* standard deviation is nearly the same at N/3 as at N, whatever separates the populations. So the relative deviations
of the parts stand for those of the whole. Accuracies are means over models, so their deviations shrink with the square root.

Runs that fail are the exception. F depends on their number k, not on their share: an attacker who takes every run beyond the
retrained models for unlearned errs once at most, so ε is about ln k. k varies by √k, as counts do, and a third of the models
has k/3 of them: where these are few, F hardly depends on them, and the parts vary too little. So failed runs are set apart:
each part gets as many as the whole may have, k' of a binomial distribution around k, drawn with replacement. (Elsewhere ties
make some threshold look better; failed runs are on one side of every threshold that matters.) An outlying run has failed if it
is beyond all models of the other population; elsewhere, as in heavy tails, it shows an attacker little.

An interval is value · exp(± q · relative standard deviation): symmetric on the logarithmic scale, since F is positive and
skewed. q is 1.96, but the deviations of F are enlarged, as if q came from Student's t with N/8 degrees of freedom, 30 at most:
parts of few models show too few values of ε, and vary less than the whole. Where F is a mean over original models it varies
more at N = 128 than at 42 or 512, which no part of 128 models can show; there they are (N - 48)/15, from 3 to 30. Both rules
were chosen by coverage.
benchmarks/coverage.py measures how often the interval covers; docs/statistics.md has the results.

Source: Politis, Romano and Wolf, Subsampling (Springer 1999), chapter 2, for subsamples without replacement; their use for
relative deviations without a rate of convergence rests on our measurements.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri, stdtrit

from evaluation.metric.designs import Groups
from evaluation.metric.epsilon import resampled_epsilons
from evaluation.metric.forgetting import points

Floats = NDArray[np.float64]
Interval = tuple[float, float]

PARTS = 3
CUTS = 21
CONFIDENCE = 0.95
FAR = 4.0  # robust standard deviations from the median, beyond which a model is outlying
MODELS_PER_DEGREE, MOST_DEGREES = 8, 30  # of freedom
AVERAGED_PER_DEGREE, FEWEST_DEGREES = 15, 3  # the same, where F is a mean over original models
FEW = 10  # up to a tenth of the models are set apart: more would not leave half of each part for the others
FEWEST_MODELS = 16 * PARTS  # parts of fewer than 16 models vary less than the whole: they show too few values of ε
QUANTILE = float(ndtri(0.5 + CONFIDENCE / 2))


class NoIntervalError(ValueError):
    """Why there is no interval, in one clause."""


def outlying(confidences: Floats) -> NDArray[np.bool_]:
    """Which runs failed, or ended elsewhere than the rest: the robust z-score of their mean confidence is beyond `FAR`.

    Args:
        confidences: [models, examples].

    Returns:
        [models]. None where half of the models have the same mean.

    Source:
        Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): z = (x - median) / (1.4826 · median |x - median|).
    """
    means = confidences.mean(axis=1)
    distances = np.abs(means - np.median(means))
    scale = float(np.median(distances) / ndtri(0.75))
    return distances > FAR * scale if scale else np.zeros(len(means), dtype=np.bool_)


def subsamples(models: int, seed: int, failed: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
    """How often each model is in each subsample, [CUTS, PARTS, models]; all subsamples have the same size.

    The parts of a cut share no model but failed ones. They are the same for every solution, but for these, so that scores
    against the same retrained models can be compared subsample by subsample.

    Args:
        models: size of the population.
        seed: two populations that are compared need different seeds.
        failed: the models to set apart, [models]; none by default, nor where they are too many.

    Raises:
        NoIntervalError: there are fewer than `FEWEST_MODELS`.
    """
    _require_enough(models)
    apart = np.flatnonzero(failed) if failed is not None else np.zeros(0, dtype=np.intp)
    if len(apart) * FEW > models:
        apart = apart[:0]
    random, size = np.random.default_rng(seed), (models - len(apart)) // PARTS
    # Solutions of which other runs failed draw independently; their failures are no more alike than chance has it.
    drawing = np.random.default_rng([seed, *apart.tolist()])
    numbers = drawing.permutation(_numbers_of_failed(len(apart), models).clip(max=size // 2)).reshape(CUTS, PARTS)
    counts = np.zeros((CUTS, PARTS, models), dtype=np.int32)
    for cut, numbers_of_cut in zip(counts, numbers, strict=True):
        order = random.permutation(models)
        others = order[~np.isin(order, apart)][: size * PARTS].reshape(PARTS, size)
        for part, members, number in zip(cut, others, numbers_of_cut, strict=True):
            part[members[number:]] = 1
            if number:
                np.add.at(part, drawing.choice(apart, number), 1)
    return counts


def _require_enough(models: int) -> None:
    if models < FEWEST_MODELS:
        raise NoIntervalError(f"{models} models are too few for an interval, at least {FEWEST_MODELS} are needed")


def _numbers_of_failed(failed: int, models: int) -> NDArray[np.intp]:
    """How many failed runs each subsample has: evenly spaced quantiles of the binomial distribution, [CUTS · PARTS].

    Drawn at random, one part with far too few of them could decide the spread alone.
    """
    levels = (np.arange(CUTS * PARTS) + 0.5) / (CUTS * PARTS)
    return np.searchsorted(bdtr(np.arange(models), models, failed / models), levels)


def subsamples_of_originals(originals: Groups, seed: int) -> NDArray[np.int32]:
    """Subsamples like those of `subsamples` in which the runs from one original model stay together.

    Of each original model the same number of runs is in use, which is that of the one with the fewest.

    Args:
        originals: the number of the original model of each run, from 0 on without a gap, [models].
        seed: as for `subsamples`.

    Raises:
        NoIntervalError: there are fewer than `FEWEST_MODELS` runs.
    """
    _require_enough(len(originals))
    runs = np.bincount(originals)
    of_each = np.stack([np.flatnonzero(originals == original)[: runs.min()] for original in range(len(runs))])
    random, size = np.random.default_rng(seed), len(runs) // PARTS
    counts = np.zeros((CUTS, PARTS, len(originals)), dtype=np.int32)
    for cut in counts:
        for part, members in zip(cut, random.permutation(len(runs))[: size * PARTS].reshape(PARTS, size), strict=True):
            part[of_each[members]] = 1
    return counts


def quality_deviations(
    unlearned: Floats | Sequence[Floats],
    retrained: Floats,
    workers: int = 1,
    originals: Groups | None = None,
    failed: int = 0,
) -> Floats:
    """Relative deviations of F in subsamples, enlarged where there are few models.

    Args:
        unlearned: confidences, [models, examples]; or several such populations, whose mean F it is about.
        retrained: confidences, [models, examples].
        workers: threads.
        originals: of the unlearned models, where those from one original model stay together (`subsamples_of_originals`).
        failed: runs that should have given further unlearned models, and as many to a part as the whole may have.

    Returns:
        F of each subsample over the mean F of all, minus 1, times the factor, [CUTS, PARTS]; NaN if F is 0 in all of them.

    Raises:
        NoIntervalError: a population has fewer than `FEWEST_MODELS`.
        ValueError: the confidences are not 2-D with equally many examples, or hold NaN or infinity.
    """
    populations = [unlearned] if isinstance(unlearned, np.ndarray) else unlearned
    if originals is None:
        of_unlearned = subsamples(len(populations[0]), 0, _failed(populations[0], retrained))
    else:
        of_unlearned = subsamples_of_originals(originals, 0)
    of_retrained = subsamples(len(retrained), 1, _failed(retrained, populations[0]))
    counts = of_unlearned.reshape(-1, of_unlearned.shape[-1]), of_retrained.reshape(-1, len(retrained))
    numbers = np.random.default_rng(2).permutation(_numbers_of_failed(failed, len(populations[0]) + failed))
    found = [_of_subsamples(population, retrained, *counts, numbers, workers) for population in populations]
    quality = np.mean([points(values, models=len(retrained)).mean(axis=1) for values in found], axis=0).reshape(CUTS, PARTS)
    if not quality.any():
        return np.full_like(quality, np.nan)
    models = min(of_unlearned.shape[-1], len(retrained))
    enlarged: Floats = (quality / quality.mean() - 1) * _enlargement(models, averaged=len(populations) > 1)
    return enlarged


def _enlargement(models: int, averaged: bool) -> float:
    """By how much relative deviations of F are larger with so many models than those of their parts show."""
    of_mean, of_one = max((models - FEWEST_MODELS) / AVERAGED_PER_DEGREE, FEWEST_DEGREES), models / MODELS_PER_DEGREE
    degrees = min(of_mean if averaged else of_one, MOST_DEGREES)
    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2)) / QUANTILE


def _of_subsamples(
    unlearned: Floats,
    retrained: Floats,
    unlearned_counts: NDArray[np.int32],
    retrained_counts: NDArray[np.int32],
    failed: NDArray[np.intp],
    workers: int,
) -> Floats:
    """ε in subsamples that have different numbers of failed runs beside the models, [subsamples, examples]."""
    found = np.empty((len(failed), unlearned.shape[1]))
    for number in np.unique(failed):
        rows = failed == number
        counts = unlearned_counts[rows], retrained_counts[rows]
        found[rows] = resampled_epsilons(unlearned, retrained, *counts, workers=workers, failed=int(number))
    return found


def _failed(models: Floats, others: Floats) -> NDArray[np.bool_]:
    """Which models are outlying, and beyond all models of the other population."""
    means, of_others = models.mean(axis=1), others.mean(axis=1)
    beyond: NDArray[np.bool_] = (means < of_others.min()) | (means > of_others.max())
    return outlying(models) & beyond


def variance_between(values: ArrayLike) -> float:
    """Relative variance of a mean over original models, as other ones might have been drawn: what the subsamples do not show.

    Args:
        values: of each original model, [originals].
    """
    known = np.asarray(values, dtype=np.float64)
    return float(known.var(ddof=1) / len(known) / known.mean() ** 2) if known.any() else 0.0


def ratio_deviations(unlearned: Floats, retrained: Floats, originals: Groups | None = None) -> Floats:
    """Relative deviations of an accuracy ratio in the same subsamples, scaled to what they would be with all models.

    Args:
        unlearned: accuracy of each unlearned model, [models].
        retrained: accuracy of each retrained model, [models].
        originals: as for `quality_deviations`.

    Returns:
        [CUTS, PARTS].

    Raises:
        NoIntervalError: a population has fewer than `FEWEST_MODELS`.
    """
    of_unlearned = subsamples(len(unlearned), 0) if originals is None else subsamples_of_originals(originals, 0)
    of_retrained = subsamples(len(retrained), 1)

    def means(accuracy: Floats, counts: NDArray[np.int32]) -> Floats:
        found: Floats = counts @ accuracy / counts.sum(axis=-1)
        return found

    ratios = means(unlearned, of_unlearned) / means(retrained, of_retrained)
    deviations: Floats = (ratios / ratios.mean() - 1) / np.sqrt(PARTS)
    return deviations


def spread(deviations: Floats) -> float:
    """Standard deviation of independent subsamples: taken within each cut, because its parts share no model."""
    return float(np.sqrt(deviations.var(axis=1, ddof=1).mean()))


def degrees_of_freedom(units: int) -> float:
    """Of a difference's standard error: those of subsamples and of what they are drawn from, added up as variances are.

    Args:
        units: models, or original models with all their runs.
    """
    return 1 / (1 / (CUTS * (PARTS - 1)) + 1 / (units - 1))


def interval(value: float, deviations: Floats, between: float = 0.0) -> Interval:
    """The interval of a value with these relative deviations, and a relative variance between original models."""
    factor = np.exp(QUANTILE * np.sqrt(spread(deviations) ** 2 + between))
    return float(value / factor), float(value * factor)
