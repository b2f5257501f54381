"""L1-sparse: fine-tuning on the retain set under a penalty on the weights' sizes that fades out.

1. For 10 epochs minimise CE + α_t·‖θ‖₁ on the retain set with SGD, where θ are all weights and α_t falls linearly: in epoch
   t = 0, 1, ... of T it is α·(1 − t/T).

The penalty makes the network sparser, and sparser networks forget more when they are fine-tuned. The forget set is not looked
at. Momentum 0.9, weight decay 5e-4 and a constant learning rate are our choice.
"""

METADATA = {
    "family": "classic",
    "source": 'Jia et al. 2023, "Model Sparsity Can Simplify Machine Unlearning", https://arxiv.org/abs/2304.04934',
    "reported": "none",
    "values": "published; ours: weight_decay",
    "needs": "the retain set",
}

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.training import Loss, sgd, train_epoch
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "alpha": (1e-5, 0.1, "log"),
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
    alpha: float = 1e-4,
    epochs: int = 10,
    learning_rate: float = 0.01,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    optimiser = sgd(net, learning_rate, weight_decay)
    net.train()
    for epoch in range(epochs):
        train_epoch(net, retain_loader, optimiser, penalised(trainable(net), alpha * (1 - epoch / epochs)))
    net.eval()


def penalised(weights: Sequence[Tensor], alpha: float) -> Loss:
    """Cross-entropy plus alpha times the sum of all weights' absolute values."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        # In lockstep the sum over all models gives each the gradient of its own.
        return F.cross_entropy(logits, labels) + alpha * torch.stack([weight.abs().sum() for weight in weights]).sum()

    return loss
