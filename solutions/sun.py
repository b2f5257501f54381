"""7th place: reset the head, train and perturb a few tensors drawn by lot in each epoch, then train them all.

1. Reset the head: draw its weights anew.
2. Restricted epochs, 5, of cross-entropy on the retain set at a learning rate of 2e-4. Before each of them
   a. draw 9/22 of the weight tensors that do not belong to normalisation layers;
   b. from the second epoch on, pick 70 % of those drawn and add noise from N(0, 0.04²) to such of them as no epoch before had
      drawn;
   c. freeze all but the tensors drawn and the weights of normalisation layers.
3. Train all weights for four epochs, at learning rates of 2e-4, 2e-4, 2e-4 and 1e-3.

Weight and bias of the new head are two tensors of the pool like any others, and an SGD optimiser lives for one epoch, in the
last epochs too. What a caller has frozen is not in the pool.

Values: published, in the public port of the team's notebook (`munl/unlearning/kgltop7.py` of xcadet/deepunlearn); the number
of tensors is carried over. It is 9 there, of a ResNet-18 that has 22 outside its normalisation layers, and the noise is for 6
of them, 70 % rounded down. Nine would be all tensors of a small network, none would be new after the first epoch, and no noise
would ever be added; so what is kept is the share, at least one tensor each.

Departures: the port recognises normalisation layers by "bn" in their names and so misses those in the shortcuts of
torchvision's ResNets, which makes its pool 28; here their type counts.
"""

METADATA = {
    "family": "winner",
    "source": (
        "Jiaxi Sun, NeurIPS 2023 Machine Unlearning challenge, "
        'https://www.kaggle.com/competitions/neurips-2023-machine-unlearning ("RNI" in Deep Unlearn, '
        "https://arxiv.org/abs/2410.01276)"
    ),
    "reported": "none",
    "values": "published; carried over: drawn_share, noisy_share",
    "needs": "the retain set",
}

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from solutions.parts.layers import head, normalisation_weights
from solutions.parts.training import sgd, train_epoch, training_only
from solutions.parts.weights import add_noise, reinitialise, trainable

SEARCH_SPACE = {
    "restricted_epochs": (3, 8),  # noise is for tensors that no epoch before has drawn: it needs some of both
    "restricted_learning_rate": (1e-4, 3.0, "log"),
    "drawn_share": (0.2, 0.5),
    "noise": (0.01, 1.0, "log"),
    "learning_rates": (0.1, 3000.0, "times"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    restricted_epochs: int = 5,
    restricted_learning_rate: float = 2e-4,
    drawn_share: float = 9 / 22,
    noisy_share: float = 0.7,
    noise: float = 0.04,
    learning_rates: tuple[float, ...] = (2e-4, 2e-4, 2e-4, 1e-3),
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place; `learning_rates` has one for each of the last epochs."""
    reinitialise(head(net))
    net.train()
    normalisation = normalisation_weights(net)
    pool = [weight for weight in trainable(net) if weight not in normalisation]
    tensors = max(1, round(drawn_share * len(pool)))
    noisy = max(1, int(noisy_share * tensors))
    drawn_before: set[nn.Parameter] = set()
    for epoch in range(restricted_epochs):
        drawn = draw(pool, tensors)
        if epoch > 0:
            add_noise([weight for weight in drawn[:noisy] if weight not in drawn_before], noise)
        drawn_before.update(drawn)
        with training_only(net, normalisation.union(drawn)):
            train_epoch(net, retain_loader, sgd(net, restricted_learning_rate, weight_decay))
    for learning_rate in learning_rates:
        train_epoch(net, retain_loader, sgd(net, learning_rate, weight_decay))
    net.eval()


def draw(pool: list[nn.Parameter], count: int) -> list[nn.Parameter]:
    """Some tensors of a pool, in random order; all of them if it has no more than `count`."""
    return [pool[i] for i in torch.randperm(len(pool))[:count].tolist()]
