"""Seconds of unlearnings and of retrainings, as scoring times them."""

import time

from evaluation.checking.subject import Subject
from evaluation.populations import timing

TIMED = 3  # of each


def unlearning(subject: Subject, seconds: float) -> list[float]:
    """Of some unlearnings, one after another, as many as begin within a time.

    Raises:
        DataWithheldError: the solution reads data that it is not given.
        SolutionError: it raised.
    """
    unlearned, start = subject.unlearned(), time.monotonic()
    timed: list[float] = []
    while len(timed) < TIMED and (not timed or time.monotonic() - start < seconds):
        timed.append(max(1e-9, timing.time_unlearning(unlearned, len(timed))))
    return timed


def retraining(subject: Subject) -> list[float]:
    """Of some retrainings, or of parts of them."""
    retrained = subject.population("retrained")
    return [timing.time_retraining(retrained, model) for model in range(TIMED)]
