import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from solutions import ntk
from solutions.parts import fisher
from starting_kit import contract
from starting_kit.loaders import loaders
from trials import DATA, TASK, accuracy, examples, given, loss, resnet, small_net, unlearn, weights

FEW = dataclasses.replace(DATA, images=DATA.images.astype("float64"), retain=DATA.retain[:20], forget=DATA.forget[:6])


def batch(ids):
    """Images, in float64, and labels."""
    images, labels = examples(ids)
    return images.double(), labels


def rows(net, parameters, ids):
    """Derivatives of all logits by a loop over examples and classes, and the probabilities less the labels."""
    jacobian, residuals = [], []
    for image, label in zip(*batch(ids), strict=True):
        logits = net(image[None])[0]
        for own in logits:
            gradients = torch.autograd.grad(own, parameters, retain_graph=True)
            jacobian.append(torch.cat([gradient.flatten() for gradient in gradients]))
        residuals.append(logits.softmax(dim=0).detach() - F.one_hot(label, len(logits)))
    return torch.stack(jacobian), torch.cat(residuals)


def linear_training(rows, ridge):
    """Where ½·‖J·w + r‖² + ½·ridge·‖w‖² is least, in the space of weights."""
    jacobian, residuals = rows
    curvature = jacobian.T @ jacobian + ridge * torch.eye(jacobian.shape[1], dtype=jacobian.dtype)
    return torch.linalg.solve(curvature, -jacobian.T @ residuals)


def test_defaults():
    assert contract.describe(contract.find("ntk"), []).hyperparameters == {
        "weight_decay": 0.1,
        "scale": 120.0,
        "alpha": 1e-9,
        "examples": 500,
    }


def test_moves_the_weights_by_the_dense_solution(original):
    """Of the last layers, so that the matrix in the space of weights is small."""
    net = copy.deepcopy(original).double().eval().requires_grad_(False)
    parameters = [weight.requires_grad_(True) for weight in list(net.parameters())[-4:]]
    unlearned = unlearn("ntk", net, data=FEW, weight_decay=0.05, scale=3.0, alpha=0.0)
    retain, forget = (rows(net, parameters, ids) for ids in (FEW.retain, FEW.forget))
    everything = [torch.cat(pair) for pair in zip(retain, forget, strict=True)]
    expected = 3.0 * (linear_training(retain, 20 * 0.05) - linear_training(everything, 26 * 0.05))
    moved = weights(unlearned) - weights(net)
    torch.testing.assert_close(moved[-202:], expected, rtol=1e-6, atol=1e-9)
    assert not moved[:-202].any()  # frozen
    assert expected.abs().max() > 1e-4


def test_linear_network_ends_where_training_on_the_retain_set_alone_does():
    """A linear network with squared loss, for which step 2 is exact: from the end on all data to that on the retain set."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(30, size, generator=generator, dtype=torch.float64) for size in (5, 3))
    jacobian = torch.kron(x, torch.eye(3, dtype=torch.float64))  # weights [5, 3] in one row
    kernel = jacobian @ jacobian.T
    on_all = ntk.trained(jacobian, kernel, -y.flatten(), 30 * 0.1)
    on_retain = ntk.trained(jacobian[:60], kernel[:60, :60], -y[:20].flatten(), 20 * 0.1)
    for found, n in ((on_all, 30), (on_retain, 20)):
        ridge = x[:n].T @ x[:n] + n * 0.1 * torch.eye(5, dtype=torch.float64)
        torch.testing.assert_close(found.view(5, 3), torch.linalg.solve(ridge, x[:n].T @ y[:n]))


def test_residuals_and_jacobian_equal_a_loop():
    net = small_net()
    jacobian, residuals = rows(net, list(net.parameters()), DATA.forget[:4])
    own = batch(DATA.forget[:4])
    torch.testing.assert_close(ntk.residual(net, own).detach(), residuals)
    chosen = dict(net.named_parameters())
    torch.testing.assert_close(ntk.logits_jacobian(net, chosen, own[0]), jacobian)
    of_head = {name: chosen[name] for name in list(chosen)[-2:]}
    torch.testing.assert_close(ntk.logits_jacobian(net, of_head, own[0]), jacobian[:, -170:])


def test_noise_is_that_of_fisher_for_the_scrubbed_network(original):
    net = copy.deepcopy(original).double()
    noisy, scrubbed = (unlearn("ntk", net, data=FEW, alpha=alpha) for alpha in (1e-4, 0.0))
    variances = fisher.noise_variances(scrubbed, fisher.fisher_diagonal(scrubbed, [batch(FEW.retain)]), 1e-4)
    both = zip(noisy.parameters(), scrubbed.parameters(), variances, strict=True)
    noise = torch.cat([((a - b) / variance.sqrt()).flatten() for a, b, variance in both])
    assert abs(noise.mean()) < 0.07  # 3,778 elements: four standard deviations
    assert abs(noise.std() - 1) < 0.05


def test_the_last_weights_are_scrubbed_where_the_jacobian_is_too_large(original, monkeypatch):
    monkeypatch.setattr(ntk, "MAX_NUMBERS", 260 * 260 + 200)  # rows of 26 examples: the kernel fits, and 260 weights
    chosen = ntk.scrubbed_weights(original, 260)
    assert sum(weight.numel() for weight in chosen.values()) == 10 + 160 + 16 + 16
    net = copy.deepcopy(original).double()
    ntk.unlearning(net, *loaders(TASK, FEW, "tuple"), alpha=0.0)
    moved = weights(net) != weights(original)
    assert moved[-202:].double().mean() > 0.9
    assert not moved[:-202].any()


def test_of_a_resnet_the_head_and_the_layer_before_it_fit():
    chosen = ntk.scrubbed_weights(resnet(), 320)
    assert set(chosen) == {"fc.weight", "fc.bias", "layer4.1.bn2.weight", "layer4.1.bn2.bias"}


def test_too_large_a_kernel_is_refused():
    with pytest.raises(ValueError, match="16390 logits of all examples are too many for a kernel; set `examples` to fewer"):
        ntk.scrubbed_weights(nn.Linear(1, 1), 16390)


def test_draws_as_many_examples_of_each_set_as_asked(original, monkeypatch):
    drawn = []
    monkeypatch.setattr(ntk, "scrub", lambda net, retain, forget, *_: drawn.extend([retain, forget]))
    retain, forget = given()[:2]
    ntk.unlearning(copy.deepcopy(original), retain, forget, None, examples=70)
    ntk.unlearning(copy.deepcopy(original), retain, forget, None)
    assert [sum(len(labels) for _, labels in own) for own in drawn] == [70, 70, 360, 90]


def test_forgets_as_a_network_that_never_saw_the_forget_set_and_keeps_the_rest(original):
    unlearned = unlearn("ntk", original)
    forget, unseen = (loss(unlearned, ids) for ids in (DATA.forget, DATA.validation))
    assert 1 / 2 < forget / unseen < 2
    assert loss(original, DATA.forget) < forget / 3
    assert loss(unlearned, DATA.retain) < 1.5 * loss(original, DATA.retain)
    assert accuracy(unlearned, DATA.validation) > accuracy(original, DATA.validation) - 0.02
