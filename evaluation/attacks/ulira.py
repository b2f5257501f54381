"""U-LiRA: does one model's confidence on one example tell whether the example was unlearned or never seen?

Per example, a Gaussian is fitted to the confidences of each population; a model's p is its density under unlearned over the sum
of both densities. The Gaussians are fitted to the first half of the models and every rate comes from the second half: an
attacker evaluated on the models that the Gaussians were fitted to looks better than any real one.

The guesses of all models on all examples are pooled. Those of one model are not independent, so error bars would have to
resample whole models.

Source: Hayes et al. 2024 (arXiv 2403.01218); Carlini et al. 2022 (arXiv 2112.03570) for rates at low FPR.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.attacks.attack import Attack, Floats, Statistics, gaussian_log_ratios, halves, require_models
from evaluation.metric.outputs import Outputs

Scores = NDArray[np.floating | np.integer]

MODELS = 8  # four to fit two parameters to, and four to evaluate on
FALSE_POSITIVE_RATES = (0.01, 0.001)


def held_out_scores(unlearned: Floats, retrained: Floats) -> tuple[Floats, Floats]:
    """Log-odds log p/(1 − p) of the second half of each population; p is the probability that a model is unlearned.

    Args:
        unlearned: confidences, [models, examples], at least 4 models.
        retrained: confidences, [models, examples], at least 4 models.

    Returns:
        [models / 2, examples] of the unlearned models and the same of the retrained models.
    """
    (fit_unlearned, try_unlearned), (fit_retrained, try_retrained) = halves(unlearned), halves(retrained)
    return (
        gaussian_log_ratios(try_unlearned, fit_unlearned, fit_retrained),
        gaussian_log_ratios(try_retrained, fit_unlearned, fit_retrained),
    )


def area_under_curve(positives: Scores, negatives: Scores) -> float:
    """The probability that a positive scores above a negative, equal scores counting one half.

    >>> area_under_curve(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    0.875
    """
    ordered = np.sort(negatives)
    above, not_below = (np.searchsorted(ordered, positives, side) for side in ("left", "right"))
    return float((above + not_below).mean() / (2 * len(negatives)))


def rate_at(positives: Scores, negatives: Scores, false_positive_rate: float) -> float:
    """The largest true positive rate of any threshold whose false positive rate is at most that.

    No threshold separates equal scores: nothing is interpolated.

    >>> rate_at(np.array([0.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 2.0]), 0.25)  # above 2, because two negatives are at 2
    0.3333333333333333
    """
    allowed = int(false_positive_rate * len(negatives) + 1e-9)  # 0.29 * 100 is 28.999999999999996
    if allowed >= len(negatives):
        return 1.0
    # At the first negative that is one too many: everything above it is guessed positive.
    threshold = np.partition(negatives, len(negatives) - 1 - allowed)[len(negatives) - 1 - allowed]
    return float((positives > threshold).mean())


def _statistics(unlearned: Outputs, retrained: Outputs) -> Statistics:
    """Accuracy is balanced, the mean over both populations, so that chance is ½ whatever their sizes."""
    require_models(MODELS, unlearned, retrained)
    scores = held_out_scores(unlearned.confidences["forget"], retrained.confidences["forget"])
    positives, negatives = (values.ravel() for values in scores)
    return {
        "accuracy": float(((positives > 0).mean() + (negatives <= 0).mean()) / 2),
        "auc": area_under_curve(positives, negatives),
        **{f"tpr_at_fpr_{rate}": rate_at(positives, negatives, rate) for rate in FALSE_POSITIVE_RATES},
    }


ATTACK = Attack(
    "u_lira",
    "accuracy and AUC near 0.5, true positive rates near their false positive rate",
    {"auc": "U-LiRA, AUC", "tpr_at_fpr_0.01": "U-LiRA, true positives at 1 % false ones"},
    _statistics,
)
