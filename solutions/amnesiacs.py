"""6th place: forget the first and the last layer, then learn from the model that was ("KDE", knowledge distillation).

1. Re-initialise the stem and the head. A frozen copy of the network as it was is the teacher.
2. Warm-up: 3 epochs on validation images, without their labels: KL(teacher‖student) at a temperature of 5.
3. Main stage: 3 epochs on the retain set, the learning rate falling as a cosine from epoch to epoch. The loss is the sum of
   the cross-entropy with the labels, the cross-entropy with the teacher's predictions, and KL(teacher‖student), the latter two
   at a temperature of 5.

The last two terms differ by the teacher's entropy only, so the student sees the same gradient twice. Nothing makes up for its
shrinking as 1/T²: at a temperature of 5 the labels count for most.

Published, in the port of the team's notebook (https://github.com/xcadet/deepunlearn, munl/unlearning/kgltop6.py): all values,
terms without the T² of Hinton et al. 2015, the teacher in eval mode, a constant learning rate in the warm-up, and an SGD
optimiser for each stage. The competition's paper (https://arxiv.org/abs/2406.09073) calls the loss of step 3 a symmetric KL
divergence; in the port there is no KL(student‖teacher).

Places: the notebook is called "7th on private LB", and the team writes that it was 6th of the seven winners
(https://euclid.ee.duth.gr/machine-unlearning). The zoo counts as the organisers do.
"""

METADATA = {
    "family": "winner",
    "source": (
        "Algorithmic Amnesiacs, NeurIPS 2023 Machine Unlearning challenge, "
        "https://www.kaggle.com/competitions/neurips-2023-machine-unlearning"
    ),
    "reported": "0.07831 (private leaderboard: 7th there, 6th of the winners)",
    "values": "published",
    "needs": "the retain set and validation images",
}

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.distillation import distillation, frozen_copy
from solutions.parts.layers import head, stem
from solutions.parts.training import sgd
from solutions.parts.weights import reinitialise

SEARCH_SPACE = {
    "temperature": (1.0, 50.0, "log"),
    "warm_up_epochs": (1, 6),
    "warm_up_learning_rate": (1e-4, 3.0, "log"),
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    temperature: float = 5.0,
    warm_up_epochs: int = 3,
    warm_up_learning_rate: float = 9e-4,
    epochs: int = 3,
    learning_rate: float = 1e-3,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    teacher = frozen_copy(net)
    reinitialise(stem(net))
    reinitialise(head(net))
    net.train()
    warm_up(net, teacher, val_loader, sgd(net, warm_up_learning_rate, weight_decay), warm_up_epochs, temperature)
    main_stage(net, teacher, retain_loader, sgd(net, learning_rate, weight_decay), epochs, temperature)
    net.eval()


def warm_up(
    net: nn.Module, teacher: nn.Module, loader: DataLoader[Any], optimiser: Optimizer, epochs: int, temperature: float
) -> None:
    """Imitate the teacher's predictions; labels are not used."""
    for _ in range(epochs):
        teach_epoch(net, teacher, loader, optimiser, lambda logits, taught, _: divergence(logits, taught, temperature))


def main_stage(
    net: nn.Module, teacher: nn.Module, loader: DataLoader[Any], optimiser: Optimizer, epochs: int, temperature: float
) -> None:
    """Learn from the labels and from the teacher."""

    def loss(logits: Tensor, taught: Tensor, labels: Tensor) -> Tensor:
        from_teacher = soft_cross_entropy(logits, taught, temperature) + divergence(logits, taught, temperature)
        return F.cross_entropy(logits, labels) + from_teacher

    schedule = CosineAnnealingLR(optimiser, T_max=max(epochs, 1))
    for _ in range(epochs):
        teach_epoch(net, teacher, loader, optimiser, loss)
        schedule.step()


def soft_cross_entropy(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Cross-entropy with the teacher's predictions at a temperature, the mean over a batch."""
    return F.cross_entropy(logits / temperature, (teacher_logits / temperature).softmax(dim=1))


def divergence(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL(teacher‖student) of predictions at a temperature, without the factor of a distillation, the mean over a batch."""
    return distillation(logits / temperature, teacher_logits / temperature)


def teach_epoch(
    net: nn.Module,
    teacher: nn.Module,
    loader: DataLoader[Any],
    optimiser: Optimizer,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> None:
    """One epoch that descends a loss of logits, the teacher's logits, and labels."""
    for images, labels in batches(loader, net):
        optimiser.zero_grad()
        loss(net(images), teacher(images), labels).backward()
        optimiser.step()
