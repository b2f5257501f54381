import copy

import torch
from torch.nn import functional as F

from solutions import l1_sparse
from solutions.parts.batches import rebatch
from starting_kit import contract
from trials import DATA, examples, given, loss, unlearn, weights


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("l1_sparse"), []).hyperparameters == {
        "alpha": 1e-4,
        "epochs": 10,
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
    }


def test_the_penalty_moves_every_weight_towards_0_by_the_same_step(original):
    nets = [copy.deepcopy(original) for _ in range(2)]
    for net, alpha in zip(nets, (0.0, 0.1), strict=True):
        settings = {"alpha": alpha, "epochs": 1, "learning_rate": 0.02}
        l1_sparse.unlearning(net, rebatch(given()[0], 512), None, None, **settings)  # one batch, one step
    expected = weights(nets[0]) - 0.02 * 0.1 * weights(original).sign()
    torch.testing.assert_close(weights(nets[1]), expected, rtol=0, atol=1e-6)


def test_the_penalty_falls_linearly_from_epoch_to_epoch(original):
    net, by_hand = copy.deepcopy(original), copy.deepcopy(original).train()
    l1_sparse.unlearning(net, rebatch(given()[0], 512), None, None, alpha=0.02, epochs=4, weight_decay=0.0)
    optimiser = torch.optim.SGD(by_hand.parameters(), lr=0.01, momentum=0.9)
    images, labels = examples(DATA.retain)
    for alpha in (0.02, 0.015, 0.01, 0.005):
        optimiser.zero_grad()
        size = sum(weight.abs().sum() for weight in by_hand.parameters())
        (F.cross_entropy(by_hand(images), labels) + alpha * size).backward()
        optimiser.step()
    torch.testing.assert_close(weights(net), weights(by_hand), rtol=0, atol=2e-6)


def test_the_network_becomes_sparse_and_still_fits_the_retain_set(original):
    def near_0(net):
        return (weights(net).abs() < 0.01).double().mean()

    settings = {"epochs": 5, "learning_rate": 0.02}
    sparse, ordinary = (unlearn("l1_sparse", original, alpha=alpha, **settings) for alpha in (0.01, 0.0))
    assert near_0(sparse) > 2 * near_0(ordinary)
    assert loss(sparse, DATA.retain) < 0.2
