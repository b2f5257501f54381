"""The scorecard: the result of scoring one solution on one task, as everything else reads it. `codec` knows its file."""

from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from evaluation.metric.measured import (
    ByOriginal,
    Design,
    ExampleEpsilon,
    Interval,
    Means,
    Measured,
    Memorisation,
    Nearness,
    OutlyingRuns,
    Pooled,
)

METRIC_VERSION = 1
ELSEWHERE = "the populations were made elsewhere"
DEFAULT_MODELS = 512
COST_LIMIT = 0.20  # of the time of a retraining: the competition's rule
NARROW, WIDE = 0.5, 2.0  # ratios of spreads; between them an attacker gains little by the spread alone
# What two runs of the same thing need not agree in.
EXEMPT = (
    "cost",
    "cost_interval",
    "cost_interval_reason",
    "cost_turns",
    "within_limit",
    "within_limit_reason",
    "seconds",
    "environment",
)


class FailedRuns(Struct, frozen=True):
    """Runs of the solution that gave no model: in the score they are models that are told from retrained ones with certainty.

    Attributes:
        models: their numbers.
        reasons: of the first, without repetitions.
    """

    models: list[int]
    reasons: list[str]


class EngineUsed(Struct, frozen=True):
    """How the solution ran, and why so."""

    unlearning: Literal["lockstep", "single"]
    models_at_once: int
    reason: str


class Hyperparameters(Struct, frozen=True):
    """Values in use, and where they come from.

    Attributes:
        source: published with the solution, its author's defaults, fitted to the task, carried over to it, or some set by the
            user.
        values: by name.
        set: names of those that the user has set; unset where there are none.
        others: where the others come from; unset where the user has set none.
        loader_batch_size: of the loaders that the solution got; unset for the task's.
    """

    source: Literal["published", "author", "tuned", "transferred", "set"]
    values: dict[str, Any]
    set: list[str] | UnsetType = UNSET
    others: Literal["published", "author", "tuned", "transferred"] | UnsetType = UNSET
    loader_batch_size: int | UnsetType = UNSET

    @property
    def origin(self) -> str | None:
        """Where those come from that the user has not set; None where that is not known."""
        source = self.others if self.source == "set" else self.source
        return None if source is UNSET else source


class Opinion(Struct, frozen=True):
    """What one attack says of the unlearned models, and of a second retrained population.

    Attributes:
        better: which values are good.
        unlearned, retrained: named numbers; None where one or all cannot be computed.
        retrained_models: of how many models the latter are.
        false_alarms: share of its tests at the 5 % level that call the second retrained population different; unset for an
            opinion that tests nothing.
        reason: why something is None.
    """

    better: str
    unlearned: dict[str, float | None] | None
    retrained: dict[str, float | None] | None
    retrained_models: int
    false_alarms: float | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class Estimate(Struct, frozen=True):
    """A mean over models with its 95 % interval."""

    mean: float
    interval: Interval


class PerPopulation(Struct, frozen=True):
    """Numbers of the unlearned and of the retrained models."""

    unlearned: int | list[int]
    retrained: int | list[int]


class AnamnesisIndex(Struct, frozen=True):
    """The Anamnesis Index and what it comes from (`anamnesis`).

    Attributes:
        value: the index.
        interval: of 95 %.
        relearn_batches: of each model.
        capped: how many models had not learned the class again after so many.
        accuracy_to_reach: on the forgotten class.
    """

    value: float
    interval: Measured[Interval]
    relearn_batches: PerPopulation
    capped: PerPopulation
    accuracy_to_reach: float


class ClassForgetting(Struct, frozen=True):
    """Measures of the forgetting of a class, by population (`class_forgetting`)."""

    forgotten: int = field(name="class")
    retain_classes_accuracy: Measured[dict[str, Estimate]]
    forget_class_accuracy: Measured[dict[str, Estimate]]
    membership_inference: Measured[dict[str, Estimate]]
    forget_distance: Measured[dict[str, Estimate]]
    retain_classes_distance: Measured[dict[str, Estimate]]
    anamnesis_index: Measured[AnamnesisIndex]


