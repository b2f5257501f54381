"""Scorecards against each other: the differences of their scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import designs, differences, intervals
from evaluation.scoring.scorecard import Scorecard

Floats = NDArray[np.float64]


def difference(first: Scorecard, second: Scorecard) -> tuple[intervals.Interval, float] | None:
    """Interval and p-value of the difference of two scores; None where they have no intervals or other retrained models."""
    if first.retrained_population != second.retrained_population:
        return None
    if first.score_deviations.value is None or second.score_deviations.value is None:
        return None
    assert first.score.value is not None and second.score.value is not None, "deviations are those of a score"
    return differences.difference(
        first.score.value,
        np.array(first.score_deviations.value),
        second.score.value,
        np.array(second.score_deviations.value),
        _by_original(first, second),
    )


def standard_errors(cards: Sequence[Scorecard]) -> Floats:
    """Those of the differences of all pairs, as `difference` has them, [cards, cards]; NaN where it has none.

    All at once, because a table of 200 entries has 19,900 pairs.
    """
    errors = np.full((len(cards), len(cards)), np.nan)
    for members in _comparable(cards):
        some = [cards[member] for member in members]
        scores = np.array([card.score.value for card in some])
        deviations = scores[:, None, None] * np.array([card.score_deviations.value for card in some])
        averaged = _scores_by_original(some[0]) is not None
        by_original = np.array([_scores_by_original(card) for card in some]) if averaged else None
        for i, first in enumerate(members):
            of_each = None if by_original is None else by_original[i] - by_original
            errors[first, members] = differences.standard_errors(deviations[i] - deviations, of_each)
    return errors


def _comparable(cards: Sequence[Scorecard]) -> list[list[int]]:
    """Numbers of the cards that can be compared with each other, group by group."""
    groups: dict[tuple[str, int | None], list[int]] = {}
    for number, card in enumerate(cards):
        if card.score_deviations.value is not None:
            scores = _scores_by_original(card)
            groups.setdefault((card.retrained_population, None if scores is None else len(scores)), []).append(number)
    return list(groups.values())


def independent_units(card: Scorecard) -> int:
    """How many units the resampling of an entry has: original models where these stand for others, else models."""
    originals = card.originals or 0
    return originals if originals >= designs.FEWEST_ORIGINALS and card.question in ("averaged", "pooled") else card.models


def _by_original(first: Scorecard, second: Scorecard) -> tuple[list[float], list[float]] | None:
    """Both scores of each original model, where these are enough to stand for others."""
    scores = _scores_by_original(first), _scores_by_original(second)
    return None if scores[0] is None or scores[1] is None else (scores[0], scores[1])


def _scores_by_original(card: Scorecard) -> list[float] | None:
    """The score of each original model, where these are enough to stand for others."""
    if not card.by_original or (card.originals or 0) < designs.FEWEST_ORIGINALS:
        return None
    return card.by_original.score.value
