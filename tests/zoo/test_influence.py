import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from solutions import influence
from solutions.parts.batches import draw_examples
from solutions.parts.layers import head
from starting_kit import contract
from starting_kit.training import train
from trials import DATA, TASK, accuracy, examples, given, loss, unlearn, weights

FEW = dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=DATA.retain[:40], forget=DATA.forget[:12])


def per_example(net, parameters, ids):
    """Gradients of single examples' losses [examples, elements of the parameters], by a loop, in float64."""
    rows = []
    for image, label in zip(*examples(ids), strict=True):
        gradients = torch.autograd.grad(F.cross_entropy(net(image[None].double()), label[None]), parameters)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows)


def test_defaults():
    assert contract.describe(contract.find("influence"), []).hyperparameters == {
        "alpha": 0.05,
        "damping": 1e-3,
        "share": 1.0,
        "tolerance": 1e-2,
        "iterations": 20,
    }


def test_moves_the_head_by_the_dense_solution(original):
    """A recursion with one vector, as published, gives another one."""
    net = copy.deepcopy(original).double().eval().requires_grad_(False)
    parameters = [weight.requires_grad_(True) for weight in head(net).parameters()]
    unlearned = unlearn("influence", net, data=FEW, alpha=0.3, damping=0.01, tolerance=1e-10, iterations=500)
    forget, retain = (per_example(net, parameters, ids) for ids in (FEW.forget, FEW.retain))
    lost = torch.cat([forget, retain]).mean(dim=0) - retain.mean(dim=0)
    fisher = retain.T @ retain / len(retain)
    expected = 0.3 * torch.linalg.solve(fisher + 0.01 * torch.eye(len(fisher), dtype=torch.float64), lost)
    moved = weights(unlearned) - weights(net)
    torch.testing.assert_close(moved[-170:], expected, rtol=1e-6, atol=1e-9)
    assert not moved[:-170].any()  # frozen
    assert expected.abs().max() > 1e-3


def test_fisher_product_equals_that_of_the_whole_matrix(original):
    net = copy.deepcopy(original).double().eval()
    images, labels = examples(DATA.forget[:7])
    vector = torch.randn(3778, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradients = per_example(net, list(net.parameters()), DATA.forget[:7])
    uneven = [(images[:5].double(), labels[:5]), (images[5:].double(), labels[5:])]
    product = influence.damped_fisher_product(net, uneven, 0.25, vector)
    torch.testing.assert_close(product, gradients.T @ (gradients @ vector) / 7 + 0.25 * vector)


def test_conjugate_gradients_solve_and_leave_nothing_to_do_for_no_gradient():
    factor = torch.randn(30, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = factor @ factor.T + 0.1 * torch.eye(30, dtype=torch.float64)
    target = torch.linspace(-1, 2, 30, dtype=torch.float64)
    solution = influence.conjugate_gradients(matrix.__matmul__, target, 1e-10, 100)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, target))
    assert not influence.conjugate_gradients(matrix.__matmul__, 0 * target, 1e-10, 100).any()


def test_draws_as_many_examples_as_asked_without_replacement(original):
    retain_loader = given()[0]
    drawn = torch.cat([images for images, _ in draw_examples(original, retain_loader, 100)])
    assert len(drawn) == 100
    known = torch.from_numpy(DATA.images[DATA.retain]).flatten(1)
    indices = torch.cdist(drawn.flatten(1), known).argmin(dim=1)
    assert len(indices.unique()) == 100
    assert indices.max() > 250  # not the first ones
    assert sum(len(images) for images, _ in draw_examples(original, retain_loader, 1000)) == 360


@pytest.fixture(scope="module")
def same_originals():
    """Trained networks that are the same on every CPU, because rounding of float64 leaves no trace that float32 can hold."""
    torch.set_default_dtype(torch.float64)
    try:
        return [net.float() for net in train(TASK, DATA, DATA.training, range(4))]
    finally:
        torch.set_default_dtype(torch.float32)


def test_raises_the_loss_on_the_forget_set_and_hardly_that_on_the_retain_set(same_originals):
    """On average: how far the step goes depends on how well an original fits its examples."""
    unlearned = [unlearn("influence", original) for original in same_originals]

    def rise(measure, ids):
        return np.mean(
            [measure(after, ids) - measure(before, ids) for before, after in zip(same_originals, unlearned, strict=True)]
        )

    assert rise(loss, DATA.forget) > max(0.05, 4 * rise(loss, DATA.retain))
    assert all(accuracy(net, DATA.retain) > 0.99 for net in unlearned)
    assert rise(accuracy, DATA.validation) > -0.02
