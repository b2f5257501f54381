"""Lower bounds from error rates: the attack is chosen on half of the models, and its errors are bounded on the other half.

The competition's ε is the largest of some 160,000 estimates on the same models, and two samples from one distribution reach
about ln 5. Here neither the selection nor chance inflates the number: with confidence 1 − α, the attack's error rates do not
exceed their limits, so a measure that grows as error rates fall is at least its value at the limits.

Each bound holds for its example. The largest of many 95 % bounds is not a 95 % bound: of 100 examples, some 5 bounds may exceed
the truth. Medians and shares over examples are fair to report.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from evaluation.attacks.attack import Floats, Statistics, halves, require_models
from evaluation.attacks.sweep import sweep
from evaluation.metric.measured import LEVEL
from evaluation.metric.outputs import Outputs

ALPHA = LEVEL
MODELS = 8  # four to choose with and four to bound with; fewer cannot show anything
# A measure of separation, given the error rates on unlearned and on retrained models.
Measure = Callable[[Floats, Floats], Floats]


def upper_limits(models: int, alpha: float) -> Floats:
    """Clopper–Pearson upper limits of an error rate, for 0, 1, … up to all errors among so many models.

    Args:
        models: how many models the attack was tried on.
        alpha: the true rate exceeds its limit with at most this probability.

    Returns:
        [models + 1].

    Source:
        Clopper and Pearson 1934; for attacks on models, Jagielski et al. 2020 (arXiv 2006.07709).

    >>> upper_limits(2, 0.25).round(4)  # no error in two: (1 − limit)² = 1/4
    array([0.5  , 0.866, 1.   ])
    """
    errors = np.arange(models)
    return np.append(betaincinv(errors + 1, models - errors, 1 - alpha), 1.0)


def held_out_bounds(unlearned: Floats, retrained: Floats, measure: Measure, alpha: float) -> Floats:
    """A lower bound on the measure for each example.

    The attack guesses "unlearned" if the confidence is at least t, or if it is below t. The attack with the largest bound on
    the first halves of the populations is chosen; the limits come from the second halves (see `attack.halves`).

    Args:
        unlearned: confidences, [models, examples].
        retrained: confidences, [models, examples].
        measure: grows as both error rates fall.
        alpha: an example's bound exceeds the truth with at most this probability, half of it for each error rate.

    Returns:
        [examples].
    """
    (choose_unlearned, try_unlearned), (choose_retrained, try_retrained) = halves(unlearned), halves(retrained)
    thresholds, unlearned_is_high = _best_attacks(choose_unlearned, choose_retrained, measure, alpha)
    unlearned_errors = ((try_unlearned >= thresholds) != unlearned_is_high).sum(axis=0)
    retrained_errors = ((try_retrained >= thresholds) == unlearned_is_high).sum(axis=0)
    bounds: Floats = _table(len(try_unlearned), len(try_retrained), measure, alpha)[unlearned_errors, retrained_errors]
    return bounds


def _best_attacks(unlearned: Floats, retrained: Floats, measure: Measure, alpha: float) -> tuple[Floats, NDArray[np.bool_]]:
    """For each example, the threshold with the largest bound, and whether confidences above it are guessed unlearned."""
    found = sweep(unlearned, retrained)
    table = _table(len(unlearned), len(retrained), measure, alpha)
    if_high = np.where(found.is_distinct, table[found.unlearned_below, len(retrained) - found.retrained_below], -np.inf)
    if_low = np.where(found.is_distinct, table[len(unlearned) - found.unlearned_below, found.retrained_below], -np.inf)
    best = np.maximum(if_high, if_low).argmax(axis=1)
    examples = np.arange(len(best))
    return found.thresholds[examples, best], if_high[examples, best] >= if_low[examples, best]


def _table(unlearned: int, retrained: int, measure: Measure, alpha: float) -> Floats:
    """The bound for every pair of error counts among so many models, [unlearned + 1, retrained + 1]."""
    return measure(upper_limits(unlearned, alpha / 2)[:, None], upper_limits(retrained, alpha / 2)[None, :])


def statistics(bounds: Callable[[Floats, Floats], Floats], unlearned: Outputs, retrained: Outputs) -> Statistics:
    """Statistics of such bounds over examples.

    Args:
        bounds: computes them, each at least 0, from the confidences of both populations.
        unlearned: a population.
        retrained: the population that it is compared with.

    Raises:
        NotComputableError: there are too few models to choose an attack and bound its errors.
    """
    require_models(MODELS, unlearned, retrained)
    of_examples = bounds(unlearned.confidences["forget"], retrained.confidences["forget"])
    return {
        "median": float(np.median(of_examples)),
        "mean": float(of_examples.mean()),
        "share_above_zero": float((of_examples > 0).mean()),
    }


def alarms(found: Statistics) -> float:
    """The share of examples whose bound says that the populations differ."""
    return found["share_above_zero"] or 0.0
