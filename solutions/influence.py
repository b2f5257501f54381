"""Influence unlearning: one Newton step away from the forget set's influence, with the Fisher matrix for the Hessian.

1. What the mean gradient of the training data loses when the forget set is taken out: v = |f|/(|f| + |r|) · (g_f - g_r), where
   g_f and g_r are the mean gradients of the cross-entropy on forget and retain set.
2. Divide it by the curvature: solve (F + damping·I) x = v by conjugate gradients, where F is the empirical Fisher matrix, the
   mean of g gᵀ over the gradients g of a share of the retain examples drawn at random: all of them.
3. Step along it: θ ← θ + α·x, with α = 0.05 and damping = 0.001.

Training ended where the mean gradient is about 0. There the retain set's is -v, so a Newton step down its loss is +H⁻¹v, with
the Hessian H; it raises the loss on the forget set. F stands for H. Where the examples are fitted well it is much too small,
so that the whole step, α = 1, goes far too far. The published steps are between 0.2 and 42000, set by task, for a recursion
without this damping. Our two defaults are chosen on digits, where the forget set's loss then is about that of images that
were never seen; other networks want others.

Published code runs the Sherman-Morrison recursion with one vector instead of the whole matrix, which does not give the inverse
of F. Here the system is solved as it stands, up to a relative residual of 0.01, or 20 iterations: what is cut short then are
the directions of least curvature. The network is in eval mode.

It is deterministic but for the drawn examples and rounding: run after run gives nearly the same network, so expect a score
near 0 where the spread between runs counts, as in the competition.
"""

METADATA = {
    "family": "classic",
    "source": (
        "Izzo et al. 2021, https://arxiv.org/abs/2002.10077, with the Fisher matrix of Singh & Alistarh 2020 "
        "(WoodFisher), https://arxiv.org/abs/2004.14340; a baseline in the code of SalUn (OPTML-Group/Unlearn-Saliency)"
    ),
    "reported": "none for the competition's metric",
    "values": "published; carried over: share; ours: alpha, damping, tolerance, iterations",
    "needs": "the retain set (`.dataset`), the forget set, second derivatives of the network",
}

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parameters_to_vector
from torch.utils.data import DataLoader

from solutions.parts.batches import Batch, draw_examples, number_of_examples
from solutions.parts.gradients import summed_gradients
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "alpha": (1e-3, 10.0, "log"),
    "damping": (1e-5, 0.03, "log"),  # with more, the step is nearly the plain gradient
    "share": (0.05, 1.0, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    alpha: float = 0.05,
    damping: float = 1e-3,
    share: float = 1.0,
    tolerance: float = 1e-2,
    iterations: int = 20,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    lost = lost_gradient(net, retain_loader, forget_loader)
    count = max(1, round(share * number_of_examples(retain_loader)))
    sample = list(draw_examples(net, retain_loader, count))
    step = conjugate_gradients(partial(damped_fisher_product, net, sample, damping), lost, tolerance, iterations)
    add(alpha * step, trainable(net))


def lost_gradient(net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any]) -> Tensor:
    """|f|/(|f| + |r|) · (g_f - g_r), one vector over all of `trainable(net)`."""
    forget, retain = number_of_examples(forget_loader), number_of_examples(retain_loader)
    difference = summed_gradient(net, forget_loader) / forget - summed_gradient(net, retain_loader) / retain
    return forget / (forget + retain) * difference


def summed_gradient(net: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """The gradient of the cross-entropy, summed over all examples, as one vector."""
    return parameters_to_vector(summed_gradients(net, loader, partial(F.cross_entropy, reduction="sum")))


def damped_fisher_product(net: nn.Module, sample: Sequence[Batch], damping: float, vector: Tensor) -> Tensor:
    """(F + damping·I) times a vector, F the mean of g gᵀ over the gradients g of a sample's examples.

    F = JᵀJ/N, where the rows of J are the N gradients. J·vector is the derivative of (Jᵀw)·vector with respect to w. So no
    example's gradient is ever held, and the memory is that of training, whatever the size of the sample.

    Args:
        net: in eval mode.
        sample: batches of images and labels.
        damping: added to the diagonal.
        vector: over all of `trainable(net)`.
    """
    weights = trainable(net)
    total = torch.zeros_like(vector)
    for images, labels in sample:
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            losses = F.cross_entropy(net(images), labels, reduction="none")
        w = torch.zeros_like(losses, requires_grad=True)
        (along,) = torch.autograd.grad(_pulled_back(losses, w, weights, create_graph=True) @ vector, w, retain_graph=True)
        total += _pulled_back(losses, along, weights)
    return total / sum(len(labels) for _, labels in sample) + damping * vector


def _pulled_back(losses: Tensor, w: Tensor, weights: list[nn.Parameter], create_graph: bool = False) -> Tensor:
    """Jᵀw, where J are the derivatives of losses with respect to all weights."""
    parts = torch.autograd.grad(losses, weights, w, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    return parameters_to_vector(parts)


def conjugate_gradients(product: Callable[[Tensor], Tensor], target: Tensor, tolerance: float, iterations: int) -> Tensor:
    """Solve A x = b for a symmetric positive definite matrix A.

    Args:
        product: gives A times a vector.
        target: the vector b.
        tolerance: of the residual's length, relative to that of b.
        iterations: at most.
    """
    solution, residual = torch.zeros_like(target), target.clone()
    direction, squared = residual.clone(), residual @ residual
    enough = tolerance**2 * squared
    for _ in range(iterations):
        if squared <= enough:
            break
        image = product(direction)
        length = squared / (direction @ image)
        solution += length * direction
        residual -= length * image
        before, squared = squared, residual @ residual
        direction = residual + squared / before * direction
    return solution


@torch.no_grad()
def add(step: Tensor, weights: list[nn.Parameter]) -> None:
    """Add a vector over all elements of some weights to them, in place."""
    for part, weight in zip(step.split([weight.numel() for weight in weights]), weights, strict=True):
        weight.add_(part.view_as(weight))
