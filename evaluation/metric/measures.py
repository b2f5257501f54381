"""What is measured on populations: the numbers of a scorecard that follow from the outputs alone, whoever made them."""

from dataclasses import dataclass

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from evaluation.metric import intervals
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.measured import ExampleEpsilon, Interval, Intervals, Means, Measured, Scores, T
from evaluation.metric.outputs import Outputs
from evaluation.metric.utility import accuracy_ratio, score

DEVIATION_DIGITS = 6  # of relative deviations kept on scorecards
NO_ACCURACIES = "retain or test accuracies are not known"


@dataclass(frozen=True)
class Comparison:
    """One population against the retrained one: forgetting quality, accuracy ratios, and their product, the score.

    A ratio, and with it the score, is None where the accuracy of one of the populations is not known.
    """

    epsilons: NDArray[np.float64]
    forgetting_quality: float
    retain_ratio: float | None
    test_ratio: float | None

    @property
    def score(self) -> float | None:
        """The competition's score."""
        if self.retain_ratio is None or self.test_ratio is None:
            return None
        return score(self.forgetting_quality, self.retain_ratio, self.test_ratio)


def compare(outputs: Outputs, retrained: Outputs, workers: int = 1) -> Comparison:
    """Score a population against the retrained population.

    Args:
        outputs: of unlearned models (or of others, for ceiling and floor).
        retrained: of retrained models, on the same examples.
        workers: threads.

    Raises:
        ValueError: populations that cannot be compared (see `epsilons`).
    """

    def ratio(split: str) -> float | None:
        if split not in outputs.accuracy or split not in retrained.accuracy:
            return None
        return accuracy_ratio(outputs.accuracy[split], retrained.accuracy[split])

    examples = epsilons(outputs.confidences["forget"], retrained.confidences["forget"], workers=workers)
    return Comparison(examples, forgetting_quality(examples, outputs.models), ratio("retain"), ratio("test"))


def scores(
    unlearned: Outputs, retrained: Outputs, reference: tuple[Outputs, Outputs], original: Outputs | None, workers: int
) -> Scores:
    """Score and ε with what they are made of, ceiling and floor.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        reference: two populations of retrained models, the score of which is the ceiling.
        original: for the floor; None where such models are not known.
        workers: threads.
    """
    result, ceiling = compare(unlearned, retrained, workers), compare(*reference, workers).score
    floor = compare(original, retrained, workers).score if original else None
    return Scores(
        **_peculiarities(unlearned, retrained),
        score=_or_reason(result.score, NO_ACCURACIES),
        relative=_or_reason(
            result.score / ceiling if result.score is not None and ceiling else None,
            NO_ACCURACIES if result.score is None else "the ceiling is 0",
        ),
        ceiling=_or_reason(ceiling, NO_ACCURACIES),
        ceiling_models=reference[0].models,
        floor=_or_reason(floor, NO_ACCURACIES if original else "original models are not known"),
        forgetting_quality=result.forgetting_quality,
        retain_ratio=_or_reason(result.retain_ratio, NO_ACCURACIES),
        test_ratio=_or_reason(result.test_ratio, NO_ACCURACIES),
        retain_accuracy=_accuracies("retain", unlearned, retrained),
        test_accuracy=_accuracies("test", unlearned, retrained),
        forget_accuracy=_accuracies("forget", unlearned, retrained),
        retain_age_error=_age_errors("retain", unlearned, retrained),
        forget_age_error=_age_errors("forget", unlearned, retrained),
        validation_age_error=_age_errors("validation", unlearned, retrained),
        test_age_error=_age_errors("test", unlearned, retrained),
        epsilons=[
            ExampleEpsilon(int(example), float(epsilon))
            for example, epsilon in zip(retrained.ids["forget"], result.epsilons, strict=True)
        ],
    )


def score_intervals(unlearned: Outputs, retrained: Outputs, measured: Scores, workers: int) -> Intervals:
    """95 % intervals of what `scores` measured.

    Args:
        unlearned: what was scored.
        retrained: what it was compared with.
        measured: the numbers.
        workers: threads.
    """
    try:
        quality = intervals.quality_deviations(unlearned.confidences["forget"], retrained.confidences["forget"], workers)
    except intervals.TooFewModelsError as error:
        return no_intervals(str(error))
    if np.isnan(quality).all():
        if measured.forgetting_quality:
            return no_intervals("no forget example earns points with a third of the models")
        quality = np.zeros_like(quality)
    deviations = {"forgetting": quality}
    values = {"forgetting": measured.forgetting_quality}
    for split, ratio in (("retain", measured.retain_ratio.value), ("test", measured.test_ratio.value)):
        if ratio is not None:
            values[f"{split}_ratio"] = ratio
            deviations[f"{split}_ratio"] = intervals.ratio_deviations(unlearned.accuracy[split], retrained.accuracy[split])
    if measured.score.value is not None:
        values["score"] = measured.score.value
        deviations["score"] = sum(deviations.values(), start=np.zeros_like(quality))
    found: dict[str, Measured[Interval]] = {
        f"{name}_interval": Measured(intervals.interval(values[name], deviations[name]))
        if name in deviations
        else Measured(reason=NO_ACCURACIES)
        for name in ("score", "forgetting", "retain_ratio", "test_ratio")
    }
    kept = deviations["score"].round(DEVIATION_DIGITS).tolist() if "score" in deviations else None
    return Intervals(**found, score_deviations=_or_reason(kept, NO_ACCURACIES))


def no_intervals(reason: str) -> Intervals:
    """The result of `score_intervals` where there are none."""
    none: Measured[Interval] = Measured(reason=reason)
    return Intervals(
        score_interval=none,
        forgetting_interval=none,
        retain_ratio_interval=none,
        test_ratio_interval=none,
        score_deviations=Measured(reason=reason),
    )


def _peculiarities(unlearned: Outputs, retrained: Outputs) -> dict[str, int | UnsetType]:
    """The fields that say that models are one and the same, or unlike the rest."""
    return {
        "different_models": _if_fewer(unlearned),
        "different_retrained_models": _if_fewer(retrained),
        "outlying_models": _if_outlying(unlearned),
        "outlying_retrained_models": _if_outlying(retrained),
    }


def _if_fewer(outputs: Outputs) -> int | UnsetType:
    """How many models differ; unset where all of them do."""
    different = outputs.different_models
    return different if different < outputs.models else UNSET


def _if_outlying(outputs: Outputs) -> int | UnsetType:
    """How many models are unlike the rest; unset where there are none, or too few models to tell."""
    found = int(intervals.outlying(outputs.confidences["forget"]).sum())
    return found if found and outputs.models >= intervals.FEWEST_MODELS else UNSET


def _or_reason(value: T | None, reason: str) -> Measured[T]:
    return Measured(reason=reason) if value is None else Measured(value)


def _accuracies(split: str, unlearned: Outputs, retrained: Outputs) -> Measured[Means]:
    if split not in unlearned.accuracy or split not in retrained.accuracy:
        return Measured(reason=f"{split} accuracies are not known")
    return Measured(Means(float(unlearned.accuracy[split].mean()), float(retrained.accuracy[split].mean())))


def _age_errors(split: str, unlearned: Outputs, retrained: Outputs) -> Means | UnsetType:
    if split not in unlearned.age_error:
        return UNSET
    return Means(float(unlearned.age_error[split].mean()), float(retrained.age_error[split].mean()))
