"""Selective synaptic dampening (SSD): shrink the weights that matter far more to the forget set than to all data.

1. Importance of every weight, to the forget set (I_f) and to all training data, retain and forget together (I_D): the mean over
   batches of the squared gradient of the batch's cross-entropy, with the network in eval mode.
2. Select the weights with I_f > 10·I_D.
3. Dampen: multiply the selected weights by min(1, λ·I_D/I_f), with λ = 1.

Nothing is trained. Where no weight is selected the network stays as it is. Gradients are those of a batch, as published, not
those of single examples: importances depend on the batch size (the retain loader's for all data), and which examples meet in a
batch is the only thing that differs from run to run. With many batches that hardly matters, and every run gives nearly the same
network, which a metric that looks at the spread between runs punishes. With few, as on digits, it decides which weights are
selected.
"""

METADATA = {
    "family": "classic",
    "source": "Foster et al. 2023, https://arxiv.org/abs/2308.07707",
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the forget set and the retain set (`.dataset` of both)",
}

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import ConcatDataset, DataLoader

from solutions.parts.gradients import batch_gradients
from solutions.parts.training import Loss
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "selection_weight": (1.0, 10.0, "log"),  # above it may select nothing, below what matters less to the forget set
    "dampening_constant": (0.1, 10.0, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    selection_weight: float = 10.0,
    dampening_constant: float = 1.0,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    to_forget = importances(net, forget_loader)
    to_all = importances(net, all_training_data(retain_loader, forget_loader))
    selected = select(to_forget, to_all, selection_weight)
    dampen(trainable(net), selected, to_forget, to_all, dampening_constant)


def all_training_data(retain_loader: DataLoader[Any], forget_loader: DataLoader[Any]) -> DataLoader[Any]:
    """A shuffled loader on the retain set and the forget set together, in batches of the retain loader's size."""
    together: ConcatDataset[Any] = ConcatDataset([retain_loader.dataset, forget_loader.dataset])
    return DataLoader(together, batch_size=retain_loader.batch_size, shuffle=True)


def importances(
    net: nn.Module,
    loader: Iterable[Any],
    loss: Loss = F.cross_entropy,
    magnitude: Callable[[Tensor], Tensor] = torch.square,
) -> list[Tensor]:
    """For each of `trainable(net)` the mean over batches of the magnitude of every element of the loss's gradient.

    Args:
        net: in eval mode.
        loader: of at least one batch.
        loss: of logits [batch, classes] and labels [batch].
        magnitude: elementwise; the square by default.
    """
    totals = [torch.zeros_like(weight) for weight in trainable(net)]
    count = 0
    for gradients in batch_gradients(net, loader, loss):
        count += 1
        for total, gradient in zip(totals, gradients, strict=True):
            total += magnitude(gradient)
    return [total / count for total in totals]


def select(to_forget: list[Tensor], to_all: list[Tensor], selection_weight: float) -> list[Tensor]:
    """Where the importance to the forget set is more than `selection_weight` times that to all data: boolean tensors."""
    return [i_f > selection_weight * i_d for i_f, i_d in zip(to_forget, to_all, strict=True)]


@torch.no_grad()
def dampen(
    weights: list[nn.Parameter],
    selected: list[Tensor],
    to_forget: list[Tensor],
    to_all: list[Tensor],
    dampening_constant: float,
) -> None:
    """Multiply the selected elements of the weights by min(1, λ·I_D/I_f), in place.

    A ratio 0/0 belongs to a weight that is not selected (0 > 0 is false), which keeps its value.
    """
    for weight, mask, i_f, i_d in zip(weights, selected, to_forget, to_all, strict=True):
        factor = (dampening_constant * i_d / i_f).clamp(max=1.0)
        weight.copy_(torch.where(mask, weight * factor, weight))
