"""Two-stage hybrid: train on the forget set with random labels, then repair on the retain set.

1. Poison: one epoch on the forget set with random labels, as `label_poison` but with a larger learning rate.
2. Repair: 5 epochs of cross-entropy on the retain set, in the order of the data set.

Published, in machine_unlearning/unlearn.py of the source (`two_stage_simple`): all values, an SGD optimiser for each stage,
constant learning rates.

Departures: the source augments its images. Here they are taken as they come, so that runs differ by the random labels and by
the order of the forget set.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": (
        '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches '
        "(`two_stage_simple`)"
    ),
    "reported": "ε̂ 2.83 on CIFAR-10 (retraining 0.88, lower is better); accuracy 96.09 % retain, 96.23 % forget, 94.58 % test",
    "values": "published",
    "needs": "the retain set in batches of another size, and the forget set, to relabel it (`.dataset`)",
}

from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from solutions.label_poison import poison
from solutions.parts.batches import in_order
from solutions.parts.training import train

SEARCH_SPACE = {
    "poison_epochs": (1, 5),
    "poison_learning_rate": (1e-4, 3.0, "log"),
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
    poison_epochs: int = 1,
    poison_learning_rate: float = 1e-2,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    train(net, poison(net, forget_loader, batch_size), poison_epochs, poison_learning_rate, weight_decay)
    train(net, in_order(retain_loader, batch_size), epochs, learning_rate, weight_decay)
    net.eval()
