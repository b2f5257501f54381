"""Tuning keeps the method: at the ends of every range of a search space the steps of a solution still act."""

import pytest
import torch
from torch.utils.data import Subset, TensorDataset

from corners import Gives, Moves, Replaced, chooses, corners, differ, edges, ends, neutral, run, shortened, space
from starting_kit import contract
from trials import weights

FINE_TUNED = neutral(learning_rate=0.0)  # nothing is learned, from the same random numbers


def curved(arguments, solution):
    """Whether a solution of a system points elsewhere than its right side."""
    return torch.cosine_similarity(solution, arguments[1], dim=0).item() < 0.95


# For every solution that may be tuned, what its steps do. What a step does not do at the published values on a small network
# is not asked for: to clip gradients that are short.
STEPS = {
    "activation_reset": (Gives("more_active", lambda _, mask: bool(mask.any())), Moves("renew"), FINE_TUNED),
    "amnesiacs": (
        Moves("reinitialise"),
        neutral(warm_up_learning_rate=0.0),
        FINE_TUNED,
        Replaced("distillation", lambda _, loss: 0 * loss),
    ),
    "amun": (
        Gives("adversarial", lambda _, found: len(found) > 0),
        Replaced("adversarial", lambda _, found: Subset(found.dataset.dataset, found.indices)),  # with their own labels
        FINE_TUNED,
        neutral(gamma=1.0),
    ),
    "bad_teacher": (
        Gives("teachers", lambda _, both: differ(*map(weights, both))),
        Replaced("distillation", lambda _, loss: 0 * loss),
    ),
    "boundary_expand": (FINE_TUNED,),
    "boundary_shrink": (Gives("nearest_classes", lambda given, nearest: bool((nearest != given[2]).any())), FINE_TUNED),
    "certified": (
        Moves("noisy_step"),
        Replaced("gradients", lambda _, parts: list(map(torch.zeros_like, parts))),
        Replaced("noise_std", lambda *_: 0.0),
        FINE_TUNED,
    ),
    "cf_k": (FINE_TUNED,),
    "del_reset": (chooses("most_critical"), Moves("reset"), FINE_TUNED),
    "delete": (FINE_TUNED, Replaced("distillation", lambda _, loss: 0 * loss)),
    "dualoptim": (chooses("most_salient"), Moves("relabelled_epoch"), Moves("train_epoch")),
    "eu_k": (Moves("reinitialise"), FINE_TUNED),
    "finetune": (FINE_TUNED,),
    "finetune_augmented": (FINE_TUNED, neutral(rotation=0.0), neutral(jitter=0.0)),
    "fisher": (Moves("add_normal_noise"), neutral(factor=1.0)),
    "forget_cycles": (Moves("forget"), Moves("imitate"), neutral(noise=0.0)),
    "gradient_ascent": (Moves("one_epoch"), neutral(project=False)),
    "influence": (Gives("conjugate_gradients", curved), Moves("add")),
    "jit": (Gives("steepness", lambda _, steepness: steepness.item() > 0), FINE_TUNED),
    "kookmin": (
        chooses("reinitialise_smallest"),
        Moves("reinitialise_smallest"),
        neutral(kept_gradient_factor=1.0),
        FINE_TUNED,
    ),
    "l1_sparse": (neutral(alpha=0.0), FINE_TUNED),
    "l2ul": (
        Gives("attack", lambda given, near: differ(near, given[1])),
        Replaced("adversarial_images", lambda given, _: TensorDataset(*map(torch.cat, zip(*given[1], strict=True)))),
        neutral(regularisation=0.0),
        Replaced("unimportances", lambda _, omegas: list(map(torch.ones_like, omegas))),
        FINE_TUNED,
    ),
    "label_poison": (FINE_TUNED,),
    "label_poison_full": (FINE_TUNED,),
    "lfssd": (chooses("select"), Moves("dampen")),
    "lotus": (Moves("smoothed_epoch"), neutral(alpha=0.0)),
    "munba": (
        Replaced("nash", lambda _, alphas: (alphas[0], 0 * alphas[1])),
        Replaced("nash", lambda _, alphas: tuple(map(torch.ones_like, alphas))),
        neutral(clip_norm=float("inf")),
        FINE_TUNED,
    ),
    "neggrad_plus": (neutral(alpha=1.0), FINE_TUNED),
    "noisy_finetune": (neutral(noise=0.0), FINE_TUNED),
    "ntk": (Moves("scrub"), Moves("add_normal_noise")),
    "orthograd": (neutral(alpha=0.0), Replaced("orthogonal_part", lambda given, _: given[0]), FINE_TUNED),
    "prune": (chooses("least_moved"), Moves("renew"), neutral(overfit_learning_rate=0.0), FINE_TUNED),
    "prune_complex": (
        Moves("renew"),
        neutral(overfit_learning_rate=0.0),
        neutral(retain_overfit_learning_rate=0.0),
        FINE_TUNED,
    ),
    "prune_last_layer": (chooses("least_moved"), Moves("renew"), neutral(overfit_learning_rate=0.0), FINE_TUNED),
    "random_labels": (FINE_TUNED,),
    "random_mask": (Moves("mask"), FINE_TUNED),
    "rum": (chooses("most_salient"), neutral(finetune_learning_rate=0.0), neutral(salun_learning_rate=0.0)),
    "salun": (chooses("most_salient"), Moves("relabelled_epoch"), Moves("train_epoch")),
    "scl": (neutral(uniform_learning_rate=0.0), neutral(forget_learning_rate=0.0), neutral(retain_learning_rate=0.0)),
    "scl_improved": (
        neutral(reverse_weight=0.0),
        neutral(uniform_learning_rate=0.0),
        neutral(forget_learning_rate=0.0),
        neutral(retain_learning_rate=0.0),
    ),
    "scrub": (Moves("max_step"), neutral(gamma=0.0), neutral(alpha=0.0)),
    "sebastian": (Moves("prune"), FINE_TUNED, neutral(entropy_weight=0.0), Moves("round_to_half")),
    "seif": (neutral(noise=0.0), neutral(late_noise=0.0), FINE_TUNED),
    "sfron": (chooses("forget_weights"), Moves("ascend"), Moves("descend")),
    "ssd": (chooses("select"), Moves("dampen")),
    "sun": (
        Moves("reinitialise"),
        neutral(noise=0.0),
        neutral(restricted_learning_rate=0.0),
        neutral(learning_rates=(0.0, 0.0, 0.0, 0.0)),
    ),
    "toshi_mixture": (FINE_TUNED,),
    "transpose": (Moves("transpose_kernels"), FINE_TUNED),
    "two_stage_hybrid": (neutral(poison_learning_rate=0.0), FINE_TUNED),
    "unsir": (neutral(noise_learning_rate=0.0), neutral(impair_learning_rate=0.0), neutral(repair_learning_rate=0.0)),
}
TUNABLE = [name for name in contract.zoo() if space(name)]


