import numpy as np
import pytest

from evaluation.metric.outlying import outlying
from evaluation.metric.outputs import Outputs

MODELS, EXAMPLES = 512, 30


def population(random, noise="normal", correlation=0.9, shift=0.0):
    """Confidences and accuracies that share a factor, as in the cells of the benchmark of coverage."""

    def draw(examples):
        size = MODELS, examples
        return random.standard_t(3, size) if noise == "t" else random.standard_normal(size)

    common = draw(1)
    values = shift + np.sqrt(correlation) * common + np.sqrt(1 - correlation) * draw(EXAMPLES)
    accuracy = {split: np.clip(0.9 + 0.01 * (common + draw(1)), 0, 1)[:, 0] for split in ("retain", "test")}
    return Outputs({}, {"forget": 1.5 * values}, None, accuracy)


@pytest.mark.parametrize("noise", ["normal", "t"])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_of_equal_populations_almost_no_model_is_outlying(noise, correlation):
    """Not even with tails as heavy as Student's t with 3 degrees of freedom, of which 4 robust deviations alone find 20."""
    random = np.random.default_rng(0)
    counts = [outlying(*(population(random, noise, correlation) for _ in "ab")).sum() for _ in range(40)]
    assert np.mean(counts) <= 4  # three numbers, about one model each


def test_runs_that_failed_are_found_and_no_others():
    random = np.random.default_rng(1)
    unlearned, retrained = population(random, shift=0.7), population(random)
    failed = random.permutation(MODELS)[:22]
    unlearned.confidences["forget"][failed] -= 12
    found = outlying(unlearned, retrained)
    assert found[failed].all()
    assert found.sum() <= 23


@pytest.mark.parametrize("split", ["retain", "test"])
def test_runs_that_are_less_accurate_are_found_where_most_agree_but_not_for_a_few_examples(split):
    random = np.random.default_rng(2)
    unlearned, retrained = population(random), population(random)
    for outputs in (unlearned, retrained):
        outputs.accuracy[split][:] = 1.0
    unlearned.accuracy[split][:7] = 0.9
    unlearned.accuracy[split][7:90] = 0.99
    found = outlying(unlearned, retrained)
    assert found[:7].all()
    assert not found[7:90].any()


def test_populations_of_which_only_confidences_are_known_or_that_do_not_vary():
    random = np.random.default_rng(3)
    unlearned, retrained = (Outputs({}, population(random).confidences, None, {}) for _ in "ab")
    assert outlying(unlearned, retrained).sum() <= 1
    constant = Outputs({}, {"forget": np.ones((20, 5))}, None, {})
    assert not outlying(constant, constant).any()
