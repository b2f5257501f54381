"""Whether two scores differ: the interval of a difference, its standard error and its p-value."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from evaluation.metric.intervals import QUANTILE, Floats, Interval


def difference(
    value: float,
    deviations: Floats,
    other: float,
    other_deviations: Floats,
    by_original: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[Interval, float]:
    """Interval and two-sided p-value of the difference of two scores, value - other.

    Scores against the same retrained models, from the same original ones, share much of their randomness; it cancels, because
    the deviations are paired.

    Args:
        value: a score.
        deviations: its relative deviations, [CUTS, PARTS].
        other: another score.
        other_deviations: its relative deviations in the same subsamples.
        by_original: both scores of each original model, [originals], where they are means of these.
    """
    of_each = None if by_original is None else np.subtract(*by_original)
    found, error = value - other, standard_errors(value * deviations - other * other_deviations, of_each)
    half = QUANTILE * float(error)
    return (found - half, found + half), float(p_values(found, error))


def standard_errors(deviations: Floats, by_original: Floats | None = None) -> Floats:
    """Of differences of scores.

    Args:
        deviations: of the differences, not relative, [..., CUTS, PARTS].
        by_original: the difference of each original model, [..., originals], where scores are means of these.

    Returns:
        [...].
    """
    variances = deviations.var(axis=-1, ddof=1).mean(axis=-1)
    if by_original is not None:
        variances = variances + by_original.var(axis=-1, ddof=1) / by_original.shape[-1]
    errors: Floats = np.sqrt(variances)
    return errors


def p_values(differences: ArrayLike, errors: ArrayLike) -> Floats:
    """Of differences with these standard errors, two-sided and normal: 1 where there is neither, 0 where there is no error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        deviates = np.where(np.equal(differences, 0), np.multiply(errors, 0), np.abs(differences) / np.asarray(errors))
    found: Floats = 2 * ndtr(-deviates)
    return found
