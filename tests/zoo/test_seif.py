import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from solutions import seif
from solutions.parts.layers import stem
from starting_kit import contract
from trials import DATA, PICTURES, PICTURES_TASK, TASK, changed, examples, loss, resnet, unlearn, weights

# Half the digits are rarer than the others, all examples come in one batch, in float64: a run can be repeated by hand.
UNEVEN = DATA.retain[(DATA.labels[DATA.retain] < 5) | (np.arange(len(DATA.retain)) % 6 == 0)]
BY_HAND = {
    "task": dataclasses.replace(TASK, loader_batch_size=len(UNEVEN)),
    "data": dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=UNEVEN),
}
STILL = {"learning_rate": 0, "weight_decay": 0}


def weighted_loss(logits, labels):
    """Every example's cross-entropy with the weight N / (C·N_c) of its class, over the sum of the weights."""
    counts = np.bincount(DATA.labels[UNEVEN])
    balanced = [len(UNEVEN) / (10 * counts[label]) for label in labels.tolist()]
    losses = [-z.log_softmax(dim=0)[label] for z, label in zip(logits, labels, strict=True)]
    return sum(weight * own for weight, own in zip(balanced, losses, strict=True)) / sum(balanced)


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("seif"), []).hyperparameters == {
        "noise": 0.6,
        "late_noise": 0.005,
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
    broken, repaired = unlearn("seif", original, epochs=0), unlearn("seif", original, learning_rate=0.02)
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
        weighted_loss(by_hand(images.double()), labels).backward()
        optimiser.step()
    torch.testing.assert_close(weights(unlearn("seif", net, **BY_HAND)), weights(by_hand), rtol=0, atol=1e-8)


def test_step_2a_every_example_has_the_weight_of_its_class(original):
    """Not the batch's mean weight, by which a port multiplied the batch's mean loss."""
    images, labels = examples(UNEVEN)
    class_weights = 1 / seif.class_counts(original, [(images, labels)])
    z = torch.randn(len(UNEVEN), 10, generator=torch.Generator().manual_seed(0))
    z[:, :5] += 2  # the frequent classes have the smaller losses
    result = seif.weighted_cross_entropy(z, labels, original, class_weights)
    torch.testing.assert_close(result, weighted_loss(z, labels))
    torch.testing.assert_close(result, F.cross_entropy(z, labels, weight=class_weights[0]))
    of_port = F.cross_entropy(z, labels) * (class_weights[0][labels] / class_weights[0][labels].mean()).mean()
    assert abs(result - of_port) > 0.05


def test_step_2a_classes_without_retain_examples_are_no_obstacle(original):
    some = DATA.retain[~np.isin(DATA.labels[DATA.retain], (3, 9))]
    counts = seif.class_counts(original, [examples(some)])
    assert counts[0, 3] == 1
    data = dataclasses.replace(DATA, retain=some)
    assert weights(unlearn("seif", original, data=data)).isfinite().all()


def test_step_3_adds_a_little_noise_to_the_first_convolution_only():
    net = resnet()
    perturbed = unlearn("seif", net, task=PICTURES_TASK, data=PICTURES, **STILL, noise=0, epochs=1)
    assert [name for name, moved in changed(net, perturbed).items() if moved.any()] == ["conv1.weight"]
    assert (perturbed.conv1.weight - net.conv1.weight).std().item() == pytest.approx(0.005, rel=0.03)


def test_a_frozen_first_convolution_stays_as_it_is(original):
    net = copy.deepcopy(original)
    frozen = stem(net).weight.requires_grad_(False)
    assert torch.equal(stem(unlearn("seif", net)).weight, frozen)
