"""What is measured on populations: the numbers of a scorecard that follow from the outputs alone, whoever made them."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType

from evaluation.metric import designs, intervals
from evaluation.metric.comparison import Comparison, average, compare, compare_by_original
from evaluation.metric.designs import Floats, Groups
from evaluation.metric.measured import (
    ByOriginal,
    Design,
    ExampleEpsilon,
    Interval,
    Intervals,
    Means,
    Measured,
    Memorisation,
    Pooled,
    Scores,
    T,
)
from evaluation.metric.memorisation import THIRDS, memorisation, quality_by_thirds, thirds
from evaluation.metric.outputs import Outputs

DEVIATION_DIGITS = 6  # of relative deviations kept on scorecards
RESAMPLED_ORIGINALS = 8  # original models whose runs are subsampled; how these differ among each other is known without that
NO_ACCURACIES = "retain or test accuracies are not known"
NO_ORIGINALS = "original models are not known"


def scores(
    unlearned: Outputs, retrained: Outputs, reference: tuple[Outputs, Outputs], original: Outputs | None, workers: int
) -> Scores:
    """Score and ε with what they are made of, ceiling, the originals' score, and what there was to forget.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        reference: two populations of retrained models, the score of which is the ceiling.
        original: models that have forgotten nothing; None where such models are not known.
        workers: threads.
    """
    design, pooled = design_of(unlearned), compare(unlearned, retrained, workers)
    by_original = compare_by_original(unlearned, retrained, workers) if design == "averaged" else [pooled]
    result, ceiling = average(by_original), compare(*reference, workers).score
    untouched = compare(_as_often(original, unlearned.runs), retrained, workers) if original else None
    originals_score, unknown = (untouched.score, NO_ACCURACIES) if untouched else (None, NO_ORIGINALS)
    memorised = memorisation(original.confidences["forget"], retrained.confidences["forget"]) if original else None
    return Scores(
        different_models=_if_fewer(unlearned),
        different_retrained_models=_if_fewer(retrained),
        retrained_population=retrained.fingerprint,
        design=design or UNSET,
        score=_or_reason(result.score, NO_ACCURACIES),
        relative=_share(result.score, ceiling, NO_ACCURACIES),
        pooled=_pooled(pooled, ceiling) if design == "averaged" else UNSET,
        by_original=_by_original(unlearned, by_original) if design == "averaged" else UNSET,
        ceiling=_or_reason(ceiling, NO_ACCURACIES),
        ceiling_models=reference[0].models,
        originals_score=_or_reason(originals_score, unknown),
        originals_relative=_share(originals_score, ceiling, unknown),
        originals_models=original.models if original and original.models != unlearned.runs else UNSET,
        memorisation=_by_memorisation(memorised, by_original, untouched, unlearned.runs),
        forgetting_quality=result.forgetting_quality,
        retain_ratio=_or_reason(result.retain_ratio, NO_ACCURACIES),
        test_ratio=_or_reason(result.test_ratio, NO_ACCURACIES),
        **_means_by_split(unlearned, retrained),
        epsilons=_examples(retrained.ids["forget"], result.epsilons, memorised),
    )


def design_of(unlearned: Outputs) -> Design | None:
    """Which question the score answers (see `designs`); None where nobody knows which original models the runs come from."""
    if unlearned.originals is None:
        return None
    if not unlearned.originals.any():
        return "one original"
    return "averaged" if designs.can_be_averaged(unlearned.originals, unlearned.failed) else "pooled"


def _pooled(pooled: Comparison, ceiling: float | None) -> Pooled:
    return Pooled(
        _or_reason(pooled.score, NO_ACCURACIES), _share(pooled.score, ceiling, NO_ACCURACIES), pooled.forgetting_quality
    )


def _by_original(unlearned: Outputs, comparisons: Sequence[Comparison]) -> ByOriginal:
    assert unlearned.originals is not None, "what is averaged has known original models"
    scores = [each.score for each in comparisons if each.score is not None]
    return ByOriginal(
        share_of_variance=designs.share_of_originals(unlearned.confidences["forget"], unlearned.originals),
        forgetting_quality=[each.forgetting_quality for each in comparisons],
        score=Measured(scores) if len(scores) == len(comparisons) else Measured(reason=NO_ACCURACIES),
    )


def _as_often(original: Outputs, models: int) -> Outputs:
    """Original models as a solution would leave them that does nothing: so many, each as often as the others."""
    return original.take(np.arange(models) * original.models // models)


def _by_memorisation(
    memorised: Floats | None, comparisons: Sequence[Comparison], untouched: Comparison | None, models: int
) -> Measured[Memorisation]:
    if memorised is None or untouched is None:
        return Measured(reason=NO_ORIGINALS)
    if np.count_nonzero(~np.isnan(memorised)) < THIRDS:
        return Measured(reason="the retrained models vary on fewer than three forget examples")
    by_thirds = np.mean([quality_by_thirds(memorised, each.epsilons, models) for each in comparisons], axis=0)
    return Measured(
        Memorisation(
            float(np.nanmedian(memorised)),
            [float(np.median(memorised[part])) for part in thirds(memorised)],
            by_thirds.tolist(),
            quality_by_thirds(memorised, untouched.epsilons, models),
        )
    )


def _examples(ids: Groups, of_examples: Floats, memorised: Floats | None) -> list[ExampleEpsilon]:
    known = np.full(len(ids), np.nan) if memorised is None else memorised
    return [
        ExampleEpsilon(int(example), float(epsilon), UNSET if np.isnan(d) else float(d))
        for example, epsilon, d in zip(ids, of_examples, known, strict=True)
    ]


def score_intervals(
    unlearned: Outputs, retrained: Outputs, reference: tuple[Outputs, Outputs], measured: Scores, workers: int
) -> Intervals:
    """95 % intervals of what `scores` measured.

    Args:
        unlearned: what was scored.
        retrained: what it was compared with.
        reference: two populations of retrained models, the score of which is the ceiling.
        measured: the numbers.
        workers: threads.
    """
    together = _resampled_together(unlearned)
    try:
        populations = _representative(unlearned, measured)
        quality = _quality_deviations(populations, retrained, measured, None, workers, unlearned.failed)
    except intervals.NoIntervalError as error:
        return no_intervals(str(error))
    retain, test = (_ratio_deviations(split, unlearned, retrained, together) for split in ("retain", "test"))
    ratios = None if retain is None or test is None else retain + test
    of_score = None if ratios is None else quality + ratios
    kept = None if of_score is None else of_score.round(DEVIATION_DIGITS).tolist()
    by_original = measured.by_original if together is not None and measured.by_original else None
    scores = by_original.score.value if by_original else None
    return Intervals(
        score_interval=_interval(measured.score, of_score, scores),
        relative_interval=_relative_interval(measured.relative, of_score, reference, scores, workers),
        forgetting_interval=_interval(
            Measured(measured.forgetting_quality), quality, by_original.forgetting_quality if by_original else None
        ),
        retain_ratio_interval=_interval(measured.retain_ratio, retain),
        test_ratio_interval=_interval(measured.test_ratio, test),
        score_deviations=_or_reason(kept, NO_ACCURACIES),
        pooled_interval=_pooled_interval(unlearned, retrained, measured, ratios, together, workers),
    )


def _relative_interval(
    relative: Measured[float],
    of_score: Floats | None,
    reference: tuple[Outputs, Outputs],
    by_original: Sequence[float] | None,
    workers: int,
) -> Measured[Interval]:
    """That of the score over the ceiling, which moves as well; chance that both share, in the retrained models, cancels."""
    first, second = (outputs.confidences["forget"] for outputs in reference)
    try:
        of_ceiling = intervals.quality_deviations(first, second, workers)
    except intervals.NoIntervalError as error:
        return Measured(reason=f"the ceiling has none: {error}")
    return _interval(relative, None if of_score is None else of_score - of_ceiling, by_original)


def _pooled_interval(
    unlearned: Outputs,
    retrained: Outputs,
    measured: Scores,
    ratios: Floats | None,
    together: Groups | None,
    workers: int,
) -> Measured[Interval] | UnsetType:
    if measured.pooled is UNSET:
        return UNSET
    try:
        populations = [unlearned.confidences["forget"]]
        quality = _quality_deviations(populations, retrained, measured, together, workers, unlearned.failed)
    except intervals.NoIntervalError as error:
        return Measured(reason=str(error))
    return _interval(measured.pooled.score, None if ratios is None else quality + ratios)


def _resampled_together(unlearned: Outputs) -> Groups | None:
    """The original model of each run where these are enough to stand for others: then an interval is about others, too."""
    originals = unlearned.originals
    return originals if originals is not None and originals.max() + 1 >= designs.FEWEST_ORIGINALS else None


def _representative(unlearned: Outputs, measured: Scores) -> list[Floats]:
    """The populations whose subsamples stand for chance: where a score is averaged, of some original models, evenly spread."""
    confidences = unlearned.confidences["forget"]
    if measured.design != "averaged":
        return [confidences]
    assert unlearned.originals is not None, "what is averaged has known original models"
    step = -(-(unlearned.originals.max() + 1) // RESAMPLED_ORIGINALS)
    return list(islice(designs.populations(confidences, unlearned.originals), 0, None, step))  # all may take gigabytes


def _quality_deviations(
    populations: Sequence[Floats],
    retrained: Outputs,
    measured: Scores,
    together: Groups | None,
    workers: int,
    failed: int,
) -> Floats:
    deviations = intervals.quality_deviations(populations, retrained.confidences["forget"], workers, together, failed)
    if not np.isnan(deviations).all():
        return deviations
    if measured.forgetting_quality:
        raise intervals.NoIntervalError("no forget example earns points with a third of the models")
    return np.zeros_like(deviations)


def _ratio_deviations(split: str, unlearned: Outputs, retrained: Outputs, together: Groups | None) -> Floats | None:
    if split not in unlearned.accuracy or split not in retrained.accuracy:
        return None
    return intervals.ratio_deviations(unlearned.accuracy[split], retrained.accuracy[split], together)


def _interval(
    value: Measured[float], deviations: Floats | None, by_original: Sequence[float] | None = None
) -> Measured[Interval]:
    if value.value is None or deviations is None:
        return Measured(reason=NO_ACCURACIES)
    between = intervals.variance_between(by_original) if by_original else 0.0
    return Measured(intervals.interval(value.value, deviations, between))


def no_intervals(reason: str) -> Intervals:
    """The result of `score_intervals` where there are none."""
    none: Measured[Interval] = Measured(reason=reason)
    return Intervals(
        score_interval=none,
        relative_interval=none,
        forgetting_interval=none,
        retain_ratio_interval=none,
        test_ratio_interval=none,
        score_deviations=Measured(reason=reason),
    )


def _if_fewer(outputs: Outputs) -> int | UnsetType:
    """How many models differ; unset where all of them do."""
    different = outputs.different_models
    return different if different < outputs.models else UNSET


def _share(value: float | None, ceiling: float | None, unknown: str) -> Measured[float]:
    """A score over the ceiling."""
    return _or_reason(
        value / ceiling if value is not None and ceiling else None, unknown if value is None else "the ceiling is 0"
    )


def _or_reason(value: T | None, reason: str) -> Measured[T]:
    return Measured(reason=reason) if value is None else Measured(value)


def _means_by_split(unlearned: Outputs, retrained: Outputs) -> dict[str, Any]:
    """Accuracies, and where ages are known errors of these, under their names on the scorecard."""
    accuracies = {f"{split}_accuracy": _accuracies(split, unlearned, retrained) for split in ("retain", "test", "forget")}
    return accuracies | {f"{split}_age_error": _age_errors(split, unlearned, retrained) for split in unlearned.age_error}


def _accuracies(split: str, unlearned: Outputs, retrained: Outputs) -> Measured[Means]:
    if split not in unlearned.accuracy or split not in retrained.accuracy:
        return Measured(reason=f"{split} accuracies are not known")
    return Measured(Means(float(unlearned.accuracy[split].mean()), float(retrained.accuracy[split].mean())))


def _age_errors(split: str, unlearned: Outputs, retrained: Outputs) -> Means:
    return Means(float(unlearned.age_error[split].mean()), float(retrained.age_error[split].mean()))
