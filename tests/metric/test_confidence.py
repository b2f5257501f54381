from pathlib import Path

import numpy as np
import pytest

from evaluation.metric.confidence import TINY, confidences

GOLDEN = Path(__file__).parents[1] / "golden" / "confidence.npz"


def test_equals_the_official_scorer():
    golden = np.load(GOLDEN)
    ours = confidences(golden["logits"], golden["labels"])
    np.testing.assert_allclose(ours, golden["confidences"], rtol=0, atol=1e-9)


def test_is_the_log_odds_of_the_true_class():
    logits = np.random.default_rng(0).normal(size=(5, 7, 4))
    labels = np.array([0, 1, 2, 3, 0, 1, 2])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    p = probabilities[:, np.arange(7), labels]
    np.testing.assert_allclose(confidences(logits, labels), np.log(p / (1 - p)), atol=1e-12)


def test_does_not_change_its_input_and_ignores_a_common_shift():
    logits = np.random.default_rng(1).normal(size=(3, 4))
    labels, before = np.array([0, 3, 2]), logits.copy()
    np.testing.assert_allclose(confidences(logits, labels), confidences(logits + 100, labels), atol=1e-12)
    np.testing.assert_array_equal(logits, before)


def test_certain_networks_give_finite_confidences():
    values = confidences(np.array([[1e4, 0.0], [1e4, 0.0]]), np.array([0, 1]))
    np.testing.assert_allclose(values, [-np.log(TINY), np.log(TINY)])


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), np.array([0]), "one label per example"),
        (np.zeros(3), np.array([0]), "one label per example"),
        (np.zeros((2, 3)), np.array([0, 3]), "labels must lie in 0..2"),
        (np.zeros((2, 3)), np.array([0, -1]), "labels must lie in 0..2"),
        (np.array([[0.0, np.nan]]), np.array([0]), "finite"),
        (np.array([[0.0, np.inf]]), np.array([0]), "finite"),
    ],
)
def test_wrong_input_is_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        confidences(logits, labels)
