import json

import numpy as np
import pytest

from evaluation.attacks import ATTACKS, NotComputableError, second_opinions
from evaluation.attacks.attack import halves
from evaluation.attacks.distances import shifts_and_spreads
from evaluation.attacks.klom import divergences, histograms
from evaluation.metric.outputs import Outputs

SIZES = {"forget": 30, "retain": 40, "validation": 25, "test": 50}
BY_NAME = {attack.name: attack for attack in ATTACKS}


def population(seed, models=64, shift=0.0, sizes=SIZES, margins=True):
    random = np.random.default_rng(seed)
    values = {split: random.normal(shift * (split == "forget"), 1, (models, size)) for split, size in sizes.items()}
    if not margins:
        return Outputs({}, values, None, {})
    logits = np.stack([values["forget"], *random.normal(0, 1, (2, models, sizes["forget"]))], axis=-1)
    return Outputs({}, values, values["forget"], {}, forget_logits=logits.astype(np.float32))


def opinions(unlearned, retrained=None, reference=None):
    retrained = retrained or population(100, unlearned.models)
    return second_opinions(unlearned, retrained, reference or retrained.halves())


def numbers(opinion, kind="unlearned"):
    return {f"{name}.{key}": value for name, entry in opinion.items() for key, value in (entry[kind] or {}).items()}


def test_every_opinion_is_plain_finite_numbers():
    found = opinions(population(0, shift=1.0))
    assert list(found) == list(BY_NAME)
    assert not any("reason" in entry for entry in found.values())
    for kind in ("unlearned", "retrained"):
        values = numbers(found, kind).values()
        assert all(type(value) is float and np.isfinite(value) for value in values)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_retrained_against_retrained_stands_beside_every_opinion():
    retrained, second = population(1), population(2)
    found = second_opinions(population(3, shift=1.0), retrained, (second, retrained))
    for name, entry in found.items():
        assert entry["retrained"] == BY_NAME[name].statistics(second, retrained)
        assert entry["retrained_models"] == 64
        assert entry["better"]
    assert opinions(population(3), retrained)["klom"]["retrained_models"] == 32


def test_every_opinion_sees_a_large_shift():
    near, far = (numbers(opinions(population(4, shift=shift))) for shift in (0.0, 3.0))
    larger = [
        "distances.shift_median",
        "epsilon_lower_bound.median",
        "gaussian_dp_lower_bound.median",
        "u_lira.accuracy",
        "u_lira.auc",
        "all_classes.auc",
        "all_classes.model_auc",
        "likelihood_ratio.median",
        "klom.forget_kl_unlearned_from_retrained_median",
        "klom.forget_kl_retrained_from_unlearned_p95",
        "membership_inference.accuracy",
    ]
    for name in larger:
        assert far[name] > near[name] + 0.1, name
    # The other splits have not changed.
    assert far["klom.retain_kl_unlearned_from_retrained_median"] == near["klom.retain_kl_unlearned_from_retrained_median"]


def test_constant_populations_have_an_answer_or_a_reason():
    values = {split: np.ones((16, size)) for split, size in SIZES.items()}
    constant = Outputs({}, values, np.ones((16, 30)), {}, forget_logits=np.ones((16, 30, 3), np.float32))
    found = opinions(constant, constant)
    assert all(np.isfinite(value) for value in numbers(found).values())
    assert found["distances"]["reason"] == "the retrained models do not vary on any example"
    assert found["likelihood_ratio"]["reason"] == "every threshold of every example is discarded"
    assert [name for name, entry in found.items() if entry["unlearned"] is None] == ["distances", "likelihood_ratio"]


def test_what_needs_logits_says_so():
    found = opinions(population(5, margins=False), population(6, margins=False))
    assert found["likelihood_ratio"]["unlearned"] is found["likelihood_ratio"]["retrained"] is None
    assert found["likelihood_ratio"]["reason"] == "only confidences are known, the hinge margin needs logits"


def test_what_needs_other_splits_says_so():
    forget_only = {"forget": 30}
    found = opinions(population(7, sizes=forget_only), population(8, sizes=forget_only))
    assert found["membership_inference"]["unlearned"] is None
    assert found["membership_inference"]["reason"] == "test confidences are not known"
    klom = found["klom"]
    assert klom["unlearned"]["forget_kl_unlearned_from_retrained_p95"] > 0
    assert klom["unlearned"]["retain_kl_retrained_from_unlearned_median"] is None
    assert klom["reason"] == "retain or validation confidences are not known"


def test_too_few_models_are_a_reason():
    found = opinions(population(9, models=3))
    for name in ("epsilon_lower_bound", "gaussian_dp_lower_bound", "u_lira"):
        assert found[name]["unlearned"] is None
        assert found[name]["reason"] == "there are too few models (3), at least 8 are needed"
    # Three models are enough here, the halves of one each are not.
    assert found["distances"]["unlearned"] is not None
    assert found["distances"]["retrained"] is None
    assert found["distances"]["reason"].startswith("retrained against retrained: there are too few models (1)")


