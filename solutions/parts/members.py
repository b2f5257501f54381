"""The models that run in lockstep, told apart.

A solution may be run for several models in lockstep, as one network that holds them all: its weights are the models' weights
one after another along their first axis, and so are its batches. Code that takes the models apart goes through `by_member`.
"""

import torch
from torch import Tensor, nn


def by_member(outputs: Tensor, net: nn.Module) -> Tensor:
    """A batch of outputs, or a weight, [K·B, ...] as [K, B, ...]: for what concerns the examples or the elements of one model.

    K is the number of models that run in lockstep; 1 for an ordinary network.
    """
    apart: Tensor = outputs.unflatten(0, (getattr(net, "members", 1), -1))
    return apart


def products(first: list[Tensor], second: list[Tensor], net: nn.Module) -> Tensor:
    """The inner products of each model's two vectors, given as tensors in the shapes of `trainable(net)`, [models]."""
    own = [by_member(a * b, net).flatten(1).sum(dim=1) for a, b in zip(first, second, strict=True)]
    return torch.stack(own).sum(dim=0)


def times(factors: Tensor, gradient: Tensor, net: nn.Module) -> Tensor:
    """A weight's gradient, each model's part times that model's factor.

    Args:
        factors: [models].
        gradient: of the weight's shape.
        net: the network.
    """
    own = by_member(gradient, net)
    return (factors.reshape(-1, *[1] * (own.dim() - 1)) * own).reshape(gradient.shape)


def clipped(vector: list[Tensor], net: nn.Module, length: float) -> list[Tensor]:
    """Each model's vector, given as tensors in the shapes of `trainable(net)`, cut to a length where it is longer."""
    factors = (length / products(vector, vector, net).sqrt().clamp_min(1e-12)).clamp(max=1.0)
    return [times(factors, part, net) for part in vector]
