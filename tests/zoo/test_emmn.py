import copy
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from solutions import emmn
from solutions.parts.data_spec import data_spec
from starting_kit import contract, runner
from starting_kit.loaders import loaders
from trials import CLASS_DATA, CLASS_TASK, accuracy, steps, unlearn, weights

OTHERS = (0, 1, 2, 4, 5, 6, 7, 8, 9)


def test_the_published_values_of_the_noise_are_the_defaults():
    values = contract.describe(contract.find("emmn"), []).hyperparameters
    names = ("noise_learning_rate", "noise_penalty", "forget_steps")
    assert tuple(values[name] for name in names) == (0.1, 0.1, 25)


@pytest.fixture
def epochs(monkeypatch):
    """The data set, optimiser and mode of every epoch of a run, and the network before it."""
    seen = []
    train_epoch = emmn.train_epoch

    def keep(net, loader, optimiser):
        images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
        seen.append((images, labels, optimiser, net.training, copy.deepcopy(net)))
        train_epoch(net, loader, optimiser)

    monkeypatch.setattr(emmn, "train_epoch", keep)
    return seen


def run(net, **settings):
    """The solution itself on data-free loaders, on a copy of a network."""
    net = copy.deepcopy(net)
    runner.start_afresh(0)
    emmn.unlearning(net, *loaders(CLASS_TASK, CLASS_DATA, "tuple", data_free=True), **settings)
    return net


@torch.no_grad()
def loss(net, images, labels):
    return F.cross_entropy(net(images), labels).item()


def noise_of(epochs, classes):
    images, labels, *_, net = epochs[0]
    own = torch.isin(labels, torch.tensor(classes))
    return images[own], labels[own], net


def test_step_1_the_noise_of_the_forget_class_raises_the_loss(original, epochs):
    for forget_steps in (0, 25):
        run(original, forget_steps=forget_steps, retain_steps=0, noise_copies=1, repair_epochs=0)
    (before, labels, net), (after, same, _) = (noise_of(epochs[i:], (3,)) for i in (0, 1))
    assert labels.tolist() == same.tolist() == [3] * 64
    assert loss(net, after, same) > loss(net, before, labels) + 1


def test_step_1_the_norm_is_penalised(original, epochs):
    for penalty in (0.0, 0.1):
        run(original, noise_penalty=penalty, retain_steps=0, noise_copies=1, repair_epochs=0)
    (free, *_), (penalised, *_) = (noise_of(epochs[i:], (3,)) for i in (0, 1))
    assert (penalised - CLASS_TASK.pixel_mean[0]).norm() < 0.75 * (free - CLASS_TASK.pixel_mean[0]).norm()


def test_step_2_the_noise_of_the_other_classes_is_right_for_them(original, epochs):
    run(original, noise_copies=1, repair_epochs=0)
    images, labels, net = noise_of(epochs, OTHERS)
    assert labels.bincount().tolist() == [64 * (label in OTHERS) for label in range(10)]
    with torch.no_grad():
        assert (net(images).argmax(dim=1) == labels).double().mean() > 0.7


def test_step_3_impairs_on_copies_of_all_noise(original, epochs):
    run(original, noise_per_class=2, noise_copies=3, impair_epochs=2, repair_epochs=0, forget_steps=1, retain_steps=1)
    assert len(epochs) == 2
    assert not torch.equal(epochs[0][1], epochs[1][1])  # shuffled
    for images, labels, optimiser, trains, _ in epochs:
        assert labels.bincount().tolist() == [6] * 10
        assert images.flatten(1).unique(dim=0).shape[0] == 20
        assert (type(optimiser), optimiser.param_groups[0]["lr"]) == (torch.optim.Adam, 3e-3)
        assert not trains


def test_step_4_repairs_on_copies_of_the_noise_of_the_other_classes(original, epochs):
    run(original, noise_per_class=2, noise_copies=3, impair_epochs=0, repair_epochs=2, forget_steps=1, retain_steps=1)
    assert len(epochs) == 2
    for _, labels, optimiser, trains, _ in epochs:
        assert labels.bincount().tolist() == [6 * (label in OTHERS) for label in range(10)]
        assert (type(optimiser), optimiser.param_groups[0]["lr"]) == (torch.optim.Adam, 3e-3)
        assert not trains


def test_batch_norm_layers_keep_their_statistics(original):
    unlearned = run(original, noise_per_class=4, noise_copies=1)
    before, after = dict(original.named_buffers()), dict(unlearned.named_buffers())
    assert before
    assert all(torch.equal(after[name], buffer) for name, buffer in before.items())
    assert not torch.equal(weights(unlearned), weights(original))


def test_noise_is_made_without_moving_the_network(original):
    net = copy.deepcopy(original)
    spec = data_spec(net, *loaders(CLASS_TASK, CLASS_DATA, "tuple")[:2])
    made: Any = emmn.noise(net, spec, (3, 5), 2, lambda z, labels: F.cross_entropy(net(z), labels), steps=2, learning_rate=0.1)
    assert [label for _, label in made] == [3, 3, 5, 5]
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), original.state_dict().values(), strict=True))
    assert all(weight.grad is None for weight in net.parameters())


def test_the_forget_class_is_forgotten_and_the_others_are_not(original):
    unlearned = unlearn("emmn", original, task=CLASS_TASK, data=CLASS_DATA, data_free=True)
    assert accuracy(unlearned, CLASS_DATA.forget) < 0.2  # of 1
    assert accuracy(unlearned, CLASS_DATA.retain) > 0.5


def test_every_step_is_tested():
    assert steps("emmn") == [1, 2, 3, 4]
