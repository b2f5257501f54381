"""What is measured, as types: they load without the compiler and scipy, which measuring needs."""

from typing import Generic, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType

T = TypeVar("T")

Interval = tuple[float, float]
Design = Literal["one original", "averaged", "pooled"]

LEVEL = 0.05  # of the tests and bounds of second opinions


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
    """The ε of a forget example, by its id, and how memorised it was (`memorisation`); unset where that is not known."""

    example: int
    epsilon: float
    memorisation: float | UnsetType = UNSET


class Memorisation(Struct, frozen=True):
    """What there was to forget.

    Attributes:
        median: of D over forget examples, in standard deviations.
        thirds: medians of D of the least, middle and most memorised third.
        forgetting_quality: F of the unlearned models within each.
        originals_quality: F of the originals within each, which have forgotten nothing.
    """

    median: float
    thirds: list[float]
    forgetting_quality: list[float]
    originals_quality: list[float]


class Nearness(Struct, frozen=True):
    """Whether the unlearned models are nearer to the retrained models (position 0) or to the originals (1); see `nearness`."""

    position: float
    interval: Interval
    off_axis: float
    nearer_to: Literal["retrained", "originals", "neither", "undecided"]


class OutlyingRuns(Struct, frozen=True):
    """How many models lie far from the others of their population: unlearned ones, and retrained ones by the same rule."""

    unlearned: int
    retrained: int


class Controls(Struct, frozen=True, kw_only=True):
    """What must be looked at before the score is believed; fields of the scorecard."""

    outlying_runs: OutlyingRuns
    nearness: Measured[Nearness]


class Pooled(Struct, frozen=True):
    """All runs as one population, whichever original model they come from.

    Attributes:
        score, relative, forgetting_quality: as on the scorecard.
    """

    score: Measured[float]
    relative: Measured[float]
    forgetting_quality: float


class ByOriginal(Struct, frozen=True):
    """What the runs from each original model come to.

    Attributes:
        share_of_variance: of the confidences' variance, how much is between original models; the median forget example.
        forgetting_quality: of each original model.
        score: of each original model.
    """

    share_of_variance: float
    forgetting_quality: list[float]
    score: Measured[list[float]]


class Scores(Struct, frozen=True, kw_only=True):
    """Score and ε with what they are made of; fields are those of the scorecard."""

    different_models: int | UnsetType = UNSET
    different_retrained_models: int | UnsetType = UNSET
    retrained_population: str
    design: Design | UnsetType = UNSET
    score: Measured[float]
    relative: Measured[float]
    pooled: Pooled | UnsetType = UNSET
    by_original: ByOriginal | UnsetType = UNSET
    ceiling: Measured[float]
    ceiling_models: int
    originals_score: Measured[float]
    originals_relative: Measured[float]
    originals_models: int | UnsetType = UNSET
    memorisation: Measured[Memorisation]
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
    relative_interval: Measured[Interval] | UnsetType = UNSET
    forgetting_interval: Measured[Interval]
    retain_ratio_interval: Measured[Interval]
    test_ratio_interval: Measured[Interval]
    score_deviations: Measured[list[list[float]]]
    pooled_interval: Measured[Interval] | UnsetType = UNSET
