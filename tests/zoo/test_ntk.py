import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from solutions import ntk
from solutions.parts.layers import head
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, loss, small_net, unlearn, weights

FEW = dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=DATA.retain[:40], forget=DATA.forget[:12])
FIRST = torch.linspace(-0.2, 0.3, 170, dtype=torch.float64).square()  # equal ones would be orthogonal to every direction
EXACT = {"tolerance": 1e-12, "iterations": 500}


def jacobian(net, parameters, ids):
    """Derivatives of all logits of some examples [examples · classes, elements of the parameters], and p - y."""
    logits = net(examples(ids)[0].double())
    rows = [torch.autograd.grad(z, parameters, retain_graph=True) for z in logits.flatten()]
    residuals = logits.softmax(dim=1) - F.one_hot(examples(ids)[1], 10)
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows]), residuals.detach().flatten()


@pytest.fixture(scope="module")
def headed(original):
    """A network of which only the head trains, and its weights."""
    net = copy.deepcopy(original).double().eval().requires_grad_(False)
    return net, [weight.requires_grad_(True) for weight in head(net).parameters()]


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("ntk"), []).hyperparameters == {
        "weight_decay": 0.1,
        "alpha": 1e-9,
        "share": 1.0,
        "tolerance": 1e-2,
        "iterations": 50,
    }


def test_steps_1_and_2_are_the_published_kernel_solutions(headed):
    """By the matrix of all pairs of examples and classes, as in the notebook, and by their difference."""
    net, parameters = headed
    of_all, direction = ntk.linear_solutions(net, *loaders(TASK, FEW, "tuple")[:2], 0.1, **EXACT)
    solutions = []
    for ids in (np.concatenate([FEW.retain, FEW.forget]), FEW.retain):
        derivatives, residuals = jacobian(net, parameters, ids)
        kernel = derivatives @ derivatives.T + 0.1 * len(ids) * torch.eye(10 * len(ids), dtype=torch.float64)
        solutions.append(-derivatives.T @ torch.linalg.solve(kernel, residuals))
    torch.testing.assert_close(of_all, solutions[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(direction, solutions[1] - solutions[0], rtol=1e-6, atol=1e-9)
    assert direction.norm() > 1e-3 * of_all.norm()


def test_product_equals_that_of_the_whole_matrix():
    net = small_net()
    images, labels = (part[:5] for part in examples(DATA.forget))
    vector = torch.randn(3778, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    derivatives, _ = jacobian(net, list(net.parameters()), DATA.forget[:5])
    uneven = [(images[:3].double(), labels[:3]), (images[3:].double(), labels[3:])]
    product = ntk.damped_product(net, uneven, 0.25, vector)
    torch.testing.assert_close(product, derivatives.T @ (derivatives @ vector) + 0.25 * vector)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_step_3_is_the_published_trapezium(seed):
    """With its angles; both signs of the inner product occur."""
    direction, error = torch.randn(2, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    cosine = (F.normalize(direction, dim=0) @ F.normalize(error, dim=0)).item()
    leg = math.sin(math.acos(cosine) - math.pi / 2) if cosine < 0 else math.cos(math.acos(cosine))
    expected = 1 + 2 * leg * error.norm() / direction.norm()
    torch.testing.assert_close(ntk.trapezium_scale(direction, error), expected)
    assert ntk.trapezium_scale(0 * direction, error) == 1


def scrubbed(net, **settings):
    """What is made of a copy, whose weights were `FIRST` before training, so that they are known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ntk, "before_training", lambda net: FIRST)
        net = copy.deepcopy(net)
        ntk.unlearning(net, *loaders(TASK, FEW, "tuple"), **settings)
    return weights(net)[-170:]


def test_step_3_goes_along_the_direction_by_the_scale(headed):
    net = headed[0]
    of_all, direction = ntk.linear_solutions(net, *loaders(TASK, FEW, "tuple")[:2], 0.1, **EXACT)
    before = weights(net)[-170:]
    error = before - FIRST - (of_all + direction)  # w - w_0 - w_r
    scale = 1 + 2 * abs(direction @ error) / direction.square().sum()
    assert scale > 2
    torch.testing.assert_close(scrubbed(net, alpha=0.0, **EXACT) - before, scale * direction, rtol=1e-6, atol=1e-9)


def test_step_3_takes_a_network_that_has_not_been_trained_for_the_one_before_training(original):
    drawn = ntk.before_training(original)
    assert drawn.shape == (3778,)
    assert 0.23 < drawn[-170:].abs().max() <= 0.25  # of the head, with 16 inputs
    assert not torch.equal(drawn, ntk.before_training(original))


def test_step_4_adds_the_noise_of_fisher(headed):
    """A hundred times as strong for 10,000 times the variance; other values in other runs."""
    net = headed[0]
    torch.manual_seed(0)
    spread = [(scrubbed(net, alpha=a, **EXACT) - scrubbed(net, alpha=a, **EXACT)).norm().item() for a in (1e-9, 1e-5)]
    assert spread[1] / spread[0] == pytest.approx(100, rel=0.3)


def test_forgets_and_keeps_the_retain_set(original):
    """With fewer iterations than published the direction is coarse, but it parts the two sets, which had the same loss."""
    unlearned = unlearn("ntk", original, iterations=10, share=0.1)
    assert loss(unlearned, DATA.forget) > 2 * loss(unlearned, DATA.retain)
    assert loss(original, DATA.forget) < 1.2 * loss(original, DATA.retain)
    assert accuracy(unlearned, DATA.retain) > 0.98
