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


def least(moves, fraction=0.3):
    """Where the smallest of some moves [weights] are."""
    return moves <= moves.sort().values[round(fraction * len(moves)) - 1]


def agreement(masks, others):
    """Share of the elements that are equal: rounding moves a few over the threshold."""
    return (masks == others).double().mean().item()


def are_kaiming_normal(convolution):
    """Whether a weight [16, 8, 3, 3] has mean 0 and variance 2/fan-out, here 2/(16·9)."""
    standard = convolution.detach() / (2 / 144) ** 0.5
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
    assert agreement(pruned, least(moves)) > 0.99


def test_step_1_trains_a_copy_and_leaves_the_network_alone(original):
    untouched = unlearn("prune", original, fraction=0, epochs=0)
    assert torch.equal(matrices(untouched), matrices(original))
    assert others_are_equal(original, untouched)


def test_step_2_draws_exactly_the_fraction_anew_and_nothing_else(original):
    net = unlearn("prune", original, epochs=0)
    pruned = matrices(net) != matrices(original)
    assert pruned.sum() == round(0.3 * len(pruned)) == 1106
    assert others_are_equal(original, net)


def test_step_2_draws_kaiming_normal_values(original):
    assert not are_kaiming_normal(original[5].weight)
    assert are_kaiming_normal(unlearn("prune", original, fraction=1, overfit_epochs=0, epochs=0)[5].weight)


def test_step_2_leaves_frozen_weights_alone(original):
    net = copy.deepcopy(original)
    net[1].weight.requires_grad_(False)  # of 72 elements, and it does not move
    pruned = matrices(unlearn("prune", net, epochs=0)) != matrices(original)
    assert not pruned[:72].any()
    assert pruned.sum() == round(0.3 * (len(pruned) - 72))


def test_step_3_repairs_what_step_2_broke(original):
    broken, repaired = (unlearn("prune", original, epochs=epochs, learning_rate=0.01) for epochs in (0, 5))
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2
    assert loss(broken, DATA.retain) > 10 * loss(original, DATA.retain)
