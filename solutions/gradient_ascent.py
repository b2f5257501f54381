"""Gradient ascent on the forget set in alternation with descent on the retain set, each orthogonal to the other's gradient.

1. Epochs of two kinds, 12F-3R-1R by default:
   - F: for every forget batch, ascend the forget gradient's component orthogonal to the gradient of a retain batch;
   - R: for every retain batch, descend the retain gradient's component orthogonal to the gradient of a forget batch.
2. A step moves every tensor along its part of that component, scaled to unit length, times the learning rate: 0.002, and
   0.001 in the last epoch.

Gradients are projected as vectors of all weights, so after the scaling the step is only roughly orthogonal.
`project=False` leaves the gradients whole; with `rounds="5F"` and `learning_rates=(0.002,)` it is plain gradient ascent.

Values: published, in the function `unlearning` of `neurips-machine-unlearning-gradient-ascent.ipynb`. The last version of that
notebook calls another function instead, five F and three R at 0.02 with averaged steps of unit length over all weights and
frozen batch-norm layers; the slides have 3F-1R-2F-1R-2F-1R. Which of them had the reported score is not said.

Departures: the code's defects are mended (gradients that are not reset between the two backward passes, projections that read
one slice of the gradient for every tensor, swapped loaders).
"""

METADATA = {
    "family": "classic",
    "source": "hishamcse/NeurIPS_Machine_Unlearning",
    "reported": "0.0048 (late submission of the uncorrected code); plain gradient ascent 0.0001 (public leaderboard)",
    "values": "published",
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
    "learning_rates": (0.005, 50.0, "times"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    rounds: str = "12F-3R-1R",
    learning_rates: tuple[float, ...] = (2e-3, 2e-3, 1e-3),
    project: bool = True,
) -> None:
    """Unlearn `net` in place; `learning_rates` has one for each part of the rounds.

    Raises:
        ValueError: the rounds do not read like 3F-1R, or do not have as many parts as there are learning rates.
    """
    net.train()
    for (epochs, kind), learning_rate in zip(parse_rounds(rounds), learning_rates, strict=True):
        for _ in range(epochs):
            if kind == "F":
                one_epoch(net, forget_loader, retain_loader, learning_rate, project)
            else:
                one_epoch(net, retain_loader, forget_loader, -learning_rate, project)
    net.eval()


def parse_rounds(rounds: str) -> list[tuple[int, str]]:
    """Numbers and kinds of epochs: "3F-1R" is [(3, "F"), (1, "R")].

    Raises:
        ValueError: they do not read like 3F-1R.
    """
    if not re.fullmatch(r"\d+[FR](-\d+[FR])*", rounds):
        raise ValueError(f"rounds must read like 3F-1R, got {rounds!r}")
    return [(int(part[:-1]), part[-1]) for part in rounds.split("-")]


def one_epoch(net: nn.Module, loader: DataLoader[Any], other_loader: DataLoader[Any], step: float, project: bool) -> None:
    """One step per batch of `loader` along its loss's gradient, orthogonal to that of a batch of the other loader."""
    others = endless(other_loader)
    weights = trainable(net)
    for batch in loader:
        direction = gradient(net, weights, batch)
        if project:
            direction = orthogonal_component(direction, gradient(net, weights, next(others)))
        with torch.no_grad():
            for weight, part in zip(weights, direction.split([w.numel() for w in weights]), strict=True):
                weight.add_((part / part.norm().clamp_min(1e-12)).view_as(weight), alpha=step)


def gradient(net: nn.Module, weights: list[nn.Parameter], batch: object) -> Tensor:
    """Gradient of the cross-entropy on a batch with respect to all weights, as one vector."""
    images, labels = unpack(batch, net)
    gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
    return torch.cat([part.flatten() for part in gradients])


def orthogonal_component(vector: Tensor, to: Tensor) -> Tensor:
    """A vector minus its projection on another."""
    return vector - (vector @ to) / (to @ to).clamp_min(1e-12) * to
