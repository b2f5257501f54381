"""Fine-tuning on the retain set: the competition's baseline.

1. Cross-entropy on the retain set, SGD, the learning rate falling as a cosine from epoch to epoch.

Forgetting is left to the network's forgetfulness; the forget set is not looked at.
"""

METADATA = {
    "family": "baseline",
    "source": "the Kaggle starting kit (run-unlearn-finetune)",
    "reported": "0.046 to 0.058 (public leaderboard)",
    "values": "published",
    "needs": "the retain set; in batches of another size (`.dataset`) if told to",
}

from typing import Any

from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from solutions.parts.batches import rebatch
from solutions.parts.training import sgd, train_epoch

SEARCH_SPACE = {
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
    epochs: int = 1,
    learning_rate: float = 1e-3,
    batch_size: int | None = None,
    weight_decay: float = 5e-4,
) -> None:
    """Fine-tune `net` in place, in batches of the retain loader's size unless another is given."""
    loader = retain_loader if batch_size is None else rebatch(retain_loader, batch_size)
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = CosineAnnealingLR(optimiser, T_max=max(epochs, 1))
    net.train()
    for _ in range(epochs):
        train_epoch(net, loader, optimiser)
        schedule.step()
    net.eval()
