"""The score to be expected of many models, from few, on what tuning may see."""

import dataclasses

import numpy as np
import pytest

from evaluation.metric.outputs import Outputs
from evaluation.tuning.forecast import forecast, score, without_test


def test_accuracy_is_that_on_validation_images():
    accuracy = {split: np.array([value]) for split, value in (("retain", 0.9), ("validation", 0.8), ("test", 0.1))}
    seen = without_test(Outputs({}, {}, None, accuracy))
    assert {split: values.tolist() for split, values in seen.accuracy.items()} == {"retain": [0.9], "test": [0.8]}


def normal_outputs(models, seed, shift=0.0, spread=1.0):
    """Of models whose confidences are normal, on 200 examples."""
    confidences = 5 + shift + spread * np.random.default_rng(seed).standard_normal((models, 200))
    accuracy = {split: np.ones(models) for split in ("retain", "test")}
    return Outputs({}, {"forget": confidences}, None, accuracy)


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.0, 0.6), (0.5, 0.8), (1.0, 1.25)])
def test_few_models_forecast_what_many_score(shift, spread):
    few = normal_outputs(128, 1, shift, spread), normal_outputs(128, 2)
    real = score(normal_outputs(512, 3, shift, spread), normal_outputs(512, 4))
    assert real / 1.5 < forecast(*few) < real * 1.5
    if spread == 0.6:
        assert score(*few) > 2 * real  # what the score of few models itself would have said


def test_the_forecast_is_the_mean_over_original_models():
    near, far, retrained = normal_outputs(64, 1), normal_outputs(64, 2, shift=3), normal_outputs(64, 3)
    confidences = np.concatenate([near.confidences["forget"], far.confidences["forget"]])
    both = dataclasses.replace(normal_outputs(128, 0), confidences={"forget": confidences})
    apart = [forecast(part, retrained) for part in (near, far)]
    known = dataclasses.replace(both, originals=np.repeat([0, 1], 64))
    assert forecast(known, retrained) == pytest.approx(np.mean(apart), rel=0.2)
    assert forecast(both, retrained) < np.mean(apart) / 2  # as one population they would be something else
