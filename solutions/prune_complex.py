"""Pruning by forget and retain set: draw anew the weights that overfitting to neither moves much, then repair.

1. Overfit to forget: a copy of the network is trained on the forget set, 20 epochs of cross-entropy.
2. Overfit to retain: another copy is trained on a random 2 % of the retain set, for as many epochs, at a third of the learning
   rate.
3. Prune: in each weight of at least two dimensions, the elements that are among the 30 % that moved least in both copies get
   new values: Kaiming normal, variance 2/fan-in.
4. Repair: 5 epochs of cross-entropy on the retain set, in the order of the data set.

Published, in machine_unlearning/unlearn.py of the source (`selective_pruning_complex`): all values.

Departures: the published code divides the learning rate of step 2 by 3 in integers, which gives 0: the copy does not move, no
weight is pruned, and what is left is fine-tuning. Here it moves. No augmentation, as in `prune`. In step 2 at least two
examples are drawn, which batch-norm needs, and the batches are the same in every epoch.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches',
    "reported": "ε̂ 2.20 on CIFAR-10 (retraining 0.88, lower is better); accuracy 99.99 % retain, 91.10 % forget, 94.31 % test",
    "values": "published",
    "needs": "the retain set and the forget set in batches of another size (`.dataset`)",
}

from math import ceil
from typing import Any

from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, in_order, number_of_examples, rebatch
from solutions.parts.members import by_member
from solutions.parts.training import train
from solutions.prune import least_moved, matrices, overfit, renew

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
    retain_share: float = 0.02,
    retain_overfit_learning_rate: float = 1e-2 / 3,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    on_forget = overfit(net, rebatch(forget_loader, batch_size), overfit_epochs, overfit_learning_rate, weight_decay)
    share = random_share(retain_loader, retain_share, batch_size, net)
    on_retain = overfit(net, share, overfit_epochs, retain_overfit_learning_rate, weight_decay)
    masks = (least_moved(net, overfitted, fraction, net) for overfitted in (on_forget, on_retain))
    renew(matrices(net), [forget & retain for forget, retain in zip(*masks, strict=True)])
    train(net, in_order(retain_loader, batch_size), epochs, learning_rate, weight_decay)
    net.eval()


def random_share(loader: DataLoader[Any], share: float, batch_size: int, net: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Some examples of a loader's data set, drawn without replacement.

    Args:
        loader: on the data set.
        share: of its examples, in [0, 1]; at least two are drawn.
        batch_size: examples in a batch at most.
        net: the network that is to see them.

    Returns:
        Batches of images [batch, channels, height, width] and labels [batch], as alike in size as can be.
    """
    count = max(2, round(share * number_of_examples(loader)))
    drawn = next(batches(rebatch(loader, count), net))
    images, labels = (by_member(part, net).tensor_split(ceil(count / batch_size), dim=1) for part in drawn)
    return [(x.flatten(0, 1), y.flatten(0, 1)) for x, y in zip(images, labels, strict=True)]
