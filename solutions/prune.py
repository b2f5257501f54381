"""Pruning: draw anew the weights that overfitting to the forget set moves least, then repair.

1. Overfit: a copy of the network is trained on the forget set, 20 epochs of cross-entropy.
2. Prune: the 30 % of the elements of each weight that moved least between network and copy, by the absolute difference, get
   new values: Kaiming normal, variance 2/fan-in. Weights of at least two dimensions are pruned, each on its own: convolutions
   and linear layers, no biases and no normalisation.
3. Repair: 5 epochs of cross-entropy on the retain set, in the order of the data set.

The network itself does not change in step 1, nor do its batch-norm statistics.

Published, in machine_unlearning/unlearn.py of the source: all values. The report has this variant, the code only its siblings
(`prune_last_layer` and `selective_pruning_complex`), which agree in all of the above; from them it is carried over.

Departures: the source augments its images. Here they are taken as they come, so that runs differ by the order of the forget
set and by the new values alone.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches',
    "reported": "ε̂ 3.22 on CIFAR-10 (retraining 0.88, lower is better); accuracy 98.21 % retain, 97.47 % forget, 92.60 % test",
    "values": "carried over",
    "needs": "the retain set and the forget set in batches of another size (`.dataset`)",
}

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import in_order, rebatch
from solutions.parts.training import train
from solutions.parts.weights import normal_by_fan_in, smallest, trainable

SEARCH_SPACE = {
    "fraction": (0.05, 0.95),
    "overfit_epochs": (1, 20),
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "batch_size": (16, 256, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    fraction: float = 0.3,
    overfit_epochs: int = 20,
    overfit_learning_rate: float = 1e-2,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    overfitted = overfit(net, rebatch(forget_loader, batch_size), overfit_epochs, overfit_learning_rate, weight_decay)
    renew(matrices(net), least_moved(net, overfitted, fraction, net))
    train(net, in_order(retain_loader, batch_size), epochs, learning_rate, weight_decay)
    net.eval()


def overfit(net: nn.Module, loader: Iterable[Any], epochs: int, learning_rate: float, weight_decay: float) -> nn.Module:
    """A copy of a network, trained further."""
    overfitted = copy.deepcopy(net)
    train(overfitted, loader, epochs, learning_rate, weight_decay)
    return overfitted


def matrices(part: nn.Module) -> list[nn.Parameter]:
    """The trainable weights of at least two dimensions."""
    return [weight for weight in trainable(part) if weight.dim() >= 2]


def least_moved(part: nn.Module, overfitted: nn.Module, fraction: float, net: nn.Module) -> list[Tensor]:
    """Where the weights that moved least are.

    Args:
        part: of a network, or all of it.
        overfitted: the same part of the copy.
        fraction: of the elements of each of `matrices(part)`.
        net: the network that it is part of.

    Returns:
        For each of `matrices(part)` a boolean tensor of its shape.
    """
    pairs = zip(matrices(part), matrices(overfitted), strict=True)
    return [smallest([(after - before).detach().abs()], fraction, net)[0] for before, after in pairs]


@torch.no_grad()
def renew(weights: Sequence[Tensor], masks: Sequence[Tensor]) -> None:
    """Give the masked elements of weights new random values."""
    for weight, mask in zip(weights, masks, strict=True):
        weight.copy_(torch.where(mask, normal_by_fan_in(weight), weight))
