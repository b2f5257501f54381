"""KLoM: Kullback–Leibler divergence of the confidences' histograms, per example, on three splits.

The only second opinion that looks at retain and validation examples, where it exposes a solution that breaks the network
elsewhere. Histograms of few models differ by chance, so retrained against retrained is not 0.

Source: RoyRin/data-unlearning-bench, unlearning_bench/eval.py, whose margin is our confidence. There `numpy.digitize` drops
the largest value; here it belongs to the last bin. That repository reports one direction and its predecessor the other, under
the same name; here both are given, each under its own.
"""

import numpy as np

from evaluation.attacks.attack import Attack, Floats, Statistics, require_models
from evaluation.metric.outputs import Outputs

BINS = 20
FLOOR = 1e-5
LIMIT = 100.0
SPLITS = ("forget", "retain", "validation")
MODELS = 2


def histograms(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """The shares of each population's models in 20 bins of equal width on the pooled range of each example.

    Args:
        first: confidences, [models, examples], clipped to ±100.
        second: confidences, [models, examples], clipped to ±100.

    Returns:
        [bins, examples] for each population. A bin includes its lower edge, the last one both edges.
    """
    first, second = np.clip(first, -LIMIT, LIMIT), np.clip(second, -LIMIT, LIMIT)
    low = np.minimum(first.min(axis=0), second.min(axis=0))
    high = np.maximum(first.max(axis=0), second.max(axis=0))
    inner = np.linspace(low, np.where(high > low, high, low + 1), BINS + 1)[1:-1]  # all values equal: all in the first bin

    def shares(values: Floats) -> Floats:
        below = np.zeros((BINS + 1, values.shape[1]))
        below[BINS] = len(values)
        for bin_, edge in enumerate(inner, start=1):
            below[bin_] = (values < edge).sum(axis=0)
        return np.diff(below, axis=0) / len(values)

    return shares(first), shares(second)


def divergences(p: Floats, q: Floats) -> Floats:
    """KL(p‖q) of each example in nats; where p > 0, q is raised to at least 1e-5 and then normalised again.

    Args:
        p: shares, [bins, examples].
        q: shares, [bins, examples].

    Returns:
        [examples], each at least 0, up to rounding.

    >>> divergences(np.array([[0.5], [0.5]]), np.array([[0.25], [0.75]])).round(6)  # ln(2/√3)
    array([0.143841])
    """
    q = np.where(p > 0, np.maximum(q, FLOOR), q)
    q = q / q.sum(axis=0)
    occupied = p > 0
    found: Floats = (p * np.log(np.where(occupied, p, 1.0) / np.where(occupied, q, 1.0))).sum(axis=0)
    return found


def _statistics(unlearned: Outputs, retrained: Outputs) -> Statistics:
    require_models(MODELS, unlearned, retrained)
    statistics: dict[str, float | None] = {}
    for split in SPLITS:
        values = _both_directions(unlearned.confidences.get(split), retrained.confidences.get(split))
        for direction, of_examples in values.items():
            statistics[f"{split}_{direction}_median"] = None if of_examples is None else float(np.median(of_examples))
            statistics[f"{split}_{direction}_p95"] = None if of_examples is None else float(np.percentile(of_examples, 95))
    return statistics


def _both_directions(unlearned: Floats | None, retrained: Floats | None) -> dict[str, Floats | None]:
    """KL(unlearned‖retrained) and KL(retrained‖unlearned), or None for a split that is not known for both populations."""
    if unlearned is None or retrained is None:
        return {"kl_unlearned_from_retrained": None, "kl_retrained_from_unlearned": None}
    p, q = histograms(unlearned, retrained)
    return {"kl_unlearned_from_retrained": divergences(p, q), "kl_retrained_from_unlearned": divergences(q, p)}


ATTACK = Attack(
    "klom",
    "lower",
    {"forget_kl_unlearned_from_retrained_median": "KLoM on forget (median)"},
    _statistics,
    missing="retain or validation confidences are not known",
)
