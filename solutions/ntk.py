"""NTK scrubbing: the step from where the linearised network ends on all training data to where it ends on the retain set alone.

1. Linearise: the Jacobian J of all logits with respect to all weights, a row for each example and class, and the residuals
   r = p - y of the predicted probabilities from the labels. In eval mode.
2. Train the linearised network to the end on a set D of n examples, in closed form: with the weight decay λ = 0.1 the weights
   move by w(D) = -Jᵀ·(J·Jᵀ + n·λ·I)⁻¹·r. J·Jᵀ is the neural tangent kernel.
3. Scrub: θ ← θ + s·(w(retain) - w(retain and forget)), with s = 120.
4. Noise: that of `fisher`, for the network as it is then, with α = 1e-9.

What the linearised network would have learned from the forget set is taken out, in one step, as far as the retain set does not
teach it, too. Without the noise every run would give the same network.

Values: published, in the authors' `Forgetting.ipynb`, but for s, and for the limits below. They find s by their "trapezium
trick", from how far the original has come from its initial weights, which a solution is not given. Ours is chosen on digits,
where the forget set's loss then is about that in retrained networks. It is large because residuals are of probabilities, and
where an example is known well, a probability hardly changes with its logits.

Departures: the authors have networks without batch-norm, and 500 examples in all. Here of each set at most `examples` take
part, drawn at random, 500 unless told otherwise. Where the Jacobian would take more than 2²⁸ numbers, it is that of the last
weights that take no more, and only those are scrubbed: of a ResNet-18 the head and the batch-norm before it. Fast-NTK
(https://arxiv.org/abs/2312.14923) chooses few weights, too.
"""

METADATA = {
    "family": "classic",
    "source": "Golatkar et al., ECCV 2020, https://arxiv.org/abs/2003.02960; code AdityaGolatkar/SelectiveForgetting",
    "reported": "none for the competition's metric",
    "values": "published; ours: scale, examples",
    "needs": "the retain set and the forget set (`.dataset` of both), per-example Jacobians",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import Batch, draw_examples
from solutions.parts.fisher import add_normal_noise, fisher_diagonal, noise_variances
from solutions.parts.weights import trainable

MAX_NUMBERS = 2**28  # of a Jacobian and of a kernel: 1 GiB each in float32

SEARCH_SPACE = {
    "weight_decay": (1e-2, 1.0, "log"),  # with less, the kernel may be singular in float32
    "scale": (10.0, 300.0, "log"),
    "alpha": (1e-9, 1e-3, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    weight_decay: float = 0.1,
    scale: float = 120.0,
    alpha: float = 1e-9,
    examples: int = 500,
) -> None:
    """Unlearn `net` in place.

    Raises:
        ValueError: too many examples times classes for the kernel.
    """
    net.eval()
    retain, forget = (list(draw_examples(net, loader, examples)) for loader in (retain_loader, forget_loader))
    scrub(net, retain, forget, weight_decay, scale)
    variances = noise_variances(net, fisher_diagonal(net, retain), alpha)
    add_normal_noise(trainable(net), variances)


@torch.no_grad()
def scrub(net: nn.Module, retain: list[Batch], forget: list[Batch], weight_decay: float, scale: float) -> None:
    """Move weights by what the forget set makes of the linearised network, backwards and in place.

    Args:
        net: in eval mode.
        retain: batches of images and labels.
        forget: the same.
        weight_decay: λ of the linearised network's training.
        scale: of the step.

    Raises:
        ValueError: too many examples times classes for the kernel.
    """
    residuals = torch.cat([residual(net, batch) for batch in retain + forget])
    weights = scrubbed_weights(net, len(residuals))
    jacobian = torch.cat([logits_jacobian(net, weights, images) for images, _ in retain + forget])
    kernel = jacobian @ jacobian.T
    everything, kept = (sum(len(labels) for _, labels in batches) for batches in (retain + forget, retain))
    rows = len(residuals) * kept // everything  # of the retain set; they come first
    step = trained(jacobian[:rows], kernel[:rows, :rows], residuals[:rows], kept * weight_decay)
    step -= trained(jacobian, kernel, residuals, everything * weight_decay)
    for weight, part in zip(weights.values(), step.split([weight.numel() for weight in weights.values()]), strict=True):
        weight.add_(part.view_as(weight), alpha=scale)


def residual(net: nn.Module, batch: Batch) -> Tensor:
    """The predicted probabilities less 1 for the label, [examples · classes]."""
    images, labels = batch
    probabilities: Tensor = net(images).softmax(dim=1)
    probabilities -= F.one_hot(labels, probabilities.shape[1])
    return probabilities.flatten()


def scrubbed_weights(net: nn.Module, rows: int) -> dict[str, nn.Parameter]:
    """The last of the weights that have gradients, by name, as many as a Jacobian of so many rows has room for.

    Raises:
        ValueError: the kernel of so many rows is too large.
    """
    if rows**2 > MAX_NUMBERS:
        raise ValueError(f"{rows} logits of all examples are too many for a kernel; set `examples` to fewer")
    chosen, room = {}, MAX_NUMBERS // rows
    for name, weight in reversed([(name, weight) for name, weight in net.named_parameters() if weight.requires_grad]):
        room -= weight.numel()
        if room < 0:
            break
        chosen[name] = weight
    return chosen


def logits_jacobian(net: nn.Module, weights: dict[str, nn.Parameter], images: Tensor) -> Tensor:
    """Derivatives of all logits of a batch with respect to some weights, [examples · classes, elements of the weights]."""

    def logits(values: dict[str, Tensor], image: Tensor) -> Tensor:
        outputs: Tensor = functional_call(net, values, (image[None],))
        return outputs[0]

    values = {name: weight.detach() for name, weight in weights.items()}
    parts = vmap(jacrev(logits), in_dims=(None, 0))(values, images)
    return torch.cat([parts[name].flatten(2) for name in weights], dim=2).flatten(0, 1)


def trained(jacobian: Tensor, kernel: Tensor, residuals: Tensor, ridge: float) -> Tensor:
    """How the weights of the linearised network have moved at the end of its training: -Jᵀ·(K + ridge·I)⁻¹·r.

    Args:
        jacobian: J, [rows, elements of the weights].
        kernel: K = J·Jᵀ.
        residuals: r, [rows].
        ridge: weight decay times the number of examples.
    """
    damped = kernel.clone()
    damped.diagonal().add_(ridge)
    solution = torch.cholesky_solve(residuals[:, None], torch.linalg.cholesky(damped))
    return -(jacobian.T @ solution).flatten()
