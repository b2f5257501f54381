"""DELETE ("decoupled distillation to erase"): imitate the original's predictions without the true class.

1. For each forget example, the target is the original network's softmax with the logit of the example's own class masked
   (-10^10): what the original believes of the other classes, in the same proportions.
2. 20 epochs over the forget set in batches of 128 that minimise the KL divergence from the targets.

The retain set is not used; what the original believes of the other classes stands in for it. The method is made for forgetting
a class: it drives the accuracy on the forget set towards 0, while a retrained network gets most of a random forget set right.
Only the order of the examples is random: where the forget set fits into one batch, runs differ by rounding alone.
`freeze_statistics` keeps the statistics of batch-norm layers as they are; with it, weights diverge at learning rates where they
do not without, so it is not tuned.

Published, in the authors' code (https://github.com/shaaaaron/DELETE, method/delete.py and config/cifar10_resnet18.yaml): all
values, SGD with momentum 0.9 and no weight decay.
"""

METADATA = {
    "family": "classic",
    "source": 'Zhou et al. 2025, "Decoupled Distillation to Erase", CVPR 2025, https://arxiv.org/abs/2503.23751',
    "reported": "none",
    "values": "published",
    "needs": "the forget set in batches of another size (`.dataset`)",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, rebatch
from solutions.parts.distillation import distillation, frozen_copy
from solutions.parts.training import sgd

SEARCH_SPACE = {
    "epochs": (1, 20),
    "learning_rate": (1e-5, 0.3, "log"),
    "batch_size": (16, 256, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 20,
    learning_rate: float = 1e-4,
    batch_size: int = 128,
    freeze_statistics: bool = False,
) -> None:
    """Unlearn `net` in place."""
    original = frozen_copy(net)
    forget_loader = rebatch(forget_loader, batch_size)
    optimiser = sgd(net, learning_rate, weight_decay=0.0)
    net.train()
    if freeze_statistics:
        stop_statistics(net)
    for _ in range(epochs):
        for images, labels in batches(forget_loader, net):
            optimiser.zero_grad()
            distillation(net(images), without_true_class(original, images, labels)).backward()
            optimiser.step()
    net.eval()


@torch.no_grad()
def without_true_class(original: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The original's logits [batch, classes], each example's own class masked."""
    logits: Tensor = original(images)
    return logits.scatter(1, labels[:, None], -1e10)  # minus infinity times the probability 0 would be NaN


def stop_statistics(net: nn.Module) -> None:
    """Let batch-norm layers use and keep the statistics that they have; their weights still train."""
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
