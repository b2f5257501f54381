"""What a score would be without one of the differences, on populations that differ in one way alone."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.metric import measures
from evaluation.metric.outputs import Outputs
from evaluation.metric.what_if import what_if

EXAMPLES = 20


def population(seed, models=128, shift=0.0, spread=1.0, accuracy=0.9, originals=None):
    """Normal confidences on each example, around a place of its own."""
    random = np.random.default_rng(seed)
    confidences = np.linspace(-2, 2, EXAMPLES) + shift + spread * random.normal(size=(models, EXAMPLES))
    accuracies = {split: np.full(models, accuracy) for split in ("retain", "test")}
    return Outputs({"forget": np.arange(EXAMPLES)}, {"forget": confidences}, None, accuracies, originals=originals)


@pytest.fixture(scope="module")
def retrained():
    return population(0)


def score(unlearned, retrained):
    return measures.scores(unlearned, retrained, (population(8), population(9)), None, 1).score.value


@pytest.mark.parametrize(
    ("differing", "by"), [({"shift": 1.5}, "place"), ({"spread": 0.3}, "spread"), ({"accuracy": 0.45}, "accuracy")]
)
def test_the_one_difference_explains_all_of_the_loss(retrained, differing, by):
    unlearned, ideal = population(1, **differing), score(population(1), retrained)
    found, as_it_is = what_if(unlearned, retrained), score(population(1, **differing), retrained)
    assert as_it_is < 0.6 * ideal
    assert found[by] == pytest.approx(ideal, rel=0.25)
    other = {"place", "spread", "accuracy"} - {by}
    for name in other:
        assert found[name] < 0.6 * ideal
    assert "outlying runs" not in found


def test_place_and_spread_taken_away_together(retrained):
    unlearned = population(1, shift=1.5, spread=0.3)
    found = what_if(unlearned, retrained)
    assert found["place and spread"] == pytest.approx(score(population(1), retrained), rel=0.25)
    assert max(found["place"], found["spread"]) < 0.5 * found["place and spread"]


def test_runs_of_each_original_are_moved_by_themselves(retrained):
    """Originals that lie far from each other, and runs that spread as retrained models do around each."""
    originals = np.repeat(np.arange(16), 8)
    unlearned = population(1, originals=originals)
    apart = 3.0 * np.random.default_rng(2).normal(size=(16, EXAMPLES))
    unlearned = replace(unlearned, confidences={"forget": unlearned.confidences["forget"] + apart[originals]})
    found, as_it_is = what_if(unlearned, retrained), score(unlearned, retrained)
    assert found["place"] > 3 * as_it_is
    assert found["spread"] == pytest.approx(as_it_is, rel=0.3)


def test_outlying_runs(retrained):
    unlearned = population(1)
    spoilt = unlearned.confidences["forget"].copy()
    spoilt[:6] += 40.0
    found = what_if(replace(unlearned, confidences={"forget": spoilt}), retrained)
    assert found["outlying runs"] == pytest.approx(score(unlearned, retrained), rel=0.2)
    failed = what_if(replace(unlearned, failed=2), retrained)
    assert failed["outlying runs"] == pytest.approx(score(unlearned, retrained))


def test_runs_that_do_not_differ_cannot_be_stretched(retrained):
    unlearned = population(1, spread=0.0)
    assert what_if(unlearned, retrained)["spread"] == pytest.approx(score(unlearned, retrained))


def test_without_accuracies_there_is_no_score(retrained):
    with pytest.raises(ValueError, match="accuracies are not known"):
        what_if(replace(population(1), accuracy={}), retrained)
