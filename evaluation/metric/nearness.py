"""Nearer to what? The place of the unlearned models between the retrained models (0) and the originals (1).

Each population is a cloud of models in a space with one axis per forget example: the confidence in it, in standard deviations
of the retrained models. From the middle of the retrained models to that of the originals leads a line. `position` is the foot
of the unlearned models' middle on it, in lengths of it: runs that are retrained models moved by t of the way to the originals
have position t. `off_axis` is the distance from the line, in the same unit: a network that is destroyed lies near neither,
whatever its position is.

Squared lengths and products of estimated middles are too large by the variance of the estimates; it is taken off, so that
another retrained population has position 0 and distance 0 on average (an unbiased maximum mean discrepancy with a linear
kernel).

Source: the question, and that it needs three samples, is that of Ribero, Schrab and Gretton 2026 (arXiv 2601.19755), whose
abstract proposes a relative test instead of one that finds every difference. The numbers here are not theirs.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

CONFIDENCE = 0.95
MODELS = 8
# The line must be as many standard errors long (squared, both): else its direction is chance.
STANDARD_ERRORS = 4.0


class NoLineError(ValueError):
    """There is no line from the retrained models to the originals; the message says why, in one clause."""


class Place(NamedTuple):
    """Where the unlearned models lie.

    Attributes:
        position: along the line; 0: as retrained, 1: as original.
        interval: of 95 %, for other models of all kinds.
        off_axis: distance from the line over its length, at least 0.
        nearer_to: "neither" where both middles are farther than they are from each other, "undecided" where the interval
            holds ½.
    """

    position: float
    interval: tuple[float, float]
    off_axis: float
    nearer_to: Literal["retrained", "originals", "neither", "undecided"]


def place(unlearned: Floats, retrained: Floats, original: Floats, groups: Integers | None = None) -> Place:
    """Where the unlearned models lie between retrained models and originals.

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        original: confidences, [models, examples]; numbers of models may differ.
        groups: [models], which original each unlearned model comes from; None if each has its own. Runs of one original are
            resampled together. Where all come from one, it is not known how such runs differ from original to original; the
            spread of the originals stands for it.

    Raises:
        NoLineError: there are too few models, or originals and retrained models cannot be told apart.
    """
    if min(len(unlearned), len(retrained), len(original)) < MODELS:
        raise NoLineError(f"there are fewer than {MODELS} models of a kind")
    u, r, o = _standardised(unlearned, retrained, original, by=retrained)
    line, shift = o.mean(axis=0), u.mean(axis=0)  # the middle of the retrained models is 0
    length = line @ line - _variance(r) - _variance(o)
    if not length > STANDARD_ERRORS * _error_of_length(line, r, o):
        raise NoLineError("originals and retrained models cannot be told apart")
    position = (shift @ line - _variance(r)) / length
    one_original = groups is not None and len(np.unique(groups)) == 1
    clusters = None if one_original else groups
    of_unlearned = _variance(u, clusters) + (_variance(o) * len(o) if one_original else 0.0)
    distance = shift @ shift - of_unlearned - _variance(r)
    aside = max(distance - position**2 * length, 0.0) / length
    # The derivatives of the position by the middles: a model's share in its error is its product with them.
    of_shift, of_line = line / length, (shift - 2 * position * line) / length
    parts = [
        (_variance(u @ of_shift, clusters), (len(u) if clusters is None else len(np.unique(clusters))) - 1),
        (_variance(r @ (of_shift + of_line)), len(r) - 1),
        (_variance(o @ of_line), len(o) - 1),
    ]
    if one_original:
        parts.append((_variance(o @ of_shift) * len(o), len(o) - 1))
    return _place(float(position), _half_width(parts), aside)


def _standardised(*populations: Floats, by: Floats) -> list[Floats]:
    """Confidences minus the mean of some models, over their standard deviation, on the examples where that is not 0."""
    vary = np.ptp(by, axis=0) > 0
    middle, deviation = by[:, vary].mean(axis=0), by[:, vary].std(axis=0, ddof=1)
    return [(values[:, vary] - middle) / deviation for values in populations]


def _place(position: float, half: float, aside: float) -> Place:
    interval = position - half, position + half
    return Place(position, interval, float(np.sqrt(aside)), _verdict(position, interval, aside))


def _verdict(
    position: float, interval: tuple[float, float], aside: float
) -> Literal["retrained", "originals", "neither", "undecided"]:
    if min(position**2, (1 - position) ** 2) + aside > 1:
        return "neither"
    if interval[0] <= 0.5 <= interval[1]:
        return "undecided"
    return "retrained" if position < 0.5 else "originals"


def _variance(values: Floats, groups: Integers | None = None) -> float:
    """Variance of the mean over models, [models] or [models, examples], summed over examples; groups are kept together."""
    apart = values - values.mean(axis=0)
    if groups is not None:
        of_group = np.unique(groups, return_inverse=True)[1]
        sums = np.zeros((of_group.max() + 1, *apart.shape[1:]))
        np.add.at(sums, of_group, apart)
        apart = sums
    return float((apart**2).sum() * len(apart) / (len(apart) - 1) / len(values) ** 2)


def _error_of_length(line: Floats, retrained: Floats, original: Floats) -> float:
    """At most the standard error of the squared length of the line: what is linear in the estimates, and what is quadratic."""
    linear = 4 * (_variance(retrained @ line) + _variance(original @ line))
    quadratic = 0.0
    for values in (retrained, original):
        apart = values - values.mean(axis=0)
        products = apart @ apart.T if len(apart) < apart.shape[1] else apart.T @ apart  # both have the same norm
        quadratic += float(np.linalg.norm(products)) / (len(apart) - 1) / len(apart)
    return float(np.sqrt(linear + 2 * quadratic**2))


def _half_width(parts: list[tuple[float, int]]) -> float:
    """Of an interval, from independent variances and their degrees of freedom (Welch and Satterthwaite)."""
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2) * np.sqrt(variance))
