"""SFR-on: short masked ascents on the forget set between steps of descent on the retain set.

1. Mask: the weights whose Fisher information about the forget set is at least that about the retain set, F_f/F_r ≥ 1. F is
   the diagonal of the empirical Fisher matrix, the mean of the squared gradients of the examples' losses.
2. 1500 steps, the learning rate 0.01 falling to 0 as a cosine:
   a. at every fifth step, one of ascent on a forget batch, of the masked weights only: the mean of the examples' losses ℓ with
      weights proportional to 1/√ℓ, times α, which falls from 25 to 0 as a cosine too; the gradient is clipped to norm 7;
   b. a step of descent of the cross-entropy on a retain batch.

The weights 1/√ℓ count as constants and sum to 1 over a batch: examples that are forgotten already count less. The published
average of the weights over the steps is left out, because its default turns it off.

Our choices, where the source could not be read closely: α multiplies the loss before the gradient is masked and then clipped,
so that an ascent moves the weights by 7 times the learning rate at most; it has no momentum and no weight decay, which would
move other weights; the first of every five steps is the one with an ascent; the mask is found in eval mode, the steps are taken
in train mode; losses below 1e-6 weigh like 1e-6.
"""

METADATA = {
    "family": "classic",
    "source": 'Huang et al. 2024, "Unified gradient-based machine unlearning with remain geometry enhancement", NeurIPS 2024',
    "reported": "none",
    "needs": "the retain set and the forget set, per-example gradients",
}

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, endless, unpack
from solutions.parts.gradients import per_example_gradients
from solutions.parts.training import sgd
from solutions.parts.weights import trainable

EXAMPLES_AT_ONCE = 16  # whose gradients are held, each as large as all weights


SEARCH_SPACE = {
    "steps": (10, 1500, "log"),
    "learning_rate": (1e-4, 3.0, "log"),
    "ascent_every": (1, 20),
    "alpha": (0.1, 100.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    steps: int = 1500,
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
    repairing, forgetting = sgd(net, learning_rate, weight_decay), SGD(net.parameters(), learning_rate)
    schedules = [LambdaLR(optimiser, lambda step: cosine(step, steps)) for optimiser in (repairing, forgetting)]
    retain, forget = endless(retain_loader), endless(forget_loader)
    net.train()
    for step in range(steps):
        if step % ascent_every == 0:
            ascend(net, next(forget), forgetting, masks, alpha * cosine(step, steps), exponent, clip_norm)
        descend(net, next(retain), repairing)
        for schedule in schedules:
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
    """Diagonal of the empirical Fisher matrix, for each trainable weight of a network in eval mode."""
    totals, examples = [torch.zeros_like(weight) for weight in trainable(net)], 0
    for images, labels in batches(loader, net):
        examples += len(labels)
        for few, own in zip(images.split(EXAMPLES_AT_ONCE), labels.split(EXAMPLES_AT_ONCE), strict=True):
            for total, gradients in zip(totals, per_example_gradients(net, few, own), strict=True):
                total += gradients.square().sum(dim=0)
    return [total / examples for total in totals]


def cosine(step: int, steps: int) -> float:
    """Half a cosine that falls from 1 at step 0 to 0 at the end."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def ascend(
    net: nn.Module, batch: object, optimiser: Optimizer, masks: list[Tensor], alpha: float, exponent: float, clip_norm: float
) -> None:
    """A step of the masked weights that raises the losses of a forget batch."""
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
