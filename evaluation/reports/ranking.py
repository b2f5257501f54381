"""Which entries of a leaderboard may be compared, which is better, and which ranks each may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from evaluation.metric import differences
from evaluation.metric.measured import Measured
from evaluation.reports import ties
from evaluation.scoring import codec, pairs
from evaluation.scoring.scorecard import Scorecard
from starting_kit.errors import InputError, did_you_mean

GROUP = (
    "task",
    "task_version",
    "data",
    "forget",
    "network",
    "epochs",
    "metric_version",
    "models",
    "originals",
    "question",
    "seed",
)


@dataclass(frozen=True)
class Row:
    """An entry in its place.

    Attributes:
        card: its scorecard.
        rank: None above the cost limit.
        ranks: the best and the worst that it may have, since entries that do not differ significantly tie.
    """

    card: Scorecard
    rank: int | None
    ranks: Measured[tuple[int, int]]


def read_all(results: Path, task: str | None) -> list[Scorecard]:
    """All scorecards under a folder.

    Raises:
        InputError: there is none, or a file is not a scorecard.
    """
    paths = sorted(results.glob(f"{task or '*'}/*.json"))
    if not paths:
        raise InputError(f"There is no scorecard in {results / (task or '')}; make one with evaluation/score.py.")
    return [codec.read(path) for path in paths]


def rank(cards: Sequence[Scorecard]) -> list[list[Row]]:
    """Tables of entries that may be compared, best first; those above the cost limit come last and have no rank."""

    def group(card: Scorecard) -> list[tuple[bool, Any]]:  # None, of populations made elsewhere, has no order
        values = [getattr(card, field) for field in GROUP]
        return [(value is None, value) for value in values] + [(False, "" if card.trainer is UNSET else card.trainer)]

    def place(card: Scorecard) -> tuple[Any, ...]:
        score = card.score.value
        return card.is_above_limit, score is None, -(score or 0), card.entry

    return [_rows(sorted(cards_of_group, key=place)) for _, cards_of_group in groupby(sorted(cards, key=group), key=group)]


def _rows(cards: Sequence[Scorecard]) -> list[Row]:
    """A table of entries in their order; only those that are ranked are compared."""
    ranked = [card for card in cards if not card.is_above_limit]
    compared = compare_all(ranked)
    rows = [Row(card, i + 1, _ranks(card, compared, i)) for i, card in enumerate(ranked)]
    return rows + [Row(card, None, Measured(reason="unranked")) for card in cards[len(ranked) :]]


def _ranks(card: Scorecard, compared: ties.Pairs, entry: int) -> Measured[tuple[int, int]]:
    if card.score_deviations.value is None:
        return Measured(reason=card.score_deviations.reason or "no interval")
    if len(compared.scores) > 1 and not compared.is_compared(entry):
        return Measured(reason="compared with other retrained models than the rest")
    return Measured(compared.ranks(entry))


def compare_all(cards: Sequence[Scorecard]) -> ties.Pairs:
    """All pairs of some entries."""
    return compared(cards, pairs.standard_errors(cards))


def compared(cards: Sequence[Scorecard], errors: NDArray[np.float64]) -> ties.Pairs:
    """The same, where the standard errors of all differences are known, [cards, cards]."""
    scores = np.array([card.score.value or 0.0 for card in cards])
    normal = differences.p_values(scores[:, None] - scores, errors)
    p_values = ties.of_student(normal, pairs.independent_units(cards[0])) if cards else normal
    np.fill_diagonal(p_values, np.nan)
    return ties.Pairs(scores, p_values)


def smallest_differences(cards: Sequence[Scorecard]) -> list[tuple[float, float]]:
    """The smallest difference that can be told between neighbours, and its share of their mean score, pair by pair.

    The share is what holds for a table: standard errors grow with the score, and scores of one table differ by orders of
    magnitude. Pairs that cannot be compared, and those of two zeros, have none.
    """
    found = []
    for one, other in pairwise(cards):
        test, total = pairs.difference(one, other), (one.score.value or 0) + (other.score.value or 0)
        if test and total:
            smallest = ties.smallest_difference(test[0])
            found.append((smallest, 2 * smallest / total))
    return found


def find(cards: Sequence[Scorecard], name: str) -> Scorecard:
    """The entry of a name, which is that of its file.

    Raises:
        InputError: there is none, or several tasks have one.
    """
    found = [card for card in cards if card.entry == name]
    if not found:
        raise InputError(f"There is no entry {name!r}.{did_you_mean(name, [card.entry for card in cards])}")
    if len(found) > 1:
        raise InputError(f"{name!r} is an entry of {', '.join(card.task for card in found)}; choose with --task.")
    return found[0]
