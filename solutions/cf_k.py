"""CF-k: fine-tune the last k blocks and the head on the retain set, so that they forget; the rest stays as it is.

1. Freeze all but the last k = 2 blocks and the head (a block is a residual block, a transformer layer, or a convolution with
   its batch-norm; all of them where the network has no more than k). Batch-norm statistics of the frozen part are frozen too.
2. Fine-tune the others with cross-entropy on the retain set: 10 epochs of SGD, the learning rate divided by 10 after epochs 10,
   15 and 20.

"CF" is for catastrophic forgetting. k = 2 is our choice: in a ResNet-18 it is the last stage, and it leaves something to freeze
in a network of three convolutions. The result below is for k = 3. Momentum 0.9 is our choice too.
"""

METADATA = {
    "family": "classic",
    "source": (
        'Goel et al. 2022, "Towards Adversarial Evaluations for Inexact Machine Unlearning", https://arxiv.org/abs/2201.06640'
    ),
    "reported": "0.5824 on MUFAC with k = 3 (NoMUS; retraining 0.6995)",
    "needs": "the retain set, and blocks",
}

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader

from solutions.parts.layers import blocks
from solutions.parts.training import sgd, train_epoch, training_only

SEARCH_SPACE = {
    "k": (1, 4),
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
    k: int = 2,
    epochs: int = 10,
    learning_rate: float = 0.01,
    decay_epochs: tuple[int, ...] = (10, 15, 20),
    weight_decay: float = 0.1,
) -> None:
    """Unlearn `net` in place."""
    finetune_parts(net, last_parts(net, k), retain_loader, epochs, learning_rate, decay_epochs, weight_decay)


def last_parts(net: nn.Module, k: int) -> list[nn.ModuleList]:
    """The last k blocks of a network, and its head."""
    return blocks(net)[-(k + 1) :]


def finetune_parts(
    net: nn.Module,
    parts: Sequence[nn.Module],
    retain_loader: DataLoader[Any],
    epochs: int,
    learning_rate: float,
    decay_epochs: tuple[int, ...],
    weight_decay: float,
) -> None:
    """Train some parts of a network on the retain set; no other weight or buffer changes."""
    net.eval()  # in train mode the frozen part's batch-norm statistics would move
    for part in parts:
        part.train()
    with training_only(net, [weight for part in parts for weight in part.parameters()]):
        optimiser = sgd(net, learning_rate, weight_decay)
        schedule = MultiStepLR(optimiser, decay_epochs)
        for _ in range(epochs):
            train_epoch(net, retain_loader, optimiser)
            schedule.step()
    net.eval()
