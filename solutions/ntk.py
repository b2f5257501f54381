"""NTK scrubbing: step to where training without the forget set would have ended if the network were linear in its weights.

1. Linearise: f is the network's logits at its weights w, J their derivatives, p - y predictions less labels; A = JᵀJ + |D|·λ,
   over all training data D; A_r, J_f and so on over the retain set alone, or the forget set. Training the linear network on D
   would move w by w_c = -A⁻¹ Jᵀ(p - y), and training it on the retain set by w_r, likewise.
2. The direction of scrubbing is δ = w_r - w_c, found without the difference of two large vectors:
   A_r δ = J_fᵀ(p - y)_f + (J_fᵀJ_f + |f|·λ) w_c. Both systems are solved by conjugate gradients.
3. Step along it, w ← w + s·δ, with s = 1 + 2|δᵀe|/|δ|² and e = w - w_0 - w_r, where w_0 are the weights before training: the
   linear network's error, of which the true way may have as much as makes a symmetric trapezium of the four points.
4. Noise as in `fisher`, with α = 1e-9: the Fisher information at the new weights says which of them may have how much. As
   there, `share` limits the retain examples that it is taken over.

Published, in `Forgetting.ipynb` of the authors: f and J at the trained weights, in eval mode; λ = 0.1, the weight decay with
which the networks there were trained; steps 3 ("trapezium trick") and 4. The limits and factors of the noise are `fisher`'s.

Departures: the notebook inverts the matrix of all pairs of examples and classes, for 500 images of five classes; conjugate
gradients need the memory of training only. Ours are their tolerance and most iterations: on digits 50 leave an angle of 20°
to the exact δ. Its networks were fine-tuned from known weights; here w_0 is unknown, and a network before training is drawn in
its place. On digits s then is between 18 and 34, in four runs; this also makes runs differ.
"""

METADATA = {
    "family": "classic",
    "source": "Golatkar et al. 2020, https://arxiv.org/abs/2003.02960; code AdityaGolatkar/SelectiveForgetting",
    "reported": "none for the competition's metric",
    "values": "published; ours: tolerance, iterations",
    "needs": "the retain set and the forget set, second derivatives of the network, per-example gradients",
}

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parameters_to_vector
from torch.utils.data import DataLoader

from solutions.fisher import add_noise, fisher_diagonal, noise_variances
from solutions.influence import add, conjugate_gradients, summed_gradient
from solutions.parts.batches import Batch, batches, draw_examples, number_of_examples
from solutions.parts.weights import reinitialise, trainable

LARGEST, LARGEST_IN_HEAD, FACTOR = 1e3, 1e2, 10.0  # of the noise's variances: see `fisher`

SEARCH_SPACE = {
    "weight_decay": (1e-4, 1.0, "log"),
    "alpha": (1e-11, 1e-4, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    weight_decay: float = 0.1,
    alpha: float = 1e-9,
    share: float = 1.0,
    tolerance: float = 1e-2,
    iterations: int = 50,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    of_all, direction = linear_solutions(net, retain_loader, forget_loader, weight_decay, tolerance, iterations)
    error = parameters_to_vector(trainable(net)).detach() - before_training(net) - (of_all + direction)
    add(trapezium_scale(direction, error) * direction, trainable(net))
    count = max(1, round(share * number_of_examples(retain_loader)))
    fisher = fisher_diagonal(net, draw_examples(net, retain_loader, count))
    add_noise(trainable(net), noise_variances(net, fisher, alpha, LARGEST, LARGEST_IN_HEAD, FACTOR))


def linear_solutions(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    weight_decay: float,
    tolerance: float,
    iterations: int,
) -> tuple[Tensor, Tensor]:
    """How far training on all data would move the linear network's weights, w_c, and how much farther on the retain set, δ.

    Args:
        net: in eval mode.
        retain_loader: on the retain set.
        forget_loader: on the forget set.
        weight_decay: λ.
        tolerance: of the residuals' lengths, relative.
        iterations: for each of the two, at most.

    Returns:
        Two vectors over all of `trainable(net)`.
    """
    retain, forget = list(batches(retain_loader, net)), list(batches(forget_loader, net))
    of_retain, of_forget = (weight_decay * number_of_examples(loader) for loader in (retain_loader, forget_loader))
    gradient = summed_gradient(net, forget_loader)
    on_all = partial(damped_product, net, retain + forget, of_retain + of_forget)
    of_all = conjugate_gradients(on_all, -gradient - summed_gradient(net, retain_loader), tolerance, iterations)
    target = gradient + damped_product(net, forget, of_forget, of_all)
    return of_all, conjugate_gradients(partial(damped_product, net, retain, of_retain), target, tolerance, iterations)


def damped_product(net: nn.Module, sample: Sequence[Batch], damping: float, vector: Tensor) -> Tensor:
    """(JᵀJ + damping·I) times a vector, J the derivatives of all logits of a sample with respect to all weights.

    J·vector is the derivative of (Jᵀu)·vector with respect to u, so that J is never held.

    Args:
        net: in eval mode.
        sample: batches of images and labels; the labels are not used.
        damping: added to the diagonal.
        vector: over all of `trainable(net)`.
    """
    weights = trainable(net)
    total = damping * vector
    for images, _ in sample:
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            logits = net(images)
        u = torch.zeros_like(logits, requires_grad=True)
        (along,) = torch.autograd.grad(_pulled_back(logits, u, weights, create_graph=True) @ vector, u, retain_graph=True)
        total += _pulled_back(logits, along, weights)
    return total


def _pulled_back(logits: Tensor, u: Tensor, weights: list[nn.Parameter], create_graph: bool = False) -> Tensor:
    """Jᵀu, where J are the derivatives of logits with respect to all weights."""
    parts = torch.autograd.grad(logits, weights, u, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    return parameters_to_vector(parts)


def before_training(net: nn.Module) -> Tensor:
    """All trainable weights of a network like this one before it is trained, as a vector."""
    fresh = copy.deepcopy(net)
    reinitialise(fresh)
    return parameters_to_vector(trainable(fresh)).detach()


def trapezium_scale(direction: Tensor, error: Tensor) -> Tensor:
    """1 + 2|δᵀe|/|δ|²: what the direction is multiplied by."""
    squared = (direction @ direction).clamp_min(torch.finfo(direction.dtype).tiny)  # nothing to scrub is no direction
    return 1 + 2 * (direction @ error).abs() / squared
