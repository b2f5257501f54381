"""OrthoGrad: ascend the forget gradient without its part in the span of single retain examples' gradients.

1. For every forget batch the gradient of its cross-entropy, minus its projection on the span of the gradients of the single
   examples of a small random retain batch.
2. A step of ascent along the rest, scaled to unit length (over all weights together), times the learning rate.

To first order a step changes the loss of none of those retain examples; orthogonal to their mean gradient, it would leave only
the mean of their losses alone.

Only the abstract could be read, so what it does not say is ours: 5 epochs, 32 retain examples, the steps' length, no momentum,
no weight decay, eval mode throughout (per-example gradients need it). The first three were chosen on digits, where the forget
loss then is about that of images that were never seen. No step descends the retain loss. Takes at least the memory of the
weights for each retain example.
"""

METADATA = {
    "family": "classic",
    "source": "Shamsian et al. 2025, https://arxiv.org/abs/2503.02312",
    "reported": "none",
    "needs": "the retain set in batches of another size (`.dataset`), the forget set, per-example gradients",
}

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, endless, rebatch
from solutions.parts.gradients import batch_gradients, per_example_gradients
from solutions.parts.weights import trainable

SEARCH_SPACE = {
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "retain_examples": (8, 64),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 5,
    learning_rate: float = 0.05,
    retain_examples: int = 32,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    optimiser = SGD(net.parameters(), learning_rate, maximize=True)
    retain = batches(endless(rebatch(retain_loader, retain_examples)), net)
    for _ in range(epochs):
        for of_forget in batch_gradients(net, forget_loader):
            direction = orthogonal_part(of_forget, per_example_gradients(net, *next(retain)))
            length = torch.stack([part.norm() for part in direction]).norm().clamp_min(1e-12)
            for weight, part in zip(trainable(net), direction, strict=True):
                weight.grad = part / length
            optimiser.step()


def orthogonal_part(gradients: Sequence[Tensor], to: Sequence[Tensor]) -> list[Tensor]:
    """A gradient minus its projection on the span of several others.

    Args:
        gradients: one tensor per weight, of its shape.
        to: the same of the others, [others, *weight.shape].

    Returns:
        One tensor per weight, of its shape.
    """
    others = [part.flatten(1) for part in to]
    products = torch.stack([part @ part.T for part in others]).sum(dim=0)  # of the others with each other
    overlaps = torch.stack([part @ own.flatten() for part, own in zip(others, gradients, strict=True)]).sum(dim=0)
    lengths = products.diagonal().sqrt().clamp_min(1e-12)  # to unit length, or gradients of small losses would pass for zero
    cosines = products / lengths / lengths[:, None]
    coefficients = torch.linalg.pinv(cosines, hermitian=True) @ (overlaps / lengths) / lengths
    return [own - (coefficients @ part).view_as(own) for own, part in zip(gradients, others, strict=True)]
