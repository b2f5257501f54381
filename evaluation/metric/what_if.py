"""Where a score is lost: what it would be if the unlearned models differed from the retrained ones in fewer ways.

Each way is taken away by itself, on every forget example: where the runs lie (their mean becomes that of the retrained
models), how much they spread (their standard deviation becomes that of the retrained models), how much accuracy they lose, and
which of them lie far from the others. What is left of the score when place and spread agree is lost by the shape of the
distributions. The gains do not add up: an attacker uses whichever difference is largest.

Where the score is averaged over original models, the runs of each are moved and stretched by themselves.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluation.metric import designs, measures
from evaluation.metric.comparison import Comparison, average, compare, compare_by_original
from evaluation.metric.designs import Floats, Groups
from evaluation.metric.outlying import outlying
from evaluation.metric.outputs import Outputs

Change = Callable[[Floats, Floats, Groups], Floats]


def what_if(unlearned: Outputs, retrained: Outputs, workers: int = 1) -> dict[str, float]:
    """Scores of unlearned models that differ from retrained ones in fewer ways.

    Args:
        unlearned: what was scored; retain and test accuracies are known.
        retrained: what it was compared with.
        workers: threads.

    Returns:
        By what is taken away: "place", "spread", "place and spread", "accuracy", and "outlying runs" where some are, with those
        that failed.

    Raises:
        ValueError: accuracies are not known.
    """
    averaged = measures.design_of(unlearned) == "averaged"

    def score(outputs: Outputs) -> float:
        found = _compare(outputs, retrained, averaged, workers).score
        if found is None:
            raise ValueError(measures.NO_ACCURACIES)
        return found

    changed = {
        "place": _changed(unlearned, retrained, averaged, _moved),
        "spread": _changed(unlearned, retrained, averaged, _stretched),
        "place and spread": _changed(unlearned, retrained, averaged, _moved, _stretched),
    }
    scores = {name: score(outputs) for name, outputs in changed.items()}
    scores["accuracy"] = _compare(unlearned, retrained, averaged, workers).forgetting_quality
    far = outlying(unlearned, retrained)
    if unlearned.failed or (far.any() and not far.all()):
        scores["outlying runs"] = score(_renumbered(unlearned.take(np.flatnonzero(~far))))
    return scores


def _compare(outputs: Outputs, retrained: Outputs, averaged: bool, workers: int) -> Comparison:
    """As `measures.scores` does it."""
    return average(compare_by_original(outputs, retrained, workers)) if averaged else compare(outputs, retrained, workers)


def _changed(unlearned: Outputs, retrained: Outputs, averaged: bool, *changes: Change) -> Outputs:
    """The same models with other confidences on forget examples."""
    confidences, groups = unlearned.confidences["forget"], np.zeros(unlearned.models, np.int64)
    if averaged and unlearned.originals is not None:
        groups = unlearned.originals
    for change in changes:
        confidences = change(confidences, retrained.confidences["forget"], groups)
    return replace(unlearned, confidences={**unlearned.confidences, "forget": confidences})


def _moved(confidences: Floats, retrained: Floats, groups: Groups) -> Floats:
    """Every group where the retrained models are."""
    found: Floats = confidences - designs.means(confidences, groups)[groups] + retrained.mean(axis=0)
    return found


def _stretched(confidences: Floats, retrained: Floats, groups: Groups) -> Floats:
    """Every group as wide as the retrained models; runs that agree stay as they are."""
    within, wanted = designs.variance_within(confidences, groups), retrained.var(axis=0, ddof=1)
    scale = np.sqrt(np.divide(wanted, within, out=np.ones_like(within), where=within > 0))
    centres = designs.means(confidences, groups)[groups]
    found: Floats = centres + (confidences - centres) * scale
    return found


def _renumbered(outputs: Outputs) -> Outputs:
    """Original models are numbered without a gap, as all runs from one may be gone."""
    if outputs.originals is None:
        return outputs
    return replace(outputs, originals=np.unique(outputs.originals, return_inverse=True)[1].astype(np.int64))
