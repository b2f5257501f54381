import copy
import dataclasses

import numpy as np
import pytest
import torch

from solutions import label_poison
from solutions.parts.batches import unpack
from solutions.parts.training import train
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, given, unlearn, weights


def by_image(loader):
    """Each image's label, by the image, in one pass over a loader of tuples."""
    pairs = (pair for images, labels in loader for pair in zip(images, labels, strict=True))
    return {image.numpy().tobytes(): label.item() for image, label in pairs}


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("label_poison"), []).hyperparameters == {
        "epochs": 1,
        "learning_rate": 7e-4,
        "batch_size": 128,
        "weight_decay": 5e-4,
    }


def test_every_forget_example_has_one_label_for_the_whole_call(original):
    net = copy.deepcopy(original)
    forget = given()[1]
    poisoned, other = (label_poison.poison(net, forget, 128) for _ in range(2))
    right, first, second = by_image(forget), by_image(poisoned), by_image(poisoned)
    assert first == second
    assert first.keys() == right.keys()
    assert first != by_image(other)


def test_labels_are_of_all_classes_of_the_network_alike_whatever_the_forget_set_has(original):
    one_class = dataclasses.replace(DATA, forget=np.flatnonzero(DATA.labels == 3))
    forget = loaders(TASK, one_class, "dict")[1]
    labels = torch.cat([label_poison.random_labels(copy.deepcopy(original), forget) for _ in range(20)])
    shares = labels.bincount(minlength=10) / len(labels)  # of about 3,600 labels: standard error 0.005
    assert len(shares) == 10
    assert shares.min() > 0.08
    assert shares.max() < 0.12


def test_training_forgets_what_it_learnt_and_reads_only_the_forget_set(original):
    net = copy.deepcopy(original)
    label_poison.unlearning(net, None, given()[1], None, epochs=20, learning_rate=0.05)
    assert accuracy(original, DATA.forget) == 1
    assert accuracy(net, DATA.forget) < 0.4


def test_one_batch_is_one_step_of_the_learning_rate_along_the_poisoned_gradient(original):
    """90 forget examples in one batch: the step is -lr · (gradient + weight decay · weight)."""
    torch.manual_seed(0)
    net, naive = copy.deepcopy(original), copy.deepcopy(original).train()
    loader = label_poison.poison(net, given()[1], 128)
    train(net, loader, epochs=1, learning_rate=7e-4, weight_decay=5e-4)
    ((images, labels),) = loader
    log_p = naive(images).log_softmax(dim=1)
    (-log_p[range(90), labels]).mean().backward()
    gradient = torch.cat([weight.grad.flatten() for weight in naive.parameters()])
    expected = -7e-4 * (gradient + 5e-4 * weights(naive))
    assert (weights(net) - weights(original) - expected).norm() < 1e-3 * expected.norm()


def test_a_frozen_weight_stays(original):
    net = copy.deepcopy(original)
    net[1].weight.requires_grad_(False)
    assert torch.equal(unlearn("label_poison", net)[1].weight, original[1].weight)
    assert not torch.equal(unlearn("label_poison", original)[1].weight, original[1].weight)


@pytest.mark.parametrize("batches", ["tuple", "dict"])
def test_batches_of_either_kit_get_the_random_labels(original, batches):
    net = copy.deepcopy(original)
    forget = given(batches)[1]
    torch.manual_seed(1)
    labels = label_poison.random_labels(net, forget)
    torch.manual_seed(1)
    read = torch.cat([unpack(batch, net)[1] for batch in label_poison.poison(net, forget, 128)])
    assert torch.equal(read.sort().values, labels.sort().values)


def test_forget_examples_come_in_another_order_in_every_epoch(original):
    poisoned = label_poison.poison(copy.deepcopy(original), given()[1], 128)
    first, second = (next(iter(poisoned))[0] for _ in range(2))
    assert not torch.equal(first, second)
