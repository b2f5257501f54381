"""Random labels: give the forget examples wrong labels, then train on both sets together (relabelling of amnesiac unlearning).

1. Relabel: every forget example gets a label at random, once per call: any class but its own, each as likely as the others.
2. Train: cross-entropy on the retain set and the relabelled forget set together, shuffled, 10 epochs of SGD.

The number of classes is the number of logits. The batches are as large as the retain loader's. The source gives epochs and
learning rate; momentum 0.9, weight decay 5e-4 and a constant learning rate are our choices.
"""

METADATA = {
    "family": "classic",
    "source": "Graves et al. 2021, https://arxiv.org/abs/2010.10981; Golatkar et al. 2020, https://arxiv.org/abs/1911.04933",
    "reported": "none",
    "values": "published; ours: weight_decay",
    "needs": "the retain set and the forget set, example by example (`.dataset`)",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader

from solutions.parts.batches import Relabelled, batches, in_order
from solutions.parts.layers import number_of_classes
from solutions.parts.training import train

SEARCH_SPACE = {
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 10,
    learning_rate: float = 3e-3,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    both = together(retain_loader, forget_loader, random_labels_for(net, forget_loader))
    train(net, both, epochs, learning_rate, weight_decay)
    net.eval()


def random_labels_for(net: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """For every example of a loader a random class that is not its own.

    Args:
        net: has as many logits as there are classes, at least two; is left in eval mode.
        loader: of either kit.

    Returns:
        [examples], in the order of the loader's data set.
    """
    classes = number_of_classes(net, loader)
    return wrong_labels(torch.cat([labels for _, labels in batches(in_order(loader), net)]), classes)


def wrong_labels(labels: Tensor, classes: int) -> Tensor:
    """For every label [examples] another class at random, each as likely as the others."""
    return (labels + torch.randint_like(labels, 1, classes)) % classes


def together(retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], labels: Tensor) -> DataLoader[Any]:
    """A shuffled loader on the retain set and the forget set with other labels, in batches of the retain loader's size.

    Args:
        retain_loader: of either kit.
        forget_loader: of the same kit.
        labels: [forget examples], in the order of the forget set.
    """
    both: ConcatDataset[Any] = ConcatDataset([retain_loader.dataset, Relabelled(forget_loader.dataset, labels)])
    return DataLoader(both, batch_size=retain_loader.batch_size, shuffle=True)
