"""EU-k: re-initialise the last k blocks and the head and train them on the retain set; the rest stays as it is.

1. Re-initialise the last k = 2 blocks and the head (blocks as in `cf_k`: the first is left as it is whatever k is, or this
   would be retraining).
2. Freeze the rest, batch-norm statistics included, and train the new parts with cross-entropy on the retain set: 30 epochs of
   plain SGD, the learning rate divided by 10 after epochs 10, 15 and 20.

"EU" is for exact unlearning, which the last blocks get.

Published, in SCRUB's notebooks (https://github.com/meghdadk/SCRUB, MIA_experiments.ipynb, cells 16 and 21): as many epochs as
the original was trained for, learning rate 0.01 and its schedule, no momentum, no weight decay, a ResNet's last stage (k = 2).
Carried over: the competition's original was trained for 30 epochs, and so was that of small_scale_unlearning.ipynb.

Departures: those of `cf_k`; and the notebooks take the new values from one network that was saved before training, so that
they are the same in every run; here they are drawn anew.
"""

METADATA = {
    "family": "classic",
    "source": (
        'Goel et al. 2022, "Towards Adversarial Evaluations for Inexact Machine Unlearning", https://arxiv.org/abs/2201.06640'
    ),
    "reported": "none",
    "values": "published; carried over: epochs",
    "needs": "the retain set, and blocks",
}

from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from solutions.cf_k import finetune_parts, last_parts
from solutions.parts.weights import reinitialise

SEARCH_SPACE = {
    "k": (1, 4),
    "epochs": (1, 30),
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
    epochs: int = 30,
    learning_rate: float = 0.01,
    decay_epochs: tuple[int, ...] = (10, 15, 20),
    weight_decay: float = 0.0,
) -> None:
    """Unlearn `net` in place."""
    parts = last_parts(net, k)
    for part in parts:
        reinitialise(part)
    finetune_parts(net, parts, retain_loader, epochs, learning_rate, decay_epochs, weight_decay)
