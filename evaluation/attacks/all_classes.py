"""All classes: do a model's logits of all classes tell whether it was unlearned or retrained?

All other opinions look at the confidence of the true class. What is left of an example can also show in what the model takes
it for otherwise. A classifier two-sample test:

1. Per example, a Gaussian with full covariance is fitted to the logits of the first half of each population. Of each model's
   logits their mean over classes is taken off, as the softmax does not know it.
2. Each model of the second half has a score per example: its log-likelihood as unlearned minus that as retrained.
3. AUC and accuracy pool all models and examples, as U-LiRA does, with which they can be compared: what they are higher by is
   what the true class does not show. For `model_auc` a model's scores are averaged over examples.
4. The test: models' average scores are independent, given the Gaussians, so their ranks have a p-value (Mann and Whitney,
   one-sided: a classifier that has learned nothing is as often wrong as right).

Covariances of d classes from n models are shrunk towards their mean variance by d/(d + n), which makes them regular.

Source: Lopez-Paz and Oquab 2017 (arXiv 1610.06545) for the test; Friedman 1989 for shrinkage in quadratic discriminants.
Unlearned runs of one original are not independent: their p-value is one given that original.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from evaluation.attacks.attack import Attack, Floats, NotComputableError, Statistics, halves, require_models
from evaluation.attacks.ulira import area_under_curve
from evaluation.metric.measured import LEVEL
from evaluation.metric.outputs import Outputs

MODELS = 8  # four to fit, four to try


def held_out_scores(unlearned: NDArray[np.floating], retrained: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Log-likelihood ratios, unlearned over retrained, of the second half of each population.

    Args:
        unlearned: logits, [models, examples, classes].
        retrained: logits, [models, examples, classes].

    Returns:
        [models / 2, examples] of the unlearned models and the same of the retrained models.
    """
    (fit_unlearned, try_unlearned), (fit_retrained, try_retrained) = (
        halves(_per_example(logits)) for logits in (unlearned, retrained)
    )
    densities = _LogDensity(fit_unlearned), _LogDensity(fit_retrained)

    def ratios(models: Floats) -> Floats:
        return densities[0](models) - densities[1](models)

    return ratios(try_unlearned), ratios(try_retrained)


def _per_example(logits: NDArray[np.floating]) -> Floats:
    """Logits without their mean over classes, in float64."""
    values = logits.astype(np.float64)
    values -= values.mean(axis=-1, keepdims=True)
    return values


class _LogDensity:
    """Of the Gaussians fitted to models, one for each example, up to a constant that all have in common.

    Args:
        models: [models, examples, classes].
    """

    def __init__(self, models: Floats) -> None:
        count, _, classes = models.shape
        self.means = models.mean(axis=0)
        apart = (models - self.means).transpose(1, 0, 2)  # examples first: products of matrices
        covariance = apart.transpose(0, 2, 1) @ apart / count
        share = classes / (classes + count)
        variance = np.maximum(np.trace(covariance, axis1=1, axis2=2) / classes, np.finfo(np.float64).tiny ** 0.5)
        covariance = (1 - share) * covariance + share * variance[:, None, None] * np.eye(classes)
        self.factors = np.linalg.inv(np.linalg.cholesky(covariance))
        self.log_determinants = np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)

    def __call__(self, models: Floats) -> Floats:
        apart = (models - self.means).transpose(1, 0, 2) @ self.factors.transpose(0, 2, 1)
        density: Floats = (self.log_determinants[:, None] - 0.5 * (apart**2).sum(axis=-1)).T
        return density


def p_value(positives: Floats, negatives: Floats) -> float:
    """One-sided p-value of Mann and Whitney: how often ranks of equal populations favour the positives as much.

    By the normal approximation; ties make it larger than need be.

    >>> round(p_value(np.arange(10.0), np.arange(10.0)), 3)
    0.5
    """
    area = area_under_curve(positives, negatives)
    deviation = np.sqrt((len(positives) + len(negatives) + 1) / (12 * len(positives) * len(negatives)))
    return float(ndtr((0.5 - area) / deviation))


def _statistics(unlearned: Outputs, retrained: Outputs) -> Statistics:
    require_models(MODELS, unlearned, retrained)
    if unlearned.forget_logits is None or retrained.forget_logits is None:
        raise NotComputableError("only confidences are known, all classes need logits")
    positives, negatives = held_out_scores(unlearned.forget_logits, retrained.forget_logits)
    of_models = positives.mean(axis=1), negatives.mean(axis=1)
    return {
        "accuracy": float(((positives > 0).mean() + (negatives <= 0).mean()) / 2),
        "auc": area_under_curve(positives.ravel(), negatives.ravel()),
        "model_auc": area_under_curve(*of_models),
        "p_value": p_value(*of_models),
    }


def _alarms(found: Statistics) -> float:
    p = found["p_value"]
    return float(p is not None and p < LEVEL)


ATTACK = Attack(
    "all_classes",
    "accuracy and AUC near 0.5",
    {"auc": "all classes, AUC", "model_auc": "all classes and examples, AUC"},
    _statistics,
    alarms=_alarms,
)
