"""The score to be expected with more models than there are, on what tuning may see."""

from dataclasses import replace

import numpy as np

from evaluation.metric import measures
from evaluation.metric.outputs import Outputs
from evaluation.scoring.scorecard import DEFAULT_MODELS


def forecast(unlearned: Outputs, retrained: Outputs, originals: int = 1, models: int = DEFAULT_MODELS) -> float:
    """The score to be expected with more models than there are, the mean over the original models that they come from.

    Few models flatter what varies too little or lies far off, because no ε that they show exceeds the logarithm of their
    number: with 32 a solution may score 0.02, with 512 the same one 0.0003. Means and standard deviations need no tails. So
    this is the score of normal confidences with those of each example, drawn in the same way for every trial. Means and
    deviations of few models are noisy, which makes it cautious: with 32, something perfect is expected to score half of the
    ceiling.

    Args:
        unlearned: what is scored.
        retrained: what it is compared with.
        originals: how many original models the unlearned ones come from, in turn.
        models: that are to be expected, from one original model.
    """
    parts = [unlearned.take(slice(first, None, originals)) for first in range(originals)]
    rng = np.random.default_rng(0)
    expected = _normal(retrained, models, rng)
    return float(np.mean([score(_normal(part, models, rng), expected) for part in parts]))


def _normal(outputs: Outputs, models: int, rng: np.random.Generator) -> Outputs:
    """So many models, normally distributed, with the means and deviations of some."""
    confidences = outputs.confidences["forget"]
    draws = rng.standard_normal((models, confidences.shape[1]))
    drawn = confidences.mean(axis=0) + confidences.std(axis=0, ddof=1) * draws
    return replace(outputs, confidences={"forget": drawn})


def score(unlearned: Outputs, retrained: Outputs) -> float:
    """The competition's score, on what tuning may see."""
    found = measures.compare(unlearned, retrained).score
    assert found is not None
    return found


def without_test(outputs: Outputs) -> Outputs:
    """Validation images in place of the test images."""
    return replace(outputs, accuracy={"retain": outputs.accuracy["retain"], "test": outputs.accuracy["validation"]})
