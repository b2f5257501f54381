"""Two scores compared again and again while models are added, until the comparison is clear.

Whoever looks often enough finds a difference where there is none. So the 5 % of error that a comparison may have are shared
out among the looks that are planned (alpha spending), in proportion to the number of models: with 64, 128, 256 and 512 they
are 0.33, 0.67, 1.33 and 2.67 %. Each look has an interval of the difference that misses with its share. By Bonferroni's
inequality all of them hold together in 95 % of cases, whatever the looks have in common. Boundaries that are tighter (Pocock;
O'Brien and Fleming) need looks that are sums of independent increments, and a score with 128 models is none: its expectation
depends on N.

A look is clear if its interval leaves out 0, or lies within a margin that is the smallest difference that matters. Early looks
get little, as they must be judged by few models, whose standard errors are the least certain: the factor of a standard error is
that of Student's t. benchmarks/sequential.py measures how often verdicts are wrong; docs/statistics.md has the results.

Sources: Lan and DeMets, Discrete sequential boundaries for clinical trials (Biometrika 70, 1983), for sharing out the error;
Schuirmann, A comparison of the two one-sided tests procedure and the power approach (J. Pharmacokinet. Biopharm. 15, 1987), for
margins: here with the whole share on either side, which is the more cautious.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from evaluation.metric.intervals import CONFIDENCE, QUANTILE, Interval, degrees_of_freedom

Verdict = Literal["first is better", "second is better", "no difference that matters"]


@dataclass(frozen=True)
class Look:
    """What is known of two scores with so many models.

    Attributes:
        models: N.
        scores: of the first and the second solution.
        interval: of the first score less the second, missing with a chance of `share`.
        share: of the error.
        margin: the smallest difference that matters.
    """

    models: int
    scores: tuple[float, float]
    interval: Interval
    share: float
    margin: float

    @property
    def verdict(self) -> Verdict | None:
        """What is clear; None if nothing is."""
        low, high = self.interval
        if low > 0:
            return "first is better"
        if high < 0:
            return "second is better"
        return "no difference that matters" if max(-low, high) <= self.margin else None


def shares(models: Sequence[int]) -> list[float]:
    """The error that each of the planned looks may have; together 5 %.

    >>> [round(share, 4) for share in shares([64, 128, 256, 512])]
    [0.0033, 0.0067, 0.0133, 0.0267]

    Args:
        models: of each look.
    """
    return [(1 - CONFIDENCE) * number / sum(models) for number in models]


def at_share(interval: Interval, units: int, share: float) -> Interval:
    """A 95 % interval of a difference (`differences.difference`) as one that misses with a chance of `share`.

    Args:
        interval: symmetric.
        units: that were resampled, models or original models.
        share: in (0, 1).
    """
    low, high = interval
    middle, error = (low + high) / 2, (high - low) / 2 / QUANTILE
    half = error * float(stdtrit(degrees_of_freedom(units), 1 - share / 2))
    return middle - half, middle + half
