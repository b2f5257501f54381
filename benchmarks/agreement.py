"""How well scores agree with the competition's: rank correlations, pairs by their gap, and what its own noise leaves of both.

Entries of one team are variants of one idea, so intervals resample teams, each with all its entries.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 1000
NOISE = (0.005, 0.0065)  # standard deviation of a score between submissions of the same code, between these
GAPS = (0.0, 0.003, 0.006, 0.012, 0.02, 0.03, 0.05)  # in points of the competition's score
CLEAR_GAP = 0.012  # twice the noise: what is nearer may have been turned round by it
Statistic = Callable[[Any, Any], float]


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation; not a number where one side is constant."""
    return float(stats.spearmanr(first, second).statistic) if np.ptp(first) and np.ptp(second) else float("nan")


def kendall(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation by pairs, ties accounted for (τ-b); not a number where one side is constant."""
    return float(stats.kendalltau(first, second).statistic) if np.ptp(first) and np.ptp(second) else float("nan")


CORRELATIONS: dict[str, Statistic] = {"Spearman's ρ": spearman, "Kendall's τ": kendall}


@dataclass(frozen=True)
class Scores:
    """The same entries, scored twice.

    Attributes:
        theirs: in the competition, [entries].
        ours: on the task, [entries].
        teams: whose entries they are, [entries].
    """

    theirs: NDArray[np.float64]
    ours: NDArray[np.float64]
    teams: NDArray[Any]

    def part(self, which: NDArray[Any]) -> "Scores":
        """Some of the entries, by a mask or by numbers."""
        return Scores(self.theirs[which], self.ours[which], self.teams[which])

    def resampled(self) -> Iterator["Scores"]:
        """The entries of teams that are drawn with replacement, as many as there are."""
        rng = np.random.default_rng(0)
        names = np.unique(self.teams)
        of_team = {name: np.flatnonzero(self.teams == name) for name in names}
        for _ in range(RESAMPLES):
            yield self.part(np.concatenate([of_team[name] for name in rng.choice(names, len(names))]))


def between(statistic: Statistic, scores: Scores) -> float:
    """A correlation between the scores there and here."""
    return statistic(scores.theirs, scores.ours)


def with_interval(statistic: Callable[[Scores], float], scores: Scores) -> tuple[float, float, float]:
    """A statistic with its 95 % interval over other teams; draws for which there is none do not count.

    The interval is not a number where fewer than three teams are there.
    """
    if len(np.unique(scores.teams)) < 3:
        return statistic(scores), np.nan, np.nan
    found = [statistic(other) for other in scores.resampled()]
    low, high = np.nanquantile(found, (0.025, 0.975))
    return statistic(scores), float(low), float(high)


def pairs(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of all pairs of entries: the gap in the competition, and 1 if the task has them in the same order, 0.5 for a tie, else 0.

    Pairs without a gap are left out.
    """
    first, second = np.triu_indices(len(scores.theirs), 1)
    gaps = scores.theirs[first] - scores.theirs[second]
    agreement = np.sign(gaps) * np.sign(scores.ours[first] - scores.ours[second])
    return np.abs(gaps)[gaps != 0], (agreement[gaps != 0] + 1) / 2


def share_right(scores: Scores, gap: float) -> float:
    """The share of pairs in the right order, of those with at least a gap; not a number without any."""
    gaps, right = pairs(scores)
    return float(right[gaps >= gap].mean()) if (gaps >= gap).any() else float("nan")


def smallest_gap(scores: Scores, share: float) -> float | None:
    """The smallest gap from which on a share of pairs is in the right order; None where there is none."""
    gaps, right = pairs(scores)
    order = np.argsort(gaps)
    shares = right[order][::-1].cumsum()[::-1] / np.arange(len(order), 0, -1)  # of the pairs with this gap or a larger one
    # Where the shares fall again beyond a gap, pairs that far apart cannot be relied on.
    reliable = np.logical_and.accumulate((shares >= share)[::-1])[::-1]
    return float(gaps[order][reliable][0]) if reliable.any() else None


def of_perfect_evaluator(theirs: NDArray[np.float64], statistic: Statistic, noise: float) -> float:
    """What a statistic has on average between scores and the same scores with the competition's noise.

    An evaluator that knew the expected scores of the competition would not reach more. The known scores stand for the expected
    ones, although their own noise sets them farther apart; so this is a little too high.
    """
    rng = np.random.default_rng(0)
    return float(np.mean([statistic(theirs + noise * rng.standard_normal(len(theirs)), theirs) for _ in range(RESAMPLES)]))


def residuals(scores: Scores, methods: Sequence[str]) -> dict[str, tuple[int, float]]:
    """For each method the number of its entries, and how many ranks lower the task has them on average, the lowest first."""
    lower = stats.rankdata(-scores.ours) - stats.rankdata(-scores.theirs)
    of_method = {name: lower[np.array(methods) == name] for name in dict.fromkeys(methods)}
    found = {name: (len(values), float(values.mean())) for name, values in of_method.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def report(scores: Scores, nine: NDArray[np.bool_], methods: Sequence[str]) -> Iterator[str]:
    """The lines of a report.

    Args:
        scores: of all entries.
        nine: which of them are the nine that are as far apart as noise allows: winners, a part of one, fine-tuning, ascent.
        methods: of the entries.
    """
    for what, part in (("all", scores), ("the nine", scores.part(nine))):
        if len(part.theirs) < 3:
            continue
        for name, statistic in CORRELATIONS.items():
            value, low, high = with_interval(partial(between, statistic), part)
            best = sorted(of_perfect_evaluator(part.theirs, statistic, noise) for noise in NOISE)
            yield (
                f"{name}, {what} ({len(part.theirs)}): {value:.2f}, 95 % interval {low:.2f} to {high:.2f}; "
                f"a perfect evaluator would have {best[0]:.2f} to {best[1]:.2f}"
            )
    yield "\n| gap in the competition, at least | pairs | in the right order | 95 % interval |\n|---|---|---|---|"
    gaps, _ = pairs(scores)
    for gap in GAPS:
        value, low, high = with_interval(partial(share_right, gap=gap), scores)
        yield f"| {gap:.3f} | {(gaps >= gap).sum()} | {value:.0%} | {low:.0%} to {high:.0%} |"
    for share in (0.8, 0.95):
        found = smallest_gap(scores, share)
        where = f"from a gap of {found:.4f} on" if found is not None else "at no gap"
        yield f"\n{share:.0%} of pairs are in the right order {where}."
    yield "\n| method | entries | ranks lower here, on average |\n|---|---|---|"
    for method, (entries, lower) in residuals(scores, methods).items():
        yield f"| {method} | {entries} | {lower:+.1f} |"
