import copy
import dataclasses

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

from solutions import unsir
from solutions.parts.batches import batches
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, given, loss, unlearn, weights

# Two whole classes are forgotten. Smaller batches, so that there is less noise than there are retain examples.
FORGOTTEN = (0, 2)
OF_CLASSES = np.isin(DATA.labels[DATA.training], FORGOTTEN)
CLASSES = dataclasses.replace(DATA, retain=DATA.training[~OF_CLASSES], forget=DATA.training[OF_CLASSES])
SMALL = dataclasses.replace(TASK, loader_batch_size=8)


def noise_for_classes(net, steps, seed=0):
    """Images and labels of the noise for two classes."""
    torch.manual_seed(seed)
    forget = loaders(TASK, CLASSES, "tuple")[1]
    noise = unsir.wrong_noise(net, forget, steps, learning_rate=0.1, penalty=0.1)
    return next(iter(DataLoader(noise, len(noise))))


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("unsir"), []).hyperparameters == {
        "noise_steps": 40,
        "noise_learning_rate": 0.1,
        "noise_penalty": 0.1,
        "noise_copies": 20,
        "retain_per_class": 1000,
        "impair_learning_rate": 0.02,
        "repair_learning_rate": 0.01,
    }


def test_noise_of_each_class_is_labelled_with_it_and_wrong_for_it(original):
    """In the published code every label is 0."""
    (start, labels), (noise, same_labels) = (noise_for_classes(original, steps) for steps in (0, 40))
    assert labels.tolist() == same_labels.tolist() == [0] * 64 + [2] * 64
    for label in FORGOTTEN:
        own = labels == label
        with torch.no_grad():
            before, after = (F.cross_entropy(original(images[own]), labels[own]).item() for images in (start, noise))
        assert after > before + 1
    assert not torch.equal(noise[:64], noise[64:])


def test_noise_starts_with_the_mean_and_spread_of_the_forget_images(original):
    start, _ = noise_for_classes(original, steps=0)
    images = torch.from_numpy(DATA.images[CLASSES.forget])
    torch.testing.assert_close(start.mean(), images.mean(), rtol=0.05, atol=0)
    torch.testing.assert_close(start.std(), images.std(), rtol=0.05, atol=0)


def test_noise_follows_the_scale_of_the_images(original):
    net = copy.deepcopy(original)
    net[0].mean, net[0].std = (16 * net[0].mean[0],), (16 * net[0].std[0],)  # a power of two: without rounding
    larger = dataclasses.replace(CLASSES, images=16 * DATA.images)
    settings = {"noise_copies": 1, "noise_steps": 5}
    first, second = (unlearn("unsir", own, data=data, **settings) for own, data in ((original, CLASSES), (net, larger)))
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=1e-6)


def test_goodness_equals_its_formula(original):
    noise = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 4])
    with torch.no_grad():
        p = original(noise).softmax(dim=1)
        expected = sum(-p[i, i].log() - 0.1 * (noise[i] ** 2).sum() for i in range(5)) / 5
        torch.testing.assert_close(unsir.goodness(original, noise, noise, labels, 0.1), expected)


def test_making_noise_leaves_the_network_alone(original):
    net = copy.deepcopy(original)
    net[1].weight.requires_grad_(False)
    noise_for_classes(net, steps=3)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), original.state_dict().values(), strict=True))
    assert all(weight.grad is None for weight in net.parameters())
    assert [weight.requires_grad for weight in net.parameters()].count(False) == 1


def test_retain_examples_are_at_most_so_many_of_each_class_drawn_at_random():
    retain, net = given("dict")[0], torch.nn.Linear(1, 1)

    def drawn(per_class):
        return unsir.some_of_each_class(retain, net, per_class)

    def counts(subset):
        labels = torch.cat([labels for _, labels in batches(DataLoader(subset, 64), net)])
        return labels.bincount(minlength=10).tolist()

    assert counts(drawn(7)) == [7] * 10
    assert counts(drawn(1000)) == np.bincount(DATA.labels[DATA.retain]).tolist()
    assert sorted(drawn(7).indices) != sorted(drawn(7).indices)


def test_impairing_forgets_the_classes_and_repairing_restores_the_others(original):
    impaired, repaired = (
        unlearn("unsir", original, task=SMALL, data=CLASSES, repair_learning_rate=rate) for rate in (0.0, 0.01)
    )
    assert accuracy(repaired, CLASSES.forget) < 0.1
    assert accuracy(repaired, CLASSES.retain) > 0.9
    assert loss(repaired, CLASSES.retain) < loss(impaired, CLASSES.retain) / 2


def test_noise_and_retain_examples_are_shuffled_together(original, monkeypatch):
    seen = []
    monkeypatch.setattr(unsir, "train_epoch", lambda net, loader, optimiser: seen.append([labels for _, labels in loader]))
    net, retain = copy.deepcopy(original), loaders(TASK, CLASSES, "tuple")[0]
    noise = TensorDataset(torch.zeros(64, 1, 8, 8), torch.full((64,), 10))
    unsir.one_epoch(net, ConcatDataset([noise, retain.dataset]), 64, 0.01)
    of_noise = [(labels == 10).sum().item() for labels in seen[0]]
    assert sum(of_noise) == 64
    assert 0 < of_noise[0] < 64
