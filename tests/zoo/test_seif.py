import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from solutions import seif
from solutions.parts.class_weights import class_counts
from solutions.parts.layers import stem
from starting_kit import contract
from trials import DATA, PICTURES, PICTURES_TASK, TASK, changed, examples, loss, resnet, unlearn, weights

# Some digits are rarer than others, the sevens most frequent; all come in one batch, in float64: a run can be repeated by hand.
UNEVEN = DATA.retain[(DATA.labels[DATA.retain] == 7) | (np.arange(len(DATA.retain)) % 3 == 0)]
BY_HAND = {
    "task": dataclasses.replace(TASK, loader_batch_size=len(UNEVEN)),
    "data": dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=UNEVEN),
}
STILL = {"learning_rate": 0, "weight_decay": 0}


def rated_loss(logits, labels):
    """The mean cross-entropy times the mean of weights 1 for sevens and 0.05 for others."""
    class_weights = [0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 1, 0.05, 0.05]
    mean_weight = sum(class_weights[label] for label in labels.tolist()) / len(labels)
    losses = [-z.log_softmax(dim=0)[label] for z, label in zip(logits, labels, strict=True)]
    return mean_weight * sum(losses) / len(losses)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("seif"), []).hyperparameters == {
        "noise": 0.6,
        "late_noise": 0.005,
        "minority_weight": 0.05,
        "epochs": 4,
        "learning_rate": 7e-4,
        "weight_decay": 5e-4,
    }


def test_step_1_adds_noise_to_the_first_convolution_only():
    net = resnet()
    perturbed = unlearn("seif", net, task=PICTURES_TASK, data=PICTURES, epochs=0)
    assert [name for name, moved in changed(net, perturbed).items() if moved.any()] == ["conv1.weight"]
    drawn = (perturbed.conv1.weight - net.conv1.weight).detach() / 0.6
    assert abs(drawn.mean()) < 0.04
    assert drawn.std() == pytest.approx(1, abs=0.03)
    assert (drawn**4).mean() == pytest.approx(3, abs=0.3)


def test_step_2_repairs_what_step_1_broke(original):
    broken, repaired = unlearn("seif", original, epochs=0), unlearn("seif", original, learning_rate=0.1)
    assert loss(repaired, DATA.retain) < loss(broken, DATA.retain) / 2


def test_step_2b_and_3_in_their_order_do_what_a_plain_loop_does(original):
    net = copy.deepcopy(original).double()
    noisy = unlearn("seif", net, **BY_HAND, epochs=0)
    late = stem(unlearn("seif", net, **BY_HAND, **STILL, noise=0)).weight - stem(net).weight  # the same seed, the same noise
    by_hand = noisy.train()
    optimiser = torch.optim.SGD(by_hand.parameters(), lr=1, momentum=0.9, weight_decay=5e-4)
    images, labels = examples(UNEVEN)
    for epoch in range(4):
        if epoch == 3:
            with torch.no_grad():
                stem(by_hand).weight.add_(late)
        optimiser.param_groups[0]["lr"] = 7e-4 * (1 + math.cos(math.pi * epoch / 4)) / 2
        optimiser.zero_grad()
        rated_loss(by_hand(images.double()), labels).backward()
        optimiser.step()
    torch.testing.assert_close(weights(unlearn("seif", net, **BY_HAND)), weights(by_hand), rtol=0, atol=1e-8)


def test_step_2a_is_a_learning_rate_that_depends_on_the_share_of_the_majority_class(original):
    """0.05 + 0.95 · share times the plain gradient; weights of single examples would turn it."""
    images, labels = examples(UNEVEN)
    assert torch.equal(class_counts(original, [(images, labels)]).argmax(dim=1), torch.tensor([7]))
    z = torch.randn(len(UNEVEN), 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for some in (slice(None), labels == 7, labels != 7):
        share = (labels[some] == 7).double().mean().item()
        loss_of_batch = seif.rated_cross_entropy(z[some], labels[some], original, torch.tensor([[7]]), 0.05)
        (plain,) = torch.autograd.grad(F.cross_entropy(z[some], labels[some]), z)
        (rated,) = torch.autograd.grad(loss_of_batch, z)
        torch.testing.assert_close(rated, (0.05 + 0.95 * share) * plain)


def test_step_3_adds_a_little_noise_to_the_first_convolution_only():
    net = resnet()
    perturbed = unlearn("seif", net, task=PICTURES_TASK, data=PICTURES, **STILL, noise=0, epochs=1)
    assert [name for name, moved in changed(net, perturbed).items() if moved.any()] == ["conv1.weight"]
    assert (perturbed.conv1.weight - net.conv1.weight).std().item() == pytest.approx(0.005, rel=0.03)


def test_a_frozen_first_convolution_stays_as_it_is(original):
    net = copy.deepcopy(original)
    frozen = stem(net).weight.requires_grad_(False)
    assert torch.equal(stem(unlearn("seif", net)).weight, frozen)
