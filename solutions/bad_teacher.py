"""Bad Teacher: imitate a random network on the forget set and the original on the retain set.

1. Two frozen teachers: the competent one is a copy of the original network, the incompetent one has the same architecture with
   newly drawn weights.
2. One epoch over the retain set and the forget set, shuffled together: the network learns by distillation (KL divergence at
   temperature 1, Adam) what the incompetent teacher predicts for forget examples and the competent one for retain examples.

Each batch mixes both sets, as in the paper: they become one data set whose labels say which examples are to be forgotten. The
classes are not used. All retain examples are used, in batches of the retain loader's size. The teachers are in eval mode, the
network is in train mode.
"""

METADATA = {
    "family": "classic",
    "source": 'Chundawat et al. 2023, "Can Bad Teaching Induce Forgetting?", https://arxiv.org/abs/2205.08096',
    "reported": "none",
    "needs": "the retain set and the forget set as one (`.dataset`), and layers that can be drawn anew",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader

from solutions.parts.batches import Relabelled, batches, number_of_examples
from solutions.parts.distillation import distillation, frozen_copy
from solutions.parts.weights import reinitialise

SEARCH_SPACE = {
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
    epochs: int = 1,
    learning_rate: float = 1e-4,
    temperature: float = 1.0,
) -> None:
    """Unlearn `net` in place."""
    competent, incompetent = teachers(net)
    both = marked(retain_loader, forget_loader)
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


def marked(retain_loader: DataLoader[Any], forget_loader: DataLoader[Any]) -> DataLoader[Any]:
    """A shuffled loader on the examples of both, labelled True for forget examples and False for the others."""
    no = torch.zeros(number_of_examples(retain_loader), dtype=torch.bool)
    yes = torch.ones(number_of_examples(forget_loader), dtype=torch.bool)
    both: ConcatDataset[Any] = ConcatDataset([Relabelled(retain_loader.dataset, no), Relabelled(forget_loader.dataset, yes)])
    return DataLoader(both, batch_size=retain_loader.batch_size, shuffle=True)


@torch.no_grad()
def teaching(competent: nn.Module, incompetent: nn.Module, images: Tensor, is_forget: Tensor) -> Tensor:
    """Logits [batch, classes]: the incompetent teacher's for forget examples, the competent one's for the others."""
    return torch.where(is_forget[:, None], incompetent(images), competent(images))
