"""Two scorecards against each other: the difference of their scores."""

import numpy as np

from evaluation.metric import designs, intervals
from evaluation.scoring.scorecard import Scorecard


def difference(first: Scorecard, second: Scorecard) -> tuple[intervals.Interval, float] | None:
    """Interval and p-value of the difference of two scores; None where they have no intervals or other retrained models."""
    if first.retrained_population != second.retrained_population:
        return None
    if first.score_deviations.value is None or second.score_deviations.value is None:
        return None
    assert first.score.value is not None and second.score.value is not None, "deviations are those of a score"
    return intervals.difference(
        first.score.value,
        np.array(first.score_deviations.value),
        second.score.value,
        np.array(second.score_deviations.value),
        _by_original(first, second),
    )


def independent_units(card: Scorecard) -> int:
    """How many units the resampling of an entry has: original models where these stand for others, else models."""
    originals = card.originals or 0
    return originals if originals >= designs.FEWEST_ORIGINALS and card.question in ("averaged", "pooled") else card.models


def _by_original(first: Scorecard, second: Scorecard) -> tuple[list[float], list[float]] | None:
    """Both scores of each original model, where these are enough to stand for others."""
    if not (first.by_original and second.by_original) or (first.originals or 0) < designs.FEWEST_ORIGINALS:
        return None
    scores = first.by_original.score.value, second.by_original.score.value
    return None if scores[0] is None or scores[1] is None else (scores[0], scores[1])
