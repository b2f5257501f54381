"""Gradient ascent on the forget set in alternation with descent on the retain set, each orthogonal to the other's gradient.

1. Rounds of one epoch each, 3F-1R-2F-1R-2F-1R by default:
   - F: for every forget batch, ascend the forget gradient's component orthogonal to the gradient of a retain batch;
   - R: for every retain batch, descend the retain gradient's component orthogonal to the gradient of a forget batch.
2. A step goes along the component scaled to unit length (over all weights together), times the learning rate.

`project=False` leaves the gradients whole; with `rounds="5F"` it is plain gradient ascent.

The published code's defects are fixed (gradients that were not reset between the two backward passes, projections that read
one slice of the gradient for every tensor, swapped loaders). The learning rate of the committed function is used throughout.
"""

METADATA = {
    "family": "classic",
    "source": "hishamcse/NeurIPS_Machine_Unlearning",
    "reported": "0.0048 (late submission of the uncorrected code); plain gradient ascent 0.0001 (public leaderboard)",
    "needs": "the retain set and the forget set",
}

import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import endless, unpack
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "learning_rate": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    rounds: str = "3F-1R-2F-1R-2F-1R",
    learning_rate: float = 2e-3,
    project: bool = True,
) -> None:
    """Unlearn `net` in place.

    Raises:
        ValueError: the rounds do not read like 3F-1R.
    """
    net.train()
    for kind in parse_rounds(rounds):
        if kind == "F":
            one_epoch(net, forget_loader, retain_loader, learning_rate, project)
        else:
            one_epoch(net, retain_loader, forget_loader, -learning_rate, project)
    net.eval()


def parse_rounds(rounds: str) -> str:
    """Spell rounds out: "3F-1R" is "FFFR".

    Raises:
        ValueError: they do not read like 3F-1R.
    """
    if not re.fullmatch(r"\d+[FR](-\d+[FR])*", rounds):
        raise ValueError(f"rounds must read like 3F-1R, got {rounds!r}")
    return "".join(int(part[:-1]) * part[-1] for part in rounds.split("-"))


def one_epoch(net: nn.Module, loader: DataLoader[Any], other_loader: DataLoader[Any], step: float, project: bool) -> None:
    """One step per batch of `loader` along its loss's gradient, orthogonal to that of a batch of the other loader."""
    others = endless(other_loader)
    weights = trainable(net)
    for batch in loader:
        direction = gradient(net, weights, batch)
        if project:
            other = gradient(net, weights, next(others))
            direction = orthogonal_component(direction, other)
        direction = direction / direction.norm().clamp_min(1e-12)
        with torch.no_grad():
            for weight, part in zip(weights, direction.split([w.numel() for w in weights]), strict=True):
                weight.add_(part.view_as(weight), alpha=step)


def gradient(net: nn.Module, weights: list[nn.Parameter], batch: object) -> Tensor:
    """Gradient of the cross-entropy on a batch with respect to all weights, as one vector."""
    images, labels = unpack(batch, net)
    gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
    return torch.cat([part.flatten() for part in gradients])


def orthogonal_component(vector: Tensor, to: Tensor) -> Tensor:
    """A vector minus its projection on another."""
    return vector - (vector @ to) / (to @ to).clamp_min(1e-12) * to
