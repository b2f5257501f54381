"""What several solutions share, and nothing else."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader


def unpack(batch: Any, net: nn.Module) -> tuple[Tensor, Tensor]:
    """Images and labels of a batch of either kit, on the network's device.

    Args:
        batch: `(images, labels)` or the Kaggle kit's dict with `image` and `age_group`.
        net: the network that is to see them.

    Returns:
        images [batch, channels, height, width] and labels [batch].
    """
    images, labels = (batch["image"], batch["age_group"]) if isinstance(batch, dict) else batch
    device = next(net.parameters()).device
    return images.to(device), labels.to(device)


def rebatch(loader: DataLoader, batch_size: int) -> DataLoader:
    """A shuffled loader on the same examples with another batch size."""
    return DataLoader(loader.dataset, batch_size=batch_size, shuffle=True)


def sgd(net: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.SGD:
    """SGD with the momentum that every winner used, 0.9."""
    return torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9, weight_decay=weight_decay)


def by_member(outputs: Tensor, net: nn.Module) -> Tensor:
    """A batch of outputs [K·B, ...] as [K, B, ...], for losses that compare the examples of a batch with each other.

    K is the number of models that run in lockstep, which the batch holds one after another; 1 for an ordinary network.
    """
    return outputs.unflatten(0, (getattr(net, "members", 1), -1))
