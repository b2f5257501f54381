import numpy as np
import pytest
from scipy.stats import mannwhitneyu, multivariate_normal

from evaluation.attacks import ATTACKS, NotComputableError, second_opinions
from evaluation.attacks.all_classes import ATTACK, held_out_scores, p_value
from evaluation.metric.outputs import LOGITS, Outputs

EXAMPLES, CLASSES = 8, 5
LABELS = np.arange(EXAMPLES) % CLASSES
CENTRES = np.random.default_rng(99).normal(size=(EXAMPLES, CLASSES)) + 3 * np.eye(CLASSES)[LABELS]


def logits(seed, models=64):
    return np.random.default_rng(seed).normal(CENTRES, 1.0, (models, EXAMPLES, CLASSES)).astype(np.float32)


def outputs(values):
    return Outputs.from_logits({"forget": values}, {"forget": LABELS}, {"forget": np.arange(EXAMPLES)}, {})


def confusing_others(values):
    """The same confidences, but what the true class is mistaken for is another class."""
    turned = values.copy()
    for example, label in enumerate(LABELS):
        others = [c for c in range(CLASSES) if c != label]
        turned[:, example, others] = values[:, example, np.roll(others, 1)]
    return turned


def test_what_the_true_class_does_not_show_is_found():
    unlearned, retrained = outputs(confusing_others(logits(0))), outputs(logits(1))
    by_confidence = next(attack for attack in ATTACKS if attack.name == "u_lira").statistics(unlearned, retrained)
    found = ATTACK.statistics(unlearned, retrained)
    assert by_confidence["auc"] < 0.6
    assert found["auc"] > 0.7
    assert found["model_auc"] > 0.95
    assert found["p_value"] < 1e-6


def test_scores_are_the_ratio_of_gaussian_densities_in_any_basis():
    """With many models hardly anything is shrunk, so they are near those of textbook Gaussians, without the last class."""
    unlearned, retrained = logits(2, 4000) * 1.3, logits(3, 4000)
    found = held_out_scores(unlearned, retrained)
    for models, scores in zip((unlearned, retrained), found, strict=True):
        differences, fits = (
            [(values[..., :-1] - values[..., -1:])[part] for values in (models, unlearned, retrained)]
            for part in (slice(2000, None), slice(2000))
        )
        for example in range(EXAMPLES):
            densities = [
                multivariate_normal(fit[:, example].mean(axis=0), np.cov(fit[:, example].T)).logpdf(differences[0][:, example])
                for fit in fits[1:]
            ]
            assert np.corrcoef(scores[:, example], densities[0] - densities[1])[0, 1] > 0.999


def test_a_number_added_to_all_logits_changes_nothing():
    unlearned, retrained = logits(4), logits(5)
    shift = np.random.default_rng(6).normal(0, 5, (64, EXAMPLES, 1)).astype(np.float32)
    for one, other in zip(held_out_scores(unlearned + shift, retrained), held_out_scores(unlearned, retrained), strict=True):
        assert one == pytest.approx(other, abs=1e-3)


@pytest.mark.parametrize("models", [16, 48])
def test_the_test_calls_equal_populations_different_one_time_in_twenty(models):
    p_values = [
        ATTACK.statistics(outputs(logits(2 * i, models)), outputs(logits(2 * i + 1, models)))["p_value"] for i in range(400)
    ]
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.085
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.08)


def test_the_p_value_is_that_of_mann_and_whitney():
    random = np.random.default_rng(7)
    positives, negatives = random.normal(0.5, 1, 40), random.normal(0, 1, 60)
    expected = mannwhitneyu(positives, negatives, alternative="greater", method="asymptotic", use_continuity=False).pvalue
    assert p_value(positives, negatives) == pytest.approx(expected)


def test_few_models_and_models_that_are_all_the_same_have_numbers():
    for values in (logits(8, 8), np.ones((8, EXAMPLES, CLASSES), np.float32)):
        found = ATTACK.statistics(outputs(values), outputs(logits(9, 8)))
        assert all(np.isfinite(value) for value in found.values())
    with pytest.raises(NotComputableError, match="logits"):
        ATTACK.statistics(Outputs({}, {"forget": np.zeros((8, 3))}, None, {}), outputs(logits(9, 8)))


def test_of_large_forget_sets_evenly_spread_examples_are_kept():
    values = np.random.default_rng(10).normal(size=(3, 1100, CLASSES))
    labels, ids = np.zeros(1100, dtype=int), np.arange(1100)
    kept = Outputs.from_logits({"forget": values}, {"forget": labels}, {"forget": ids}, {}).forget_logits
    assert np.array_equal(kept, values[:, ::2].astype(np.float32))
    assert kept[0].size <= LOGITS
    assert outputs(logits(0)).forget_logits.shape == (64, EXAMPLES, CLASSES)
    assert np.array_equal(outputs(logits(0)).take(slice(5, 9)).forget_logits, logits(0)[5:9])


def test_false_alarms_are_what_is_said_of_retrained_models_at_the_level_of_each_opinion():
    retrained, second = outputs(logits(11)), outputs(logits(12))
    found = second_opinions(outputs(logits(13)), retrained, (second, retrained))
    assert {name for name, entry in found.items() if "false_alarms" in entry} == {
        "epsilon_lower_bound",
        "gaussian_dp_lower_bound",
        "all_classes",
    }
    assert found["epsilon_lower_bound"]["false_alarms"] == found["epsilon_lower_bound"]["retrained"]["share_above_zero"]
    other = outputs(confusing_others(logits(12)) - 6 * np.eye(CLASSES, dtype=np.float32)[LABELS])
    found = second_opinions(outputs(logits(13)), retrained, (other, retrained))
    assert found["all_classes"]["false_alarms"] == 1.0
    assert found["epsilon_lower_bound"]["false_alarms"] > 0.5
