import copy
import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD

from solutions import sfron
from starting_kit import contract
from trials import DATA, TASK, accuracy, changed, examples, loss, unlearn, weights


def naive_fisher(net, ids, size):
    """Mean of the squared gradients of batches' mean losses, batches in order; by weight."""
    totals = [torch.zeros_like(weight) for weight in net.parameters()]
    batches = in_batches(ids, size)
    for images, labels in batches:
        gradients = torch.autograd.grad(F.cross_entropy(net(images.to(totals[0])), labels), list(net.parameters()))
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient**2 / len(batches)
    return totals


def in_batches(ids, size):
    images, labels = examples(ids)
    return list(zip(images.split(size), labels.split(size), strict=True))


@pytest.fixture
def unsure(original):
    """A network whose losses are not flat."""
    net = copy.deepcopy(original).eval()
    with torch.no_grad():
        net[-1].weight.mul_(0.3)
    return net


def test_published_values_are_the_defaults():
    """`Classification/unlearn/sfron.py` of K1nght/Unified-Unlearning-w-Remain-Geometry, "CIFAR10 10%"."""
    values = contract.describe(contract.find("sfron"), []).hyperparameters
    retain_batches = math.ceil(45_000 / 128)
    assert round(values.pop("epochs") * retain_batches) == 1500
    assert values == {
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
        "threshold": 1.0,
        "ascent_every": 5,
        "alpha": 25.0,
        "exponent": 0.5,
        "clip_norm": 7.0,
    }


def test_fisher_information_is_the_mean_of_batches_squared_gradients(original):
    """Not of single examples': batches of 32 have other squares than batches of 8."""
    original = copy.deepcopy(original).double()
    by_size = {}
    for size in (8, 32):
        loader = [(images.double(), labels) for images, labels in in_batches(DATA.forget, size)]
        by_size[size] = sfron.fisher(original, loader)
        naive = naive_fisher(copy.deepcopy(original), DATA.forget, size)
        for ours, expected in zip(by_size[size], naive, strict=True):
            torch.testing.assert_close(ours, expected)
    assert not torch.allclose(by_size[8][0], by_size[32][0], rtol=0.1)


def test_mask_is_where_forget_information_is_at_least_retain_information(original):
    net = copy.deepcopy(original).train()
    retain, forget = in_batches(DATA.retain, 64), in_batches(DATA.forget, 64)
    masks = sfron.forget_weights(net, retain, forget, threshold=1.0)
    of_forget, of_retain = (naive_fisher(original, ids, 64) for ids in (DATA.forget, DATA.retain))
    for mask, own, other in zip(masks, of_forget, of_retain, strict=True):
        assert mask[own > 1.001 * other].all()
        assert not mask[own < 0.999 * other].any()
    assert 0.05 < torch.cat([mask.flatten() for mask in masks]).double().mean() < 0.95
    for before, after in zip(original.buffers(), net.buffers(), strict=True):
        assert torch.equal(before, after)  # found in eval mode


def test_examples_weigh_in_inverse_proportion_to_the_root_of_their_loss():
    losses = torch.tensor([0.01, 1.0, 4.0], requires_grad=True)
    ours = sfron.examples_weights(losses, 0.5)
    torch.testing.assert_close(ours, torch.tensor([10.0, 1.0, 0.5]) / 11.5)
    assert not ours.requires_grad
    torch.testing.assert_close(sfron.examples_weights(losses, 0), torch.full([3], 1 / 3))
    assert sfron.examples_weights(torch.zeros(3), 0.5).isfinite().all()


def ascended(net, alpha, clip_norm, learning_rate=0.01, masks=None):
    """A copy after one ascent, in eval mode, on all forget examples."""
    net = copy.deepcopy(net)
    masks = masks or [torch.ones_like(weight, dtype=torch.bool) for weight in net.parameters()]
    optimiser = SGD(net.parameters(), learning_rate)
    sfron.ascend(net, examples(DATA.forget), optimiser, masks, alpha, exponent=0.5, clip_norm=clip_norm)
    return net


def test_an_ascent_moves_by_alpha_times_the_gradient_of_the_weighted_mean_loss(unsure):
    images, labels = examples(DATA.forget)
    losses = F.cross_entropy(unsure(images), labels, reduction="none")
    constants = losses.detach().clamp_min(1e-6).rsqrt()
    gradients = torch.autograd.grad((constants * losses).sum() / constants.sum(), list(unsure.parameters()))
    expected = torch.cat([gradient.flatten() for gradient in gradients]) * 3 * 0.01
    moved = weights(ascended(unsure, alpha=3, clip_norm=1e9)) - weights(unsure)
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-6)


