"""OrthoGrad: ascend the forget gradient without its part in the span of single retain examples' gradients, descend the latter.

1. For every forget batch the gradient of its cross-entropy, minus its projection on the span of the gradients of the single
   examples of a small random retain batch.
2. The direction of a step: (1 − α) times what is left of the forget gradient, upwards, and α times the mean of the retain
   examples' gradients, downwards; α = 0.1. It is scaled to unit length (over all weights together), times the learning rate.

To first order the forget part of a step changes the loss of none of those retain examples; orthogonal to their mean gradient,
it would leave only the mean of their losses alone. The retain part lowers that mean.

Of the paper only the abstract could be read. Both steps' formulas are those of a note on its second version and of an
implementation (class `OrthogonalGrad`, with `AdamUpdateDirection`), found in public code whose authors are not known to us.
The two agree but for the projection: the note makes it over all weights together, as here and as the abstract has it
("orthogonal to all gradients in the retain batch"), the implementation in each tensor alone, which takes all from tensors with
fewer elements than there are retain examples. The implementation replaces every gradient by Adam's direction for it; α = 0.5
in the one use that was found.

Ours: 5 epochs, α, 32 retain examples, the steps' length, no momentum, no weight decay, eval mode throughout (per-example
gradients need it). The first four were chosen on digits, where the forget loss then is about that of images that were never
seen (0.10 after α = 0.1, retain loss 0.015; with α = 0.5 at the length that gives the same, 0.04). Takes at least the memory
of the weights for each retain example.
"""

METADATA = {
    "family": "classic",
    "source": "Shamsian et al. 2025, https://arxiv.org/abs/2503.02312",
    "reported": "none",
    "values": "ours",
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
    "alpha": (0.03, 0.9, "log"),
    "retain_examples": (8, 64),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 5,
    learning_rate: float = 0.1,
    alpha: float = 0.1,
    retain_examples: int = 32,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    optimiser = SGD(net.parameters(), learning_rate, maximize=True)
    retain = batches(endless(rebatch(retain_loader, retain_examples)), net)
    for _ in range(epochs):
        for of_forget in batch_gradients(net, forget_loader):
            of_retain = per_example_gradients(net, *next(retain))
            rest = orthogonal_part(of_forget, of_retain)
            direction = [(1 - alpha) * up - alpha * down.mean(dim=0) for up, down in zip(rest, of_retain, strict=True)]
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
