import copy
import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F
from torch.optim import SGD

from solutions import sfron
from starting_kit import contract
from trials import DATA, changed, examples, given, loss, unlearn, weights


def naive_fisher(net, ids):
    """Mean of the squared gradients of single examples' losses, one backward pass each; by weight."""
    totals = [torch.zeros_like(weight) for weight in net.parameters()]
    for image, label in zip(*examples(ids), strict=True):
        gradients = torch.autograd.grad(F.cross_entropy(net(image[None]), label[None]), list(net.parameters()))
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient**2 / len(ids)
    return totals


@pytest.fixture
def unsure(original):
    """A network whose losses are not flat."""
    net = copy.deepcopy(original).eval()
    with torch.no_grad():
        net[-1].weight.mul_(0.3)
    return net


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("sfron"), []).hyperparameters == {
        "steps": 1500,
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
        "threshold": 1.0,
        "ascent_every": 5,
        "alpha": 25.0,
        "exponent": 0.5,
        "clip_norm": 7.0,
    }


def test_fisher_information_is_the_mean_of_single_examples_squared_gradients(original):
    for ours, naive in zip(sfron.fisher(original, given()[1]), naive_fisher(original, DATA.forget), strict=True):
        torch.testing.assert_close(ours, naive, rtol=1e-3, atol=1e-9)


def test_mask_is_where_forget_information_is_at_least_retain_information(original):
    retain, forget, _ = given()
    of_forget, of_retain = naive_fisher(original, DATA.forget), naive_fisher(original, DATA.retain)
    masks = sfron.forget_weights(original, retain, forget, threshold=1.0)
    for mask, own, other in zip(masks, of_forget, of_retain, strict=True):
        assert mask[own > 1.001 * other].all()
        assert not mask[own < 0.999 * other].any()
    assert 0.05 < torch.cat([mask.flatten() for mask in masks]).double().mean() < 0.95


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


def test_ascends_at_the_first_of_every_five_steps_and_only_masked_weights(original):
    few = dataclasses.replace(DATA, retain=DATA.retain[:64], forget=DATA.forget[:32])

    def after(**settings):
        return weights(unlearn("sfron", original, data=few, learning_rate=0.1, **settings))

    assert torch.equal(after(steps=5), after(steps=5, ascent_every=99))
    assert not torch.equal(after(steps=6), after(steps=6, ascent_every=99))
    assert torch.equal(after(steps=6, threshold=1e30), after(steps=6, alpha=0))
    assert not torch.equal(after(steps=6), after(steps=6, alpha=0))


def test_raises_the_forget_loss_and_keeps_the_retain_loss(original):
    unlearned = unlearn("sfron", original, steps=60, learning_rate=0.1, ascent_every=2)
    assert loss(unlearned, DATA.forget) > 2 * loss(original, DATA.forget)
    assert loss(unlearned, DATA.retain) < 1.5 * loss(original, DATA.retain)


def test_descends_the_retain_loss(unsure):
    assert loss(unlearn("sfron", unsure, steps=60, alpha=0), DATA.retain) < loss(unsure, DATA.retain) / 2


def test_learning_rate_and_alpha_fall_as_half_a_cosine():
    assert [sfron.cosine(step, 100) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert sfron.cosine(25, 100) == pytest.approx((1 + math.sqrt(0.5)) / 2)
