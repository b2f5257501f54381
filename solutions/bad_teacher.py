"""Bad Teacher: imitate a random network on the forget set and the original on the retain set.

1. Two frozen teachers: the competent one is a copy of the original network, the incompetent one has the same architecture with
   newly drawn weights.
2. One epoch over a random 30 % of the retain set and the whole forget set, shuffled together, in batches of 256: the network
   learns by distillation (KL divergence at temperature 1, Adam) what the incompetent teacher predicts for forget examples and
   the competent one for retain examples.

Each batch mixes both sets: they become one data set whose labels say which examples are to be forgotten. The classes are not
used. The teachers are in eval mode, the network is in train mode.

Published, in the authors' code (https://github.com/vikram2000b/bad-teaching-unlearning, unlearn.py and
CIFARSuper20_Rocket_Unlearn.ipynb, cells 6 and 15): all values. The code of SSD takes 30 % too
(https://github.com/if-loops/selective-synaptic-dampening).

Departures: the code's loss is the mean over classes as well, and has no factor T²; Adam's steps do not depend on a loss's
scale.
"""

METADATA = {
    "family": "classic",
    "source": 'Chundawat et al. 2023, "Can Bad Teaching Induce Forgetting?", https://arxiv.org/abs/2205.08096',
    "reported": "none",
    "values": "published",
    "needs": "the retain set and the forget set as one (`.dataset`), and layers that can be drawn anew",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from solutions.parts.batches import Relabelled, batches, number_of_examples
from solutions.parts.distillation import distillation, frozen_copy
from solutions.parts.weights import reinitialise

SEARCH_SPACE = {
    "retain_share": (0.1, 1.0),
    "epochs": (1, 12),
    "learning_rate": (1e-5, 0.1, "log"),
    "temperature": (0.5, 10.0, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    retain_share: float = 0.3,
    epochs: int = 1,
    learning_rate: float = 1e-4,
    batch_size: int = 256,
    temperature: float = 1.0,
) -> None:
    """Unlearn `net` in place."""
    competent, incompetent = teachers(net)
    both = marked(random_part(retain_loader, retain_share), forget_loader.dataset, batch_size)
    optimiser = torch.optim.Adam(net.parameters(), lr=learning_rate)
    net.train()
    for _ in range(epochs):
        for images, is_forget in batches(both, net):
            optimiser.zero_grad()
            taught = teaching(competent, incompetent, images, is_forget)
            distillation(net(images), taught, temperature).backward()
            optimiser.step()
    net.eval()


def teachers(net: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A copy of the network, and one with newly drawn weights."""
    competent, incompetent = frozen_copy(net), frozen_copy(net)
    reinitialise(incompetent)
    return competent, incompetent


def random_part(loader: DataLoader[Any], share: float) -> Subset[Any]:
    """A share, in (0, 1], of a loader's examples, drawn without replacement; at least one."""
    count = number_of_examples(loader)
    return Subset(loader.dataset, torch.randperm(count)[: max(1, int(share * count))].tolist())


def marked(retain: Dataset[Any], forget: Dataset[Any], batch_size: int) -> DataLoader[Any]:
    """A shuffled loader on the examples of both, labelled True for forget examples and False for the others."""
    sets = ((retain, False), (forget, True))
    labelled = [Relabelled(own, torch.full((len(own),), mark)) for own, mark in sets]  # type: ignore[arg-type]  # they have lengths
    return DataLoader(ConcatDataset(labelled), batch_size=batch_size, shuffle=True)


@torch.no_grad()
def teaching(competent: nn.Module, incompetent: nn.Module, images: Tensor, is_forget: Tensor) -> Tensor:
    """Logits [batch, classes]: the incompetent teacher's for forget examples, the competent one's for the others."""
    return torch.where(is_forget[:, None], incompetent(images), competent(images))
