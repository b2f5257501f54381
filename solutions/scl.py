"""1st place: pull to uniform, then contrast forget with retain ("self-contrastive learning").

1. Forget: one epoch over the forget set that pulls the predictions p to the uniform distribution u, KL(u‖p).
2. Repair, 8 cycles of
   a. a forget round: pairs of a forget batch and a retain batch, as many as there are forget batches. The logits of each
      forget example are compared with those of every retain example (inner products over a temperature of 1.15), and the mean
      of -log softmax over the retain examples is minimised: least where all similarities are equal, so that a forget
      example resembles no retain example more than another;
   b. a retain round: one epoch of cross-entropy on the retain set.

The three stages have an SGD optimiser each, kept over the cycles; the forget rounds' learning rate falls as a cosine per step.
The network stays in train mode until the end. The paper calls the forget round gradient ascent on a contrastive loss; the
published code descends the loss above.
"""

METADATA = {
    "family": "winner",
    "source": (
        "fanchuan, NeurIPS 2023 Machine Unlearning challenge, "
        "https://www.kaggle.com/competitions/neurips-2023-machine-unlearning"
    ),
    "reported": "0.0985 (private leaderboard, 1st place)",
    "values": "published",
    "needs": "the retain set in batches of another size (`.dataset`), and the forget set",
}

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, rebatch
from solutions.parts.members import by_member
from solutions.parts.training import sgd, train_epoch

SEARCH_SPACE = {
    "uniform_learning_rate": (1e-3, 3.0, "log"),  # below, the few steps of the first stage change next to nothing
    "cycles": (2, 12),
    "temperature": (0.3, 10.0, "log"),
    "forget_learning_rate": (1e-5, 0.1, "log"),
    "retain_learning_rate": (1e-3, 3.0, "log"),
    "retain_batch_size": (16, 512, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    uniform_learning_rate: float = 5e-3,
    cycles: int = 8,
    temperature: float = 1.15,
    forget_learning_rate: float = 3e-4,
    retain_learning_rate: float = 4e-3,
    retain_batch_size: int = 256,
    weight_decay: float = 1e-2,
) -> None:
    """Unlearn `net` in place."""
    net.train()
    pull_to_uniform(net, forget_loader, uniform_learning_rate, divergence_from_uniform)
    repair(
        net,
        rebatch(retain_loader, retain_batch_size),
        forget_loader,
        cycles=cycles,
        temperature=temperature,
        forget_learning_rate=forget_learning_rate,
        retain_learning_rate=retain_learning_rate,
        weight_decay=weight_decay,
    )
    net.eval()


def pull_to_uniform(
    net: nn.Module, forget_loader: DataLoader[Any], learning_rate: float, divergence: Callable[[Tensor], Tensor]
) -> None:
    """One epoch over the forget set that minimises a divergence between the predictions and uniform ones."""
    optimiser = sgd(net, learning_rate, weight_decay=0.0)
    for images, _ in batches(forget_loader, net):
        optimiser.zero_grad()
        divergence(net(images)).backward()
        optimiser.step()


def divergence_from_uniform(logits: Tensor) -> Tensor:
    """KL(u‖p), the mean over a batch of logits [batch, classes]."""
    uniform = torch.full_like(logits, 1 / logits.shape[1])
    return F.kl_div(logits.log_softmax(dim=1), uniform, reduction="batchmean")


def repair(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    *,
    cycles: int,
    temperature: float,
    forget_learning_rate: float,
    retain_learning_rate: float,
    weight_decay: float,
) -> None:
    """Alternate forget rounds and retain rounds."""
    forgetting = sgd(net, forget_learning_rate, weight_decay=0.0)
    repairing = sgd(net, retain_learning_rate, weight_decay)
    schedule = CosineAnnealingLR(forgetting, T_max=max(1, cycles * len(forget_loader)), eta_min=1e-6)
    for _ in range(cycles):
        forget_round(net, forget_loader, retain_loader, temperature, forgetting, schedule)
        train_epoch(net, retain_loader, repairing)


def forget_round(
    net: nn.Module,
    forget_loader: DataLoader[Any],
    retain_loader: DataLoader[Any],
    temperature: float,
    optimiser: Optimizer,
    schedule: LRScheduler,
) -> None:
    """Make each forget example's logits equally similar to those of all retain examples of a batch."""
    pairs = zip(batches(forget_loader, net), batches(retain_loader, net), strict=False)  # as many as the shorter has
    for (forget_images, _), (retain_images, _) in pairs:
        optimiser.zero_grad()
        forget_logits, retain_logits = by_member(net(forget_images), net), by_member(net(retain_images).detach(), net)
        similarities = forget_logits @ retain_logits.mT / temperature
        (-similarities.log_softmax(dim=-1)).mean().backward()
        optimiser.step()
        schedule.step()
