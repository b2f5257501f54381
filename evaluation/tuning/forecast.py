"""The score to be expected with more models than there are, on what tuning may see."""

from dataclasses import replace

import numpy as np

from evaluation.metric import designs
from evaluation.metric.comparison import compare
from evaluation.metric.outputs import Outputs
from evaluation.scoring.scorecard import DEFAULT_MODELS


def forecast(unlearned: Outputs, retrained: Outputs, models: int = DEFAULT_MODELS) -> float:
    """The score to be expected with more models than there are, averaged over the original models that they come from.

    Few models flatter what varies too little or lies far off, because no ε that they show exceeds the logarithm of their
    number: with 32 a solution may score 0.02, with 512 the same one 0.0003. Means and standard deviations need no tails. So
    this is the score of normal confidences with those of each example, drawn in the same way for every trial. Means and
    deviations of few models are noisy, which makes it cautious: with 32, something perfect is expected to score half of the
    ceiling.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        models: that are to be expected.
    """
    rng = np.random.default_rng(0)
    confidences, of_retrained = unlearned.confidences["forget"], retrained.confidences["forget"]
    draws, other_draws = (rng.standard_normal((models, confidences.shape[1])) for _ in range(2))
    centres, spread = confidences.mean(axis=0)[None], confidences.std(axis=0, ddof=1)
    if unlearned.originals is not None and designs.can_be_averaged(unlearned.originals):
        centres, spread = (
            designs.centres(confidences, unlearned.originals),
            np.sqrt(designs.variance_within(confidences, unlearned.originals)),
        )
    expected = replace(
        retrained, confidences={"forget": of_retrained.mean(axis=0) + of_retrained.std(axis=0, ddof=1) * other_draws}
    )
    parts = (replace(unlearned, confidences={"forget": centre + spread * draws}, originals=None) for centre in centres)
    return float(np.mean([score(part, expected) for part in parts]))


def score(unlearned: Outputs, retrained: Outputs) -> float:
    """The competition's score, on what tuning may see."""
    found = compare(unlearned, retrained).score
    assert found is not None
    return found


def without_test(outputs: Outputs) -> Outputs:
    """Validation images in place of the test images."""
    return replace(outputs, accuracy={"retain": outputs.accuracy["retain"], "test": outputs.accuracy["validation"]})
