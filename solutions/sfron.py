"""SFR-on: short masked ascents on the forget set between steps of descent on the retain set.

1. Mask: the weights whose Fisher information about the forget set is at least that about the retain set, F_f/F_r ≥ 1. F is
   the mean over a loader's batches of the squared gradient of a batch's mean loss, in eval mode.
2. 4.26 epochs over the retain set, the learning rate 0.01 falling to 0 as a cosine per step:
   a. before every fifth step, beginning with the first, one of ascent on a forget batch: the mean of the examples' losses ℓ
      with weights proportional to 1/√ℓ, times α, which falls from 25 to 0 as a cosine too; the gradient is masked, then
      clipped to norm 7;
   b. a step of descent of the cross-entropy on a retain batch.

Both kinds of step share one SGD, so an ascent also moves what the mask leaves out, by momentum and weight decay. The weights
1/√ℓ count as constants and sum to 1 over a batch: examples that are forgotten already count less.

Values: all published, in the authors' `Classification/unlearn/sfron.py` for CIFAR-10 with 10 % to be forgotten. It counts 1500
steps, which are 4.26 epochs of its 45,000 retain examples in batches of 128; epochs are what is carried over.

Departures: losses below 1e-6 weigh like 1e-6. In the source one example whose loss rounds to 0 takes all the weight of its
batch, and nothing is ascended. The average of the weights over the steps is left out: the source's β = 1 turns it off.
"""

METADATA = {
    "family": "classic",
    "source": (
        'Huang et al. 2024, "Unified gradient-based machine unlearning with remain geometry enhancement", NeurIPS 2024, '
        "https://openreview.net/forum?id=dheDf5EpBT, https://arxiv.org/abs/2409.19732; "
        "code K1nght/Unified-Unlearning-w-Remain-Geometry"
    ),
    "reported": "none",
    "values": "published; carried over: epochs",
    "needs": "the retain set and the forget set",
    "published_steps": 352,
    "published_batch_size": 128,
}

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from solutions.parts.batches import endless, unpack
from solutions.parts.gradients import batch_gradients
from solutions.parts.training import sgd
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "epochs": (0.5, 12.0, "log"),
    "learning_rate": (1e-4, 3.0, "log"),
    "ascent_every": (1, 20),
    "alpha": (1.0, 100.0, "log"),
    "clip_norm": (0.1, 7.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: float = 4.26,
    learning_rate: float = 0.01,
    weight_decay: float = 5e-4,
    threshold: float = 1.0,
    ascent_every: int = 5,
    alpha: float = 25.0,
    exponent: float = 0.5,
    clip_norm: float = 7.0,
) -> None:
    """Unlearn `net` in place."""
    masks = forget_weights(net, retain_loader, forget_loader, threshold)
    steps = max(1, round(epochs * len(retain_loader)))
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = LambdaLR(optimiser, lambda step: cosine(step, steps))
    retain, forget = endless(retain_loader), endless(forget_loader)
    net.train()
    for step in range(steps):
        if step % ascent_every == 0:
            ascend(net, next(forget), optimiser, masks, alpha * cosine(step, steps), exponent, clip_norm)
        descend(net, next(retain), optimiser)
        schedule.step()
    net.eval()


def forget_weights(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], threshold: float
) -> list[Tensor]:
    """For each trainable weight where F_f ≥ threshold·F_r, boolean, of its shape. Leaves the network in eval mode."""
    net.eval()
    of_forget, of_retain = fisher(net, forget_loader), fisher(net, retain_loader)
    return [own >= threshold * other for own, other in zip(of_forget, of_retain, strict=True)]


def fisher(net: nn.Module, loader: DataLoader[Any]) -> list[Tensor]:
    """The mean over batches of the squared gradient of a batch's mean loss, for each of `trainable(net)`, of its shape."""
    totals = [torch.zeros_like(weight) for weight in trainable(net)]
    for gradients in batch_gradients(net, loader):
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient.square() / len(loader)
    return totals


def cosine(step: int, steps: int) -> float:
    """Half a cosine that falls from 1 at step 0 to 0 at the end."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def ascend(
    net: nn.Module, batch: object, optimiser: Optimizer, masks: list[Tensor], alpha: float, exponent: float, clip_norm: float
) -> None:
    """A step along the masked and clipped gradient that raises the losses of a forget batch."""
    images, labels = unpack(batch, net)
    optimiser.zero_grad()
    losses = F.cross_entropy(net(images), labels, reduction="none")
    (-alpha * examples_weights(losses, exponent) @ losses).backward()
    for weight, mask in zip(trainable(net), masks, strict=True):
        if weight.grad is not None:
            weight.grad *= mask
    nn.utils.clip_grad_norm_(trainable(net), clip_norm)
    optimiser.step()


def examples_weights(losses: Tensor, exponent: float) -> Tensor:
    """Weights proportional to loss^-exponent, which sum to 1 and have no gradient [examples]."""
    weights = losses.detach().clamp_min(1e-6) ** -exponent
    return weights / weights.sum()


def descend(net: nn.Module, batch: object, optimiser: Optimizer) -> None:
    """A step that lowers the cross-entropy on a retain batch."""
    images, labels = unpack(batch, net)
    optimiser.zero_grad()
    F.cross_entropy(net(images), labels).backward()
    optimiser.step()
