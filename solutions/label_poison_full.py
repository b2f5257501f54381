"""Full label poison: train on the retain set together with a forget set that has random labels.

1. Poison: every forget example gets a random label, drawn once per call, as in `label_poison`.
2. Train 5 epochs of cross-entropy on the retain set and then, at the end of each epoch, the poisoned forget set: neither is
   shuffled. The learning rate falls as a cosine from epoch to epoch.

Published, in machine_unlearning/unlearn.py of the source (`poison_full`, and the cosine in setups.py): all values.

Departures: the source augments its images. Here they are taken as they come, so that runs differ by the random labels alone.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches',
    "reported": "ε̂ 4.20 on CIFAR-10 (retraining 0.88, lower is better); accuracy 99.99 % retain, 87.41 % forget, 94.16 % test",
    "values": "published",
    "needs": "the retain set and the forget set, to relabel and to join them (`.dataset`)",
}

from typing import Any

from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import ConcatDataset, DataLoader

from solutions.label_poison import poison
from solutions.parts.training import sgd, train_epoch

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
    epochs: int = 5,
    learning_rate: float = 2e-3,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    loader = join_poisoned(net, retain_loader, forget_loader, batch_size)
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = CosineAnnealingLR(optimiser, T_max=max(epochs, 1))
    net.train()
    for _ in range(epochs):
        train_epoch(net, loader, optimiser)
        schedule.step()
    net.eval()


def join_poisoned(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], batch_size: int
) -> DataLoader[Any]:
    """A loader on the retain set as it is and then the forget set with random labels, each in its own order."""
    both: ConcatDataset[Any] = ConcatDataset([retain_loader.dataset, poison(net, forget_loader, batch_size).dataset])
    return DataLoader(both, batch_size=batch_size)
