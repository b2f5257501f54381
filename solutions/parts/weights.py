"""Weights: those that train, new random values, and the smallest by a score."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from solutions.parts.members import by_member


def trainable(net: nn.Module) -> list[nn.Parameter]:
    """The weights that have gradients."""
    return [weight for weight in net.parameters() if weight.requires_grad]


def reinitialise(module: nn.Module) -> None:
    """Draw the weights of all layers of a module anew, as they were drawn before training."""
    for layer in module.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()


@torch.no_grad()
def add_noise(weights: Iterable[Tensor], std: float) -> None:
    """Add normal noise of a standard deviation to weights, in place."""
    for weight in weights:
        weight.add_(torch.randn_like(weight), alpha=std)


def uniform_by_fan_in(weight: Tensor) -> Tensor:
    """New values for a weight [outputs, inputs, ...]: uniform within ±1/√fan-in, torch's default for new layers."""
    root: float = weight[0].numel() ** 0.5
    return (2 * torch.rand_like(weight) - 1) / root


def kaiming_normal(weight: Tensor, net: nn.Module) -> Tensor:
    """New values for a weight of at least two dimensions: normal, variance 2/fan-out (He et al. 2015, https://arxiv.org/abs/1502.01852).

    Args:
        weight: [outputs, inputs, ...], gives the shape.
        net: the network it belongs to.
    """
    fan_out = by_member(weight, net).shape[1] * weight[0, 0].numel()
    std: float = (2 / fan_out) ** 0.5
    return torch.randn_like(weight) * std


def normal_by_fan_in(weight: Tensor) -> Tensor:
    """New values for a weight [outputs, inputs, ...]: normal, variance 2/fan-in, the default of `nn.init.kaiming_normal_`."""
    std: float = (2 / weight[0].numel()) ** 0.5
    return torch.randn_like(weight) * std


def smallest(scores: Sequence[Tensor], fraction: float, net: nn.Module) -> list[Tensor]:
    """Where the smallest values of several tensors, taken together, are.

    Args:
        scores: one per weight, each of its weight's shape.
        fraction: of all values, in [0, 1].
        net: the network that the weights belong to.

    Returns:
        Boolean tensors of the scores' shapes; round(fraction · values) elements are True in all of them together.
    """
    values = torch.cat([by_member(score, net).flatten(1) for score in scores], dim=1)  # [models, values]
    indices = values.topk(round(fraction * values.shape[1]), dim=1, largest=False).indices
    chosen = torch.zeros_like(values, dtype=torch.bool).scatter_(1, indices, True)
    sizes = [score.numel() // len(values) for score in scores]
    return [part.reshape(score.shape) for part, score in zip(chosen.split(sizes, dim=1), scores, strict=True)]
