"""Class sizes, and a loss that weighs examples by their class."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.members import by_member


def class_counts(net: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """The number of examples of each class, [models, classes].

    1 for a class without any: no example asks for its weight, and its reciprocal is finite.
    """
    labels = torch.cat([by_member(labels, net) for _, labels in batches(loader, net)], dim=1)
    return F.one_hot(labels).sum(dim=1).clamp_min(1)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, net: nn.Module, class_weights: Tensor) -> Tensor:
    """The mean cross-entropy of a batch, weighted by its examples' classes: `F.cross_entropy` with `weight`, for each model.

    Args:
        logits: [batch, classes].
        labels: [batch].
        net: the network that gave the logits.
        class_weights: [models, classes].
    """
    weights = class_weights.gather(1, by_member(labels, net))
    weights = (weights / weights.mean(dim=1, keepdim=True)).flatten()
    return (weights * F.cross_entropy(logits, labels, reduction="none")).mean()
