"""RUM: treat forget examples by how much the network memorised them: leave, fine-tune, relabel.

1. Split: the forget examples in three groups of the same size by how confident `net` is of their labels. Those it is most
   confident about are typical ones, so little memorised; those it is least confident about are taken as the most memorised.
2. Low memorisation: nothing is done, the network generalises to them anyway.
3. Medium: fine-tune without this group, on the retain set and the group of step 4, which is not to be forgotten yet: 10 epochs
   of SGD, learning rate 0.1.
4. High: relabel this group. The 50 % of all weights that are salient for it in the original network (`salun`) train on it and
   on the retain set, shuffled together, 5 epochs, learning rate 0.1; each epoch draws new labels, not the examples' own.

Values: published, in the authors' `main_rum.py` (nothing, fine-tuning, SalUn, in this order, with their epochs and learning
rates), `main_forget.py` (the sets of step 3), `generate_mask.py` and `unlearn/RL.py`; both learning rates are constant there.
The share of 50 % is SalUn's; the repository gives none.

Departures: confidence is the probability that the trained network gives to the true label. It stands in for memorisation, which
is defined by networks trained without the example; the authors' later proxies look at the training, which is over here. Their
code masks gradients only, here other weights stay as they are (`salun`). It draws labels among all classes. Forget examples
beyond a multiple of three go to the less memorised groups.
"""

METADATA = {
    "family": "classic",
    "source": "Zhao et al. 2024, NeurIPS 2024, https://arxiv.org/abs/2406.01257; code kairanzhao/RUM",
    "reported": "none",
    "values": "published; carried over: salun_fraction",
    "needs": "the retain set and the forget set, example by example (`.dataset`); at least three forget examples",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import ConcatDataset, DataLoader, Subset

from solutions.parts.batches import batches, in_order
from solutions.parts.training import confine, sgd, train, train_epoch
from solutions.random_labels import random_labels_for, together
from solutions.salun import most_salient

SEARCH_SPACE = {
    "finetune_epochs": (1, 10),
    "finetune_learning_rate": (1e-4, 3.0, "log"),
    "salun_epochs": (1, 10),
    "salun_learning_rate": (1e-4, 3.0, "log"),
    "salun_fraction": (0.05, 0.95),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    finetune_epochs: int = 10,
    finetune_learning_rate: float = 0.1,
    salun_epochs: int = 5,
    salun_learning_rate: float = 0.1,
    salun_fraction: float = 0.5,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    _, _, high = by_memorisation(net, forget_loader)
    masks = most_salient(net, high, salun_fraction)
    train(net, joined(retain_loader, high), finetune_epochs, finetune_learning_rate, weight_decay)
    optimiser = sgd(net, salun_learning_rate, weight_decay)
    confine(optimiser, masks)
    for _ in range(salun_epochs):
        relabelled = together(retain_loader, high, random_labels_for(net, high))
        net.train()
        train_epoch(net, relabelled, optimiser)
    net.eval()


def joined(loader: DataLoader[Any], other: DataLoader[Any]) -> DataLoader[Any]:
    """A shuffled loader on the examples of two loaders of the same kit, in batches of the first one's size."""
    both: ConcatDataset[Any] = ConcatDataset([loader.dataset, other.dataset])
    return DataLoader(both, batch_size=loader.batch_size, shuffle=True)


def by_memorisation(net: nn.Module, loader: DataLoader[Any]) -> list[DataLoader[Any]]:
    """Shuffled loaders on three groups of a loader's examples: low, medium and high memorisation.

    Args:
        net: the original network; is left in eval mode.
        loader: of at least three examples.
    """
    least_memorised_first = doubts(net, loader).argsort(stable=True)
    return [
        DataLoader(Subset(loader.dataset, group.tolist()), batch_size=loader.batch_size, shuffle=True)
        for group in least_memorised_first.tensor_split(3)
    ]


@torch.no_grad()
def doubts(net: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """-log of the confidence in every example's label [examples], in the order of the loader's data set.

    The logarithm still tells examples apart whose confidence rounds to 1.
    """
    net.eval()
    return torch.cat(
        [F.cross_entropy(net(images), labels, reduction="none") for images, labels in batches(in_order(loader), net)]
    )
