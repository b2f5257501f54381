import copy

import pytest
import torch

from solutions import prune_complex
from starting_kit import contract
from test_prune import agreement, are_kaiming_normal, least_of_each, matrices, others_are_equal, overfitted
from trials import DATA, given, loss, unlearn


def moves(original, ids, learning_rate):
    return (matrices(overfitted(original, ids, learning_rate)) - matrices(original)).abs()


@pytest.fixture(scope="module")
def little_moved_on_forget(original):
    return least_of_each(moves(original, DATA.forget, 1e-2))


@pytest.fixture(scope="module")
def little_moved_on_retain(original):
    return least_of_each(moves(original, DATA.retain, 0.01 / 3))


@pytest.fixture(scope="module")
def pruned(original):
    """Not repaired, and with the whole retain set in one batch as its share, so that a naive version knows it."""
    return unlearn("prune_complex", original, retain_share=1.0, batch_size=512, epochs=0)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("prune_complex"), []).hyperparameters == {
        "fraction": 0.3,
        "overfit_epochs": 20,
        "overfit_learning_rate": 1e-2,
        "retain_share": 0.02,
        "retain_overfit_learning_rate": 0.01 / 3,
        "epochs": 5,
        "learning_rate": 1e-3,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_step_1_spares_what_overfitting_to_the_forget_set_moves(original, pruned, little_moved_on_forget):
    assert little_moved_on_forget[matrices(pruned) != matrices(original)].double().mean() > 0.98


def test_step_2_spares_what_overfitting_to_the_retain_set_moves(original, pruned, little_moved_on_retain):
    """At a third of the learning rate, which the published code rounds to 0: then nothing would be known of these moves."""
    drawn = matrices(pruned) != matrices(original)
    assert drawn.any()
    assert little_moved_on_retain[drawn].double().mean() > 0.98


def test_step_2_moves_its_copy_on_two_percent_too(original):
    still, moved = (
        matrices(unlearn("prune_complex", original, epochs=0, **settings)) != matrices(original)
        for settings in ({"retain_overfit_learning_rate": 0}, {})
    )
    assert moved.any()
    assert agreement(still, moved) < 0.95


def test_steps_1_and_2_train_copies_and_leave_the_network_alone(original):
    untouched = unlearn("prune_complex", original, fraction=0, epochs=0)
    assert torch.equal(matrices(untouched), matrices(original))
    assert others_are_equal(original, untouched)


def test_step_3_draws_anew_what_moves_least_in_both_and_nothing_else(
    original, pruned, little_moved_on_forget, little_moved_on_retain
):
    drawn = matrices(pruned) != matrices(original)
    assert agreement(drawn, little_moved_on_forget & little_moved_on_retain) > 0.99
    assert 0.02 * len(drawn) < drawn.sum() < 0.3 * len(drawn)  # not none, and fewer than of either
    assert others_are_equal(original, pruned)


def test_step_3_draws_kaiming_normal_values(original):
    assert are_kaiming_normal(unlearn("prune_complex", original, fraction=1, overfit_epochs=0, epochs=0)[5].weight)


def test_step_4_repairs_what_step_3_broke(original):
    broken, repaired = (
        unlearn("prune_complex", original, fraction=0.9, epochs=epochs, learning_rate=0.01) for epochs in (0, 5)
    )
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
    assert loss(broken, DATA.retain) > 10 * loss(original, DATA.retain)


def test_step_4_goes_through_the_retain_set_in_its_order(original):
    """Where nothing is pruned nothing is left to chance."""
    settings = {"fraction": 0, "overfit_epochs": 0, "epochs": 1}
    one, other = (matrices(unlearn("prune_complex", original, seed, **settings)) for seed in (0, 1))
    assert torch.equal(one, other)
    assert not torch.equal(one, matrices(original))


@pytest.mark.parametrize(("share", "sizes"), [(0.02, [7]), (0.5, [60, 60, 60]), (1.0, [72] * 5), (0.0, [2])])
def test_a_share_has_its_number_of_different_retain_examples(original, share, sizes):
    retain = given()[0]
    drawn = prune_complex.random_share(retain, share, 75, original)
    images = {image.numpy().tobytes() for images, _ in drawn for image in images}
    assert [len(labels) for _, labels in drawn] == sizes
    assert len(images) == sum(sizes)
    assert images <= {image.numpy().tobytes() for image in retain.dataset.memory.images}


def test_another_call_draws_another_share(original):
    first, second = (prune_complex.random_share(given()[0], 0.02, 128, copy.deepcopy(original))[0][0] for _ in range(2))
    assert not torch.equal(first, second)
