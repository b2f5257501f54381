"""SCRUB: move away from the original's predictions on the forget set, stay near them on the retain set.

1. Teacher: a frozen copy of the original, in eval mode. The student is the network itself.
2. Max step, in the first 2 of 3 epochs: one epoch over the forget set in batches of 32 that maximises KL(teacher‖student) at
   temperature 4.
3. Min step, in every epoch after the max step: one epoch over the retain set in batches of 128 that minimises
   0.99·CE + 0.001·KL(teacher‖student).
4. Rewind, only with `rewind=True` (SCRUB+R): of the networks after each epoch keep the one whose accuracy on the forget set is
   nearest the last one's accuracy on the validation images of the forget set's classes; among equals the earliest.

The values are those published for CIFAR-10. Both steps share one SGD optimiser, on the student's weights: in a public benchmark
it was built on the teacher's, so that the student never moved. Its learning rate is divided by 10 after epochs 3, 5 and 9.
Momentum 0.9 and weight decay 5e-4 are our choice. At the start the KL is minimal, so its gradient is 0 but for the difference
between train and eval mode: where batch-norm makes none, the first max step does little.
"""

METADATA = {
    "family": "classic",
    "source": 'Kurmanji et al. 2023, "Towards Unbounded Machine Unlearning", https://arxiv.org/abs/2302.09880',
    "reported": "0.6577 on MUFAC (NoMUS; retraining 0.6995)",
    "values": "published; ours: weight_decay",
    "needs": "the retain set and the forget set in batches of another size (`.dataset`); with `rewind` also validation images",
}

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, rebatch
from solutions.parts.distillation import distillation, frozen_copy
from solutions.parts.training import sgd

SEARCH_SPACE = {
    "epochs": (1, 12),
    "forget_epochs": (1, 6),
    "gamma": (0.1, 3.0, "log"),
    "alpha": (1e-4, 3.0, "log"),
    "temperature": (1.0, 10.0, "log"),
    "learning_rate": (1e-4, 3.0, "log"),
    "rewind": [False, True],
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 3,
    forget_epochs: int = 2,
    gamma: float = 0.99,
    alpha: float = 0.001,
    temperature: float = 4.0,
    learning_rate: float = 5e-4,
    decay_epochs: tuple[int, ...] = (3, 5, 9),
    weight_decay: float = 5e-4,
    retain_batch_size: int = 128,
    forget_batch_size: int = 32,
    rewind: bool = False,
) -> None:
    """Unlearn `net` in place.

    Raises:
        ValueError: with `rewind`, no validation image is of a class of the forget set.
    """
    teacher = frozen_copy(net)
    retain_batches, forget_batches = rebatch(retain_loader, retain_batch_size), rebatch(forget_loader, forget_batch_size)
    optimiser = sgd(net, learning_rate, weight_decay)
    schedule = MultiStepLR(optimiser, decay_epochs)
    checkpoints = []
    net.train()
    for epoch in range(epochs):
        if epoch < forget_epochs:
            max_step(net, teacher, forget_batches, optimiser, temperature)
        min_step(net, teacher, retain_batches, optimiser, temperature, gamma, alpha)
        schedule.step()
        if rewind:
            checkpoints.append(copy.deepcopy(net.state_dict()))
    net.eval()
    if rewind:
        net.load_state_dict(nearest_to_unseen(net, checkpoints, forget_loader, val_loader))


def max_step(student: nn.Module, teacher: nn.Module, loader: DataLoader[Any], optimiser: Optimizer, temperature: float) -> None:
    """One epoch that maximises KL(teacher‖student)."""
    for images, _ in batches(loader, student):
        optimiser.zero_grad()
        (-distillation(student(images), teacher(images), temperature)).backward()
        optimiser.step()


def min_step(
    student: nn.Module,
    teacher: nn.Module,
    loader: DataLoader[Any],
    optimiser: Optimizer,
    temperature: float,
    gamma: float,
    alpha: float,
) -> None:
    """One epoch that minimises γ·CE + α·KL(teacher‖student)."""
    for images, labels in batches(loader, student):
        optimiser.zero_grad()
        logits = student(images)
        divergence = distillation(logits, teacher(images), temperature)
        (gamma * F.cross_entropy(logits, labels) + alpha * divergence).backward()
        optimiser.step()


def nearest_to_unseen(
    net: nn.Module, checkpoints: list[dict[str, Any]], forget_loader: DataLoader[Any], val_loader: DataLoader[Any]
) -> dict[str, Any]:
    """The checkpoint that knows the forget set about as well as the last one knows unseen images of the same classes.

    Args:
        net: in eval mode, as it was at the last checkpoint; is left at any of them.
        checkpoints: its states after each epoch.
        forget_loader: gives the classes too.
        val_loader: the unseen images.

    Raises:
        ValueError: no validation image is of a class of the forget set.
    """
    classes = torch.cat([labels for _, labels in batches(forget_loader, net)]).unique()
    reference = accuracy(net, val_loader, classes)

    def distance(checkpoint: dict[str, Any]) -> float:
        net.load_state_dict(checkpoint)
        return abs(accuracy(net, forget_loader, classes) - reference)

    return min(checkpoints, key=distance)


@torch.no_grad()
def accuracy(net: nn.Module, loader: DataLoader[Any], classes: Tensor) -> float:
    """Share of right answers among a loader's examples of some classes.

    Raises:
        ValueError: there are no such examples.
    """
    right = [(net(images).argmax(dim=1) == labels)[torch.isin(labels, classes)] for images, labels in batches(loader, net)]
    if not any(len(part) for part in right):
        raise ValueError(f"no example is of the classes {classes.tolist()}")
    return torch.cat(right).float().mean().item()
