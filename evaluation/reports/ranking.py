"""Which entries of a leaderboard may be compared, which is better, and whether the difference is real."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET

from evaluation.metric import intervals
from evaluation.reports.formats import equal_models, interval
from evaluation.scoring import codec
from evaluation.scoring.scorecard import Scorecard
from starting_kit.errors import InputError, did_you_mean

GROUP = ("task", "task_version", "data", "forget", "network", "epochs", "metric_version", "models", "originals", "seed")
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Row:
    """An entry in its place.

    Attributes:
        card: its scorecard.
        rank: None above the cost limit.
        differs_from_above: whether its score differs significantly from that of the entry above.
    """

    card: Scorecard
    rank: int | None
    differs_from_above: bool


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

    tables = []
    for _, cards_of_group in groupby(sorted(cards, key=group), key=group):
        rows: list[Row] = []
        for i, card in enumerate(sorted(cards_of_group, key=place)):
            above = rows[-1].card if rows and rows[-1].card.is_above_limit == card.is_above_limit else None
            test = difference(above, card) if above else None
            differs = test is not None and test[1] < SIGNIFICANT
            rows.append(Row(card, None if card.is_above_limit else i + 1, differs))
        tables.append(rows)
    return tables


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
    )


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


def compare(first: Scorecard, second: Scorecard) -> str:
    """Whether two entries differ, for people.

    Raises:
        InputError: they cannot be compared.
    """
    names = f"{first.entry} and {second.entry}"
    if others := [field for field in GROUP if getattr(first, field) != getattr(second, field)]:
        values = " and ".join(str(getattr(card, others[0])) for card in (first, second))
        raise InputError(f"{names} cannot be compared: {others[0]} is {values}.")
    if first.retrained_population != second.retrained_population:
        raise InputError(f"{names} were compared with different retrained models; score both again.")
    test = difference(first, second)
    scores = first.score.value, second.score.value
    if test is None or scores[0] is None or scores[1] is None:
        without = first if first.score_deviations.value is None else second
        reason = without.score_deviations.reason
        again = "; score it again without it" if reason == "--no-intervals" else ""
        raise InputError(f"{names} cannot be compared: {without.entry} has no interval ({reason}){again}.")
    (low, high), p_value = test
    lines = [
        f"{card.entry}: {score:.6f}, 95 % interval {interval(card.score_interval)}"
        for card, score in zip((first, second), scores, strict=True)
    ]
    verdict = "they differ" if p_value < SIGNIFICANT else "no difference has been shown"
    change = f"difference: {scores[0] - scores[1]:+.6f}, 95 % interval {low:+.6f} to {high:+.6f}, p = {p_value:.2g}"
    warnings = [f"{card.entry}: {sentence}" for card in (first, second) for sentence in equal_models(card)]
    return "\n".join([*warnings, *lines, f"{change}: {verdict}"])
