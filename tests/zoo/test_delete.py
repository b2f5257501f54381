import copy
import dataclasses

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from solutions import delete
from starting_kit import contract
from trials import DATA, TASK, accuracy, examples, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype(np.float64))


def buffers(net):
    return torch.cat([buffer.flatten().double() for buffer in net.buffers()])


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("delete"), []).hyperparameters == {
        "epochs": 20,
        "learning_rate": 1e-4,
        "batch_size": 128,
        "freeze_statistics": False,
    }


def test_target_is_the_originals_belief_in_the_other_classes(original):
    images, labels = examples(DATA.forget)
    with torch.no_grad():
        p = original(images).softmax(dim=1)
    target = delete.without_true_class(original, images, labels).softmax(dim=1)
    rows = torch.arange(len(labels))
    assert (target[rows, labels] == 0).all()
    expected = p.scatter(1, labels[:, None], 0)
    torch.testing.assert_close(target, expected / expected.sum(dim=1, keepdim=True))


def test_equals_a_naive_version_whose_targets_do_not_move(original):
    """All 90 forget examples are one batch, so their order does not matter."""
    net = copy.deepcopy(original).double()
    unlearned = unlearn("delete", net, data=PRECISE, epochs=3, learning_rate=1e-2)

    images, labels = torch.from_numpy(PRECISE.images[DATA.forget]), torch.from_numpy(DATA.labels[DATA.forget])
    others = ~F.one_hot(labels, 10).bool()
    with torch.no_grad():
        p = net(images)[others].view(-1, 9).softmax(dim=1)
    student = copy.deepcopy(net).train()
    optimiser = torch.optim.SGD(student.parameters(), lr=1e-2, momentum=0.9)
    for _ in range(3):
        q = student(images).softmax(dim=1)[others].view(-1, 9)
        optimiser.zero_grad()
        (p * (p / q).log()).sum(dim=1).mean().backward()
        optimiser.step()
    assert (weights(student) - weights(net)).abs().max() > 1e-2
    torch.testing.assert_close(weights(unlearned), weights(student), rtol=0, atol=1e-8)


def test_batches_have_the_published_size_whatever_the_loaders(original):
    one_batch, two = (dataclasses.replace(TASK, loader_batch_size=size) for size in (90, 45))
    first, second = (unlearn("delete", original, task=task, epochs=2, learning_rate=1e-2) for task in (one_batch, two))
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=1e-4)
    smaller = unlearn("delete", original, task=one_batch, epochs=2, learning_rate=1e-2, batch_size=45)
    assert (weights(first) - weights(smaller)).abs().max() > 1e-3


def test_frozen_statistics_are_kept_exactly_while_batch_norm_weights_train(original):
    frozen, moving = (unlearn("delete", original, freeze_statistics=freeze) for freeze in (True, False))
    assert torch.equal(buffers(frozen), buffers(original))
    assert not torch.equal(buffers(moving), buffers(original))
    assert not torch.equal(frozen[2].weight, original[2].weight)  # of the first batch-norm layer


def test_forgets_a_class_without_the_retain_set(original):
    of_class = DATA.labels[DATA.training] == 0
    retain, forget = DATA.training[~of_class], DATA.training[of_class]
    net = copy.deepcopy(original)
    batch = examples(forget)
    delete.unlearning(net, None, DataLoader(TensorDataset(*batch), 64), None, learning_rate=1e-2)
    assert accuracy(net, forget) == 0
    assert accuracy(net, retain) > 0.5
