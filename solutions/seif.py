"""3rd place: noise on the first convolution, then fine-tune with class weights, with a little more noise before the end (CFW).

1. Perturb: normal noise with a standard deviation of 0.6 on the weights of the first convolution.
2. Fine-tune: 4 epochs of cross-entropy on the retain set,
   a. each class weighted with the reciprocal of its number of retain examples;
   b. with a learning rate of 0.0007 that falls as a cosine from epoch to epoch.
3. Perturb once more before the last of these epochs, with a standard deviation of 0.005.

The published description says noise on the convolutions. The public port looks for them among the network's direct children
only, and in a ResNet-18 finds one, the first; 0.6 on all of them would destroy the network. So here it is the first, in every
network, unless the caller has frozen it.

The published class weights, 1 for class 0 and 0.05 for the nine others, belong to the competition's data; here they are the
"balanced" ones of the port. But the port multiplied a batch's mean cross-entropy by the batch's mean weight; here every
example has its own weight. A batch's loss is the weighted mean, as torch defines it, so only the ratios of the weights matter.
"""

METADATA = {
    "family": "winner",
    "source": (
        "Seif Eddine Achour, NeurIPS 2023 Machine Unlearning challenge, "
        "https://www.kaggle.com/competitions/neurips-2023-machine-unlearning, by the organisers' slides and a public "
        'port; called CFW in "Deep Unlearn", https://arxiv.org/abs/2410.01276'
    ),
    "reported": "0.0885 (private leaderboard, 3rd place)",
    "needs": "the retain set",
}

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.layers import stem
from solutions.parts.members import by_member
from solutions.parts.training import sgd, train_epoch
from solutions.parts.weights import add_noise

SEARCH_SPACE = {
    "noise": (0.03, 3.0, "log"),
    "late_noise": (1e-3, 0.3, "log"),
    "epochs": (2, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    noise: float = 0.6,
    late_noise: float = 0.005,
    epochs: int = 4,
    learning_rate: float = 7e-4,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    class_weights = 1 / class_counts(net, retain_loader)
    to_perturb = [weight for weight in [stem(net).weight] if weight.requires_grad]
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = CosineAnnealingLR(optimiser, T_max=max(epochs, 1))
    net.train()
    add_noise(to_perturb, noise)
    for epoch in range(1, epochs + 1):
        if epoch == epochs:
            add_noise(to_perturb, late_noise)
        train_epoch(net, retain_loader, optimiser, partial(weighted_cross_entropy, net=net, class_weights=class_weights))
        schedule.step()
    net.eval()


def class_counts(net: nn.Module, loader: DataLoader[Any]) -> Tensor:
    """The number of examples of each class, [models, classes].

    1 for a class without any: no example asks for its weight, and its reciprocal is finite.
    """
    labels = torch.cat([by_member(labels, net) for _, labels in batches(loader, net)], dim=1)
    return F.one_hot(labels).sum(dim=1).clamp_min(1)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, net: nn.Module, class_weights: Tensor) -> Tensor:
    """The mean cross-entropy of a batch, weighted by its examples' classes: `F.cross_entropy` with `weight`, for each model.

    Args:
        logits: [batch, classes].
        labels: [batch].
        net: the network that gave the logits.
        class_weights: [models, classes].
    """
    weights = class_weights.gather(1, by_member(labels, net))
    weights = (weights / weights.mean(dim=1, keepdim=True)).flatten()
    return (weights * F.cross_entropy(logits, labels, reduction="none")).mean()
