"""The interface of a second opinion, and what several of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.metric.outputs import Outputs

Floats = NDArray[np.float64]
Statistics = Mapping[str, float | None]

# The least standard deviation of confidences that is assumed, so that a population that hardly varies still has a density.
# It is far below the spread of any population trained from several seeds (about 1).
MIN_DEVIATION = 1e-3


class NotComputableError(ValueError):
    """A second opinion cannot be computed for these populations; the message says why, in one clause."""


@dataclass(frozen=True)
class Attack:
    """A second opinion.

    Attributes:
        name: its key on the scorecard.
        better: which values speak for an unlearned population.
        headlines: the most telling of its numbers, with their names for people.
        statistics: computes named finite numbers from an unlearned and a retrained population, None for one that cannot be
            computed. Raises `NotComputableError` if none can.
        missing: why some of the numbers may be None.
        alarms: of its numbers, the share of its tests at the 5 % level that call the populations different; None for an
            opinion that tests nothing.
    """

    name: str
    better: str
    headlines: Mapping[str, str]
    statistics: Callable[[Outputs, Outputs], Statistics]
    missing: str = ""
    alarms: Callable[[Statistics], float] | None = None


def require_models(at_least: int, *populations: Outputs) -> None:
    """Refuse populations that are too small.

    Raises:
        NotComputableError: one of them has fewer models than that.
    """
    fewest = min(outputs.models for outputs in populations)
    if fewest < at_least:
        raise NotComputableError(f"there are too few models ({fewest}), at least {at_least} are needed")


def halves(models: Floats) -> tuple[Floats, Floats]:
    """The first and the second half of the models, by position; if their number is odd, the second half has one more.

    Models differ in their seeds only, so their order carries no information, and a fixed split makes the numbers repeatable.

    Args:
        models: [models, examples].
    """
    half = len(models) // 2
    return models[:half], models[half:]


def gaussian_log_ratios(values: Floats, unlearned: Floats, retrained: Floats) -> Floats:
    """Log-likelihood ratios, unlearned over retrained, of Gaussians fitted per example to each population.

    A difference of logarithms does not underflow where the ratio of two densities would be 0/0.

    Args:
        values: [models, examples].
        unlearned: the population that the first Gaussian is fitted to, [models, examples].
        retrained: the population that the second one is fitted to, [models, examples].

    Returns:
        [models, examples]. Fits are by maximum likelihood, with standard deviations of at least `MIN_DEVIATION`.
    """

    def log_density(population: Floats) -> Floats:
        deviation = np.maximum(population.std(axis=0), MIN_DEVIATION)
        density: Floats = -0.5 * ((values - population.mean(axis=0)) / deviation) ** 2 - np.log(deviation)
        return density

    return log_density(unlearned) - log_density(retrained)