def test_an_ascent_is_clipped_and_confined_to_the_mask(unsure):
    masks = [weight > 0 for weight in unsure.parameters()]
    net = ascended(unsure, alpha=1e4, clip_norm=7, masks=masks)
    assert (weights(net) - weights(unsure)).norm().item() == pytest.approx(0.01 * 7, rel=1e-3)
    for moved, mask in zip(changed(unsure, net).values(), masks, strict=True):
        assert not (moved & ~mask).any()


ONE_BATCH = dataclasses.replace(TASK, loader_batch_size=len(DATA.retain))
EXACT = dataclasses.replace(DATA, images=DATA.images.astype("float64"))


def by_hand(net, steps, alpha=25.0, one_optimiser=True):
    """SFR-on with all retain and all forget examples in each batch, written out."""
    net = copy.deepcopy(net).eval()
    forget, retain = (
        [tensor.double() if tensor.is_floating_point() else tensor for tensor in examples(i)]
        for i in (DATA.forget, DATA.retain)
    )
    squares = []
    for images, labels in (forget, retain):
        gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), list(net.parameters()))
        squares.append([gradient**2 for gradient in gradients])
    masks = [own >= other for own, other in zip(*squares, strict=True)]
    optimiser = SGD(net.parameters(), 1.0, momentum=0.9, weight_decay=5e-4)
    ascending = optimiser if one_optimiser else SGD(net.parameters(), 1.0)
    net.train()
    for step in range(steps):
        factor = (1 + math.cos(math.pi * step / steps)) / 2
        for own in (optimiser, ascending):
            own.param_groups[0]["lr"] = 0.01 * factor
        if step % 5 == 0:
            ascending.zero_grad()
            losses = F.cross_entropy(net(forget[0]), forget[1], reduction="none")
            constants = losses.detach().clamp_min(1e-6).rsqrt()
            (-alpha * factor * (constants * losses).sum() / constants.sum()).backward()
            for weight, mask in zip(net.parameters(), masks, strict=True):
                weight.grad *= mask
            nn.utils.clip_grad_norm_(net.parameters(), 7.0)
            ascending.step()
        optimiser.zero_grad()
        F.cross_entropy(net(retain[0]), retain[1]).backward()
        optimiser.step()
    return weights(net)


def test_does_what_a_plain_loop_with_one_optimiser_does(unsure):
    """An optimiser of its own for the ascent, without momentum, would end elsewhere."""
    net = copy.deepcopy(unsure).double()
    ours = weights(unlearn("sfron", net, task=ONE_BATCH, data=EXACT, epochs=7.0))
    torch.testing.assert_close(ours, by_hand(net, steps=7), rtol=0, atol=1e-9)
    assert (ours - by_hand(net, steps=7, one_optimiser=False)).abs().max() > 1e-3


def test_epochs_are_those_of_the_retain_set(original):
    """64 retain examples are one batch, 128 are two; after the last step the learning rate would be 0."""

    def after(examples, **settings):
        few = dataclasses.replace(DATA, retain=DATA.retain[:examples], forget=DATA.forget[:32])
        return weights(unlearn("sfron", original, data=few, learning_rate=0.1, **settings))

    assert torch.equal(after(64, epochs=5.0), after(64, epochs=5.0, ascent_every=99))
    assert not torch.equal(after(64, epochs=6.0), after(64, epochs=6.0, ascent_every=99))
    assert not torch.equal(after(128, epochs=3.0), after(128, epochs=3.0, ascent_every=99))


def test_raises_the_forget_loss_and_keeps_the_retain_accuracy(original):
    unlearned = unlearn("sfron", original, learning_rate=0.1, ascent_every=2, clip_norm=0.3)
    assert loss(unlearned, DATA.forget) > 3 * loss(original, DATA.forget)
    assert accuracy(unlearned, DATA.retain) > 0.98


def test_descends_the_retain_loss(unsure):
    assert loss(unlearn("sfron", unsure, alpha=0, learning_rate=0.1), DATA.retain) < loss(unsure, DATA.retain) / 2


def test_learning_rate_and_alpha_fall_as_half_a_cosine():
    assert [sfron.cosine(step, 100) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert sfron.cosine(25, 100) == pytest.approx((1 + math.sqrt(0.5)) / 2)
