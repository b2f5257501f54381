"""RUM: treat forget examples by how much the network memorised them: leave, fine-tune, relabel.

1. Split: the forget examples in three groups of the same size by how confident `net` is of their labels. Those it is most
   confident about are typical ones, so little memorised; those it is least confident about are taken as the most memorised.
2. Low memorisation: nothing is done, the network generalises to them anyway.
3. Medium: fine-tune on the retain set, 10 epochs, learning rate 0.1.
4. High: SalUn with this group as the forget set, 5 epochs, learning rate 0.1.

Confidence is the probability that the trained network gives to the true label. It stands in for memorisation, which is defined
by networks trained without the example. Our choices, where the source is silent: step 3 is `finetune` (its learning rate falls
as a cosine) and step 4 is `salun` (constant learning rate); both train on the retain set without the other groups; examples
beyond a multiple of three go to the less memorised groups. Fine-tuning does not look at its group, so what the split decides is
which examples are relabelled.
"""

METADATA = {
    "family": "classic",
    "source": "Zhao et al. 2024, https://arxiv.org/abs/2406.01257",
    "reported": "none",
    "needs": "the retain set and the forget set, example by example (`.dataset`); at least three forget examples",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from solutions import finetune, salun
from solutions.parts.batches import batches, in_order

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
    _, medium, high = by_memorisation(net, forget_loader)
    finetune.unlearning(
        net,
        retain_loader,
        medium,
        val_loader,
        epochs=finetune_epochs,
        learning_rate=finetune_learning_rate,
        weight_decay=weight_decay,
    )
    salun.unlearning(
        net,
        retain_loader,
        high,
        val_loader,
        fraction=salun_fraction,
        epochs=salun_epochs,
        learning_rate=salun_learning_rate,
        weight_decay=weight_decay,
    )


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
