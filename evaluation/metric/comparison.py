"""Unlearned models against retrained ones: ε of each forget example, forgetting quality, accuracy kept, and the score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metric import designs
from evaluation.metric.designs import Floats
from evaluation.metric.epsilon import epsilons
from evaluation.metric.forgetting import forgetting_quality
from evaluation.metric.outputs import Outputs
from evaluation.metric.utility import accuracy_ratio, score


@dataclass(frozen=True)
class Comparison:
    """One population against the retrained one.

    Attributes:
        epsilons: of each forget example, [examples].
        forgetting_quality: F.
        retain_ratio, test_ratio: accuracy over that of retrained models; None where one of the two is not known.
        score: the product of the three; None where a ratio is.
    """

    epsilons: Floats
    forgetting_quality: float
    retain_ratio: float | None
    test_ratio: float | None
    score: float | None


def compare(outputs: Outputs, retrained: Outputs, workers: int = 1) -> Comparison:
    """Score a population, as one, against the retrained population.

    Args:
        outputs: of unlearned models (or of others, for ceiling and originals).
        retrained: of retrained models, on the same examples.
        workers: threads.

    Raises:
        ValueError: populations that cannot be compared (see `epsilons`).
    """
    return _compare(outputs.confidences["forget"], outputs, retrained, workers, outputs.failed)


def compare_by_original(outputs: Outputs, retrained: Outputs, workers: int = 1) -> list[Comparison]:
    """Score the runs from each original model against the retrained population, as if all runs started there.

    Args:
        outputs: of unlearned models that can be averaged (`designs.can_be_averaged`).
        retrained: of retrained models, on the same examples.
        workers: threads.

    Raises:
        ValueError: populations that cannot be compared (see `epsilons`).
    """
    assert outputs.originals is not None, "what cannot be averaged is compared as one population"
    populations = designs.populations(outputs.confidences["forget"], outputs.originals)
    return [
        _compare(population, outputs.take(np.flatnonzero(outputs.originals == original)), retrained, workers, outputs.failed)
        for original, population in enumerate(populations)
    ]


def average(comparisons: Sequence[Comparison]) -> Comparison:
    """The mean of comparisons with the same retrained models; of ε the median, as a few may be infinite in all but name."""
    return Comparison(
        np.median([each.epsilons for each in comparisons], axis=0),
        float(np.mean([each.forgetting_quality for each in comparisons])),
        _mean([each.retain_ratio for each in comparisons]),
        _mean([each.test_ratio for each in comparisons]),
        _mean([each.score for each in comparisons]),
    )


def _compare(confidences: Floats, outputs: Outputs, retrained: Outputs, workers: int, failed: int) -> Comparison:
    """Compare confidences on forget examples, and as many failed runs; accuracies are taken from the outputs."""
    examples = epsilons(confidences, retrained.confidences["forget"], workers=workers, failed=failed)
    quality = forgetting_quality(examples, len(confidences) + failed)
    retain, test = (_ratio(split, outputs, retrained) for split in ("retain", "test"))
    return Comparison(examples, quality, retain, test, None if retain is None or test is None else score(quality, retain, test))


def _ratio(split: str, outputs: Outputs, retrained: Outputs) -> float | None:
    if split not in outputs.accuracy or split not in retrained.accuracy:
        return None
    return accuracy_ratio(outputs.accuracy[split], retrained.accuracy[split])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