class Environment(Struct, frozen=True):
    """What a score was made with.

    Attributes:
        instruction_set: which of the CPU's instructions the workers compute with; unset where that is not known.
        sandbox: what confined the workers that ran the solution, or "none" with a reason; unset where that is not known.
    """

    python: str
    torch: str
    numpy: str
    platform: str
    device: str
    workers: int
    git_commit: Measured[str]
    instruction_set: str | UnsetType = UNSET
    sandbox: str | UnsetType = UNSET


class Scorecard(Struct, frozen=True, kw_only=True):
    """The result of scoring one solution on one task.

    A field is None where populations were made elsewhere, so that it is not known, and unset where it does not apply.
    docs/scorecard.md says what each field means. The first four say that models are the same or have failed, before anything
    that is said of so many models.

    Attributes:
        path: the file that it was written to or read from, None without one; not part of the file.
    """

    different_models: int | UnsetType = UNSET
    different_retrained_models: int | UnsetType = UNSET
    failed_runs: FailedRuns | UnsetType = UNSET
    outlying_runs: OutlyingRuns | UnsetType = UNSET
    solution: str
    task: str
    task_version: int | None = None
    metric_version: int = METRIC_VERSION
    models: int
    retrained_models: int | UnsetType = UNSET
    seed: int | None = None
    originals: int | None = None
    forget: str | None = None
    network: str | None = None
    epochs: int | None = None
    trainer: str | UnsetType = UNSET
    engine: EngineUsed | None = None
    data_free: bool | UnsetType | None = UNSET
    hyperparameters: Hyperparameters | None = None
    notes: list[str] | UnsetType = UNSET
    data: str | None = None
    retrained_population: str
    design: Design | UnsetType = UNSET
    score: Measured[float]
    relative: Measured[float]
    pooled: Pooled | UnsetType = UNSET
    by_original: ByOriginal | UnsetType = UNSET
    ceiling: Measured[float]
    ceiling_models: int
    originals_score: Measured[float]
    originals_relative: Measured[float] | UnsetType = UNSET
    originals_models: int | UnsetType = UNSET
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
    nearness: Measured[Nearness] | UnsetType = UNSET
    memorisation: Measured[Memorisation] | UnsetType = UNSET
    epsilons: list[ExampleEpsilon]
    score_interval: Measured[Interval]
    relative_interval: Measured[Interval] | UnsetType = UNSET
    forgetting_interval: Measured[Interval]
    retain_ratio_interval: Measured[Interval]
    test_ratio_interval: Measured[Interval]
    score_deviations: Measured[list[list[float]]]
    pooled_interval: Measured[Interval] | UnsetType = UNSET
    attacks: dict[str, Opinion]
    class_forgetting: Measured[ClassForgetting] | UnsetType = UNSET
    cost: float | None = None
    cost_interval: Measured[Interval] | UnsetType = UNSET
    cost_turns: int | UnsetType = UNSET
    within_limit: Measured[bool] = Measured(reason=ELSEWHERE)
    operations: Measured[float] | UnsetType = UNSET
    seconds: dict[str, float]
    environment: Environment
    path: Path | None = None

    @property
    def entry(self) -> str:
        """What a leaderboard calls it: the name of its file."""
        return self.solution if self.path is None else self.path.stem

    @property
    def has_equal_models(self) -> bool:
        """Whether some of its models, unlearned or retrained, are one and the same."""
        return self.different_models is not UNSET or self.different_retrained_models is not UNSET

    @property
    def has_failed_runs(self) -> bool:
        """Whether some runs gave no model."""
        return self.failed_runs is not UNSET

    @property
    def question(self) -> Design | None:
        """Its design, which scorecards had no field for when all runs were one population; None where that is not known."""
        if self.design is not UNSET:
            return self.design
        return None if self.originals is None else "one original" if self.originals == 1 else "pooled"

    @property
    def accuracy_kept(self) -> float | None:
        """The product of the retain and the test ratio."""
        ratios = self.retain_ratio.value, self.test_ratio.value
        return None if ratios[0] is None or ratios[1] is None else ratios[0] * ratios[1]

    @property
    def is_above_limit(self) -> bool:
        """Whether it costs more than the limit, and so is not ranked."""
        return self.within_limit.value is False

    @property
    def is_undecided(self) -> bool:
        """Whether its cost is so near the limit that the interval contains it: it is ranked, with a mark."""
        return self.cost is not None and self.within_limit.value is None
