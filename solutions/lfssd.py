"""Loss-free selective synaptic dampening (LFSSD): SSD by how weights move the network's outputs, without labels.

1. Importance of every weight, to the forget set (I_f) and to all training data, retain and forget together (I_D): the mean over
   batches of the absolute gradient of ‖f(x)‖², the squared length of the logits (its mean over the batch), in eval mode.
2. Select the weights with I_f > √10·I_D.
3. Dampen: multiply the selected weights by min(1, λ·I_D/I_f), with λ = 1.

Steps 2 and 3 are those of `ssd`, and what is said there of batches and of chance holds here too. The paper sets the selection
weight by task. Ours is the square root of that of `ssd`, because the gradients are not squared here.
"""

METADATA = {
    "family": "classic",
    "source": "Foster et al. 2024, https://arxiv.org/abs/2402.19308",
    "reported": "none for the competition's metric",
    "values": "published; carried over: selection_weight",
    "needs": "the forget set and the retain set (`.dataset` of both), no labels",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.weights import trainable
from solutions.ssd import all_training_data, dampen, importances, select

SEARCH_SPACE = {
    "selection_weight": (1.0, 10**0.5, "log"),  # above it may select nothing, below what matters less to the forget set
    "dampening_constant": (0.1, 1.0, "log"),  # with more, what is selected may keep its value
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    selection_weight: float = 10**0.5,
    dampening_constant: float = 1.0,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    to_forget = importances(net, forget_loader, squared_length, torch.abs)
    to_all = importances(net, all_training_data(retain_loader, forget_loader), squared_length, torch.abs)
    selected = select(to_forget, to_all, selection_weight)
    dampen(trainable(net), selected, to_forget, to_all, dampening_constant)


def squared_length(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared Euclidean length of logits [batch, classes], the mean over the batch; labels are not looked at."""
    return logits.square().sum(dim=1).mean()
