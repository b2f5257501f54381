"""Which entries tie: all pairs of a table compared, with the share of differences that are chance kept at 5 %.

Of 49 entries 1,176 pairs can be made, of which 5 % would differ by chance alone if each were tried by itself. So the p-values
are adjusted (Benjamini and Hochberg): of the differences that are shown, at most 5 % are expected to be none, and if all
entries are equal, a table shows any in at most one case of twenty.

Sources: Benjamini and Hochberg, Controlling the false discovery rate (J. R. Statist. Soc. B 57, 1995), section 3, for the
adjustment; Williams, Jones and Tukey, Controlling error in multiple comparisons (J. Educ. Behav. Statist. 24, 1999), for its
use on all pairs of a table; Piepho, An algorithm for a letter-based representation of all-pairwise comparisons (J. Comput.
Graph. Statist. 13, 2004), for the groups.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from evaluation.metric.intervals import QUANTILE, Interval, degrees_of_freedom

Floats = NDArray[np.float64]

SIGNIFICANT = 0.05
POWER = 0.80


def of_student(p_value: float | Floats, models: int) -> Floats:
    """Normal p-values as those of Student's t, for the far tails that many pairs reach into.

    A standard error of a few subsamples of a few models varies, which hardly matters at 0.05 and much at 0.05 / 1,176.

    Args:
        p_value: two-sided; one or many.
        models: in each population.

    Returns:
        As many.
    """
    found: Floats = 2 * stdtr(degrees_of_freedom(models), ndtri(np.asarray(p_value) / 2))
    return found


def adjusted(p_values: Floats) -> Floats:
    """P-values adjusted by Benjamini and Hochberg: those below 0.05 are the differences of which 5 % may be chance, [pairs]."""
    order = np.argsort(p_values)
    raised = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    result = np.empty_like(p_values)
    result[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1)
    return result


@dataclass(frozen=True)
class Pairs:
    """All pairs of some entries.

    Attributes:
        scores: of the entries, [entries].
        p_values: of their differences, not adjusted, [entries, entries], symmetric; NaN for pairs that cannot be compared.
    """

    scores: Floats
    p_values: Floats

    @cached_property
    def adjusted(self) -> Floats:
        """The p-values adjusted for all pairs that can be compared."""
        result = np.full_like(self.p_values, np.nan)
        tested = np.triu(~np.isnan(self.p_values), 1)
        result[tested] = adjusted(self.p_values[tested])
        return np.fmax(result, result.T)

    @property
    def differ(self) -> NDArray[np.bool_]:
        """Which pairs differ, [entries, entries]."""
        return self.adjusted < SIGNIFICANT

    def ranks(self, entry: int) -> tuple[int, int]:
        """The best and the worst rank that an entry may have: every other that does not differ may stand above or below it."""
        others = self.scores[self.differ[entry]]
        better = int(np.sum(others > self.scores[entry]))
        return 1 + better, len(self.scores) - (len(others) - better)

    def is_compared(self, entry: int) -> bool:
        """Whether there is another that an entry can be compared with."""
        return bool((~np.isnan(np.delete(self.p_values[entry], entry))).any())

    def groups(self) -> list[list[int]]:
        """The largest groups of entries of which no two differ; an entry may be in several."""
        found = [set(range(len(self.scores)))]
        for one, other in np.argwhere(np.triu(self.differ)).tolist():
            cut = [group - {entry} for group in found if {one, other} <= group for entry in (one, other)]
            whole = [group for group in found if not {one, other} <= group]
            found = whole + [part for part in cut if not any(part <= group for group in whole)]
        return sorted(sorted(group) for group in found)


def smallest_difference(interval: Interval) -> float:
    """How far two scores must lie apart to differ at p < 0.05 in four cases of five: 2.8 standard errors of their difference.

    Args:
        interval: of the difference, 95 %.
    """
    low, high = interval
    return float((high - low) / 2 * (1 + ndtri(POWER) / QUANTILE))
