"""The CIFAR starting kit's membership inference: can one model's losses tell forget examples from test examples?

For each model, a logistic regression (L2-penalised slope with C = 1, free intercept: the kit's scikit-learn defaults) on the
scalar cross-entropy losses of forget (1) against test examples (0), as many of each; its accuracy on the held-out tenths of 10
shuffled, stratified splits. Then the mean over models, with a t-interval.

No retrained model takes part, so the number must be read beside that of retrained models: a forget set of one class can be told
from the test set even by models that never saw it.

The larger set is subsampled by one seeded draw, the same for all models (the kit's is unseeded). 10 fits for each of 512 models
take scikit-learn the better part of a minute; here a compiled Newton's method fits the two parameters, with the same
predictions.

Source: unlearning-challenge/starting-kit, unlearning-CIFAR10.ipynb, `simple_mia`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import stdtrit

from evaluation.attacks.attack import Attack, Floats, NotComputableError, Statistics, require_models
from evaluation.metric.designs import Groups
from evaluation.metric.outputs import Outputs

SPLITS = 10
SEED = 0
CONFIDENCE = 0.95  # of the interval
MODELS = 2
EXAMPLES = 10  # of each kind; fewer leave a split without both kinds
STEPS = 200  # Newton's method needs about 8
TOLERANCE = 1e-8  # on the gradient, per example


def membership_accuracies(forget: Floats, test: Floats) -> Floats:
    """How well each model's losses tell forget from test examples.

    Args:
        forget: confidences, [models, examples], at least 10 examples.
        test: confidences of the same models, [models, examples], at least 10 examples.

    Returns:
        [models], each in [0, 1]; 0.5 is chance.
    """
    from sklearn.model_selection import StratifiedShuffleSplit  # takes half a second to import, and only this needs it

    size = min(forget.shape[1], test.shape[1])
    draw = np.random.default_rng(SEED)
    chosen = [np.sort(draw.permutation(values.shape[1])[:size]) for values in (test, forget)]
    confidences = np.concatenate([test[:, chosen[0]], forget[:, chosen[1]]], axis=1)
    losses = np.logaddexp(0.0, -confidences)  # −log p_y; confidence is the log-odds of p_y
    is_member = np.repeat([0.0, 1.0], size)
    # The splits depend on the labels alone, so they are the same for every model.
    splits = list(StratifiedShuffleSplit(SPLITS, random_state=SEED).split(is_member[:, None], is_member))
    train, held_out = (np.stack(parts) for parts in zip(*splits, strict=True))
    accuracies: Floats = _accuracies(losses, is_member, train, held_out)
    return accuracies


@njit(nogil=True, cache=True)
def _accuracies(losses, is_member, train, held_out):  # type: ignore[no-untyped-def]
    """Accuracy of each model, [models], from losses [models, examples] and splits [splits, examples]."""
    result = np.empty(len(losses))
    for model in range(len(losses)):
        correct = 0
        slope, intercept = 0.0, 0.0  # each split starts where the one before ended, because most of their examples are the same
        for split in range(len(train)):
            values, labels = losses[model][train[split]], is_member[train[split]]
            slope, intercept = _fit(values, labels, slope, intercept)
            guesses = slope * losses[model][held_out[split]] + intercept > 0
            correct += (guesses == (is_member[held_out[split]] > 0)).sum()
        result[model] = correct / held_out.size
    return result


@njit(nogil=True, cache=True)
def _fit(values, labels, slope, intercept):  # type: ignore[no-untyped-def]
    """Slope and intercept of a logistic regression, by Newton's method with steps halved until the objective falls."""
    # Centred, because the two parameters are then hardly correlated; the free intercept absorbs the shift.
    centre = values.mean()
    values = values - centre
    intercept += slope * centre
    best, towards_slope, towards_intercept, scale = np.inf, 0.0, 0.0, 1.0
    for _ in range(STEPS):
        new_slope, new_intercept = slope + scale * towards_slope, intercept + scale * towards_intercept
        objective, by_slope, by_intercept, twice, mixed, free = _derivatives(values, labels, new_slope, new_intercept)
        if objective > best + 1e-12 * abs(best):
            scale /= 2
            continue
        best, slope, intercept, scale = objective, new_slope, new_intercept, 1.0
        if max(abs(by_slope), abs(by_intercept)) <= TOLERANCE * len(values):
            break
        determinant = twice * free - mixed * mixed
        towards_slope = (mixed * by_intercept - free * by_slope) / determinant
        towards_intercept = (mixed * by_slope - twice * by_intercept) / determinant
    return slope, intercept - slope * centre


@njit(nogil=True, cache=True)
def _derivatives(values, labels, slope, intercept):  # type: ignore[no-untyped-def]
    """The penalised log loss, its gradient (slope, intercept) and its Hessian (slope, mixed, intercept)."""
    objective, by_slope, by_intercept = slope * slope / 2, slope, 0.0
    twice, mixed, free = 1.0, 0.0, 1e-9  # not 0, so that it can be inverted where all guesses are certain
    for value, label in zip(values, labels):  # noqa: B905 (numba knows no strict)
        log_odds = slope * value + intercept
        small = np.exp(-abs(log_odds))
        probability = (1.0 if log_odds >= 0 else small) / (1.0 + small)
        objective += np.log1p(small) + max(log_odds, 0.0) - label * log_odds
        error, weight = probability - label, small / (1.0 + small) ** 2
        by_slope += error * value
        by_intercept += error
        twice += weight * value * value
        mixed += weight * value
        free += weight
    return objective, by_slope, by_intercept, twice, mixed, free


def interval(values: NDArray[np.floating], originals: Groups | None = None) -> tuple[float, float]:
    """The 95 % t-interval of the mean over at least 2 models.

    Args:
        values: of each model, [models].
        originals: the number of the original model that each comes from, [models]. Runs from one are alike, so the mean of
            each original's counts as one value, where there are several.

    >>> low, high = interval(np.array([1.0, 2.0, 3.0]))  # 2 ± 4.303 / √3
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    if originals is not None and originals.max() > 0:
        values = np.bincount(originals, values) / np.bincount(originals)
    half_width = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half_width), float(values.mean() + half_width)


def _statistics(unlearned: Outputs, _retrained: Outputs) -> Statistics:
    require_models(MODELS, unlearned)
    if "test" not in unlearned.confidences:
        raise NotComputableError("test confidences are not known")
    forget, test = unlearned.confidences["forget"], unlearned.confidences["test"]
    if min(forget.shape[1], test.shape[1]) < EXAMPLES:
        raise NotComputableError(
            f"there are too few examples ({forget.shape[1]} forget, {test.shape[1]} test), {EXAMPLES} of each are needed"
        )
    accuracies = membership_accuracies(forget, test)
    low, high = interval(accuracies, unlearned.originals)
    return {"accuracy": float(accuracies.mean()), "interval_low": low, "interval_high": high}


ATTACK = Attack("membership_inference", "near 0.5", {"accuracy": "membership inference, accuracy"}, _statistics)
