import copy

import pytest
import torch

from solutions.parts.training import confine, sgd, train_epoch, training_only
from trials import DATA, examples, small_net


def test_training_only_leaves_requires_grad_as_it_was_even_after_an_error():
    net = small_net()
    frozen, *others = net.parameters()
    frozen.requires_grad_(False)
    with pytest.raises(KeyError), training_only(net, [frozen, others[0]]):
        assert [w.requires_grad for w in net.parameters()] == [False, True] + [False] * (len(others) - 1)
        raise KeyError
    assert [w.requires_grad for w in net.parameters()] == [False] + [True] * len(others)


def test_confined_weights_do_not_move_by_decay_or_momentum():
    net = small_net().train()
    before = copy.deepcopy(net)
    masks = {weight: torch.rand_like(weight) < 0.5 for weight in net.parameters()}
    optimiser = sgd(net, 0.1, weight_decay=0.1)
    confine(optimiser, masks)
    images, labels = examples(DATA.retain[:32])
    train_epoch(net, [(images.double(), labels)] * 3, optimiser)
    for old, (weight, mask) in zip(before.parameters(), masks.items(), strict=True):
        assert torch.equal(weight[~mask], old[~mask])
        assert (weight[mask] != old[mask]).any()
