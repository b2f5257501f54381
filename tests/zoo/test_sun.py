import copy
import dataclasses

import pytest

from solutions import sun
from solutions.parts.layers import NORMALISATION
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, PICTURES, PICTURES_TASK, TASK, changed, loss, resnet, unlearn

RESTRICTED = {"learning_rates": (), "restricted_learning_rate": 0.01}  # no last epochs
ONE_BATCH = dataclasses.replace(DATA, retain=DATA.retain[:64])
STILL = {"learning_rates": (), "restricted_learning_rate": 0, "data": ONE_BATCH}  # nothing but the head's reset and noise


def in_normalisation(net):
    """Names of the weights of normalisation layers."""
    layers = [(prefix, layer) for prefix, layer in net.named_modules() if isinstance(layer, NORMALISATION)]
    return {f"{prefix}.{name}" for prefix, layer in layers for name, _ in layer.named_parameters()}


def with_new_head(net, seed=0, **options):
    return unlearn("sun", net, seed, restricted_epochs=0, learning_rates=(), **options)


def moved(before, after):
    """Names of the weights that differ anywhere."""
    return {name for name, differs in changed(before, after).items() if differs.any()}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("sun"), []).hyperparameters == {
        "restricted_epochs": 5,
        "restricted_learning_rate": 2e-4,
        "drawn_share": 9 / 22,
        "noisy_share": 0.7,
        "noise": 0.04,
        "learning_rates": [2e-4, 2e-4, 2e-4, 1e-3],
        "weight_decay": 5e-4,
    }


def test_step_1_draws_a_new_head_and_changes_nothing_else(original):
    differs = changed(original, with_new_head(original))
    *others, weight, bias = differs.values()
    assert weight.all()
    assert bias.all()
    assert not any(other.any() for other in others)


def test_step_2a_draws_as_many_tensors_anew_for_every_epoch(original):
    normalisation = in_normalisation(original)
    drawn = []
    for seed in range(3):
        of_one = unlearn("sun", original, seed, drawn_share=0.4, restricted_epochs=1, **RESTRICTED)
        drawn.append(moved(with_new_head(original, seed), of_one) - normalisation)
    assert [len(names) for names in drawn] == [2] * 3
    assert len(set(map(frozenset, drawn))) > 1
    of_eight = unlearn("sun", original, drawn_share=0.4, noise=0, restricted_epochs=8, **RESTRICTED)
    assert len(moved(with_new_head(original), of_eight) - normalisation) > 2


def test_step_2b_adds_noise_once_to_what_is_new_after_the_first_epoch(original):
    """With one tensor per epoch all five come up in time; the first comes up in the epoch without noise."""
    start = with_new_head(original)
    assert not moved(start, unlearn("sun", original, drawn_share=0.2, restricted_epochs=1, **STILL))
    noisy = unlearn("sun", original, drawn_share=0.2, restricted_epochs=30, **STILL)
    names = moved(start, noisy)
    assert len(names) == 4
    differences = [noisy.get_parameter(name) - start.get_parameter(name) for name in names]
    for difference in differences:
        if difference.numel() > 1000:
            assert abs(difference.std() / 0.04 - 1) < 0.05
            assert abs(difference.mean()) < 0.005
    assert sum(difference.numel() > 1000 for difference in differences) == 2  # the two large convolutions


@pytest.mark.parametrize(("second", "noised"), [((0, 2, 3), [2]), ((2, 3, 0), [2, 3]), ((1, 0, 2), [])])
def test_step_2b_picks_tensors_and_then_skips_those_drawn_before(original, monkeypatch, second, noised):
    """Two of the three drawn; it does not look for two that are new. So does the port, kgltop7.py of xcadet/deepunlearn."""
    orders, seen = iter([(0, 1, 4), second]), []
    monkeypatch.setattr(sun, "draw", lambda pool, count: [pool[i] for i in next(orders)])
    monkeypatch.setattr(sun, "add_noise", lambda weights, std: seen.extend(weights))
    net = copy.deepcopy(original)
    settings = {"restricted_epochs": 2, "learning_rates": (), "drawn_share": 0.6}
    sun.unlearning(net, *loaders(TASK, ONE_BATCH, "tuple"), **settings)
    pool = [weight for name, weight in net.named_parameters() if name not in in_normalisation(net)]
    assert len(pool) == 5
    assert [id(weight) for weight in seen] == [id(pool[i]) for i in noised]


def test_step_2b_noise_is_added_on_a_small_network_too(original):
    """Nine tensors would be all five of this one, none of them new; 9 of 22 are two of five."""
    assert moved(with_new_head(original), unlearn("sun", original, **STILL))


def test_step_2c_trains_normalisation_layers_and_freezes_what_is_not_drawn(original):
    trained = unlearn("sun", original, drawn_share=0.2, restricted_epochs=1, **RESTRICTED)
    differs = moved(with_new_head(original), trained)
    assert in_normalisation(original) < differs
    assert len(differs - in_normalisation(original)) == 1


def test_step_2c_finds_the_normalisation_layers_of_shortcuts():
    """torchvision calls them downsample.1, without "bn"."""
    net, pictures = resnet(), {"task": PICTURES_TASK, "data": PICTURES}
    trained = unlearn("sun", net, restricted_epochs=1, **RESTRICTED, **pictures)
    names = moved(with_new_head(net, **pictures), trained)
    assert {"layer2.0.downsample.1.weight", "layer3.0.downsample.1.bias", "bn1.weight"} <= names
    assert len(names - in_normalisation(net)) == 9


def test_step_3_trains_all_weights_an_epoch_at_each_learning_rate(original):
    start = with_new_head(original)
    trained = unlearn("sun", original, restricted_epochs=0, learning_rates=(0.0, 0.05, 0.05, 0.05))
    assert moved(start, trained) == {name for name, _ in original.named_parameters()}
    assert loss(trained, DATA.retain) < loss(start, DATA.retain) / 2