@pytest.mark.parametrize("attack", ATTACKS, ids=BY_NAME)
def test_every_opinion_states_the_fewest_models_it_needs(attack):
    with pytest.raises(NotComputableError, match=r"too few models \(1\)"):
        attack.statistics(population(10, models=1), population(11, models=1))


def test_too_few_examples_are_a_reason():
    found = opinions(population(12, sizes={"forget": 4, "test": 50}), population(13, sizes={"forget": 4, "test": 50}))
    assert "(4 forget, 50 test)" in found["membership_inference"]["reason"]


def test_halves_have_every_model_once():
    models = np.arange(7.0)[:, None]
    np.testing.assert_array_equal(np.concatenate(halves(models)), models)
    assert [len(half) for half in halves(models)] == [3, 4]


def test_distances_of_a_moved_and_stretched_population():
    retrained = np.random.default_rng(14).normal(2, 3, (50, 6))
    unlearned = retrained.mean(axis=0) + 2 * (retrained - retrained.mean(axis=0)) - 1.5 * retrained.std(axis=0, ddof=1)
    shifts, spreads = shifts_and_spreads(unlearned, retrained)
    np.testing.assert_allclose(shifts, -1.5)
    np.testing.assert_allclose(spreads, 2)


def test_distances_leave_out_examples_on_which_retrained_models_agree():
    retrained = np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 2.0]])  # the mean of 0.1, 0.1, 0.1 is not 0.1
    shifts, spreads = shifts_and_spreads(retrained + 1, retrained)
    np.testing.assert_allclose([shifts, spreads], [[1.0], [1.0]])


def naive_divergence(p_values, q_values):
    """One example, with numpy's histogram."""
    p_values, q_values = np.clip(p_values, -100, 100), np.clip(q_values, -100, 100)
    pooled = np.concatenate([p_values, q_values])
    bounds = (pooled.min(), pooled.max() if np.ptp(pooled) else pooled.min() + 1)
    p, q = (np.histogram(values, 20, bounds)[0] / len(values) for values in (p_values, q_values))
    raised = [max(share, 1e-5) if p_share > 0 else share for share, p_share in zip(q, p, strict=True)]
    return sum(a * np.log(a / (b / sum(raised))) for a, b in zip(p, raised, strict=True) if a > 0)


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (0.1, 3), (90, 40), (0, 0), (0, 1)])
def test_klom_equals_a_naive_loop(scale, shift):
    random = np.random.default_rng(15)
    unlearned, retrained = random.normal(shift, scale, (40, 30)), random.normal(0, scale, (30, 30))
    p, q = histograms(unlearned, retrained)
    for one, other, first, second in ((p, q, unlearned, retrained), (q, p, retrained, unlearned)):
        expected = [naive_divergence(first[:, example], second[:, example]) for example in range(30)]
        np.testing.assert_allclose(divergences(one, other), expected, atol=1e-12)


def test_klom_keeps_the_largest_value():
    p, q = histograms(np.array([[0.0], [1.0]]), np.array([[0.0], [0.5]]))
    np.testing.assert_array_equal([p[-1, 0], q[-1, 0]], [0.5, 0])
    np.testing.assert_array_equal([p.sum(), q.sum()], 1)


def test_klom_of_two_point_populations_has_a_closed_form():
    unlearned, retrained = (np.repeat([0.0, 1.0], (zeros, 10 - zeros))[:, None] for zeros in (2, 5))
    p, q = histograms(unlearned, retrained)
    assert divergences(p, q)[0] == pytest.approx(0.2 * np.log(0.2 / 0.5) + 0.8 * np.log(0.8 / 0.5))
    assert divergences(q, p)[0] == pytest.approx(0.5 * np.log(0.5 / 0.2) + 0.5 * np.log(0.5 / 0.8))


def test_klom_of_equal_populations_is_0_and_of_disjoint_ones_limited_by_the_floor():
    ones = np.ones((5, 1))
    assert divergences(*histograms(ones, ones))[0] == 0
    assert divergences(*histograms(ones, ones + 1))[0] == pytest.approx(-np.log(1e-5 / (1 + 1e-5)))


def test_the_order_of_models_is_no_matter_where_nothing_is_held_out():
    unlearned, retrained = population(16, shift=0.5), population(17)
    turned = Outputs(
        {}, {split: values[::-1] for split, values in unlearned.confidences.items()}, unlearned.confidences["forget"][::-1], {}
    )
    for name in ("distances", "likelihood_ratio", "klom", "membership_inference"):
        assert BY_NAME[name].statistics(turned, retrained) == pytest.approx(BY_NAME[name].statistics(unlearned, retrained))
