import copy
import dataclasses

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions import l2ul
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, steps_of, unlearn, weights

PRECISE = dataclasses.replace(DATA, images=DATA.images.astype("float64"))
FEW = dataclasses.replace(DATA, forget=DATA.forget[:4])
QUICK = {"copies": 2, "attack_steps": 5}


def batch(ids):
    """Images, in float64, and labels."""
    images, labels = examples(ids)
    return images.double(), labels


@pytest.fixture
def net(original):
    return copy.deepcopy(original).double()


@pytest.fixture(scope="module")
def attacked(original):
    """Two batches of examples, and what three copies of each become."""
    net = copy.deepcopy(original).double()
    originals = [batch(DATA.forget[:8]), batch(DATA.forget[8:14])]
    torch.manual_seed(0)
    return net, originals, l2ul.adversarial_images(net, originals, 3, 0.3, 60).tensors


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("l2ul"), []).hyperparameters == {
        "copies": 20,
        "radius": pytest.approx(0.0722, abs=5e-5),  # 4 over the root of 3072
        "attack_steps": 100,
        "most_epochs": 10,
        "learning_rate": 1e-3,
        "regularisation": 1.0,
        "batch_size": 256,
        "forget_batch_size": 32,
        "weight_decay": 1e-4,
    }


def test_step_1_the_network_takes_the_images_for_the_classes_drawn(attacked):
    net, originals, (images, classes) = attacked
    labels = torch.cat([labels for _, labels in originals]).repeat(3)
    assert len(images) == 3 * 14
    assert (classes != labels).all()
    assert (net(images).argmax(dim=1) == classes).double().mean() > 0.9


def test_step_1_images_stay_in_their_balls_and_in_the_range_of_pixels(attacked, net):
    _, originals, (images, _) = attacked
    centres = torch.cat([images for images, _ in originals]).repeat(3, 1, 1, 1)
    assert images.min() >= 0 and images.max() <= 16
    near, _ = l2ul.adversarial_images(net, originals, 3, 0.05, 20).tensors
    distances = (near - centres).flatten(1).square().mean(dim=1).sqrt() / 16
    assert distances.max() <= 0.05 * (1 + 1e-9)
    assert distances.min() > 0.02  # each has begun at a random place on the surface


def test_step_1_the_attack_is_the_published_one(net):
    """For each image alone, from the same random image."""
    images, labels = batch(DATA.forget[:3])
    classes = (labels + 1) % 10
    torch.manual_seed(0)
    near = l2ul.attack(net.eval(), images, classes, 8.0, 30, 0.0, 16.0)
    torch.manual_seed(0)
    starts = torch.rand(3, 1, 8, 8, dtype=torch.float64) * 16
    for image, goal, start, found in zip(images, classes, starts, near, strict=True):
        delta = start - image
        delta = delta * min(1, 8.0 / delta.norm())
        for _ in range(30):
            delta.requires_grad_(True)
            (gradient,) = torch.autograd.grad(F.cross_entropy(net((image + delta)[None]), goal[None]), delta)
            delta = delta.detach() - 8.0 / 40 * gradient / gradient.norm()
            delta = delta * min(1, 8.0 / delta.norm())
            delta = (image + delta).clamp(0, 16) - image
        torch.testing.assert_close(found, image + delta, rtol=0, atol=1e-6)


def test_step_1_all_other_classes_are_drawn(net):
    images, labels = batch(DATA.forget)
    torch.manual_seed(0)
    drawn = torch.cat([(l2ul.other_classes(net, images, labels) - labels) % 10 for _ in range(20)])
    counts = torch.bincount(drawn, minlength=10)
    assert counts[0] == 0
    assert (counts[1:] - 200).abs().max() < 60  # more than four standard deviations


