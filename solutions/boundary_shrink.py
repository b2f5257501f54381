"""Boundary Shrink: relabel each forget example to the class across the nearest decision boundary, and fine-tune on that.

1. The nearest other class of a forget example: what the original network predicts after a step of 0.1 against it, along the
   sign of the loss's gradient with respect to the image (FGSM).
2. 10 epochs of cross-entropy on the forget set with these labels, SGD.

The paper's images lie in [0, 1]; here the step is 0.1 times the range (largest minus smallest value) of the forget images, so
that it suits images of any scale. As in the paper, the label is the prediction on the changed image, even where that is still
the true class. Changed images are not clipped. At the published learning rate the network changes little. Only the order of
the examples is random.

Published, in a copy of the authors' code (https://github.com/TY-LEE-KR/Boundary-Unlearning-Code, boundary_unlearning.py): all
values, SGD with momentum 0.9 and no weight decay.
"""

METADATA = {
    "family": "classic",
    "source": 'Chen et al. 2023, "Boundary Unlearning", CVPR 2023, https://arxiv.org/abs/2303.11570',
    "reported": "none",
    "values": "published; carried over: bound",
    "needs": "the forget set",
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.adversarial import pixel_limits
from solutions.parts.batches import batches
from solutions.parts.distillation import frozen_copy
from solutions.parts.training import sgd

SEARCH_SPACE = {
    "epochs": (1, 12),
    "learning_rate": (1e-6, 0.1, "log"),
    "bound": (0.05, 1.0, "log"),  # nearer on digits, hardly an example gets another label
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 10,
    learning_rate: float = 1e-5,
    bound: float = 0.1,
) -> None:
    """Unlearn `net` in place."""
    original = frozen_copy(net)
    least, greatest = pixel_limits(batches(forget_loader, net))
    step = bound * (greatest - least)
    optimiser = sgd(net, learning_rate, weight_decay=0.0)
    net.train()
    for _ in range(epochs):
        for images, labels in batches(forget_loader, net):
            optimiser.zero_grad()
            nearest = nearest_classes(original, images, labels, step)
            F.cross_entropy(net(images), nearest).backward()
            optimiser.step()
    net.eval()


def nearest_classes(original: nn.Module, images: Tensor, labels: Tensor, step: float) -> Tensor:
    """The original's predictions [batch] for images moved up the gradient of their loss, by `step` in every pixel."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(original(images), labels), images)
    with torch.no_grad():
        logits: Tensor = original(images + step * gradient.sign())
    return logits.argmax(dim=1)
