import copy

import torch
from torch.nn import functional as F

from starting_kit import contract
from trials import DATA, examples, loss, unlearn


def overfitted(original, ids, learning_rate):
    """A copy trained for 20 epochs of one batch, without anything of the solution's."""
    net = copy.deepcopy(original).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9, weight_decay=5e-4)
    images, labels = examples(ids)
    for _ in range(20):
        optimiser.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimiser.step()
    return net


def matrices(net):
    """All weights of at least two dimensions, as one vector."""
    return torch.cat([weight.detach().flatten() for weight in net.parameters() if weight.dim() >= 2])


SIZES = [72, 1152, 2304, 160]  # of those weights


def least(moves, fraction=0.3):
    """Where the smallest of the moves [elements] of a weight are."""
    return moves <= moves.sort().values[round(fraction * len(moves)) - 1]


def least_of_each(moves):
    """The same for all weights of at least two dimensions, each on its own, as one vector."""
    return torch.cat([least(part) for part in moves.split(SIZES)])


def agreement(masks, others):
    """Share of the elements that are equal: rounding moves a few over the threshold."""
    return (masks == others).double().mean().item()


def are_kaiming_normal(convolution):
    """Whether a weight [16, 8, 3, 3] has mean 0 and variance 2/fan-in, here 2/(8·9)."""
    standard = convolution.detach() / (2 / 72) ** 0.5
    return abs(standard.mean()) < 0.1 and abs(standard.std() - 1) < 0.1  # of 1,152 values: standard errors 0.03 and 0.02


def others_are_equal(before, after):
    """Whether everything else, batch-norm statistics included, is what it was."""
    vectors = {name for name, weight in before.named_parameters() if weight.dim() < 2} | dict(before.named_buffers()).keys()
    return all(torch.equal(before.state_dict()[name], after.state_dict()[name]) for name in vectors)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("prune"), []).hyperparameters == {
        "fraction": 0.3,
        "overfit_epochs": 20,
        "overfit_learning_rate": 1e-2,
        "epochs": 5,
        "learning_rate": 1e-3,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_step_1_finds_the_weights_that_overfitting_to_the_forget_set_moves_least(original):
    pruned = matrices(unlearn("prune", original, epochs=0)) != matrices(original)
    moves = (matrices(overfitted(original, DATA.forget, 1e-2)) - matrices(original)).abs()
    assert agreement(pruned, least_of_each(moves)) > 0.99


def test_step_1_trains_a_copy_and_leaves_the_network_alone(original):
    untouched = unlearn("prune", original, fraction=0, epochs=0)
    assert torch.equal(matrices(untouched), matrices(original))
    assert others_are_equal(original, untouched)


def test_step_2_draws_exactly_the_fraction_of_each_weight_anew_and_nothing_else(original):
    net = unlearn("prune", original, epochs=0)
    pruned = matrices(net) != matrices(original)
    assert [part.sum().item() for part in pruned.split(SIZES)] == [22, 346, 691, 48]
    assert others_are_equal(original, net)


def test_step_2_draws_kaiming_normal_values(original):
    assert not are_kaiming_normal(original[5].weight)
    assert are_kaiming_normal(unlearn("prune", original, fraction=1, overfit_epochs=0, epochs=0)[5].weight)


def test_step_2_leaves_frozen_weights_alone(original):
    net = copy.deepcopy(original)
    net[1].weight.requires_grad_(False)  # of 72 elements, and it does not move
    pruned = matrices(unlearn("prune", net, epochs=0)) != matrices(original)
    assert not pruned[:72].any()
    assert pruned.sum() == 346 + 691 + 48


def test_step_3_repairs_what_step_2_broke(original):
    broken, repaired = (unlearn("prune", original, epochs=epochs, learning_rate=0.01) for epochs in (0, 5))
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
    assert loss(broken, DATA.retain) > 10 * loss(original, DATA.retain)


def test_step_3_goes_through_the_retain_set_in_its_order(original):
    """Where nothing is pruned nothing is left to chance."""
    one, other = (unlearn("prune", original, seed, fraction=0, overfit_epochs=0, epochs=1) for seed in (0, 1))
    assert torch.equal(matrices(one), matrices(other))
    assert not torch.equal(matrices(one), matrices(original))
