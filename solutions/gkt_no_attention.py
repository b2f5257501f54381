"""GKT without attention: the student learns from the teacher's predictions alone, and where the teacher looks does not matter.

1. No attention: GKT (`gkt.py`), but the distance of teacher and student in what they look at has no weight.
2. Gate: images of which the teacher's prediction has an entropy above ε_H = 0.75 nats are left out as well, as in
   `gkt_entropy.py`.

All else, what is ours included, is as in `gkt.py`. It is an ablation: the report shows by it that attention is needed.
"""

METADATA = {
    "family": "zero-shot",
    "source": (
        "SP1029/CS-772-Unlearning, https://github.com/SP1029/CS-772-Unlearning, a report on Chundawat et al. 2023, "
        '"Zero-shot machine unlearning", https://arxiv.org/abs/2201.05629'
    ),
    "reported": "below 50 % on retain classes, 43.9 % and 0 % on the forget class in its log (MNIST, All-CNN, class 0)",
    "values": (
        "published; ours: pseudo_batches, batch_size, learning_rate, balance, average, share_forget, examine_every, patience"
    ),
    "needs": "no data; whole classes to be forgotten",
    "published_steps": 0,
}

from typing import Any

from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.gkt import become_student, samples
from solutions.parts.gated_transfer import Settings

BATCHES = "tuple"
LOCKSTEP = False
MOST_ENTROPY, ATTENTION_WEIGHT = 0.75, 0.0


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    most_entropy: float = MOST_ENTROPY,
    pseudo_batches: int = 400,
    batch_size: int = 64,
    student_steps: int = 10,
    learning_rate: float = 3e-3,
    balance: float = 0.05,
    average: float = 0.99,
    share_forget: bool = False,
    examine_every: int = 25,
    patience: int = 8,
) -> None:
    """Put the student's weights into `net`."""
    settings = Settings(
        most_entropy=most_entropy,
        pseudo_batches=pseudo_batches,
        batch_size=batch_size,
        student_steps=student_steps,
        learning_rate=learning_rate,
        attention_weight=ATTENTION_WEIGHT,
        balance=balance,
        average=average,
        share_forget=share_forget,
        examine_every=examine_every,
        patience=patience,
    )
    become_student(net, retain_loader, forget_loader, settings)


def pictures(
    net: nn.Module, retain_loader: DataLoader[Any], forget_loader: DataLoader[Any], val_loader: DataLoader[Any], **values: Any
) -> Tensor:
    """What the trained generator makes, as in `gkt.py`."""
    return samples(
        net,
        retain_loader,
        forget_loader,
        Settings(**{"most_entropy": MOST_ENTROPY, "attention_weight": ATTENTION_WEIGHT, **values}),
    )
