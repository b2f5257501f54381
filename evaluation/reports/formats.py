"""Numbers for people."""

import math

from evaluation.metric.measured import Interval, Measured


def known(value: float | Measured[float] | None) -> float | None:
    """The number itself, None where there is none."""
    return value.value if isinstance(value, Measured) else value


def percent(value: float | Measured[float] | None) -> str:
    """A share."""
    number = known(value)
    return "-" if number is None else f"{number:.1%}"


def number(value: float | Measured[float] | None) -> str:
    """A score."""
    found = known(value)
    return "-" if found is None else f"{found:.4f}"


def interval(bounds: Measured[Interval]) -> str:
    """An interval, in as many digits as tell its ends apart."""
    if bounds.value is None:
        return "-"
    low, high = bounds.value
    digits = 4 if high == low else min(max(1 - math.floor(math.log10(high - low)), 2), 5)
    return f"{low:.{digits}f}–{high:.{digits}f}"
