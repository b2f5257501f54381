"""What is measured on populations: the numbers of a scorecard that follow from the outputs alone, whoever made them.

What cannot be computed is None, with a reason (`scorecard.with_reasons`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import intervals
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.outputs import Outputs
from evaluation.metric.utility import accuracy_ratio, score
from evaluation.scoring.scorecard import with_reasons

INTERVALS = ("score", "forgetting", "retain_ratio", "test_ratio")
DEVIATION_DIGITS = 6  # of relative deviations kept on scorecards


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
) -> dict[str, Any]:
    """Score and ε with what they are made of, ceiling and floor.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        reference: two populations of retrained models, the score of which is the ceiling.
        original: for the floor; None where such models are not known.
        workers: threads.
    """
    result, ceiling = compare(unlearned, retrained, workers), compare(*reference, workers).score
    unknown = "retain or test accuracies are not known"
    return with_reasons(
        {
            "score": result.score,
            "relative": result.score / ceiling if result.score is not None and ceiling else None,
            "ceiling": ceiling,
            "ceiling_models": reference[0].models,
            "floor": compare(original, retrained, workers).score if original else None,
            "forgetting_quality": result.forgetting_quality,
            "retain_ratio": result.retain_ratio,
            "test_ratio": result.test_ratio,
            **{f"{split}_accuracy": _accuracies(split, unlearned, retrained) for split in ("retain", "test", "forget")},
            **{f"{split}_age_error": _means(split, "age_error", unlearned, retrained) for split in unlearned.age_error},
            "epsilons": [
                {"example": int(example), "epsilon": float(epsilon)}
                for example, epsilon in zip(retrained.ids["forget"], result.epsilons, strict=True)
            ],
        },
        {
            **dict.fromkeys(("score", "ceiling", "retain_ratio", "test_ratio"), unknown),
            "relative": unknown if result.score is None else "the ceiling is 0",
            "floor": unknown if original else "original models are not known",
            **{f"{split}_accuracy": f"{split} accuracies are not known" for split in ("retain", "test", "forget")},
        },
    )


def score_intervals(unlearned: Outputs, retrained: Outputs, measured: dict[str, Any], workers: int) -> dict[str, Any]:
    """95 % intervals of what `scores` measured, and the deviations of the score with which others compare themselves.

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
        if measured["forgetting_quality"]:
            return no_intervals("no forget example earns points with a third of the models")
        quality = np.zeros_like(quality)
    deviations = {"forgetting": quality}
    for split in ("retain", "test"):
        if measured[f"{split}_ratio"] is not None:
            accuracies = unlearned.accuracy[split], retrained.accuracy[split]
            deviations[f"{split}_ratio"] = intervals.ratio_deviations(*accuracies)
    if measured["score"] is not None:
        deviations["score"] = sum(deviations.values(), start=np.zeros_like(quality))
    values = {**measured, "forgetting": measured["forgetting_quality"]}
    found: dict[str, Any] = {
        f"{name}_interval": list(intervals.interval(values[name], deviations[name])) if name in deviations else None
        for name in INTERVALS
    }
    found["score_deviations"] = deviations["score"].round(DEVIATION_DIGITS).tolist() if "score" in deviations else None
    return with_reasons(found, dict.fromkeys(found, "retain or test accuracies are not known"))


def no_intervals(reason: str) -> dict[str, Any]:
    """The fields of `score_intervals` where there are none."""
    fields = [f"{name}_interval" for name in INTERVALS] + ["score_deviations"]
    return with_reasons(dict.fromkeys(fields), dict.fromkeys(fields, reason))


def _accuracies(split: str, unlearned: Outputs, retrained: Outputs) -> dict[str, float] | None:
    if split not in unlearned.accuracy or split not in retrained.accuracy:
        return None
    return _means(split, "accuracy", unlearned, retrained)


def _means(split: str, what: str, unlearned: Outputs, retrained: Outputs) -> dict[str, float]:
    kinds = {"unlearned": unlearned, "retrained": retrained}
    return {kind: float(getattr(outputs, what)[split].mean()) for kind, outputs in kinds.items()}
