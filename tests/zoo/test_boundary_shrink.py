import copy
import dataclasses

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from solutions import boundary_shrink
from starting_kit import contract
from trials import DATA, TASK, examples, given, loss, unlearn, weights

ALL_AT_ONCE = dataclasses.replace(TASK, loader_batch_size=512)  # one batch per epoch: the order does not matter
PRECISE = dataclasses.replace(DATA, images=DATA.images.astype(np.float64))


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("boundary_shrink"), []).hyperparameters == {
        "epochs": 10,
        "learning_rate": 1e-5,
        "bound": 0.1,
    }


def test_nearest_class_of_a_linear_network_equals_its_closed_form():
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).double()
    images, labels = torch.randn(200, 3, 2, 2, generator=generator).double(), torch.randint(5, (200,), generator=generator)
    with torch.no_grad():
        x, weight, bias = images.flatten(1), net[1].weight, net[1].bias
        uphill = (x @ weight.T + bias).softmax(dim=1) - F.one_hot(labels, 5)  # the loss's gradient on the logits
        expected = ((x + 0.3 * (uphill @ weight).sign()) @ weight.T + bias).argmax(dim=1)
    nearest = boundary_shrink.nearest_classes(net, images, labels, 0.3)
    assert torch.equal(nearest, expected)
    assert not torch.equal(nearest, net(images).argmax(dim=1))
    assert torch.equal(boundary_shrink.nearest_classes(net, images, labels, 0.0), net(images).argmax(dim=1))


def test_step_follows_the_range_of_the_images(original):
    net = copy.deepcopy(original)
    net[0].mean, net[0].std = (net[0].mean[0] / 16,), (net[0].std[0] / 16,)  # a power of two: without rounding
    in_0_1 = dataclasses.replace(DATA, images=DATA.images / 16)
    settings = {"bound": 0.3, "learning_rate": 1e-3}
    first, second = (unlearn("boundary_shrink", own, data=data, **settings) for own, data in ((original, DATA), (net, in_0_1)))
    assert torch.equal(weights(first), weights(second))


def test_a_larger_step_crosses_the_boundary_of_more_examples(original):
    images, labels = examples(DATA.forget)
    crossed = [
        (boundary_shrink.nearest_classes(original, images, labels, 16 * bound) != labels).double().mean().item()
        for bound in (0.0, 0.1, 0.3)
    ]
    assert crossed[0] < crossed[1] < crossed[2]


def test_equals_a_naive_version_with_the_originals_labels(original):
    net = copy.deepcopy(original).double()
    settings = {"epochs": 4, "learning_rate": 1e-2, "bound": 0.3}
    unlearned = unlearn("boundary_shrink", net, task=ALL_AT_ONCE, data=PRECISE, **settings)

    images, labels = torch.from_numpy(PRECISE.images[DATA.forget]), torch.from_numpy(DATA.labels[DATA.forget])
    nearest = []
    for image, label in zip(images, labels, strict=True):  # one by one
        image = image[None].requires_grad_()
        F.cross_entropy(net(image), label[None]).backward()
        nearest.append(net(image + 0.3 * 16 * image.grad.sign()).argmax())
    moved = copy.deepcopy(net).train()
    optimiser = torch.optim.SGD(moved.parameters(), lr=1e-2, momentum=0.9)
    for _ in range(4):
        optimiser.zero_grad()
        F.cross_entropy(moved(images), torch.stack(nearest)).backward()
        optimiser.step()
    assert (weights(moved) - weights(net)).abs().max() > 1e-2
    torch.testing.assert_close(weights(unlearned), weights(moved), rtol=0, atol=1e-8)


def test_forget_loss_rises_without_the_retain_set(original):
    net = copy.deepcopy(original)
    torch.manual_seed(0)
    boundary_shrink.unlearning(net, None, given()[1], None, learning_rate=1e-3, bound=0.3)
    assert loss(net, DATA.forget) > 2 * loss(original, DATA.forget)
