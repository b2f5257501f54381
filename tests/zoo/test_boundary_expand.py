import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions import boundary_expand
from solutions.parts import layers
from starting_kit import contract, networks, runner
from trials import DATA, TASK, examples, given, loss, unlearn, weights

ALL_AT_ONCE = dataclasses.replace(TASK, loader_batch_size=512)  # one batch per epoch: the order does not matter
PRECISE = dataclasses.replace(DATA, images=DATA.images.astype(np.float64))


@pytest.fixture(params=["cnn-8-16-16", "all-cnn"])
def net(request):
    """A network whose head is a linear layer, and one whose head is a convolution."""
    torch.manual_seed(0)
    return networks.NETWORKS[request.param](TASK).eval()


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("boundary_expand"), []).hyperparameters == {"epochs": 10, "learning_rate": 1e-5}


def test_there_is_one_more_output_and_the_others_are_as_before(net):
    images, _ = examples(DATA.forget[:5])
    before = net(images)
    with boundary_expand.extra_class(net) as extra:
        widened = net(images)
    assert extra == 10
    assert widened.shape == (5, 11)
    torch.testing.assert_close(widened[:, :10], before)
    assert torch.equal(net(images), before)


def test_afterwards_the_heads_own_parameters_have_what_was_learnt(net):
    head = layers.head(net)
    head.bias.requires_grad_(False)
    own = dict(net.named_parameters())
    before = {name: weight.detach().clone() for name, weight in head.named_parameters()}
    with boundary_expand.extra_class(net), torch.no_grad():
        assert [head.weight.requires_grad, head.bias.requires_grad] == [True, False]
        for weight in head.parameters():
            weight.add_(torch.arange(11).view(-1, *[1] * (weight.dim() - 1)))
    assert all(weight is own[name] for name, weight in net.named_parameters())
    for name, weight in head.named_parameters():
        torch.testing.assert_close(weight.detach(), before[name] + torch.arange(10).view(-1, *[1] * (weight.dim() - 1)))
    assert [head.weight.requires_grad, head.bias.requires_grad] == [True, False]


def test_the_head_is_put_back_when_something_raises(net):
    with pytest.raises(RuntimeError, match="on purpose"), boundary_expand.extra_class(net):
        raise RuntimeError("on purpose")
    assert net(examples(DATA.forget[:5])[0]).shape == (5, 10)


def test_the_whole_network_trains_and_keeps_its_architecture(net):
    unlearned = unlearn("boundary_expand", net, epochs=1)
    assert str(unlearned) == str(net)
    for name, weight in net.named_parameters():
        assert weight.shape == unlearned.get_parameter(name).shape
        assert not torch.equal(weight, unlearned.get_parameter(name)), name


def test_equals_a_naive_version_with_a_wider_layer(original):
    start = copy.deepcopy(original).double()
    unlearned = unlearn("boundary_expand", start, task=ALL_AT_ONCE, data=PRECISE, epochs=4, learning_rate=1e-2)

    runner.start_afresh(0)
    bound = start[-1].in_features ** -0.5
    wide = nn.Linear(start[-1].in_features, 11).double()
    runner.start_afresh(0)
    with torch.no_grad():
        wide.weight[:10], wide.bias[:10] = start[-1].weight, start[-1].bias
        wide.weight[10:].uniform_(-bound, bound)
        wide.bias[10:].uniform_(-bound, bound)
    moved = nn.Sequential(*copy.deepcopy(start)[:-1], wide).train()
    images = torch.from_numpy(PRECISE.images[DATA.forget])
    optimiser = torch.optim.SGD(moved.parameters(), lr=1e-2, momentum=0.9)
    for _ in range(4):
        optimiser.zero_grad()
        F.cross_entropy(moved(images), torch.full((len(images),), 10)).backward()
        optimiser.step()
    expected = [*weights(moved[:-1]), *wide.weight[:10].flatten(), *wide.bias[:10]]
    assert (weights(unlearned) - weights(start)).abs().max() > 1e-2
    torch.testing.assert_close(weights(unlearned), torch.stack(expected), rtol=0, atol=1e-8)


def test_forget_loss_rises_without_the_retain_set(original):
    net = copy.deepcopy(original)
    torch.manual_seed(0)
    boundary_expand.unlearning(net, None, given()[1], None, learning_rate=1e-2)
    assert loss(net, DATA.forget) > 2 * loss(original, DATA.forget)
