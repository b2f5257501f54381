"""Random mask: set half of the weights to 0, drawn by lot, then fine-tune on the retain set.

1. Mask: every element of every weight becomes 0 with a probability of 50 %, but for those of normalisation layers.
2. Repair: 5 epochs of cross-entropy on the retain set, in which all weights train, those that were masked too. Adam, its
   learning rate falling from 1e-4 as a cosine, step by step, to a tenth.

The forget set is not looked at: a network that has lost half of its weights has forgotten much of everything, and learns again
what the retain set has to teach.

It was entered in the competition and won no prize: the private leaderboard gave it the second best score, but it is not among
the winners that were announced. Why is not public.

Values: all published, in `run-unlearn-finetune-random-mask-bn-no-mask.ipynb` of the source, for batches of 64. Adam's weight
decay is added to the gradient (L2).

Departure: the notebook knows normalisation layers by "bn" in their names, and so masks the three of a ResNet-18's shortcuts
(`downsample.1`) as well; its README says that it masks none. Here they are known by their type.
"""

METADATA = {
    "family": "entry",
    "source": "songxinkuan, NeurIPS 2023 Machine Unlearning challenge, https://github.com/songxinkuan/Machine-unlearning-random-mask",
    "reported": "0.0937 (private leaderboard, between the 1st and the 2nd place that were awarded); 0.0795 (public)",
    "values": "published",
    "needs": "the retain set",
}

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.layers import normalisation_weights
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "fraction": (0.02, 0.9),
    "epochs": (1, 12),
    "learning_rate": (1e-5, 0.1, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    fraction: float = 0.5,
    epochs: int = 5,
    learning_rate: float = 1e-4,
    weight_decay: float = 1e-4,
) -> None:
    """Unlearn `net` in place."""
    mask(net, fraction)
    repair(net, retain_loader, epochs, learning_rate, weight_decay)


@torch.no_grad()
def mask(net: nn.Module, fraction: float) -> None:
    """Set each element of the trainable weights to 0 with some probability, in place; normalisation layers keep theirs."""
    kept = normalisation_weights(net)
    for weight in trainable(net):
        if weight not in kept:
            weight.mul_(torch.rand_like(weight) > fraction)


def repair(net: nn.Module, loader: DataLoader[Any], epochs: int, learning_rate: float, weight_decay: float) -> None:
    """Epochs of cross-entropy with Adam at a learning rate that falls with every step, to a tenth; ends in eval mode."""
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = CosineAnnealingLR(optimiser, T_max=max(1, epochs * len(loader)), eta_min=0.1 * learning_rate)
    net.train()
    for _ in range(epochs):
        for images, labels in batches(loader, net):
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimiser.step()
            schedule.step()
    net.eval()
