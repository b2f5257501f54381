import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from starting_kit import tasks
from starting_kit.lockstep import Stacked
from starting_kit.networks import NETWORKS, build
from starting_kit.training import train

TASK = tasks.find("digits")
DATA = TASK.load()
ONE_EPOCH = dataclasses.replace(TASK, recipe=dataclasses.replace(TASK.recipe, epochs=1))


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def train_alone(task, examples, seed):
    """The recipe in its plainest form: one ordinary network, one batch after another."""
    recipe = task.recipe
    net = build(task, seed).train()
    order = torch.Generator().manual_seed(seed)
    images = torch.from_numpy(DATA.images).to(torch.get_default_dtype())
    labels = torch.from_numpy(DATA.labels)
    optimiser = torch.optim.SGD(
        net.parameters(), lr=0.1, momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    batches = -(-len(examples) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=recipe.epochs * batches, cycle_momentum=False)
    for _ in range(recipe.epochs):
        for batch in torch.from_numpy(examples)[torch.randperm(len(examples), generator=order)].split(recipe.batch_size):
            optimiser.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def logits_of(net):
    with torch.no_grad():
        return net(torch.from_numpy(DATA.images).to(torch.get_default_dtype()))


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_networks_trained_together_equal_networks_trained_alone(float64, network):
    task = dataclasses.replace(TASK, network=network, recipe=dataclasses.replace(TASK.recipe, epochs=10))
    together = train(task, DATA, DATA.retain, [3, 4, 5])
    for seed, net in zip([3, 4, 5], together, strict=True):
        alone = train_alone(task, DATA.retain, seed)
        assert net.state_dict().keys() == alone.state_dict().keys()
        torch.testing.assert_close(logits_of(net), logits_of(alone), rtol=0, atol=1e-10)


@pytest.mark.slow
def test_whole_run_of_digits_agrees_to_rounding(float64):
    together = train(TASK, DATA, DATA.retain, [0, 1])
    for seed, net in enumerate(together):
        torch.testing.assert_close(logits_of(net), logits_of(train_alone(TASK, DATA.retain, seed)), rtol=0, atol=1e-10)


@pytest.mark.slow
def test_float32_rounding_is_below_the_difference_between_seeds():
    seeds = [0, 1, 2, 3]
    together = train(TASK, DATA, DATA.retain, seeds)
    alone = [train(TASK, DATA, DATA.retain, [seed])[0] for seed in seeds]
    rounding = np.mean([(logits_of(a) - logits_of(b)).abs().mean().item() for a, b in zip(together, alone, strict=True)])
    between = np.mean([(logits_of(a) - logits_of(b)).abs().mean().item() for a, b in pairwise(alone)])
    assert rounding < between / 2  # measured: 0.7 and 2.0


def test_training_leaves_the_global_random_state_alone_and_repeats():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = train(ONE_EPOCH, DATA, DATA.retain, [1, 2])
    assert torch.equal(torch.rand(3), expected)
    for a, b in zip(first, train(ONE_EPOCH, DATA, DATA.retain, [1, 2]), strict=True):
        assert torch.equal(logits_of(a), logits_of(b))
    assert not torch.equal(logits_of(first[0]), logits_of(first[1]))


def test_members_do_not_touch_each_other():
    members = [build(TASK, seed) for seed in (0, 1, 2)]
    images = torch.from_numpy(DATA.images[:12]).view(3, 4, 1, 8, 8)
    stacked = Stacked(members).train()
    stacked(images)[1].sum().backward()  # only member 1 has a loss
    for parameter in stacked.parameters():
        gradients = parameter.grad.reshape(3, -1)
        assert gradients[1].abs().sum() > 0
        assert gradients[[0, 2]].abs().sum() == 0
    with torch.no_grad():
        next(iter(stacked.parameters()))[:8].fill_(float("nan"))  # member 0's first convolution has 8 channels
        finite = torch.isfinite(stacked.eval()(images)).flatten(1).all(dim=1)
    assert finite.tolist() == [False, True, True]


def test_stacking_and_unstacking_gives_the_members_back():
    members = [train(ONE_EPOCH, DATA, DATA.retain, [seed])[0] for seed in (5, 6)]
    for member, back in zip(members, Stacked(members).unstack(), strict=True):
        for name, tensor in member.state_dict().items():
            assert torch.equal(back.state_dict()[name], tensor), name
        assert type(back) is type(member)


def test_a_layer_that_cannot_be_stacked_is_named():
    with pytest.raises(TypeError, match=r"layer '1' \(Embedding\)"):
        Stacked([nn.Sequential(nn.Linear(2, 2), nn.Embedding(3, 2))])


def test_digits_networks_learn_and_remember_what_is_to_be_forgotten():
    seeds = range(8)
    images, labels = torch.from_numpy(DATA.images), torch.from_numpy(DATA.labels)

    def accuracy_and_loss(nets, ids):
        with torch.no_grad():
            logits = torch.stack([net(images[ids]) for net in nets])
        accuracy = (logits.argmax(dim=-1) == labels[ids]).float().mean().item()
        return accuracy, F.cross_entropy(logits.flatten(0, 1), labels[ids].repeat(len(nets))).item()

    retrained, original = train(TASK, DATA, DATA.retain, seeds), train(TASK, DATA, DATA.training, seeds)
    assert 0.95 < accuracy_and_loss(retrained, DATA.test)[0] < 0.99
    assert accuracy_and_loss(retrained, DATA.retain)[0] > 0.99
    assert accuracy_and_loss(original, DATA.forget)[0] > 0.99
    assert accuracy_and_loss(retrained, DATA.forget)[1] > 5 * accuracy_and_loss(original, DATA.forget)[1]
