"""Pruning of the last layer: draw anew its weights that overfitting to the forget set moves least, then repair.

1. Overfit: a copy of the network is trained on the forget set, 20 epochs of cross-entropy.
2. Prune: the 30 % of the last layer's weights that moved least between network and copy, by the absolute difference, get new
   values: Kaiming normal, variance 2/fan-in. Its bias is left.
3. Repair: 5 epochs of cross-entropy on the retain set, in the order of the data set.

Published, in machine_unlearning/unlearn.py of the source (`prune_last_layer`): all values.

Departures: no augmentation, as in `prune`. In the source the last layer is a linear one; where a convolution gives the
classes, it is the convolution.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches',
    "reported": "ε̂ 2.30 on CIFAR-10 (retraining 0.88, lower is better); accuracy 99.99 % retain, 94.43 % forget, 95.04 % test",
    "values": "published",
    "needs": "the retain set and the forget set in batches of another size (`.dataset`), and the last layer",
}

from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from solutions.parts.batches import in_order, rebatch
from solutions.parts.layers import head
from solutions.parts.training import train
from solutions.prune import least_moved, matrices, overfit, renew

SEARCH_SPACE = {
    "fraction": (0.05, 0.95),
    "overfit_epochs": (1, 20),
    "epochs": (1, 12),
    "learning_rate": (1e-5, 3.0, "log"),
    "batch_size": (16, 1024, "log"),
    "weight_decay": (1e-5, 0.5, "log"),
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
    renew(matrices(head(net)), least_moved(head(net), head(overfitted), fraction, net))
    train(net, in_order(retain_loader, batch_size), epochs, learning_rate, weight_decay)
    net.eval()
