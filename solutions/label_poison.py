"""Label poison: train on the forget set with random labels, one short epoch.

1. Poison: every forget example gets a random label, drawn once per call.
2. Train one epoch of cross-entropy on the poisoned forget set.

The retain set is not looked at. All classes are equally likely, the right one too: with ten classes about a tenth of the labels
stay right.

Published, in machine_unlearning/unlearn.py of the source (`poison`): all values, the constant learning rate, labels from all
classes. Departure: the source augments its images.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches',
    "reported": "ε̂ 4.16 on CIFAR-10 (retraining 0.88, lower is better); accuracy 99.72 % retain, 99.55 % forget, 94.21 % test",
    "values": "published",
    "needs": "the forget set, to relabel it (`.dataset`)",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import Relabelled, number_of_examples
from solutions.parts.layers import number_of_classes
from solutions.parts.training import train

SEARCH_SPACE = {
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
    epochs: int = 1,
    learning_rate: float = 7e-4,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    train(net, poison(net, forget_loader, batch_size), epochs, learning_rate, weight_decay)
    net.eval()


def poison(net: nn.Module, forget_loader: DataLoader[Any], batch_size: int) -> DataLoader[Any]:
    """A shuffled loader on the forget set with random labels, the same whenever it is read."""
    poisoned = Relabelled(forget_loader.dataset, random_labels(net, forget_loader))
    return DataLoader(poisoned, batch_size=batch_size, shuffle=True)


def random_labels(net: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """A random class for every example of a loader's data set, [examples]; leaves the network in eval mode."""
    return torch.randint(number_of_classes(net, loader), (number_of_examples(loader),))
