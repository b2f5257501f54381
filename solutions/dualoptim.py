"""DualOptim: SalUn with an optimiser for each of its two aims, so that neither's momentum carries the other astray.

1. Salience as in `salun`: only the 50 % of all weights with the largest gradients of the forget set's cross-entropy change.
2. Forget and retain in turn, 10 epochs, each of
   a. a pass over the forget set with random labels, by AdamW at a learning rate of 1e-4, which adapts to each weight;
   b. a pass over the retain set with its own labels, by SGD with momentum at 0.01.
   Both optimisers keep their momenta over the epochs, and know nothing of each other's.

It is a way to optimise, not a method of its own; the authors put it into SalUn, SFRon and SCRUB. Here it is in SalUn.

Published, in `ImageClassification/` of the authors (`unlearn/RL.py`, `unlearn/impl.py`, `arg_parser.py`, `README.md`): 10
epochs, 0.01 for SGD with weight decay 5e-4, AdamW's weight decay of 0.05, constant rates, 50 % salient. For AdamW they search
the rate task by task, and the code does not tell it; ours is the one that they fix for retaining where AdamW does that, too.

Departures: as in `salun`, labels are other than an example's own, and weights that are not salient stay as they are; the code
masks their gradients only, and weight decay moves them.
"""

METADATA = {
    "family": "classic",
    "source": "Zhong et al. 2025, https://arxiv.org/abs/2504.15827; code CityU-MLO/DualOptim",
    "reported": "none for the competition's metric",
    "values": "published; carried over: forget_learning_rate",
    "needs": "the retain set and the forget set",
    "published_steps": 159,
    "published_batch_size": 256,
}

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from solutions.parts.training import confine, sgd, train_epoch
from solutions.salun import most_salient, relabelled_epoch

SEARCH_SPACE = {
    "fraction": (0.05, 0.95),
    "epochs": (1, 12),
    "forget_learning_rate": (1e-6, 1e-2, "log"),
    "retain_learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    fraction: float = 0.5,
    epochs: int = 10,
    forget_learning_rate: float = 1e-4,
    forget_weight_decay: float = 0.05,
    retain_learning_rate: float = 0.01,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    masks = most_salient(net, forget_loader, fraction)
    forgetting = torch.optim.AdamW(net.parameters(), lr=forget_learning_rate, weight_decay=forget_weight_decay)
    retaining = sgd(net, retain_learning_rate, weight_decay)
    confine(forgetting, masks)
    confine(retaining, masks)
    net.train()
    for _ in range(epochs):
        relabelled_epoch(net, forget_loader, forgetting)
        train_epoch(net, retain_loader, retaining)
    net.eval()