def check(name, original, values):
    for step in STEPS[name]:
        assert step.acts(name, original, shortened(name, values)), step


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNABLE)
def test_at_the_corners_every_step_acts_and_weights_stay_finite(original, name):
    for values in corners(name):
        left = run(name, original, values)
        assert torch.isfinite(left).all()
        assert differ(left, weights(original).double())
        check(name, original, values)


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNABLE)
def test_with_one_value_at_an_end_every_step_acts(original, name):
    for values in edges(name):
        check(name, original, values)


def test_a_mixture_stays_one():
    """A coin decides, so that no single run shows it."""
    low, high = ends(space("toshi_mixture")["transposed_share"])
    assert 0 < low < high < 1


def test_early_stopping_can_happen():
    fewest, _ = ends(space("finetune_augmented")["most_epochs"])
    assert fewest > contract.describe(contract.find("finetune_augmented"), []).hyperparameters["patience"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("scl_improved", {"reverse_weight": 0.0}),
        ("boundary_shrink", {"bound": 0.001}),
        ("ssd", {"selection_weight": 1000.0}),
        ("influence", {"damping": 10.0}),
        ("neggrad_plus", {"alpha": 1.0}),
        ("sun", {"restricted_epochs": 1}),
        ("kookmin", {"kept_gradient_factor": 1.0}),
        ("salun", {"fraction": 1.0}),
    ],
)
def test_a_step_that_is_turned_off_is_noticed(original, name, values):
    assert not all(step.acts(name, original, values) for step in STEPS[name])
