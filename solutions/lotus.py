"""LoTUS: smooth what the original says of forget examples, the more the better they are known, and learn that.

1. The bound: the original's accuracy on validation images, which it has never seen.
2. Before every epoch: d is the network's accuracy on the forget set less the bound. Where d ≤ -0.01 enough is forgotten, and
   all ends. Otherwise the temperature of the epoch is T = exp(α·d), with α = 2.
3. An epoch, of 10, over the forget set and 30 % of the retain set, drawn once, shuffled together: cross-entropy with targets
   made of the original's logits. For a forget example they are a Gumbel-softmax at temperature T, for a retain example a class
   drawn from the original's probabilities. Batches of 128, AdamW, learning rate 1e-4, weight decay 5e-4.

The closer the accuracy on the forget set is to that on unseen images, the closer T is to 1. Labels are looked at only for
accuracies. Where the original is no better on the forget set than on the validation images, it stays as it is.

Values: all published, in `src/unlearning_methods/lotus_class.py`, `src/helpers/config.py` and `src/bash_scripts/` of the
authors, for a ResNet-18 (α = 8 for CIFAR-10, 2 for all other data sets).

Departures: the code rounds accuracies to two places. Where a class is to be forgotten it sets the bound to 0; here the bound is
always measured, since a solution is not told what the forget set is.
"""

METADATA = {
    "family": "classic",
    "source": "Spartalis et al., CVPR 2025, https://arxiv.org/abs/2503.18314; code cspartalis/LoTUS",
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the retain set and the forget set (`.dataset` of both), validation images, and the original as a teacher",
    "published_steps": 352,
    "published_batch_size": 128,
}

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from solutions.bad_teacher import marked, random_part
from solutions.parts.batches import batches
from solutions.parts.distillation import frozen_copy

SEARCH_SPACE = {
    "alpha": (0.5, 32.0, "log"),
    "retain_share": (0.05, 1.0),
    "epochs": (1, 12),
    "learning_rate": (1e-5, 1e-2, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    alpha: float = 2.0,
    margin: float = 0.01,
    retain_share: float = 0.3,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: float = 1e-4,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    teacher = frozen_copy(net)
    bound = accuracy(teacher, val_loader)
    loader = marked(random_part(retain_loader, retain_share), forget_loader.dataset, batch_size)
    optimiser = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    for _ in range(epochs):
        lead = accuracy(net.eval(), forget_loader) - bound
        if lead <= -margin:
            break
        smoothed_epoch(net, teacher, loader, math.exp(alpha * lead), optimiser)
    net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, loader: Iterable[Any]) -> float:
    """The share of a loader's examples for which a network predicts the label."""
    right = [net(images).argmax(dim=1) == labels for images, labels in batches(loader, net)]
    return torch.cat(right).double().mean().item()


def smoothed_epoch(
    net: nn.Module, teacher: nn.Module, loader: DataLoader[Any], temperature: float, optimiser: Optimizer
) -> None:
    """One epoch of cross-entropy with targets drawn from the teacher's logits.

    Args:
        net: trains, in train mode.
        teacher: in eval mode.
        loader: on forget and retain examples, whose labels say which are to be forgotten.
        temperature: of the forget examples' targets.
        optimiser: of the network.
    """
    net.train()
    for images, is_forget in batches(loader, net):
        optimiser.zero_grad()
        F.cross_entropy(net(images), targets(teacher(images), is_forget, temperature)).backward()
        optimiser.step()


def targets(logits: Tensor, is_forget: Tensor, temperature: float) -> Tensor:
    """Probabilities: a Gumbel-softmax at a temperature for forget examples, one drawn class for the others.

    Args:
        logits: of the teacher, [batch, classes].
        is_forget: [batch].
        temperature: above 0.

    Returns:
        [batch, classes].
    """
    drawn = F.gumbel_softmax(logits, hard=True)  # as probable as the softmax says
    return torch.where(is_forget[:, None], F.gumbel_softmax(logits, tau=temperature), drawn)
