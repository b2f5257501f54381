"""NegGrad+: one loss that descends on retain batches and ascends on forget batches.

1. For 10 epochs over the retain set, each batch paired with the next forget batch: minimise
   α·CE(retain) − (1 − α)·CE(forget) with SGD. The forget set is gone through again as often as it takes.

The two batches go through the network one after the other, so that batch-norm never mixes them. The source does not give the
momentum, the weight decay and the schedule: we take the usual 0.9 and 5e-4, and a constant learning rate.
"""

METADATA = {
    "family": "classic",
    "source": 'Kurmanji et al. 2023, "Towards Unbounded Machine Unlearning", https://arxiv.org/abs/2302.09880',
    "reported": "0.6863 on MUFAC, where it is called advanced NegGrad (NoMUS; retraining 0.6995)",
    "needs": "the retain set and the forget set",
}

from typing import Any

from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, endless
from solutions.parts.training import sgd

SEARCH_SPACE = {
    "alpha": (0.7, 1.0),
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
    alpha: float = 0.95,
    epochs: int = 10,
    learning_rate: float = 0.01,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    optimiser = sgd(net, learning_rate, weight_decay)
    forget_batches = batches(endless(forget_loader), net)
    net.train()
    for _ in range(epochs):
        pairs = zip(batches(retain_loader, net), forget_batches, strict=False)  # as many as there are retain batches
        for (retain_images, retain_labels), (forget_images, forget_labels) in pairs:
            optimiser.zero_grad()
            retain_loss = F.cross_entropy(net(retain_images), retain_labels)
            forget_loss = F.cross_entropy(net(forget_images), forget_labels)
            (alpha * retain_loss - (1 - alpha) * forget_loss).backward()
            optimiser.step()
    net.eval()
