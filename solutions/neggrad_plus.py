"""NegGrad+: one loss that descends on retain batches and ascends on forget batches.

1. For 10 epochs over the retain set, each batch paired with the next forget batch: minimise α·CE(retain) − (1 − α)·CE(forget)
   with SGD. The forget set is gone through again as often as it takes.

The two batches go through the network one after the other, so that batch-norm never mixes them.

Published, in SCRUB's notebooks (https://github.com/meghdadk/SCRUB): a constant learning rate of 0.01, no momentum, no weight
decay; α = 0.95 for 10 epochs in small_scale_unlearning.ipynb (cells 70, 71 and 85), α = 0.9999 for 5 epochs in
MIA_experiments.ipynb (cells 16 and 22). The first pair is the default, in train mode as in the second notebook: the first
trains in eval mode and with an L2 pull of 0.1 towards the starting weights.

MUFAC's "Advanced NegGrad", which is reported to reach 0.6863, is another method: CE(retain) − CE(forget), unweighted, for 2
epochs at 0.001 (https://github.com/ndb796/MachineUnlearning).
"""

METADATA = {
    "family": "classic",
    "source": 'Kurmanji et al. 2023, "Towards Unbounded Machine Unlearning", https://arxiv.org/abs/2302.09880',
    "reported": "none",
    "values": "published",
    "needs": "the retain set and the forget set",
}

from typing import Any

from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, endless

SEARCH_SPACE = {
    "alpha": (0.7, 0.999),  # 1, to which 0.9999 is rounded, leaves the forget set alone
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
    alpha: float = 0.95,
    epochs: int = 10,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
) -> None:
    """Unlearn `net` in place."""
    optimiser = SGD(net.parameters(), learning_rate, weight_decay=weight_decay)
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
