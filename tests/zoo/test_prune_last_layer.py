import torch
from torch import nn

from starting_kit import contract
from test_prune import agreement, least, overfitted
from trials import DATA, changed, loss, unlearn, weights


def test_published_values_are_the_defaults():
    values, of_prune = (contract.describe(contract.find(name), []).hyperparameters for name in ("prune_last_layer", "prune"))
    assert values == of_prune


def test_step_1_finds_the_weights_that_overfitting_to_the_forget_set_moves_least(original):
    net = unlearn("prune_last_layer", original, epochs=0)
    moves = (overfitted(original, DATA.forget, 1e-2)[-1].weight - original[-1].weight).detach().abs().flatten()
    assert agreement((net[-1].weight != original[-1].weight).flatten(), least(moves)) > 0.97  # of 160


def test_step_1_trains_a_copy_and_leaves_the_network_alone(original):
    untouched = unlearn("prune_last_layer", original, fraction=0, epochs=0)
    assert all(torch.equal(tensor, original.state_dict()[name]) for name, tensor in untouched.state_dict().items())


def test_step_2_draws_exactly_the_fraction_of_the_last_weight_anew_and_nothing_else(original):
    net = unlearn("prune_last_layer", original, epochs=0)
    assert {name: int(mask.sum()) for name, mask in changed(original, net).items() if mask.any()} == {"13.weight": 48}
    assert all(torch.equal(tensor, dict(net.named_buffers())[name]) for name, tensor in original.named_buffers())


def test_step_2_draws_kaiming_normal_values(original):
    drawn = [unlearn("prune_last_layer", original, seed, fraction=1, overfit_epochs=0, epochs=0) for seed in range(5)]
    deviation = torch.stack([net[-1].weight.detach() for net in drawn]).std()
    assert abs(deviation / (2 / 16) ** 0.5 - 1) < 0.1  # of 800 values: standard error 0.025


def test_a_convolution_that_gives_the_classes_is_the_last_layer():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    masks = changed(net, unlearn("prune_last_layer", net, epochs=0))
    assert {name: int(mask.sum()) for name, mask in masks.items() if mask.any()} == {"2.weight": 12}


def test_step_3_repairs_what_step_2_broke(original):
    broken, repaired = (unlearn("prune_last_layer", original, epochs=epochs, learning_rate=0.01) for epochs in (0, 5))
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
    assert loss(broken, DATA.retain) > 10 * loss(original, DATA.retain)


def test_step_3_goes_through_the_retain_set_in_its_order(original):
    """Where nothing is pruned nothing is left to chance."""
    one, other = (unlearn("prune_last_layer", original, seed, fraction=0, overfit_epochs=0, epochs=1) for seed in (0, 1))
    assert torch.equal(weights(one), weights(other))
    assert not torch.equal(weights(one), weights(original))