def test_step_2_importance_follows_the_lengths_of_the_logits(net):
    naive, batches = copy.deepcopy(net).train(), [batch(DATA.forget[:6]), batch(DATA.forget[6:9])]
    totals = [torch.zeros_like(weight) for weight in naive.parameters()]
    for images, _ in batches:
        gradients = torch.autograd.grad(naive(images).norm(dim=1).mean(), list(naive.parameters()))
        totals = [total + gradient.abs() * len(images) / 9 for total, gradient in zip(totals, gradients, strict=True)]
    before = copy.deepcopy(net.state_dict())
    for omega, total in zip(l2ul.unimportances(net, batches), totals, strict=True):
        torch.testing.assert_close(omega, 1 - (total - total.min()) / (total.max() - total.min()))
        assert (omega.min(), omega.max()) == (0, 1)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_run_equals_a_plain_loop(net):
    """On labels that are not all wrong before the loop ends."""
    naive = copy.deepcopy(net)
    forget = loaders(TASK, PRECISE, "tuple")[1]
    torch.manual_seed(0)
    settings = {"learning_rate": 0.02, "regularisation": 0.5, "batch_size": 64, "most_epochs": 2}
    l2ul.unlearning(net, None, forget, None, **QUICK, **settings)
    torch.manual_seed(0)
    originals = list(DataLoader(forget.dataset, batch_size=64))
    found = l2ul.adversarial_images(naive, originals, 2, 4 / 3072**0.5, 5)
    in_32 = DataLoader(forget.dataset, batch_size=32, shuffle=True)
    omegas, start = l2ul.unimportances(naive, in_32), [weight.detach().clone() for weight in naive.parameters()]
    optimiser = torch.optim.SGD(naive.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    adversarial = DataLoader(found, batch_size=64, shuffle=True)
    ascended = iter([])
    for _ in range(2):
        for images, classes in adversarial:
            try:
                own, labels = next(ascended)
            except StopIteration:
                ascended = iter(in_32)
                own, labels = next(ascended)
            naive.train()
            a, b = len(labels), len(classes)
            loss = b / (a + b) * F.cross_entropy(naive(images), classes) - a / (a + b) * F.cross_entropy(naive(own), labels)
            for weight, before, omega in zip(naive.parameters(), start, omegas, strict=True):
                loss = loss + 0.5 / 2 * (omega * (weight - before) ** 2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.testing.assert_close(weights(net), weights(naive), rtol=0, atol=1e-9)


def test_step_3_ends_when_all_are_wrong(original):
    settings = {**QUICK, "learning_rate": 0.05, "regularisation": 0.01, "most_epochs": 500, "batch_size": 4}
    unlearned = unlearn("l2ul", original, data=FEW, **settings)
    taken = steps_of("l2ul", original, data=FEW, **settings)
    assert accuracy(unlearned, FEW.forget) == 0
    assert 1 < len(taken) < 1000


def test_step_3_does_nothing_where_all_are_wrong_already(original):
    labels = DATA.labels.copy()
    labels[DATA.forget] = (labels[DATA.forget] + 1) % 10
    unlearned = unlearn("l2ul", original, data=dataclasses.replace(DATA, labels=labels), **QUICK)
    assert torch.equal(weights(unlearned), weights(original))


def test_step_3_ends_after_most_epochs_otherwise(original):
    assert len(steps_of("l2ul", original, **QUICK, most_epochs=3, batch_size=60)) == 3 * 3


def test_adversarial_images_keep_what_ascent_alone_would_take(original):
    """Of eight examples, which are in every batch."""
    few = dataclasses.replace(DATA, forget=DATA.forget[:8])
    settings = {"learning_rate": 0.01, "regularisation": 1e-3, "batch_size": 80, "most_epochs": 200, "attack_steps": 40}
    unlearned = unlearn("l2ul", original, data=few, **settings)
    ascended, (images, labels) = copy.deepcopy(original), examples(few.forget)
    optimiser = torch.optim.SGD(ascended.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    while not l2ul.all_wrong(ascended, [(images, labels)]):
        ascended.train()
        optimiser.zero_grad()
        (-F.cross_entropy(ascended(images), labels)).backward()
        optimiser.step()
    assert accuracy(unlearned, few.forget) == 0
    assert accuracy(unlearned, DATA.retain) > accuracy(ascended, DATA.retain) + 0.1
