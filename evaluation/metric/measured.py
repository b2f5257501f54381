"""What is measured, as types: they load without the compiler and scipy, which measuring needs."""

from typing import Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

T = TypeVar("T")

Interval = tuple[float, float]


class Measured(Struct, Generic[T], frozen=True):
    """What was measured, or why it could not be.

    >>> Measured(0.5), Measured(reason="original models are not known").value
    (Measured(value=0.5, reason=None), None)

    Attributes:
        value: None where there is none.
        reason: why there is none, in one clause.
    """

    value: T | None = None
    reason: str | None = None


class Means(Struct, frozen=True):
    """Means over the unlearned and over the retrained models."""

    unlearned: float
    retrained: float


class ExampleEpsilon(Struct, frozen=True):
    """The ε of a forget example, by its id."""

    example: int
    epsilon: float


class Scores(Struct, frozen=True, kw_only=True):
    """Score and ε with what they are made of; fields are those of the scorecard."""

    different_models: int | UnsetType = UNSET
    different_retrained_models: int | UnsetType = UNSET
    outlying_models: int | UnsetType = UNSET
    outlying_retrained_models: int | UnsetType = UNSET
    score: Measured[float]
    relative: Measured[float]
    ceiling: Measured[float]
    ceiling_models: int
    floor: Measured[float]
    forgetting_quality: float
    retain_ratio: Measured[float]
    test_ratio: Measured[float]
    retain_accuracy: Measured[Means]
    test_accuracy: Measured[Means]
    forget_accuracy: Measured[Means]
    retain_age_error: Means | UnsetType = UNSET
    forget_age_error: Means | UnsetType = UNSET
    validation_age_error: Means | UnsetType = UNSET
    test_age_error: Means | UnsetType = UNSET
    epsilons: list[ExampleEpsilon]


class Intervals(Struct, frozen=True, kw_only=True):
    """95 % intervals, and the deviations of the score with which others compare themselves; fields of the scorecard."""

    score_interval: Measured[Interval]
    forgetting_interval: Measured[Interval]
    retain_ratio_interval: Measured[Interval]
    test_ratio_interval: Measured[Interval]
    score_deviations: Measured[list[list[float]]]
