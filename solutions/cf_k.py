"""CF-k: fine-tune the last k blocks and the head on the retain set, so that they forget; the rest stays as it is.

1. Freeze all but the last k = 2 blocks and the head (a block is a residual block, a transformer layer, or a convolution with
   its batch-norm). Batch-norm statistics of the frozen part are frozen too. The first block is frozen whatever k is: to train
   all of them is fine-tuning.
2. Fine-tune the others with cross-entropy on the retain set: 10 epochs of plain SGD, the learning rate divided by 10 after
   epochs 10, 15 and 20.

"CF" is for catastrophic forgetting.

Published, in SCRUB's notebooks (https://github.com/meghdadk/SCRUB, MIA_experiments.ipynb, cells 16 and 20): 10 epochs,
learning rate 0.01 and its schedule, no momentum, no weight decay. A ResNet's last stage is trained there: k = 2.

Departures: the notebooks' code trains the last stage alone, though a comment says "the last block and classifier"; the paper
fine-tunes the last k layers, so the head trains here. Their batch-norm statistics move in the frozen part too. The other
notebook (small_scale_unlearning.ipynb, cells 70 and 71) trains in eval mode and with an L2 pull of 0.1 towards the starting
weights.
"""

METADATA = {
    "family": "classic",
    "source": (
        'Goel et al. 2022, "Towards Adversarial Evaluations for Inexact Machine Unlearning", https://arxiv.org/abs/2201.06640'
    ),
    "reported": "0.5824 on MUFAC (NoMUS; retraining 0.6995) as CF-3, which trains layer3 and layer4 of a ResNet-18: k = 4 here",
    "values": "published",
    "needs": "the retain set, and blocks",
}

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader

from solutions.parts.layers import blocks
from solutions.parts.training import train_epoch, training_only

SEARCH_SPACE = {
    "k": (1, 4),
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": [0.0, 1e-4, 1e-3, 1e-2],
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
    weight_decay: float = 0.0,
) -> None:
    """Unlearn `net` in place."""
    finetune_parts(net, last_parts(net, k), retain_loader, epochs, learning_rate, decay_epochs, weight_decay)


def last_parts(net: nn.Module, k: int) -> list[nn.ModuleList]:
    """The last k blocks of a network and its head, but never its first block unless it is the only one."""
    parts = blocks(net)
    return parts[max(1, len(parts) - (k + 1)) :] or parts


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
        optimiser = SGD(net.parameters(), learning_rate, weight_decay=weight_decay)
        schedule = MultiStepLR(optimiser, decay_epochs)
        for _ in range(epochs):
            train_epoch(net, retain_loader, optimiser)
            schedule.step()
    net.eval()
